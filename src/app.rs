//! Wiring and supervision: start order, shutdown, and that any task that ends, ends the process with a reason.

mod args;
mod supervisor;
mod wiring;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use args::{Cli, Command, RunArgs};
pub use supervisor::Supervisor;

use crate::clock::OperatorClock;
use crate::controller::client::{Ear, client};
use crate::controller::freshness::Watches;
use crate::controller::view::View;
use crate::controller::{engine, events, preflight, tasks};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::serve::{self, Health};
use wiring::Operator;

/// How long deliveries on their way get when the operator is asked to stop.
const LAST_DELIVERIES: Duration = Duration::from_secs(8);
/// How long looks that run get after that, and Events after them.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Runs a command.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => operator(args).await,
        Command::Crds => {
            print!("{}", crate::api::crd::yaml());
            Ok(())
        }
    }
}

/// Runs the operator until it is asked to stop.
async fn operator(args: RunArgs) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let (health, metrics, clock) = (
        Health::default(),
        Metrics::default(),
        OperatorClock::start(),
    );
    let (mut standing, shown) = (Supervisor::default(), Arc::new(Mutex::new(None)));
    listen(&mut standing, &args, &health, &metrics, &shown).await?;

    let watches = Watches::default();
    let ear = Ear {
        clock: clock.clone(),
        watches: watches.clone(),
        metrics: metrics.clone(),
    };
    let client = client(preflight::config().await?, ear)
        .context("the Kubernetes client cannot be set up")?;
    standing.spawn(
        "clock",
        preflight::keep_clock(client.clone(), clock.clone()),
    );
    let policy_namespaces = args.policy_namespaces();
    let served =
        preflight::wait_until_served(&client, &args.namespaces, &policy_namespaces, &health);
    if stop
        .run_until_cancelled(served)
        .await
        .transpose()?
        .is_none()
    {
        return Ok(());
    }
    let operator = Operator::build(&args, client, clock, watches, metrics, health)?;
    *shown.lock() = Some(operator.view.clone());
    operate(operator, &args, standing, stop).await
}

/// Starts everything in its order, waits for the end, winds down.
async fn operate(
    operator: Operator,
    args: &RunArgs,
    mut standing: Supervisor,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let flush = CancellationToken::new();
    let Operator {
        client,
        view,
        outbox,
        clock,
        metrics,
        health,
        bells,
        tickets,
        policies,
        tally,
        queues,
        shared,
    } = operator;
    let writing = tokio::spawn(events::write(
        client.clone(),
        queues.events,
        metrics.clone(),
        flush.clone(),
    ));
    let listed = wiring::follow_all(&mut standing, args, &client, &shared, &metrics);
    standing.spawn("reports", tasks::hear_reports(queues.reports, view.clone()));
    standing.spawn(
        "doubts",
        tasks::settle_doubts(queues.doubts, tickets.clone(), policies.clone()),
    );
    health.waits_for(
        "caches",
        "the first lists of tickets, policies and revisions",
    );
    let first_lists = async {
        wiring::all_listed(listed).await;
        preflight::clock_is_known(&clock).await;
    };
    if let Some(reason) = until(first_lists, &mut standing, &stop).await {
        bail!(reason);
    }
    standing.spawn(
        "tally",
        tasks::keep_tally(view.clone(), tally, bells, clock.clone()),
    );
    standing.spawn(
        "revisions",
        tasks::collect_revisions(client, view, clock.clone()),
    );
    let run_policies = engine::run(
        policies,
        queues.policies,
        clock.clone(),
        metrics.clone(),
        health.clone(),
        stop.clone(),
    );
    let run_tickets = engine::run(
        tickets,
        queues.tickets,
        clock,
        metrics,
        health.clone(),
        stop.clone(),
    );
    let engines = [tokio::spawn(run_policies), tokio::spawn(run_tickets)];
    health.has("caches");
    tracing::info!("ready");
    let reason = until(std::future::pending(), &mut standing, &stop).await;
    health.waits_for("end", "the operator is stopping");
    stop.cancel();
    wind_down(engines, &outbox, writing, &flush).await;
    match reason {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

/// Waits for something, for the word to stop, or for the reason why the process must end.
async fn until(
    wanted: impl Future<Output = ()>,
    standing: &mut Supervisor,
    stop: &CancellationToken,
) -> Option<String> {
    tokio::select! {
        () = wanted => None,
        () = stop.cancelled() => None,
        reason = standing.ended() => Some(reason),
    }
}

/// Looks end, deliveries on their way end or stay armed, Events are written; all within bounds.
async fn wind_down(
    engines: [JoinHandle<()>; 2],
    outbox: &Outbox,
    writing: JoinHandle<()>,
    flush: &CancellationToken,
) {
    let left = outbox.shutdown(LAST_DELIVERIES).await;
    if left > 0 {
        tracing::info!(
            left,
            "deliveries without a result stay armed and leave after the next start, under the same ids"
        );
    }
    for engine in engines {
        if tokio::time::timeout(LAST_WORDS, engine).await.is_err() {
            tracing::warn!(
                "looks at objects did not end in time; what they wanted to write is decided again after the next start"
            );
        }
    }
    flush.cancel();
    if tokio::time::timeout(LAST_WORDS, writing).await.is_err() {
        tracing::warn!("not all Events could be written in time");
    }
    tracing::info!("stopped");
}

async fn listen(
    standing: &mut Supervisor,
    args: &RunArgs,
    health: &Health,
    metrics: &Metrics,
    shown: &Arc<Mutex<Option<Arc<View>>>>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.metrics_addr)
        .await
        .with_context(|| {
            format!(
                "`--metrics-addr` \"{}\" cannot be listened on",
                args.metrics_addr
            )
        })?;
    tracing::info!(address = %listener.local_addr()?, "serving /livez, /readyz and /metrics");
    let shown = shown.clone();
    let refresh: serve::Refresh = Arc::new(move |metrics| {
        if let Some(view) = shown.lock().clone() {
            view.measure(metrics);
        }
    });
    let routes = serve::router(health.clone(), metrics.clone(), refresh);
    standing.spawn("probes and metrics", async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "probes and metrics can no longer be served");
        }
    });
    Ok(())
}

/// Cancelled on SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened to")?;
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        asked.cancel();
    });
    Ok(stop)
}

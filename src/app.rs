//! Wiring and supervision: start order, shutdown, and that any task that ends, ends the process with a reason.

mod args;
mod heart;
mod intake;
mod outward;
mod supervisor;
mod wiring;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use args::{Cli, Command, IntakeArgs, ObjectName, RunArgs};
pub use supervisor::Supervisor;

use crate::clock::{Now, OperatorClock};
use crate::controller::client::{Ear, client};
use crate::controller::freshness::Watches;
use crate::controller::leader::candidate::Timing;
use crate::controller::leader::election::{Election, Resign, Seat};
use crate::controller::leader::neighbours::Scope;
use crate::controller::leader::{Leadership, Post, Standing};
use crate::controller::preflight;
use crate::controller::view::View;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::serve::listener::{self, Closing};
use crate::serve::{self, Health};
use wiring::{Base, Operator, Running};

/// How long deliveries on their way get when the operator is asked to stop.
const LAST_DELIVERIES: Duration = Duration::from_secs(8);
/// How long looks that run get after that, and Events after them.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Runs a command.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => operator(*args).await,
        Command::Intake(args) => intake::run(args).await,
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
    let (mut standing, watches) = (Supervisor::default(), Watches::default());
    let shown = Arc::default();
    listen(&mut standing, &args, &health, &metrics, &watches, &shown).await?;
    let (post, leadership) = if args.leader_elect {
        metrics.leader(false);
        let (post, leadership) = Leadership::elected();
        (Some(post), leadership)
    } else {
        (None, Leadership::sole())
    };

    let ear = Ear {
        clock: clock.clone(),
        watches: watches.clone(),
        metrics: metrics.clone(),
    };
    let client = client(preflight::config().await?, ear, leadership.clone())
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
    let base = Base {
        client,
        clock,
        watches,
        metrics,
        health,
        leadership,
    };
    let operator = Operator::build(&args, base)?;
    *shown.lock() = Some(operator.view.clone());
    operate(operator, &args, standing, stop, post).await
}

/// Starts everything in its order, waits for the end, winds down.
async fn operate(
    operator: Operator,
    args: &RunArgs,
    mut standing: Supervisor,
    stop: CancellationToken,
    post: Option<Post>,
) -> anyhow::Result<()> {
    let base = operator.base.clone();
    let (outbox, view) = (operator.outbox.clone(), operator.view.clone());
    let (halt, flush) = (CancellationToken::new(), CancellationToken::new());
    base.health.waits_for(
        "caches",
        "the first lists of tickets, policies and revisions",
    );
    let listed = wiring::follow_all(&mut standing, args, &operator);
    let first_lists = async {
        wiring::all_listed(listed).await;
        preflight::clock_is_known(&base.clock).await;
    };
    tokio::select! {
        biased;
        // Nothing may be decided by what is seen in part.
        ended = end(&mut standing, &stop) => return ended.map_or(Ok(()), |reason| bail!(reason)),
        () = first_lists => {}
    }
    let resign = post.map(|post| stand_for_election(&mut standing, args, &operator, post));
    let running = operator.start(&mut standing, &halt, &flush);
    base.health.has("caches");
    tracing::info!("ready");
    let reason = end(&mut standing, &stop).await;
    base.health.waits_for("end", "the operator is stopping");
    if base.leadership.standing() == Standing::Lost {
        bail!("another replica leads now; this one starts anew as a follower");
    }
    let tokens = (&halt, &flush);
    wind_down(running, (&outbox, &view), tokens, resign.as_ref()).await;
    match reason {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

/// Takes part in the election from now on: all that a leader needs to know is in memory. Gives back how it ends.
fn stand_for_election(
    standing: &mut Supervisor,
    args: &RunArgs,
    operator: &Operator,
    post: Post,
) -> Resign {
    let resign = Resign::default();
    let ground = operator.ground();
    let namespace = args.lease_namespace.as_deref();
    let seat = Seat {
        lease: args.lease_name.clone(),
        namespace: namespace
            .unwrap_or(ground.client.default_namespace())
            .to_owned(),
        timing: Timing::new(args.lease_duration),
        scope: Scope::of(&args.namespaces),
    };
    let (view, clock) = (operator.view.clone(), ground.clock.clone());
    let begin = move || view.tickets.seen_anew(clock.now());
    let election = Election::new(ground, seat, identity(), post, resign.clone());
    standing.spawn("leadership", election.run(begin));
    resign
}

/// Names this run of this process among all candidates: the pod's name alone would be that of the run before, too.
fn identity() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}_{random:016x}", wiring::instance())
}

/// Waits for the word to stop, or for the reason why the process must end.
async fn end(standing: &mut Supervisor, stop: &CancellationToken) -> Option<String> {
    tokio::select! {
        () = stop.cancelled() => None,
        reason = standing.ended() => Some(reason),
    }
}

/// Deliveries on their way end, and what came of them is written; or they stay armed. Then looks end, the lease is
/// given up, then Events are written. Until the looks end this process decides, so that nothing waits for the last
/// deliveries. All within bounds, 20 s in total.
async fn wind_down(
    running: Running,
    (outbox, view): (&Outbox, &View),
    (halt, flush): (&CancellationToken, &CancellationToken),
    resign: Option<&Resign>,
) {
    let left = outbox.shutdown(LAST_DELIVERIES).await;
    if left > 0 {
        tracing::info!(
            left,
            "deliveries without a result stay armed and leave after the next start, under the same ids"
        );
    }
    // Reports of the last results may be on their way still, and nobody waits for those.
    view.trigger_each(&outbox.unrecorded());
    halt.cancel();
    let looks = async {
        for kind in &running.looks {
            kind.cancelled().await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, looks).await.is_err() {
        tracing::warn!(
            "looks at objects did not end in time; what they wanted to write is decided again after the next start"
        );
    }
    if let Some(resign) = resign {
        resign.now().await;
    }
    flush.cancel();
    if tokio::time::timeout(LAST_WORDS, running.events.cancelled())
        .await
        .is_err()
    {
        tracing::warn!("not all Events could be written in time");
    }
    tracing::info!("stopped");
}

async fn listen(
    standing: &mut Supervisor,
    args: &RunArgs,
    health: &Health,
    metrics: &Metrics,
    watches: &Watches,
    shown: &Arc<Mutex<Option<Arc<View>>>>,
) -> anyhow::Result<()> {
    let socket = TcpListener::bind(args.metrics_addr)
        .await
        .with_context(|| {
            format!(
                "`--metrics-addr` \"{}\" cannot be listened on",
                args.metrics_addr
            )
        })?;
    tracing::info!(address = %socket.local_addr()?, "serving /livez, /readyz and /metrics");
    let (watches, shown) = (watches.clone(), shown.clone());
    let refresh: serve::Refresh = Arc::new(move |metrics| {
        metrics.watch_silence(watches.silence(Instant::now()).unwrap_or_default());
        if let Some(view) = shown.lock().clone() {
            view.measure(metrics);
        }
    });
    let routes = serve::router(health.clone(), metrics.clone(), refresh);
    let serving = listener::serve(socket, routes, Closing::default());
    standing.spawn("probes and metrics", serving);
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

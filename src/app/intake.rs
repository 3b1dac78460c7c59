//! Puts the intake's parts together: client, keys, configuration, watches, listener; ready once alerts can be taken.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::args::IntakeArgs;
use super::supervisor::Supervisor;
use super::{end, stop_signal, wiring};
use crate::clock::OperatorClock;
use crate::connectors::secret::ClusterSecrets;
use crate::controller::client::{Ear, client};
use crate::controller::events::{self, Events};
use crate::controller::freshness::Watches;
use crate::controller::leader::Leadership;
use crate::controller::preflight;
use crate::intake::desk::Desk;
use crate::intake::keys::Keyring;
use crate::intake::metrics::IntakeMetrics;
use crate::intake::watching::{self, InForce, Namespaces};
use crate::intake::{Intake, server};
use crate::metrics::Metrics;
use crate::serve::listener::{self, Closing};
use crate::serve::{self, Health};

/// Who reports in Events.
const CONTROLLER: &str = "firebell.dev/intake";
/// Longest wait for the first lists: a namespace that cannot be listed must not keep the others' alerts out.
const FIRST_LISTS: Duration = Duration::from_secs(10);
/// Between two looks whether all is there.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long requests under way get when the intake is asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(22);
/// How long Events on their way get after that.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Runs the intake until it is asked to stop.
pub(super) async fn run(args: IntakeArgs) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let (health, metrics, clock) = (
        Health::default(),
        Metrics::of_client(),
        OperatorClock::start(),
    );
    let ear = Ear {
        clock: clock.clone(),
        watches: Watches::default(),
        metrics: metrics.clone(),
    };
    // Any number of replicas write: nothing here waits for a lease.
    let client = client(preflight::config().await?, ear, Leadership::sole())
        .context("the Kubernetes client cannot be set up")?;
    let mut standing = Supervisor::default();
    standing.spawn(
        "clock",
        preflight::keep_clock(client.clone(), clock.clone()),
    );
    let (told, queue) = Events::new(&wiring::instance(), metrics.clone());
    let flush = CancellationToken::new();
    let written = events::write(client.clone(), queue, metrics.clone(), flush.clone());
    let written = standing.spawn_on(&Handle::current(), "events", written);

    let watched = Arc::new(Namespaces::new(client.clone(), metrics.clone()));
    let desk = Arc::new(Desk::new(
        client.clone(),
        clock,
        told.reported_by(CONTROLLER),
        IntakeMetrics::within(&metrics),
        watched.clone(),
    ));
    let secrets = Arc::new(ClusterSecrets::new(client.clone()));
    let secret = &args.token_secret;
    let intake = Arc::new(Intake {
        desk: desk.clone(),
        keys: Keyring::new(secrets, &secret.namespace, &secret.name),
        settings: Arc::new(InForce::default()),
        about: config_map(&args),
    });
    health.waits_for("tokens", "the Secret with the tokens");
    health.waits_for("configuration", "a valid configuration in the ConfigMap");
    follow(&mut standing, &args, &intake, &health, client, &watched);
    let closing = listen(&mut standing, &args, &intake, &health, metrics).await?;

    let reason = end(&mut standing, &stop).await;
    health.waits_for("end", "the intake is stopping");
    if reason.is_none() && !closing.drain(LAST_REQUESTS).await {
        tracing::warn!("not all requests could be answered in time; their senders come again");
    }
    flush.cancel();
    if tokio::time::timeout(LAST_WORDS, written.cancelled())
        .await
        .is_err()
    {
        tracing::warn!("not all Events could be written in time");
    }
    match reason {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

fn config_map(args: &IntakeArgs) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("ConfigMap".to_owned()),
        namespace: Some(args.config_map.namespace.clone()),
        name: Some(args.config_map.name.clone()),
        ..ObjectReference::default()
    }
}

/// Starts what keeps tokens, configuration and the index of tickets fresh.
fn follow(
    standing: &mut Supervisor,
    args: &IntakeArgs,
    intake: &Arc<Intake>,
    health: &Health,
    client: kube::Client,
    watched: &Arc<Namespaces>,
) {
    let (ring, ready) = (intake.clone(), health.clone());
    standing.spawn("tokens", async move {
        let told = |read: Result<(), String>| match read {
            Ok(()) => ready.has("tokens"),
            Err(error) => tracing::warn!("tokens cannot be read: {error}"),
        };
        ring.keys.keep_fresh(told).await;
    });
    let map = &args.config_map;
    standing.spawn(
        "configuration",
        watching::follow_settings(
            client,
            map.namespace.clone(),
            map.name.clone(),
            intake.settings.clone(),
            watched.clone(),
            intake.desk.clone(),
        ),
    );
    let (intake, watched, health) = (intake.clone(), watched.clone(), health.clone());
    standing.spawn("watches on tickets", async move {
        first_lists(&intake, &watched, &health).await;
        watched.broken().await;
    });
}

async fn first_lists(intake: &Intake, watched: &Namespaces, health: &Health) {
    while intake.settings.get().is_none() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    health.waits_for("tickets", "the first lists of tickets");
    health.has("configuration");
    let lists = async {
        while !watched.missing().is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(FIRST_LISTS, lists).await.is_err() {
        tracing::warn!(
            namespaces = ?watched.missing(),
            "tickets cannot be listed in all allowed namespaces; alerts for these are answered 503 until they can"
        );
    }
    health.has("tickets");
    tracing::info!("ready");
}

async fn listen(
    standing: &mut Supervisor,
    args: &IntakeArgs,
    intake: &Arc<Intake>,
    health: &Health,
    metrics: Metrics,
) -> anyhow::Result<Closing> {
    let socket = TcpListener::bind(args.addr)
        .await
        .with_context(|| format!("`--addr` \"{}\" cannot be listened on", args.addr))?;
    tracing::info!(address = %socket.local_addr()?, "serving the ways in, /livez, /readyz and /metrics");
    let probes = serve::router(health.clone(), metrics, Arc::new(|_| ()));
    let routes = server::router(intake.clone()).merge(probes);
    let closing = Closing::default();
    standing.spawn("listener", listener::serve(socket, routes, closing.clone()));
    Ok(closing)
}

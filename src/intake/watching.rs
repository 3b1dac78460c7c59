//! The watches of the intake: the tickets of each allowed namespace, and the ConfigMap with its configuration, which
//! takes effect as soon as it is changed; one with a fault is told and the last good one stays in force.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch as signal;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::dedup::{Index, IndexSink, LABEL};
use super::desk::Desk;
use super::settings::{KEY, Settings, SettingsError};
use crate::api::Ticket;
use crate::clock::Now;
use crate::controller::freshness::WATCH_SECONDS;
use crate::controller::streams::{Selection, events, follow};
use crate::domain::next::Transition;
use crate::domain::telling::delivery::hex32;
use crate::metrics::Metrics;

/// The namespaces whose tickets are watched.
pub struct Namespaces {
    client: Client,
    metrics: Metrics,
    index: Arc<Index>,
    running: Mutex<BTreeMap<String, Watched>>,
    /// A watch has panicked.
    broken: CancellationToken,
}

struct Watched {
    task: AbortHandle,
    listed: signal::Receiver<bool>,
}

impl Namespaces {
    /// None yet.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self {
            client,
            metrics,
            index: Arc::default(),
            running: Mutex::default(),
            broken: CancellationToken::new(),
        }
    }

    /// What the watches show.
    pub fn index(&self) -> Arc<Index> {
        self.index.clone()
    }

    /// Whether the tickets of a namespace have been seen once.
    pub fn listed(&self, namespace: &str) -> bool {
        let running = self.running.lock();
        running
            .get(namespace)
            .is_some_and(|watched| *watched.listed.borrow())
    }

    /// The watched namespaces that were not seen yet.
    pub fn missing(&self) -> Vec<String> {
        let running = self.running.lock();
        let missing = running
            .iter()
            .filter(|(_, watched)| !*watched.listed.borrow());
        missing.map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Waits until a watch has panicked: what it showed is shown by nobody any more.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// Watches exactly these.
    pub fn watch<'n>(&self, wanted: impl Iterator<Item = &'n String> + Clone) {
        let mut running = self.running.lock();
        running.retain(|namespace, watched| {
            let keep = wanted.clone().any(|wanted| wanted == namespace);
            if !keep {
                watched.task.abort();
            }
            keep
        });
        for namespace in wanted {
            running
                .entry(namespace.clone())
                .or_insert_with(|| self.start(namespace));
        }
    }

    fn start(&self, namespace: &str) -> Watched {
        let (told, listed) = signal::channel(false);
        let api: Api<DeserializeGuard<Ticket>> = Api::namespaced(self.client.clone(), namespace);
        let ours = Selection {
            fields: None,
            labels: Some(LABEL.to_owned()),
        };
        let sink = IndexSink {
            index: self.index.clone(),
            namespace: namespace.to_owned(),
        };
        let watch = AssertUnwindSafe(follow(api, ours, sink, self.metrics.clone(), told));
        let broken = self.broken.clone();
        let task = tokio::spawn(async move {
            // It ends by a panic only, or is aborted.
            let _panicked = watch.catch_unwind().await;
            broken.cancel();
        });
        Watched {
            task: task.abort_handle(),
            listed,
        }
    }
}

/// The configuration in force.
#[derive(Default)]
pub struct InForce(RwLock<Option<Arc<Settings>>>);

impl InForce {
    /// The configuration, once a good one was read.
    pub fn get(&self) -> Option<Arc<Settings>> {
        self.0.read().clone()
    }
}

/// Follows the ConfigMap for ever.
pub async fn follow_settings(
    client: Client,
    namespace: String,
    name: String,
    in_force: Arc<InForce>,
    watched: Arc<Namespaces>,
    desk: Arc<Desk>,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let config = watcher::Config {
        field_selector: Some(format!("metadata.name={name}")),
        timeout: Some(WATCH_SECONDS),
        ..watcher::Config::default()
    };
    let stream = events(api, config).applied_objects();
    pin_mut!(stream);
    let mut newest = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(map) => {
                let text = map.data.as_ref().and_then(|data| data.get(KEY)).cloned();
                if newest.as_ref() == Some(&text) && in_force.get().is_some() {
                    continue;
                }
                newest = Some(text.clone());
                let read = text.ok_or(SettingsError::NoKey);
                match read.and_then(|text| Settings::parse(&text)) {
                    Ok(settings) => {
                        desk.storm.limit(settings.new_tickets_per_minute);
                        watched.watch(settings.namespaces().iter());
                        *in_force.0.write() = Some(Arc::new(settings));
                        desk.metrics.configuration(true);
                        tracing::info!(namespace, name, "the configuration is in force");
                    }
                    Err(error) => bad(&desk, &map, &error, in_force.get().is_some()),
                }
            }
            Err(error) => {
                tracing::warn!(%error, namespace, name, "the ConfigMap cannot be watched; it is tried again");
            }
        }
    }
}

fn bad(desk: &Desk, map: &ConfigMap, error: &SettingsError, has_good: bool) {
    desk.metrics.configuration(false);
    let stays = if has_good {
        "the last good configuration stays in force"
    } else {
        "no alert is taken until it is mended"
    };
    tracing::error!(reason = error.reason(), "{error}; {stays}");
    let version = map.metadata.resource_version.as_deref().unwrap_or_default();
    let told = Transition {
        key: format!("configuration/{version}"),
        warning: true,
        reason: "ConfigurationInvalid",
        action: "Read".to_owned(),
        note: format!("{error}; {stays}"),
    };
    desk.events
        .tell(&map.object_ref(&()), None, &[told], desk.clock.now());
}

/// Tells on the ConfigMap that a source left alerts out of its message.
pub fn truncated(desk: &Desk, about: &ObjectReference, way: &str, left_out: u64) {
    let now = desk.clock.now();
    let told = Transition {
        key: format!("truncated/{}", hex32(format!("{way}{now}").as_bytes())),
        warning: true,
        reason: "AlertsTruncated",
        action: "Receive".to_owned(),
        note: format!(
            "{way} left {left_out} alerts out of one message (`truncatedAlerts`), so they have no tickets; raise `max_alerts` of its receiver or set it to 0"
        ),
    };
    tracing::warn!(way, left_out, "a source left alerts out of its message");
    desk.events.tell(about, None, &[told], now);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use futures::stream;
    use http::{Request, Response};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use kube::Client;
    use kube::client::Body;
    use tokio::time::timeout;

    use super::Namespaces;
    use crate::metrics::Metrics;

    /// Watches on an API server whose answers break whoever reads them, where `breaks`, and never come otherwise.
    fn namespaces(breaks: bool) -> Namespaces {
        let service = tower::service_fn(move |_request: Request<Body>| async move {
            if !breaks {
                std::future::pending::<()>().await;
            }
            let body = stream::poll_fn(
                |_| -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                    panic!("as written in the test")
                },
            );
            Ok::<_, Infallible>(Response::new(StreamBody::new(body)))
        });
        Namespaces::new(Client::new(service, "shop"), Metrics::of_client())
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_watch_that_panics_is_noticed() {
        let watched = namespaces(true);
        watched.watch(["shop".to_owned()].iter());
        let noticed = timeout(LIMIT, watched.broken()).await;
        assert!(noticed.is_ok(), "the process must end then");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_wanted_no_more_ends_and_is_not_broken() {
        let watched = namespaces(false);
        watched.watch(["shop".to_owned(), "bank".to_owned()].iter());
        assert_eq!(watched.missing(), ["bank", "shop"]);
        watched.watch(["shop".to_owned()].iter());
        assert_eq!(watched.missing(), ["shop"]);
        assert!(timeout(LIMIT, watched.broken()).await.is_err());
    }
}

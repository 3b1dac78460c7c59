//! Watches, each with a backoff of its own; an error is logged and counted and stays inside its stream
//! (architecture.md, trap 4). An object that cannot be decoded disturbs no other (trap 6).

use std::collections::HashSet;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, pin_mut, stream};
use kube::Api;
use kube::api::ObjectMeta;
use kube::core::{DeserializeGuard, Resource};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde::de::DeserializeOwned;
use tokio::sync::watch as signal;

use super::backoff;
use super::error::Class;
use super::freshness::WATCH_SECONDS;
use super::key::Key;
use super::versions::Origin;
use crate::metrics::{Kind, Metrics};

/// Longest rest of a watch that failed.
const REST_MOST: Duration = Duration::from_secs(5);
/// A failure so long after the one before it is the first of its row.
const QUIET: Duration = Duration::from_mins(1);

/// Where the objects of a stream go.
pub trait Sink<K>: Send + Sync + 'static {
    /// The kind, for logs and metrics.
    const KIND: Kind;
    /// How long one watch call lasts.
    const WATCH_SECONDS: u32 = WATCH_SECONDS;
    /// The namespace of the stream; `None` = the whole cluster.
    fn namespace(&self) -> Option<&str>;
    /// The watch lives: it showed a change. (That it was started, the client notes.)
    fn alive(&self) {}
    /// A version of an object came.
    fn take(&self, object: K, origin: Origin);
    /// An object is stored that cannot be decoded.
    fn undecodable(&self, metadata: &ObjectMeta, error: &str);
    /// An object was deleted or left the selection; its last version where it could be decoded.
    fn lose(&self, metadata: &ObjectMeta, last: Option<K>);
    /// Everything that is held for this stream: what a new list does not show was deleted meanwhile.
    fn held(&self) -> Vec<Key>;
}

/// Which objects a stream shows.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Field selector.
    pub fields: Option<String>,
    /// Label selector.
    pub labels: Option<String>,
}

/// Follows a kind for ever, as [`events`] shows it. `listed` turns true once everything was seen once.
pub async fn follow<K, S>(
    api: Api<DeserializeGuard<K>>,
    selection: Selection,
    sink: S,
    metrics: Metrics,
    listed: signal::Sender<bool>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    S: Sink<K>,
{
    let config = watcher::Config {
        field_selector: selection.fields,
        label_selector: selection.labels,
        timeout: Some(S::WATCH_SECONDS),
        ..watcher::Config::default()
    };
    let events = events(api, config);
    pin_mut!(events);
    let mut fresh = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // A list is none of a watch: where only lists are answered, the watch is silent still.
                if matches!(event, Event::Apply(_) | Event::Delete(_)) {
                    sink.alive();
                }
                if hear(event, &sink, &mut fresh) {
                    listed.send_replace(true);
                }
            }
            Err(error) => {
                metrics.watch_failed(S::KIND);
                tracing::warn!(kind = ?S::KIND, %error, "a watch failed; it starts again by itself");
            }
        }
    }
}

/// What a watch shows, for ever; after an error it rests for some seconds at most.
///
/// A watch that could not be started begins anew with a list: the API server was away, and may be back with an older
/// store. One that asks for a version of the future would be told nothing, not even that.
pub fn events<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    K::DynamicType: Clone + Default,
{
    let open = move || watch(api.clone(), config.clone()).backoff(Again::default());
    let first = Box::pin(open());
    stream::unfold(
        (first, Again::default(), open, false),
        |(mut seen, mut rests, open, away)| async move {
            if away {
                tokio::time::sleep(rests.rest(Instant::now())).await;
                seen = Box::pin(open());
            }
            let event = seen.next().await?;
            let away = event.as_ref().is_err_and(was_away);
            Some((event, (seen, rests, open, away)))
        },
    )
}

/// Whether the API server may be back with another store: it did not answer when a watch was to be started, and not
/// because it had too much to do.
pub fn was_away(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code != 429,
        watcher::Error::WatchStartFailed(_) => true,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

/// How long a watch rests that failed: longer each time, and never so long that a ticket made after an outage would be
/// noticed late (kube's own rests go up to half a minute).
#[derive(Debug, Default)]
struct Again {
    failures: u32,
    last: Option<Instant>,
}

impl Again {
    fn rest(&mut self, now: Instant) -> Duration {
        let quiet = |last| now.saturating_duration_since(last) > QUIET;
        if self.last.is_some_and(quiet) {
            self.failures = 0;
        }
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        let rest = backoff::rest(Class::Transient, self.failures).unsigned_abs();
        rest.min(REST_MOST)
    }
}

impl Iterator for Again {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.rest(Instant::now()))
    }
}

impl Backoff for Again {
    /// The beginning of a list that fails counts as an event too, so an event alone ends no row of failures.
    fn reset(&mut self) {}
}

/// Passes one event on; true at the end of a list.
fn hear<K, S>(event: Event<DeserializeGuard<K>>, sink: &S, fresh: &mut HashSet<Key>) -> bool
where
    K: Resource<DynamicType = ()>,
    S: Sink<K>,
{
    match event {
        Event::Apply(DeserializeGuard(Ok(object))) => sink.take(object, Origin::Watch),
        Event::Apply(DeserializeGuard(Err(invalid))) => {
            sink.undecodable(&invalid.metadata, &invalid.error);
        }
        Event::Delete(DeserializeGuard(Ok(object))) => {
            let metadata = object.meta().clone();
            sink.lose(&metadata, Some(object));
        }
        Event::Delete(DeserializeGuard(Err(invalid))) => sink.lose(&invalid.metadata, None),
        Event::Init => fresh.clear(),
        Event::InitApply(guard) => {
            fresh.insert(Key::of(guard.meta()));
            match guard.0 {
                Ok(object) => sink.take(object, Origin::Relist),
                Err(invalid) => sink.undecodable(&invalid.metadata, &invalid.error),
            }
        }
        Event::InitDone => {
            for key in sink.held().iter().filter(|key| !fresh.contains(*key)) {
                sink.lose(&named(key), None);
            }
            fresh.clear();
            return true;
        }
    }
    false
}

fn named(key: &Key) -> ObjectMeta {
    ObjectMeta {
        name: Some(key.name.to_string()),
        namespace: Some(key.namespace.to_string()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use futures::StreamExt;
    use futures::channel::mpsc;
    use http::{Request, Response};
    use k8s_openapi::NamespaceResourceScope;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;
    use kube::client::Body;
    use kube::core::Resource;
    use kube::runtime::watcher;
    use kube::{Api, Client};
    use parking_lot::Mutex;
    use tokio::sync::watch as signal;

    use super::{Again, QUIET, REST_MOST, Selection, Sink, events, follow};
    use crate::controller::key::Key;
    use crate::controller::versions::Origin;
    use crate::metrics::{Kind, Metrics};

    /// An API server that gives these answers and then none, and the requests (`list` or `watch`) that it gets.
    fn cluster<K>(
        answers: impl IntoIterator<Item = u16>,
    ) -> (Api<K>, mpsc::UnboundedReceiver<&'static str>)
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        let (asks, asked) = mpsc::unbounded();
        let answers: Mutex<VecDeque<u16>> = Mutex::new(answers.into_iter().collect());
        let service = tower::service_fn(move |request: Request<Body>| {
            let watches = request
                .uri()
                .query()
                .is_some_and(|query| query.contains("watch=true"));
            let kind = if watches { "watch" } else { "list" };
            asks.unbounded_send(kind).unwrap();
            let status = answers.lock().pop_front();
            async move {
                let Some(status) = status else {
                    return std::future::pending().await;
                };
                let body = if status == 200 {
                    r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}"#.to_owned()
                } else {
                    format!(
                        r#"{{"kind":"Status","status":"Failure","message":"no","reason":"no","code":{status}}}"#
                    )
                };
                Response::builder()
                    .status(status)
                    .body(Body::from(body.into_bytes()))
            }
        });
        let api = Api::namespaced(Client::new(service, "team"), "team");
        (api, asked)
    }

    /// The first three requests to an API server that answers the first watch with `status`.
    async fn asked_after(status: u16) -> Vec<&'static str> {
        let (api, asked) = cluster::<ConfigMap>([200, status]);
        let seen = events(api, watcher::Config::default()).for_each(|_event| async {});
        let three = asked.take(3).collect();
        let three = tokio::time::timeout(Duration::from_secs(30), three);
        tokio::select! {
            () = seen => panic!("it goes on for ever"),
            three = three => three.expect("asked three times within 30 s"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_the_api_server_could_not_start_begins_anew_with_a_list() {
        for status in [403, 500, 503, 504] {
            assert_eq!(
                asked_after(status).await,
                ["list", "watch", "list"],
                "{status}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_was_refused_since_there_is_too_much_to_do_lists_nothing() {
        assert_eq!(asked_after(429).await, ["list", "watch", "watch"]);
    }

    /// Counts signs of life.
    struct Counting(Arc<AtomicUsize>);

    impl Sink<ConfigMap> for Counting {
        const KIND: Kind = Kind::ConfigMap;

        fn namespace(&self) -> Option<&str> {
            Some("team")
        }

        fn alive(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }

        fn take(&self, _object: ConfigMap, _origin: Origin) {}

        fn undecodable(&self, _metadata: &ObjectMeta, _error: &str) {}

        fn lose(&self, _metadata: &ObjectMeta, _last: Option<ConfigMap>) {}

        fn held(&self) -> Vec<Key> {
            Vec::new()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_never_starts_shows_no_life_by_the_lists_between() {
        let (api, asked) = cluster([200, 503, 200, 503, 200, 503]);
        let alive: Arc<AtomicUsize> = Arc::default();
        let (told, listed) = signal::channel(false);
        let (sink, all) = (Counting(Arc::clone(&alive)), Selection::default());
        let seen = follow(api, all, sink, Metrics::default(), told);
        let asked = tokio::time::timeout(Duration::from_mins(1), asked.take(7).count());
        tokio::select! {
            () = seen => panic!("it goes on for ever"),
            asked = asked => assert_eq!(asked, Ok(7)),
        }
        assert!(*listed.borrow());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn after_an_outage_of_hours_a_watch_is_back_within_seconds() {
        let (mut again, start) = (Again::default(), Instant::now());
        let first = again.rest(start);
        assert!(first < Duration::from_millis(400), "{first:?}");
        let mut now = start;
        for _ in 0..5000 {
            let rest = again.rest(now);
            assert!(
                rest > Duration::from_millis(400) && rest <= REST_MOST,
                "{rest:?}"
            );
            now += rest;
        }
        now += QUIET + Duration::from_millis(1);
        assert!(again.rest(now) < Duration::from_millis(400), "another row");
    }
}

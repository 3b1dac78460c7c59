//! The way to the API server: no hidden retries (architecture.md, trap 7), a limit on every call, and an ear on each
//! answer for the server's clock and the watches' signs of life.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use jiff::fmt::rfc2822;
use kube::client::{Body, ClientBuilder};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};
use tower::{Layer, Service};

use super::error::CallError;
use super::freshness::Watches;
use super::leader::Leadership;
use super::leader::fence::WriteFence;
use crate::clock::OperatorClock;
use crate::metrics::Metrics;

/// Longest wait for the answer to a call that is not a watch.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);
/// A connection on which nothing arrives for so long is given up; longer than a watch call lasts.
const READ_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Builds the client of this process. It writes only while `leadership` allows it.
pub fn client(mut config: Config, ear: Ear, leadership: Leadership) -> kube::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    config.write_timeout = Some(READ_LIMIT);
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&EarLayer(ear))
        .with_layer(&WriteFence(leadership))
        .build())
}

/// The objects of a namespace, or of the whole cluster.
pub fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Waits for a call's answer, for at most [`CALL_LIMIT`].
pub async fn call<T>(
    what: &'static str,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_LIMIT, answer).await {
        Ok(answer) => answer.map_err(|error| CallError::of(what, error)),
        Err(_elapsed) => Err(CallError::Late {
            what,
            limit: CALL_LIMIT,
        }),
    }
}

/// Hears each answer of the API server.
#[derive(Clone, Debug)]
pub struct Ear {
    /// Disciplined by the answers' dates.
    pub clock: OperatorClock,
    /// Told of each watch that opens.
    pub watches: Watches,
    /// Counts what the clock shows.
    pub metrics: Metrics,
}

impl Ear {
    fn hear(&self, uri: &http::Uri, sent: Instant, answer: &Response<impl Sized>) {
        let received = Instant::now();
        if answer.status().is_success() {
            self.watches.answered(uri, received);
        }
        let Some(date) = answer
            .headers()
            .get(http::header::DATE)
            .and_then(|date| date.to_str().ok())
        else {
            return;
        };
        let Ok(date) = rfc2822::parse(date) else {
            return;
        };
        let told = self.clock.observe(sent, received, date.timestamp());
        self.metrics
            .wall_clock(told.wall_ahead, told.wall_disagrees);
    }
}

#[derive(Clone, Debug)]
struct EarLayer(Ear);

impl<S> Layer<S> for EarLayer {
    type Service = Listening<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Listening {
            inner,
            ear: self.0.clone(),
        }
    }
}

/// The client's service with an ear on it.
#[derive(Clone, Debug)]
struct Listening<S> {
    inner: S,
    ear: Ear,
}

impl<S, B> Service<Request<Body>> for Listening<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (uri, sent, ear) = (request.uri().clone(), Instant::now(), self.ear.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            ear.hear(&uri, sent, &answer);
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::any;
    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, Config};

    use super::{Ear, call, client};
    use crate::clock::{Now, OperatorClock};
    use crate::controller::freshness::Watches;
    use crate::controller::leader::Leadership;
    use crate::metrics::Metrics;

    #[test]
    fn an_answer_disciplines_the_clock_and_shows_that_a_watch_lives() {
        let ear = Ear {
            clock: OperatorClock::start(),
            watches: Watches::default(),
            metrics: Metrics::default(),
        };
        let answer = Response::builder()
            .header("date", "Tue, 15 Nov 2044 08:12:31 GMT")
            .body(())
            .unwrap();
        let uri = "/apis/firebell.dev/v1alpha1/tickets?watch=true"
            .parse()
            .unwrap();
        ear.hear(&uri, Instant::now(), &answer);
        assert!(
            ear.clock
                .now()
                .to_string()
                .starts_with("2044-11-15T08:12:3")
        );
        assert!(ear.watches.fresh("shop", Instant::now()));
        assert!(
            ear.metrics
                .text()
                .contains("firebell_wall_clock_disagrees 1")
        );
    }

    /// An API server that answers every request alike, and how often it was asked.
    async fn server(status: StatusCode) -> (Config, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let answer = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { (status, [("retry-after", "0")], "{}") }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(
            async move { axum::serve(listener, Router::new().fallback(any(answer))).await },
        );
        (Config::new(url.parse().unwrap()), asked)
    }

    #[tokio::test]
    async fn no_call_is_repeated_behind_our_back() {
        // The client installs no provider by itself where none is the process's default.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for status in [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ] {
            let (config, asked) = server(status).await;
            let ear = Ear {
                clock: OperatorClock::start(),
                watches: Watches::default(),
                metrics: Metrics::default(),
            };
            let api: Api<ConfigMap> = {
                let client = client(config, ear, Leadership::sole()).unwrap();
                Api::namespaced(client, "shop")
            };
            let error = call("get config maps", api.get("a")).await.unwrap_err();
            assert_eq!(error.class(), crate::controller::error::Class::Transient);
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{status}");
        }
    }
}

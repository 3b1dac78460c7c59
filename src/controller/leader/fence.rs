//! Where the standing is asked: before each write to the API server, and before each try of a delivery, so that a
//! process that stood still beyond its lease does nothing when it wakes. A write is refused all the same where another
//! wrote before; nothing like that guards a message, so its client asks once more as it writes it (`HttpClient::asking`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::Leadership;
use crate::connectors::{Attempt, SendOutcome, Sender};
use crate::domain::telling::delivery::Way;
use crate::domain::telling::parcel::Parcel;

/// A write that was held back.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not hold the lease at the moment, so nothing is written")]
pub struct NotLeading;

/// Holds back writes of a client whose process does not lead. Reads pass, and so does the lease itself.
#[derive(Clone, Debug)]
pub struct WriteFence(pub Leadership);

impl<S> Layer<S> for WriteFence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fenced {
            inner,
            leadership: self.0.clone(),
        }
    }
}

/// A client's service behind the fence.
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    leadership: Leadership,
}

impl<S> Service<Request<Body>> for Fenced<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !passes(&self.leadership, request.method(), request.uri().path()) {
            return Box::pin(async { Err(NotLeading.into()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

fn passes(leadership: &Leadership, method: &Method, path: &str) -> bool {
    if method == Method::GET || path.contains("/apis/coordination.k8s.io/") {
        true
    } else if path.contains("/apis/events.k8s.io/") {
        leadership.may_tell()
    } else {
        leadership.may_write()
    }
}

/// Holds back deliveries while this process may not send. One that was just about to leave is tried again.
pub struct FencedSender {
    /// Who sends.
    pub inner: Arc<dyn Sender>,
    /// Whether it may.
    pub leadership: Leadership,
}

#[async_trait]
impl Sender for FencedSender {
    async fn ready(&self) {
        let mut leadership = self.leadership.clone();
        while !leadership.may_send() {
            leadership.changed().await;
        }
        self.inner.ready().await;
    }

    async fn send(&self, way: &Way, parcel: &Parcel, attempt: Attempt) -> SendOutcome {
        if self.leadership.may_send() {
            return self.inner.send(way, parcel, attempt).await;
        }
        SendOutcome::held()
    }

    async fn prepare(&self, way: &Way) {
        self.inner.prepare(way).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use async_trait::async_trait;
    use http::Method;
    use jiff::Timestamp;
    use rstest::rstest;

    use super::{FencedSender, passes};
    use crate::api::Connector;
    use crate::connectors::{Attempt, SendOutcome, Sender};
    use crate::controller::leader::{Leadership, Post, Standing};
    use crate::domain::telling::delivery::Way;
    use crate::domain::telling::parcel::Parcel;
    use crate::testkit::deliveries;

    const STATUS: &str = "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets/a/status";
    const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";
    const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/firebell/leases/firebell";
    const REVISIONS: &str = "/k8s/clusters/c-1/apis/apps/v1/namespaces/shop/controllerrevisions";

    #[rstest]
    #[case::reads(Standing::Follows, Method::GET, STATUS, true)]
    #[case::the_lease(Standing::Follows, Method::PUT, LEASE, true)]
    #[case::statuses(Standing::Follows, Method::PATCH, STATUS, false)]
    #[case::events(Standing::Follows, Method::POST, EVENTS, false)]
    #[case::revisions(Standing::Pauses, Method::POST, REVISIONS, false)]
    #[case::deletions(Standing::Lost, Method::DELETE, REVISIONS, false)]
    #[case::the_last_events(Standing::Released, Method::POST, EVENTS, true)]
    #[case::no_last_statuses(Standing::Released, Method::PATCH, STATUS, false)]
    #[case::the_only_one(Standing::Sole, Method::PATCH, STATUS, true)]
    fn what_a_replica_may_ask_of_the_api_server(
        #[case] standing: Standing,
        #[case] method: Method,
        #[case] path: &str,
        #[case] wanted: bool,
    ) {
        let (post, leadership) = Leadership::elected();
        post.tell(standing);
        assert_eq!(passes(&leadership, &method, path), wanted);
    }

    /// Takes everything.
    struct Takes;

    #[async_trait]
    impl Sender for Takes {
        async fn send(&self, _: &Way, _: &Parcel, _: Attempt) -> SendOutcome {
            SendOutcome::Delivered
        }
    }

    fn fenced() -> (Post, FencedSender) {
        let (post, leadership) = Leadership::elected();
        let inner = Arc::new(Takes);
        (post, FencedSender { inner, leadership })
    }

    #[tokio::test]
    async fn deliveries_wait_until_this_replica_may_send() {
        let (post, sender) = fenced();
        let until = Instant::now() + Duration::from_mins(1);
        post.tell(Standing::Pauses);
        let mut ready = sender.ready();
        assert!(futures::poll!(&mut ready).is_pending());
        post.tell(Standing::Alone { until });
        ready.await;
    }

    #[tokio::test]
    async fn a_try_that_is_held_back_is_made_again_soon_and_is_no_failure_of_the_receiver() {
        let (post, sender) = fenced();
        let page = deliveries::page(deliveries::ticket("a"), "on-call", vec![], Timestamp::MIN);
        let parcel = Parcel::of(Arc::new(page), Vec::new());
        let way = Way {
            namespace: "team".into(),
            connector: Connector::default(),
        };
        let attempt = Attempt {
            number: 1,
            limit: Duration::from_secs(15),
        };
        let held = sender.send(&way, &parcel, attempt).await;
        let SendOutcome::Retry { after, .. } = held else {
            panic!("{held:?}")
        };
        // A retry without a time counts against the receiver: five of them open its breaker.
        assert!(after.is_some_and(|after| after <= Duration::from_secs(1)));
        let until = Instant::now() + Duration::from_mins(1);
        post.tell(Standing::Leads { until });
        let sent = sender.send(&way, &parcel, attempt).await;
        assert_eq!(sent, SendOutcome::Delivered);
    }
}

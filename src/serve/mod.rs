//! What each process serves about itself: /livez, /readyz, /metrics; and how anything is served.

pub mod listener;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use parking_lot::Mutex;

use crate::metrics::Metrics;

/// A timer loop that has not moved for so long is stuck.
const STUCK: Duration = Duration::from_mins(1);

/// What must be there before the operator is ready, and whether its loops move. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    missing: BTreeMap<&'static str, String>,
    moved: BTreeMap<&'static str, Instant>,
    notes: BTreeMap<&'static str, String>,
}

impl Health {
    /// Not ready because of `what`, for the reason that /readyz shows.
    pub fn waits_for(&self, what: &'static str, reason: impl Into<String>) {
        self.inner.lock().missing.insert(what, reason.into());
    }

    /// `what` is there.
    pub fn has(&self, what: &'static str) {
        self.inner.lock().missing.remove(what);
    }

    /// What /readyz says about `what` while all is there.
    pub fn says(&self, what: &'static str, note: impl Into<String>) {
        self.inner.lock().notes.insert(what, note.into());
    }

    /// A loop moved.
    pub fn moves(&self, what: &'static str) {
        self.inner.lock().moved.insert(what, Instant::now());
    }

    /// What is missing; empty = ready.
    pub fn missing(&self) -> Vec<String> {
        self.inner
            .lock()
            .missing
            .iter()
            .map(|(what, reason)| format!("{what}: {reason}"))
            .collect()
    }

    fn notes(&self) -> String {
        let inner = self.inner.lock();
        let mut lines = String::new();
        for (what, note) in &inner.notes {
            lines.extend([what, ": ", note, "\n"]);
        }
        lines
    }

    /// Loops that have not moved for longer than `limit`.
    pub fn stuck(&self, now: Instant, limit: Duration) -> Vec<&'static str> {
        let inner = self.inner.lock();
        inner
            .moved
            .iter()
            .filter(|(_, at)| now.saturating_duration_since(**at) > limit)
            .map(|(what, _)| *what)
            .collect()
    }
}

/// Fills in what is only counted when somebody asks.
pub type Refresh = Arc<dyn Fn(&Metrics) + Send + Sync>;

#[derive(Clone)]
struct Served {
    health: Health,
    metrics: Metrics,
    refresh: Refresh,
}

/// The routes of the listener.
pub fn router(health: Health, metrics: Metrics, refresh: Refresh) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Served {
            health,
            metrics,
            refresh,
        })
}

async fn livez(State(served): State<Served>) -> (StatusCode, String) {
    let stuck = served.health.stuck(Instant::now(), STUCK);
    if stuck.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("stuck: {}\n", stuck.join(", ")),
        )
    }
}

async fn readyz(State(served): State<Served>) -> (StatusCode, String) {
    let missing = served.health.missing();
    if missing.is_empty() {
        (StatusCode::OK, format!("ok\n{}", served.health.notes()))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waits for\n{}\n", missing.join("\n")),
        )
    }
}

async fn metrics_text(State(served): State<Served>) -> ([(&'static str, &'static str); 1], String) {
    (served.refresh)(&served.metrics);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([("content-type", kind)], served.metrics.text())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::{Health, STUCK, router};
    use crate::metrics::Metrics;

    async fn ask(health: &Health, path: &str) -> (StatusCode, String) {
        let routes = router(health.clone(), Metrics::default(), Arc::new(|_| ()));
        let answer = routes
            .oneshot(Request::get(path).body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_what_is_waited_for() {
        let health = Health::default();
        health.waits_for(
            "tickets",
            "the CRD \"tickets.firebell.dev\" is not installed",
        );
        let (status, body) = ask(&health, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("tickets.firebell.dev"), "{body}");
        assert_eq!(
            ask(&health, "/livez").await.0,
            StatusCode::OK,
            "waiting is no reason to be restarted"
        );
        health.has("tickets");
        assert_eq!(ask(&health, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_replica_that_is_ready_says_what_it_is_ready_for() {
        let health = Health::default();
        health.says("leadership", "leads");
        health.says("leadership", "follows");
        let (status, body) = ask(&health, "/readyz").await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::OK, "ok\nleadership: follows\n")
        );
    }

    #[tokio::test]
    async fn metrics_are_served() {
        let (status, body) = ask(&Health::default(), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.ends_with("# EOF\n"), "{body}");
    }

    #[test]
    fn a_loop_that_stands_still_is_stuck() {
        let health = Health::default();
        health.moves("tickets");
        assert!(health.stuck(Instant::now(), STUCK).is_empty());
        assert_eq!(
            health.stuck(Instant::now() + STUCK + Duration::from_secs(1), STUCK),
            ["tickets"]
        );
    }
}

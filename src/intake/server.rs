//! The listener: paths, and connections that may neither linger nor pile up, nor be cut off when the process ends.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::alert::Way;
use super::keys::Signer;
use super::pagerduty::{self, Asked};
use super::receive::{Refusal, body, status, told};
use super::settings::Settings;
use super::{Intake, alertmanager, generic, page, pagerduty_webhook, watching};
use crate::clock::Now;
use crate::domain::alert::Hearing;

/// Longest time for the head of a request to arrive, and for a connection to idle.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Connections at once; more wait to be accepted. Each may hold a body of 1 MiB before anybody knows who sends it.
const CONNECTIONS: usize = 256;
/// Whoever sends requests learns within this time that the process is stopping, by its readiness; until then new
/// connections are taken.
const LINGER: Duration = Duration::from_secs(2);
/// Between two tries to accept when the system has no more to give.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Signatures with a time in them are taken this long before and after it, in seconds.
const SKEW: i64 = 300;

/// All paths of the intake but probes and metrics.
pub fn router(intake: Arc<Intake>) -> Router {
    Router::new()
        .route("/v1/alertmanager", post(from_alertmanager))
        .route("/v1/grafana", post(from_grafana))
        .route("/v1/alerts", post(from_anyone))
        .route("/v2/enqueue", post(from_event))
        .route("/v1/pagerduty", post(from_pagerduty))
        .route("/a/{link}", get(show_page).post(press_button))
        .with_state(intake)
}

/// The end of a listener: asked for from outside, told when nothing is under way any more. Clones are the same end.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    asked: CancellationToken,
    done: CancellationToken,
}

impl Closing {
    /// Asks the listener to close, and waits up to `limit` until every request under way has its answer. Says whether
    /// that was so.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.asked.cancel();
        timeout(limit, self.done.cancelled()).await.is_ok()
    }
}

/// Serves connections until it is asked to close. Then requests under way are answered, connections are kept no
/// longer, and new ones are taken for a moment only: probes see that the process is not ready, and who was sent here
/// just before finds somebody.
pub async fn serve(listener: TcpListener, routes: Router, closing: Closing) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let closes = async {
        closing.asked.cancelled().await;
        sleep(LINGER).await;
    };
    tokio::select! {
        () = closes => {}
        () = take_all(&listener, &routes, &closing.asked, &room) => {}
    }
    drop(listener);
    // Each connection has one of them as long as it lives. Never closed.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _all_ended = room.acquire_many(all).await;
    closing.done.cancel();
    std::future::pending::<()>().await;
}

async fn take_all(
    listener: &TcpListener,
    routes: &Router,
    asked: &CancellationToken,
    room: &Arc<Semaphore>,
) {
    loop {
        // Never closed.
        let turn = room.clone().acquire_owned().await;
        let Ok((connection, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (routes, asked) = (routes.clone(), asked.clone());
        tokio::spawn(async move {
            let _turn = turn;
            serve_one(connection, routes, &asked).await;
        });
    }
}

/// Serves one connection. Asked to close it ends after the request under way; one that comes later has one request.
async fn serve_one(connection: TcpStream, routes: Router, asked: &CancellationToken) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(answer(routes, request.map(Body::new)).await) }
    });
    let late = asked.is_cancelled();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(!late)
        .serve_connection(TokioIo::new(connection), service);
    let mut connection = pin!(connection);
    // What breaks a connection is the other side's affair: it comes again.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = asked.cancelled(), if !late => connection.as_mut().graceful_shutdown(),
    }
    let _broken = connection.await;
}

async fn answer(routes: Router, request: Request) -> Response {
    match routes.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

async fn from_alertmanager(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let answer = intake.webhook(Way::Alertmanager, request).await;
    intake.count(Way::Alertmanager, answer)
}

async fn from_grafana(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let answer = intake.webhook(Way::Grafana, request).await;
    intake.count(Way::Grafana, answer)
}

async fn from_anyone(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let answer = intake.anyone(request).await;
    intake.count(Way::Alerts, answer)
}

async fn from_event(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let answer = intake.event(request).await;
    intake.count(Way::PagerDutyEvents, answer)
}

async fn from_pagerduty(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let answer = pagerduty_webhook::receive(&intake, request).await;
    intake.count(Way::PagerDutyWebhook, answer)
}

async fn show_page(State(intake): State<Arc<Intake>>, Path(link): Path<String>) -> Response {
    let answer = page::show(&intake, &link).await;
    intake.count(Way::Link, Ok(answer))
}

async fn press_button(State(intake): State<Arc<Intake>>, Path(link): Path<String>) -> Response {
    let answer = page::press(&intake, &link).await;
    intake.count(Way::Link, Ok(answer))
}

impl Intake {
    fn count(&self, way: Way, answer: Result<Response, Refusal>) -> Response {
        let answer = answer.unwrap_or_else(IntoResponse::into_response);
        self.desk.metrics.request(way, answer.status().as_u16());
        answer
    }

    fn configured(&self) -> Result<Arc<Settings>, Refusal> {
        self.settings.get().ok_or_else(|| {
            Refusal::later(
                "the intake has no valid configuration yet; see the Events of its ConfigMap",
            )
        })
    }

    async fn webhook(&self, way: Way, request: Request) -> Result<Response, Refusal> {
        let (head, incoming) = request.into_parts();
        let signature = head.headers.get("x-grafana-alerting-signature");
        let signature = signature.filter(|_| way == Way::Grafana);
        let bytes = match signature {
            Some(_) => body(incoming).await?,
            None => self.body_of_known(&head.headers, incoming).await?,
        };
        if let Some(signature) = signature {
            let time = head.headers.get("x-grafana-alerting-signature-timestamp");
            let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
            self.grafana_signed(&text(signature), time.map(text).as_deref(), &bytes)
                .await?;
        }
        let settings = self.configured()?;
        let read = alertmanager::read(way, &bytes, settings.ticket_per, &settings.severity_label)
            .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
        if read.left_out > 0 {
            watching::truncated(&self.desk, &self.about, way.word(), read.left_out);
        }
        let told_all = self.desk.take(way, &settings, read.alerts).await;
        Ok(told(&told_all))
    }

    /// Grafana signs the body, or `TIME:BODY` where a header for the time is configured.
    async fn grafana_signed(
        &self,
        signature: &str,
        time: Option<&str>,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let refuse = |message: &str| Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
        let prefix = time.map_or_else(String::new, |time| format!("{time}:"));
        if let Some(time) = time {
            let now = self.desk.clock.now().as_second();
            let young = time
                .parse::<i64>()
                .is_ok_and(|time| (now - SKEW..=now + SKEW).contains(&time));
            if !young {
                return refuse("the signature's time must be within 5 minutes of now");
            }
        }
        let parts = [prefix.as_bytes(), bytes];
        match self
            .keys
            .signed(Signer::Grafana, &parts, &[signature])
            .await
        {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => {
                refuse("the signature does not fit `grafanaSecret` of the intake's Secret")
            }
            Ok(None) => {
                refuse("the intake's Secret must have the key `grafanaSecret` for signed requests")
            }
            Err(error) => Err(Refusal::later(format!(
                "signatures cannot be checked now: {error}"
            ))),
        }
    }

    async fn anyone(&self, request: Request) -> Result<Response, Refusal> {
        let (head, incoming) = request.into_parts();
        let bytes = self.body_of_known(&head.headers, incoming).await?;
        let settings = self.configured()?;
        let alerts = generic::read(&bytes)
            .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
        let told_all = self.desk.take(Way::Alerts, &settings, alerts).await;
        Ok(told(&told_all))
    }

    /// Answers in the form that clients of the Events API expect.
    async fn event(&self, request: Request) -> Result<Response, Refusal> {
        let bytes = body(request.into_body()).await?;
        let event = pagerduty::read(&bytes)
            .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
        self.admit(Some(&event.routing_key)).await?;
        let settings = self.configured()?;
        let (status, message, ticket) = match event.asked {
            Err(message) => (StatusCode::BAD_REQUEST, message, None),
            Ok(Asked::Alert(alert)) => {
                let alerts = vec![Ok(*alert)];
                let told = self
                    .desk
                    .take(Way::PagerDutyEvents, &settings, alerts)
                    .await;
                let one = told.first();
                let message = one.and_then(|one| one.message.clone());
                let message = message.unwrap_or_else(|| "Event processed".to_owned());
                (
                    status(&told),
                    message,
                    one.and_then(|one| one.ticket.clone()),
                )
            }
            Ok(Asked::Acknowledge { key, by }) => {
                self.event_acknowledges(&settings, &key, &by).await?
            }
        };
        let word = if status.is_success() {
            "success"
        } else {
            "invalid event"
        };
        let mut answer =
            json!({"status": word, "message": message, "dedup_key": event.key, "ticket": ticket});
        if !status.is_success() {
            answer["errors"] = json!([message]);
        }
        Ok((status, Json(answer)).into_response())
    }

    async fn event_acknowledges(
        &self,
        settings: &Settings,
        key: &str,
        by: &str,
    ) -> Result<(StatusCode, String, Option<String>), Refusal> {
        let found = self
            .desk
            .acknowledge_alert(settings.namespaces(), key, by)
            .await;
        let found = found.map_err(|error| Refusal::later(error.to_string()))?;
        let (message, ticket) = match found {
            None => ("there is no ticket of this key".to_owned(), None),
            Some((Hearing::Heard, name)) => ("Event processed".to_owned(), Some(name)),
            Some((Hearing::Acknowledged { by }, name)) => {
                (format!("already acknowledged by {by}"), Some(name))
            }
            Some((Hearing::Resolved | Hearing::Closed | Hearing::Spent, name)) => (
                "nobody waits for an acknowledgement of this ticket".to_owned(),
                Some(name),
            ),
        };
        Ok((StatusCode::ACCEPTED, message, ticket))
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A listener whose one path answers when it is told to.
    async fn listener() -> (std::net::SocketAddr, Arc<Notify>, Arc<Notify>, Closing) {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, waits) = (began.clone(), go.clone());
        let slow = move || async move {
            told.notify_one();
            waits.notified().await;
            "answered"
        };
        let routes = Router::new().route("/slow", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = Closing::default();
        tokio::spawn(serve(listener, routes, closing.clone()));
        (address, began, go, closing)
    }

    async fn ask(address: std::net::SocketAddr) -> TcpStream {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = b"GET /slow HTTP/1.1\r\nhost: intake\r\n\r\n";
        connection.write_all(request).await.unwrap();
        connection
    }

    async fn read(mut connection: TcpStream) -> String {
        let mut text = String::new();
        let read = timeout(LIMIT, connection.read_to_string(&mut text)).await;
        read.expect("the connection ends").unwrap();
        text
    }

    #[tokio::test]
    async fn closing_waits_for_the_request_under_way_and_ends_idle_connections() {
        let (address, began, go, closing) = listener().await;
        let idle = TcpStream::connect(address).await.unwrap();
        let busy = ask(address).await;
        began.notified().await;
        let draining = tokio::spawn(async move { closing.drain(LIMIT).await });
        assert_eq!(read(idle).await, "", "nothing was asked on it");
        // One that comes a moment later is still served.
        let late = ask(address).await;
        began.notified().await;
        go.notify_waiters();
        for connection in [busy, late] {
            assert!(read(connection).await.ends_with("answered"));
        }
        assert!(draining.await.unwrap());
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn closing_waits_no_longer_than_its_limit() {
        let (address, began, _go, closing) = listener().await;
        let _busy = ask(address).await;
        began.notified().await;
        assert!(!closing.drain(LINGER + Duration::from_millis(100)).await);
    }
}

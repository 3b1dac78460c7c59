//! The paths of the intake, and what becomes of a request on each.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::alert::Way;
use super::keys::Signer;
use super::pagerduty::{self, Asked};
use super::receive::{Refusal, body, status, told};
use super::settings::Settings;
use super::{Intake, alertmanager, generic, page, pagerduty_webhook, watching};
use crate::clock::Now;
use crate::domain::alert::Hearing;

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
        let no_event = |message| Refusal::new(StatusCode::BAD_REQUEST, message);
        let key = pagerduty::routing_key(&bytes).map_err(no_event)?;
        self.admit(Some(&key)).await?;
        let event = pagerduty::read(&bytes).map_err(no_event)?;
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

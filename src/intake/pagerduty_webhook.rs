//! PagerDuty's V3 webhooks: what people press there counts here. An incident that a person acknowledged or resolved
//! there acknowledges the ticket whose page opened it.
//!
//! The incident's key is the one Firebell paged with; it begins with the ticket's uid.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kube::Api;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::json;

use super::Intake;
use super::alert::Way;
use super::answer::Answer;
use super::keys::Signer;
use super::receive::{Refusal, body};
use crate::api::{Ticket, Via};
use crate::controller::client::call;
use crate::controller::error::CallError;
use crate::domain::alert::Hearing;
use crate::domain::telling::delivery::hex32;

/// Objects per page while a ticket is looked for by its uid.
const PAGE: u32 = 500;
/// Characters of a uid.
const UID: usize = 36;

#[derive(Debug, Deserialize)]
struct Webhook {
    event: Event,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(default)]
    id: String,
    #[serde(rename = "event_type")]
    kind: String,
    agent: Option<Agent>,
    #[serde(default)]
    data: Incident,
}

#[derive(Debug, Deserialize)]
struct Agent {
    #[serde(default)]
    summary: String,
    #[serde(default)]
    r#type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incident {
    incident_key: Option<String>,
}

/// Takes one webhook.
pub(super) async fn receive(intake: &Intake, request: Request) -> Result<Response, Refusal> {
    let (head, incoming) = request.into_parts();
    let given = head.headers.get("x-pagerduty-signature");
    let given = given
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let signatures: Vec<&str> = given
        .split(',')
        .filter_map(|one| one.trim().strip_prefix("v1="))
        .collect();
    let bytes = body(incoming).await?;
    let refuse = |message: &str| Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    match intake
        .keys
        .signed(Signer::PagerDuty, &[&bytes], &signatures)
        .await
    {
        Ok(Some(true)) => {}
        Ok(Some(false)) => {
            return refuse("the signature does not fit `webhookSecret` of the intake's Secret");
        }
        Ok(None) => {
            return refuse(
                "the intake's Secret must have the key `webhookSecret` for PagerDuty's webhooks",
            );
        }
        Err(error) => {
            let message = format!("signatures cannot be checked now: {error}");
            return Err(Refusal::later(message));
        }
    }
    let webhook: Webhook = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body must be a V3 webhook of PagerDuty: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, message)
    })?;
    let message = take(intake, webhook.event).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"message": message}))).into_response())
}

async fn take(intake: &Intake, event: Event) -> Result<String, Refusal> {
    if !["incident.acknowledged", "incident.resolved"].contains(&event.kind.as_str()) {
        return Ok("nothing to do for this kind of event".to_owned());
    }
    // What Firebell's own events did there is no answer of a person.
    let person = event.agent.filter(|agent| agent.r#type == "user_reference");
    let Some(person) = person.filter(|agent| !agent.summary.trim().is_empty()) else {
        return Ok("nothing to do: no person did it".to_owned());
    };
    let key = event.data.incident_key.unwrap_or_default();
    let Some(uid) = uid_of(&key) else {
        return Ok("nothing to do: the incident was not opened by Firebell".to_owned());
    };
    let failed = |error: CallError| Refusal::later(error.to_string());
    let Some((namespace, name)) = find(intake, uid).await.map_err(failed)? else {
        return Ok("nothing to do: there is no such ticket".to_owned());
    };
    let answer = Answer {
        by: person.summary,
        via: Via::PagerDuty,
        token: format!("pagerduty-{}", hex32(event.id.as_bytes())),
        offered: None,
    };
    let way = Way::PagerDutyWebhook;
    let heard = intake
        .desk
        .acknowledge(way, &namespace, &name, Some(uid), &answer)
        .await;
    Ok(match heard.map_err(failed)? {
        Some((Hearing::Heard, _)) => "acknowledged".to_owned(),
        Some((Hearing::Acknowledged { by }, _)) => format!("already acknowledged by {by}"),
        Some((Hearing::Resolved | Hearing::Closed | Hearing::Spent, _)) | None => {
            "nothing to do: nobody waits for an acknowledgement".to_owned()
        }
    })
}

/// The uid at the beginning of a key that Firebell made.
fn uid_of(key: &str) -> Option<&str> {
    let uid = key.get(..UID)?;
    let fits = uid.bytes().enumerate().all(|(at, byte)| {
        if [8, 13, 18, 23].contains(&at) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    });
    fits.then_some(uid)
}

/// Looks for the ticket with a uid in the allowed namespaces. One that cannot be listed keeps no other.
async fn find(intake: &Intake, uid: &str) -> Result<Option<(String, String)>, CallError> {
    let settings = intake.settings.get();
    let mut unread = None;
    for namespace in settings.iter().flat_map(|settings| settings.namespaces()) {
        match find_in(&intake.desk.tickets(namespace), uid).await {
            Ok(Some(name)) => return Ok(Some((namespace.clone(), name))),
            Ok(None) => {}
            Err(error) => unread = Some(error),
        }
    }
    unread.map_or(Ok(None), Err)
}

/// The name of the ticket with a uid, page by page, metadata only.
async fn find_in(tickets: &Api<Ticket>, uid: &str) -> Result<Option<String>, CallError> {
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = call("list tickets", tickets.list_metadata(&params)).await?;
        let mut found = page.items.into_iter();
        let found = found.find(|one| one.metadata.uid.as_deref() == Some(uid));
        if let Some(name) = found.and_then(|one| one.metadata.name) {
            return Ok(Some(name));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Webhook, uid_of};

    fn read(value: &Value) -> Webhook {
        serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn what_pagerdutys_reference_lists_is_read_and_what_has_no_incident_too() {
        let reference = |id: &str, kind: &str, words: &str| {
            json!({
                "id": id, "type": kind, "summary": words,
                "self": format!("https://api.pagerduty.example/{id}"), "html_url": format!("https://acme.pagerduty.example/{id}"),
            })
        };
        let person = reference("PLH1HKV", "user_reference", "Alice");
        let acknowledged = read(&json!({"event": {
            "id": "5ac64822-4adc-4fda-ade0-410becf0de4f", "event_type": "incident.acknowledged", "resource_type": "incident",
            "occurred_at": "2026-01-05T09:00:00.000Z", "agent": person, "client": {"name": "PagerDuty"},
            "data": {
                "id": "PGR0VU2", "type": "incident", "self": "https://api.pagerduty.example/incidents/PGR0VU2",
                "html_url": "https://acme.pagerduty.example/incidents/PGR0VU2", "number": 2, "status": "acknowledged",
                "incident_key": "0b7c8a52-6c1f-4bb4-9a60-0d1c5a2f3e44/1/on-call", "created_at": "2026-01-05T08:55:00Z",
                "title": "[High] Checkout returns 5xx", "service": reference("PF9KMXH", "service_reference", "Shop"),
                "assignees": [reference("PLH1HKV", "user_reference", "Alice")],
                "escalation_policy": reference("PUS0KTE", "escalation_policy_reference", "Default"), "teams": [],
                "priority": null, "urgency": "high", "conference_bridge": null, "resolve_reason": null,
            },
        }}));
        let event = acknowledged.event;
        let agent = event.agent.unwrap();
        assert_eq!(
            (agent.r#type.as_str(), agent.summary.as_str()),
            ("user_reference", "Alice")
        );
        let key = event.data.incident_key.unwrap();
        assert_eq!(uid_of(&key), Some(&key[..36]));
        // What it sends to try a subscription out.
        let ping = read(&json!({"event": {
            "id": "01C", "event_type": "pagey.ping", "resource_type": "pagey", "occurred_at": "2026-01-05T09:00:00.000Z",
            "agent": null, "client": null, "data": {"message": "Hello from your friend Pagey!", "type": "ping"},
        }}));
        assert!(ping.event.agent.is_none() && ping.event.data.incident_key.is_none());
    }

    #[test]
    fn only_keys_that_begin_with_a_uid_are_ours() {
        let uid = "0b7c8a52-6c1f-4bb4-9a60-0d1c5a2f3e44";
        for key in [
            uid.to_owned(),
            format!("{uid}/1/on-call"),
            format!("{uid}-x"),
        ] {
            assert_eq!(uid_of(&key), Some(uid), "{key}");
        }
        for key in [
            "",
            "d3640fbd41094207a1c11e58e46b1662",
            &uid[1..],
            "ä".repeat(40).as_str(),
        ] {
            assert_eq!(uid_of(key), None, "{key}");
        }
    }
}

//! The `PagerDuty` connector: Events API v2 (Secret key `routingKey`).
//!
//! What calls somebody triggers an incident, an acknowledgement and a resolution go to all incidents of the ticket
//! (`domain::telling::incident` says which), and news is a change event, which rings nobody. Of a bundle each message is an
//! event of its own, since each ticket is an incident of its own; keys make a repeated event harmless.

use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::api::{Audience, Severity};
use crate::connectors::render::{Words, cut};
use crate::connectors::verdict::judge;
use crate::connectors::{SendOutcome, Try, Unsendable};
use crate::domain::telling::audience;
use crate::domain::telling::delivery::{Delivery, hex32};
use crate::domain::telling::incident::Effect;

/// The base of `PagerDuty`'s API where the connector names no other.
const API: &str = "https://events.pagerduty.com";
/// Events under way at once in one try.
const AT_ONCE: usize = 8;
/// `PagerDuty`'s own limits, in characters.
const SUMMARY: usize = 1024;
const KEY: usize = 255;
const DETAIL: usize = 4096;

/// Tries once: done when `PagerDuty` has taken every event.
pub(super) async fn send(one: &Try<'_>) -> Result<SendOutcome, Unsendable> {
    let routing_key = one.needed("routingKey")?.expose_secret();
    let mut events = Vec::new();
    for delivery in one.parcel.members() {
        let words = Words::of(delivery, one.way)?;
        events.extend(events_of(delivery, &words, one, routing_key));
    }
    let base = one.way.connector.server.as_deref().unwrap_or(API);
    let base = base.trim_end_matches('/');
    let calls = futures::stream::iter(events)
        .map(|event| async move {
            let url = format!("{base}{}", event.path);
            let json = HeaderValue::from_static("application/json");
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
            let body = Bytes::from(event.body.to_string());
            judge(one.http.post(&url, headers, body, one.limit).await, advice)
        })
        .buffer_unordered(AT_ONCE);
    Ok(calls.fold(SendOutcome::Delivered, worse).await)
}

/// One refused event is no reason to call the others delivered; one to be repeated repeats all.
async fn worse(so_far: SendOutcome, next: SendOutcome) -> SendOutcome {
    match (&so_far, &next) {
        (SendOutcome::Delivered, _) | (SendOutcome::Refused { .. }, SendOutcome::Retry { .. }) => {
            next
        }
        (SendOutcome::Retry { .. } | SendOutcome::Refused { .. }, _) => so_far,
    }
}

struct Event {
    path: &'static str,
    body: Value,
}

fn events_of(delivery: &Delivery, words: &Words, one: &Try<'_>, routing_key: &str) -> Vec<Event> {
    let audience = audience::of_way(&delivery.target, one.way);
    let keys = delivery
        .incident
        .keys
        .iter()
        .map(|key| shown_key(key, audience));
    match delivery.incident.effect {
        Effect::Calls => keys
            .map(|key| trigger(delivery, words, routing_key, &key))
            .collect(),
        Effect::Acknowledges => keys
            .map(|key| about(routing_key, "acknowledge", &key))
            .collect(),
        Effect::Resolves => keys
            .map(|key| about(routing_key, "resolve", &key))
            .collect(),
        Effect::Tells => vec![change(delivery, words, routing_key)],
    }
}

/// The key as `PagerDuty` sees it: names of steps are not for customers, and none may be too long.
fn shown_key(key: &str, audience: Audience) -> String {
    if audience == Audience::Customers || key.chars().count() > KEY {
        hex32(key.as_bytes())
    } else {
        key.to_owned()
    }
}

fn about(routing_key: &str, action: &str, key: &str) -> Event {
    let body = json!({"routing_key": routing_key, "event_action": action, "dedup_key": key});
    Event {
        path: "/v2/enqueue",
        body,
    }
}

fn trigger(delivery: &Delivery, words: &Words, routing_key: &str, key: &str) -> Event {
    let mut event = about(routing_key, "trigger", key);
    let severity = match words.severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "info",
    };
    event.body["payload"] = json!({
        "summary": cut(&words.headline(), SUMMARY), "severity": severity,
        "source": source(words), "timestamp": delivery.message.timestamp.to_string(),
        "custom_details": details(words),
    });
    event.body["client"] = json!("Firebell");
    event.body["links"] = links(words);
    event
}

/// News: shown beside the service, rings nobody.
fn change(delivery: &Delivery, words: &Words, routing_key: &str) -> Event {
    let summary = format!("{}: {}", words.kind, words.headline());
    let body = json!({
        "routing_key": routing_key,
        "payload": {
            "summary": cut(&summary, SUMMARY), "source": source(words),
            "timestamp": delivery.message.timestamp.to_string(),
            "custom_details": details(words),
        },
        "links": links(words),
    });
    Event {
        path: "/v2/change/enqueue",
        body,
    }
}

fn source(words: &Words) -> String {
    let ticket = words.facts.iter().find(|fact| fact.label == "Ticket");
    ticket.map_or_else(|| "Firebell".to_owned(), |fact| cut(&fact.text, SUMMARY))
}

fn details(words: &Words) -> Value {
    let Words {
        kind,
        why,
        facts,
        texts,
        next,
        ..
    } = words;
    let mut details = serde_json::Map::new();
    let mut add = |label: &str, text: &str| {
        details.insert(label.to_owned(), json!(cut(text, DETAIL)));
    };
    add("Kind", kind);
    if let Some(why) = why {
        add("Why", why);
    }
    for text in facts.iter().chain(texts) {
        add(text.label, &text.text);
    }
    if let Some(next) = next {
        add("Next", next);
    }
    Value::Object(details)
}

fn links(words: &Words) -> Value {
    let links = words.links.iter();
    links
        .map(|link| json!({"href": link.url, "text": cut(&link.label, KEY)}))
        .collect()
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => {
            "key `routingKey` of the Secret must be the integration key of an Events API v2 integration"
        }
        StatusCode::NOT_FOUND => "`server` must be the base of PagerDuty's Events API",
        _ => {
            "PagerDuty does not accept this event; check `server` and key `routingKey` of the Secret"
        }
    }
}

#[cfg(test)]
mod tests;

//! PagerDuty's Events API v2, for everything that speaks it: `POST /v2/enqueue` with trigger, acknowledge or resolve.
//! The routing key is the intake's token.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::alert::{Alert, Given, Way};
use crate::api::SignalState;

/// What is read of an event before it is known who sends it: nothing else of it takes up memory until then.
#[derive(Debug, Deserialize)]
struct Head {
    routing_key: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event_action")]
    action: Action,
    dedup_key: Option<String>,
    payload: Option<Payload>,
    client: Option<String>,
    client_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    summary: String,
    source: Option<String>,
    severity: Option<String>,
    timestamp: Option<String>,
    component: Option<String>,
    group: Option<String>,
    class: Option<String>,
    custom_details: Value,
}

/// What an event asks for.
#[derive(Debug)]
pub enum Asked {
    /// It fires or is over.
    Alert(Box<Alert>),
    /// Somebody at the source has taken notice.
    Acknowledge {
        /// The alert.
        key: String,
        /// Who, as far as the event tells.
        by: String,
    },
}

/// An event.
#[derive(Debug)]
pub struct Read {
    /// The alert's key: the sender's, or a fresh one.
    pub key: String,
    /// What it asks for; an error = it is no valid event.
    pub asked: Result<Asked, String>,
}

/// The token that came as routing key. An error means that the body is no event at all.
pub fn routing_key(body: &[u8]) -> Result<String, String> {
    let head: Head = serde_json::from_slice(body).map_err(|error| not_an_event(&error))?;
    Ok(head.routing_key.unwrap_or_default())
}

fn not_an_event(error: &serde_json::Error) -> String {
    format!("the body must be an event of PagerDuty's Events API v2: {error}")
}

/// Reads a body. An error means that it is no event at all.
pub fn read(body: &[u8]) -> Result<Read, String> {
    let event: Event = serde_json::from_slice(body).map_err(|error| not_an_event(&error))?;
    let given = event.dedup_key.clone().filter(|key| !key.trim().is_empty());
    let key = given.clone().unwrap_or_else(fresh_key);
    let asked = match event.action {
        Action::Trigger => trigger(&event, &key),
        Action::Acknowledge | Action::Resolve if given.is_none() => {
            Err("`dedup_key` must be given to acknowledge or resolve".to_owned())
        }
        Action::Acknowledge => Ok(Asked::Acknowledge {
            by: by(&event),
            key: key.clone(),
        }),
        Action::Resolve => Ok(Asked::Alert(Box::new(alert(
            &event,
            &key,
            SignalState::Resolved,
        )))),
    };
    Ok(Read { key, asked })
}

fn trigger(event: &Event, key: &str) -> Result<Asked, String> {
    let summary = event.payload.as_ref().map(|payload| payload.summary.trim());
    if summary.is_none_or(str::is_empty) {
        return Err("`payload.summary` must be given to trigger".to_owned());
    }
    Ok(Asked::Alert(Box::new(alert(
        event,
        key,
        SignalState::Firing,
    ))))
}

fn by(event: &Event) -> String {
    let source = event
        .payload
        .as_ref()
        .and_then(|payload| payload.source.clone());
    event
        .client
        .clone()
        .or(source)
        .filter(|by| !by.trim().is_empty())
        .unwrap_or_else(|| "the event's sender".to_owned())
}

fn alert(event: &Event, key: &str, state: SignalState) -> Alert {
    let nothing = Payload::default();
    let payload = event.payload.as_ref().unwrap_or(&nothing);
    let mut labels = BTreeMap::new();
    if let Value::Object(details) = &payload.custom_details {
        labels.extend(scalars(details));
    }
    for (name, value) in [
        ("source", &payload.source),
        ("component", &payload.component),
        ("group", &payload.group),
        ("class", &payload.class),
        ("client", &event.client),
        ("severity", &payload.severity),
    ] {
        if let Some(value) = value {
            labels.insert(name.to_owned(), value.clone());
        }
    }
    let time = payload
        .timestamp
        .as_deref()
        .and_then(|time| time.parse::<Timestamp>().ok());
    let start = time.filter(|_| state == SignalState::Firing);
    let details = match &payload.custom_details {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    };
    Alert {
        way: Way::PagerDutyEvents,
        key: key.to_owned(),
        word: key.to_owned(),
        state,
        severity_words: payload.severity.clone().into_iter().collect(),
        context: json!({
            "labels": labels,
            "annotations": {"summary": payload.summary, "description": details},
            "startsAt": time,
            "status": match state { SignalState::Firing => "firing", SignalState::Resolved => "resolved" },
            "key": key,
            "custom_details": payload.custom_details,
        }),
        annotations: BTreeMap::from([
            ("summary".to_owned(), payload.summary.clone()),
            ("description".to_owned(), details),
        ]),
        start,
        newest_start: start,
        end: None,
        link: event.client_url.clone(),
        given: Given {
            // What PagerDuty calls a component is a service here, unless a label says otherwise.
            service: labels
                .get("service")
                .or(payload.component.as_ref())
                .cloned(),
            ..Given::default()
        },
        labels,
    }
}

fn scalars(details: &Map<String, Value>) -> impl Iterator<Item = (String, String)> + '_ {
    details.iter().filter_map(|(name, value)| match value {
        Value::String(text) => Some((name.clone(), text.clone())),
        Value::Bool(_) | Value::Number(_) => Some((name.clone(), value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}

/// A key for an event that has none, as PagerDuty makes one: nobody can send it twice. `RandomState` is seeded by the
/// operating system.
fn fresh_key() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("event-{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Asked, Read, read, routing_key};
    use crate::api::SignalState;

    fn event(action: &str, key: Option<&str>) -> serde_json::Value {
        json!({
            "routing_key": "r", "event_action": action, "dedup_key": key, "client": "monitor", "client_url": "http://m.example",
            "payload": {"summary": "Disk full", "source": "host1", "severity": "error", "component": "db",
                "custom_details": {"num": 3, "service": "orders", "list": [1]}, "timestamp": "2026-01-05T09:00:00.000+0000"},
        })
    }

    fn read_value(value: &serde_json::Value) -> Read {
        read(&serde_json::to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn a_trigger_and_its_end_are_alerts_of_one_key() {
        let alert = |action| match read_value(&event(action, Some("k"))).asked.unwrap() {
            Asked::Alert(alert) => alert,
            other @ Asked::Acknowledge { .. } => panic!("{other:?}"),
        };
        let (begin, end) = (alert("trigger"), alert("resolve"));
        assert_eq!(
            (begin.state, end.state),
            (SignalState::Firing, SignalState::Resolved)
        );
        assert_eq!((begin.key.as_str(), end.key.as_str()), ("k", "k"));
        assert_eq!(begin.given.service.as_deref(), Some("orders"));
        assert_eq!(begin.labels["num"], "3");
        assert_eq!(begin.severity_words, ["error"]);
    }

    #[test]
    fn a_trigger_without_a_key_is_never_taken_for_another() {
        let first = read_value(&event("trigger", None)).key;
        assert_ne!(first, read_value(&event("trigger", None)).key);
    }

    #[test]
    fn an_acknowledgement_names_who_gave_it() {
        let read = read_value(&event("acknowledge", Some("k")));
        assert!(
            matches!(read.asked.unwrap(), Asked::Acknowledge { key, by } if key == "k" && by == "monitor")
        );
    }

    #[test]
    fn the_key_is_read_of_whatever_has_one() {
        let key = |body: &str| routing_key(body.as_bytes());
        let strange = r#"{"event_action": "shout", "payload": [[1, {}]], "routing_key": "r"}"#;
        assert_eq!(key(strange).as_deref(), Ok("r"));
        assert_eq!(key("{}").as_deref(), Ok(""));
        for none in ["", "[", "7", r#"{"routing_key": 7}"#] {
            assert!(key(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut empty = event("trigger", None);
        empty["payload"]["summary"] = "".into();
        for (value, word) in [
            (empty, "`payload.summary`"),
            (event("resolve", None), "`dedup_key`"),
            (event("acknowledge", None), "`dedup_key`"),
        ] {
            let error = read_value(&value).asked.unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let error = read(br#"{"routing_key": "r", "event_action": "shout"}"#).unwrap_err();
        assert!(error.contains("shout"), "{error}");
    }
}

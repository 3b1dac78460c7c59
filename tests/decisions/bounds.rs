//! A status stays small through 10,000 transitions, whatever is written into the ticket (api.md section 1 rule 6).

use firebell::api::{Severity, TicketSpec};
use firebell::domain::delivery::hex32;
use firebell::testkit::extremes::{ALPHABETS, full_status, name, text};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::{at, policy};

const TRANSITIONS: usize = 10_000;
const LIMIT: usize = 16 * 1024;

/// 32 steps that page 64 people; every name as long as it may be.
fn large_policy() -> String {
    use std::fmt::Write;
    let mut spec = "default: true
severities:
- {level: Critical, responseTarget: 1s, resolutionTarget: 2s, acknowledgementTimeout: 1h, validation: {required: true}}
- {level: High, responseTarget: 1s, resolutionTarget: 2s, acknowledgementTimeout: 1h, validation: {required: true}}
connectors:
- {name: hook, type: Webhook, address: \"https://pager.example.com/\"}
repeat: {times: 1000, interval: 1s}
communication:
  notifyOn: [Opened, Acknowledged, SeverityChanged, Escalated, Held, Update, Resolved, ValidationRequested, Reopened, Closed]
  notify: [{connector: hook}]
"
    .to_owned();
    spec.push_str("contacts:\n");
    for number in 0..64 {
        let who = name("who", number);
        writeln!(spec, "- {{name: {who}, reach: [{{connector: hook}}]}}").unwrap();
    }
    spec.push_str("steps:\n");
    for number in 0..32 {
        let who = [name("who", 2 * number), name("who", 2 * number + 1)];
        let step = name("step", number);
        writeln!(
            spec,
            "- {{name: {step}, after: 1s, condition: NotResolved, notify: [{{contact: {}}}, {{contact: {}}}]}}",
            who[0], who[1]
        )
        .unwrap();
    }
    spec
}

/// What people do, in turn: a block of the spec and what it is then. More than a status keeps of a name; notes are
/// hashed, never copied into the status, so short ones keep the test short.
fn fact(turn: usize, piece: &str) -> (&'static str, Value) {
    let (by, note) = (text(piece, 72), text(piece, 8));
    let token = hex32(turn.to_string().as_bytes());
    match turn % 10 {
        0 => (
            "acknowledgement",
            json!({"by": by, "note": note, "token": token}),
        ),
        1 => {
            let level = if turn % 20 == 1 { "Critical" } else { "High" };
            ("severity", json!(level))
        }
        2 => (
            "assignment",
            json!({"assignee": by, "by": by, "note": token}),
        ),
        3 | 8 => (
            "escalation",
            json!({"by": by, "pageAgain": token, "atLeast": name("step", turn % 40), "token": token}),
        ),
        4 => (
            "resolution",
            json!({"by": by, "note": note, "token": token}),
        ),
        5 => (
            "validation",
            json!({"result": "Rejected", "by": by, "token": token}),
        ),
        6 => (
            "closure",
            json!({"by": by, "reason": "Cancelled", "token": token}),
        ),
        7 => ("closure", Value::Null),
        _ => ("triage", json!({"by": by, "note": token})),
    }
}

/// A spec with one field replaced.
fn replaced(spec: &TicketSpec, field: &str, value: &Value) -> TicketSpec {
    let mut object = serde_json::to_value(spec).unwrap();
    object[field] = value.clone();
    serde_json::from_value(object).unwrap()
}

/// As the API server stores it: `<`, `>` and `&` are escaped too.
fn stored(model: &Model) -> usize {
    let text = serde_json::to_string(&model.status()).unwrap();
    text.chars()
        .map(|c| match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
            other => other.len_utf8(),
        })
        .sum()
}

/// Each script has its turn again and again, for long enough that the whole status is made of it.
#[test]
fn a_status_stays_under_16_kib_after_10_000_transitions() {
    let ticket = TicketSpec {
        title: text("🔔", 200),
        severity: Some(Severity::High),
        ..TicketSpec::default()
    };
    let mut model = Model::new(policy(&large_policy()), ticket, at("10:00"));
    model.answer = Box::new(
        |name| match name.bytes().map(usize::from).sum::<usize>() % 5 {
            0 | 1 => Answer::Takes,
            2 => Answer::Refuses,
            _ => Answer::TakesAfter(SignedDuration::from_secs(5)),
        },
    );
    model.run_until(model.now);
    let (mut turn, mut largest, mut full) = (0, 0, 0);
    while model.told.len() < TRANSITIONS {
        let (script, piece) = ALPHABETS[turn / 50 % ALPHABETS.len()];
        if turn % 50 == 0 {
            fill(&mut model, piece);
        }
        let (field, value) = fact(turn, piece);
        model.edit_at(model.now, field, move |spec| {
            *spec = replaced(spec, field, &value);
        });
        let writes = model.writes;
        model.run_until(model.now + SignedDuration::from_millis(700));
        let size = stored(&model);
        assert!(size < LIMIT, "{script}: {size} bytes after {turn} edits");
        assert!(model.writes < writes + 40, "{script}: it comes to rest");
        largest = largest.max(size);
        full += usize::from(size > LIMIT - 1024);
        turn += 1;
    }
    assert!(
        full > turn / 4,
        "the bound was felt {full} times in {turn}, at most {largest} bytes"
    );
    assert!(
        model
            .status()
            .timeline_dropped
            .is_some_and(|count| count > 1000)
    );
}

/// What no edit here touches is as large as it can be.
fn fill(model: &mut Model, piece: &str) {
    let full = full_status(piece);
    let status = model.ticket.status.get_or_insert_default();
    status.related = full.related;
    status.rca = full.rca;
    status.holding = full.holding;
    status.communication = full.communication;
    for condition in full.conditions {
        if status
            .conditions
            .iter()
            .all(|known| known.type_ != condition.type_)
        {
            status.conditions.push(condition);
        }
    }
}

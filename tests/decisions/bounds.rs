//! A status stays small through 10,000 transitions, whatever is written into the ticket (api.md section 1 rule 6).

use firebell::api::{Severity, TicketSpec};
use firebell::domain::telling::delivery::hex32;
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

/// What people do, in turn, several at a time: blocks of the spec and what they are then. More than a status keeps of a
/// name; notes are hashed, never copied into the status, so short ones keep the test short.
fn facts(turn: usize, piece: &str) -> Vec<(&'static str, Value)> {
    let (by, note) = (text(piece, 72), text(piece, 8));
    let token = hex32(turn.to_string().as_bytes());
    let request =
        json!({"by": by, "pageAgain": token, "atLeast": name("step", turn % 40), "token": token});
    let level = if turn % 12 < 6 { "Critical" } else { "High" };
    match turn % 6 {
        0 => vec![
            ("closure", Value::Null),
            (
                "acknowledgement",
                json!({"by": by, "note": note, "token": token}),
            ),
            ("severity", json!(level)),
            ("escalation", request),
        ],
        1 => vec![
            ("holds", holds(turn, &by)),
            ("triage", json!({"by": by, "note": token})),
        ],
        2 => vec![
            ("holds", json!([])),
            (
                "assignment",
                json!({"assignee": by, "by": by, "note": token}),
            ),
        ],
        3 => vec![
            (
                "resolution",
                json!({"by": by, "note": note, "token": token}),
            ),
            ("update", json!({"message": text(piece, 100), "by": token})),
        ],
        4 => vec![
            (
                "validation",
                json!({"result": "Rejected", "by": by, "token": token}),
            ),
            ("escalation", request),
        ],
        _ => vec![(
            "closure",
            json!({"by": by, "reason": "Cancelled", "token": token}),
        )],
    }
}

/// As many holds as a ticket may have, some of which do not count.
fn holds(turn: usize, by: &str) -> Value {
    let hold = |number: usize| {
        let until =
            (!number.is_multiple_of(4)).then(|| at("10:00") + SignedDuration::from_hours(48));
        json!({
            "name": name("hold", turn + number),
            "reason": if number.is_multiple_of(2) { "AwaitingVendor" } else { "AwaitingChange" },
            "untilTime": until.map(|until| until.to_string()),
            "by": by,
        })
    };
    (0..8).map(hold).collect()
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

/// Letters that only other scripts than this one have.
fn foreign(piece: &str) -> Vec<char> {
    let all = ALPHABETS.into_iter().flat_map(|(_, other)| other.chars());
    let foreign = all.filter(|c| !c.is_ascii() && !piece.contains(*c));
    foreign.collect()
}

/// Each script has its turn again and again. A turn ends when nothing of another script is left in the status: what it
/// is made of then does not depend on what came before, so a ticket that has only ever seen this script is no larger.
/// Holds are set and lifted on the way.
#[test]
fn a_status_stays_under_16_kib_after_10_000_transitions_in_every_alphabet() {
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
    let (mut turn, mut held) = (0, 0);
    let scripts = ALPHABETS.into_iter().cycle();
    for (rank, (script, piece)) in scripts.enumerate() {
        fill(&mut model, piece);
        let foreign = foreign(piece);
        let (begun, mut largest) = (turn, 0);
        loop {
            change(&mut model, turn, piece);
            let size = stored(&model);
            assert!(size < LIMIT, "{script}: {size} bytes after {turn} turns");
            largest = largest.max(size);
            let holding = model.status().holding;
            held += usize::from(holding.is_some_and(|holding| holding.since_time.is_some()));
            turn += 1;
            let text = serde_json::to_string(&model.status()).unwrap();
            let own = !text.contains(foreign.as_slice());
            if own && turn - begun >= 12 {
                break;
            }
            assert!(turn - begun < 200, "{script}: others' letters stay: {text}");
        }
        assert!(
            largest > LIMIT - 1024,
            "{script}: the bound was felt: {largest} bytes"
        );
        if model.told.len() >= TRANSITIONS && rank >= ALPHABETS.len() {
            break;
        }
    }
    assert!(held > turn / 10, "held {held} times in {turn} turns");
    let dropped = model.status().timeline_dropped;
    assert!(dropped.is_some_and(|count| count > 1000));
}

/// One turn: what people write, and what follows within two seconds.
fn change(model: &mut Model, turn: usize, piece: &str) {
    for (field, value) in facts(turn, piece) {
        model.edit_at(model.now, field, move |spec| {
            *spec = replaced(spec, field, &value);
        });
    }
    let writes = model.writes;
    model.run_until(model.now + SignedDuration::from_millis(1700));
    assert!(model.writes < writes + 60, "it comes to rest");
}

/// What no edit here touches is as large as it can be.
fn fill(model: &mut Model, piece: &str) {
    let full = full_status(piece);
    let status = model.ticket.status.get_or_insert_default();
    status.related = full.related;
    status.rca = full.rca;
    status.communication = full.communication;
    let foreign = foreign(piece);
    let known = &mut status.conditions;
    known.retain(|known| !known.message.contains(foreign.as_slice()));
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

//! `status.waitingFor`: one line of truth for every state of a ticket (api.md section 2).

use crate::world::{EXAMPLE, acknowledge, at, close, resolve, with_policy};
use firebell::api::{ClosureReason, DuplicateRef, Validation, ValidationResult};
use firebell::domain::observed::Parent;
use firebell::domain::selection::PolicyIndex;
use firebell::testkit::model::Model;

/// Name, what stands in place of the line of level High, the facts, now, what is waited for, until when.
type Row = (
    &'static str,
    &'static str,
    fn(&mut Model),
    &'static str,
    &'static str,
    Option<&'static str>,
);

const SILENT: &str = "level: High, acknowledgementTimeout: 30m";
const PLAIN: &str = "level: High";

fn acknowledged(model: &mut Model) {
    acknowledge(model, "10:05");
}

fn resolved(model: &mut Model) {
    resolve(model, "10:05");
}

fn closed_early(model: &mut Model) {
    acknowledge(model, "10:05");
    close(model, "10:06", ClosureReason::Completed);
}

const ROWS: &[Row] = &[
    (
        "a page is next",
        SILENT,
        |_| {},
        "10:12",
        "acknowledgement; next: manager",
        Some("10:15"),
    ),
    (
        "a repeat is next",
        SILENT,
        |_| {},
        "10:01",
        "acknowledgement; next: on-call, repeat 1",
        Some("10:05"),
    ),
    (
        "exhaustion is next",
        SILENT,
        |_| {},
        "11:51",
        "acknowledgement; next: the chain is exhausted",
        Some("11:55"),
    ),
    (
        "exhausted",
        SILENT,
        |_| {},
        "12:00",
        "acknowledgement; the chain is exhausted, nobody is paged any more",
        None,
    ),
    (
        "the expiry is next",
        SILENT,
        acknowledged,
        "10:20",
        "resolution; then the acknowledgement expires",
        Some("10:35"),
    ),
    (
        "a step for unresolved tickets is next",
        PLAIN,
        acknowledged,
        "10:20",
        "resolution; next: director",
        Some("10:45"),
    ),
    (
        "a step is next, before the expiry",
        SILENT,
        |model| acknowledge(model, "10:20"),
        "10:25",
        "resolution; next: director",
        Some("10:45"),
    ),
    (
        "a step is next, together with the expiry",
        SILENT,
        |model| acknowledge(model, "10:15"),
        "10:25",
        "resolution; next: director",
        Some("10:45"),
    ),
    (
        "an update is due only after the step",
        "level: High, updateInterval: 50m",
        acknowledged,
        "10:20",
        "resolution; next: director",
        Some("10:45"),
    ),
    (
        "an update is due together with the step",
        "level: High, updateInterval: 45m",
        acknowledged,
        "10:20",
        "resolution; next: director",
        Some("10:45"),
    ),
    (
        "an update is due first",
        "level: High, updateInterval: 40m",
        acknowledged,
        "10:20",
        "resolution; next: director; before that a status update is due",
        Some("10:40"),
    ),
    (
        "an update is overdue",
        "level: High, updateInterval: 10m",
        acknowledged,
        "10:20",
        "resolution; next: director; a status update is overdue since 2026-03-02T10:10:00Z",
        Some("10:45"),
    ),
    (
        "recorded only",
        "level: High, paging: RecordOnly",
        |_| {},
        "10:20",
        "acknowledgement; this severity is recorded, not paged",
        None,
    ),
    (
        "a closure waits",
        PLAIN,
        closed_early,
        "10:20",
        "resolution; next: director. Not closed as Completed yet: `spec.resolution` must be present.",
        Some("10:45"),
    ),
    (
        "resolved, closed by people",
        PLAIN,
        resolved,
        "10:20",
        "closure (`spec.closure`)",
        None,
    ),
    (
        "resolved, closing by itself",
        "level: High, closeAfter: 1h",
        resolved,
        "10:20",
        "closing by itself",
        Some("11:05"),
    ),
    (
        "validation without an end",
        "level: High, validation: {required: true}",
        resolved,
        "10:20",
        "the reporter's word on the resolution (`spec.validation`)",
        None,
    ),
    (
        "validation with an end",
        "level: High, validation: {required: true, closeAfter: 2h}",
        resolved,
        "10:20",
        "the reporter's word on the resolution (`spec.validation`); then it closes by itself",
        Some("12:05"),
    ),
    (
        "validated",
        "level: High, closeAfter: 1h, validation: {required: true, closeAfter: 2h}",
        |model| {
            resolve(model, "10:05");
            model.edit_at(at("10:10"), "validation", |spec| {
                spec.validation = Some(Validation {
                    result: ValidationResult::Accepted,
                    by: "carol".into(),
                    ..Validation::default()
                });
            });
        },
        "10:20",
        "closing by itself",
        Some("11:10"),
    ),
    (
        "no policy",
        PLAIN,
        |model| model.policies = std::sync::Arc::new(PolicyIndex::default()),
        "10:20",
        "a policy that applies; see condition PolicyResolved",
        None,
    ),
];

#[test]
fn each_state_says_what_it_waits_for_and_until_when() {
    for (name, row, facts, now, what, until) in ROWS {
        let text = EXAMPLE.replace(
            "level: High, responseTarget: 15m, acknowledgementTimeout: 30m",
            row,
        );
        let mut model = with_policy(&text);
        facts(&mut model);
        model.run_until(at(now));
        let line = model.status().waiting_for.unwrap_or_default();
        let found = (line.what.as_str(), line.until.map(|time| time.0));
        assert_eq!(found, (*what, until.map(at)), "{name}");
    }
}

#[test]
fn a_duplicate_waits_to_be_archived_together_with_the_ticket_it_repeats() {
    let mut model = with_policy(EXAMPLE);
    let parent = |open| Parent {
        uid: "p".into(),
        open,
        root: None,
    };
    model.others.parent = Some(parent(true));
    model.ticket.spec.duplicate_of = Some(DuplicateRef {
        name: "other".into(),
    });
    model.run_until(at("10:05"));
    let line = model.status().waiting_for.unwrap();
    assert_eq!(
        line.until.unwrap().0,
        at("10:00") + jiff::SignedDuration::from_hours(24)
    );
    model.now = at("11:00") + jiff::SignedDuration::from_hours(24);
    model.others.parent = Some(parent(false));
    model.run_until(model.now);
    let status = model.status();
    assert!(
        !status.archived,
        "the count of duplicates must not fall while the other is in view"
    );
    assert_eq!(
        status.waiting_for.unwrap().what,
        "archiving, together with ticket \"other\""
    );
    model.others.parent = None;
    model.run_until(model.now);
    assert!(model.status().archived);
}

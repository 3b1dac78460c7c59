//! The RCA that is made for a ticket: when, and what stands in it (api.md section 4).

use firebell::api::{ClosureReason, Rca, RcaPhase, Reporter, Resolution};
use firebell::domain::followup::opening::wanted;
use firebell::domain::observed::RcaFacts;
use firebell::testkit::model::Model;
use jiff::SignedDuration;

use crate::world::{EXAMPLE, at, close, resolve, with_policy};

const RULES: &str = "rca: {severities: [High], dueWithin: 120h";

fn with(rules: &str) -> Model {
    with_policy(&format!("{EXAMPLE}{rules}}}\n"))
}

/// The RCA that is to be made now.
fn made(model: &Model) -> Option<Rca> {
    wanted(&model.ticket, model.others.rca.as_ref(), &model.policies)
}

/// Somebody has written one.
fn covered(model: &mut Model) {
    model.others.rca = Some(RcaFacts {
        name: "ticket-uid".into(),
        phase: RcaPhase::Approved,
        by: Some("carol".into()),
        knowledge: Vec::new(),
    });
}

fn summary(model: &Model) -> String {
    made(model).unwrap().spec.summary.unwrap()
}

#[test]
fn it_names_its_ticket_and_is_due_as_the_policy_says_from_when_it_was_required() {
    let mut model = with(&format!("{RULES}, owner: carol"));
    model.run_until(at("10:30"));
    let rca = made(&model).unwrap();
    assert_eq!(rca.metadata.name.as_deref(), Some("ticket-uid"));
    assert_eq!(rca.metadata.namespace.as_deref(), Some("box"));
    let ticket = &rca.spec.ticket_refs[0];
    assert_eq!(
        (ticket.name.as_str(), ticket.uid.as_deref()),
        ("ticket", Some("uid"))
    );
    let due = at("10:00") + SignedDuration::from_hours(120);
    assert_eq!(rca.spec.due_time.unwrap().0, due);
    assert_eq!(rca.spec.owner.as_deref(), Some("carol"));
}

#[test]
fn where_the_policy_names_no_owner_whoever_works_on_the_ticket_owns_it() {
    let mut model = with(RULES);
    model.run_until(at("10:01"));
    assert_eq!(made(&model).unwrap().spec.owner, None);
    model.edit_at(at("10:02"), "assignment", |spec| {
        spec.assignment = Some(firebell::api::Assignment {
            assignee: "bob".into(),
            by: "alice".into(),
            note: None,
        });
    });
    model.run_until(at("10:03"));
    assert_eq!(made(&model).unwrap().spec.owner.as_deref(), Some("bob"));
}

#[test]
fn it_begins_with_the_facts_of_the_ticket_in_sentences() {
    let mut model = with(RULES);
    model.ticket.spec.title = "Checkout returns 5xx.".into();
    model.ticket.spec.service = Some("checkout".into());
    model.ticket.spec.category = Some("outage".into());
    model.ticket.spec.reporter = Some(Reporter {
        customer: Some("Acme".into()),
        ..Reporter::default()
    });
    model.edit_at(at("10:02"), "resolution", |spec| {
        spec.resolution = Some(Resolution {
            by: "bob".into(),
            impact: Some("2 % of orders failed".into()),
            cause: Some("a full disk".into()),
            fix: Some("more disk".into()),
            ..Resolution::default()
        });
    });
    model.run_until(at("10:03"));
    assert_eq!(
        summary(&model),
        "Checkout returns 5xx. Severity High. Service checkout. Category outage. Submitted 2026-03-02T10:00:00Z. \
         Resolved 2026-03-02T10:02:00Z. Reported for customer Acme. Impact: 2 % of orders failed. Cause: a full disk. \
         Fix: more disk. This analysis is required: severity High."
    );
    model.edit_at(at("10:04"), "resolution", |spec| {
        spec.resolution.as_mut().unwrap().revoked = true;
    });
    model.run_until(at("10:05"));
    let open = summary(&model);
    assert!(
        !open.contains("Resolved") && !open.contains("Cause"),
        "what was taken back is no fact: {open}"
    );
}

#[test]
fn its_timeline_tells_what_the_ticket_told_when_and_by_whom() {
    let mut model = with(RULES);
    model.ticket.spec.reporter = Some(Reporter {
        name: Some("dora".into()),
        ..Reporter::default()
    });
    resolve(&mut model, "10:02");
    model.run_until(at("10:03"));
    let timeline = made(&model).unwrap().spec.timeline;
    assert_eq!(timeline.len(), model.status().timeline.len());
    let texts: Vec<_> = timeline.iter().map(|told| told.text.as_str()).collect();
    assert_eq!(texts[0], "Opened: Ticket submitted (by dora)");
    assert!(texts.contains(&"Resolved: Resolved (by bob)"), "{texts:?}");
    assert!(
        texts.iter().any(|text| !text.contains(" (by ")),
        "the operator is nobody: {texts:?}"
    );
    assert_eq!(timeline[0].time.0, at("10:00"));
}

#[test]
fn none_is_made_where_one_covers_the_ticket_or_the_ticket_is_being_deleted_or_none_is_required() {
    let mut model = with(RULES);
    model.run_until(at("10:01"));
    let mut written = with(RULES);
    covered(&mut written);
    written.run_until(at("10:01"));
    assert_eq!(made(&written), None);
    written.others.rca = None;
    written.run_until(at("10:02"));
    assert!(
        made(&written).is_some(),
        "an open ticket whose RCA was deleted gets another"
    );

    assert!(made(&model).is_some());
    model.ticket.metadata.deletion_timestamp = model.ticket.metadata.creation_timestamp.clone();
    assert_eq!(made(&model), None);

    let mut free = with("rca: {severities: [Critical]");
    free.run_until(at("10:01"));
    assert_eq!(made(&free), None);
}

#[test]
fn a_closed_ticket_gets_one_only_where_none_was_seen_before() {
    let mut seen = with(RULES);
    covered(&mut seen);
    close(&mut seen, "10:02", ClosureReason::Cancelled);
    seen.run_until(at("10:03"));
    seen.others.rca = None;
    seen.run_until(at("10:04"));
    assert_eq!(made(&seen), None, "it was deleted after all was settled");

    let mut never = with(&format!("{RULES}, gatesClosure: false"));
    close(&mut never, "10:02", ClosureReason::Cancelled);
    never.run_until(at("10:03"));
    assert!(never.status().close_time.is_some());
    assert!(made(&never).is_some());
}

//! What an RCA tells, once and in which words, and whom it reminds.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, action, at, causes};
use crate::api::condition_type::{COMPLETE, OVERDUE};
use crate::api::{DeliveryState, RcaPhase, Reminder, ReminderKind, Time};
use crate::domain::followup::rca::DocumentSeen;
use crate::domain::followup::reminders::recorded;
use crate::domain::policy::ValidPolicy;

fn due(clock: &str) -> Value {
    json!({"rootCauses": causes(), "owner": "bob", "dueTime": at(clock).to_string()})
}

/// Stores a further revision of the policy; the newest one where it is `live`.
fn store(world: &mut World, revision: &str, spec: Value, live: bool) {
    let valid = ValidPolicy::check(serde_json::from_value(spec).unwrap());
    let index = Arc::make_mut(&mut world.seen.policies);
    let key = ("shop".to_owned(), revision.to_owned());
    index.revisions.insert(key, Arc::new(valid.policy.unwrap()));
    if live {
        let key = ("shop".to_owned(), "gold".to_owned());
        index.policies.get_mut(&key).unwrap().revision = Some(revision.to_owned());
    }
}

#[test]
fn it_is_looked_at_again_when_the_first_of_its_times_comes() {
    for (own, of_action) in [("12:00", "11:00"), ("11:00", "12:00")] {
        let mut world = World::new(due(own));
        world.edit(&json!({"correctiveActions": [action("a", "Open", of_action)]}));
        world.run("10:00");
        assert_eq!(world.until, Some(at("11:00")));
    }
}

#[test]
fn an_action_whose_time_has_come_is_overdue_and_no_longer_the_next() {
    let mut world = World::new(json!({
        "correctiveActions": [action("a", "Open", "12:00"), action("b", "Open", "13:00")]
    }));
    let counts = world.run("12:00").actions.clone().unwrap();
    assert_eq!(
        (counts.overdue, counts.next_due_time),
        (1, Some(Time(at("13:00"))))
    );
    assert_eq!(world.until, Some(at("13:00")));
}

#[test]
fn the_sections_are_those_of_the_revision_the_ticket_runs_on_whatever_the_newest_asks_for() {
    let mut world = World::new(json!({}));
    let newest = json!({
        "connectors": [{"name": "hook", "type": "Webhook", "address": "https://pager.example.com/"}],
        "rca": {"severities": ["High"], "sections": ["detection"]},
    });
    store(&mut world, "gold-2", newest, true);
    assert_eq!(world.run("10:00").missing, ["rootCauses"]);
}

#[test]
fn what_is_missing_is_called_approved_only_where_it_is() {
    let mut world = World::new(json!({}));
    world.run("10:00");
    assert_eq!(world.condition(COMPLETE).2, "Missing: rootCauses.");
    world.edit(
        &json!({"approval": {"by": "carol"}, "waiver": {"by": "carol", "reason": "a drill"}}),
    );
    world.run("10:01");
    assert_eq!(world.condition(COMPLETE).2, "Missing: rootCauses.");
}

#[test]
fn one_that_lacks_something_again_is_told_as_a_draft_again() {
    let mut world = World::new(json!({"rootCauses": causes()}));
    assert_eq!(world.run("10:00").phase, Some(RcaPhase::InReview));
    world.edit(&json!({"rootCauses": []}));
    assert_eq!(world.run("10:01").phase, Some(RcaPhase::Draft));
    let (reason, warning, note) = world.told.last().unwrap();
    assert_eq!((*reason, *warning), ("Draft", false));
    assert_eq!(note, "A draft again. Missing: rootCauses.");
}

#[test]
fn a_document_that_is_kept_is_no_warning_and_one_that_never_was_is_one() {
    let document = |whole| DocumentSeen {
        config_map: None,
        whole,
        reason: "Looked",
        message: "so it stands".to_owned(),
    };
    for (whole, warnings) in [(true, 0), (false, 1)] {
        let mut world = World::new(json!({}));
        world.seen.document = Some(document(whole));
        world.run("10:00");
        assert_eq!(world.told("DocumentNotKept"), warnings);
    }
}

#[test]
fn that_it_is_overdue_is_told_once_however_much_it_changes_after() {
    let mut world = World::new(due("12:00"));
    world.run("12:00");
    world.edit(&json!({"rootCauses": []}));
    world.run("12:10");
    assert!(world.condition(OVERDUE).2.contains("it is Draft"));
    assert_eq!(world.told("RcaOverdue"), 1);
}

#[test]
fn a_reminder_says_what_is_wrong_and_what_to_do() {
    let mut world = World::new(due("12:00"));
    world.edit(&json!({"correctiveActions": [action("a", "Open", "12:00")]}));
    world.run("12:00");
    let said: Vec<_> = world
        .sent
        .iter()
        .map(|sent| {
            let data = &sent.message.data;
            (data.why.as_str(), data.next.as_ref().unwrap().what.as_str())
        })
        .collect();
    let (why, next) = said[0];
    assert_eq!(
        why,
        "RCA \"checkout-1\" was due at 2026-03-02T12:00:00Z and is not approved. Owner: bob."
    );
    assert!(next.contains("`spec.approval`") && next.contains("`spec.dueTime`"));
    let (why, next) = said[1];
    assert!(
        why.starts_with("Corrective action \"a\" (More disk)"),
        "{why}"
    );
    assert!(next.contains("`state`") && next.contains("`dueTime`"));
}

#[test]
fn an_owner_who_is_reached_only_where_customers_read_along_is_not_reminded_there() {
    let mut world = World::new(json!({"owner": "dora", "dueTime": at("12:00").to_string()}));
    let spec = json!({
        "connectors": [
            {"name": "hook", "type": "Webhook", "address": "https://pager.example.com/"},
            {"name": "page", "type": "Webhook", "address": "https://status.example.com/", "audience": "Customers"},
        ],
        "contacts": [
            {"name": "dora", "reach": [{"connector": "page"}]},
            {"name": "bob", "reach": [{"connector": "hook"}]},
        ],
        "communication": {"overdueNotify": [{"contact": "bob"}, {"connector": "page"}]},
    });
    store(&mut world, "gold-1", spec, false);
    world.run("12:00");
    assert_eq!(world.targets(), ["contact/bob"]);
}

#[test]
fn the_outbox_may_forget_the_reminders_whose_end_is_written_and_no_others() {
    let mut world = World::new(due("12:00"));
    world.run("12:00");
    let sent = world.sent[0].id.clone();
    let written = |world: &World| world.seen.rca.status.clone().unwrap().reminders;
    assert!(recorded("uid-rca", &written(&world)).is_empty());
    world.arrive();
    world.run("12:01");
    assert_eq!(recorded("uid-rca", &written(&world)), [sent]);
    let nobody = Reminder {
        kind: ReminderKind::RcaOverdue,
        action: None,
        target: None,
        due_time: Time(at("12:00")),
        state: DeliveryState::Failed,
        time: None,
        message: None,
    };
    assert!(
        recorded("uid-rca", &[nobody]).is_empty(),
        "it never was in the outbox"
    );
}

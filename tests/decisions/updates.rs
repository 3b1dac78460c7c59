//! Status updates: `spec.update`, `updateInterval`, reminder and `UpdateOverdue` (api.md sections 2 and 3).

use crate::world::{acknowledge, at, notices, resolve, with_policy};
use firebell::api::{Assignment, Audience, ConditionStatus, Severity, Update};
use firebell::testkit::model::Model;
use jiff::SignedDuration;

/// Updates each hour for High, half an hour for Critical; carol looks after overdue ones; a room and a status page.
const POLICY: &str = r#"
default: true
severities:
- {level: High, updateInterval: 1h}
- {level: Critical, updateInterval: 30m}
- {level: Low}
connectors:
- {name: hook, type: Webhook, address: "https://pager.example.com/"}
- {name: room, type: Webhook, address: "https://room.example.com/"}
- {name: page, type: Webhook, address: "https://status.example.com/", audience: Customers}
- {name: to-customers, type: Webhook, audience: Customers}
contacts:
- {name: alice, user: alice@example.com, reach: [{connector: hook}]}
- {name: bob, user: bob@example.com, reach: [{connector: hook}]}
- {name: carol, reach: [{connector: hook}]}
- {name: shop, reach: [{connector: to-customers, address: "https://shop.example.com/"}]}
steps:
- {name: on-call, notify: [{contact: alice}]}
communication: {notifyOn: [Update], notify: [{connector: room}, {connector: page}], overdueNotify: [{contact: carol}]}
"#;

fn model() -> Model {
    with_policy(POLICY)
}

fn post(model: &mut Model, clock: &str, message: &'static str, audience: Audience) {
    model.edit_at(at(clock), "update", move |spec| {
        spec.update = Some(Update {
            message: message.into(),
            audience,
            by: "bob@example.com".into(),
        });
    });
}

fn assign(model: &mut Model, clock: &str, assignee: &'static str) {
    model.edit_at(at(clock), "assignment", move |spec| {
        spec.assignment = Some(Assignment {
            assignee: assignee.into(),
            by: "bob".into(),
            ..Assignment::default()
        });
    });
}

fn overdue(model: &Model) -> Option<ConditionStatus> {
    let conditions = model.status().conditions;
    let found = conditions
        .into_iter()
        .find(|known| known.type_ == "UpdateOverdue");
    found.map(|known| known.status)
}

#[test]
fn without_an_assignee_those_for_overdue_updates_are_reminded_at_80_percent_and_told_once_when_it_is_overdue()
 {
    let mut model = model();
    model.run_until(at("15:00"));
    let expected = ["10:48 UpdateReminder carol", "11:00 UpdateOverdue carol"];
    assert_eq!(notices(&model), expected);
    assert_eq!(overdue(&model), Some(ConditionStatus::True));
}

#[test]
fn the_assignee_is_reminded_by_user_name_and_by_name_of_the_contact() {
    for (assignee, contact) in [("bob@example.com", "bob"), ("alice", "alice")] {
        let mut model = model();
        assign(&mut model, "10:01", assignee);
        model.run_until(at("10:50"));
        assert_eq!(notices(&model), [format!("10:48 UpdateReminder {contact}")]);
    }
}

#[test]
fn an_update_sets_the_next_due_time_and_clears_the_condition() {
    let mut model = model();
    post(&mut model, "10:30", "looking", Audience::Internal);
    post(&mut model, "11:40", "still looking", Audience::Internal);
    model.run_until(at("11:35"));
    assert_eq!(overdue(&model), Some(ConditionStatus::True));
    model.run_until(at("12:00"));
    let expected = [
        "10:30 Update room",
        "10:30 Update alice",
        "11:18 UpdateReminder carol",
        "11:30 UpdateOverdue carol",
        "11:40 Update room",
        "11:40 Update alice",
    ];
    assert_eq!(notices(&model), expected);
    assert_eq!(overdue(&model), Some(ConditionStatus::False));
    let communication = model.status().communication.unwrap();
    assert_eq!(communication.last_update_time.unwrap().0, at("11:40"));
    assert_eq!(communication.next_update_due_time.unwrap().0, at("12:40"));
}

#[test]
fn an_internal_update_goes_to_the_team_only_and_one_for_customers_to_them_too() {
    let mut model = model();
    model.ticket.spec.reporter = Some(firebell::api::Reporter {
        contact: Some("shop".into()),
        ..firebell::api::Reporter::default()
    });
    post(
        &mut model,
        "10:10",
        "the cache is the culprit",
        Audience::Internal,
    );
    post(&mut model, "10:20", "we are on it", Audience::Customers);
    model.run_until(at("10:30"));
    let mut got = notices(&model);
    got.sort();
    let expected = [
        "10:10 Update alice",
        "10:10 Update room",
        "10:20 Update alice",
        "10:20 Update page",
        "10:20 Update reporter",
        "10:20 Update room",
    ];
    assert_eq!(got, expected);
}

#[test]
fn the_same_words_posted_again_after_others_are_told_again() {
    let mut model = model();
    post(&mut model, "10:10", "looking", Audience::Internal);
    post(&mut model, "10:20", "found", Audience::Internal);
    post(&mut model, "10:30", "looking", Audience::Internal);
    model.run_until(at("10:35"));
    let mut ids: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.to == "room")
        .collect();
    assert_eq!(ids.len(), 3);
    ids.sort_by_key(|got| &got.id);
    ids.dedup_by_key(|got| &got.id);
    assert_eq!(ids.len(), 3);
}

#[test]
fn resolved_stops_the_cadence_and_a_reopening_starts_it_anew() {
    let mut model = model();
    resolve(&mut model, "10:30");
    model.edit_at(at("12:00"), "resolution", |spec| spec.resolution = None);
    model.run_until(at("11:59"));
    assert_eq!(notices(&model), Vec::<String>::new());
    assert_eq!(overdue(&model), None);
    model.run_until(at("12:50"));
    assert_eq!(notices(&model), ["12:48 UpdateReminder carol"]);
}

#[test]
fn resolved_clears_an_overdue_update() {
    let mut model = model();
    resolve(&mut model, "11:30");
    model.run_until(at("11:31"));
    assert_eq!(overdue(&model), Some(ConditionStatus::False));
}

#[test]
fn a_raised_severity_brings_the_due_time_of_its_own_row_and_a_row_without_one_ends_it() {
    let mut model = model();
    model.edit_at(at("10:05"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:06"));
    let due = model.status().communication.unwrap().next_update_due_time;
    assert_eq!(due.unwrap().0, at("10:30"));
    model.edit_at(at("10:07"), "severity", |spec| {
        spec.severity = Some(Severity::Low);
    });
    model.run_until(at("10:08"));
    assert_eq!(model.status().communication, None);
}

#[test]
fn the_interval_runs_in_the_hours_of_the_row() {
    let text = POLICY
        .replace("level: High, updateInterval: 1h", "level: High, calendar: late, updateInterval: 1h")
        .replace("connectors:", "calendars:\n- {name: late, timeZone: UTC, windows: [{days: [Mon], from: \"12:00\", to: \"18:00\"}]}\nconnectors:");
    let mut model = with_policy(&text);
    model.run_until(at("14:00"));
    let expected = ["12:48 UpdateReminder carol", "13:00 UpdateOverdue carol"];
    assert_eq!(notices(&model), expected);
}

#[test]
fn after_a_downtime_over_both_deadlines_only_the_overdue_update_is_told_with_its_true_time() {
    let mut model = model();
    model.run_until(at("10:01"));
    model.now = at("13:00");
    model.run_until(at("13:01"));
    assert_eq!(notices(&model), ["13:00 UpdateOverdue carol"]);
    let told = model
        .told
        .iter()
        .find(|told| told.reason == "UpdateOverdue");
    assert!(told.unwrap().note.contains("2026-03-02T11:00:00Z"));
}

#[test]
fn a_due_time_that_was_put_off_in_the_status_counts_and_takes_the_reminder_with_it() {
    let mut model = model();
    model.run_until(at("10:10"));
    let status = model.ticket.status.as_mut().unwrap();
    let communication = status.communication.as_mut().unwrap();
    let due = communication.next_update_due_time.as_mut().unwrap();
    due.0 += SignedDuration::from_mins(30);
    model.run_until(at("12:00"));
    let expected = ["11:18 UpdateReminder carol", "11:30 UpdateOverdue carol"];
    assert_eq!(notices(&model), expected);
}

#[test]
fn an_update_carries_its_text_and_its_author() {
    let mut model = model();
    acknowledge(&mut model, "10:05");
    post(
        &mut model,
        "10:10",
        "the cache is the culprit",
        Audience::Internal,
    );
    model.run_until(at("10:15"));
    let got = model
        .received
        .iter()
        .find(|got| got.kind == "Update")
        .unwrap();
    let said = &got.delivery.message.data.said;
    assert_eq!(said.by.as_deref(), Some("bob@example.com"));
    assert_eq!(
        said.update.as_ref().unwrap().message,
        "the cache is the culprit"
    );
}

#[test]
fn when_the_last_update_was_given_stays_known_after_the_resolution() {
    let mut model = model();
    post(&mut model, "10:05", "Looking", Audience::Internal);
    resolve(&mut model, "10:10");
    model.run_until(at("10:20"));
    let known = model.status().communication.unwrap();
    assert_eq!(known.last_update_time.unwrap().0, at("10:05"));
    assert_eq!(known.next_update_due_time, None);
}

//! `communication.notifyOn` (api.md section 3), the notices of section 5 and 6, and their ids (delivery.md section 1).

use std::sync::Arc;

use crate::world::{EXAMPLE, acknowledge, at, close, example, notices, resolve, with_policy};
use firebell::api::{ClosureReason, Severity};
use firebell::domain::delivery::{DeliveryId, Target};
use firebell::domain::selection::PolicyIndex;
use firebell::testkit::model::{Model, NAMESPACE};

/// The example, with all words told to a team's room.
pub fn told_everything() -> String {
    let communication = r"
communication:
  notifyOn: [Opened, Acknowledged, SeverityChanged, Escalated, Held, Update, Resolved, ValidationRequested, Reopened, Closed]
  notify: [{connector: room}]
";
    let room = "connectors:\n- {name: room, type: Webhook, address: \"https://room.example.com/\"}";
    EXAMPLE.replace("connectors:", room) + communication
}

fn to_room(model: &Model) -> Vec<String> {
    let all = notices(model).into_iter();
    all.filter_map(|line| line.strip_suffix(" room").map(str::to_owned))
        .collect()
}

#[test]
fn each_word_of_notify_on_is_told_at_its_transition_and_once() {
    let mut model = with_policy(&told_everything());
    model.edit_at(at("10:02"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    acknowledge(&mut model, "10:20");
    resolve(&mut model, "10:25");
    model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
    resolve(&mut model, "10:40");
    close(&mut model, "10:50", ClosureReason::Completed);
    model.run_until(at("12:00"));
    let expected = [
        "10:00 Opened",
        "10:02 SeverityChanged",
        "10:17 Escalated",
        "10:20 Acknowledged",
        "10:25 Resolved",
        "10:30 Reopened",
        "10:40 Resolved",
        "10:50 Closed",
    ];
    assert_eq!(to_room(&model), expected);
}

#[test]
fn a_word_that_the_policy_does_not_name_is_not_told() {
    let text = told_everything().replace("notifyOn: [Opened, Acknowledged,", "notifyOn: [");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:02");
    model.run_until(at("10:05"));
    assert_eq!(to_room(&model), Vec::<String>::new());
}

#[test]
fn a_ticket_that_gets_its_policy_late_is_told_as_opened_then_and_once() {
    let mut model = with_policy(&told_everything());
    let index = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
    model.run_until(at("10:05"));
    assert_eq!(to_room(&model), Vec::<String>::new());
    model.policies = index;
    model.run_until(at("10:10"));
    assert_eq!(to_room(&model), ["10:05 Opened"]);
}

#[test]
fn the_id_of_a_notice_is_made_of_ticket_round_kind_cause_and_target() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.run_until(at("10:20"));
    let status = model.status();
    let bob = Target::Contact("bob".into());
    let handled = status.handled.get("acknowledgement").unwrap();
    let cause = format!("{}@{}", handled.hash, at("10:16"));
    let id = DeliveryId::of("uid", 1, "AcknowledgedBy", &cause, &bob);
    let told = model
        .received
        .iter()
        .find(|got| got.kind == "AcknowledgedBy");
    assert_eq!(told.unwrap().id, id.to_string());
    assert_eq!(model.ticket.metadata.namespace.as_deref(), Some(NAMESPACE));
}

#[test]
fn the_same_words_written_again_are_told_again_under_a_fresh_id() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.edit_at(at("10:20"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    acknowledge(&mut model, "10:36");
    model.run_until(at("10:40"));
    let ids: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.kind == "AcknowledgedBy" && got.to == "bob")
        .map(|got| got.id.as_str())
        .collect();
    assert_eq!(ids.len(), 2, "{:?}", notices(&model));
    assert_ne!(ids[0], ids[1]);
}

//! What is odd about an RCA, and how its document is told.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ConditionStatus, RcaNext, World, at, decide};
use crate::api::condition_type::{DOCUMENT_KEPT, OVERDUE, TICKETS_FOUND};
use crate::domain::followup::rca::DocumentSeen;

#[test]
fn an_rca_that_names_no_ticket_and_one_beside_another_say_so() {
    let mut none = World::new(json!({}));
    none.seen.tickets.clear();
    none.run("10:00");
    assert_eq!(none.condition(TICKETS_FOUND).1, "NoTickets");

    let mut beside = World::new(json!({}));
    beside.seen.tickets[0].also = Some("mine".to_owned());
    beside.run("10:00");
    let (status, reason, message) = beside.condition(TICKETS_FOUND);
    assert_eq!((status, reason), (ConditionStatus::True, "Shared"));
    assert!(message.contains("RCA \"mine\" names it too"), "{message}");
    assert_eq!(beside.told("TicketShared"), 1);
    let writes = beside.writes;
    beside.run("10:01");
    assert_eq!((beside.writes, beside.told("TicketShared")), (writes, 1));
}

#[test]
fn a_due_time_before_its_creation_is_overdue_at_once_and_taken_for_a_possible_mistake() {
    let mut world = World::new(json!({"owner": "bob", "dueTime": at("09:00").to_string()}));
    world.run("10:00");
    let (_, _, message) = world.condition(OVERDUE);
    assert!(
        message.contains("correct it where that is a mistake"),
        "{message}"
    );
    let mut without = World::new(json!({"owner": "bob"}));
    without.run("10:00");
    assert_eq!(without.condition(OVERDUE).1, "NoDueTime");
}

#[test]
fn a_status_stays_small_with_every_action_overdue() {
    let long = "n".repeat(63);
    let actions: Vec<Value> = (0..64)
        .map(|number| {
            let id = format!("{}{number:02}", &long[..61]);
            json!({"id": id, "title": "t", "type": "Prevent", "owner": "o".repeat(253), "dueTime": at("09:00").to_string()})
        })
        .collect();
    let mut world = World::new(
        json!({"owner": "o".repeat(253), "dueTime": at("09:00").to_string(), "correctiveActions": actions}),
    );
    let status = world.run("10:00").clone();
    assert_eq!(status.reminders.len(), 32);
    assert!(status.reminders[0].action.is_none(), "the RCA itself first");
    let size = serde_json::to_string(&status).unwrap().len();
    assert!(size < 16 * 1024, "{size}");
}

#[test]
fn an_rca_that_is_being_deleted_is_left_alone() {
    let mut world = World::new(json!({}));
    let time = serde_json::from_value(json!("2026-03-02T10:00:00Z")).unwrap();
    Arc::make_mut(&mut world.seen.rca)
        .metadata
        .deletion_timestamp = time;
    assert_eq!(decide(&world.seen, at("10:00")), RcaNext::Wait(None));
}

#[test]
fn how_its_document_is_kept_is_said_once_and_stands_while_nobody_knows() {
    let kept = DocumentSeen {
        config_map: Some("a-root-cause-analysis".to_owned()),
        whole: true,
        reason: "Kept",
        message: "it stands there".to_owned(),
    };
    let refused = DocumentSeen {
        config_map: None,
        whole: false,
        reason: "Refused",
        message: "it may not be written".to_owned(),
    };
    let mut world = World::new(json!({}));
    let status = world.run("10:00");
    assert_eq!(status.document, None);
    world.seen.document = Some(kept);
    let status = world.run("10:01").clone();
    let name = status.document.map(|document| document.config_map);
    assert_eq!(name.as_deref(), Some("a-root-cause-analysis"));
    assert!(world.holds(DOCUMENT_KEPT));
    world.seen.document = None;
    let writes = world.writes;
    world.run("10:02");
    assert_eq!(world.writes, writes);
    world.seen.document = Some(refused);
    assert_eq!(world.run("10:03").document, None);
    let (status, reason, message) = world.condition(DOCUMENT_KEPT);
    assert_eq!(
        (status, reason, message),
        (ConditionStatus::False, "Refused", "it may not be written")
    );
    world.run("10:04");
    assert_eq!(world.told("DocumentNotKept"), 1);
}

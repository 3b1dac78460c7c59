//! Holds, suspension and maintenance on the real API server, with ends a few seconds ahead.

use firebell::api::{ConditionStatus, EscalationState, TicketStatus, Time};
use firebell::testkit::stage::Stage;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// A moment a few seconds ahead, in whole milliseconds.
fn soon(seconds: i64) -> Time {
    let now = Timestamp::now().as_millisecond();
    Time(Timestamp::from_millisecond(now).unwrap() + SignedDuration::from_secs(seconds))
}

#[tokio::test]
async fn a_hold_freezes_the_chain_until_its_end_and_those_paged_hear_of_both() {
    let stage = Stage::running("hold").await;
    stage
        .apply_policy("gold", stage.short_policy("10s", 2))
        .await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    let mut followed = stage.follow("checkout").await;
    let until = soon(6);
    let hold =
        json!({"name": "vendor", "reason": "AwaitingVendor", "untilTime": until, "by": "alice"});
    stage.fact("checkout", json!({"holds": [hold]})).await;
    let status = followed.until_chain(EscalationState::Held).await;
    assert_eq!(status.waiting_for.unwrap().until, Some(until));
    stage.page("/bob", 1).await;
    let fired = |status: &TicketStatus| {
        let known = status.escalation.as_ref();
        known.is_some_and(|known| known.steps.len() == 2)
    };
    let status = stage.until("checkout", "the manager is paged", fired).await;
    let (escalation, holding) = (status.escalation.unwrap(), status.holding.unwrap());
    let due = escalation.start_time.unwrap().0
        + SignedDuration::from_secs(10)
        + holding.held_total.unwrap().to_signed();
    assert_eq!(escalation.steps[1].time.0, due, "put off by the held time");
    assert_eq!(
        holding.release_time,
        Some(until),
        "released at its true end"
    );
    stage.page("/alice", 3).await;
    stage
        .until_all_told("checkout", &["Held", "Released"])
        .await;
}

#[tokio::test]
async fn suspend_holds_every_ticket_even_where_the_rest_of_the_edit_is_invalid() {
    let stage = Stage::running("suspend").await;
    stage
        .apply_policy("gold", stage.short_policy("10m", 1))
        .await;
    stage.until_in_use("gold").await;
    let until = soon(8);
    let mut edited = stage.short_policy("10m", 1);
    edited["suspend"] =
        json!({"untilTime": until, "by": "alice", "reason": "the data centre moves"});
    edited["steps"][0]["notify"] = json!([{"contact": "nobody"}]);
    stage.apply_policy("gold", edited).await;
    let suspended = stage
        .until_policy("gold", "it is suspended", |status| {
            let known = status.conditions.iter();
            known.clone().any(|known| known.type_ == "Suspended")
                && known.clone().any(|known| known.type_ == "Stalled")
        })
        .await;
    assert!(suspended.suspend_seen_time.is_some());
    stage.create_ticket("checkout").await;
    let mut followed = stage.follow("checkout").await;
    let status = followed.until_chain(EscalationState::Held).await;
    let waits = status.waiting_for.unwrap().what;
    assert!(waits.contains("suspended by alice"), "{waits}");
    stage.page("/alice", 1).await;
    let status = stage.ticket_object("checkout").await.status.unwrap();
    assert_eq!(status.escalation.unwrap().start_time, Some(until));
    stage
        .until_policy("gold", "the suspension is over", |status| {
            let mut known = status.conditions.iter();
            known.any(|known| known.type_ == "Suspended" && known.status == ConditionStatus::False)
        })
        .await;
}

#[tokio::test]
async fn maintenance_records_tickets_of_its_services_and_pages_what_is_still_open_at_its_end() {
    let stage = Stage::running("maintenance").await;
    let (from, until) = (soon(-60), soon(8));
    let mut policy = stage.short_policy("10m", 1);
    let window = json!({"name": "move", "services": ["checkout"], "fromTime": from, "untilTime": until, "by": "alice"});
    policy["maintenance"] = json!([window]);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    let mut followed = stage.follow("checkout").await;
    stage
        .create_ticket_with("search", json!({"service": "search"}))
        .await;
    stage.page("/alice", 1).await;
    let status = followed.until_chain(EscalationState::Held).await;
    let waits = status.waiting_for.unwrap().what;
    assert!(waits.contains("maintenance \"move\""), "{waits}");
    stage.page("/alice", 2).await;
    let status = stage.ticket_object("checkout").await.status.unwrap();
    assert_eq!(status.escalation.unwrap().start_time, Some(until));
    let status = stage.ticket_object("search").await.status.unwrap();
    assert_eq!(status.holding, None);
}

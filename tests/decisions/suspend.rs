//! `policy.spec.suspend` (api.md section 3), in virtual time.

use super::world::{acknowledge, at, example, pages, standing};
use firebell::api::{EscalationState, Suspend, TargetState, Time};
use firebell::testkit::model::{Model, NAMESPACE};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Puts a suspension into the live policy, first seen now; `None` takes it out.
fn suspend(model: &mut Model, until: Option<Timestamp>) {
    let mut index = (*model.policies).clone();
    let key = (NAMESPACE.to_owned(), "gold".to_owned());
    let live = index.policies.get_mut(&key).unwrap();
    live.suspend = until.map(|until| Suspend {
        until_time: Time(until),
        by: "carol".into(),
        reason: Some("data centre moves".into()),
    });
    live.suspend_seen = until.map(|_| model.now);
    model.policies = Arc::new(index);
}

#[test]
fn suspend_holds_every_ticket_of_the_policy_until_it_ends() {
    let mut model = example();
    model.run_until(at("10:07"));
    suspend(&mut model, Some(at("10:27")));
    model.run_until(at("10:20"));
    assert_eq!(
        model.status().escalation.unwrap().state,
        EscalationState::Held
    );
    let message = standing(&model, "Held").unwrap();
    assert!(
        message.contains(
            "\"gold\" is suspended by carol until 2026-03-02T10:27:00Z (data centre moves)"
        ),
        "{message}"
    );
    model.run_until(at("10:31"));
    assert_eq!(
        pages(&model).last().unwrap(),
        "10:30 on-call repeat 2 round 1"
    );
}

#[test]
fn suspend_is_over_when_it_is_taken_out() {
    let mut model = example();
    model.run_until(at("10:07"));
    suspend(&mut model, Some(at("20:00")));
    model.run_until(at("10:17"));
    suspend(&mut model, None);
    model.run_until(at("10:26"));
    assert_eq!(
        pages(&model)[2..],
        ["10:20 on-call repeat 2 round 1", "10:25 manager round 1"]
    );
    assert_eq!(standing(&model, "Held"), None);
    let mut told = model.told.iter();
    let released = told.find(|told| told.reason == "Released").unwrap();
    assert!(released.note.contains("the policy is no longer suspended"));
}

#[test]
fn suspend_counts_for_24_h_at_most_from_when_first_seen() {
    let mut model = example();
    model.run_until(at("10:07"));
    let day = SignedDuration::from_hours(24);
    suspend(&mut model, Some(at("10:00") + day + day));
    model.run_until(at("10:06") + day);
    assert_eq!(pages(&model).len(), 2);
    model.run_until(at("10:10") + day);
    assert_eq!(pages(&model)[2..], ["10:10 on-call repeat 2 round 1"]);
}

#[test]
fn a_chain_that_had_not_started_starts_when_the_suspension_is_over() {
    let mut model = example();
    suspend(&mut model, Some(at("11:00")));
    model.run_until(at("10:30"));
    let status = model.status();
    assert_eq!(status.escalation.unwrap().state, EscalationState::Held);
    model.run_until(at("11:06"));
    assert_eq!(
        pages(&model),
        ["11:00 on-call round 1", "11:05 on-call repeat 1 round 1"]
    );
}

#[test]
fn suspend_does_not_pause_the_response_clock_but_postpones_the_expiry() {
    let mut model = example();
    suspend(&mut model, Some(at("11:00")));
    model.run_until(at("10:16"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        (clock.state, clock.breach_time.unwrap().0),
        (TargetState::Breached, at("10:15"))
    );
    acknowledge(&mut model, "10:20");
    model.run_until(at("11:29"));
    assert_eq!(pages(&model), Vec::<String>::new());
    model.run_until(at("11:30"));
    assert_eq!(pages(&model).len(), 1);
}

#[test]
fn a_suspension_whose_first_sight_is_not_written_yet_holds_at_once_and_no_longer_than_a_day() {
    let mut model = example();
    model.run_until(at("10:07"));
    let day = SignedDuration::from_hours(24);
    suspend(&mut model, Some(at("10:00") + day + day));
    let mut index = (*model.policies).clone();
    index
        .policies
        .values_mut()
        .for_each(|live| live.suspend_seen = None);
    model.policies = Arc::new(index);
    model.run_until(at("10:10") + day);
    assert_eq!(pages(&model)[2..], ["10:10 on-call repeat 2 round 1"]);
}

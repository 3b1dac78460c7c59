//! api.md section 5, row "Acknowledged".

use super::resolution;
use crate::world::{EXAMPLE, acknowledge, at, example, notices, pages, with_policy};
use firebell::api::{Assignment, DeliveryState, Phase, TargetState, Triage};
use firebell::testkit::model::Answer;
use jiff::SignedDuration;

#[test]
fn those_already_paged_hear_who_acknowledged_but_not_the_one_who_did() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.run_until(at("10:20"));
    assert_eq!(notices(&model), ["10:16 AcknowledgedBy bob"]);
}

#[test]
fn steps_and_repeats_for_the_unacknowledged_stop_at_once() {
    let mut model = example();
    acknowledge(&mut model, "10:04");
    model.run_until(at("10:33"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
}

#[test]
fn their_queued_deliveries_are_cancelled() {
    let mut model = example();
    model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_mins(10)));
    acknowledge(&mut model, "10:04");
    model.run_until(at("10:30"));
    let page = model.status().deliveries.remove(0);
    assert_eq!(page.state, DeliveryState::Cancelled);
    assert!(pages(&model).is_empty());
}

#[test]
fn steps_for_the_unresolved_and_the_resolution_clock_go_on() {
    let text = EXAMPLE.replace(
        "acknowledgementTimeout: 30m",
        "resolutionTarget: 1h, acknowledgementTimeout: 5h",
    );
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:04");
    model.run_until(at("11:01"));
    assert_eq!(pages(&model)[1..], ["10:45 director round 1"]);
    assert_eq!(resolution(&model).state, TargetState::Breached);
    assert_eq!(resolution(&model).breach_time.unwrap().0, at("11:00"));
}

#[test]
fn triage_and_assignment_are_stages_that_answer_but_stop_no_page() {
    let mut model = example();
    model.edit_at(at("10:02"), "triage", |spec| {
        spec.triage = Some(Triage {
            by: "bob".into(),
            note: None,
        });
    });
    model.edit_at(at("10:03"), "assignment", |spec| {
        spec.assignment = Some(Assignment {
            assignee: "bob".into(),
            by: "bob".into(),
            note: None,
        });
    });
    model.edit_at(at("10:20"), "assignment", |spec| spec.assignment = None);
    model.run_until(at("10:16"));
    assert_eq!(model.status().phase, Some(Phase::Assigned));
    assert_eq!(super::response(&model).met_time.unwrap().0, at("10:02"));
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    model.run_until(at("10:21"));
    assert_eq!(
        model.status().phase,
        Some(Phase::Triaged),
        "removed, the stage is not reached"
    );
    assert_eq!(super::response(&model).state, TargetState::Met);
}

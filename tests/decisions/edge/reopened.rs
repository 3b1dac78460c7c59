//! api.md section 5, row "Reopened". The signal's way back stands in `signal`, that of a duplicate in `duplicate`.

use super::{resolution, take_back_resolution, validate};
use crate::world::{EXAMPLE, acknowledge, at, close, example, pages, resolve, with_policy};
use firebell::api::{ClosureReason, Phase, StartReason, TargetState, ValidationResult};
use firebell::testkit::model::Model;

fn with_validation() -> Model {
    with_policy(&EXAMPLE.replace("level: High,", "level: High, validation: {required: true},"))
}

fn change_resolution(model: &mut Model, clock: &str) {
    let token = clock.to_owned();
    model.edit_at(at(clock), "resolution", move |spec| {
        if let Some(block) = spec.resolution.as_mut() {
            block.token = Some(token.clone());
        }
    });
}

#[test]
fn a_resolution_stops_everything_and_taking_it_back_reopens_with_a_new_round() {
    let mut model = example();
    resolve(&mut model, "10:07");
    model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
    model.run_until(at("10:31"));
    assert_eq!(
        pages(&model),
        [
            "10:00 on-call round 1",
            "10:05 on-call repeat 1 round 1",
            "10:30 on-call round 2"
        ]
    );
    let status = model.status();
    assert_eq!(status.reopen_count, Some(1));
    assert_eq!(status.first_resolve_time.unwrap().0, at("10:07"));
    assert_eq!(status.resolve_time, None);
}

#[test]
fn an_acknowledgement_handled_before_a_reopening_is_void_until_it_changes() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:04");
    model.edit_at(at("10:06"), "resolution", |spec| spec.resolution = None);
    model.edit_at(at("10:09"), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.token = Some("again".into());
        }
    });
    model.run_until(at("10:08"));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    model.run_until(at("10:20"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(pages(&model).len(), 2);
}

#[test]
fn a_revoked_resolution_reopens_like_a_removed_one() {
    let mut model = example();
    resolve(&mut model, "10:02");
    model.edit_at(at("10:06"), "resolution", |spec| {
        if let Some(block) = spec.resolution.as_mut() {
            block.revoked = true;
        }
    });
    model.run_until(at("10:07"));
    assert_eq!(model.status().reopen_count, Some(1));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
}

#[test]
fn a_rejection_reopens_voids_the_resolution_and_is_spent_by_it() {
    let mut model = with_validation();
    resolve(&mut model, "10:02");
    validate(&mut model, "10:06", ValidationResult::Rejected);
    model.run_until(at("10:07"));
    let status = model.status();
    assert_eq!(status.phase, Some(Phase::Submitted));
    assert_eq!(
        status.escalation.unwrap().start_reason,
        Some(StartReason::Reopened)
    );
    assert!(status.handled.get("resolution").unwrap().void);
    change_resolution(&mut model, "10:10");
    model.run_until(at("10:30"));
    assert_eq!(model.status().phase, Some(Phase::AwaitingValidation));
    assert_eq!(
        model.status().reopen_count,
        Some(1),
        "the same rejection does not reopen twice"
    );
}

#[test]
fn a_rejection_after_an_acceptance_or_an_automatic_closure_reopens() {
    let text = EXAMPLE.replace(
        "level: High,",
        "level: High, validation: {required: true, closeAfter: 10m},",
    );
    let mut accepted = with_policy(&text);
    validate(&mut accepted, "10:04", ValidationResult::Accepted);
    let mut silent = with_policy(&text);
    for model in [&mut accepted, &mut silent] {
        resolve(model, "10:02");
        validate(model, "10:20", ValidationResult::Rejected);
        model.run_until(at("10:21"));
        assert_eq!(model.status().phase, Some(Phase::Submitted));
        assert_eq!(model.status().close_time, None);
    }
}

#[test]
fn the_closure_of_an_unresolved_ticket_taken_back_reopens_and_is_void() {
    let mut model = example();
    close(&mut model, "10:02", ClosureReason::Cancelled);
    model.edit_at(at("10:06"), "closure", |spec| {
        if let Some(block) = spec.closure.as_mut() {
            block.revoked = true;
        }
    });
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
}

#[test]
fn the_first_resolution_and_its_verdict_are_kept() {
    let text = EXAMPLE.replace("High, responseTarget: 15m", "High, resolutionTarget: 20m");
    let mut model = with_policy(&text);
    resolve(&mut model, "10:10");
    take_back_resolution(&mut model, "10:30");
    model.run_until(at("11:00"));
    assert_eq!(model.status().first_resolve_time.unwrap().0, at("10:10"));
    assert_eq!(resolution(&model).first_state, Some(TargetState::Met));
    assert_eq!(resolution(&model).state, TargetState::Breached);
}

#[test]
fn the_total_resolution_clock_goes_on_without_the_time_it_stood_resolved() {
    let text = EXAMPLE.replace("High, responseTarget: 15m", "High, resolutionTarget: 20m");
    let mut model = with_policy(&text);
    resolve(&mut model, "10:10");
    take_back_resolution(&mut model, "10:30");
    model.run_until(at("10:31"));
    assert_eq!(resolution(&model).state, TargetState::Running);
    assert_eq!(resolution(&model).due_time.unwrap().0, at("10:40"));
}

#[test]
fn validation_and_closure_handled_before_are_void_until_they_change() {
    let mut model = with_validation();
    resolve(&mut model, "10:02");
    validate(&mut model, "10:03", ValidationResult::Accepted);
    close(&mut model, "10:04", ClosureReason::Completed);
    take_back_resolution(&mut model, "10:06");
    resolve(&mut model, "10:08");
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    model.run_until(at("10:09"));
    assert_eq!(model.status().phase, Some(Phase::AwaitingValidation));
}

#[test]
fn an_acceptance_that_is_taken_away_counts_no_more() {
    let mut model = with_validation();
    resolve(&mut model, "10:02");
    validate(&mut model, "10:03", ValidationResult::Accepted);
    model.edit_at(at("10:05"), "validation", |spec| spec.validation = None);
    model.run_until(at("10:04"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    model.run_until(at("10:06"));
    assert_eq!(model.status().phase, Some(Phase::AwaitingValidation));
}

#[test]
fn a_closure_that_waits_does_not_keep_a_silent_customer_from_closing_it() {
    let text = EXAMPLE.replace(
        "level: High,",
        "level: High, validation: {required: true, closeAfter: 10m},",
    );
    let mut model = with_policy(&text);
    resolve(&mut model, "10:02");
    close(&mut model, "10:04", ClosureReason::Completed);
    acknowledge(&mut model, "10:05");
    model.run_until(at("10:13"));
    assert_eq!(model.status().close_time.unwrap().0, at("10:12"));
}

//! Phases and what each stands on: api.md section 2.1, a test per sentence.

use super::world::{
    EXAMPLE, acknowledge, at, close, example, pages, policy, resolve, ticket, with_policy,
};
use firebell::api::{
    Acknowledgement, Assignment, ClosureReason, DuplicateRef, Phase, Severity, TargetState, Triage,
    Validation, ValidationResult,
};
use firebell::domain::observed::Parent;
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

fn triage(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "triage", |spec| {
        spec.triage = Some(Triage {
            by: "bob".into(),
            note: None,
        });
    });
}

fn assign(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "assignment", |spec| {
        spec.assignment = Some(assignment());
    });
}

fn assignment() -> Assignment {
    Assignment {
        assignee: "bob".into(),
        by: "bob".into(),
        note: None,
    }
}

fn accept(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "validation", |spec| {
        spec.validation = Some(Validation {
            result: ValidationResult::Accepted,
            by: "customer".into(),
            note: None,
            token: None,
        });
    });
}

fn phase(model: &mut Model, clock: &str) -> Phase {
    model.run_until(at(clock));
    model.status().phase.unwrap()
}

#[test]
fn from_submission_to_closure_each_fact_brings_its_phase() {
    let text = EXAMPLE.replace("level: High,", "level: High, validation: {required: true},");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:01");
    triage(&mut model, "10:02");
    assign(&mut model, "10:03");
    resolve(&mut model, "10:04");
    accept(&mut model, "10:05");
    close(&mut model, "10:06", ClosureReason::Completed);
    let seen = [
        "10:00:30", "10:01", "10:02", "10:03", "10:04", "10:05", "10:06",
    ]
    .map(|clock| phase(&mut model, clock));
    assert_eq!(
        seen,
        [
            Phase::Submitted,
            Phase::Acknowledged,
            Phase::Triaged,
            Phase::Assigned,
            Phase::AwaitingValidation,
            Phase::Resolved,
            Phase::Closed,
        ]
    );
}

#[test]
fn where_validation_is_not_required_a_resolved_ticket_is_resolved() {
    let mut model = example();
    resolve(&mut model, "10:04");
    assert_eq!(phase(&mut model, "10:04"), Phase::Resolved);
}

#[test]
fn a_valid_duplicate_is_closed_whatever_else_stands_there() {
    let mut model = example();
    model.others.parent = Some(Parent {
        uid: "parent".into(),
        open: true,
        root: None,
    });
    assign(&mut model, "10:01");
    model.edit_at(at("10:02"), "duplicateOf", |spec| {
        spec.duplicate_of = Some(DuplicateRef {
            name: "other".into(),
        });
    });
    assert_eq!(phase(&mut model, "10:03"), Phase::Closed);
}

#[test]
fn skipping_stages_is_allowed_and_shown_as_such() {
    let mut model = example();
    resolve(&mut model, "10:04");
    assert_eq!(phase(&mut model, "10:05"), Phase::Resolved);
    let status = model.status();
    assert_eq!(status.acknowledge_time, None);
    assert_eq!(status.triage_time, None);
    assert_eq!(status.assign_time, None);
    assert_eq!(status.resolve_time.unwrap().0, at("10:04"));
}

#[test]
fn completed_needs_resolved_and_validated_where_required_and_else_the_phase_below_stays() {
    let text = EXAMPLE.replace("level: High,", "level: High, validation: {required: true},");
    let mut model = with_policy(&text);
    assign(&mut model, "10:01");
    close(&mut model, "10:02", ClosureReason::Completed);
    resolve(&mut model, "10:04");
    accept(&mut model, "10:06");
    assert_eq!(phase(&mut model, "10:03"), Phase::Assigned);
    let blocked = |model: &Model| super::world::standing(model, "ClosureBlocked");
    assert!(
        blocked(&model).unwrap().contains("resol"),
        "{:?}",
        blocked(&model)
    );
    assert_eq!(phase(&mut model, "10:05"), Phase::AwaitingValidation);
    assert!(
        blocked(&model).unwrap().contains("alidat"),
        "{:?}",
        blocked(&model)
    );
    assert_eq!(phase(&mut model, "10:06"), Phase::Closed);
    assert_eq!(blocked(&model), None);
}

#[test]
fn every_other_reason_closes_a_ticket_that_is_not_resolved() {
    for reason in [
        ClosureReason::OutOfScope,
        ClosureReason::Cancelled,
        ClosureReason::NoResponse,
    ] {
        let mut model = example();
        close(&mut model, "10:02", reason);
        assert_eq!(phase(&mut model, "10:02"), Phase::Closed, "{reason:?}");
    }
}

#[test]
fn the_response_target_is_met_by_the_first_answer_of_a_person_whichever_it_is() {
    let answers: [fn(&mut Model); 5] = [
        |model| acknowledge(model, "10:04"),
        |model| triage(model, "10:04"),
        |model| assign(model, "10:04"),
        |model| resolve(model, "10:04"),
        |model| close(model, "10:04", ClosureReason::Cancelled),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let mut model = example();
        answer(&mut model);
        model.run_until(at("10:20"));
        let response = model.status().targets.unwrap().response;
        assert_eq!(response.state, TargetState::Met, "answer {number}");
        assert_eq!(response.met_time.unwrap().0, at("10:04"), "answer {number}");
    }
}

#[test]
fn a_fact_present_at_creation_does_not_meet_the_response_target() {
    let mut spec = ticket();
    spec.assignment = Some(assignment());
    spec.acknowledgement = Some(Acknowledgement {
        by: "alice@example.com".into(),
        ..Acknowledgement::default()
    });
    let mut model = Model::new(policy(EXAMPLE), spec, at("10:00"));
    model.run_until(at("10:20"));
    assert_eq!(model.status().phase, Some(Phase::Assigned));
    let response = model.status().targets.unwrap().response;
    assert_eq!(response.state, TargetState::Breached);
    assert_eq!(response.met_time, None);
}

#[test]
fn only_an_acknowledgement_a_resolution_or_a_closure_stops_steps_for_the_unacknowledged() {
    let mut model = example();
    triage(&mut model, "10:01");
    assign(&mut model, "10:02");
    model.run_until(at("10:16"));
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    for stop in [
        |model: &mut Model| acknowledge(model, "10:02"),
        |model: &mut Model| resolve(model, "10:02"),
        |model: &mut Model| close(model, "10:02", ClosureReason::Cancelled),
    ] {
        let mut model = example();
        stop(&mut model);
        model.run_until(at("10:31"));
        assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    }
}

#[test]
fn a_ticket_is_archived_24_h_after_closing_once_its_notices_are_out() {
    let day = SignedDuration::from_hours(24);
    let text =
        format!("{EXAMPLE}communication: {{notifyOn: [Closed], notify: [{{connector: hook}}]}}\n");
    let mut model = with_policy(&text);
    let late = day + SignedDuration::from_mins(10);
    model.answer = Box::new(move |_| Answer::TakesAfter(late));
    close(&mut model, "10:03", ClosureReason::Cancelled);
    model.run_until(at("10:04") + day);
    assert!(!model.status().archived, "the notice is not out");
    model.run_until(at("10:14") + day);
    assert!(model.status().archived);
    let mut quick = example();
    close(&mut quick, "10:03", ClosureReason::Cancelled);
    quick.run_until(at("10:02:59") + day);
    assert!(!quick.status().archived);
    quick.run_until(at("10:03") + day);
    assert!(quick.status().archived);
}

#[test]
fn a_ticket_without_a_severity_has_the_policys_default() {
    let mut spec = ticket();
    spec.severity = None;
    let text = format!("{EXAMPLE}defaultSeverity: Critical\n");
    let mut model = Model::new(policy(&text), spec, at("10:00"));
    model.run_until(at("10:01"));
    assert_eq!(model.status().severity, Some(Severity::Critical));
    let due = model.status().targets.unwrap().response.due_time.unwrap().0;
    assert_eq!(due, at("10:05"));
}

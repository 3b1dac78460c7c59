//! api.md section 5, row "Facts without their premise".

use super::{is_true, take_back_resolution, told, validate};
use crate::world::{acknowledge, at, close, example, pages, resolve, with_policy};
use firebell::api::{ClosureReason, DuplicateRef, Phase, ValidationResult};
use firebell::domain::observed::Parent;
use firebell::testkit::model::Model;

fn void(model: &Model, block: &str) -> bool {
    model.status().handled.get(block).unwrap().void
}

#[test]
fn resolve_and_acknowledge_in_one_write_resolve_wins() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:02");
    model.run_until(at("10:03"));
    let status = model.status();
    assert_eq!(status.phase, Some(Phase::Resolved));
    assert_eq!(status.acknowledge_time, None);
    assert!(status.handled.get("acknowledgement").unwrap().void);
}

#[test]
fn a_closure_waits_for_its_gates_and_says_which() {
    let mut model = example();
    close(&mut model, "10:01", ClosureReason::Completed);
    resolve(&mut model, "10:03");
    model.run_until(at("10:02"));
    let blocked = |model: &Model| {
        let conditions = model.status().conditions;
        conditions
            .into_iter()
            .find(|known| known.type_ == "ClosureBlocked")
            .unwrap()
    };
    assert_eq!(blocked(&model).status, firebell::api::ConditionStatus::True);
    assert!(blocked(&model).message.contains("`spec.resolution`"));
    model.run_until(at("10:04"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(
        blocked(&model).status,
        firebell::api::ConditionStatus::False
    );
}

#[test]
fn an_acknowledgement_on_a_resolved_closed_or_duplicate_ticket_must_change_to_count() {
    let mut resolved = example();
    resolve(&mut resolved, "10:02");
    let mut closed = example();
    close(&mut closed, "10:02", ClosureReason::Cancelled);
    let mut duplicate = example();
    duplicate.others.parent = Some(Parent {
        uid: "p".into(),
        open: true,
        root: None,
    });
    duplicate.edit_at(at("10:02"), "duplicateOf", |spec| {
        spec.duplicate_of = Some(DuplicateRef {
            name: "other".into(),
        });
    });
    for model in [&mut resolved, &mut closed, &mut duplicate] {
        acknowledge(model, "10:04");
        model.run_until(at("10:05"));
        assert_eq!(model.status().acknowledge_time, None);
        assert!(void(model, "acknowledgement"));
        assert_eq!(told(model, "FactIgnored"), 1);
    }
    take_back_resolution(&mut resolved, "10:06");
    resolved.edit_at(at("10:08"), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.token = Some("again".into());
        }
    });
    resolved.run_until(at("10:07"));
    assert_eq!(resolved.status().phase, Some(Phase::Submitted));
    resolved.run_until(at("10:09"));
    assert_eq!(resolved.status().phase, Some(Phase::Acknowledged));
}

#[test]
fn a_validation_without_resolution_must_change_to_count() {
    let text =
        crate::world::EXAMPLE.replace("level: High,", "level: High, validation: {required: true},");
    let mut model = with_policy(&text);
    validate(&mut model, "10:02", ValidationResult::Accepted);
    resolve(&mut model, "10:04");
    model.run_until(at("10:05"));
    assert!(void(&model, "validation"));
    assert_eq!(model.status().phase, Some(Phase::AwaitingValidation));
    assert_eq!(told(&model, "FactIgnored"), 1);
}

#[test]
fn a_resolution_on_a_ticket_closed_unresolved_must_change_to_count() {
    let mut model = example();
    close(&mut model, "10:02", ClosureReason::Cancelled);
    resolve(&mut model, "10:04");
    model.edit_at(at("10:06"), "closure", |spec| spec.closure = None);
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
}

#[test]
fn a_closure_waits_and_is_dated_when_its_last_gate_was_passed() {
    let mut model = example();
    close(&mut model, "10:01", ClosureReason::Completed);
    resolve(&mut model, "10:03");
    model.run_until(at("10:04"));
    assert_eq!(model.status().close_time.unwrap().0, at("10:03"));
}

#[test]
fn a_block_seen_absent_and_then_present_counts_as_changed() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    model.edit_at(at("10:04"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    acknowledge(&mut model, "10:06");
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(model.status().acknowledge_time.unwrap().0, at("10:06"));
}

#[test]
fn gates_are_asked_once_and_closed_ends_only_by_reopening() {
    let mut model = example();
    resolve(&mut model, "10:02");
    close(&mut model, "10:03", ClosureReason::Completed);
    model.edit_at(at("10:05"), "closure", |spec| spec.closure = None);
    model.run_until(at("10:06"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    take_back_resolution(&mut model, "10:07");
    model.run_until(at("10:08"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
}

#[test]
fn a_closure_that_was_edited_on_a_closed_ticket_does_not_close_it_again() {
    let mut model = example();
    resolve(&mut model, "10:02");
    close(&mut model, "10:03", ClosureReason::Completed);
    model.edit_at(at("10:04"), "closure", |spec| {
        if let Some(block) = spec.closure.as_mut() {
            block.note = Some("done".into());
        }
    });
    take_back_resolution(&mut model, "10:06");
    resolve(&mut model, "10:08");
    model.run_until(at("10:09"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert!(!is_true(&model, "ClosureBlocked"));
}

#[test]
fn a_reopening_and_an_acknowledgement_in_one_write_both_count() {
    let mut model = example();
    resolve(&mut model, "10:02");
    take_back_resolution(&mut model, "10:06");
    acknowledge(&mut model, "10:06");
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(pages(&model).len(), 1);
}

#[test]
fn a_closure_taken_back_and_a_resolution_in_one_write_both_count() {
    let mut model = example();
    close(&mut model, "10:02", ClosureReason::Cancelled);
    model.edit_at(at("10:06"), "closure", |spec| spec.closure = None);
    resolve(&mut model, "10:06");
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert_eq!(pages(&model).len(), 1);
}

//! api.md section 5, row "Duplicate".

use super::{escalation, is_true, take_back_resolution, told};
use crate::world::{acknowledge, at, example, pages, resolve};
use firebell::api::{DuplicateRef, EscalationState, Phase};
use firebell::domain::observed::Parent;
use firebell::testkit::model::Model;

fn parent(open: bool, root: Option<&str>) -> Parent {
    Parent {
        uid: "p".into(),
        open,
        root: root.map(str::to_owned),
    }
}

fn duplicate_of(model: &mut Model, clock: &str, name: &'static str) {
    model.edit_at(at(clock), "duplicateOf", move |spec| {
        spec.duplicate_of = Some(DuplicateRef { name: name.into() });
    });
}

fn no_duplicate(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "duplicateOf", |spec| spec.duplicate_of = None);
}

#[test]
fn a_duplicate_is_judged_once_and_reopens_when_taken_back() {
    let mut model = example();
    model.others.parent = Some(Parent {
        uid: "p".into(),
        open: true,
        root: None,
    });
    model.edit_at(at("10:02"), "duplicateOf", |spec| {
        spec.duplicate_of = Some(DuplicateRef {
            name: "other".into(),
        });
    });
    model.edit_at(at("10:10"), "duplicateOf", |spec| spec.duplicate_of = None);
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(model.status().duplicate_of.unwrap().root, "other");
    model.run_until(at("10:11"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:10 on-call round 2"]
    );
}

#[test]
fn the_parent_must_exist_be_open_another_and_no_duplicate_of_this_one() {
    let cases = [
        ("other", None, "no ticket"),
        ("other", Some(parent(false, None)), "is closed"),
        ("ticket", Some(parent(true, None)), "itself"),
        (
            "other",
            Some(parent(false, Some("ticket"))),
            "duplicate of this ticket",
        ),
    ];
    for (name, parent, why) in cases {
        let mut model = example();
        model.others.parent = parent;
        duplicate_of(&mut model, "10:02", name);
        model.run_until(at("10:16"));
        assert!(is_true(&model, "DuplicateInvalid"), "{why}");
        let message = super::condition(&model, "DuplicateInvalid")
            .unwrap()
            .message;
        assert!(message.contains(why), "{message}");
        assert_eq!(model.status().phase, Some(Phase::Submitted), "{why}");
        assert_eq!(
            pages(&model).last().unwrap(),
            "10:15 manager round 1",
            "the chain goes on"
        );
    }
}

#[test]
fn the_root_of_a_chain_of_duplicates_is_recorded() {
    let mut model = example();
    model.others.parent = Some(parent(false, Some("first")));
    duplicate_of(&mut model, "10:02", "other");
    model.run_until(at("10:03"));
    let verdict = model.status().duplicate_of.unwrap();
    assert_eq!(
        (verdict.name.as_str(), verdict.root.as_str()),
        ("other", "first")
    );
}

#[test]
fn judged_once_it_stays_a_duplicate_when_the_parent_closes() {
    let mut model = example();
    model.others.parent = Some(parent(true, None));
    duplicate_of(&mut model, "10:02", "other");
    model.run_until(at("10:03"));
    model.others.parent = Some(parent(false, None));
    acknowledge(&mut model, "10:04");
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
}

#[test]
fn its_timers_stop() {
    let mut model = example();
    model.others.parent = Some(parent(true, None));
    duplicate_of(&mut model, "10:02", "other");
    model.run_until(at("14:00"));
    assert_eq!(pages(&model).len(), 1);
    assert_eq!(escalation(&model).state, EscalationState::Stopped);
    assert_eq!(told(&model, "ResponseBreached"), 0);
}

#[test]
fn a_parent_counts_its_duplicates() {
    let mut model = example();
    model.others.duplicates = 2;
    model.run_until(at("10:01"));
    assert_eq!(model.status().duplicates, Some(2));
}

#[test]
fn one_that_was_resolved_before_is_resolved_again_when_it_is_no_duplicate_any_more() {
    let mut model = example();
    model.others.parent = Some(parent(true, None));
    resolve(&mut model, "10:02");
    duplicate_of(&mut model, "10:04", "other");
    no_duplicate(&mut model, "10:06");
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:02"));
    assert_eq!(pages(&model).len(), 1);
}

#[test]
fn a_resolution_taken_back_while_it_is_a_duplicate_leaves_it_open_afterwards() {
    let mut model = example();
    model.others.parent = Some(parent(true, None));
    resolve(&mut model, "10:02");
    duplicate_of(&mut model, "10:04", "other");
    take_back_resolution(&mut model, "10:05");
    no_duplicate(&mut model, "10:06");
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
}

#[test]
fn changed_to_a_parent_that_is_not_valid_it_comes_back() {
    let mut model = example();
    model.others.parent = Some(parent(true, None));
    duplicate_of(&mut model, "10:02", "other");
    duplicate_of(&mut model, "10:06", "ticket");
    model.run_until(at("10:07"));
    assert!(is_true(&model, "DuplicateInvalid"));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
}

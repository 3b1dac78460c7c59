//! api.md section 5, row "Nobody reachable in a step".

use super::{condition, escalation, is_true, told};
use crate::world::{EXAMPLE, acknowledge, at, notices, pages, policy, with_policy};
use firebell::api::{EscalationState, PolicyRef, StepResult};
use firebell::domain::policy::ValidPolicy;
use firebell::testkit::model::Model;

/// The example; those contacts are replaced by a group without members.
fn empty(contacts: &[&str]) -> Model {
    let mut text = EXAMPLE.replace(
        "contacts:",
        "groups:\n- {name: empty, members: []}\ncontacts:",
    );
    for contact in contacts {
        let notify = format!("notify: [{{contact: {contact}}}]");
        text = text.replace(&notify, "notify: [{group: empty}]");
    }
    with_policy(&text)
}

#[test]
fn it_is_skipped_empty_and_the_next_step_follows_at_once() {
    let mut model = empty(&["alice"]);
    model.run_until(at("10:01"));
    assert_eq!(pages(&model), ["10:00 manager round 1"]);
    assert_eq!(escalation(&model).steps[0].result, StepResult::SkippedEmpty);
    assert_eq!(told(&model, "SkippedEmpty"), 1);
}

#[test]
fn later_nominal_times_stay() {
    let mut model = empty(&["alice"]);
    model.run_until(at("10:46"));
    assert_eq!(
        pages(&model),
        ["10:00 manager round 1", "10:45 director round 1"]
    );
}

#[test]
fn several_in_a_row_are_skipped_until_one_reaches_somebody() {
    let mut model = empty(&["alice", "bob"]);
    model.run_until(at("10:01"));
    assert_eq!(pages(&model), ["10:00 director round 1"]);
}

#[test]
fn of_a_whole_chain_that_is_empty_those_for_exhaustion_are_told_and_a_condition_says_so() {
    let mut model = empty(&["alice", "bob", "carol"]);
    model.run_until(at("12:00"));
    assert_eq!(pages(&model), Vec::<String>::new());
    assert_eq!(
        notices(&model),
        ["10:05 Exhausted hook"],
        "further rounds would reach nobody either"
    );
    assert_eq!(escalation(&model).state, EscalationState::Exhausted);
    assert_eq!(escalation(&model).round, 1);
    assert!(!is_true(&model, "Delivered"), "nor does the notice mend it");
    let known = condition(&model, "Delivered").unwrap();
    assert_eq!(known.reason, "ReachesNobody");
    assert!(
        known.message.contains("Give its steps contacts"),
        "{}",
        known.message
    );
}

#[test]
fn the_condition_ends_when_a_step_pages_somebody_again() {
    let mut model = empty(&["alice", "bob", "carol"]);
    model.run_until(at("10:01"));
    let known = condition(&model, "Delivered").unwrap();
    assert_eq!(known.reason, "ReachesNobody", "at once");
    let valid = ValidPolicy::check(policy(EXAMPLE)).policy.unwrap();
    model.store_policy("gold-2", 2, valid);
    acknowledge(&mut model, "10:02");
    model.edit_at(at("10:03"), "policyRef", |spec| {
        spec.policy_ref = Some(PolicyRef {
            name: "gold".into(),
            token: None,
        });
    });
    model.edit_at(at("10:04"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    model.run_until(at("10:05"));
    assert_eq!(pages(&model), ["10:04 on-call round 2"]);
    assert!(is_true(&model, "Delivered"));
}

#[test]
fn one_step_that_reaches_somebody_is_enough_to_leave_the_condition_out() {
    let mut model = empty(&["bob", "carol"]);
    model.run_until(at("12:00"));
    assert!(condition(&model, "Delivered").is_none());
}

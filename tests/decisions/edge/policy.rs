//! api.md section 5, row "Policy edited, deleted, invalid".

use crate::world::{EXAMPLE, at, example, pages};
use firebell::api::EscalationState;
use firebell::domain::policy::ValidPolicy;
use firebell::domain::selection::PolicyIndex;
use std::sync::Arc;

#[test]
fn a_ticket_without_any_policy_is_blocked_and_runs_as_soon_as_one_appears() {
    let mut model = example();
    let index = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
    model.run_until(at("10:05"));
    let status = model.status();
    assert_eq!(status.escalation.unwrap().state, EscalationState::Blocked);
    assert!(
        model
            .told
            .iter()
            .any(|told| told.reason == "PolicyMissing" && told.warning)
    );
    model.policies = index;
    model.run_until(at("10:06"));
    assert_eq!(pages(&model), ["10:05 on-call round 1"]);
}

#[test]
fn an_edited_policy_leaves_a_running_ticket_on_its_revision_but_corrects_its_people() {
    let mut model = example();
    model.run_until(at("10:01"));
    let edited = EXAMPLE.replace("after: 15m", "after: 16m").replace(
        "contacts:",
        "contacts:\n- {name: dave, reach: [{connector: hook}]}",
    );
    let valid = ValidPolicy::check(crate::world::policy(&edited))
        .policy
        .unwrap();
    model.store_policy("gold-2", 2, valid);
    model.run_until(at("10:15"));
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    let pin = model.status().policy.unwrap();
    assert_eq!(
        (pin.revision.as_str(), pin.latest_generation),
        ("gold-1", 2)
    );
}

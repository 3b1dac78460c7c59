//! What kstatus, and so Flux, makes of our objects. Its decision for a kind that it does not know, in its order: being
//! deleted; generation not observed; Reconciling; Stalled; Ready; else current.

use firebell::api::EscalationPolicy;
use firebell::controller::policy_status::{Found, status_of};
use firebell::domain::policy::ValidPolicy;
use serde_json::Value;

use crate::rows;

/// What kstatus says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being deleted.
    Terminating,
    /// Not there yet.
    InProgress,
    /// Not without help.
    Failed,
    /// As it should be.
    Current,
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|known| known["type"] == type_)?["status"].as_str()
}

fn compute(object: &Value) -> Status {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Status::Terminating;
    }
    let observed = &object["status"]["observedGeneration"];
    if !observed.is_null() && *observed != object["metadata"]["generation"] {
        return Status::InProgress;
    }
    if condition(object, "Reconciling") == Some("True") {
        return Status::InProgress;
    }
    if condition(object, "Stalled") == Some("True") {
        return Status::Failed;
    }
    match condition(object, "Ready") {
        Some("False" | "Unknown") => Status::InProgress,
        Some(_) | None => Status::Current,
    }
}

#[test]
fn kstatus_says_of_each_state_what_the_docs_say() {
    for (what, object, _, kstatus) in rows() {
        assert_eq!(compute(&object), kstatus, "{what}");
    }
}

#[test]
fn an_object_that_is_being_deleted_is_terminating_whatever_else_holds() {
    for (what, mut object, ..) in rows() {
        object["metadata"]["deletionTimestamp"] = "2026-01-05T09:00:00Z".into();
        assert_eq!(compute(&object), Status::Terminating, "{what}");
    }
}

/// What the operator writes about a real policy, valid and broken, is one of the rows: the conditions come from
/// production code.
#[test]
fn the_operators_own_status_of_a_valid_and_of_a_broken_policy_is_judged_so() {
    let judged = |spec: Value| {
        let mut object = serde_json::json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "EscalationPolicy",
            "metadata": {"name": "a", "namespace": "shop", "generation": 4}, "spec": spec,
        });
        let policy: EscalationPolicy = serde_json::from_value(object.clone()).unwrap();
        let checked = ValidPolicy::check(policy.spec.clone());
        let found = Found {
            revision: checked.policy.is_ok().then(|| "a-1".to_owned()),
            errors: checked.policy.err().unwrap_or_default(),
            open_items: checked.open_items,
            ..Found::default()
        };
        let now = "2026-01-05T09:00:00Z".parse().unwrap();
        object["status"] = serde_json::to_value(status_of(&policy, &found, now).0).unwrap();
        compute(&object)
    };
    assert_eq!(judged(serde_json::json!({})), Status::Current);
    let broken = serde_json::json!({"steps": [{"name": "a", "notify": [{"contact": "nobody"}]}]});
    assert_eq!(judged(broken), Status::Failed);
}

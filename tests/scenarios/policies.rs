//! Policies as they are edited, broken, deleted and missing, under running tickets.

use firebell::api::{Condition, ConditionStatus, EscalationState};
use firebell::testkit::stage::Stage;
use kube::api::DeleteParams;

fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|known| known.type_ == type_)
}

#[tokio::test]
async fn a_ticket_applied_before_its_policy_is_blocked_and_runs_when_one_appears() {
    let stage = Stage::running("blocked").await;
    stage.create_ticket("checkout").await;
    let status = stage
        .until("checkout", "Blocked", |status| {
            let escalation = status.escalation.as_ref();
            escalation.is_some_and(|known| known.state == EscalationState::Blocked)
        })
        .await;
    let resolved = condition(&status.conditions, "PolicyResolved").unwrap();
    assert_eq!(resolved.status, ConditionStatus::False);
    assert!(resolved.message.contains("Apply a policy"));
    stage.until_all_told("checkout", &["PolicyMissing"]).await;
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.page("/alice", 1).await;
}

#[tokio::test]
async fn an_invalid_edit_reaches_nobody_and_says_what_is_wrong() {
    let stage = Stage::running("invalid").await;
    stage.apply_policy("gold", stage.policy("2s")).await;
    let ready = stage
        .until_policy("gold", "the policy is ready", |status| {
            status.revision.is_some()
        })
        .await;
    assert!(ready.revision.as_ref().unwrap().starts_with("gold-"));
    let mut broken = stage.policy("2s");
    broken["steps"][1]["notify"][0]["contact"] = "nobody".into();
    stage.apply_policy("gold", broken).await;
    let status = stage
        .until_policy("gold", "the edit is refused", |status| {
            condition(&status.conditions, "Stalled").is_some()
        })
        .await;
    assert_eq!(status.revision, ready.revision);
    let message = &condition(&status.conditions, "Ready").unwrap().message;
    assert!(
        message.contains("nobody") && message.contains("spec.steps[1].notify[0]"),
        "{message}"
    );
    stage.create_ticket("checkout").await;
    stage.page("/bob", 1).await;
    let revisions = stage.revisions().await;
    assert_eq!(
        revisions.len(),
        1,
        "an invalid spec is not stored: {revisions:?}"
    );
    assert!(revisions[0].metadata.owner_references.is_none());
}

#[tokio::test]
async fn an_edit_leaves_the_timetable_alone_but_corrects_an_address_and_a_deleted_policy_finishes_its_tickets()
 {
    let stage = Stage::running("edit").await;
    stage.apply_policy("gold", stage.policy("10s")).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    let mut edited = stage.policy("1h");
    edited["contacts"][1]["reach"][0]["address"] = stage.receiver.url("/bob-new").into();
    stage.apply_policy("gold", edited).await;
    stage.until_in_use("gold").await;
    stage.page("/bob-new", 1).await;
    stage
        .policies()
        .delete("gold", &DeleteParams::default())
        .await
        .unwrap();
    stage.page("/carol", 1).await;
    let status = stage.ticket_object("checkout").await.status.unwrap();
    assert_eq!(status.policy.unwrap().generation, 1, "as it was pinned");
}

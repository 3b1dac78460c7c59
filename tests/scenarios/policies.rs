//! Policies as they are edited, broken, deleted and missing, under running tickets.

use super::stage::{LIMIT, Stage};
use firebell::api::{ConditionStatus, EscalationState};
use firebell::testkit::eventually;
use kube::api::DeleteParams;

#[tokio::test]
async fn a_ticket_without_a_policy_is_blocked_and_runs_when_one_appears() {
    let stage = Stage::running("blocked").await;
    stage.create_ticket("checkout").await;
    let status = stage
        .until("checkout", "Blocked", |status| {
            status
                .escalation
                .as_ref()
                .is_some_and(|known| known.state == EscalationState::Blocked)
        })
        .await;
    let resolved = status
        .conditions
        .iter()
        .find(|known| known.type_ == "PolicyResolved")
        .unwrap();
    assert_eq!(resolved.status, ConditionStatus::False);
    assert!(resolved.message.contains("Apply a policy"));
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.page("/alice").await;
}

#[tokio::test]
async fn an_invalid_edit_reaches_nobody_and_says_what_is_wrong() {
    let stage = Stage::running("invalid").await;
    stage.apply_policy("gold", stage.policy("3s")).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice").await;
    let mut broken = stage.policy("3s");
    broken["steps"][1]["notify"][0]["contact"] = "nobody".into();
    stage.apply_policy("gold", broken).await;
    let message = eventually("Ready=False", LIMIT, async || {
        let status = stage.policies().get("gold").await.ok()?.status?;
        let ready = status
            .conditions
            .into_iter()
            .find(|known| known.type_ == "Ready")?;
        (ready.status == ConditionStatus::False).then_some(ready.message)
    });
    let message = message.await.unwrap();
    assert!(message.contains("nobody"), "{message}");
    stage.page("/bob").await;
}

#[tokio::test]
async fn an_edit_leaves_the_timetable_alone_but_corrects_an_address_and_a_deleted_policy_finishes_its_tickets()
 {
    let stage = Stage::running("edit").await;
    stage.apply_policy("gold", stage.policy("4s")).await;
    let pinned = stage.create_ticket("checkout").await;
    assert!(pinned.metadata.uid.is_some());
    stage.page("/alice").await;
    let mut edited = stage.policy("1h");
    edited["contacts"][1]["reach"][0]["address"] = stage.receiver.url("/bob-new").into();
    stage.apply_policy("gold", edited).await;
    stage.page("/bob-new").await;
    stage
        .policies()
        .delete("gold", &DeleteParams::default())
        .await
        .unwrap();
    stage.page("/carol").await;
}

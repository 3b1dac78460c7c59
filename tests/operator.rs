//! The real operator against a real API server, with exactly the rights that docs/rbac.md lists: from a policy and a
//! ticket in YAML to signed pages on a receiver, and through the faults that the operator must live with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "operator/stage.rs"]
mod stage;

use std::time::Duration;

use firebell::api::Phase;
use firebell::testkit::eventually;
use serde_json::json;
use stage::{LIMIT, Stage};

#[tokio::test]
async fn a_ticket_is_paged_step_by_step_until_it_is_acknowledged_and_lives_to_its_closure() {
    let stage = Stage::with_operator("life").await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("checkout-5xx", "")).await;

    let first = stage.wait_for_page("/on-call", 1).await;
    let page = first.json().unwrap();
    assert_eq!(page["type"], "firebell.page.v1");
    assert_eq!(page["data"]["ticket"]["name"], "checkout-5xx");
    assert_eq!(page["data"]["step"], "on-call");
    assert_eq!(page["data"]["id"], first.id());
    stage.wait_for_page("/manager", 1).await;

    let fact = json!({"spec": {"acknowledgement": {"by": "alice"}}});
    stage.patch_ticket("checkout-5xx", &fact).await;
    stage
        .wait_for_phase("checkout-5xx", Phase::Acknowledged)
        .await;
    let fact = json!({"spec": {"resolution": {"by": "alice", "fix": "restarted"}}});
    stage.patch_ticket("checkout-5xx", &fact).await;
    stage.wait_for_phase("checkout-5xx", Phase::Resolved).await;
    let fact = json!({"spec": {"closure": {"by": "alice", "reason": "Completed"}}});
    stage.patch_ticket("checkout-5xx", &fact).await;
    stage.wait_for_phase("checkout-5xx", Phase::Closed).await;

    assert_eq!(
        stage.pages("/director"),
        0,
        "nobody is paged after the acknowledgement"
    );
    let policy = stage.policy_object("gold").await;
    let status = policy.status.unwrap_or_default();
    assert!(
        status
            .revision
            .is_some_and(|revision| revision.starts_with("gold-"))
    );
    let told = stage.describe("ticket", "checkout-5xx").await;
    assert!(told.contains("firebell.dev/operator"), "{told}");
}

#[tokio::test]
async fn the_metrics_tell_tickets_by_phase_and_deliveries_by_outcome() {
    let stage = Stage::with_operator("metrics").await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("checkout-5xx", "")).await;
    stage.wait_for_page("/on-call", 1).await;
    let told = eventually("the metrics of a delivered page", LIMIT, async || {
        let text = stage.metrics().await;
        let all = [
            "firebell_tickets{",
            "firebell_deliveries_total{",
            "firebell_delivery_lateness_seconds",
        ];
        (all.iter().all(|name| text.contains(name)) && text.contains("Submitted")).then_some(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn an_operator_without_rights_ends_with_one_clear_sentence() {
    let mut stage = Stage::new("denied").await;
    stage.start_as("nobody-at-all");
    let (code, log) = stage.operator_ended().await;
    assert_ne!(code, Some(0));
    assert!(log.contains("may not list tickets.firebell.dev"), "{log}");
    assert!(log.contains(r#"User \"nobody-at-all\""#), "{log}");
}

#[tokio::test]
async fn a_graceful_stop_ends_with_success_and_within_its_bound() {
    let mut stage = Stage::with_operator("stop").await;
    let began = std::time::Instant::now();
    stage.terminate();
    let (code, log) = stage.operator_ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_stale_write_is_answered_with_a_conflict() {
    let stage = Stage::new("conflict").await;
    stage.apply(&stage.ticket("a", "")).await;
    let seen = stage.ticket_object("a").await;
    stage
        .patch_ticket("a", &json!({"spec": {"triage": {"by": "bob"}}}))
        .await;
    let code = stage.write_status_as_of(&seen).await;
    assert_eq!(
        code, 409,
        "a patch under a resourceVersion that is no longer the object's"
    );
    let fresh = stage.ticket_object("a").await;
    assert_eq!(stage.write_status_as_of(&fresh).await, 200);
    let _ = LIMIT;
}

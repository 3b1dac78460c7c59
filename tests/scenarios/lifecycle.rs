//! Each timer and each way back of a ticket's life on the real API server, with short durations.

use firebell::api::{DuplicateVerdict, EscalationState, Phase, StartReason, TicketStatus};
use firebell::testkit::stage::Stage;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// One step, and a row of severity High with these fields more.
fn policy(stage: &Stage<'_>, row: &Value) -> Value {
    let mut policy = stage.short_policy("10m", 1);
    let fields = policy["severities"][0].as_object_mut().unwrap();
    fields.extend(row.as_object().unwrap().clone());
    policy
}

/// A ticket that paged alice, on a policy with such a row.
async fn opened(prefix: &str, row: &Value) -> Stage<'static> {
    let stage = Stage::running(prefix).await;
    stage.apply_policy("gold", policy(&stage, row)).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    stage
}

fn round(status: &TicketStatus, number: i64, reason: StartReason) -> bool {
    let known = status.escalation.as_ref();
    known.is_some_and(|known| known.round == number && known.start_reason == Some(reason))
}

fn between(from: Option<firebell::api::Time>, to: Option<firebell::api::Time>) -> SignedDuration {
    to.unwrap().0.duration_since(from.unwrap().0)
}

#[tokio::test]
async fn a_source_that_stays_quiet_resolves_the_ticket_and_one_that_fires_again_reopens_it() {
    let stage = Stage::running("signal").await;
    let mut policy = policy(&stage, &json!({}));
    policy["signal"] = json!({"onResolved": "Resolve", "resolveAfter": "2s"});
    stage.apply_policy("gold", policy).await;
    let more = json!({"signal": {"state": "Firing"}});
    stage.create_ticket_with("checkout", more).await;
    stage.page("/alice", 1).await;
    let says = async |state: &str| {
        stage
            .fact("checkout", json!({"signal": {"state": state}}))
            .await;
    };
    let mut followed = stage.follow("checkout").await;
    says("Resolved").await;
    // The wait with the source.
    followed.until_chain(EscalationState::Held).await;
    let status = followed.until_phase(Phase::Resolved).await;
    let quiet = status.handled.get("signal").map(|known| known.time);
    let wait = between(quiet, status.resolve_time);
    assert_eq!(wait, SignedDuration::from_secs(2));
    says("Firing").await;
    let status = stage.until_phase("checkout", Phase::Submitted).await;
    assert!(round(&status, 2, StartReason::Reopened));
    stage.page("/alice", 2).await;
}

#[tokio::test]
async fn an_acknowledgement_that_runs_out_starts_the_chain_again() {
    let stage = opened("expiry", &json!({"acknowledgementTimeout": "3s"})).await;
    let mut followed = stage.follow("checkout").await;
    stage.acknowledge("checkout").await;
    followed.until_phase(Phase::Acknowledged).await;
    followed
        .until("the expiry", |status| {
            round(status, 2, StartReason::Expired)
        })
        .await;
    stage.page("/alice", 2).await;
    let pages = stage.receiver.pages_for("/alice");
    assert_ne!(pages[0].id(), pages[1].id());
}

#[tokio::test]
async fn without_the_customers_word_a_resolved_ticket_closes_by_itself() {
    let row = json!({"validation": {"required": true, "closeAfter": "3s"}});
    let stage = opened("silence", &row).await;
    let mut followed = stage.follow("checkout").await;
    stage
        .fact("checkout", json!({"resolution": {"by": "alice"}}))
        .await;
    followed.until_phase(Phase::AwaitingValidation).await;
    let status = followed.until_phase(Phase::Closed).await;
    let waited = between(status.resolve_time, status.close_time);
    assert_eq!(waited, SignedDuration::from_secs(3));
    let closed = status.timeline.iter().find(|entry| entry.kind == "Closed");
    let message = &closed.unwrap().message;
    assert!(message.contains("NoResponse"), "{message}");
}

#[tokio::test]
async fn a_resolved_ticket_closes_by_itself_after_the_policys_time() {
    let stage = opened("close", &json!({"closeAfter": "3s"})).await;
    let mut followed = stage.follow("checkout").await;
    stage
        .fact("checkout", json!({"resolution": {"by": "alice"}}))
        .await;
    followed.until_phase(Phase::Resolved).await;
    let status = followed.until_phase(Phase::Closed).await;
    let waited = between(status.resolve_time, status.close_time);
    assert_eq!(waited, SignedDuration::from_secs(3));
}

#[tokio::test]
async fn a_rejection_reopens_and_pages_again() {
    let stage = opened("reject", &json!({"validation": {"required": true}})).await;
    stage
        .fact("checkout", json!({"resolution": {"by": "alice"}}))
        .await;
    stage
        .until_phase("checkout", Phase::AwaitingValidation)
        .await;
    let rejection = json!({"validation": {"result": "Rejected", "by": "customer"}});
    stage.fact("checkout", rejection).await;
    let status = stage.until_phase("checkout", Phase::Submitted).await;
    assert!(round(&status, 2, StartReason::Reopened));
    assert!(status.first_resolve_time.is_some());
    stage.page("/alice", 2).await;
}

#[tokio::test]
async fn a_duplicate_closes_is_counted_and_comes_back() {
    let stage = opened("duplicate", &json!({})).await;
    stage.create_ticket("again").await;
    stage.page("/alice", 2).await;
    stage
        .fact("again", json!({"duplicateOf": {"name": "checkout"}}))
        .await;
    let status = stage.until_phase("again", Phase::Closed).await;
    let root = status
        .duplicate_of
        .map(|DuplicateVerdict { root, .. }| root);
    assert_eq!(root.as_deref(), Some("checkout"));
    stage
        .until("checkout", "its count", |status| {
            status.duplicates == Some(1)
        })
        .await;
    stage.fact("again", json!({"duplicateOf": null})).await;
    let status = stage.until_phase("again", Phase::Submitted).await;
    assert!(round(&status, 2, StartReason::Reopened));
    stage.page("/alice", 3).await;
    stage
        .until("checkout", "the end of its count", |status| {
            status.duplicates.is_none()
        })
        .await;
}

#[tokio::test]
async fn a_closed_ticket_is_archived_after_its_time_and_then_immutable() {
    let mut stage = Stage::set("archive").await;
    stage.flags = vec!["--archive-after".into(), "2s".into()];
    stage.start().await;
    stage.apply_policy("gold", policy(&stage, &json!({}))).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    let closure = json!({"closure": {"by": "alice", "reason": "Cancelled"}});
    stage.fact("checkout", closure).await;
    stage.until_phase("checkout", Phase::Closed).await;
    stage
        .until("checkout", "the archive", |status| status.archived)
        .await;
    let patch = kube::api::Patch::Merge(json!({"spec": {"closure": null}}));
    let refused = stage
        .tickets()
        .patch("checkout", &kube::api::PatchParams::default(), &patch)
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("archived"), "{refused}");
}

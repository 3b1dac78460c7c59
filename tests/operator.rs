//! The operator as a process, with exactly the rights that docs/rbac.md lists: how it starts, what it waits for, what
//! it tells, how it stops.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use firebell::api::{DeliveryState, Phase};
use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::eventually;
use firebell::testkit::stage::{LIMIT, ROLE, Stage};
use serde_json::json;

#[tokio::test]
async fn describe_tells_the_story_in_its_order() {
    let stage = Stage::running("story").await;
    let policy = stage.short_policy("2s", 2);
    stage.apply_policy("gold", policy).await;
    // A ticket that waits for its policy too long has more to tell.
    stage.until_in_use("gold").await;
    stage.create_ticket("checkout-5xx").await;
    stage.page("/bob", 1).await;
    stage.acknowledge("checkout-5xx").await;
    stage.until_phase("checkout-5xx", Phase::Acknowledged).await;
    // Each Event is written for itself: the last may be there before the first.
    let story = ["Opened", "Escalated", "Escalated", "Acknowledged"];
    let told = stage
        .until_told("checkout-5xx", |told| told.len() >= story.len())
        .await;
    assert_eq!(told, story);
    let described = stage.describe("ticket", "checkout-5xx").await;
    let (_, events) = described.split_once("Events:").unwrap();
    let shown = events
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|word| story.contains(word));
    assert_eq!(shown.collect::<Vec<_>>(), story, "{described}");
    assert!(described.contains("firebell.dev/operator"), "{described}");
}

#[tokio::test]
async fn a_graceful_stop_writes_what_was_delivered_and_repeats_nothing() {
    let mut stage = Stage::running("calm").await;
    stage
        .apply_policy("gold", stage.short_policy("2s", 2))
        .await;
    stage.create_ticket("checkout-5xx").await;
    stage.page("/alice", 1).await;
    stage.terminate();
    let (code, log) = stage.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let status = stage.ticket_object("checkout-5xx").await.status.unwrap();
    assert_eq!(status.deliveries[0].state, DeliveryState::Delivered);
    stage.start().await;
    stage.page("/bob", 1).await;
    assert_eq!(stage.receiver.pages_for("/alice").len(), 1);
}

#[tokio::test]
async fn an_operator_waits_for_missing_kinds_and_says_so() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let mut stage = Stage::on(&plane, "early").await;
    stage.grant(&stage.operator_user(), "firebell", ROLE).await;
    stage.spawn(&stage.operator_user());
    stage
        .until_logged("\\\"tickets.firebell.dev\\\" is not installed")
        .await;
    stage.install(firebell::api::crds()).await;
    stage.ready().await;
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.create_ticket("a").await;
    stage.page("/alice", 1).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_decoded_is_told_and_disturbs_no_other() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let mut stage = Stage::on(&plane, "loose").await;
    stage.install_loose().await;
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.apply("apiVersion: firebell.dev/v1alpha1\nkind: Ticket\nmetadata: {name: broken}\nspec: {title: [no, text]}\n").await;
    stage.start().await;
    stage.create_ticket("a").await;
    stage.page("/alice", 1).await;
    let told = stage.until_told("broken", |told| !told.is_empty()).await;
    assert_eq!(told, ["Undecodable"]);
    undecodable(&stage, 1).await;
    stage.fact("broken", json!({"title": "text"})).await;
    stage.page("/alice", 2).await;
    undecodable(&stage, 0).await;
}

/// Waits until the operator counts so many tickets that it cannot read.
async fn undecodable(stage: &Stage<'_>, count: usize) {
    let line = format!("firebell_undecodable_objects{{kind=\"Ticket\"}} {count}");
    let counted = eventually(&line, LIMIT, async || {
        stage.metrics().await.contains(&line).then_some(())
    });
    counted.await.unwrap();
}

#[tokio::test]
async fn the_metrics_tell_tickets_by_phase_and_deliveries_by_outcome() {
    let stage = Stage::running("metrics").await;
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.create_ticket("checkout-5xx").await;
    stage.page("/alice", 1).await;
    let told = eventually("the metrics of a delivered page", LIMIT, async || {
        let text = stage.metrics().await;
        let all = [
            "firebell_tickets{",
            "firebell_deliveries_total{",
            "firebell_delivery_lateness_seconds",
            "Submitted",
        ];
        all.iter().all(|name| text.contains(name)).then_some(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn an_operator_without_rights_ends_with_one_clear_sentence() {
    let mut stage = Stage::set("denied").await;
    stage.spawn("nobody-at-all");
    let (code, log) = stage.ended().await;
    assert_ne!(code, Some(0));
    assert!(log.contains("may not list tickets.firebell.dev"), "{log}");
    assert!(log.contains(r#"User \"nobody-at-all\""#), "{log}");
}

#[tokio::test]
async fn a_stale_write_is_answered_with_a_conflict() {
    let stage = Stage::set("conflict").await;
    let seen = stage.create_ticket("a").await;
    stage.fact("a", json!({"triage": {"by": "bob"}})).await;
    let code = stage.write_status_as_of(&seen).await;
    assert_eq!(
        code, 409,
        "a patch under a resourceVersion that is no longer the object's"
    );
    let fresh = stage.ticket_object("a").await;
    assert_eq!(stage.write_status_as_of(&fresh).await, 200);
}

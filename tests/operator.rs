//! The real operator against a real API server, with exactly the rights that docs/rbac.md lists: from a policy and a
//! ticket in YAML to signed pages on a receiver, and through the faults that the operator must live with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "operator/stage.rs"]
mod stage;

use std::time::Duration;

use firebell::api::Phase;
use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::eventually;
use serde_json::json;
use stage::Stage;

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
}

#[tokio::test]
async fn describe_tells_the_story_in_its_order() {
    let stage = Stage::with_operator("story").await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("checkout-5xx", "")).await;
    stage.wait_for_page("/manager", 1).await;
    stage.acknowledge("checkout-5xx").await;
    stage
        .wait_for_phase("checkout-5xx", Phase::Acknowledged)
        .await;
    // Each Event is written for itself: the last may be there before the first.
    let story = ["Opened", "Escalated", "Escalated", "Acknowledged"];
    let told = stage
        .wait_for_events("checkout-5xx", |told| told.len() >= story.len())
        .await;
    assert_eq!(told, story);
    let described = stage.describe("ticket", "checkout-5xx").await;
    let (_, events) = described.split_once("Events:").unwrap();
    let shown: Vec<&str> = events
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let shown = shown
        .into_iter()
        .filter(|word| told.iter().any(|reason| reason == word));
    assert_eq!(shown.collect::<Vec<_>>(), told, "{described}");
    assert!(described.contains("firebell.dev/operator"), "{described}");
}

#[tokio::test]
async fn an_operator_that_is_killed_pages_each_step_once_after_its_return() {
    let mut stage = Stage::with_operator("kill").await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("checkout-5xx", "")).await;
    let first = stage.wait_for_page("/on-call", 1).await;
    stage.kill();
    stage.start_as("operator");
    stage.wait_for_page("/manager", 1).await;
    let settled = |ticket: &firebell::api::Ticket| {
        let escalation = ticket
            .status
            .as_ref()
            .and_then(|status| status.escalation.as_ref());
        escalation.is_some_and(|escalation| escalation.next_step.as_deref() == Some("director"))
    };
    stage
        .wait_for_ticket("the chain waits for its last step", "checkout-5xx", settled)
        .await;
    let ids: std::collections::BTreeSet<String> = stage
        .receiver
        .pages_for("/on-call")
        .iter()
        .map(|page| page.id().to_owned())
        .collect();
    assert_eq!(
        ids.into_iter().collect::<Vec<_>>(),
        [first.id()],
        "a repeat after a crash wears the same id"
    );
    assert!(stage.pages("/on-call") <= 2, "at most once more per crash");
    assert_eq!(stage.pages("/manager"), 1);
}

#[tokio::test]
async fn a_graceful_stop_writes_what_was_delivered_and_repeats_nothing() {
    let mut stage = Stage::with_operator("calm").await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("checkout-5xx", "")).await;
    stage.wait_for_page("/on-call", 1).await;
    stage.terminate();
    let (code, log) = stage.operator_ended().await;
    assert_eq!(code, Some(0), "{log}");
    let status = stage.ticket_object("checkout-5xx").await.status.unwrap();
    assert_eq!(
        status.deliveries[0].state,
        firebell::api::DeliveryState::Delivered
    );
    stage.start_as("operator");
    stage.wait_for_page("/manager", 1).await;
    assert_eq!(stage.pages("/on-call"), 1);
}

#[tokio::test]
async fn an_invalid_edit_reaches_nobody_and_says_what_is_wrong() {
    let stage = Stage::with_operator("invalid").await;
    stage.apply(&stage.policy("gold", "")).await;
    let ready = stage
        .wait_for_policy("the policy is ready", "gold", |status| {
            status.revision.is_some()
        })
        .await;
    let broken = stage
        .policy("gold", "")
        .replace("{contact: manager}", "{contact: nobody}");
    stage.apply(&broken).await;
    let status = stage
        .wait_for_policy("the edit is refused", "gold", |status| {
            status
                .conditions
                .iter()
                .any(|condition| condition.type_ == "Stalled")
        })
        .await;
    assert_eq!(status.revision, ready.revision);
    let of = |type_: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_)
            .unwrap()
            .message
            .clone()
    };
    assert!(
        of("Ready").contains("nobody") && of("Ready").contains("spec.steps[1].notify[0]"),
        "{}",
        of("Ready")
    );
    stage.apply(&stage.ticket("a", "")).await;
    stage.wait_for_page("/manager", 1).await;
    let revisions = stage.revisions().await;
    assert_eq!(
        revisions.len(),
        1,
        "an invalid spec is not stored: {revisions:?}"
    );
    assert!(revisions[0].metadata.owner_references.is_none());
}

#[tokio::test]
async fn a_missing_secret_is_an_open_item_until_it_is_there() {
    let stage = Stage::with_operator("secret").await;
    let signed = stage.policy("gold", "").replace(
        "{name: hook, type: Webhook}",
        "{name: hook, type: Webhook, secretRef: {name: keys}}",
    );
    stage.apply(&signed).await;
    let status = stage
        .wait_for_policy("the open item is told", "gold", |status| {
            status
                .open_items
                .iter()
                .any(|item| item.code == "SecretMissing")
        })
        .await;
    assert!(status.revision.is_some(), "a warning stops nothing");
    assert!(
        status
            .open_items
            .iter()
            .any(|item| item.message.contains("\"keys\"")),
        "{:?}",
        status.open_items
    );
}

#[tokio::test]
async fn a_policy_counts_its_open_tickets_and_an_idle_operator_writes_nothing() {
    let stage = Stage::with_operator("idle").await;
    stage
        .apply(&stage.policy("gold", "").replace("after: 2s", "after: 1h"))
        .await;
    for number in 0..20 {
        stage.apply(&stage.ticket(&format!("t{number}"), "")).await;
    }
    stage.wait_for_page("/on-call", 20).await;
    stage
        .wait_for_policy("all are counted", "gold", |status| {
            status.open_tickets == Some(20)
        })
        .await;
    let before = stage.writes_after_they_settled().await;
    // Nothing announces that nothing happens: longer than the longest cycle of the operator's own.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let after = stage.writes().await;
    assert_eq!(after - before, 0, "an idle operator writes nothing");
}

#[tokio::test]
async fn an_operator_waits_for_missing_kinds_and_says_so() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let mut stage = Stage::on(&control_plane, "early").await;
    stage.start_as_admin();
    stage
        .wait_for_log("\\\"tickets.firebell.dev\\\" is not installed")
        .await;
    stage.install_crds().await;
    assert!(stage.is_ready().await, "{}", stage.log());
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("a", "")).await;
    stage.wait_for_page("/on-call", 1).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_decoded_disturbs_no_other() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let mut stage = Stage::on(&control_plane, "loose").await;
    stage.install_loose_crds().await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply("apiVersion: firebell.dev/v1alpha1\nkind: Ticket\nmetadata: {name: broken}\nspec: {title: [no, text]}\n").await;
    stage.start_as_admin();
    assert!(stage.is_ready().await, "{}", stage.log());
    stage.apply(&stage.ticket("a", "")).await;
    stage.wait_for_page("/on-call", 1).await;
    let told = stage
        .wait_for_events("broken", |told| !told.is_empty())
        .await;
    assert_eq!(told, ["Undecodable"]);
    assert!(
        stage
            .metrics()
            .await
            .contains("firebell_undecodable_objects{kind=\"Ticket\"} 1")
    );
    stage.apply(&stage.ticket("broken", "")).await;
    stage.wait_for_page("/on-call", 2).await;
    assert!(
        stage
            .metrics()
            .await
            .contains("firebell_undecodable_objects{kind=\"Ticket\"} 0")
    );
}

#[tokio::test]
async fn the_metrics_tell_tickets_by_phase_and_deliveries_by_outcome() {
    let stage = Stage::with_operator("metrics").await;
    stage.apply(&stage.policy("gold", "")).await;
    stage.apply(&stage.ticket("checkout-5xx", "")).await;
    stage.wait_for_page("/on-call", 1).await;
    let told = eventually(
        "the metrics of a delivered page",
        Duration::from_secs(30),
        async || {
            let text = stage.metrics().await;
            let all = [
                "firebell_tickets{",
                "firebell_deliveries_total{",
                "firebell_delivery_lateness_seconds",
            ];
            (all.iter().all(|name| text.contains(name)) && text.contains("Submitted")).then_some(())
        },
    );
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
}

//! The chain's life on the real API server.

use super::stage::{LIMIT, Stage};
use firebell::api::{EscalationState, Phase, StartReason};
use serde_json::json;

#[tokio::test]
async fn the_whole_life_from_submission_to_closure_is_paged_stamped_and_told() {
    let stage = Stage::running("life").await;
    stage.apply_policy("gold", stage.policy("2s")).await;
    stage.create_ticket("checkout").await;
    let first = stage.page("/alice").await;
    let body = first.json().unwrap();
    assert_eq!(body["type"], "firebell.page.v1");
    assert_eq!(body["data"]["ticket"]["name"], "checkout");
    assert_eq!(body["data"]["step"], "on-call");
    stage.page("/bob").await;
    stage.page("/carol").await;
    stage
        .fact("checkout", json!({"acknowledgement": {"by": "alice"}}))
        .await;
    stage
        .until("checkout", "acknowledged", |status| {
            status.phase == Some(Phase::Acknowledged)
        })
        .await;
    let told = |ledger: &firebell::testkit::receiver::Ledger| ledger.count("/bob") == 2;
    let got = stage.receiver.wait_for(told, LIMIT).await.unwrap();
    let last = got
        .iter()
        .rfind(|page| page.path == "/bob")
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(last["data"]["kind"], "AcknowledgedBy");
    stage
        .fact(
            "checkout",
            json!({"resolution": {"by": "alice", "cause": "full disk"}}),
        )
        .await;
    stage
        .until("checkout", "resolved", |status| {
            status.phase == Some(Phase::Resolved)
        })
        .await;
    stage
        .fact(
            "checkout",
            json!({"closure": {"by": "alice", "reason": "Completed"}}),
        )
        .await;
    let status = stage
        .until("checkout", "closed", |status| {
            status.phase == Some(Phase::Closed)
        })
        .await;
    assert!(status.timeline.iter().any(|entry| entry.kind == "Closed"));
    let args = [
        "-n",
        &stage.namespace,
        "get",
        "events.events.k8s.io",
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    let seen = firebell::testkit::eventually("the events of every stage", LIMIT, async || {
        let reasons = stage.plane.kubectl(args).run().await.ok()?;
        let all = ["Opened", "Escalated", "Acknowledged", "Resolved", "Closed"];
        all.iter()
            .all(|reason| reasons.contains(reason))
            .then_some(())
    });
    seen.await.unwrap();
}

#[tokio::test]
async fn an_acknowledgement_between_steps_stops_the_chain_within_a_second() {
    let stage = Stage::running("ack").await;
    let mut policy = stage.policy("3s");
    policy["steps"].as_array_mut().unwrap().truncate(2);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice").await;
    stage
        .fact("checkout", json!({"acknowledgement": {"by": "alice"}}))
        .await;
    let status = stage
        .until("checkout", "the chain to stop", |status| {
            status
                .escalation
                .as_ref()
                .is_some_and(|known| known.state == EscalationState::Stopped)
        })
        .await;
    assert!(status.acknowledge_time.is_some());
    // A second ticket's manager page is due after the first one's would have been: once it came, the first had its chance.
    stage.create_ticket("probe").await;
    let bob = stage.page("/bob").await.json().unwrap();
    assert_eq!(bob["data"]["ticket"]["name"], "probe");
}

#[tokio::test]
async fn revoking_and_reopening_start_new_rounds_with_fresh_ids() {
    let stage = Stage::running("fresh").await;
    let mut policy = stage.policy("10m");
    policy["steps"].as_array_mut().unwrap().truncate(1);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice").await;
    stage
        .fact("checkout", json!({"acknowledgement": {"by": "alice"}}))
        .await;
    stage
        .until("checkout", "acknowledged", |status| {
            status.acknowledge_time.is_some()
        })
        .await;
    stage
        .fact("checkout", json!({"acknowledgement": null}))
        .await;
    let round = |number: i64, reason: StartReason| {
        move |status: &firebell::api::TicketStatus| {
            status
                .escalation
                .as_ref()
                .is_some_and(|known| known.round == number && known.start_reason == Some(reason))
        }
    };
    stage
        .until("checkout", "round 2", round(2, StartReason::Revoked))
        .await;
    stage
        .fact("checkout", json!({"resolution": {"by": "alice"}}))
        .await;
    stage
        .until("checkout", "resolved", |status| {
            status.resolve_time.is_some()
        })
        .await;
    stage.fact("checkout", json!({"resolution": null})).await;
    stage
        .until("checkout", "round 3", round(3, StartReason::Reopened))
        .await;
    stage
        .fact("checkout", json!({"severity": "Critical"}))
        .await;
    stage
        .until("checkout", "round 4", round(4, StartReason::SeverityRaised))
        .await;
    let pages = |ledger: &firebell::testkit::receiver::Ledger| {
        ledger
            .for_path("/alice")
            .filter(|page| page.json().is_ok_and(|body| body["data"]["kind"] == "Page"))
            .count()
            >= 4
    };
    let got = stage.receiver.wait_for(pages, LIMIT).await.unwrap();
    let mut ids: Vec<_> = got.iter().map(|page| page.id().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), got.len());
}

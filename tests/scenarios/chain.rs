//! The chain's life on the real API server.

use firebell::api::{
    DeliveryRecord, DeliveryState, EscalationState, Phase, StartReason, TicketStatus,
};
use firebell::testkit::receiver::{Behaviour, Ledger};
use firebell::testkit::stage::Stage;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// How many pages of a round came to a path; notices do not count.
fn pages_of_round(ledger: &Ledger, path: &str, round: i64) -> usize {
    let pages = ledger.for_path(path).filter(|page| {
        page.json()
            .is_ok_and(|body| body["data"]["kind"] == "Page" && body["data"]["round"] == round)
    });
    pages.count()
}

#[tokio::test]
async fn the_whole_life_from_submission_to_closure_is_paged_stamped_and_told() {
    let stage = Stage::running("life").await;
    stage.apply_policy("gold", stage.policy("2s")).await;
    stage.create_ticket("checkout").await;
    let first = stage.page("/alice", 1).await;
    let body = first.json().unwrap();
    assert_eq!(body["type"], "firebell.page.v1");
    assert_eq!(body["data"]["id"], first.id());
    assert_eq!(body["data"]["ticket"]["name"], "checkout");
    assert_eq!(body["data"]["step"], "on-call");
    stage.page("/bob", 1).await;
    stage.page("/carol", 1).await;
    stage.acknowledge("checkout").await;
    stage.until_phase("checkout", Phase::Acknowledged).await;
    let last = stage.page("/bob", 2).await.json().unwrap();
    assert_eq!(last["data"]["kind"], "AcknowledgedBy");
    let resolution = json!({"resolution": {"by": "alice", "cause": "full disk"}});
    stage.fact("checkout", resolution).await;
    stage.until_phase("checkout", Phase::Resolved).await;
    let closure = json!({"closure": {"by": "alice", "reason": "Completed"}});
    stage.fact("checkout", closure).await;
    let status = stage.until_phase("checkout", Phase::Closed).await;
    assert!(status.timeline.iter().any(|entry| entry.kind == "Closed"));
    let all = ["Opened", "Escalated", "Acknowledged", "Resolved", "Closed"];
    stage.until_all_told("checkout", &all).await;
}

#[tokio::test]
async fn an_acknowledgement_between_steps_stops_the_chain_within_a_second() {
    let stage = Stage::running("ack").await;
    let policy = stage.short_policy("8s", 2);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    stage.acknowledge("checkout").await;
    let readable = Timestamp::now();
    let status = stage
        .until("checkout", "the chain stops", |status| {
            let escalation = status.escalation.as_ref();
            escalation.is_some_and(|known| known.state == EscalationState::Stopped)
        })
        .await;
    assert!(status.acknowledge_time.is_some());
    // A second ticket's manager page is due after the first one's would have been: once it came, the first had its chance.
    stage.create_ticket("probe").await;
    let of_probe = |ledger: &Ledger| {
        let mut pages = ledger.for_path("/bob");
        pages.any(|page| {
            page.json()
                .is_ok_and(|body| body["data"]["ticket"]["name"] == "probe")
        })
    };
    let late = readable + SignedDuration::from_secs(1);
    for page in stage.until_received(of_probe).await {
        let body = page.json().unwrap();
        assert!(
            body["data"]["ticket"]["name"] == "probe"
                || body["data"]["kind"] != "Page"
                || page.time <= late,
            "{body} came at {} although the acknowledgement was readable at {readable}",
            page.time
        );
    }
}

#[tokio::test]
async fn revoking_and_reopening_start_new_rounds_with_fresh_ids() {
    let stage = Stage::running("fresh").await;
    let policy = stage.short_policy("10m", 1);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    stage.acknowledge("checkout").await;
    stage.until_phase("checkout", Phase::Acknowledged).await;
    let started = async |number: i64, reason: StartReason| {
        let begun = |status: &TicketStatus| {
            let escalation = status.escalation.as_ref();
            escalation
                .is_some_and(|known| known.round == number && known.start_reason == Some(reason))
        };
        let what = format!("round {number}");
        stage.until("checkout", &what, begun).await;
    };
    // A round has begun in the status before its page leaves: what comes next could still stop it.
    let paged = async |number: i64| {
        stage
            .until_received(|ledger| pages_of_round(ledger, "/alice", number) == 1)
            .await;
    };
    stage
        .fact("checkout", json!({"acknowledgement": null}))
        .await;
    started(2, StartReason::Revoked).await;
    paged(2).await;
    stage
        .fact("checkout", json!({"resolution": {"by": "alice"}}))
        .await;
    stage.until_phase("checkout", Phase::Resolved).await;
    stage.fact("checkout", json!({"resolution": null})).await;
    started(3, StartReason::Reopened).await;
    paged(3).await;
    // The page came: the operator has yet to hear so. Whom it knows to have reached it tells of the severity.
    stage
        .until("checkout", "the page of round 3 is recorded", |status| {
            let mut known = status.deliveries.iter();
            known.any(|known| known.round == 3 && known.state == DeliveryState::Delivered)
        })
        .await;
    stage
        .fact("checkout", json!({"severity": "Critical"}))
        .await;
    started(4, StartReason::SeverityRaised).await;
    // Whoever was reached within the last two minutes is told of the new severity instead of paged again.
    stage
        .until_received(|ledger| {
            let mut notices = ledger.for_path("/alice");
            notices.any(|got| {
                got.json()
                    .is_ok_and(|body| body["data"]["kind"] == "SeverityNow")
            })
        })
        .await;
    let got = stage.receiver.pages();
    let mut ids: Vec<_> = got.iter().map(|page| page.id().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), got.len());
}

#[tokio::test]
async fn a_chain_that_repeats_pages_again_in_a_new_round_under_fresh_ids_and_is_then_exhausted() {
    let stage = Stage::running("repeats").await;
    let mut policy = stage.short_policy("10m", 1);
    policy["repeat"] = json!({"times": 1, "interval": "2s"});
    policy["onExhausted"] = json!({"after": "1s"});
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    let status = stage
        .until("checkout", "the chain is exhausted", |status| {
            let escalation = status.escalation.as_ref();
            escalation.is_some_and(|known| known.state == EscalationState::Exhausted)
        })
        .await;
    assert_eq!(status.escalation.unwrap().round, 2);
    stage.page("/alice", 2).await;
    let got = stage.receiver.pages_for("/alice");
    assert_eq!(got.len(), 2, "{got:#?}");
    assert_ne!(got[0].id(), got[1].id());
}

#[tokio::test]
async fn an_acknowledgement_cancels_a_page_that_waits_to_be_tried_again_within_a_second() {
    let stage = Stage::running("cancel").await;
    stage
        .receiver
        .on("/alice", Behaviour::Status(503, Vec::new()));
    stage
        .apply_policy("gold", stage.short_policy("1h", 1))
        .await;
    stage.create_ticket("checkout").await;
    // After the second try the next one is four seconds away.
    stage
        .until_received(|ledger| ledger.count("/alice") >= 2)
        .await;
    stage.acknowledge("checkout").await;
    let acknowledged = Timestamp::now();
    let status = stage
        .until("checkout", "the page is cancelled", |status| {
            let cancelled = |known: &DeliveryRecord| known.state == DeliveryState::Cancelled;
            status.deliveries.iter().any(cancelled)
        })
        .await;
    let page = status.deliveries.iter().find(|known| known.step.is_some());
    let cancelled = page.unwrap().time.0;
    let after = cancelled.duration_since(acknowledged);
    assert!(after < SignedDuration::from_secs(1), "{after}");
    // On a busy machine the third try may leave before the acknowledgement is readable.
    for page in stage.receiver.pages_for("/alice") {
        let since = page.time.duration_since(acknowledged);
        assert!(since < SignedDuration::from_secs(1), "tried {since} after");
    }
}

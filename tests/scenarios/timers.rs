//! The timers of a ticket that nobody touches, on the real API server: first page, repeats, breaches, requests.

use firebell::api::{EscalationState, TargetClock, TargetState, TicketStatus, Time};
use firebell::testkit::stage::Stage;
use jiff::SignedDuration;
use serde_json::json;

fn span(from: Option<Time>, to: Option<Time>) -> SignedDuration {
    to.unwrap().0.duration_since(from.unwrap().0)
}

#[tokio::test]
async fn the_first_page_waits_for_the_initial_delay_and_both_targets_are_breached_at_their_time() {
    let stage = Stage::running("timers").await;
    let mut policy = stage.short_policy("10m", 1);
    let row = policy["severities"][0].as_object_mut().unwrap();
    row.insert("initialDelay".to_owned(), json!("2s"));
    row.insert("responseTarget".to_owned(), json!("3s"));
    row.insert("resolutionTarget".to_owned(), json!("4s"));
    stage.apply_policy("gold", policy).await;
    // The chain of a ticket that waits for its policy too long starts later.
    stage.until_in_use("gold").await;
    stage.create_ticket("checkout").await;
    let page = stage.page("/alice", 1).await;
    let status = stage
        .until("checkout", "both breaches", |status| {
            let breached = |clock: &TargetClock| clock.state == TargetState::Breached;
            let targets = status.targets.as_ref();
            targets.is_some_and(|known| breached(&known.response) && breached(&known.resolution))
        })
        .await;
    let submitted = status.submit_time;
    let seconds = SignedDuration::from_secs;
    let escalation = status.escalation.unwrap();
    assert_eq!(span(submitted, escalation.start_time), seconds(2));
    assert!(page.time >= escalation.start_time.unwrap().0, "{page:?}");
    let targets = status.targets.unwrap();
    assert_eq!(span(submitted, targets.response.breach_time), seconds(3));
    assert_eq!(span(submitted, targets.resolution.breach_time), seconds(4));
}

#[tokio::test]
async fn a_step_is_repeated_as_often_as_the_policy_says_and_the_chain_ends_after_the_last() {
    let stage = Stage::running("repeat").await;
    let mut policy = stage.short_policy("10m", 1);
    policy["steps"][0]["repeat"] = json!({"every": "1s", "times": 2});
    policy["onExhausted"] = json!({"after": "1s"});
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    let status = stage
        .until("checkout", "the end of the chain", |status| {
            let known = status.escalation.as_ref();
            known.is_some_and(|known| known.state == EscalationState::Exhausted)
        })
        .await;
    stage.page("/alice", 3).await;
    let pages = stage.receiver.pages_for("/alice");
    let repeats: Vec<_> = pages
        .iter()
        .map(|page| page.json().unwrap()["data"]["repeat"].as_i64().unwrap_or(0))
        .collect();
    assert_eq!(repeats, [0, 1, 2]);
    let step = status.escalation.unwrap().steps.remove(0);
    assert_eq!((step.name.as_str(), step.repeat), ("on-call", Some(2)));
}

#[tokio::test]
async fn requests_page_whatever_the_acknowledgement_and_say_why_where_nothing_happens() {
    let stage = Stage::running("requests").await;
    stage
        .apply_policy("gold", stage.short_policy("10m", 2))
        .await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    stage.acknowledge("checkout").await;
    let second = stage.short_policy("10m", 2)["steps"][1]["name"].clone();
    let ask = async |token: &str| {
        let request = json!({"atLeast": second, "token": token, "by": "alice"});
        stage.fact("checkout", json!({"escalation": request})).await;
    };
    let says = async |reason: &'static str| {
        let asked = move |status: &TicketStatus| {
            let mut conditions = status.conditions.iter();
            conditions.any(|known| known.type_ == "EscalationRequested" && known.reason == reason)
        };
        stage.until("checkout", reason, asked).await;
    };
    ask("one").await;
    stage.page("/bob", 1).await;
    says("Done").await;
    ask("two").await;
    says("AlreadyFurther").await;
}

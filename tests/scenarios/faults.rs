//! Kills, hanging receivers, missing Secrets, objects that do not decode.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stage::{KEY, LIMIT, Stage};
use firebell::api::StepResult;
use firebell::testkit::receiver::Behaviour;
use serde_json::json;

#[tokio::test]
async fn killed_before_a_deadline_the_next_start_pages_every_step_once_more_at_most() {
    let mut stage = Stage::running("killed").await;
    stage.apply_policy("gold", stage.policy("3s")).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice").await;
    stage
        .until("checkout", "the second step to be armed", |status| {
            status
                .escalation
                .as_ref()
                .is_some_and(|known| known.next_step.as_deref() == Some("manager"))
        })
        .await;
    stage.kill();
    stage.start().await;
    stage.page("/bob").await;
    stage.page("/carol").await;
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for page in stage.receiver.pages() {
        *ids.entry(page.id().to_owned()).or_default() += 1;
    }
    assert!(ids.values().all(|count| *count <= 2), "{ids:?}");
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn killed_while_sending_the_page_arrives_again_under_the_same_id() {
    let mut stage = Stage::set("sending").await;
    stage.receiver.on("/alice", Behaviour::Hang);
    stage.start().await;
    let mut policy = stage.policy("10m");
    policy["steps"].as_array_mut().unwrap().truncate(1);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    let first = stage.page("/alice").await;
    stage.kill();
    stage.receiver.on("/alice", Behaviour::Ok);
    stage.start().await;
    let twice = stage
        .receiver
        .wait_for(|ledger| ledger.count("/alice") >= 2, LIMIT)
        .await
        .unwrap();
    let ids: Vec<_> = twice.iter().map(|page| page.id().to_owned()).collect();
    assert!(ids.iter().all(|id| id == first.id()), "{ids:?}");
    let status = stage
        .until("checkout", "the step to be recorded", |status| {
            status
                .escalation
                .as_ref()
                .is_some_and(|known| !known.steps.is_empty())
        })
        .await;
    assert_eq!(
        status.escalation.unwrap().steps[0].result,
        StepResult::Fired
    );
}

#[tokio::test]
async fn of_200_tickets_two_have_a_receiver_that_hangs_and_the_others_are_on_time() {
    let stage = Stage::set("hangs").await;
    let mut stage = stage;
    stage.receiver.on("/hangs", Behaviour::Hang);
    stage.start().await;
    let mut policy = stage.policy("10m");
    policy["steps"].as_array_mut().unwrap().truncate(1);
    stage.apply_policy("gold", policy.clone()).await;
    policy["default"] = false.into();
    policy["contacts"][0]["reach"][0]["address"] = stage.receiver.url("/hangs").into();
    stage.apply_policy("dead", policy).await;
    let (mut created, tickets) = (Vec::new(), stage.tickets());
    for number in 0..200 {
        let mut spec = json!({"title": "t", "severity": "High"});
        if number < 2 {
            spec["policyRef"] = json!({"name": "dead"});
        }
        let object = json!({"apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": format!("t{number}")}, "spec": spec});
        let ticket = serde_json::from_value(object).unwrap();
        created.push(
            tickets
                .create(&kube::api::PostParams::default(), &ticket)
                .await
                .unwrap(),
        );
    }
    let arrived = |ledger: &firebell::testkit::receiver::Ledger| ledger.count("/alice") >= 198;
    let got = stage
        .receiver
        .wait_for(arrived, Duration::from_mins(1))
        .await
        .unwrap();
    for page in got.iter().filter(|page| page.path == "/alice") {
        let name = page.json().unwrap()["data"]["ticket"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        let ticket = created
            .iter()
            .find(|ticket| ticket.metadata.name.as_ref() == Some(&name))
            .unwrap();
        let since = page
            .time
            .duration_since(ticket.metadata.creation_timestamp.as_ref().unwrap().0);
        assert!(
            since.as_secs() < 8,
            "{name} was paged {since} after its creation"
        );
    }
}

#[tokio::test]
async fn a_missing_secret_sends_nothing_says_so_and_disturbs_no_other_ticket() {
    let stage = Stage::running("secret").await;
    let mut policy = stage.policy("10m");
    policy["connectors"][0]["secretRef"]["name"] = "not-there".into();
    stage.apply_policy("broken", policy).await;
    stage.create_ticket("checkout").await;
    let item = firebell::testkit::eventually("the open item", LIMIT, async || {
        let status = stage.policies().get("broken").await.ok()?.status?;
        status
            .open_items
            .into_iter()
            .find(|item| item.message.contains("not-there"))
    });
    item.await.unwrap();
    assert!(stage.receiver.pages_for("/alice").is_empty());
    stage.secret("not-there", json!({"signingKey": KEY})).await;
    stage.page("/alice").await;
}

#[tokio::test]
async fn a_receiver_that_refuses_is_told_in_a_condition_and_the_next_step_follows_at_once() {
    let mut stage = Stage::set("refuses").await;
    stage
        .receiver
        .on("/alice", Behaviour::Status(410, Vec::new()));
    stage.start().await;
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.create_ticket("checkout").await;
    stage.page("/bob").await;
    let status = stage
        .until("checkout", "Delivered to be told", |status| {
            status
                .timeline
                .iter()
                .any(|entry| entry.kind == "DeliveryFailed")
        })
        .await;
    let failed = status
        .timeline
        .iter()
        .find(|entry| entry.kind == "DeliveryFailed")
        .unwrap();
    assert!(
        failed.message.contains("contact/alice"),
        "{}",
        failed.message
    );
    assert!(
        status
            .conditions
            .iter()
            .any(|known| known.type_ == "Delivered")
    );
}

#[tokio::test]
async fn an_operator_asked_to_stop_ends_with_success() {
    let mut stage = Stage::running("stop").await;
    let operator = stage.operator.as_mut().unwrap();
    operator.terminate().unwrap();
    assert_eq!(
        operator.ended(LIMIT).await.unwrap(),
        Some(0),
        "{}",
        operator.log()
    );
}

#[tokio::test]
async fn an_idle_operator_with_200_open_tickets_writes_nothing_for_a_minute() {
    let stage = Stage::running("idle").await;
    let mut policy = stage.policy("10h");
    policy["steps"].as_array_mut().unwrap().truncate(2);
    policy["severities"] = json!([]);
    stage.apply_policy("gold", policy).await;
    for number in 0..200 {
        stage.create_ticket(&format!("t{number}")).await;
    }
    let settled =
        firebell::testkit::eventually("every page to be recorded", LIMIT * 3, async || {
            let tickets = stage
                .tickets()
                .list(&kube::api::ListParams::default())
                .await
                .ok()?;
            let armed = |ticket: &firebell::api::Ticket| {
                let escalation = ticket
                    .status
                    .as_ref()
                    .and_then(|status| status.escalation.as_ref());
                escalation.is_some_and(|known| known.next_step.as_deref() == Some("manager"))
            };
            (tickets.items.len() == 200 && tickets.items.iter().all(armed)).then_some(())
        });
    settled.await.unwrap();
    let writes = || {
        let of_ours = |event: &firebell::testkit::audit::AuditEvent| {
            event.namespace == stage.namespace && event.is_write() && event.is_complete()
        };
        stage.plane.audit_events(of_ours).unwrap().len()
    };
    // The policy's count of open tickets may follow within its rate; then the minute starts.
    let mut quiet = (writes(), tokio::time::Instant::now());
    let minute = firebell::testkit::eventually("a minute without a write", LIMIT * 4, async || {
        let now = writes();
        if now != quiet.0 {
            quiet = (now, tokio::time::Instant::now());
        }
        (quiet.1.elapsed() >= Duration::from_mins(1)).then_some(())
    });
    minute.await.unwrap();
}

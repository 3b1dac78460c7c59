//! What several tickets owe one person after a downtime comes as one message, on the real API server: api.md section 6.

use firebell::api::DeliveryState;
use firebell::testkit::eventually;
use firebell::testkit::receiver::Received;
use firebell::testkit::stage::{KEY, LIMIT, Stage};
use jiff::{SignedDuration, Timestamp};

/// Tickets that fall due while the operator is down.
const TICKETS: usize = 8;

/// Names of the tickets in a message.
fn tickets(page: &Received) -> Vec<String> {
    let body = page.json().unwrap();
    let name = |data: &serde_json::Value| data["ticket"]["name"].as_str().unwrap().to_owned();
    match body["data"]["items"].as_array() {
        Some(items) => items.iter().map(name).collect(),
        None => vec![name(&body["data"])],
    }
}

/// Opens the tickets and waits until the first page of each is recorded.
async fn open_all(stage: &Stage<'_>) {
    for number in 0..TICKETS {
        stage.create_ticket(&format!("t{number}")).await;
    }
    for number in 0..TICKETS {
        let name = format!("t{number}");
        stage
            .until(&name, "its first page is recorded", |status| {
                let known = status.escalation.as_ref();
                known.is_some_and(|known| !known.steps.is_empty())
            })
            .await;
    }
}

#[tokio::test]
async fn what_was_missed_during_a_downtime_comes_to_one_person_in_fewer_messages_than_tickets() {
    let mut stage = Stage::running("downtime").await;
    stage
        .apply_policy("gold", stage.short_policy("10s", 2))
        .await;
    open_all(&stage).await;
    stage.kill();
    let down = Timestamp::now();
    let told_before: Vec<String> = stage
        .receiver
        .pages_for("/bob")
        .iter()
        .flat_map(tickets)
        .collect();
    // Missed by more than ten seconds counts as missed during a downtime.
    let long = eventually("all are long overdue", LIMIT, async || {
        (Timestamp::now() > down + SignedDuration::from_secs(21)).then_some(())
    });
    long.await.unwrap();
    stage.start().await;
    let names = |pages: &[Received]| {
        let mut names: Vec<String> = pages
            .iter()
            .filter(|page| page.path == "/bob")
            .flat_map(tickets)
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let pages = stage
        .until_received(|ledger| names(ledger.all()).len() == TICKETS)
        .await;
    let after: Vec<&Received> = pages
        .iter()
        .filter(|page| page.path == "/bob" && page.time > down)
        .collect();
    let missed = TICKETS - told_before.len();
    assert!(
        missed < 3 || after.len() < missed,
        "{} messages for {missed} tickets",
        after.len()
    );
    for page in after {
        page.verify(KEY).unwrap();
    }
    for number in 0..TICKETS {
        let name = format!("t{number}");
        let what = format!("the page of \"{name}\" is recorded");
        stage
            .until(&name, &what, |status| {
                let to_bob = |known: &&firebell::api::DeliveryRecord| known.target == "contact/bob";
                let mut known = status.deliveries.iter().filter(to_bob);
                known.any(|known| known.state == DeliveryState::Delivered)
            })
            .await;
    }
}

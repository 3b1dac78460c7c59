//! Notices on the real API server: a reminder and an overdue update, and a hand-over, each after seconds.

use firebell::api::ConditionStatus;
use firebell::testkit::stage::Stage;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How many notices of a kind came to a path.
fn kinds(stage: &Stage<'_>, path: &str) -> Vec<String> {
    let pages = stage.receiver.pages_for(path);
    let kind = |body: Value| body["data"]["kind"].as_str().unwrap_or_default().to_owned();
    pages
        .iter()
        .filter_map(|page| page.json().ok().map(kind))
        .collect()
}

#[tokio::test]
async fn a_due_status_update_is_reminded_of_then_overdue_until_somebody_writes_one() {
    let stage = Stage::running("updates").await;
    let mut policy = stage.short_policy("1h", 1);
    policy["severities"][0]["updateInterval"] = json!("5s");
    policy["communication"] = json!({"overdueNotify": [{"contact": "bob"}]});
    stage.apply_policy("gold", policy).await;
    // From the first: a reminder that falls due before anybody is assigned goes to others.
    let assigned = json!({"assignment": {"assignee": "alice", "by": "alice"}});
    stage.create_ticket_with("checkout", assigned).await;
    let mut followed = stage.follow("checkout").await;
    let reminder = stage.page("/alice", 2).await.json().unwrap();
    assert_eq!(reminder["data"]["kind"], "UpdateReminder");
    let overdue = stage.page("/bob", 1).await.json().unwrap();
    assert_eq!(overdue["data"]["kind"], "UpdateOverdue");
    let holds = |wanted: ConditionStatus| {
        move |status: &firebell::api::TicketStatus| {
            let mut conditions = status.conditions.iter();
            conditions.any(|known| known.type_ == "UpdateOverdue" && known.status == wanted)
        }
    };
    let status = followed
        .until("the update is overdue", holds(ConditionStatus::True))
        .await;
    let due = status
        .communication
        .unwrap()
        .next_update_due_time
        .unwrap()
        .0;
    assert_eq!(
        due,
        status.submit_time.unwrap().0 + SignedDuration::from_secs(5)
    );
    let update = json!({"update": {"message": "found it", "audience": "Internal", "by": "bob"}});
    stage.fact("checkout", update).await;
    followed
        .until("the update cleared it", holds(ConditionStatus::False))
        .await;
    let told = stage
        .until_received(|ledger| ledger.count("/alice") >= 3)
        .await;
    assert!(!told.is_empty());
    assert_eq!(
        kinds(&stage, "/alice")[..3],
        ["Page", "UpdateReminder", "Update"]
    );
}

#[tokio::test]
async fn who_comes_on_duty_hears_of_the_open_ticket() {
    let stage = Stage::running("handover").await;
    let mut policy = stage.short_policy("1h", 1);
    let now = Timestamp::now();
    let after = |seconds| (now + SignedDuration::from_secs(seconds)).to_string();
    policy["rotas"] = json!([{"name": "duty", "timeZone": "UTC", "start": "2026-01-05T09:00", "shift": {"days": 366}, "members": ["alice"]}]);
    policy["overrides"] = json!([{"name": "swap", "rota": "duty", "member": "bob", "fromTime": after(8), "untilTime": after(600), "by": "alice"}]);
    policy["steps"][0]["notify"] = json!([{"rota": "duty"}]);
    stage.apply_policy("gold", policy).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    stage.acknowledge("checkout").await;
    let got = stage.page("/bob", 1).await;
    let body = got.json().unwrap();
    assert_eq!(body["data"]["kind"], "HandOver");
    assert_eq!(body["data"]["ticket"]["phase"], "Acknowledged");
    let why = body["data"]["why"].as_str().unwrap();
    assert!(
        why.contains("\"duty\"") && why.contains("Acknowledged by alice"),
        "{why}"
    );
    assert!(
        got.time >= now + SignedDuration::from_secs(8),
        "not before the change"
    );
}

//! What is wrong with a policy, a Secret or a receiver is said in clear words and disturbs no ticket beside it. What the
//! API server itself refuses (unknown fields, unknown severities, absurd durations, endless titles) stands in
//! `tests/api`; objects that cannot be decoded stand in `tests/operator.rs`.

use std::time::Duration;

use firebell::api::{ConditionStatus, TicketStatus};
use firebell::testkit::receiver::{Behaviour, Receiver, Tls};
use firebell::testkit::stage::{KEY, LIMIT, Stage};
use serde_json::{Value, json};

/// A policy of one step that only tickets naming it use; alice is reached at `path`.
fn only_named(stage: &Stage<'_>, path: &str) -> Value {
    let mut spec = stage.short_policy("10m", 1);
    spec["default"] = false.into();
    spec["contacts"][0]["reach"][0]["address"] = stage.receiver.url(path).into();
    spec
}

/// Opens a ticket on a policy that only it uses.
async fn open(stage: &Stage<'_>, name: &str, spec: Value) {
    stage.apply_policy(name, spec).await;
    open_on(stage, name).await;
}

async fn open_on(stage: &Stage<'_>, name: &str) {
    let named = json!({"policyRef": {"name": name}});
    stage.create_ticket_with(name, named).await;
}

/// Waits until a condition of a ticket is False and says all these words.
async fn says(stage: &Stage<'_>, ticket: &str, type_: &str, words: &[&str]) {
    let said = |status: &TicketStatus| {
        let mut conditions = status.conditions.iter();
        conditions.any(|known| {
            known.type_ == type_
                && known.status == ConditionStatus::False
                && words.iter().all(|word| known.message.contains(word))
        })
    };
    let what = format!("{type_} of \"{ticket}\" says {words:?}");
    stage.until(ticket, &what, said).await;
}

/// Waits until an open item of a policy says all these words.
async fn lists(stage: &Stage<'_>, policy: &str, code: &str, words: &[&str]) {
    let what = format!("policy \"{policy}\" lists {code} with {words:?}");
    let status = stage
        .until_policy(policy, &what, |status| {
            let mut items = status.open_items.iter();
            items.any(|item| {
                item.code == code && words.iter().all(|word| item.message.contains(word))
            })
        })
        .await;
    assert!(status.revision.is_some(), "an open item stops nothing");
}

/// Opens a ticket on each kind of bad surroundings.
async fn open_bad(stage: &Stage<'_>, stranger: &Receiver) {
    stage.secret("keyless", json!({"token": "t"})).await;
    stage
        .secret("odd-key", json!({"signingKey": "no key"}))
        .await;
    open_on(stage, "no-policy").await;
    let mut spec = only_named(stage, "/no-key");
    spec["connectors"][0] =
        json!({"name": "pager", "type": "Webhook", "secretRef": {"name": "keyless"}});
    spec["contacts"] = json!([{"name": "alice", "reach": [{"connector": "pager"}]}]);
    open(stage, "no-key", spec).await;
    let mut spec = only_named(stage, "/odd-key");
    spec["connectors"][0]["secretRef"]["name"] = "odd-key".into();
    open(stage, "odd-key", spec).await;
    let mut spec = only_named(stage, "/stranger");
    spec["contacts"][0]["reach"][0]["address"] = stranger.url("/stranger").into();
    open(stage, "stranger", spec).await;
    open(stage, "garbled", only_named(stage, "/garbled")).await;
}

#[tokio::test]
async fn whatever_is_wrong_is_said_in_clear_words_and_the_ticket_beside_it_is_paged_on_time() {
    let stage = Stage::running("bad").await;
    stage.apply_policy("good", stage.policy("10m")).await;
    let stranger = Receiver::start_tls(Tls::UnknownAuthority).await.unwrap();
    stage.receiver.on("/garbled", Behaviour::NonUtf8Body(400));

    open_bad(&stage, &stranger).await;
    let beside = stage.create_ticket("beside").await;

    let page = stage.page("/alice", 1).await;
    let created = beside.metadata.creation_timestamp.unwrap().0;
    let since = page.time.duration_since(created);
    assert!(
        since.as_secs() < 10,
        "the ticket beside was paged {since} after its creation"
    );
    let body = page.json().unwrap();
    assert_eq!(body["data"]["ticket"]["name"], "beside");
    let policy = ["names \"no-policy\"", "Apply that policy"];
    says(&stage, "no-policy", "PolicyResolved", &policy).await;
    lists(
        &stage,
        "no-key",
        "SecretKeyMissing",
        &["\"keyless\"", "`address`"],
    )
    .await;
    says(
        &stage,
        "no-key",
        "Delivered",
        &["contact/alice", "`address` must be set"],
    )
    .await;
    says(
        &stage,
        "odd-key",
        "Delivered",
        &["`signingKey`", "must be", "nothing is sent"],
    )
    .await;
    says(
        &stage,
        "stranger",
        "Delivered",
        &["certificate", "known CA"],
    )
    .await;
    says(&stage, "garbled", "Delivered", &["400"]).await;
    for path in ["/no-key", "/odd-key"] {
        assert_eq!(stage.receiver.pages_for(path).len(), 0, "{path}");
    }
    assert!(stranger.pages().is_empty());
}

#[tokio::test]
async fn without_its_secret_nothing_leaves_until_it_is_there() {
    let stage = Stage::running("secret").await;
    let mut spec = stage.short_policy("10m", 1);
    spec["connectors"][0]["secretRef"]["name"] = "not-there".into();
    stage.apply_policy("gold", spec).await;
    stage.create_ticket("checkout").await;
    lists(&stage, "gold", "SecretMissing", &["\"not-there\""]).await;
    assert!(stage.receiver.pages_for("/alice").is_empty());
    stage.secret("not-there", json!({"signingKey": KEY})).await;
    // Tried again by the rule of retries; where the budget has ended meanwhile, a minute later.
    let came = |ledger: &firebell::testkit::receiver::Ledger| ledger.count("/alice") > 0;
    let limit = LIMIT + Duration::from_mins(2);
    let came = stage.receiver.wait_for(came, limit).await;
    assert!(came.is_ok(), "{came:?}\n{}", stage.log());
    stage.page("/alice", 1).await;
}

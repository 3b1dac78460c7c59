//! Planted secrets are looked for in all that the operator of a whole run leaves behind, on the real API server:
//! delivery.md section 5.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firebell::api::{DeliveryRecord, DeliveryState, Phase};
use firebell::testkit::eventually;
use firebell::testkit::fragile;
use firebell::testkit::receiver::{Behaviour, Ledger};
use firebell::testkit::smtp::{MailOptions, MailServer};
use firebell::testkit::stage::{LIMIT, Stage};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

/// Every secret of this run has this word in it.
const PLANTED: &str = "pl4nted";

/// Secrets with every key that a connector may ask for, good ones and malformed ones.
async fn plant(stage: &Stage<'_>) {
    let word = |what: &str| format!("{PLANTED}-{what}");
    let url = |path: &str| {
        stage
            .receiver
            .url(&format!("{path}/{PLANTED}?key={PLANTED}"))
    };
    let signing = format!("whsec_{}", STANDARD.encode(word("signing-key")));
    for (name, values) in [
        (
            "hook",
            json!({"address": url("/hook"), "signingKey": signing, "token": word("bearer")}),
        ),
        (
            "malformed",
            json!({"address": url("/hook"), "signingKey": format!("whsec_{PLANTED}!")}),
        ),
        (
            "two-lines",
            json!({"address": url("/hook"), "token": format!("{PLANTED}\n{PLANTED}")}),
        ),
        ("no-url", json!({"address": format!("no url {PLANTED}")})),
        (
            "inner",
            json!({"address": format!("https://10.0.0.1/{PLANTED}")}),
        ),
        ("bot", json!({"token": format!("xoxb-{PLANTED}")})),
        ("slack", json!({"address": url("/services")})),
        ("teams", json!({"address": url("/workflows")})),
        ("pagerduty", json!({"routingKey": word("routing-key")})),
        (
            "mail",
            json!({"username": format!("{PLANTED}@example.com"), "password": word("password")}),
        ),
    ] {
        stage.secret(name, values).await;
    }
}

/// A policy whose one contact is reached by every way that fails and by one that works.
fn policy(stage: &Stage<'_>, mail: &MailServer) -> Value {
    let server = stage.receiver.url("/api");
    let smtp = format!("smtp://127.0.0.1:{}", mail.port());
    let mut connectors = vec![
        json!({"name": "bot", "type": "Slack", "server": server, "address": "#ops"}),
        json!({"name": "slack", "type": "Slack"}),
        json!({"name": "teams", "type": "MSTeams"}),
        json!({"name": "pagerduty", "type": "PagerDuty", "server": server}),
        json!({"name": "mail", "type": "Email", "server": smtp, "address": "alice@example.com"}),
    ];
    for name in ["hook", "malformed", "two-lines", "no-url", "inner"] {
        connectors.push(json!({"name": name, "type": "Webhook"}));
    }
    for connector in &mut connectors {
        connector["secretRef"] = json!({"name": connector["name"].clone()});
        connector["timeout"] = json!("2s");
    }
    // A contact has so many ways at most, so two share them.
    let reach = |connectors: &[Value]| -> Vec<Value> {
        let failing = connectors
            .iter()
            .map(|known| json!({"connector": known["name"]}));
        let working = json!({"connector": "phone"});
        failing.chain([working]).collect()
    };
    let (some, others) = connectors.split_at(5);
    let contacts = json!([
        {"name": "alice", "user": "alice", "reach": reach(some)},
        {"name": "bob", "reach": reach(others)},
    ]);
    connectors.push(json!({
        "name": "phone", "type": "Webhook", "address": stage.receiver.url("/phone"),
    }));
    json!({
        "default": true, "connectors": connectors, "contacts": contacts,
        "severities": [{"level": "High", "responseTarget": "15m"}],
        "steps": [{"name": "all", "notify": [{"contact": "alice"}, {"contact": "bob"}]}],
    })
}

/// All that a run leaves for others to read.
async fn left_behind(stage: &Stage<'_>) -> Vec<(&'static str, String)> {
    let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let text = |value: Value| value.to_string();
    let tickets = stage.all_tickets().await;
    vec![
        ("log", stage.log()),
        ("metrics", stage.metrics().await),
        ("Events", text(serde_json::to_value(events.items).unwrap())),
        ("tickets", text(serde_json::to_value(tickets).unwrap())),
        (
            "policy",
            text(serde_json::to_value(stage.policy_object("gold").await).unwrap()),
        ),
        (
            "revisions",
            text(serde_json::to_value(stage.revisions().await).unwrap()),
        ),
        (
            "kubectl describe",
            stage.describe("ticket", "checkout").await,
        ),
    ]
}

/// No secret stands in what a run leaves, in no form.
async fn assert_nothing_is_left_of_them(stage: &Stage<'_>) {
    let encoded = STANDARD.encode(format!("{PLANTED}-signing-key"));
    for (place, text) in left_behind(stage).await {
        assert!(text.len() > 100, "{place} was not read: {text}");
        for word in [PLANTED, &encoded, "Bearer "] {
            assert!(!text.contains(word), "{word} in {place}:\n{text}");
        }
    }
}

#[tokio::test]
async fn no_planted_secret_stands_in_log_events_status_or_metrics_of_a_whole_run() {
    let stage = Stage::running("planted").await;
    let options = MailOptions {
        login: Some(("somebody@example.com", "else")),
        ..MailOptions::default()
    };
    let mail = MailServer::start(&options).await.unwrap();
    let echo = vec![("x-echo", format!("{PLANTED}-answer"))];
    stage.receiver.otherwise(Behaviour::Status(403, echo));
    stage.receiver.on("/phone", Behaviour::Ok);
    plant(&stage).await;
    stage.apply_policy("gold", policy(&stage, &mail)).await;
    stage.create_ticket("checkout").await;
    stage
        .until_received(|ledger| ledger.count("/phone") >= 2)
        .await;
    // Before anybody answers: what has no result by then is cancelled.
    stage
        .until(
            "checkout",
            "the failed ways of each page are told, and that one reached",
            |status| {
                let told = |known: &DeliveryRecord| {
                    let message = known.message.as_deref();
                    message.is_some_and(|text| text.contains("connector"))
                };
                let reached = |known: &&DeliveryRecord| known.state == DeliveryState::Delivered;
                let paged = status
                    .deliveries
                    .iter()
                    .filter(|known| known.step.is_some());
                paged.filter(reached).filter(|known| told(known)).count() == 2
            },
        )
        .await;
    stage.acknowledge("checkout").await;
    stage
        .fact(
            "checkout",
            json!({"resolution": {"by": "alice", "cause": "c", "fix": "f"}}),
        )
        .await;
    stage.until_phase("checkout", Phase::Resolved).await;

    // They were in use: what the receiver got has them.
    let got = format!("{:?}", stage.receiver.pages());
    for used in ["bearer", "routing-key"] {
        assert!(
            got.contains(&format!("{PLANTED}-{used}")),
            "{used} was never sent"
        );
    }
    assert!(mail.connections() > 0);
    assert_nothing_is_left_of_them(&stage).await;
}

/// Makes whoever reads the Secret `hook` panic with its values in the words, or no longer.
async fn break_readers(stage: &Stage<'_>, broken: bool) {
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let patch = if broken {
        json!({"stringData": {(fragile::KEY): "yes"}})
    } else {
        json!({"data": {(fragile::KEY): null}})
    };
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    secrets.patch("hook", &params, &patch).await.unwrap();
}

/// A policy that reaches alice by a webhook whose all is secret, and if that fails by her phone.
fn fragile_policy(stage: &Stage<'_>, expectation: &str) -> Value {
    json!({
        "default": true,
        "connectors": [
            {"name": "hook", "type": "Webhook", "secretRef": {"name": "hook"}},
            {"name": "phone", "type": "Webhook", "address": stage.receiver.url("/phone")},
        ],
        "contacts": [{"name": "alice", "reach": [{"connector": "hook"}, {"connector": "phone"}]}],
        "severities": [{"level": "High", "responseTarget": "15m"}],
        "steps": [{"name": "all", "notify": [{"contact": "alice"}], "expectation": expectation}],
    })
}

#[tokio::test]
async fn a_panic_while_a_secret_is_held_tells_nobody_the_secret_and_its_lane_lives_on() {
    let stage = Stage::running("panics").await;
    plant(&stage).await;
    let hook = format!("/hook/{PLANTED}");
    stage
        .apply_policy("gold", fragile_policy(&stage, "0"))
        .await;
    stage.create_ticket("checkout").await;
    stage
        .until_received(|ledger| ledger.count(&hook) == 1)
        .await;

    break_readers(&stage, true).await;
    // A look at a policy reads its Secrets; what was read a moment ago is not read again.
    let mut number = 0;
    let stopped = eventually("a look at the policy panics", LIMIT, async || {
        number += 1;
        let policy = fragile_policy(&stage, &number.to_string());
        stage.apply_policy("gold", policy).await;
        let stopped = "a fault of the operator stopped its work on this object";
        stage.log().contains(stopped).then_some(())
    });
    assert!(stopped.await.is_ok(), "{}", stage.log());
    stage.create_ticket("second").await;
    stage
        .until_received(|ledger| ledger.count("/phone") == 1)
        .await;
    let told = |known: &DeliveryRecord| {
        let message = known.message.as_deref();
        message.is_some_and(|text| text.contains("Firebell failed while sending; see its log"))
    };
    stage
        .until("second", "the failed way is told", |status| {
            status.deliveries.iter().any(told)
        })
        .await;
    let log = stage.log();
    for word in ["a panic: a fault of Firebell", "src/testkit/fragile.rs:"] {
        assert!(log.contains(word), "{word} in {log}");
    }
    let metrics = stage.metrics().await;
    let counted = r#"firebell_reconciles_total{kind="EscalationPolicy",outcome="Panic"}"#;
    assert!(metrics.contains(counted), "{metrics}");

    // What was read while it was broken may be used a moment longer: until it is read anew, pages come by the phone.
    break_readers(&stage, false).await;
    let mut later = 0;
    let lives = eventually("the lane sends again", LIMIT, async || {
        later += 1;
        stage.create_ticket(&format!("later-{later}")).await;
        let came = |ledger: &Ledger| ledger.count(&hook) == 2 || ledger.count("/phone") > later;
        stage.until_received(came).await;
        (stage.receiver.pages_for(&hook).len() == 2).then_some(())
    });
    lives.await.unwrap();
    assert_nothing_is_left_of_them(&stage).await;
}

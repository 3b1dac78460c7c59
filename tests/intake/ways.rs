//! Each way in on the wire: what becomes a ticket, what is answered, who is let in.

use std::fmt::Write;

use firebell::api::{Severity, SignalState, Via};
use firebell::testkit::intake::Answer;
use firebell::testkit::stage::{GRAFANA, Stage, TOKEN};
use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{firing, notification, resolved};

fn results(answer: &Answer) -> Vec<String> {
    let alerts = answer.json["alerts"].as_array().unwrap().iter();
    alerts
        .map(|alert| alert["result"].as_str().unwrap().to_owned())
        .collect()
}

/// HMAC-SHA256 of the parts under a key, in hex digits.
pub fn hex(key: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    for part in parts {
        mac.update(part.as_bytes());
    }
    let mut hex = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

#[tokio::test]
async fn an_alert_of_alertmanager_becomes_a_ticket_with_all_that_is_known_of_it() {
    let stage = Stage::set("in-am").await;
    let intake = stage.intake("").await;
    let body = notification(&[firing("a")]);
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(
        (answer.status, results(&answer)),
        (202, vec!["Created".to_owned()]),
        "{answer:?}"
    );
    let ticket = stage.all_tickets().await.remove(0);
    let spec = &ticket.spec;
    assert!(ticket.metadata.name.unwrap().starts_with("diskfull-"));
    assert_eq!(spec.title, "Disk of a is full");
    assert!(
        spec.description
            .as_ref()
            .unwrap()
            .contains("Less than 1 % is free.")
    );
    assert_eq!(spec.service.as_deref(), Some("orders"));
    assert_eq!(
        spec.severity, None,
        "the source's word is a signal, no triage"
    );
    let signal = spec.signal.as_ref().unwrap();
    assert_eq!(
        (signal.state, signal.severity),
        (SignalState::Firing, Some(Severity::Critical))
    );
    let source = spec.source.as_ref().unwrap();
    assert_eq!(source.channel.as_deref(), Some("alertmanager"));
    assert_eq!(source.dedup_key.as_deref(), Some("alertmanager/f-a"));
    assert_eq!(
        source.start_time.unwrap().to_string(),
        "2026-01-05T09:00:00Z"
    );
    assert!(
        source
            .external_ref
            .as_ref()
            .unwrap()
            .contains("prometheus.example")
    );
}

#[tokio::test]
async fn without_a_token_that_is_in_force_nothing_is_taken() {
    let stage = Stage::set("in-token").await;
    let intake = stage.intake("").await;
    let body = notification(&[firing("a")]);
    for path in ["/v1/alertmanager", "/v1/grafana", "/v1/alerts"] {
        let answer = intake
            .post(path, "not-the-token-of-tests", &body)
            .await
            .unwrap();
        assert_eq!(answer.status, 401, "{path}");
        let none = intake.post_with(path, &[], body.to_string()).await.unwrap();
        assert_eq!(none.status, 401, "{path}");
    }
    let event =
        json!({"routing_key": "wrong", "event_action": "trigger", "payload": {"summary": "s"}});
    let answer = intake.post("/v2/enqueue", TOKEN, &event).await.unwrap();
    assert_eq!(answer.status, 401, "a routing key is the token of an event");
    assert!(stage.all_tickets().await.is_empty());
    let basic = [(
        "authorization",
        "Basic dXNlcjphbi1pbnRha2UtdG9rZW4tb2YtdGVzdHM=",
    )];
    let answer = intake
        .post_with("/v1/alertmanager", &basic, body.to_string())
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(!intake.log().contains(TOKEN));
}

#[tokio::test]
async fn a_token_that_is_put_into_the_secret_counts_at_once_beside_the_old_one() {
    let stage = Stage::set("in-rotate").await;
    let intake = stage.intake("").await;
    let patch = json!({"stringData": {"token": "the-new-token-of-tests", "previousToken": TOKEN}});
    let patch = patch.to_string();
    let args = [
        "-n",
        &stage.namespace,
        "patch",
        "secret",
        "intake",
        "-p",
        &patch,
    ];
    stage.plane.kubectl(args).run().await.unwrap();
    let body = json!({"key": "k", "title": "t"});
    let taken = firebell::testkit::eventually(
        "the new token counts",
        firebell::testkit::stage::LIMIT,
        async || {
            let answer = intake
                .post("/v1/alerts", "the-new-token-of-tests", &body)
                .await
                .ok()?;
            (answer.status == 202).then_some(())
        },
    );
    taken.await.unwrap();
    assert_eq!(
        intake
            .post("/v1/alerts", TOKEN, &body)
            .await
            .unwrap()
            .status,
        202
    );
}

#[tokio::test]
async fn grafana_may_sign_its_requests_instead_of_sending_a_token() {
    let stage = Stage::set("in-grafana").await;
    let intake = stage.intake("").await;
    let body = notification(&[firing("g")]).to_string();
    let name = "x-grafana-alerting-signature";
    let post = async |headers: &[(&str, &str)]| {
        let answer = intake.post_with("/v1/grafana", headers, body.clone()).await;
        answer.unwrap().status
    };
    assert_eq!(post(&[(name, &hex(GRAFANA, &[&body]))]).await, 202);
    assert_eq!(post(&[(name, &hex("another key", &[&body]))]).await, 401);
    let time_name = "x-grafana-alerting-signature-timestamp";
    let now = jiff::Timestamp::now().as_second();
    for (time, status) in [(now, 202), (now - 3600, 401)] {
        let time = time.to_string();
        let signature = hex(GRAFANA, &[&time, ":", &body]);
        assert_eq!(
            post(&[(name, &signature), (time_name, &time)]).await,
            status
        );
    }
    let ticket = stage.all_tickets().await.remove(0);
    assert_eq!(
        ticket.spec.source.unwrap().channel.as_deref(),
        Some("grafana")
    );
}

#[tokio::test]
async fn an_event_of_pagerduty_is_triggered_acknowledged_and_resolved() {
    let stage = Stage::set("in-events").await;
    let intake = stage.intake("").await;
    let event = |action: &str| {
        json!({
            "routing_key": TOKEN, "event_action": action, "dedup_key": "db/1", "client": "monitor",
            "payload": {"summary": "Replication lags", "source": "db1", "severity": "error", "component": "orders"},
        })
    };
    let send = async |action: &str| {
        intake
            .post("/v2/enqueue", "", &event(action))
            .await
            .unwrap()
    };
    let answer = send("trigger").await;
    assert_eq!(
        (
            answer.status,
            &answer.json["status"],
            &answer.json["dedup_key"]
        ),
        (202, &json!("success"), &json!("db/1"))
    );
    let ticket = async || stage.all_tickets().await.remove(0);
    let seen = ticket().await;
    assert_eq!(
        (seen.spec.title.as_str(), seen.spec.service.as_deref()),
        ("Replication lags", Some("orders"))
    );
    assert_eq!(seen.spec.signal.unwrap().severity, Some(Severity::High));

    assert_eq!(send("acknowledge").await.status, 202);
    let block = ticket().await.spec.acknowledgement.unwrap();
    assert_eq!(
        (block.by.as_str(), block.via),
        ("monitor", Some(Via::Other))
    );
    assert_eq!(send("resolve").await.status, 202);
    assert_eq!(
        ticket().await.spec.signal.unwrap().state,
        SignalState::Resolved
    );

    let broken = json!({"routing_key": TOKEN, "event_action": "trigger", "payload": {}});
    let answer = intake.post("/v2/enqueue", "", &broken).await.unwrap();
    assert_eq!(
        (answer.status, &answer.json["status"]),
        (400, &json!("invalid event"))
    );
}

#[tokio::test]
async fn the_generic_endpoint_tells_of_each_alert_what_became_of_it() {
    let stage = Stage::set("in-generic").await;
    let intake = stage.intake("").await;
    let body = json!([
        {"key": "disk", "title": "Disk full", "severity": "Critical", "service": "orders", "description": "d"},
        {"key": "odd", "title": "t", "sevrity": "High"},
        {"key": "over", "state": "Resolved"},
    ]);
    let answer = intake.post("/v1/alerts", TOKEN, &body).await.unwrap();
    assert_eq!(
        results(&answer),
        ["Created", "NotUnderstood", "NothingToEnd"]
    );
    assert_eq!(answer.status, 400);
    assert!(
        answer.json["alerts"][1]["message"]
            .as_str()
            .unwrap()
            .contains("sevrity")
    );
    assert_eq!(
        stage.all_tickets().await.len(),
        1,
        "the good one is taken all the same"
    );
    let elsewhere = json!({"key": "k", "title": "t", "namespace": "kube-system"});
    let answer = intake.post("/v1/alerts", TOKEN, &elsewhere).await.unwrap();
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("kube-system"), "{answer:?}");
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_refused_with_the_reason() {
    let stage = Stage::set("in-bodies").await;
    let intake = stage.intake("").await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let send =
        async |path: &str, text: String| intake.post_with(path, &headers, text).await.unwrap();
    for size in [1024 * 1024 + 1, 8 * 1024 * 1024] {
        let answer = send("/v1/alerts", "x".repeat(size)).await;
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    let unknown = intake.post_with("/v1/alerts", &[], "x".repeat(4 * 1024 * 1024));
    assert_eq!(
        unknown.await.unwrap().status,
        401,
        "told although the body is not wanted"
    );
    for path in [
        "/v1/alertmanager",
        "/v1/grafana",
        "/v1/alerts",
        "/v2/enqueue",
    ] {
        let answer = send(path, "{".to_owned()).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(
            answer.json["error"].as_str().unwrap().contains("must be"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn alerts_that_a_source_left_out_are_told_on_the_configuration() {
    let stage = Stage::set("in-truncated").await;
    let intake = stage.intake("").await;
    let mut body = notification(&[firing("a")]);
    body["truncatedAlerts"] = 7.into();
    assert_eq!(
        intake
            .post("/v1/alertmanager", TOKEN, &body)
            .await
            .unwrap()
            .status,
        202
    );
    stage.until_all_told("intake", &["AlertsTruncated"]).await;
    let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let told = events.list(&ListParams::default()).await.unwrap().items;
    let truncated = |event: &&Event| event.reason.as_deref() == Some("AlertsTruncated");
    let truncated = told.iter().find(truncated).unwrap();
    assert_eq!(truncated.type_.as_deref(), Some("Warning"));
    let note = truncated.note.as_deref().unwrap();
    assert!(note.contains("left 7 alerts out"), "{note}");
}

#[tokio::test]
async fn a_ticket_per_group_is_as_severe_as_its_worst_alert_and_ends_with_the_last() {
    let stage = Stage::set("in-group").await;
    let intake = stage.intake("ticketPer: Group").await;
    let mut warning = firing("b");
    warning["labels"]["severity"] = "warning".into();
    let send = async |alerts: &[Value]| {
        let answer = intake
            .post("/v1/alertmanager", TOKEN, &notification(alerts))
            .await;
        results(&answer.unwrap())
    };
    assert_eq!(send(&[warning.clone()]).await, ["Created"]);
    assert_eq!(send(&[warning, firing("a")]).await, ["Signalled"]);
    let signal = async || stage.all_tickets().await.remove(0).spec.signal.unwrap();
    assert_eq!(signal().await.severity, Some(Severity::Critical));
    assert_eq!(send(&[resolved("b"), firing("a")]).await, ["Known"]);
    assert_eq!(send(&[resolved("b"), resolved("a")]).await, ["Signalled"]);
    assert_eq!(signal().await.state, SignalState::Resolved);
    assert_eq!(stage.all_tickets().await.len(), 1);
}

#[tokio::test]
async fn what_the_intake_does_is_counted_under_closed_labels() {
    let stage = Stage::set("in-metrics").await;
    let intake = stage.intake("").await;
    intake
        .post("/v1/alertmanager", TOKEN, &notification(&[firing("a")]))
        .await
        .unwrap();
    let metrics = intake.get("/metrics").await.unwrap().text;
    for line in [
        r#"firebell_intake_alerts_total{way="Alertmanager",outcome="Created"} 1"#,
        r#"firebell_intake_requests_total{way="Alertmanager",code="202"} 1"#,
        "firebell_intake_configuration_good 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert_eq!(intake.get("/livez").await.unwrap().status, 200);
}

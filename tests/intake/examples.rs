//! What people copy for the ways in works, and the pages show the very files that were tried.

use std::fs;
use std::path::Path;

use firebell::api::Severity;
use firebell::intake::settings::Settings;
use firebell::links::Grant;
use firebell::testkit::eventually;
use firebell::testkit::stage::{LIMIT, LINK, Stage, TOKEN};
use jiff::Timestamp;
use kube::ResourceExt;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::ways::hex;
use crate::{firing, notification};

/// The text of an example.
pub fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/intake")
        .join(file);
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_pages_show_the_files_that_are_tried() {
    for (page, file) in [
        ("alerts.md", "configuration.yaml"),
        ("alerts.md", "alert.json"),
        ("alertmanager.md", "alertmanager.yaml"),
        ("grafana.md", "grafana.yaml"),
        ("pagerduty-events.md", "event.json"),
        ("pagerduty-events.md", "alertmanager-pagerduty.yaml"),
        ("answer-from-a-phone.md", "../phone/secret.yaml"),
        ("answer-from-a-phone.md", "../phone/values.yaml"),
        ("answer-from-a-phone.md", "../phone/ingress.yaml"),
    ] {
        let shown = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("docs")
                .join(page),
        )
        .unwrap();
        let text = example(file);
        // The first line of the configuration says where it belongs; the page says that in its own words.
        let text = text.strip_prefix("# What the intake makes of alerts: key \"intake.yaml\" of its ConfigMap, `intake.config` of the chart.\n").unwrap_or(&text);
        assert!(
            shown.contains(text.trim_end()),
            "docs/{page} must show examples/intake/{file} as it is"
        );
    }
}

#[tokio::test]
async fn the_configuration_and_the_bodies_that_people_copy_make_tickets() {
    let stage = Stage::set("in-examples").await;
    let text = example("configuration.yaml");
    assert!(Settings::parse(&text).is_ok());
    drop(stage.intake("").await);
    let ours = text.replace(
        "defaultNamespace: shop ",
        &format!("defaultNamespace: {} ", stage.namespace),
    );
    // A namespace that does not exist here could not be listed.
    stage
        .configure_as(&ours.replace("[payments, depot]", "[]"))
        .await;
    // One that starts now has read it.
    let intake = stage.another_intake("-examples");
    stage.intake_ready(&intake).await;
    let alert: Value = serde_json::from_str(&example("alert.json")).unwrap();
    let answer = intake.post("/v1/alerts", TOKEN, &alert).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let event = example("event.json").replace("INTAKE_TOKEN", TOKEN);
    let answer = intake.post_with("/v2/enqueue", &[], event).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let tickets = stage.all_tickets().await;
    assert_eq!(tickets.len(), 2);
    for ticket in tickets {
        assert_eq!(ticket.spec.service.as_deref(), Some("orders"));
        assert_eq!(ticket.spec.signal.unwrap().severity, Some(Severity::High));
    }
}

#[tokio::test]
async fn grafanas_contact_point_leads_to_a_path_and_a_token_that_are_taken() {
    let stage = Stage::set("in-contact").await;
    let intake = stage.intake("").await;
    let file: Value = serde_saphyr::from_str(&example("grafana.yaml")).unwrap();
    let settings = &file["contactPoints"][0]["receivers"][0]["settings"];
    let path = settings["url"]
        .as_str()
        .unwrap()
        .replace("http://firebell-intake.firebell", "");
    let credentials = settings["authorization_credentials"]
        .as_str()
        .unwrap()
        .replace("INTAKE_TOKEN", TOKEN);
    let header = format!(
        "{} {credentials}",
        settings["authorization_scheme"].as_str().unwrap()
    );
    let mut body = notification(&[firing("g")]);
    // What Grafana adds to Alertmanager's shape.
    for (field, value) in [
        ("orgId", json!(1)),
        ("state", json!("alerting")),
        ("title", json!("[FIRING:1]")),
        ("message", json!("m")),
    ] {
        body[field] = value;
    }
    body["version"] = "1".into();
    body["alerts"][0]["silenceURL"] = "http://grafana.example/silence".into();
    body["alerts"][0]["values"] = json!({"A": 97.3});
    let headers = [("authorization", header.as_str())];
    let answer = intake
        .post_with(&path, &headers, body.to_string())
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test]
async fn the_secret_and_the_ingress_that_people_copy_let_answers_in() {
    let stage = Stage::set("in-phone").await;
    let intake = stage.intake("").await;
    stage.apply(&example("../phone/ingress.yaml")).await;
    let token = "a-token-that-was-filled-in";
    let text = example("../phone/secret.yaml")
        .replace("REPLACE-BY-32-RANDOM-CHARACTERS", token)
        .replace("REPLACE-BY-64-RANDOM-CHARACTERS", LINK);
    assert!(!text.contains("REPLACE"), "{text}");
    let secret: Value = serde_saphyr::from_str(&text).unwrap();
    let key = |name: &str| secret["stringData"][name].as_str().unwrap().to_owned();
    stage
        .apply(&text.replace("name: firebell-intake", "name: intake"))
        .await;
    // By its token: one that is not known yet makes the intake read the Secret again.
    let alert: Value = serde_json::from_str(&example("alert.json")).unwrap();
    eventually("the token counts", LIMIT, async || {
        let answer = intake
            .post("/v1/alerts", &key("token"), &alert)
            .await
            .ok()?;
        (answer.status == 202).then_some(())
    })
    .await
    .unwrap();
    let ticket = stage.all_tickets().await.remove(0);
    let (name, uid) = (ticket.name_any(), ticket.uid().unwrap());
    let grant = Grant::new(&stage.namespace, &name, &uid, "alice", Timestamp::now());
    let link = grant.sign(&SecretString::from(key("linkKey"))).unwrap();
    let shown = intake.get(&format!("/a/{link}")).await.unwrap();
    assert_eq!(shown.status, 200, "{}", shown.text);
    let body = json!({"event": {"id": "1", "event_type": "pagey.ping", "data": {}}}).to_string();
    let signature = format!("v1={}", hex(&key("webhookSecret"), &[&body]));
    let headers = [("x-pagerduty-signature", signature.as_str())];
    let answer = intake.post_with("/v1/pagerduty", &headers, body).await;
    assert_eq!(answer.unwrap().status, 202);
}

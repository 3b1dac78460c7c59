//! The configuration: taken as soon as it is changed, and never one that has a fault.

use firebell::testkit::eventually;
use firebell::testkit::stage::{LIMIT, Stage, TOKEN};
use serde_json::json;

use crate::{firing, notification};

async fn title(
    stage: &Stage<'_>,
    intake: &firebell::testkit::intake::Intake,
    host: &str,
) -> String {
    let body = notification(&[firing(host)]);
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let name = answer.json["alerts"][0]["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    stage.ticket_object(&name).await.spec.title
}

#[tokio::test]
async fn a_change_takes_effect_and_one_with_a_fault_is_told_and_changes_nothing() {
    let stage = Stage::set("conf-reload").await;
    let intake = stage.intake("title: 'one {{ labels.host }}'").await;
    assert_eq!(title(&stage, &intake, "a").await, "one a");
    stage.configure("title: 'two {{ labels.host'").await;
    stage
        .until_all_told("intake", &["ConfigurationInvalid"])
        .await;
    assert_eq!(
        title(&stage, &intake, "b").await,
        "one b",
        "the last good one stays"
    );
    assert!(
        intake
            .get("/metrics")
            .await
            .unwrap()
            .text
            .contains("firebell_intake_configuration_good 0")
    );
    stage.configure("title: 'three {{ labels.host }}'").await;
    let mut number = 0;
    eventually("the new title is used", LIMIT, async || {
        number += 1;
        let host = number.to_string();
        (title(&stage, &intake, &host).await == format!("three {host}")).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_title_whose_template_fails_is_replaced_and_the_alert_is_taken() {
    let stage = Stage::set("conf-title").await;
    let intake = stage.intake("title: 'in {{ labels.region }}'").await;
    assert_eq!(title(&stage, &intake, "a").await, "Disk of a is full");
    let metrics = intake.get("/metrics").await.unwrap().text;
    assert!(
        metrics.contains("firebell_intake_template_faults_total 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn without_a_valid_configuration_it_is_not_ready_and_asks_to_be_sent_again() {
    let stage = Stage::set("conf-none").await;
    let intake = stage.intake("").await;
    stage.configure_as("defaultNamespace: [").await;
    let fresh = stage.another_intake("-fresh");
    let waits = eventually("it says what it waits for", LIMIT, async || {
        let answer = fresh.get("/readyz").await.ok()?;
        (answer.status == 503
            && answer.text.contains("configuration:")
            && !answer.text.contains("tokens:"))
        .then_some(())
    });
    waits.await.unwrap();
    let body = json!({"key": "k", "title": "t"});
    assert_eq!(
        fresh.post("/v1/alerts", TOKEN, &body).await.unwrap().status,
        503
    );
    assert_eq!(
        intake
            .post("/v1/alerts", TOKEN, &body)
            .await
            .unwrap()
            .status,
        202,
        "who had a good one goes on"
    );
}

#[tokio::test]
async fn a_label_leads_to_the_namespaces_on_the_list_and_to_no_other() {
    let stage = Stage::set("conf-label").await;
    let intake = stage.intake("namespaceLabel: team").await;
    let send = async |team: &str| {
        let mut alert = firing(team);
        alert["labels"]["team"] = team.into();
        let answer = intake
            .post("/v1/alertmanager", TOKEN, &notification(&[alert]))
            .await;
        answer.unwrap()
    };
    assert_eq!(send(&stage.namespace).await.status, 202);
    let answer = send("kube-system").await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.text.contains("\\\"kube-system\\\" is not allowed"),
        "{answer:?}"
    );
    // Allowed, but the account has no rights there: the sender has to come again, since that can be mended.
    let text = format!(
        "defaultNamespace: {}\nnamespaceLabel: team\nallowedNamespaces: [kube-system]",
        stage.namespace
    );
    stage.configure_as(&text).await;
    eventually("the list is in force", LIMIT, async || {
        let answer = send("kube-system").await;
        (answer.status == 503 && answer.text.contains("kube-system")).then_some(())
    })
    .await
    .unwrap();
}

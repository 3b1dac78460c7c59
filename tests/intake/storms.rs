//! The storm guard: what comes above the limit shares one ticket per service, and nothing is lost of it.

use firebell::api::{Severity, Ticket};
use firebell::testkit::stage::{Stage, TOKEN};
use serde_json::Value;

use crate::{firing, notification};

fn aggregates(tickets: &[Ticket]) -> Vec<&Ticket> {
    let storms = tickets.iter();
    storms
        .filter(|ticket| ticket.metadata.name.as_ref().unwrap().starts_with("storm-"))
        .collect()
}

#[tokio::test]
async fn alerts_above_the_limit_share_one_ticket_that_lists_them() {
    let stage = Stage::set("storm-guard").await;
    let intake = stage.intake("newTicketsPerMinute: 3").await;
    let mut alerts: Vec<Value> = (0..10).map(|host| firing(&host.to_string())).collect();
    for alert in &mut alerts {
        alert["labels"]["severity"] = "warning".into();
    }
    let body = notification(&alerts);
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let told = answer.json["alerts"].as_array().unwrap();
    let swallowed: Vec<&Value> = told
        .iter()
        .filter(|one| one["result"] == "Swallowed")
        .collect();
    assert_eq!(swallowed.len(), 7);
    let tickets = stage.all_tickets().await;
    assert_eq!(
        tickets.len(),
        4,
        "three of their own and one for all others"
    );
    let aggregate = aggregates(&tickets)[0];
    let name = aggregate.metadata.name.clone().unwrap();
    assert!(swallowed.iter().all(|one| one["ticket"] == name.as_str()));
    assert_eq!(aggregate.spec.service.as_deref(), Some("orders"));
    let text = aggregate.spec.description.as_ref().unwrap();
    assert_eq!(text.matches("- Disk of ").count(), 7, "{text}");
    stage.until_all_told(&name, &["AlertsSwallowed"]).await;

    // A worse one raises the shared ticket, a milder one does not lower it.
    for (host, severity) in [("worse", "critical"), ("milder", "info")] {
        let mut alert = firing(host);
        alert["labels"]["severity"] = severity.into();
        let body = notification(&[alert]);
        let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
        assert_eq!(answer.json["alerts"][0]["result"], "Swallowed");
        let tickets = stage.all_tickets().await;
        let signal = aggregates(&tickets)[0].spec.signal.clone().unwrap();
        assert_eq!(signal.severity, Some(Severity::Critical), "{host}");
    }
    let metrics = intake.get("/metrics").await.unwrap().text;
    assert!(
        metrics.contains(r#"firebell_intake_swallowed_total{way="Alertmanager"} 9"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_swallowed_alert_that_is_sent_again_below_the_limit_gets_its_ticket() {
    let stage = Stage::set("storm-again").await;
    let intake = stage.intake("newTicketsPerMinute: 1").await;
    let send = async |host: &str| {
        let answer = intake
            .post("/v1/alertmanager", TOKEN, &notification(&[firing(host)]))
            .await;
        answer.unwrap().json["alerts"][0]["result"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(send("a").await, "Created");
    assert_eq!(send("b").await, "Swallowed");
    assert_eq!(
        send("a").await,
        "Known",
        "what has a ticket is not held back"
    );
    stage.configure("newTicketsPerMinute: 50").await;
    let taken = firebell::testkit::eventually(
        "the new limit counts",
        firebell::testkit::stage::LIMIT,
        async || (send("b").await == "Created").then_some(()),
    );
    taken.await.unwrap();
}

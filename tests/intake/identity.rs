//! One ticket per alert: resends, ends, re-fires, closed and archived tickets, what people did.

use firebell::api::{Phase, Severity, SignalState};
use firebell::testkit::audit::AuditEvent;
use firebell::testkit::intake::Intake;
use firebell::testkit::stage::{LIMIT, Stage, TOKEN};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{alert, firing, notification, resolved};

async fn send(stage: &Stage<'_>, intake: &Intake, alert: &Value) -> String {
    let body = notification(std::slice::from_ref(alert));
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(
        answer.status,
        202,
        "{answer:?} in {}\n{}",
        stage.namespace,
        intake.log()
    );
    answer.json["alerts"][0]["result"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// An operator with a policy, an intake, and the ticket of a first alert.
async fn with_a_ticket(prefix: &str, policy: Value, flags: &[&str]) -> Opened {
    let mut stage = Stage::set(prefix).await;
    stage.flags = flags.iter().map(ToString::to_string).collect();
    let mut spec = stage.short_policy("10m", 1);
    for (field, value) in policy.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    stage.apply_policy("gold", spec).await;
    let intake = stage.intake("").await;
    stage.start().await;
    send(&stage, &intake, &firing("a")).await;
    let name = stage.all_tickets().await[0].name_any();
    Opened {
        stage,
        intake,
        name,
    }
}

struct Opened {
    stage: Stage<'static>,
    intake: Intake,
    /// Of the ticket.
    name: String,
}

fn completed() -> Value {
    json!({"resolution": {"by": "alice"}, "closure": {"by": "alice", "reason": "Completed"}})
}

/// Waits until the intake has written tickets so often; how often it has.
async fn written(stage: &Stage<'_>, count: usize) -> usize {
    let user = stage.intake_user();
    let ours =
        |event: &AuditEvent| event.user == user && event.is_write() && event.resource == "tickets";
    let enough = |events: &[AuditEvent]| events.len() >= count;
    let written = stage.plane.wait_for_audit(ours, enough, LIMIT).await;
    written.unwrap().len()
}

#[tokio::test]
async fn a_resend_of_what_is_known_makes_no_write() {
    let stage = Stage::set("id-resend").await;
    let intake = stage.intake("").await;
    let alerts: Vec<Value> = (0..20).map(|host| firing(&host.to_string())).collect();
    let body = notification(&alerts);
    intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(written(&stage, 20).await, 20);
    for _ in 0..3 {
        let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
        assert!(
            answer.json["alerts"]
                .as_array()
                .unwrap()
                .iter()
                .all(|one| one["result"] == "Known")
        );
    }
    // What comes afterwards is in the log, so all before it is.
    send(&stage, &intake, &firing("last")).await;
    assert_eq!(written(&stage, 21).await, 21);
}

#[tokio::test]
async fn the_same_alert_from_many_sides_at_once_is_one_ticket() {
    let stage = Stage::set("id-race").await;
    let intake = stage.intake("").await;
    let other = stage.another_intake("-b");
    stage.intake_ready(&other).await;
    let body = notification(&[firing("a"), firing("a")]);
    let posts = (0..20).map(|number| {
        let intake = if number % 2 == 0 { &intake } else { &other };
        intake.post("/v1/alertmanager", TOKEN, &body)
    });
    for answer in futures::future::join_all(posts).await {
        assert_eq!(answer.unwrap().status, 202);
    }
    assert_eq!(stage.all_tickets().await.len(), 1);
}

#[tokio::test]
async fn alerts_of_one_summary_are_as_many_tickets_as_they_have_fingerprints() {
    let stage = Stage::set("id-summary").await;
    let intake = stage.intake("").await;
    let mut second = firing("b");
    second["annotations"]["summary"] = "Disk of a is full".into();
    send(&stage, &intake, &firing("a")).await;
    assert_eq!(send(&stage, &intake, &second).await, "Created");
    assert_eq!(stage.all_tickets().await.len(), 2);
}

#[tokio::test]
async fn a_refire_reopens_the_ticket_and_what_people_judged_stays() {
    let signal = json!({"signal": {"onResolved": "Resolve", "resolveAfter": "1s"}});
    let Opened {
        stage,
        intake,
        name,
    } = with_a_ticket("id-refire", signal, &[]).await;
    stage.page("/alice", 1).await;
    stage
        .fact(&name, json!({"severity": "Low", "triage": {"by": "alice"}}))
        .await;
    assert_eq!(send(&stage, &intake, &firing("a")).await, "Known");
    assert_eq!(send(&stage, &intake, &resolved("a")).await, "Signalled");
    stage.until_phase(&name, Phase::Resolved).await;
    let again = alert("firing", "a", "2026-01-05T11:00:00Z");
    assert_eq!(send(&stage, &intake, &again).await, "Signalled");
    let status = stage
        .until(&name, "it is reopened", |status| {
            status.reopen_count == Some(1)
        })
        .await;
    assert_eq!(
        status.severity,
        Some(Severity::Low),
        "a person's triage stands"
    );
    assert_eq!(stage.all_tickets().await.len(), 1);
}

#[tokio::test]
async fn a_closed_ticket_stays_closed_and_its_alert_gets_a_new_one_when_it_comes_back() {
    let Opened {
        stage,
        intake,
        name: first,
    } = with_a_ticket("id-closed", json!({}), &[]).await;
    stage.fact(&first, completed()).await;
    stage.until_phase(&first, Phase::Closed).await;
    assert_eq!(
        send(&stage, &intake, &firing("a")).await,
        "Known",
        "it began before the closing: a resend"
    );
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let again = alert("firing", "a", &later.to_string());
    assert_eq!(send(&stage, &intake, &again).await, "Created");
    assert_eq!(send(&stage, &intake, &again).await, "Known");
    let ends = alert("resolved", "a", &later.to_string());
    assert_eq!(send(&stage, &intake, &ends).await, "Signalled");
    let tickets = stage.all_tickets().await;
    assert_eq!(tickets.len(), 2);
    let says = |name: &str| {
        let ticket = tickets
            .iter()
            .find(|ticket| ticket.name_any() == name)
            .unwrap();
        ticket.spec.signal.as_ref().unwrap().state
    };
    let second = tickets
        .iter()
        .map(ResourceExt::name_any)
        .find(|name| *name != first)
        .unwrap();
    assert_eq!(
        (says(&first), says(&second)),
        (SignalState::Firing, SignalState::Resolved)
    );
}

#[tokio::test]
async fn an_end_for_an_archived_ticket_is_taken_without_a_write() {
    let Opened {
        stage,
        intake,
        name,
    } = with_a_ticket("id-archived", json!({}), &["--archive-after", "0s"]).await;
    stage.fact(&name, completed()).await;
    stage
        .until(&name, "it is archived", |status| status.archived)
        .await;
    assert_eq!(send(&stage, &intake, &resolved("a")).await, "Known");
    let later = alert("firing", "a", "2099-01-05T11:00:00Z");
    assert_eq!(send(&stage, &intake, &later).await, "Created");
}

#[tokio::test]
async fn an_alert_whose_first_ticket_was_deleted_goes_on_with_the_one_it_has() {
    let Opened {
        stage,
        intake,
        name: first,
    } = with_a_ticket("id-deleted", json!({}), &[]).await;
    let cancelled = json!({"closure": {"by": "alice", "reason": "Cancelled"}});
    stage.fact(&first, cancelled).await;
    stage.until_phase(&first, Phase::Closed).await;
    let later = alert("firing", "a", "2099-01-05T11:00:00Z");
    assert_eq!(send(&stage, &intake, &later).await, "Created");
    stage
        .tickets()
        .delete(&first, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    // A fresh process knows only what the API server shows.
    let fresh = stage.another_intake("-fresh");
    stage.intake_ready(&fresh).await;
    assert_eq!(send(&stage, &fresh, &later).await, "Known");
    assert_eq!(stage.all_tickets().await.len(), 1);
}

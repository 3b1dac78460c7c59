//! What goes wrong between the intake and the API server: a write that collides with a person's is decided anew before
//! the answer, and a lost call is asked for again by the sender, without a second ticket.

use firebell::api::{Severity, SignalState};
use firebell::testkit::intake::Intake;
use firebell::testkit::proxy::{Aim, Fault, Proxy, Verb, WatchFault, Which};
use firebell::testkit::stage::{LIMIT, Stage, TOKEN};
use serde_json::json;

use crate::{alert, firing, notification, resolved};

/// An intake that finds its API server behind a proxy.
async fn behind_a_proxy(stage: &Stage<'_>, more: &str) -> (Proxy, Intake) {
    // Its Secret, its configuration and its rights.
    drop(stage.intake(more).await);
    let user = stage.plane.user(&stage.intake_user(), &[]).unwrap();
    let proxy = Proxy::start(user).await.unwrap();
    let file = format!("proxy-{}.yaml", stage.namespace);
    let kubeconfig = stage.plane.folder().join(file);
    proxy.write_kubeconfig(&kubeconfig).unwrap();
    let intake = stage.intake_by(kubeconfig, "-proxy");
    stage.intake_ready(&intake).await;
    (proxy, intake)
}

#[tokio::test]
async fn a_signal_that_collides_with_a_persons_change_is_decided_anew_before_the_answer() {
    let stage = Stage::set("collide").await;
    let (proxy, intake) = behind_a_proxy(&stage, "").await;
    let send = async |body| intake.post("/v1/alertmanager", TOKEN, body).await.unwrap();
    let begins = notification(&[firing("a")]);
    let created = send(&begins).await;
    let name = created.json["alerts"][0]["ticket"].as_str().unwrap();
    // The patch is decided on a version that is no longer the newest when it arrives.
    let first = Aim::at(Verb::Patch, "tickets");
    let laid = proxy.lay(first, Which::Nth(1), Fault::UntilLifted);
    let over = notification(&[resolved("a")]);
    let person = async {
        proxy.until_hit(laid, LIMIT).await.unwrap();
        let judged = json!({"severity": "Low", "triage": {"by": "alice"}});
        stage.fact(name, judged).await;
        proxy.lift(laid);
    };
    let (answer, ()) = tokio::join!(send(&over), person);
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json["alerts"][0]["result"], "Signalled");
    let calls = proxy.calls().into_iter();
    let patches = calls.filter(|seen| seen.call.verb == Verb::Patch && seen.call.name == name);
    let answers: Vec<_> = patches.filter_map(|seen| seen.answer).collect();
    assert_eq!(answers, [409, 200], "refused once, and tried again");
    let spec = stage.ticket_object(name).await.spec;
    assert_eq!(spec.signal.unwrap().state, SignalState::Resolved);
    assert_eq!(spec.severity, Some(Severity::Low), "a person's word stands");
}

#[tokio::test]
async fn a_call_that_is_lost_is_answered_503_and_the_resend_makes_no_second_ticket() {
    let stage = Stage::set("lost").await;
    let (proxy, intake) = behind_a_proxy(&stage, "").await;
    let mut tickets = 0;
    for fault in [Fault::LostRequest, Fault::LostAnswer, Fault::TornAnswer] {
        tickets += 1;
        let host = tickets.to_string();
        let again = alert("firing", &host, "2026-01-05T11:00:00Z");
        for (verb, body) in [
            (Verb::Create, firing(&host)),
            (Verb::Patch, resolved(&host)),
            (Verb::Get, again),
        ] {
            let every = proxy.lay(Aim::at(verb, "tickets"), Which::Every, fault.clone());
            let body = notification(&[body]);
            let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
            assert_eq!(answer.status, 503, "{fault:?} {verb:?}: {answer:?}");
            assert!(proxy.hits(every) > 0);
            proxy.lift(every);
            let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
            assert_eq!(answer.status, 202, "{fault:?} {verb:?}: {answer:?}");
            assert_eq!(stage.all_tickets().await.len(), tickets);
        }
    }
    let signals = stage.all_tickets().await.into_iter();
    let mut signals = signals.map(|ticket| ticket.spec.signal.unwrap().state);
    assert!(signals.all(|state| state == SignalState::Firing));
}

/// Sends one firing alert; what became of it.
async fn fires(intake: &Intake, host: &str) -> String {
    let body = notification(&[firing(host)]);
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    let result = answer.json["alerts"][0]["result"].as_str();
    result.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test]
async fn a_creation_that_is_refused_and_tried_again_takes_one_of_the_limit_not_two() {
    let stage = Stage::set("quota").await;
    let (proxy, intake) = behind_a_proxy(&stage, "newTicketsPerMinute: 2").await;
    let refused = Fault::Refused {
        status: 409,
        retry_after: None,
    };
    let quota = proxy.lay(Aim::at(Verb::Create, "tickets"), Which::Nth(1), refused);
    assert_eq!(fires(&intake, "a").await, "Created");
    assert_eq!(proxy.hits(quota), 1);
    assert_eq!(fires(&intake, "b").await, "Created");
    assert_eq!(fires(&intake, "c").await, "Swallowed");
}

#[tokio::test]
async fn an_alert_that_has_a_ticket_by_another_replica_is_not_swallowed_above_the_limit() {
    let stage = Stage::set("replicas").await;
    let (proxy, behind) = behind_a_proxy(&stage, "newTicketsPerMinute: 1").await;
    let other = stage.another_intake("-other");
    stage.intake_ready(&other).await;
    assert_eq!(fires(&behind, "a").await, "Created");
    proxy.watches("tickets", WatchFault::Frozen);
    assert_eq!(fires(&other, "b").await, "Created");
    assert_eq!(fires(&behind, "b").await, "Known");
    assert_eq!(stage.all_tickets().await.len(), 2);
}

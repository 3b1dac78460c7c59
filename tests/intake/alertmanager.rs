//! Against a real Alertmanager, with the configurations that people copy: alerts are fired and ended by amtool, two
//! Alertmanagers send the same one, one is killed, the intake is killed. One ticket per alert, always.

use firebell::api::{Severity, SignalState, Ticket};
use firebell::testkit::alertmanager::Alertmanager;
use firebell::testkit::eventually;
use firebell::testkit::intake::Intake;
use firebell::testkit::stage::{LIMIT, Stage, TOKEN};

use crate::examples::example;

/// The example, pointed at this intake, with its times shortened.
fn configuration(file: &str, intake: &Intake) -> String {
    let mut text = example(file);
    for (from, to) in [
        ("http://firebell-intake.firebell", intake.url("").as_str()),
        ("INTAKE_TOKEN", TOKEN),
        ("group_wait: 30s", "group_wait: 100ms"),
        ("group_interval: 5m", "group_interval: 1s"),
        ("repeat_interval: 4h", "repeat_interval: 1s"),
    ] {
        assert!(text.contains(from), "{file} has no {from}");
        text = text.replace(from, to);
    }
    text
}

async fn alertmanager(stage: &Stage<'_>, name: &str, text: &str) -> Alertmanager {
    let folder = stage
        .plane
        .folder()
        .join(format!("{}-{name}", stage.namespace));
    let manager = Alertmanager::spawn(folder, text).unwrap();
    let ready = manager.ready(LIMIT).await;
    assert!(ready.is_ok(), "{ready:?}\n{}", manager.log());
    manager
}

const LABELS: [&str; 4] = [
    "alertname=DiskFull",
    "host=a",
    "service=orders",
    "severity=critical",
];
const WORDS: [&str; 1] = ["summary=Disk of a is full"];

async fn fire(manager: &Alertmanager) {
    manager.tell(&LABELS, &WORDS, true).await.unwrap();
}

async fn end(manager: &Alertmanager) {
    manager.tell(&LABELS, &WORDS, false).await.unwrap();
}

/// Waits until there is one ticket whose signal says so.
async fn until(stage: &Stage<'_>, wanted: SignalState, managers: &[&Alertmanager]) -> Ticket {
    let seen = eventually("the ticket says what the source says", LIMIT, async || {
        let mut tickets = stage.all_tickets().await;
        assert!(tickets.len() < 2, "one alert, one ticket: {tickets:#?}");
        let ticket = tickets.pop()?;
        (ticket.spec.signal.as_ref()?.state == wanted).then_some(ticket)
    });
    let logs: Vec<String> = managers.iter().map(|manager| manager.log()).collect();
    seen.await
        .unwrap_or_else(|error| panic!("{error}\n{logs:#?}"))
}

/// Waits until the intake has answered so many requests with 202.
async fn until_taken(intake: &Intake, way: &str, count: usize) {
    let name = format!("firebell_intake_requests_total{{way=\"{way}\",code=\"202\"}} ");
    eventually("so many messages are taken", LIMIT, async || {
        let metrics = intake.get("/metrics").await.ok()?.text;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name))?;
        (line.parse::<usize>().ok()? >= count).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_alert_fired_and_ended_at_alertmanager_is_one_ticket_that_says_so() {
    let stage = Stage::set("am-hook").await;
    let intake = stage.intake("").await;
    let text = configuration("alertmanager.yaml", &intake);
    let manager = alertmanager(&stage, "am", &text).await;
    fire(&manager).await;
    let ticket = until(&stage, SignalState::Firing, &[&manager]).await;
    assert_eq!(ticket.spec.title, "Disk of a is full");
    assert_eq!(ticket.spec.service.as_deref(), Some("orders"));
    let version = ticket.metadata.resource_version;
    // Alertmanager repeats itself; nothing is written for that.
    until_taken(&intake, "Alertmanager", 3).await;
    let again = until(&stage, SignalState::Firing, &[&manager]).await;
    assert_eq!(again.metadata.resource_version, version);
    end(&manager).await;
    until(&stage, SignalState::Resolved, &[&manager]).await;
    fire(&manager).await;
    until(&stage, SignalState::Firing, &[&manager]).await;
}

#[tokio::test]
async fn alertmanagers_pagerduty_receiver_pointed_at_the_intake_works_as_it_is() {
    let stage = Stage::set("am-pd").await;
    let intake = stage.intake("").await;
    let text = configuration("alertmanager-pagerduty.yaml", &intake);
    let manager = alertmanager(&stage, "am", &text).await;
    fire(&manager).await;
    let ticket = until(&stage, SignalState::Firing, &[&manager]).await;
    assert_eq!(ticket.spec.service.as_deref(), Some("orders"));
    assert_eq!(
        ticket.spec.signal.unwrap().severity,
        Some(Severity::Critical)
    );
    end(&manager).await;
    until(&stage, SignalState::Resolved, &[&manager]).await;
}

#[tokio::test]
async fn two_alertmanagers_that_send_the_same_alert_make_one_ticket() {
    let stage = Stage::set("am-pair").await;
    let intake = stage.intake("").await;
    let text = configuration("alertmanager.yaml", &intake);
    let (first, second) = (
        alertmanager(&stage, "a", &text).await,
        alertmanager(&stage, "b", &text).await,
    );
    tokio::join!(fire(&first), fire(&second));
    until_taken(&intake, "Alertmanager", 4).await;
    until(&stage, SignalState::Firing, &[&first, &second]).await;
    tokio::join!(end(&first), end(&second));
    until(&stage, SignalState::Resolved, &[&first, &second]).await;
}

#[tokio::test]
async fn whatever_is_killed_one_alert_stays_one_ticket() {
    let stage = Stage::set("am-kill").await;
    let mut intake = stage.intake("").await;
    let text = configuration("alertmanager.yaml", &intake);
    let mut manager = alertmanager(&stage, "am", &text).await;
    // The intake is away when the alert fires: Alertmanager comes again.
    intake.kill();
    fire(&manager).await;
    intake.restart().unwrap();
    until(&stage, SignalState::Firing, &[&manager]).await;
    manager.restart().unwrap();
    manager.ready(LIMIT).await.unwrap();
    fire(&manager).await;
    until_taken(&intake, "Alertmanager", 2).await;
    // Killed while a message may be on its way.
    intake.restart().unwrap();
    until_taken(&intake, "Alertmanager", 1).await;
    end(&manager).await;
    until(&stage, SignalState::Resolved, &[&manager]).await;
}

//! Whatever dies meanwhile: 202 means that it is stored, everything else means that it has to come again, and nothing
//! that comes again becomes a second ticket.

use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::eventually;
use firebell::testkit::intake::Intake;
use firebell::testkit::stage::{LIMIT, Stage, TOKEN};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{firing, notification};

#[tokio::test]
async fn killed_between_accept_and_answer_it_leaves_one_ticket_per_alert_once_all_was_sent_again() {
    let stage = Stage::set("fault-kill").await;
    let mut intake = stage.intake("newTicketsPerMinute: 5000").await;
    let alerts: Vec<Value> = (0..60).map(|host| firing(&host.to_string())).collect();
    let body = notification(&alerts);
    // Killed as soon as the first, then the 20th, then the 40th ticket is stored, while the others are on their way.
    for stored in [1, 20, 40] {
        let kill = async {
            let what = "so many tickets are stored";
            let seen = eventually(what, LIMIT, async || {
                (stage.all_tickets().await.len() >= stored).then_some(())
            });
            seen.await
        };
        let post = intake.post("/v1/alertmanager", TOKEN, &body);
        tokio::select! {
            _ = post => {}
            seen = kill => seen.unwrap(),
        }
        intake.restart().unwrap();
        stage.intake_ready(&intake).await;
    }
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(stage.all_tickets().await.len(), 60);
}

#[tokio::test]
async fn while_the_api_server_is_away_the_answer_is_503_and_afterwards_one_ticket() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let stage = Stage::on(&plane, "fault-away").await;
    stage.install(firebell::api::crds()).await;
    let intake = stage.intake("").await;
    let body = notification(&[firing("a")]);
    plane.kill_apiserver().unwrap();
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.unwrap();
    assert_eq!(
        (answer.status, answer.json["alerts"][0]["result"].as_str()),
        (503, Some("Failed")),
        "{answer:?}"
    );
    plane.start_apiserver().await.unwrap();
    eventually("it is taken", LIMIT, async || {
        let answer = intake.post("/v1/alertmanager", TOKEN, &body).await.ok()?;
        (answer.status == 202).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(stage.all_tickets().await.len(), 1);
}

#[tokio::test]
async fn a_connection_that_sends_no_head_is_closed_and_keeps_nobody_out() {
    let stage = Stage::set("fault-slow").await;
    let intake = stage.intake("").await;
    let address = intake.url("").replace("http://", "");
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"POST /v1/alerts HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let answer = intake
        .post("/v1/alertmanager", TOKEN, &notification(&[firing("a")]))
        .await;
    assert_eq!(answer.unwrap().status, 202);
    let mut left = Vec::new();
    let ended = tokio::time::timeout(LIMIT, slow.read_to_end(&mut left)).await;
    assert!(ended.is_ok(), "the connection must be closed");
}

const CONTINUE: &[u8; 25] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request whose head was read, and whose body is half sent.
async fn half_sent(intake: &Intake, body: &str) -> TcpStream {
    let address = intake.url("").replace("http://", "");
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /v1/alertmanager HTTP/1.1\r\nhost: intake\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // It says so once it wants the body.
    let mut wanted = [0; CONTINUE.len()];
    let read = tokio::time::timeout(LIMIT, connection.read_exact(&mut wanted)).await;
    read.expect("the body is wanted").unwrap();
    assert_eq!(&wanted, CONTINUE);
    let half = &body[..body.len() / 2];
    connection.write_all(half.as_bytes()).await.unwrap();
    connection
}

#[tokio::test]
async fn asked_to_stop_it_is_not_ready_first_and_answers_what_is_under_way() {
    let stage = Stage::set("fault-stop").await;
    let mut intake = stage.intake("").await;
    let body = notification(&[firing("a")]).to_string();
    let mut connection = half_sent(&intake, &body).await;
    intake.terminate().unwrap();
    eventually("it is no longer ready", LIMIT, async || {
        let answer = intake.get("/readyz").await.ok()?;
        (answer.status == 503 && answer.text.contains("end: the intake is stopping")).then_some(())
    })
    .await
    .unwrap();
    let rest = &body[body.len() / 2..];
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = connection.read_to_string(&mut answer);
    let read = tokio::time::timeout(LIMIT, read).await;
    read.expect("the connection ends").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 202 ") && answer.contains("\"Created\""),
        "{answer}"
    );
    assert_eq!(intake.ended(LIMIT).await.unwrap(), Some(0));
    assert_eq!(stage.all_tickets().await.len(), 1);
}

#[tokio::test]
async fn asked_to_stop_it_waits_for_no_body_longer_than_ever() {
    let stage = Stage::set("fault-stop-slow").await;
    let mut intake = stage.intake("").await;
    let body = notification(&[firing("a")]).to_string();
    let mut connection = half_sent(&intake, &body).await;
    intake.terminate().unwrap();
    assert_eq!(intake.ended(LIMIT).await.unwrap(), Some(0));
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

//! A contact's failed way falls to the next one, whatever the two are; and what an acknowledgement stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firebell::api::ConnectorType;
use firebell::domain::telling::delivery::{Delivery, Progress, Standing, Way};
use firebell::outbox::Outbox;
use firebell::testkit::deliveries::outbox;
use firebell::testkit::eventually;
use firebell::testkit::receiver::{Behaviour, Receiver};
use firebell::testkit::smtp::{MailOptions, MailServer};

use crate::world::{Here, connectors, page, way, webhook};

const LIMIT: Duration = Duration::from_secs(30);

/// Waits for the result of a page.
async fn result(outbox: &Outbox, page: &Delivery) -> Progress {
    let ended = eventually("the page has its result", LIMIT, async || {
        let progress = outbox.view(&page.ticket.uid).remove(&page.id)?;
        progress.ended().map(|_| progress)
    });
    ended.await.unwrap()
}

/// A way of each type that this receiver refuses.
fn refused(receiver: &Receiver, mail: &MailServer) -> Vec<Way> {
    let mut slack = way("slack", ConnectorType::Slack);
    slack.connector.server = Some(receiver.url("/api"));
    slack.connector.address = Some("#ops".into());
    let mut pagerduty = way("pagerduty", ConnectorType::PagerDuty);
    pagerduty.connector.server = Some(receiver.url("/events"));
    let mut email = way("email", ConnectorType::Email);
    email.connector.server = Some(format!("smtp://127.0.0.1:{}", mail.port()));
    email.connector.address = Some("alice@example.com".into());
    // Its Secret has no `address`.
    let teams = way("teams", ConnectorType::MSTeams);
    vec![slack, teams, pagerduty, email]
}

#[tokio::test]
async fn a_way_that_is_refused_falls_to_the_next_of_another_type_under_the_same_id() {
    let receiver = Receiver::start().await.unwrap();
    receiver.otherwise(Behaviour::Status(403, Vec::new()));
    receiver.on("/phone", Behaviour::Ok);
    let options = MailOptions {
        answers: &[("RCPT", "550 no such user")],
        ..MailOptions::default()
    };
    let mail = MailServer::start(&options).await.unwrap();
    let outbox = outbox(connectors(&["127.0.0.0/8"], None, Arc::new(Here)));
    let mut ways = refused(&receiver, &mail);
    ways.push(webhook("phone", &receiver.url("/phone")));
    let page = page("t", ways);
    outbox.hand_over(vec![page.clone()]);
    let Progress::Delivered {
        attempts: 5,
        message,
        ..
    } = result(&outbox, &page).await
    else {
        panic!("the phone rings")
    };
    for name in ["slack", "teams", "pagerduty", "email"] {
        assert!(
            message.contains(&format!("connector \"{name}\": ")),
            "{message}"
        );
    }
    let rung = receiver.pages_for("/phone");
    assert_eq!(rung.len(), 1);
    assert_eq!(rung[0].id(), page.id.as_str());
}

#[tokio::test]
async fn an_acknowledgement_stops_what_waits_to_be_tried_again_within_a_second() {
    let receiver = Receiver::start().await.unwrap();
    receiver.otherwise(Behaviour::Status(503, Vec::new()));
    let outbox = outbox(connectors(&["127.0.0.0/8"], None, Arc::new(Here)));
    let page = page("t", vec![webhook("hook", &receiver.url("/hook"))]);
    outbox.hand_over(vec![page.clone()]);
    receiver
        .wait_for(|ledger| ledger.count("/hook") == 2, LIMIT)
        .await
        .unwrap();
    let standing = Standing {
        acknowledged: true,
        resolved: false,
        closed: false,
        held: false,
    };
    let began = Instant::now();
    outbox.standing("t", standing);
    assert!(matches!(
        result(&outbox, &page).await,
        Progress::Cancelled { .. }
    ));
    assert!(began.elapsed() < Duration::from_secs(1));
}

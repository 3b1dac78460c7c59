use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use rstest::rstest;
use tokio::net::TcpListener;

use super::*;
use crate::api::{Audience, Connector, ConnectorType, SecretRef, Severity};
use crate::clock::WallClock;
use crate::connectors::http::HttpOptions;
use crate::connectors::{Attempt, Connectors, Sender};
use crate::domain::delivery::{
    Message, MessageData, MessageNext, MessageRecipient, MessageTicket, Said, Target, TicketKey,
    ValidWhile,
};

const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LIMIT: Duration = Duration::from_secs(5);

struct Fixed(Result<Vec<(&'static str, &'static str)>, SecretError>);

#[async_trait::async_trait]
impl SecretSource for Fixed {
    async fn get(&self, _: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        let pairs = self.0.clone()?;
        let data = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        Ok(Arc::new(SecretValues::new(name, data)))
    }
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that answers all with `status`; gives its URL and what it received.
async fn receiver(status: u16, answer: [(&'static str, &'static str); 1]) -> (String, Received) {
    let received = Received::default();
    let take = move |State(received): State<Received>, headers: HeaderMap, body: Bytes| async move {
        let echoed = format!("{headers:?}");
        received.lock().unwrap().push((headers, body));
        (StatusCode::from_u16(status).unwrap(), answer, echoed)
    };
    let router = Router::new()
        .route("/hook", post(take))
        .with_state(received.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

fn http() -> HttpClient {
    let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    HttpClient::new(&HttpOptions {
        allowed_networks,
        extra_ca_pem: None,
    })
    .unwrap()
}

fn way(address: Option<&str>, secret: bool) -> Way {
    Way {
        namespace: "team".into(),
        connector: Connector {
            name: "room".into(),
            address: address.map(str::to_owned),
            secret_ref: secret.then(|| SecretRef {
                name: "room-keys".into(),
            }),
            ..Connector::default()
        },
    }
}

fn delivery() -> Delivery {
    let target = Target::Contact("alice".into());
    let id = DeliveryId::of("u-1", 1, "on-call", "0", &target);
    let ticket = TicketKey {
        namespace: "shop".into(),
        name: "checkout".into(),
        uid: "u-1".into(),
    };
    let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    Delivery {
        message: Message {
            kind: "firebell.page.v1".into(),
            timestamp: time,
            data: MessageData {
                id: id.to_string(),
                kind: "Page".into(),
                ticket: MessageTicket {
                    namespace: "shop".into(),
                    name: "checkout".into(),
                    uid: "u-1".into(),
                    title: "Checkout returns 5xx".into(),
                    severity: Severity::High,
                    phase: "Submitted".into(),
                    service: Some("checkout".into()),
                    assignee: None,
                },
                round: 1,
                step: Some("on-call".into()),
                repeat: Some(0),
                to: MessageRecipient {
                    name: "alice".into(),
                },
                why: "Nobody acknowledged".into(),
                next: Some(MessageNext {
                    what: "manager".into(),
                    time: Some(time),
                }),
                links: BTreeMap::from([("runbook".into(), "https://wiki.example/checkout".into())]),
                said: Said::default(),
            },
        },
        id,
        ticket,
        target,
        ways: Vec::new(),
        valid_while: ValidWhile::NotAcknowledged,
        due: time,
        retry_until: None,
        severity: Severity::High,
    }
}

#[tokio::test]
async fn the_body_is_the_message_and_the_reference_verifier_accepts_its_signature() {
    let (url, received) = receiver(204, [("x-none", "")]).await;
    let (delivery, now) = (delivery(), Timestamp::now());
    let secrets = Fixed(Ok(vec![
        ("signingKey", SIGNING_KEY),
        ("token", "t0ps3cret\n"),
    ]));
    let outcome = send(
        &http(),
        &secrets,
        &way(Some(&url), true),
        &delivery,
        now,
        LIMIT,
    )
    .await;
    assert_eq!(outcome, SendOutcome::Delivered);

    let received = received.lock().unwrap();
    let [(headers, body)] = received.as_slice() else {
        panic!("sent {} times", received.len())
    };
    assert_eq!(
        serde_json::from_slice::<Message>(body).unwrap(),
        delivery.message
    );
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    assert_eq!(headers["webhook-id"], delivery.id.as_str());
    assert_eq!(headers["webhook-timestamp"], now.as_second().to_string());
    assert_eq!(headers[AUTHORIZATION], "Bearer t0ps3cret");
    standardwebhooks::Webhook::new(SIGNING_KEY)
        .unwrap()
        .verify(body, headers)
        .unwrap();
}

#[test]
fn the_signature_is_that_of_the_published_example() {
    let id = DeliveryId::from_stored("msg_p5jXN8AQM9LWM0D4loKWxJek");
    let signature = sign(
        &SIGNING_KEY.into(),
        &id,
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    )
    .unwrap();
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn a_secret_without_signing_key_and_no_secret_at_all_send_unsigned() {
    let (url, received) = receiver(200, [("x-none", "")]).await;
    for secret in [true, false] {
        let secrets = Fixed(if secret {
            Ok(vec![("token", "t")])
        } else {
            Err(SecretError::Missing { name: "x".into() })
        });
        let outcome = send(
            &http(),
            &secrets,
            &way(Some(&url), secret),
            &delivery(),
            Timestamp::now(),
            LIMIT,
        )
        .await;
        assert_eq!(outcome, SendOutcome::Delivered);
    }
    assert!(
        received
            .lock()
            .unwrap()
            .iter()
            .all(|(headers, _)| !headers.contains_key(SIGNATURE))
    );
    assert_eq!(received.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_url_may_stand_in_the_secret() {
    let (url, received) = receiver(200, [("x-none", "")]).await;
    let secrets = Fixed(Ok(vec![("address", Box::leak(url.into_boxed_str()))]));
    let outcome = send(
        &http(),
        &secrets,
        &way(None, true),
        &delivery(),
        Timestamp::now(),
        LIMIT,
    )
    .await;
    assert_eq!(outcome, SendOutcome::Delivered);
    assert_eq!(received.lock().unwrap().len(), 1);
}

#[rstest]
#[case::no_prefix("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
#[case::no_base64("whsec_t0ps3cret!")]
#[case::no_key("whsec_")]
#[tokio::test]
async fn with_a_malformed_signing_key_nothing_leaves_and_the_message_names_the_key(
    #[case] signing_key: &'static str,
) {
    let (url, received) = receiver(200, [("x-none", "")]).await;
    let secrets = Fixed(Ok(vec![("signingKey", signing_key)]));
    let outcome = send(
        &http(),
        &secrets,
        &way(Some(&url), true),
        &delivery(),
        Timestamp::now(),
        LIMIT,
    )
    .await;
    let SendOutcome::Refused { message } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        message.contains("`signingKey`")
            && message.contains("must be")
            && !message.contains("t0ps3cret"),
        "{message}"
    );
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn with_a_secret_that_cannot_be_read_nothing_leaves_and_it_is_tried_again() {
    let (url, received) = receiver(200, [("x-none", "")]).await;
    let name = || "room-keys".to_owned();
    for error in [
        SecretError::Missing { name: name() },
        SecretError::Forbidden { name: name() },
        SecretError::Unreachable { name: name() },
    ] {
        let secrets = Fixed(Err(error));
        let outcome = send(
            &http(),
            &secrets,
            &way(Some(&url), true),
            &delivery(),
            Timestamp::now(),
            LIMIT,
        )
        .await;
        let SendOutcome::Retry {
            message,
            after: None,
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert!(message.contains("\"room-keys\""), "{message}");
    }
    assert!(received.lock().unwrap().is_empty());
}

#[rstest]
#[case(200, "delivered")]
#[case(202, "delivered")]
#[case(299, "delivered")]
#[case(408, "retry")]
#[case(425, "retry")]
#[case(429, "retry")]
#[case(500, "retry")]
#[case(503, "retry")]
#[case(599, "retry")]
#[case(301, "refused")]
#[case(308, "refused")]
#[case(400, "refused")]
#[case(401, "refused")]
#[case(404, "refused")]
#[case(409, "refused")]
#[case(410, "refused")]
#[case(422, "refused")]
#[tokio::test]
async fn the_status_decides_between_delivered_retry_and_refused(
    #[case] status: u16,
    #[case] verdict: &str,
) {
    let (url, _) = receiver(status, [("retry-after", "7")]).await;
    let secrets = Fixed(Ok(vec![
        ("signingKey", SIGNING_KEY),
        ("token", "t0ps3cret"),
    ]));
    let outcome = send(
        &http(),
        &secrets,
        &way(Some(&url), true),
        &delivery(),
        Timestamp::now(),
        LIMIT,
    )
    .await;
    let found = match &outcome {
        SendOutcome::Delivered => "delivered",
        SendOutcome::Retry { message, after } => {
            assert_eq!(
                *after,
                Some(Duration::from_secs(7)),
                "Retry-After is honoured"
            );
            assert_eq!(*message, format!("the receiver answered {status}"));
            "retry"
        }
        SendOutcome::Refused { message } => {
            assert!(message.contains(&status.to_string()), "{message}");
            "refused"
        }
    };
    assert_eq!(found, verdict);
    let shown = format!("{outcome:?}");
    assert!(
        !shown.contains("t0ps3cret") && !shown.contains("/hook"),
        "the echoed secret stays inside: {shown}"
    );
}

#[tokio::test]
async fn customers_hear_nothing_internal() {
    let (url, received) = receiver(200, [("x-none", "")]).await;
    let mut way = way(Some(&url), false);
    way.connector.audience = Audience::Customers;
    send(
        &http(),
        &Fixed(Ok(vec![])),
        &way,
        &delivery(),
        Timestamp::now(),
        LIMIT,
    )
    .await;
    let (_, body) = received.lock().unwrap().pop().unwrap();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.contains("Checkout returns 5xx") && text.contains("Submitted"));
    for internal in [
        "on-call",
        "Nobody acknowledged",
        "manager",
        "wiki.example",
        "\"service\"",
    ] {
        assert!(!text.contains(internal), "{internal} in {text}");
    }
}

#[tokio::test]
async fn a_way_without_address_is_refused_with_what_to_do() {
    let outcome = send(
        &http(),
        &Fixed(Ok(vec![])),
        &way(None, true),
        &delivery(),
        Timestamp::now(),
        LIMIT,
    )
    .await;
    assert!(
        matches!(outcome, SendOutcome::Refused { message } if message.starts_with("`address` must be set"))
    );
}

#[rstest]
#[case(ConnectorType::Slack)]
#[case(ConnectorType::MSTeams)]
#[case(ConnectorType::PagerDuty)]
#[case(ConnectorType::Email)]
#[tokio::test]
async fn a_connector_type_this_version_does_not_speak_says_so_and_sends_nothing(
    #[case] type_: ConnectorType,
) {
    let (url, received) = receiver(200, [("x-none", "")]).await;
    let connectors = Connectors::new(http(), Arc::new(Fixed(Ok(vec![]))), Arc::new(WallClock));
    let mut way = way(Some(&url), false);
    way.connector.type_ = type_;
    let outcome = connectors
        .send(
            &way,
            &delivery(),
            Attempt {
                number: 1,
                limit: LIMIT,
            },
        )
        .await;
    assert!(
        matches!(outcome, SendOutcome::Refused { message } if message.contains("speaks \"Webhook\" only"))
    );
    assert!(received.lock().unwrap().is_empty());
}

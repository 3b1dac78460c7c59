use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rstest::rstest;

use super::*;
use crate::api::{ConnectorType, EscalationPolicy};
use crate::connectors::Connectors;
use crate::connectors::secret::SecretError;
use crate::connectors::tests::{
    At, Fixed, Receiver, acknowledged, again, assert_for_customers, bundle, delivery, http, one,
    refusal, to_customers, try_once,
};
use crate::domain::telling::delivery::{Delivery, Message, Way, hex32};

const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn way(address: Option<&str>, secret: bool) -> Way {
    let mut way = crate::connectors::tests::way(ConnectorType::Webhook);
    way.connector.address = address.map(str::to_owned);
    way.connector.secret_ref = way.connector.secret_ref.filter(|_| secret);
    way
}

fn values(pairs: &[(&'static str, &str)]) -> Fixed {
    let pairs = pairs.iter().map(|(key, value)| (*key, (*value).to_owned()));
    Fixed(Ok(pairs.collect()))
}

async fn send(secrets: Fixed, way: &Way, delivery: Delivery, now: Timestamp) -> SendOutcome {
    let connectors = Connectors::new(http(), Arc::new(secrets), Arc::new(At(now)));
    try_once(&connectors, way, &one(delivery)).await
}

fn hook(receiver: &Receiver) -> String {
    format!("{}/hook", receiver.url)
}

#[tokio::test]
async fn the_body_is_the_message_and_the_reference_verifier_accepts_its_signature() {
    let receiver = Receiver::answering(204).await;
    let (delivery, now) = (delivery(), Timestamp::now());
    let secrets = values(&[("signingKey", SIGNING_KEY), ("token", "t0ps3cret\n")]);
    let outcome = send(
        secrets,
        &way(Some(&hook(&receiver)), true),
        delivery.clone(),
        now,
    )
    .await;
    assert_eq!(outcome, SendOutcome::Delivered);

    let requests = receiver.requests();
    let [request] = requests.as_slice() else {
        panic!("sent {} times", requests.len())
    };
    let headers = &request.headers;
    assert_eq!(
        serde_json::from_slice::<Message>(&request.body).unwrap(),
        delivery.message
    );
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    assert_eq!(headers["webhook-id"], delivery.id.as_str());
    assert_eq!(headers["webhook-timestamp"], now.as_second().to_string());
    assert_eq!(headers[AUTHORIZATION], "Bearer t0ps3cret");
    standardwebhooks::Webhook::new(SIGNING_KEY)
        .unwrap()
        .verify(&request.body, headers)
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
    );
    let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(signature.as_deref(), Some(published));
}

#[tokio::test]
async fn while_keys_are_rotated_either_verifies_and_a_malformed_one_is_named() {
    let receiver = Receiver::answering(204).await;
    let next = "whsec_dGhlLWtleS10aGF0LWNvbWVzLW5leHQtMDAwMDAwMDE=";
    let secrets = values(&[("signingKey", next), ("previousSigningKey", SIGNING_KEY)]);
    let way = way(Some(&hook(&receiver)), true);
    let outcome = send(secrets, &way, delivery(), Timestamp::now()).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let request = receiver.requests().remove(0);
    for key in [next, SIGNING_KEY] {
        let verifier = standardwebhooks::Webhook::new(key).unwrap();
        verifier.verify(&request.body, &request.headers).unwrap();
    }
    let secrets = values(&[("signingKey", next), ("previousSigningKey", "t0ps3cret")]);
    let message = refusal(send(secrets, &way, delivery(), Timestamp::now()).await);
    assert!(
        message.contains("`previousSigningKey`") && !message.contains("t0ps3cret"),
        "{message}"
    );
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_secret_without_signing_key_and_no_secret_at_all_send_unsigned() {
    let receiver = Receiver::answering(200).await;
    for secret in [true, false] {
        let secrets = if secret {
            values(&[("token", "t")])
        } else {
            Fixed(Err(SecretError::Missing { name: "x".into() }))
        };
        let way = way(Some(&hook(&receiver)), secret);
        let outcome = send(secrets, &way, delivery(), Timestamp::now()).await;
        assert_eq!(outcome, SendOutcome::Delivered);
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    let unsigned = |headers: &HeaderMap| !headers.contains_key(SIGNATURE);
    assert!(requests.iter().all(|request| unsigned(&request.headers)));
}

#[tokio::test]
async fn the_url_may_stand_in_the_secret() {
    let receiver = Receiver::answering(200).await;
    let secrets = values(&[("address", &hook(&receiver))]);
    let outcome = send(secrets, &way(None, true), delivery(), Timestamp::now()).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    assert_eq!(receiver.requests().len(), 1);
}

#[rstest]
#[case::no_prefix("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
#[case::no_base64("whsec_t0ps3cret!")]
#[case::no_key("whsec_")]
#[tokio::test]
async fn with_a_malformed_signing_key_nothing_leaves_and_the_message_names_the_key(
    #[case] signing_key: &str,
) {
    let receiver = Receiver::answering(200).await;
    let secrets = values(&[("signingKey", signing_key)]);
    let way = way(Some(&hook(&receiver)), true);
    let message = refusal(send(secrets, &way, delivery(), Timestamp::now()).await);
    assert!(
        message.contains("`signingKey`")
            && message.contains("must be")
            && !message.contains("t0ps3cret"),
        "{message}"
    );
    assert!(receiver.requests().is_empty());
}

#[tokio::test]
async fn with_a_secret_that_cannot_be_read_nothing_leaves_and_it_is_tried_again() {
    let receiver = Receiver::answering(200).await;
    let name = || "room-keys".to_owned();
    for error in [
        SecretError::Missing { name: name() },
        SecretError::Forbidden { name: name() },
        SecretError::Unreachable { name: name() },
    ] {
        let way = way(Some(&hook(&receiver)), true);
        let outcome = send(Fixed(Err(error)), &way, delivery(), Timestamp::now()).await;
        let (message, after) = again(outcome);
        assert!(
            message.contains("\"room-keys\"") && after.is_none(),
            "{message}"
        );
    }
    assert!(receiver.requests().is_empty());
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
    let receiver = Receiver::answering(status).await;
    let secrets = values(&[("signingKey", SIGNING_KEY), ("token", "t0ps3cret")]);
    let way = way(Some(&hook(&receiver)), true);
    let outcome = send(secrets, &way, delivery(), Timestamp::now()).await;
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
    let receiver = Receiver::answering(200).await;
    let way = to_customers(way(Some(&hook(&receiver)), false));
    send(values(&[]), &way, delivery(), Timestamp::now()).await;
    let body = receiver.requests()[0].body.clone();
    assert_for_customers(std::str::from_utf8(&body).unwrap());
}

#[tokio::test]
async fn a_way_without_address_is_refused_with_what_to_do() {
    let outcome = send(values(&[]), &way(None, true), delivery(), Timestamp::now()).await;
    assert!(refusal(outcome).starts_with("`address` must be set"));
}

#[tokio::test]
async fn a_template_gives_the_body_and_the_signature_is_over_it() {
    let receiver = Receiver::answering(200).await;
    let mut way = way(Some(&hook(&receiver)), true);
    way.connector.template = Some(r#"{"text": {{ data.ticket.title }}}"#.into());
    let now = Timestamp::now();
    let secrets = values(&[("signingKey", SIGNING_KEY)]);
    let outcome = send(secrets, &way, delivery(), now).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let request = receiver.requests().remove(0);
    assert_eq!(request.body, r#"{"text": "Checkout returns 5xx"}"#);
    standardwebhooks::Webhook::new(SIGNING_KEY)
        .unwrap()
        .verify(&request.body, &request.headers)
        .unwrap();
}

#[tokio::test]
async fn a_template_that_cannot_be_used_sends_nothing_and_says_why() {
    let receiver = Receiver::answering(200).await;
    let mut way = way(Some(&hook(&receiver)), false);
    way.connector.template = Some(r#"{"text": "{{ data.ticket.title }}"}"#.into());
    let outcome = send(values(&[]), &way, delivery(), Timestamp::now()).await;
    let message = refusal(outcome);
    assert!(
        message.contains("`template`") && message.contains("JSON"),
        "{message}"
    );
    assert!(receiver.requests().is_empty());
}

#[tokio::test]
async fn a_bundle_holds_every_message_under_an_id_made_of_theirs() {
    let receiver = Receiver::answering(200).await;
    let connectors = Connectors::new(
        http(),
        Arc::new(values(&[])),
        Arc::new(At(Timestamp::now())),
    );
    let parcel = bundle(3);
    let outcome = try_once(&connectors, &way(Some(&hook(&receiver)), false), &parcel).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let request = receiver.requests().remove(0);
    let body = request.json();
    assert_eq!(body["type"], "firebell.bundle.v1");
    let items = body["data"]["items"].as_array().unwrap();
    let mut ids: Vec<_> = items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let id = hex32(ids.join("\n").as_bytes());
    assert_eq!(request.headers["webhook-id"], id);
    assert_eq!(items[2]["ticket"]["name"], "t-2");
}

#[test]
fn the_body_that_the_page_about_webhooks_shows_is_a_message() {
    let page = include_str!("../../../docs/page-by-webhook.md");
    let shown = page.split("```json").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let message: Message = serde_json::from_str(shown).unwrap();
    let written: serde_json::Value = serde_json::to_value(&message).unwrap();
    let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
    assert_eq!(written, shown, "no field more, none less");
}

#[tokio::test]
async fn the_template_of_the_example_gives_json_for_pages_and_for_notices_without_a_next_step() {
    let example = include_str!("../../../examples/ways/webhook.yaml");
    let policy: EscalationPolicy = serde_saphyr::from_str(example).unwrap();
    let mut connectors = policy.spec.connectors.into_iter();
    let template = connectors.find_map(|connector| connector.template).unwrap();
    let receiver = Receiver::answering(200).await;
    let mut way = way(Some(&hook(&receiver)), false);
    way.connector.template = Some(template);
    let mut notice = acknowledged();
    notice.message.data.next = None;
    for delivery in [delivery(), notice] {
        let outcome = send(values(&[]), &way, delivery, Timestamp::now()).await;
        assert_eq!(outcome, SendOutcome::Delivered);
    }
    let last = receiver.requests().remove(1).json();
    assert_eq!(last["title"], "Checkout returns 5xx");
    assert_eq!(
        last["text"],
        "Acknowledged by alice. Next: nothing is timed"
    );
    assert_eq!(last["labels"][0], "AcknowledgedBy");
}

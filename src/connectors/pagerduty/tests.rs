use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::api::ConnectorType;
use crate::connectors::tests::{
    Receiver, Request, acknowledged, again, assert_for_customers, bundle, connectors, delivery,
    one, refusal, saying, text, texts, to_customers, try_once, visible, way,
};
use crate::domain::telling::delivery::Way;
use crate::domain::telling::incident::Incident;

fn secret() -> Vec<(&'static str, String)> {
    vec![("routingKey", "r0uting-s3cret".to_owned())]
}

/// The service as far as this connector uses it: strict.
async fn pagerduty() -> Receiver {
    Receiver::start(|request| {
        check(request);
        (202, json!({"status": "success"}).to_string())
    })
    .await
}

/// The rules of the Events API's reference.
fn check(request: &Request) {
    let event = request.json();
    assert_eq!(event["routing_key"], "r0uting-s3cret");
    let payload = &event["payload"];
    let summary = |payload: &Value| {
        let summary = payload["summary"].as_str().unwrap();
        assert!((1..=1024).contains(&summary.chars().count()));
        assert!(!payload["source"].as_str().unwrap().is_empty());
        let details = payload["custom_details"].as_object().unwrap().values();
        for detail in details {
            let length = detail.as_str().unwrap().chars().count();
            assert!((1..=4096).contains(&length), "{length}");
        }
    };
    for link in event["links"].as_array().into_iter().flatten() {
        assert!(link["href"].as_str().unwrap().starts_with("https://"));
        assert!((1..=255).contains(&link["text"].as_str().unwrap().chars().count()));
    }
    match request.path.as_str() {
        "/v2/enqueue" => {
            let key = event["dedup_key"].as_str().unwrap();
            assert!((1..=255).contains(&key.chars().count()));
            match event["event_action"].as_str().unwrap() {
                "trigger" => {
                    summary(payload);
                    let severity = payload["severity"].as_str().unwrap();
                    assert!(["critical", "error", "warning", "info"].contains(&severity));
                }
                "acknowledge" | "resolve" => assert!(payload.is_null()),
                other => panic!("{other}"),
            }
        }
        "/v2/change/enqueue" => {
            summary(payload);
            assert!(event.get("event_action").is_none());
        }
        other => panic!("{other}"),
    }
    assert!(request.body.len() <= 512 * 1024);
}

fn to(receiver: &Receiver) -> Way {
    let mut way = way(ConnectorType::PagerDuty);
    way.connector.server = Some(receiver.url.clone());
    way
}

/// Action and key of each event, sorted: they go out side by side.
fn events(receiver: &Receiver) -> Vec<(String, String)> {
    let requests = receiver.requests();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = requests.iter().map(|request| {
        let body = request.json();
        (text(&body["event_action"]), text(&body["dedup_key"]))
    });
    let mut events: Vec<_> = events.collect();
    events.sort();
    events
}

fn pair(action: &str, key: &str) -> (String, String) {
    (action.to_owned(), key.to_owned())
}

#[tokio::test]
async fn a_page_triggers_an_incident_under_the_key_of_ticket_round_and_step() {
    let receiver = pagerduty().await;
    let outcome = try_once(&connectors(secret()), &to(&receiver), &one(delivery())).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    assert_eq!(
        events(&receiver),
        [pair("trigger", "uid-checkout/1/on-call")]
    );
    let event = receiver.requests()[0].json();
    let payload = &event["payload"];
    assert_eq!(payload["summary"], "[High] Checkout returns 5xx");
    assert_eq!(
        (&payload["severity"], &payload["source"]),
        (&json!("error"), &json!("shop/checkout"))
    );
    assert_eq!(
        payload["custom_details"]["Next"],
        "internal next at 2026-01-02T03:04:05Z"
    );
    assert_eq!(
        event["links"],
        json!([{"href": "https://firebell.example/a?t=1", "text": "Acknowledge"}])
    );
}

#[tokio::test]
async fn acknowledge_and_resolve_go_to_all_keys_that_were_used() {
    for (effect, action) in [
        (Effect::Acknowledges, "acknowledge"),
        (Effect::Resolves, "resolve"),
    ] {
        let receiver = pagerduty().await;
        let mut notice = acknowledged();
        notice.incident.effect = effect;
        let outcome = try_once(&connectors(secret()), &to(&receiver), &one(notice)).await;
        assert_eq!(outcome, SendOutcome::Delivered);
        assert_eq!(
            events(&receiver),
            [
                pair(action, "uid-checkout/1/on-call"),
                pair(action, "uid-checkout/2/on-call")
            ]
        );
    }
}

#[tokio::test]
async fn news_is_a_change_event_that_rings_nobody() {
    let receiver = pagerduty().await;
    let mut notice = acknowledged();
    notice.message.data.kind = "Held".into();
    notice.incident = Incident::default();
    let outcome = try_once(&connectors(secret()), &to(&receiver), &one(notice)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    assert_eq!(receiver.requests()[0].path, "/v2/change/enqueue");
}

#[tokio::test]
async fn of_a_bundle_each_ticket_is_an_incident_of_its_own() {
    let receiver = pagerduty().await;
    let outcome = try_once(&connectors(secret()), &to(&receiver), &bundle(60)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let mut keys: Vec<_> = events(&receiver).into_iter().map(|(_, key)| key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 60);
}

#[tokio::test]
async fn one_event_that_is_to_be_repeated_repeats_the_notice_and_one_refused_refuses_it() {
    for (status, repeated) in [(429, true), (500, true), (400, false)] {
        let receiver = Receiver::start(move |request| {
            let first = request.json()["dedup_key"] == "uid-checkout/1/on-call";
            (if first { status } else { 202 }, String::new())
        })
        .await;
        let outcome = try_once(&connectors(secret()), &to(&receiver), &one(acknowledged())).await;
        if repeated {
            assert_eq!(again(outcome).1, Some(std::time::Duration::from_secs(7)));
        } else {
            let message = refusal(outcome);
            assert!(
                message.contains("`routingKey`") && !message.contains("s3cret"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn customers_hear_nothing_internal_not_even_in_the_key() {
    let receiver = pagerduty().await;
    try_once(
        &connectors(secret()),
        &to_customers(to(&receiver)),
        &one(delivery()),
    )
    .await;
    assert_for_customers(&texts(&receiver.requests()[0].json()).join("\n"));
}

#[rstest]
#[case("\u{1f525}")]
#[case("\"<&")]
#[tokio::test]
async fn texts_of_any_length_fit_and_stay_texts(#[case] text: &str) {
    let receiver = pagerduty().await;
    let mut long = saying(&text.repeat(5000));
    long.incident.keys = vec![text.repeat(300)];
    let label = "\u{1f525}".repeat(300);
    let links = &mut long.message.data.links;
    links.insert(label, "https://firebell.example/b".into());
    let outcome = try_once(&connectors(secret()), &to(&receiver), &one(long)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let event = receiver.requests()[0].json();
    let whole = format!("[High] {}", text.repeat(5000));
    let summary = event["payload"]["summary"].as_str().unwrap();
    assert_eq!(summary.chars().count(), 1024);
    let kept = summary.strip_suffix('…').expect("it is marked");
    assert!(whole.starts_with(kept), "cut between characters");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_people_wrote_is_a_text_of_the_event_and_changes_nothing_else(text in text()) {
        let delivery = saying(&text);
        let way = way(ConnectorType::PagerDuty);
        let words = Words::of(&delivery, &way).unwrap();
        let event = trigger(&delivery, &words, "key", "dedup").body.to_string();
        let event: Value = serde_json::from_str(&event).unwrap();
        let shown: String = texts(&event["payload"]).iter().map(|text| visible(text)).collect();
        let start: String = visible(&text).chars().take(40).collect();
        prop_assert!(shown.contains(&start), "{} in {}", start, shown);
        let (action, key) = (event["event_action"].as_str(), event["dedup_key"].as_str());
        prop_assert_eq!((action, key), (Some("trigger"), Some("dedup")));
        prop_assert_eq!(event["payload"].as_object().unwrap().len(), 5);
    }
}

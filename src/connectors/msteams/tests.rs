use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::api::ConnectorType;
use crate::connectors::tests::{
    Receiver, assert_for_customers, bundle, connectors, delivery, one, refusal, saying, text,
    texts, to_customers, try_once, visible, way,
};

fn secret(receiver: &Receiver) -> Vec<(&'static str, String)> {
    vec![("address", format!("{}/workflows/s3cret", receiver.url))]
}

/// The card inside the envelope that Workflows wants; checks both and that all user text stands in text runs.
fn card(body: &[u8]) -> Value {
    assert!(body.len() <= 28 * 1024, "{} bytes", body.len());
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["type"], "message");
    let [attachment] = &body["attachments"].as_array().unwrap()[..] else {
        panic!("one card")
    };
    let kind = "application/vnd.microsoft.card.adaptive";
    assert_eq!(attachment["contentType"], kind);
    let card = &attachment["content"];
    assert_eq!(
        (&card["type"], &card["version"]),
        (&json!("AdaptiveCard"), &json!("1.4"))
    );
    assert!(
        card["msteams"].get("entities").is_none(),
        "nobody is mentioned"
    );
    for block in card["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
        for run in block["inlines"].as_array().unwrap() {
            assert_eq!(run["type"], "TextRun");
        }
    }
    for action in card["actions"].as_array().unwrap() {
        assert_eq!(action["type"], "Action.OpenUrl");
    }
    card.clone()
}

/// What the card shows.
fn shown(card: &Value) -> String {
    let runs = card["body"].as_array().unwrap().iter();
    let lines = runs.map(|block| {
        let runs = block["inlines"].as_array().unwrap().iter();
        runs.map(|run| run["text"].as_str().unwrap())
            .collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_page_is_a_card_with_severity_title_reason_next_step_and_a_button() {
    let receiver = Receiver::answering(202).await;
    let outcome = try_once(
        &connectors(secret(&receiver)),
        &way(ConnectorType::MSTeams),
        &one(delivery()),
    )
    .await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let card = card(&receiver.requests()[0].body);
    let shown = shown(&card);
    for line in [
        "[High] Checkout returns 5xx",
        "internal why",
        "For: alice",
        "Next: internal next at 2026-01-02T03:04:05Z",
        "Fix: the fix",
    ] {
        assert!(
            shown.lines().any(|known| known == line),
            "{line} in {shown}"
        );
    }
    assert_eq!(
        card["actions"],
        json!([{"type": "Action.OpenUrl", "title": "Acknowledge", "url": "https://firebell.example/a?t=1"}])
    );
}

#[rstest]
#[case(404)]
#[case(401)]
#[case(400)]
#[tokio::test]
async fn a_workflow_that_refuses_says_what_to_mend_and_shows_no_url(#[case] status: u16) {
    let receiver = Receiver::answering(status).await;
    let outcome = try_once(
        &connectors(secret(&receiver)),
        &way(ConnectorType::MSTeams),
        &one(delivery()),
    )
    .await;
    let message = refusal(outcome);
    assert!(
        message.contains(&status.to_string()) && message.contains("workflow"),
        "{message}"
    );
    assert!(!message.contains("s3cret"), "{message}");
    let none = refusal(
        try_once(
            &connectors(vec![]),
            &way(ConnectorType::MSTeams),
            &one(delivery()),
        )
        .await,
    );
    assert!(none.contains("`address`"), "{none}");
}

#[tokio::test]
async fn customers_hear_nothing_internal() {
    let receiver = Receiver::answering(202).await;
    try_once(
        &connectors(secret(&receiver)),
        &to_customers(way(ConnectorType::MSTeams)),
        &one(delivery()),
    )
    .await;
    let card = card(&receiver.requests()[0].body);
    assert_for_customers(&texts(&card).join("\n"));
}

#[test]
fn a_hundred_at_once_fit_into_one_card_that_names_each() {
    let say = Say::parcel(&bundle(100), &way(ConnectorType::MSTeams)).unwrap();
    let shown = shown(&card(&body(&say)));
    assert_eq!(shown.lines().count(), 101);
    assert!(shown.contains("shop/t-99"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_people_wrote_stands_in_text_runs_and_nowhere_else(text in text()) {
        let say = Say::parcel(&one(saying(&text)), &way(ConnectorType::MSTeams)).unwrap();
        let shown = visible(&shown(&card(&body(&say))));
        let start: String = visible(&text).chars().take(40).collect();
        prop_assert!(shown.contains(&start), "{} in {}", start, shown);
    }

    #[test]
    fn texts_of_any_length_fit(length in 0_usize..30_000) {
        for text in ["\"", "\u{1f525}", "a"] {
            let way = way(ConnectorType::MSTeams);
            card(&body(&Say::parcel(&one(saying(&text.repeat(length))), &way).unwrap()));
        }
    }
}

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::api::ConnectorType;
use crate::connectors::tests::{
    HANG, LIMIT, Receiver, Request, acknowledged, again, assert_for_customers, bundle, connectors,
    delivery, delivery_of, one, refusal, saying, text, texts, to_customers, try_once, visible, way,
};
use crate::domain::telling::delivery::Way;

const TOKEN: &str = "xoxb-s3cret";

/// Slack as far as this connector uses it: strict, and with a count as `ts`.
async fn slack() -> Receiver {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Receiver::start(move |request| {
        let wrong = |word: &str| (200, format!("{{\"ok\":false,\"error\":\"{word}\"}}"));
        if request.headers[AUTHORIZATION] != format!("Bearer {TOKEN}") {
            return wrong("invalid_auth");
        }
        let body = request.json();
        check_blocks(&body);
        match request.path.as_str() {
            "/api/chat.postMessage" => {
                let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                (
                    200,
                    json!({"ok": true, "channel": "C1", "ts": format!("17.{n}"), "message": body})
                        .to_string(),
                )
            }
            "/api/chat.update" => (200, json!({"ok": true}).to_string()),
            _ => (404, String::new()),
        }
    })
    .await
}

fn bot(receiver: &Receiver) -> Way {
    let mut way = way(ConnectorType::Slack);
    way.connector.server = Some(format!("{}/api/", receiver.url));
    way.connector.address = Some("#ops".into());
    way
}

fn token() -> Vec<(&'static str, String)> {
    vec![("token", TOKEN.to_owned())]
}

/// The rules of Slack's reference on blocks.
fn check_blocks(body: &Value) {
    let blocks = body["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    let length = |text: &Value, most: usize| {
        assert_eq!(text["type"], "plain_text");
        let text = text["text"].as_str().unwrap();
        assert!((1..=most).contains(&text.chars().count()), "{most}: {text}");
    };
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => length(&block["text"], 150),
            "section" => length(&block["text"], 3000),
            "context" => length(&block["elements"][0], 2000),
            "actions" => {
                for button in block["elements"].as_array().unwrap() {
                    length(&button["text"], 75);
                    assert!(button["url"].as_str().unwrap().len() <= 3000);
                }
            }
            other => panic!("{other}"),
        }
    }
    assert!(body["text"].as_str().unwrap().chars().count() <= 300);
}

fn paths(receiver: &Receiver) -> Vec<String> {
    let requests = receiver.requests().into_iter();
    requests.map(|request| request.path).collect()
}

fn said(request: &Request) -> String {
    texts(&request.json()).join("\n")
}

#[tokio::test]
async fn a_page_says_how_severe_what_why_for_whom_and_what_comes_next_with_a_button() {
    let receiver = slack().await;
    let outcome = try_once(&connectors(token()), &bot(&receiver), &one(delivery())).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let [request] = &receiver.requests()[..] else {
        panic!("one call")
    };
    let shown = said(request);
    for word in [
        "[High] Checkout returns 5xx",
        "internal why",
        "For: alice",
        "Next: internal next at 2026-01-02T03:04:05Z",
        "https://firebell.example/a?t=1",
        "internal expectation",
        "internal last time",
    ] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
    assert!(!shown.contains("javascript"));
    assert_eq!(request.json()["channel"], "#ops");
}

#[tokio::test]
async fn a_ticket_has_one_thread_whose_first_message_says_how_it_stands_after_an_acknowledgement() {
    let receiver = slack().await;
    let connectors = connectors(token());
    let way = bot(&receiver);
    let second = delivery_of("checkout", "manager");
    for delivery in [
        delivery(),
        delivery_of("other", "on-call"),
        second,
        acknowledged(),
    ] {
        let outcome = try_once(&connectors, &way, &one(delivery)).await;
        assert_eq!(outcome, SendOutcome::Delivered);
    }
    let requests: Vec<Value> = receiver.requests().iter().map(Request::json).collect();
    let post = "/api/chat.postMessage";
    assert_eq!(
        paths(&receiver),
        [post, post, post, post, "/api/chat.update"]
    );
    let threads: Vec<&Value> = requests.iter().map(|body| &body["thread_ts"]).collect();
    assert_eq!(
        threads[..2],
        [&Value::Null, &Value::Null],
        "two tickets, two threads"
    );
    assert_eq!(threads[2..4], ["17.0", "17.0"]);
    assert_eq!(requests[2]["channel"], "C1", "by the id that Slack gave");
    assert_eq!(
        (
            &requests[2]["reply_broadcast"],
            &requests[3]["reply_broadcast"]
        ),
        (&json!(true), &json!(false)),
        "pages show in the channel too"
    );
    assert_eq!(requests[4]["ts"], "17.0");
    assert!(requests[4].to_string().contains("Acknowledged by alice."));
}

#[tokio::test]
async fn an_update_that_hangs_or_fails_does_not_repeat_the_message() {
    for status in [HANG, 500] {
        let receiver = Receiver::start(move |request| match request.path.as_str() {
            "/api/chat.update" => (status, String::new()),
            _ => (
                200,
                json!({"ok": true, "channel": "C1", "ts": "1"}).to_string(),
            ),
        })
        .await;
        let connectors = connectors(token());
        for delivery in [delivery(), acknowledged()] {
            let began = std::time::Instant::now();
            let outcome = try_once(&connectors, &bot(&receiver), &one(delivery)).await;
            assert_eq!(outcome, SendOutcome::Delivered);
            assert!(began.elapsed() < LIMIT);
        }
        assert_eq!(receiver.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_thread_whose_first_message_was_deleted_begins_anew() {
    let receiver = Receiver::start(|request| {
        let threaded = request.json().get("thread_ts").is_some();
        let answer = if threaded {
            json!({"ok": false, "error": "thread_not_found"})
        } else {
            json!({"ok": true, "channel": "C1", "ts": "1"})
        };
        (200, answer.to_string())
    })
    .await;
    let connectors = connectors(token());
    for _ in 0..2 {
        let outcome = try_once(&connectors, &bot(&receiver), &one(delivery())).await;
        assert_eq!(outcome, SendOutcome::Delivered);
    }
    assert_eq!(receiver.requests().len(), 3);
}

#[rstest]
#[case("channel_not_found", "invite it")]
#[case("invalid_auth", "`token`")]
#[case("not_in_channel", "invite the bot")]
#[case("is_archived", "archived")]
#[case("missing_scope", "`chat:write`")]
#[case("msg_blocks_too_long", "msg_blocks_too_long")]
#[tokio::test]
async fn a_200_that_says_no_is_refused_with_what_to_do(
    #[case] word: &'static str,
    #[case] advice: &str,
) {
    let receiver =
        Receiver::start(move |_| (200, json!({"ok": false, "error": word}).to_string())).await;
    let outcome = try_once(&connectors(token()), &bot(&receiver), &one(delivery())).await;
    let message = refusal(outcome);
    assert!(
        message.contains(word) && message.contains(advice),
        "{message}"
    );
}

#[rstest]
#[case(200, r#"{"ok":false,"error":"ratelimited"}"#)]
#[case(200, r#"{"ok":false,"error":"internal_error"}"#)]
#[case(429, "")]
#[case(503, "")]
#[tokio::test]
async fn what_slack_may_take_later_is_tried_again_no_sooner_than_it_asks(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let receiver = Receiver::start(move |_| (status, body.to_owned())).await;
    let outcome = try_once(&connectors(token()), &bot(&receiver), &one(delivery())).await;
    assert_eq!(again(outcome).1, Some(Duration::from_secs(7)));
}

#[rstest]
#[case("")]
#[case("<html>maintenance</html>")]
#[case(r#"{"ok":false,"error":"<!channel> xoxb-s3cret"}"#)]
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_tried_again_and_never_shown(#[case] body: &'static str) {
    let receiver = Receiver::start(move |_| (200, body.to_owned())).await;
    let outcome = try_once(&connectors(token()), &bot(&receiver), &one(delivery())).await;
    let (message, _) = again(outcome);
    assert!(
        !message.contains("s3cret") && !message.contains('<'),
        "{message}"
    );
}

#[tokio::test]
async fn an_incoming_webhook_takes_the_same_blocks_and_a_404_says_what_to_mend() {
    let receiver = Receiver::start(|request| {
        check_blocks(&request.json());
        (200, "ok".to_owned())
    })
    .await;
    let secret =
        |receiver: &Receiver| vec![("address", format!("{}/services/s3cret", receiver.url))];
    let way = way(ConnectorType::Slack);
    let outcome = try_once(&connectors(secret(&receiver)), &way, &one(delivery())).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let gone = Receiver::answering(404).await;
    let message = refusal(try_once(&connectors(secret(&gone)), &way, &one(delivery())).await);
    assert!(
        message.contains("`address`") && !message.contains("s3cret"),
        "{message}"
    );
}

#[tokio::test]
async fn without_token_or_webhook_or_without_a_channel_it_says_what_is_missing() {
    let none = refusal(
        try_once(
            &connectors(vec![]),
            &way(ConnectorType::Slack),
            &one(delivery()),
        )
        .await,
    );
    assert!(
        none.contains("`token`") && none.contains("`address`"),
        "{none}"
    );
    let homeless = refusal(
        try_once(
            &connectors(token()),
            &way(ConnectorType::Slack),
            &one(delivery()),
        )
        .await,
    );
    assert!(homeless.contains("channel or user"), "{homeless}");
}

#[tokio::test]
async fn customers_hear_nothing_internal() {
    let receiver = slack().await;
    try_once(
        &connectors(token()),
        &to_customers(bot(&receiver)),
        &one(delivery()),
    )
    .await;
    let mut body = receiver.requests()[0].json();
    body["channel"].take();
    assert_for_customers(&texts(&body).join("\n"));
}

#[tokio::test]
async fn a_hundred_at_once_are_one_message_that_names_each_and_no_thread() {
    let receiver = slack().await;
    let connectors = connectors(token());
    for _ in 0..2 {
        let outcome = try_once(&connectors, &bot(&receiver), &bundle(100)).await;
        assert_eq!(outcome, SendOutcome::Delivered);
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    let shown = said(&requests[1]);
    assert!(
        (0..100).all(|n| shown.contains(&format!("shop/t-{n})"))),
        "{shown}"
    );
    assert!(requests[1].json().get("thread_ts").is_none());
}

/// What Slack shows of a text: entities as characters.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn what_people_wrote_is_text_to_slack_and_nothing_else(text in text()) {
        let say = Say::parcel(&one(saying(&text)), &way(ConnectorType::Slack)).unwrap();
        let body = json!({"text": fallback(&say), "blocks": blocks(&say)});
        check_blocks(&body);
        for shown in texts(&body) {
            // A special sequence begins with `<`; an entity is one of three.
            prop_assert!(!shown.contains(['<', '>']), "{}", shown);
            let rest = shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            prop_assert!(!rest.contains('&'), "{}", shown);
        }
        let shown: String = texts(&body).iter().map(|text| visible(&unescaped(text))).collect();
        let start: String = visible(&text).chars().take(40).collect();
        prop_assert!(shown.contains(&start), "{} in {}", start, shown);
    }

    #[test]
    fn texts_of_any_length_fit(length in 0_usize..20_000) {
        let say = Say::parcel(&one(saying(&"<\u{1f525}".repeat(length))), &way(ConnectorType::Slack)).unwrap();
        check_blocks(&json!({"text": fallback(&say), "blocks": blocks(&say)}));
    }
}

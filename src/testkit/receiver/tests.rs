//! The receiver does what each behaviour says, and believes nobody whose signature is not exact.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use standardwebhooks::Webhook;

use super::{Behaviour, Receiver, SignatureError, Tls, verify};
use crate::testkit::certificates::TestCa;
use crate::testkit::crypto;

const SECRET: &str = "whsec_b25seSBmb3IgdGVzdHMgb2YgdGhlIHJvb20=";
const LIMIT: Duration = Duration::from_secs(10);

fn client() -> reqwest::Client {
    crypto();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn client_trusting(ca: &TestCa) -> reqwest::Client {
    crypto();
    let root = reqwest::Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([root])
        .build()
        .unwrap()
}

/// Headers as the reference library signs them.
fn signed(id: &str, time: Timestamp, body: &[u8]) -> HeaderMap {
    let seconds = time.as_second();
    let signature = Webhook::new(SECRET)
        .unwrap()
        .sign(id, seconds, body)
        .unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).unwrap(),
        );
    }
    headers
}

#[tokio::test]
async fn every_request_is_written_down_to_the_last_header() {
    let receiver = Receiver::start().await.unwrap();
    let before = Timestamp::now();
    let response = client()
        .post(receiver.url("/team?x=1"))
        .header("webhook-id", "abc")
        .body(r#"{"type":"page"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let pages = receiver
        .wait_for(|ledger| ledger.count("/team") == 1, LIMIT)
        .await
        .unwrap();
    let page = &pages[0];
    assert_eq!(
        (
            page.method.as_str(),
            page.path.as_str(),
            page.query.as_deref()
        ),
        ("POST", "/team", Some("x=1"))
    );
    assert_eq!(
        (page.id(), page.json().unwrap()["type"].as_str()),
        ("abc", Some("page"))
    );
    assert!(page.time >= before && page.time <= Timestamp::now());
    assert!(receiver.pages_for("/other").is_empty());
}

#[tokio::test]
async fn what_does_not_come_is_an_error_that_tells_what_came() {
    let receiver = Receiver::start().await.unwrap();
    client().post(receiver.url("/a")).send().await.unwrap();
    let missing = receiver
        .wait_for(|ledger| ledger.count("/b") == 1, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(
        missing.received.into_iter().collect::<Vec<_>>(),
        [("/a".to_owned(), 1)]
    );
}

#[tokio::test]
async fn statuses_headers_redirects_and_odd_bodies_are_as_scripted() {
    let receiver = Receiver::start().await.unwrap();
    receiver.on(
        "/busy",
        Behaviour::Status(429, vec![("retry-after", "7".to_owned())]),
    );
    receiver.on(
        "/moved",
        Behaviour::Redirect("http://127.0.0.1:9/".to_owned()),
    );
    receiver.on("/big", Behaviour::BigBody(500, 10_000_000));
    receiver.on("/odd", Behaviour::NonUtf8Body(400));
    receiver.otherwise(Behaviour::Status(404, Vec::new()));
    let get = async |path: &str| client().get(receiver.url(path)).send().await.unwrap();

    let busy = get("/busy").await;
    assert_eq!(
        (
            busy.status().as_u16(),
            busy.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    let moved = get("/moved").await;
    assert_eq!(
        (
            moved.status().as_u16(),
            moved.headers()["location"].to_str().unwrap()
        ),
        (307, "http://127.0.0.1:9/")
    );
    let big = get("/big").await;
    assert_eq!(
        (big.status().as_u16(), big.bytes().await.unwrap().len()),
        (500, 10_000_000)
    );
    let odd = get("/odd").await.bytes().await.unwrap();
    assert!(std::str::from_utf8(&odd).is_err());
    assert_eq!(get("/any").await.status(), 404);
}

#[tokio::test]
async fn failures_are_counted_per_path_and_then_end() {
    let receiver = Receiver::start().await.unwrap();
    receiver.on(
        "/flaky",
        Behaviour::FailTimes {
            times: 2,
            status: 503,
        },
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(
            client()
                .post(receiver.url("/flaky"))
                .send()
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [503, 503, 200, 200]);
}

#[tokio::test]
async fn a_reset_is_no_answer_but_the_request_is_written_down() {
    let receiver = Receiver::start().await.unwrap();
    receiver.on("/", Behaviour::ResetTimes { times: 1 });
    let error = client()
        .post(receiver.url("/"))
        .body("x")
        .send()
        .await
        .unwrap_err();
    assert!(
        error.is_request() && !error.is_connect() && !error.is_timeout(),
        "{error:?}"
    );
    assert_eq!(receiver.pages_for("/").len(), 1);
    assert_eq!(
        client()
            .post(receiver.url("/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[rstest]
#[case::hangs(Behaviour::Hang)]
#[case::is_slow(Behaviour::OneBytePerSecond)]
#[case::is_late(Behaviour::Delay(Duration::from_mins(1)))]
#[tokio::test]
async fn who_gives_no_answer_in_time_got_the_request_all_the_same(#[case] behaviour: Behaviour) {
    let receiver = Receiver::start().await.unwrap();
    receiver.on("/", behaviour);
    let limit = Duration::from_millis(300);
    let error = client()
        .post(receiver.url("/"))
        .timeout(limit)
        .send()
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(receiver.pages_for("/").len(), 1);
}

#[tokio::test]
async fn a_closed_receiver_refuses_and_serves_again_at_the_same_address() {
    let receiver = Receiver::start().await.unwrap();
    let keeps_connections = client();
    keeps_connections
        .post(receiver.url("/"))
        .send()
        .await
        .unwrap();
    receiver.close();
    keeps_connections
        .post(receiver.url("/"))
        .send()
        .await
        .unwrap_err();
    assert!(client().post(receiver.url("/")).send().await.is_err());
    receiver.reopen().await.unwrap();
    assert_eq!(
        client()
            .post(receiver.url("/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(receiver.pages().len(), 2);
}

#[tokio::test]
async fn only_the_right_certificate_is_accepted_by_a_client_that_checks() {
    let ca = TestCa::new("receivers").unwrap();
    let client = client_trusting(&ca);
    let good = Receiver::start_tls(Tls::Trusted(&ca)).await.unwrap();
    assert_eq!(
        client.post(good.url("/")).send().await.unwrap().status(),
        200
    );
    for wrong in [
        Tls::WrongName(&ca),
        Tls::Expired(&ca),
        Tls::UnknownAuthority,
    ] {
        let receiver = Receiver::start_tls(wrong).await.unwrap();
        let error = client.post(receiver.url("/")).send().await.unwrap_err();
        assert!(error.is_connect(), "{wrong:?}: {error:?}");
        receiver
            .wait_for(|ledger| ledger.failed_handshakes() > 0, LIMIT)
            .await
            .unwrap();
        assert!(receiver.pages().is_empty());
    }
}

#[test]
fn a_signature_of_the_reference_library_is_accepted() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let signature = verify(&signed("id-1", now, b"body"), b"body", SECRET, now).unwrap();
    assert_eq!((signature.id.as_str(), signature.time), ("id-1", now));
}

#[test]
fn one_fitting_signature_among_several_is_enough() {
    let now = Timestamp::now();
    let mut headers = signed("id", now, b"body");
    let right = headers["webhook-signature"].to_str().unwrap().to_owned();
    let other = signed("id", now, b"another body")["webhook-signature"]
        .to_str()
        .unwrap()
        .to_owned();
    headers.insert(
        "webhook-signature",
        format!("{other} {right}").parse().unwrap(),
    );
    verify(&headers, b"body", SECRET, now).unwrap();
}

#[test]
fn a_changed_body_id_time_or_secret_is_a_mismatch() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let good = signed("id", now, b"body");
    let changed = |name: &'static str, value: &'static str| {
        let mut headers = good.clone();
        headers.insert(name, HeaderValue::from_static(value));
        verify(&headers, b"body", SECRET, now)
    };
    assert_eq!(
        verify(&good, b"Body", SECRET, now),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        changed("webhook-id", "other"),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        changed("webhook-timestamp", "1800000001"),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        verify(&good, b"body", "whsec_AAAA", now),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(
        verify(&good, b"body", "no secret", now),
        Err(SignatureError::Secret)
    );
}

#[rstest]
#[case::a_minus("webhook-timestamp", "-1", SignatureError::NoTimestamp("-1".to_owned()))]
#[case::no_number("webhook-timestamp", "now", SignatureError::NoTimestamp("now".to_owned()))]
#[case::no_version("webhook-signature", "AAAA", SignatureError::Malformed("AAAA".to_owned()))]
#[case::too_short("webhook-signature", "v1,AAAA", SignatureError::Malformed("v1,AAAA".to_owned()))]
#[case::empty_id("webhook-id", "", SignatureError::Header("webhook-id"))]
fn malformed_headers_are_refused_by_name(
    #[case] name: &'static str,
    #[case] value: &'static str,
    #[case] expected: SignatureError,
) {
    let now = Timestamp::now();
    let mut headers = signed("id", now, b"body");
    headers.insert(name, HeaderValue::from_static(value));
    assert_eq!(verify(&headers, b"body", SECRET, now), Err(expected));
}

#[test]
fn a_missing_or_doubled_header_and_a_stale_time_are_refused() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let good = signed("id", now, b"body");
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut missing = good.clone();
        missing.remove(name);
        assert_eq!(
            verify(&missing, b"body", SECRET, now),
            Err(SignatureError::Header(name))
        );
        let mut doubled = good.clone();
        doubled.append(name, good[name].clone());
        assert_eq!(
            verify(&doubled, b"body", SECRET, now),
            Err(SignatureError::Header(name))
        );
    }
    for seconds in [301, -301] {
        let elsewhen = now + SignedDuration::from_secs(seconds);
        assert_eq!(
            verify(&good, b"body", SECRET, elsewhen),
            Err(SignatureError::Stale(now))
        );
    }
}

//! Mails to a strict server on loopback.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use crate::api::ConnectorType;
use crate::connectors::http::{HttpClient, HttpOptions};
use crate::connectors::tests::{
    At, Fixed, Leads, NASTY, again, assert_for_customers, bundle, dead_address, delivery,
    delivery_of, losing_the_lease, one, refusal, saying, text, time, to_customers, try_once,
    visible, way,
};
use crate::connectors::{Attempt, Connectors, SendOutcome, Sender};
use crate::domain::telling::delivery::Way;
use crate::testkit::certificates::TestCa;
use crate::testkit::receiver::Tls;
use crate::testkit::smtp::{Mail, MailOptions, MailServer, Protection};

/// Every name leads to this machine.
const HERE: Leads = Leads(&[[127, 0, 0, 1]]);

fn connectors(
    ca: Option<&TestCa>,
    allowed: bool,
    secret: Vec<(&'static str, String)>,
) -> Connectors {
    connectors_by(HERE, ca, allowed, secret)
}

fn connectors_by(
    lookup: Leads,
    ca: Option<&TestCa>,
    allowed: bool,
    secret: Vec<(&'static str, String)>,
) -> Connectors {
    let options = HttpOptions {
        allowed_networks: allowed
            .then(|| "127.0.0.0/8".parse().unwrap())
            .into_iter()
            .collect(),
        extra_ca_pem: ca.map(|ca| ca.pem().into_bytes()),
    };
    let http = HttpClient::with_lookup(&options, Arc::new(lookup)).unwrap();
    Connectors::new(http, Arc::new(Fixed(Ok(secret))), Arc::new(At(time())))
}

fn to(server: &MailServer, scheme: &str, host: &str) -> Way {
    let mut way = way(ConnectorType::Email);
    way.connector.server = Some(format!("{scheme}://{host}:{}", server.port()));
    way.connector.address = Some("ops@example.com".into());
    way
}

fn login() -> Vec<(&'static str, String)> {
    let pair = |key, value: &str| (key, value.to_owned());
    vec![
        pair("username", "bot@example.com"),
        pair("password", "pass-s3cret"),
    ]
}

/// Header and body, unfolded.
fn header(mail: &Mail, name: &str) -> Vec<String> {
    let head = mail.text.split("\r\n\r\n").next().unwrap();
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let prefix = format!("{name}: ");
    let lines = head
        .split("\r\n")
        .filter_map(|line| line.strip_prefix(&prefix));
    lines.map(str::to_owned).collect()
}

async fn plain() -> MailServer {
    MailServer::start(&MailOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_dead_address_of_a_mail_server_leaves_time_for_its_others() {
    let server = plain().await;
    let _dead = dead_address(server.port()).await;
    let lookup = Leads(&[[127, 0, 0, 2], [127, 0, 0, 1]]);
    let connectors = connectors_by(lookup, None, true, vec![]);
    let way = to(&server, "smtp", "mail.example");
    let attempt = Attempt {
        number: 1,
        limit: Duration::from_secs(15),
    };
    let outcome = connectors.send(&way, &one(delivery()), attempt).await;
    assert_eq!(outcome, SendOutcome::Delivered);
}

#[tokio::test]
async fn where_the_lease_is_lost_before_the_mail_is_handed_over_no_server_takes_it() {
    let server = plain().await;
    let secrets = Arc::new(Fixed(Ok(vec![])));
    let connectors = Connectors::new(losing_the_lease(None), secrets, Arc::new(At(time())));
    let way = to(&server, "smtp", "mail.example");
    let outcome = try_once(&connectors, &way, &one(delivery())).await;
    assert_eq!(outcome, SendOutcome::held());
    assert_eq!(server.connections(), 1);
    assert!(server.mails().is_empty());
}

/// The mail of one delivery.
async fn mailed(server: &MailServer, delivery: crate::domain::telling::delivery::Delivery) -> Mail {
    let way = to(server, "smtp", "127.0.0.1");
    let outcome = try_once(&connectors(None, true, vec![]), &way, &one(delivery)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    assert_eq!(server.violations(), Vec::<String>::new());
    server.mails().pop().unwrap()
}

#[tokio::test]
async fn a_page_is_a_mail_of_text_and_html_with_the_headers_that_mailboxes_sort_by() {
    let server = plain().await;
    let mail = mailed(&server, delivery()).await;
    assert_eq!(mail.to, ["ops@example.com"]);
    assert_eq!(mail.from, "firebell@localhost");
    assert_eq!(header(&mail, "Subject"), ["[High] Checkout returns 5xx"]);
    assert_eq!(
        header(&mail, "Message-ID"),
        [format!("<{}@firebell.dev>", delivery().id)]
    );
    assert_eq!(header(&mail, "List-Id"), ["<room.team.firebell.dev>"]);
    assert_eq!(header(&mail, "Auto-Submitted"), ["auto-generated"]);
    for word in [
        "text/plain",
        "text/html",
        "internal why",
        "Next: internal next",
        "Acknowledge",
    ] {
        assert!(mail.text.contains(word), "{word} in {}", mail.text);
    }
    assert!(!mail.text.contains("javascript"));
}

#[tokio::test]
async fn a_repeat_has_the_same_message_id_and_all_mails_of_a_ticket_name_one_thread() {
    let server = plain().await;
    let first = mailed(&server, delivery()).await;
    let again = mailed(&server, delivery()).await;
    let later = mailed(&server, delivery_of("checkout", "manager")).await;
    let other = mailed(&server, delivery_of("other", "on-call")).await;
    assert_eq!(header(&first, "Message-ID"), header(&again, "Message-ID"));
    assert_ne!(header(&first, "Message-ID"), header(&later, "Message-ID"));
    let thread = header(&first, "References");
    assert!(thread[0].ends_with("@firebell.dev>") && !thread[0].contains("uid-checkout"));
    assert_eq!(header(&later, "References"), thread);
    assert_eq!(header(&later, "In-Reply-To"), thread);
    assert_ne!(header(&other, "References"), thread);
}

#[tokio::test]
async fn tls_from_the_start_and_starttls_are_for_the_name_that_was_written_and_carry_the_login() {
    let ca = TestCa::new("private").unwrap();
    for (scheme, protection) in [
        ("smtps", Protection::Implicit(Tls::Trusted(&ca))),
        ("smtp", Protection::StartTls(Tls::Trusted(&ca))),
    ] {
        let options = MailOptions {
            protection,
            login: Some(("bot@example.com", "pass-s3cret")),
            ..MailOptions::default()
        };
        let server = MailServer::start(&options).await.unwrap();
        let way = to(&server, scheme, "localhost");
        let outcome = try_once(
            &connectors(Some(&ca), true, login()),
            &way,
            &one(delivery()),
        )
        .await;
        assert_eq!(outcome, SendOutcome::Delivered, "{scheme}");
        let mail = server.mails().pop().unwrap();
        assert!(mail.encrypted);
        assert_eq!(mail.user.as_deref(), Some("bot@example.com"));
        assert_eq!(mail.from, "bot@example.com");
        assert_eq!(server.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_bad_certificate_is_refused_for_good_and_neither_login_nor_mail_leaves() {
    let ca = TestCa::new("private").unwrap();
    for (tls, reason) in [
        (Tls::WrongName(&ca), "certificate for another host"),
        (Tls::Expired(&ca), "certificate expired"),
        (Tls::UnknownAuthority, "certificate by an unknown CA"),
    ] {
        for (scheme, protection) in [
            ("smtps", Protection::Implicit(tls)),
            ("smtp", Protection::StartTls(tls)),
        ] {
            let options = MailOptions {
                protection,
                ..MailOptions::default()
            };
            let server = MailServer::start(&options).await.unwrap();
            let way = to(&server, scheme, "localhost");
            let outcome = try_once(
                &connectors(Some(&ca), true, login()),
                &way,
                &one(delivery()),
            )
            .await;
            let message = refusal(outcome);
            assert!(message.contains(reason), "{scheme}: {message}");
            assert!(server.mails().is_empty());
        }
    }
}

#[tokio::test]
async fn outside_the_allowed_networks_no_connection_is_made() {
    let server = plain().await;
    for host in [
        "127.0.0.1",
        "localhost",
        "rebind.example",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
    ] {
        for scheme in ["smtp", "smtps"] {
            let way = to(&server, scheme, host);
            let outcome = try_once(&connectors(None, false, vec![]), &way, &one(delivery())).await;
            let message = refusal(outcome);
            assert!(message.contains("a loopback address"), "{host}: {message}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[rstest]
#[case::greeting("CONNECT", "554 no", false)]
#[case::busy("CONNECT", "421 busy s3cret", true)]
#[case::sender("MAIL", "550 no such sender s3cret", false)]
#[case::recipient("RCPT", "550 no such user s3cret", false)]
#[case::greylisted("RCPT", "451 later", true)]
#[case::full("DATA", "552 full", false)]
#[case::spam("BODY", "554 spam", false)]
#[case::later("BODY", "452 later", true)]
#[tokio::test]
async fn a_4xx_is_tried_again_and_a_5xx_refused_in_words_without_the_servers_text(
    #[case] stage: &'static str,
    #[case] answer: &'static str,
    #[case] repeated: bool,
) {
    let options = MailOptions {
        answers: &[(stage, answer)],
        ..MailOptions::default()
    };
    let server = MailServer::start(&options).await.unwrap();
    let way = to(&server, "smtp", "127.0.0.1");
    let outcome = try_once(&connectors(None, true, vec![]), &way, &one(delivery())).await;
    let message = if repeated {
        again(outcome).0
    } else {
        refusal(outcome)
    };
    assert!(
        message.contains(&answer[..3]) && !message.contains("s3cret"),
        "{message}"
    );
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown() {
    let options = MailOptions {
        login: Some(("bot@example.com", "another")),
        ..MailOptions::default()
    };
    let server = MailServer::start(&options).await.unwrap();
    let way = to(&server, "smtp", "127.0.0.1");
    let message = refusal(try_once(&connectors(None, true, login()), &way, &one(delivery())).await);
    assert!(
        message.contains("535") && message.contains("`password`"),
        "{message}"
    );
    assert!(
        !message.contains("s3cret") && !message.contains("bot@"),
        "{message}"
    );
}

#[tokio::test]
async fn customers_hear_nothing_internal() {
    let server = plain().await;
    let way = to_customers(to(&server, "smtp", "127.0.0.1"));
    try_once(&connectors(None, true, vec![]), &way, &one(delivery())).await;
    let mail = server.mails().pop().unwrap();
    assert_for_customers(&mail.text);
    assert!(!mail.text.contains("room"), "not even the connector's name");
}

#[tokio::test]
async fn a_hundred_at_once_are_one_mail_that_names_each() {
    let server = plain().await;
    let way = to(&server, "smtp", "127.0.0.1");
    let outcome = try_once(&connectors(None, true, vec![]), &way, &bundle(100)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let mail = server.mails().pop().unwrap();
    assert_eq!(header(&mail, "Subject"), ["[High] 100 messages at once"]);
    assert!((0..100).all(|n| mail.text.contains(&format!("shop/t-{n}"))));
    assert_eq!(header(&mail, "References"), Vec::<String>::new());
}

#[rstest]
#[case("ops@example.com\r\nBcc: evil@example.com")]
#[case("ops@example.com, evil@example.com")]
#[case("Ops <ops@example.com>")]
#[case("ops")]
#[tokio::test]
async fn an_address_that_is_more_than_one_mail_address_is_refused(#[case] address: &str) {
    let server = plain().await;
    let mut way = to(&server, "smtp", "127.0.0.1");
    way.connector.address = Some(address.into());
    let message = refusal(try_once(&connectors(None, true, vec![]), &way, &one(delivery())).await);
    assert!(
        message.contains("`address` must be a mail address"),
        "{message}"
    );
    assert_eq!(server.connections(), 0);
}

const HEADERS: [&str; 12] = [
    "From",
    "To",
    "Date",
    "Subject",
    "Message-ID",
    "List-Id",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "References",
    "In-Reply-To",
    "MIME-Version",
    "Content-Type",
];

/// Takes a quoted-printable or base64 part apart.
fn decoded(part: &str) -> String {
    use base64::Engine;
    let (head, body) = part.split_once("\r\n\r\n").unwrap_or((part, ""));
    if head.contains("base64") {
        let body = body.replace("\r\n", "");
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(body)
            .unwrap();
        return String::from_utf8(bytes).unwrap();
    }
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let body = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = body.as_bytes();
    while let [first, more @ ..] = rest {
        if let (b'=', [high, low, more @ ..]) = (first, more) {
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = more;
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Our own tags, and nothing else between `<` and `>`.
fn assert_only_our_tags(html: &str) -> String {
    let tags = [
        "!doctype html",
        "html",
        "body",
        "/html",
        "/body",
        "h2",
        "/h2",
        "p",
        "/p",
        "b",
        "/b",
        "br",
        "/a",
    ];
    let mut text = String::new();
    for piece in html.split('<') {
        let Some((tag, rest)) = piece.split_once('>') else {
            text.push_str(piece);
            continue;
        };
        let link = tag == "a href=\"https://firebell.example/a?t=1\"";
        assert!(link || tags.contains(&tag), "{tag:?} in {html}");
        text.push_str(rest);
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn check_injection(mail: &Mail, written: &str) {
    let head = mail.text.split("\r\n\r\n").next().unwrap();
    for line in head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
    {
        let name = line.split(':').next().unwrap();
        assert!(HEADERS.contains(&name), "{name:?} in {head}");
    }
    let boundary = head
        .split("boundary=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let parts: Vec<&str> = mail.text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "head, text, HTML, end");
    let start: String = visible(written).chars().take(40).collect();
    let text = decoded(parts[1]);
    assert!(visible(&text).contains(&start), "{start} in {text}");
    let html = assert_only_our_tags(&decoded(parts[2]));
    assert!(visible(&html).contains(&start), "{start} in {html}");
}

#[tokio::test]
async fn nasty_texts_stay_texts_in_head_and_both_bodies() {
    let server = plain().await;
    for nasty in NASTY {
        let mail = mailed(&server, saying(nasty)).await;
        check_injection(&mail, nasty);
    }
}

/// Takes the encoded words of a header apart; each has to be whole text by itself.
fn header_text(header: &str) -> String {
    use base64::Engine;
    let (mut text, mut was_encoded) = (String::new(), true);
    for word in header.split_whitespace() {
        let encoded = word.strip_prefix("=?utf-8?b?");
        let encoded = encoded.and_then(|rest| rest.strip_suffix("?="));
        // What separates two encoded words is no part of the text.
        if !(text.is_empty() || was_encoded && encoded.is_some()) {
            text.push(' ');
        }
        was_encoded = encoded.is_some();
        let Some(encoded) = encoded else {
            text.push_str(word);
            continue;
        };
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine.decode(encoded).unwrap();
        text.push_str(&String::from_utf8(bytes).expect("a character is not torn apart"));
    }
    text
}

#[tokio::test]
async fn a_title_of_any_length_is_a_subject_cut_between_characters_and_no_line_is_too_long() {
    let server = plain().await;
    for unit in ["\u{1f525}", "ü", "a"] {
        let title = unit.repeat(3000);
        let mail = mailed(&server, saying(&title)).await;
        for line in mail.text.split("\r\n") {
            assert!(line.len() <= 998, "{} bytes: {line}", line.len());
        }
        let subject = header_text(&header(&mail, "Subject")[0]);
        assert_eq!(subject.chars().count(), 200, "{subject}");
        let kept = subject.strip_suffix('…').expect("it is marked");
        let whole = format!("[High] {title}");
        assert!(whole.starts_with(kept), "{kept}");
        let body = mail.text.split("\r\n\r\n").nth(2).unwrap_or_default();
        assert!(!body.is_empty());
        check_injection(&mail, &title);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_people_wrote_is_text_in_head_and_both_bodies(text in text()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = plain().await;
            let mail = mailed(&server, saying(&text)).await;
            check_injection(&mail, &text);
        });
    }
}

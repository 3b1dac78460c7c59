//! Spellings of addresses that lead inside: not one connection is made (delivery.md section 5).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::serve::ListenerExt;
use firebell::api::ConnectorType;
use firebell::connectors::SendOutcome;
use firebell::connectors::address::Lookup;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::world::{Here, connectors, try_once, way, webhook};

const LIMIT: Duration = Duration::from_secs(5);

/// A listener that counts who comes.
struct Trap {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Trap {
    async fn set(address: [u8; 4]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::from(address), 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(AtomicUsize::new(0));
        let counted = came.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, came }
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

/// Addresses of every kind that is not public.
const INNER: [[u8; 4]; 13] = [
    [127, 0, 0, 1],
    [127, 1, 2, 3],
    [0, 0, 0, 0],
    [10, 0, 0, 1],
    [172, 16, 0, 1],
    [172, 31, 255, 254],
    [192, 168, 1, 1],
    [169, 254, 169, 254],
    [100, 64, 0, 1],
    [198, 18, 0, 1],
    [192, 0, 0, 1],
    [224, 0, 0, 1],
    [255, 255, 255, 255],
];

/// All ways to write an IPv4 address that some program understands.
fn spellings([a, b, c, d]: [u8; 4]) -> Vec<String> {
    let whole = u32::from_be_bytes([a, b, c, d]);
    let (low, three) = (whole & 0xff_ffff, whole & 0xffff);
    let wide: String = format!("{a}.{b}.{c}.{d}")
        .chars()
        .map(|symbol| match symbol.to_digit(10) {
            Some(digit) => char::from_u32(0xff10 + digit).unwrap(),
            None => symbol,
        })
        .collect();
    let digits: Vec<String> = a
        .to_string()
        .bytes()
        .map(|byte| format!("%{byte:x}"))
        .collect();
    let percent = digits.concat();
    let (high, lower) = (whole >> 16, whole & 0xffff);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{a}.{b}.{three}"),
        format!("{a}.{low}"),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("0X{whole:X}"),
        format!("0{whole:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a:#x}.0{b:o}.{c}.{d}"),
        format!("{a:#x}.{low}"),
        format!("000{a:o}.{b}.{c}.{d}"),
        wide,
        format!("{a}\u{3002}{b}\u{3002}{c}\u{3002}{d}"),
        format!("{a}\u{ff0e}{b}\u{ff61}{c}.{d}"),
        format!("{percent}.{b}.{c}.{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{high:x}:{lower:x}]"),
        format!("[0:0:0:0:0:ffff:{high:x}:{lower:x}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[::ffff:0:{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{high:x}:{lower:x}]"),
        format!("[64:ff9b:1::{high:x}:{lower:x}]"),
        format!("[2002:{high:x}:{lower:x}::1]"),
        format!("[2001:db8::5efe:{high:x}:{lower:x}]"),
    ]
}

/// Names and IPv6 forms that lead inside, and what only looks like a host.
const OTHERS: [&str; 24] = [
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[2001::1]",
    "[3fff::1]",
    "localhost",
    "LOCALHOST.",
    "ｌｏｃａｌｈｏｓｔ",
    "localhost.localdomain",
    "rebind.example",
    "xn--rbind-bsa.example",
    "rébind.example",
    "kubernetes.default.svc.cluster.local.",
    "metadata.google.internal",
];

/// Whole addresses: every host with scheme, user info and port in front or behind.
fn hostile(port: u16) -> BTreeSet<String> {
    let hosts = INNER.into_iter().flat_map(spellings);
    let hosts = hosts.chain(OTHERS.map(str::to_owned));
    let mut all = BTreeSet::new();
    for host in hosts {
        all.insert(format!("https://{host}:{port}/"));
        all.insert(format!("http://{host}:{port}/"));
        all.insert(format!("https://public.example@{host}:{port}/"));
        all.insert(format!("https:\\\\{host}:{port}\\"));
        all.insert(format!(" HTTPS:{host}:{port}#@public.example/ "));
    }
    all
}

#[tokio::test]
async fn of_more_than_two_hundred_hostile_spellings_not_one_makes_a_connection() {
    let trap = Trap::set([127, 0, 0, 1]).await;
    let urls = hostile(trap.port);
    assert!(urls.len() > 200, "{}", urls.len());
    let connectors = connectors(&[], None, Arc::new(Here));
    for url in &urls {
        let outcome = try_once(&connectors, &webhook("hook", url), LIMIT).await;
        let SendOutcome::Refused { message } = outcome else {
            panic!("{url}: {outcome:?}")
        };
        assert!(
            !message.contains(&trap.port.to_string()),
            "{url}: {message}"
        );
    }
    assert_eq!(trap.came(), 0);
    println!("{} addresses, no connection", urls.len());
}

#[tokio::test]
async fn the_bases_of_services_and_mail_servers_are_vetted_by_the_same_rule() {
    let trap = Trap::set([127, 0, 0, 1]).await;
    let connectors = connectors(&[], None, Arc::new(Here));
    let mut tried = 0;
    for host in INNER.into_iter().flat_map(spellings) {
        for (type_, scheme, address) in [
            (ConnectorType::Slack, "https", Some("#ops")),
            (ConnectorType::PagerDuty, "http", None),
            (ConnectorType::Email, "smtp", Some("ops@example.com")),
            (ConnectorType::Email, "smtps", Some("ops@example.com")),
        ] {
            let mut way = way("service", type_);
            way.connector.server = Some(format!("{scheme}://{host}:{}", trap.port));
            way.connector.address = address.map(str::to_owned);
            let outcome = try_once(&connectors, &way, LIMIT).await;
            assert_ne!(outcome, SendOutcome::Delivered, "{host}");
            tried += 1;
        }
    }
    assert_eq!(trap.came(), 0, "{tried} tried");
}

/// Answers each question with the next address, the last one for ever.
struct Rebinding(Mutex<Vec<IpAddr>>);

#[async_trait]
impl Lookup for Rebinding {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock();
        let next = answers[0];
        if answers.len() > 1 {
            answers.remove(0);
        }
        Ok(vec![next])
    }
}

/// A server of the allowed address that answers all with `status` and this location, and counts.
async fn server(status: u16, location: String) -> (u16, Arc<AtomicUsize>) {
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = listener.tap_io(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let answer = move || {
        let location = location.clone();
        async move {
            let headers = [
                (header::LOCATION, location),
                (header::CONNECTION, "close".to_owned()),
            ];
            (StatusCode::from_u16(status).unwrap(), headers)
        }
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, came)
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_at_the_next_question_is_vetted_anew_and_the_vetted_address_is_used()
 {
    let (port, came) = server(200, String::new()).await;
    let good = IpAddr::from([127, 0, 0, 2]);
    let answers = vec![good, IpAddr::from([127, 0, 0, 1])];
    let lookup = Arc::new(Rebinding(Mutex::new(answers)));
    let connectors = connectors(&["127.0.0.2/32"], None, lookup);
    let way = webhook("hook", &format!("http://rebind.example:{port}/"));
    assert_eq!(
        try_once(&connectors, &way, LIMIT).await,
        SendOutcome::Delivered
    );
    for _ in 0..3 {
        let outcome = try_once(&connectors, &way, LIMIT).await;
        assert!(
            matches!(outcome, SendOutcome::Refused { .. }),
            "{outcome:?}"
        );
    }
    assert_eq!(came.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_inside_is_not_followed_whatever_its_status() {
    let trap = Trap::set([127, 0, 0, 1]).await;
    for status in [301, 302, 303, 307, 308] {
        for location in [
            format!("http://127.0.0.1:{}/", trap.port),
            format!("//localhost:{}/", trap.port),
            format!("https://[::1]:{}/", trap.port),
        ] {
            let (port, _) = server(status, location).await;
            let connectors = connectors(&["127.0.0.2/32"], None, Arc::new(Here));
            let way = webhook("hook", &format!("http://127.0.0.2:{port}/"));
            let outcome = try_once(&connectors, &way, LIMIT).await;
            let SendOutcome::Refused { message } = outcome else {
                panic!("{outcome:?}")
            };
            assert!(message.contains("redirects are not followed"), "{message}");
        }
    }
    assert_eq!(trap.came(), 0);
}

//! The outbox with the real connectors against a receiver on this machine: what leaves, how often, and what is logged.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::serve::ListenerExt;
use bytes::Bytes;
use firebell::api::{Connector, SecretRef};
use firebell::clock::{Now, WallClock};
use firebell::connectors::Connectors;
use firebell::connectors::http::{HttpClient, HttpOptions};
use firebell::connectors::secret::KnownSecrets;
use firebell::domain::telling::delivery::{Delivery, Progress, Way};
use firebell::outbox::Outbox;
use firebell::testkit::deliveries;
use firebell::testkit::secrets::MemorySecrets;
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

const SIGNING_KEY: &str = "whsec_dDBwczNjcmV0dDBwczNjcmV0";
const TOKEN: &str = "token-s3cret";

/// Addresses that lead inside or nowhere.
const HOSTILE: [&str; 4] = [
    "https://10.0.0.1/path-s3cret",
    "https://user:pass-s3cret@public.example/",
    "no-url-s3cret",
    "http://8.8.8.8/path-s3cret",
];

/// Everything this process logs.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Turns the log on at its most talkative, as far as it is ours; the text so far.
fn log() -> String {
    static LOG: OnceLock<Captured> = OnceLock::new();
    let captured = LOG.get_or_init(|| {
        let captured = Captured::default();
        let ours = tracing_subscriber::EnvFilter::new("firebell=trace,reqwest=trace");
        let log = tracing_subscriber::fmt()
            .with_env_filter(ours)
            .with_ansi(false)
            .with_writer(captured.clone());
        log.init();
        captured
    });
    String::from_utf8(captured.0.lock().clone()).unwrap()
}

/// The Secret that every page of this file uses.
fn keys() -> MemorySecrets {
    let secrets = MemorySecrets::new();
    let values = [("token", TOKEN), ("signingKey", SIGNING_KEY)];
    secrets.put("team", "room-keys", &values);
    secrets
}

/// A receiver that checks each signature, counts ids and connections, and echoes what it got.
#[derive(Clone, Default)]
struct Receiver {
    ids: Arc<Mutex<HashMap<String, usize>>>,
    connections: Arc<AtomicUsize>,
    status: Arc<Mutex<StatusCode>>,
}

impl Receiver {
    /// Starts it; gives its URL.
    async fn start(&self) -> String {
        let take = |State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes| async move {
            standardwebhooks::Webhook::new(SIGNING_KEY)
                .unwrap()
                .verify(&body, &headers)
                .unwrap();
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            *receiver.ids.lock().entry(id).or_default() += 1;
            (*receiver.status.lock(), format!("{headers:?}"))
        };
        let connections = self.connections.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/path-s3cret?key=query-s3cret",
            listener.local_addr().unwrap()
        );
        let counted = listener.tap_io(move |_| {
            connections.fetch_add(1, Ordering::SeqCst);
        });
        let router = Router::new().fallback(take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(counted, router).await });
        url
    }
}

fn outbox(keys: MemorySecrets) -> Outbox {
    let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let http = HttpClient::new(&HttpOptions {
        allowed_networks,
        extra_ca_pem: None,
    })
    .unwrap();
    let connectors = Connectors::new(http, Arc::new(KnownSecrets::new(keys)), Arc::new(WallClock));
    deliveries::outbox(connectors)
}

fn page(ticket: &str, address: &str) -> Delivery {
    let connector = Connector {
        name: "room".into(),
        address: Some(address.into()),
        secret_ref: Some(SecretRef {
            name: "room-keys".into(),
        }),
        ..Connector::default()
    };
    let way = Way {
        namespace: "team".into(),
        connector,
    };
    let ticket = deliveries::ticket(ticket);
    deliveries::page(ticket, "on-call", vec![way], WallClock.now())
}

/// Waits until every delivery has its result.
async fn all_ended(outbox: &Outbox) {
    let ended = async {
        while outbox.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("every delivery should have its result");
}

#[tokio::test]
async fn a_thousand_pages_at_one_instant_arrive_once_each_over_few_connections_and_few_secret_reads()
 {
    let (receiver, keys) = (Receiver::default(), keys());
    let url = receiver.start().await;
    let outbox = outbox(keys.clone());
    outbox.hand_over(
        (0..1000)
            .map(|n| page(&format!("flood-{n}"), &format!("{url}&n={n}")))
            .collect(),
    );
    all_ended(&outbox).await;

    let ids = receiver.ids.lock();
    assert_eq!(ids.len(), 1000);
    assert!(
        ids.values().all(|times| *times == 1),
        "no id leaves twice without a fault"
    );
    let connections = receiver.connections.load(Ordering::SeqCst);
    assert!(
        connections <= 32,
        "{connections} connections: a lane of sixteen needs no more than about as many"
    );
    assert!(keys.reads() <= 20, "{} reads", keys.reads());
}

/// Receivers that refuse and echo, addresses that are hostile or broken: one line per result, no URL and no secret.
#[tokio::test]
async fn a_result_is_one_log_line_and_neither_log_nor_result_holds_url_or_secret() {
    log();
    let receiver = Receiver::default();
    *receiver.status.lock() = StatusCode::GONE;
    let url = receiver.start().await;
    let outbox = outbox(keys());
    let addresses = [&[url.as_str()], &HOSTILE[..]].concat();
    let pages: Vec<_> = addresses
        .iter()
        .enumerate()
        .map(|(n, url)| page(&format!("logged-{n}"), url))
        .collect();
    outbox.hand_over(pages.clone());
    all_ended(&outbox).await;

    let log = log();
    for page in &pages {
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains(page.id.as_str()))
            .collect();
        let [line] = lines[..] else {
            panic!("one line per result: {lines:?}")
        };
        for word in [
            "ticket=logged-",
            "step=\"on-call\"",
            "outcome=Failed",
            "attempts=1",
            "target=contact/alice",
        ] {
            assert!(line.contains(word), "{word} in {line}");
        }
        let Some(Progress::Failed { message, .. }) = outbox.view(&page.ticket.uid).remove(&page.id)
        else {
            panic!()
        };
        for part in [
            "s3cret",
            "127.0.0.1",
            "10.0.0.1",
            "8.8.8.8",
            "public.example",
        ] {
            assert!(!message.contains(part), "{part} in {message}");
        }
    }
    assert!(
        !log.contains("s3cret") && !log.contains("dDBwczNjcmV0"),
        "{log}"
    );
    let ours = log.lines().filter(|line| line.contains(" firebell::"));
    for line in ours {
        assert!(
            !line.contains("127.0.0.1") && !line.contains("public.example"),
            "{line}"
        );
    }
}

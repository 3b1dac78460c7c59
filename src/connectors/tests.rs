//! What the tests of all connectors stand on: a delivery with everything in it, Secrets of the test, a receiver that
//! answers as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use bytes::Bytes;
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::api::{Audience, Connector, SecretRef};
use crate::connectors::address::Lookup;
use crate::connectors::http::{HttpOptions, is_unsafe_to_show};
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, MessageNext, ResolutionSummary, Said, TicketKey, UpdateText,
};
use crate::domain::telling::incident::{Effect, Incident};
use crate::testkit::deliveries;

pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// In place of a status: no answer at all.
pub(super) const HANG: u16 = 0;

/// One Secret for all, or the reason why there is none.
pub(super) struct Fixed(pub(super) Result<Vec<(&'static str, String)>, SecretError>);

#[async_trait]
impl SecretSource for Fixed {
    async fn get(&self, _: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        let pairs = self.0.clone()?;
        let data = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into_bytes()));
        Ok(Arc::new(SecretValues::new(name, data)))
    }
}

/// Says always the same.
pub(super) struct At(pub(super) Timestamp);

impl Now for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Takes no connection at 127.0.0.2 and this port, as an address behind which nobody is: its queue is full.
pub(super) async fn dead_address(port: u16) -> impl Sized {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 2], port));
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queue = Vec::new();
    let soon = Duration::from_millis(500);
    while let Ok(taken) = tokio::time::timeout(soon, TcpStream::connect(address)).await {
        queue.push(taken.unwrap());
    }
    (listener, queue)
}

/// Every name leads there.
pub(super) struct Leads(pub(super) &'static [[u8; 4]]);

#[async_trait]
impl Lookup for Leads {
    async fn addresses(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        Ok(self.0.iter().map(|address| (*address).into()).collect())
    }
}

/// Every name leads to this machine, and nothing may leave any more once one was looked up: the lease is lost meanwhile.
#[derive(Default)]
struct LosesTheLease(AtomicBool);

#[async_trait]
impl Lookup for LosesTheLease {
    async fn addresses(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        self.0.store(true, Ordering::SeqCst);
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

/// A client whose process loses the lease while it looks a name up.
pub(super) fn losing_the_lease(extra_ca_pem: Option<Vec<u8>>) -> HttpClient {
    let lookup = Arc::new(LosesTheLease::default());
    let lost = lookup.clone();
    let http = HttpClient::with_lookup(&here(extra_ca_pem), lookup).unwrap();
    http.asking(Arc::new(move || !lost.0.load(Ordering::SeqCst)))
}

/// This machine may be reached, with certificates of these authorities too.
pub(super) fn here(extra_ca_pem: Option<Vec<u8>>) -> HttpOptions {
    HttpOptions {
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        extra_ca_pem,
    }
}

pub(super) fn http() -> HttpClient {
    HttpClient::new(&here(None)).unwrap()
}

/// Connectors with one Secret.
pub(super) fn connectors(secret: Vec<(&'static str, String)>) -> Connectors {
    Connectors::new(http(), Arc::new(Fixed(Ok(secret))), Arc::new(At(time())))
}

pub(super) fn time() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A way of this type with a Secret.
pub(super) fn way(type_: ConnectorType) -> Way {
    Way {
        namespace: "team".into(),
        connector: Connector {
            name: "room".into(),
            type_,
            secret_ref: Some(SecretRef {
                name: "room-keys".into(),
            }),
            ..Connector::default()
        },
    }
}

/// A page of step "on-call" to alice, with every part that a message can have.
pub(super) fn delivery() -> Delivery {
    delivery_of("checkout", "on-call")
}

/// A page of a step of a ticket, with every part that a message can have.
pub(super) fn delivery_of(name: &str, step: &str) -> Delivery {
    let ticket = TicketKey {
        uid: format!("uid-{name}"),
        ..deliveries::ticket(name)
    };
    let mut delivery = deliveries::page(ticket, step, Vec::new(), time());
    let data = &mut delivery.message.data;
    data.ticket.service = Some("checkout".into());
    data.ticket.assignee = Some("internal assignee".into());
    data.why = "internal why".into();
    data.next = Some(MessageNext {
        what: "internal next".into(),
        time: Some(time()),
    });
    let links = [
        ("acknowledge", "https://firebell.example/a?t=1"),
        ("bad", "javascript:alert(1)"),
    ];
    data.links = links.map(|(name, url)| (name.into(), url.into())).into();
    data.said = Said {
        by: Some("internal user".into()),
        note: Some("internal note".into()),
        expectation: Some("internal expectation".into()),
        last_time: Some("internal last time".into()),
        update: Some(UpdateText {
            message: "the update".into(),
            audience: Audience::Customers,
        }),
        resolution_summary: Some(ResolutionSummary {
            fix: Some("the fix".into()),
            ..ResolutionSummary::default()
        }),
    };
    delivery
}

/// The notice that somebody acknowledged.
pub(super) fn acknowledged() -> Delivery {
    let mut delivery = delivery();
    delivery.id = DeliveryId::from_stored("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    delivery.message.kind = "firebell.notice.v1".into();
    delivery.message.data.kind = "AcknowledgedBy".into();
    delivery.message.data.step = None;
    delivery.message.data.why = "Acknowledged by alice.".into();
    delivery.message.data.links.clear();
    delivery.incident = Incident {
        effect: Effect::Acknowledges,
        keys: vec![
            "uid-checkout/2/on-call".into(),
            "uid-checkout/1/on-call".into(),
        ],
    };
    delivery
}

/// A delivery in which every text of a person is this one.
pub(super) fn saying(text: &str) -> Delivery {
    let mut delivery = delivery();
    let data = &mut delivery.message.data;
    data.ticket.title = text.to_owned();
    data.ticket.assignee = Some(text.to_owned());
    data.why = text.to_owned();
    data.next = Some(MessageNext {
        what: text.to_owned(),
        time: None,
    });
    data.said.note = Some(text.to_owned());
    data.said.by = Some(text.to_owned());
    delivery
}

pub(super) fn one(delivery: Delivery) -> Parcel {
    Parcel::one(Arc::new(delivery))
}

/// So many pages of different tickets.
pub(super) fn bundle(count: usize) -> Parcel {
    let mut all = (0..count).map(|n| Arc::new(delivery_of(&format!("t-{n}"), "on-call")));
    let first = all.next().unwrap();
    Parcel::of(first, all.collect())
}

/// Texts that try to be more than text on some channel.
pub(super) const NASTY: [&str; 12] = [
    "<!channel> <@U012AB3CD> <https://evil.example|click>",
    "@here & \"quotes\" 'single' <b>bold</b>",
    "*bold* _it_ ~st~ `code` [x](https://evil.example)",
    "<at>Everyone</at> {{DATE(2026-01-01T00:00:00Z)}} ${expression()}",
    "line\r\nBcc: evil@example.com\r\n\r\nbody",
    "</p></body><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "\u{202e}desrever\u{2066} \u{0}\u{7}\u{1b}[31m",
    "&lt;!channel&gt; &amp;amp;",
    ".\r\n.\r\nMAIL FROM:<evil@example.com>",
    "=?utf-8?q?encoded?= \u{1f525} ünïcödé",
    "{\"type\": \"injected\"}",
];

/// Nasty texts, alone and mixed with anything.
pub(super) fn text() -> impl Strategy<Value = String> {
    let nasty = proptest::sample::select(NASTY.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        nasty.clone(),
        any::<String>(),
        (nasty, any::<String>()).prop_map(|(nasty, any)| format!("{any}{nasty}{any}")),
    ]
}

/// A text as it may be shown: what hides is gone; for comparing.
pub(super) fn visible(text: &str) -> String {
    let symbols = text
        .chars()
        .filter(|symbol| !is_unsafe_to_show(*symbol) && !symbol.is_whitespace());
    symbols.collect()
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answer = Box<dyn Fn(&Request) -> (u16, String) + Send + Sync>;

struct Inner {
    answer: Answer,
    requests: Mutex<Vec<Request>>,
}

/// A receiver of the test.
pub(super) struct Receiver {
    pub(super) url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    /// Answers each request as `answer` says; asks for 7 s of rest each time.
    pub(super) async fn start(
        answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            answer: Box::new(answer),
            requests: Mutex::default(),
        });
        let take = |State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let path = uri.path().to_owned();
            let request = Request {
                path,
                headers,
                body,
            };
            let (status, text) = (inner.answer)(&request);
            inner.requests.lock().push(request);
            if status == HANG {
                std::future::pending::<()>().await;
            }
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", "7")], text)
        };
        let router = Router::new().fallback(take).with_state(inner.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// Answers all with this status and echoes what it was sent.
    pub(super) async fn answering(status: u16) -> Self {
        Self::start(move |request| (status, format!("{:?}", request.headers))).await
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.inner.requests.lock().clone()
    }
}

/// Tries once.
pub(super) async fn try_once(connectors: &Connectors, way: &Way, parcel: &Parcel) -> SendOutcome {
    let attempt = Attempt {
        number: 1,
        limit: LIMIT,
    };
    connectors.send(way, parcel, attempt).await
}

/// The words of a refusal.
pub(super) fn refusal(outcome: SendOutcome) -> String {
    match outcome {
        SendOutcome::Refused { message } => message,
        other @ (SendOutcome::Delivered | SendOutcome::Retry { .. }) => panic!("{other:?}"),
    }
}

/// The words and the wish of a retry.
pub(super) fn again(outcome: SendOutcome) -> (String, Option<Duration>) {
    match outcome {
        SendOutcome::Retry { message, after } => (message, after),
        other @ (SendOutcome::Delivered | SendOutcome::Refused { .. }) => panic!("{other:?}"),
    }
}

/// All texts of a JSON value.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// What customers may not see stands nowhere in a message to them.
pub(super) fn assert_for_customers(shown: &str) {
    for public in ["Checkout returns 5xx", "the update", "the fix", "Submitted"] {
        assert!(shown.contains(public), "{public} in {shown}");
    }
    for internal in ["internal", "on-call", "shop", "firebell.example", "alice"] {
        assert!(!shown.contains(internal), "{internal} in {shown}");
    }
}

/// A way like that to customers.
pub(super) fn to_customers(mut way: Way) -> Way {
    way.connector.audience = Audience::Customers;
    way
}

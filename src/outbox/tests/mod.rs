//! The rules of delivery.md section 2 with a sender of the test and virtual time.

mod breakers;
mod bundles;
mod lanes;
mod room;
mod standing;
mod telling;
mod tries;

use std::collections::HashMap;
use std::future::Future;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::*;
use crate::api::{Connector, Severity};
use crate::domain::telling::delivery::{Progress, Target, ValidWhile, Way};
use crate::domain::telling::parcel::Parcel;
use crate::testkit::deliveries;
use crate::testkit::deliveries::ticket as key;

const NOTHING: Standing = Standing {
    acknowledged: false,
    resolved: false,
    closed: false,
    held: false,
};
const ACKNOWLEDGED: Standing = Standing {
    acknowledged: true,
    ..NOTHING
};
const CLOSED: Standing = Standing {
    closed: true,
    ..NOTHING
};

/// A clock that goes with the timers.
struct Ticking {
    base: Timestamp,
    since: Instant,
}

impl Now for Ticking {
    fn now(&self) -> Timestamp {
        self.base + self.since.elapsed()
    }
}

/// What a connector of the test does with each try.
#[derive(Clone, Debug)]
enum Answer {
    Take,
    TakeAfter(Duration),
    Hang,
    Panic,
    Refuse,
    Busy,
    BusyFor(Duration),
}

/// A try as the sender saw it.
#[derive(Clone, Debug)]
struct Seen {
    at: Duration,
    id: String,
    connector: String,
    members: Vec<String>,
}

/// Answers by the name of the connector: the script first, its last entry for ever.
struct Script {
    answers: Mutex<HashMap<String, Vec<Answer>>>,
    seen: Mutex<Vec<Seen>>,
    running: Mutex<(usize, usize)>,
    /// Whether messages may leave at all.
    may_leave: watch::Sender<bool>,
    since: Instant,
}

#[async_trait]
impl Sender for Script {
    async fn ready(&self) {
        let mut may_leave = self.may_leave.subscribe();
        // Lives as long as the script.
        let _open = may_leave.wait_for(|may| *may).await;
    }

    async fn send(&self, way: &Way, parcel: &Parcel, _: Attempt) -> SendOutcome {
        let connector = way.connector.name.clone();
        let seen = Seen {
            at: self.since.elapsed(),
            id: parcel.id().to_string(),
            connector: connector.clone(),
            members: parcel.members().map(|one| one.id.to_string()).collect(),
        };
        self.seen.lock().push(seen);
        let answer = match self.answers.lock().get_mut(&connector) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => Answer::Take,
        };
        {
            let mut running = self.running.lock();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        let outcome = match answer {
            Answer::Take => SendOutcome::Delivered,
            Answer::TakeAfter(time) => {
                tokio::time::sleep(time).await;
                SendOutcome::Delivered
            }
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("a fault of the sender"),
            Answer::Refuse => SendOutcome::refused("the receiver answered 410"),
            Answer::Busy => SendOutcome::retry("the receiver answered 503"),
            Answer::BusyFor(after) => SendOutcome::Retry {
                message: "the receiver answered 429".into(),
                after: Some(after),
            },
        };
        self.running.lock().0 -= 1;
        outcome
    }
}

/// Remembers results.
#[derive(Default)]
struct Results(Mutex<Vec<DeliveryResult>>);

impl DeliveryObserver for Results {
    fn observe(&self, result: DeliveryResult) {
        self.0.lock().push(result);
    }
}

/// An outbox with everything around it.
struct World {
    outbox: Outbox,
    script: Arc<Script>,
    clock: Arc<Ticking>,
    results: Arc<Results>,
    reports: mpsc::UnboundedReceiver<TicketKey>,
}

impl World {
    fn new(answers: &[(&str, &[Answer])]) -> Self {
        Self::with(OutboxConfig::default(), answers)
    }

    fn with(config: OutboxConfig, answers: &[(&str, &[Answer])]) -> Self {
        let since = Instant::now();
        let answers = answers
            .iter()
            .map(|(name, answers)| ((*name).to_owned(), answers.to_vec()))
            .collect();
        let script = Arc::new(Script {
            answers: Mutex::new(answers),
            seen: Mutex::default(),
            running: Mutex::default(),
            may_leave: watch::Sender::new(true),
            since,
        });
        let clock = Arc::new(Ticking {
            base: "2026-01-02T03:04:05Z".parse().unwrap(),
            since,
        });
        let results = Arc::new(Results::default());
        let (sender, reports) = mpsc::unbounded_channel();
        let outbox = Outbox::new(
            config,
            script.clone(),
            clock.clone(),
            results.clone(),
            sender,
        );
        Self {
            outbox,
            script,
            clock,
            results,
            reports,
        }
    }

    /// A page to a contact over these connectors, due now.
    fn page(&self, ticket: &str, step: &str, connectors: &[&str]) -> Delivery {
        let way = |name: &&str| Way {
            namespace: "team".into(),
            connector: Connector {
                name: (*name).to_owned(),
                address: Some(format!("https://{name}.example/{ticket}")),
                ..Connector::default()
            },
        };
        let ways = connectors.iter().map(way).collect();
        deliveries::page(key(ticket), step, ways, self.clock.now())
    }

    /// What is known of one delivery.
    fn progress(&self, delivery: &Delivery) -> Option<Progress> {
        self.outbox.view(&delivery.ticket.uid).remove(&delivery.id)
    }

    /// Waits for the result of a delivery.
    async fn result(&self, delivery: &Delivery) -> Progress {
        until(|| match self.progress(delivery)? {
            Progress::InFlight { .. } => None,
            result @ (Progress::Delivered { .. }
            | Progress::Failed { .. }
            | Progress::Cancelled { .. }) => Some(result),
        })
        .await
    }

    fn elapsed(&self) -> Duration {
        self.script.since.elapsed()
    }

    /// When each try of this delivery began, in seconds.
    fn tries(&self, delivery: &Delivery) -> Vec<f64> {
        let seen = self.script.seen.lock();
        seen.iter()
            .filter(|seen| seen.members.iter().any(|id| id == delivery.id.as_str()))
            .map(|seen| seen.at.as_secs_f64())
            .collect()
    }

    fn connectors_tried(&self) -> Vec<String> {
        self.script
            .seen
            .lock()
            .iter()
            .map(|seen| seen.connector.clone())
            .collect()
    }
}

/// Looks every 10 ms of virtual time, for at most an hour of it.
async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(Duration::from_hours(1), found).await
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future)
        .await
        .expect("it should have come by now")
}

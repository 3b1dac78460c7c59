//! Puts the operator's parts together.

mod watches;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::Client;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::RunArgs;
use super::heart::heartbeat;
use super::outward::{Threads, http_client, outbox};
use super::supervisor::Supervisor;
use crate::clock::OperatorClock;
use crate::connectors::secret::{ClusterSecrets, KnownSecrets, SecretSource};
use crate::controller::collection::{Collection, unused_in};
use crate::controller::commit::StatusWriter;
use crate::controller::document::Documents;
use crate::controller::engine::Engine;
use crate::controller::events::{self, Events};
use crate::controller::freshness::Watches;
use crate::controller::gate::Gate;
use crate::controller::heartbeat::Heartbeat;
use crate::controller::leader::Leadership;
use crate::controller::leader::election::Ground;
use crate::controller::past::PastReader;
use crate::controller::policy::{PolicyDesk, Tally};
use crate::controller::rca::RcaDesk;
use crate::controller::retention::Retention;
use crate::controller::shelf::Shelf;
use crate::controller::sinks::Shared;
use crate::controller::tasks;
use crate::controller::ticket::TicketDesk;
use crate::controller::unanswered::Unanswered;
use crate::controller::view::{Bells, Doubt, Trigger, View};
use crate::domain::observed::Settings;
use crate::domain::telling::delivery::TicketKey;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::serve::Health;

pub use watches::{all_listed, follow_all};

/// Writes of statuses on their way to the API server at once.
const WRITES: usize = 24;
/// Live GETs before pages at once.
const CHECKS: usize = 24;
/// Archived tickets of one page.
const RETENTION_PAGE: u32 = 500;

/// What every part stands on.
#[derive(Clone)]
pub struct Base {
    pub client: Client,
    pub clock: OperatorClock,
    pub watches: Watches,
    pub metrics: Metrics,
    pub health: Health,
    pub leadership: Leadership,
}

impl Base {
    /// What looks are run with.
    fn engine(&self, halt: &CancellationToken) -> Engine<OperatorClock> {
        Engine {
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            health: self.health.clone(),
            leadership: self.leadership.clone(),
            halt: halt.clone(),
            others: Handle::current(),
        }
    }
}

/// The parts, put together and not started.
pub struct Operator {
    pub base: Base,
    pub view: Arc<View>,
    pub outbox: Outbox,
    bells: Bells,
    tickets: Arc<TicketDesk>,
    policies: Arc<PolicyDesk>,
    rcas: Arc<RcaDesk>,
    events: Events,
    tally: Tally,
    queues: Queues,
    retention: (Retention, Duration),
    collection: Collection,
    heartbeat: Heartbeat,
    shelf: Arc<Shelf>,
    threads: Threads,
}

/// The far ends of the operator's queues.
struct Queues {
    tickets: mpsc::UnboundedReceiver<Trigger>,
    policies: mpsc::UnboundedReceiver<Trigger>,
    rcas: mpsc::UnboundedReceiver<Trigger>,
    doubts: mpsc::UnboundedReceiver<Doubt>,
    past: mpsc::UnboundedReceiver<Arc<str>>,
    reports: mpsc::UnboundedReceiver<TicketKey>,
    events: mpsc::Receiver<Event>,
}

/// What runs until it is told to halt; each is cancelled once it has ended.
pub struct Running {
    /// Looks, by kind.
    pub looks: [CancellationToken; 3],
    /// Writes Events.
    pub events: CancellationToken,
    /// What leaves, leaves by them until this is dropped.
    _threads: Threads,
}

impl Operator {
    /// Builds the parts; nothing runs yet but the outbox's timer.
    pub fn build(args: &RunArgs, base: Base) -> anyhow::Result<Self> {
        let (report_bell, reports) = mpsc::unbounded_channel();
        let (events, told) = Events::new(&instance(), base.metrics.clone());
        let (bells, queues) = queues(reports, told);
        let secrets: Arc<dyn SecretSource> =
            Arc::new(KnownSecrets::new(ClusterSecrets::new(base.client.clone())));
        #[cfg(feature = "testkit")]
        let secrets = crate::testkit::fragile::fragile(secrets);
        let http = http_client(args)?;
        let (threads, outbox) = outbox(args, http.clone(), &base, secrets.clone(), report_bell)?;
        let view = Arc::new(View::new(
            args.shared_policy_namespace.clone(),
            outbox.clone(),
            bells.clone(),
            base.clock.clone(),
            base.metrics.clone(),
        ));
        let collection = collection(args, &base, &view);
        let tally = Tally::default();
        let writer = StatusWriter {
            client: base.client.clone(),
            gate: Gate::new(WRITES),
            metrics: base.metrics.clone(),
        };
        let tickets = ticket_desk(args, &base, &view, &outbox, &writer, &events);
        let shelf = Arc::new(Shelf::new(base.client.clone()));
        let rcas = rca_desk(&base, &view, &outbox, &writer, &events, &shelf);
        let retention = retention(args, &base, &view, &rcas);
        let documents = Documents::new(shelf.clone());
        let policies = policy_desk(
            args,
            &base,
            &view,
            writer,
            &events,
            &tally,
            (secrets, documents),
        );
        let heartbeat = heartbeat(args, &base, &tickets, http);
        Ok(Self {
            base,
            view,
            outbox,
            bells,
            tickets,
            policies,
            rcas,
            events,
            tally,
            queues,
            retention,
            collection,
            heartbeat,
            shelf,
            threads,
        })
    }

    /// Starts everything but the watches.
    pub fn start(
        self,
        standing: &mut Supervisor,
        halt: &CancellationToken,
        flush: &CancellationToken,
    ) -> Running {
        let Self {
            base,
            view,
            outbox,
            bells,
            tickets,
            policies,
            rcas,
            tally,
            queues,
            retention: (retention, every),
            collection,
            heartbeat,
            threads,
            ..
        } = self;
        let engine = base.engine(halt);
        let Base {
            client,
            clock,
            metrics,
            leadership,
            ..
        } = base;
        *tally.lock() = tasks::count(&view);
        standing.spawn("outbox", outbox.clone().broken());
        standing.spawn("reports", tasks::hear_reports(queues.reports, view.clone()));
        let asked = (tickets.clone(), policies.clone(), rcas.clone());
        let ask = move |doubt| ask_about(asked.clone(), doubt);
        standing.spawn("doubts", tasks::settle_doubts(queues.doubts, ask));
        let reader = PastReader {
            client: client.clone(),
            view: view.clone(),
            clock: clock.clone(),
        };
        standing.spawn("past", reader.run(queues.past));
        standing.spawn("tally", tasks::keep_tally(view, tally, bells, clock));
        let collecting = once_leading(leadership.clone(), collection.run());
        standing.spawn("revisions", collecting);
        let deleting = once_leading(leadership.clone(), retention.run(every));
        standing.spawn("retention", deleting);
        standing.spawn("audit", once_leading(leadership, heartbeat.run()));
        let events = events::write(client, queues.events, metrics, flush.clone());
        let policies = engine.clone().run(policies, queues.policies);
        let rcas = engine.clone().run(rcas, queues.rcas);
        let tickets = engine.run(tickets, queues.tickets);
        let here = Handle::current();
        Running {
            looks: [
                // Beside what leaves, so that deadlines are met in a flood too.
                standing.spawn_on(outbox.runtime(), "looks at tickets", tickets),
                standing.spawn_on(&here, "looks at policies", policies),
                standing.spawn_on(&here, "looks at RCAs", rcas),
            ],
            events: standing.spawn_on(&here, "events", events),
            _threads: threads,
        }
    }

    /// What the end of a namespace's streams needs.
    fn shared(&self, namespace: Option<String>) -> Shared {
        Shared {
            view: self.view.clone(),
            events: self.events.clone(),
            watches: self.base.watches.clone(),
            clock: self.base.clock.clone(),
            leadership: self.base.leadership.clone(),
            namespace,
        }
    }

    /// What an election among replicas stands on.
    pub fn ground(&self) -> Ground {
        Ground {
            client: self.base.client.clone(),
            clock: self.base.clock.clone(),
            health: self.base.health.clone(),
            metrics: self.base.metrics.clone(),
            events: self.events.clone(),
        }
    }
}

/// Asks the API server what an object is; whether it answered.
async fn ask_about(
    (tickets, policies, rcas): (Arc<TicketDesk>, Arc<PolicyDesk>, Arc<RcaDesk>),
    doubt: Doubt,
) -> bool {
    match doubt {
        Doubt::Ticket(key) => tickets.read_live(&key).await,
        Doubt::Policy(key) => policies.read_live(&key).await,
        Doubt::Rca(key) => rcas.read_live(&key).await,
    }
}

/// What rings, and the far ends of it.
fn queues(
    reports: mpsc::UnboundedReceiver<TicketKey>,
    events: mpsc::Receiver<Event>,
) -> (Bells, Queues) {
    let (ticket_bell, tickets) = mpsc::unbounded_channel();
    let (policy_bell, policies) = mpsc::unbounded_channel();
    let (rca_bell, rcas) = mpsc::unbounded_channel();
    let (doubt_bell, doubts) = mpsc::unbounded_channel();
    let (past_bell, past) = mpsc::unbounded_channel();
    let bells = Bells {
        tickets: ticket_bell,
        policies: policy_bell,
        rcas: rca_bell,
        doubts: doubt_bell,
        past: past_bell,
    };
    let queues = Queues {
        tickets,
        policies,
        rcas,
        doubts,
        past,
        reports,
        events,
    };
    (bells, queues)
}

fn ticket_desk(
    args: &RunArgs,
    base: &Base,
    view: &Arc<View>,
    outbox: &Outbox,
    writer: &StatusWriter,
    events: &Events,
) -> Arc<TicketDesk> {
    Arc::new(TicketDesk {
        client: base.client.clone(),
        view: view.clone(),
        outbox: outbox.clone(),
        writer: writer.clone(),
        checks: Gate::new(CHECKS),
        events: events.clone(),
        unanswered: Unanswered::default(),
        clock: base.clock.clone(),
        watches: base.watches.clone(),
        leadership: base.leadership.clone(),
        metrics: base.metrics.clone(),
        settings: Settings {
            archive_after: args.archive_after.to_signed(),
        },
    })
}

fn rca_desk(
    base: &Base,
    view: &Arc<View>,
    outbox: &Outbox,
    writer: &StatusWriter,
    events: &Events,
    shelf: &Arc<Shelf>,
) -> Arc<RcaDesk> {
    Arc::new(RcaDesk {
        client: base.client.clone(),
        view: view.clone(),
        outbox: outbox.clone(),
        writer: writer.clone(),
        events: events.clone(),
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
        known: Mutex::default(),
        shelf: shelf.clone(),
        kept: Mutex::default(),
    })
}

fn policy_desk(
    args: &RunArgs,
    base: &Base,
    view: &Arc<View>,
    writer: StatusWriter,
    events: &Events,
    tally: &Tally,
    (source, documents): (Arc<dyn SecretSource>, Documents),
) -> Arc<PolicyDesk> {
    Arc::new(PolicyDesk {
        client: base.client.clone(),
        view: view.clone(),
        writer,
        events: events.clone(),
        clock: base.clock.clone(),
        namespaces: args.namespaces.clone(),
        tally: tally.clone(),
        source,
        documents,
        secrets: Mutex::default(),
    })
}

/// What deletes archived tickets, and how often.
fn retention(
    args: &RunArgs,
    base: &Base,
    view: &Arc<View>,
    rcas: &Arc<RcaDesk>,
) -> (Retention, Duration) {
    let (view, rcas) = (view.clone(), rcas.clone());
    let retention = Retention {
        client: base.client.clone(),
        scopes: scopes(&args.namespaces),
        policies: Box::new(move || view.policies.index()),
        clock: Arc::new(base.clock.clone()),
        metrics: base.metrics.clone(),
        page: RETENTION_PAGE,
        deleted: Box::new(move |ticket, uid| rcas.ticket_deleted(ticket, uid)),
    };
    let every = u64::try_from(args.retention_every.as_millis()).unwrap_or(0);
    (retention, Duration::from_millis(every.max(1000)))
}

/// What deletes revisions that nobody uses.
fn collection(args: &RunArgs, base: &Base, view: &Arc<View>) -> Collection {
    let view = view.clone();
    Collection {
        client: base.client.clone(),
        namespaces: args.namespaces.clone(),
        shared_namespace: args.shared_policy_namespace.clone(),
        unused: Box::new(move || unused_in(&view)),
        clock: Arc::new(base.clock.clone()),
    }
}

/// One scope per namespace, or the whole cluster.
fn scopes(namespaces: &[String]) -> Vec<Option<String>> {
    if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().cloned().map(Some).collect()
    }
}

/// Runs a task once this process leads; it never leads twice.
async fn once_leading(mut leadership: Leadership, task: impl Future<Output = ()>) {
    leadership.begun().await;
    task.await;
}

/// Names this process in Events: the pod's name.
pub fn instance() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "firebell".to_owned())
}

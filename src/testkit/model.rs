//! A world in a box: one ticket, a model of the API and of the receivers, virtual time, and crashes on demand.
//!
//! It drives the production loop (`controller::drive`), so what holds here holds for the decisions the operator makes.
//! Each call of the loop to the world is two crash points: before and after it took effect (delivery.md section 4).

mod fault;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use crate::api::{EscalationPolicySpec, Ticket, TicketSpec, TicketStatus};
use crate::controller::drive::{Rest, drive};
use crate::domain::lifecycle;
use crate::domain::next::Transition;
use crate::domain::observed::{Observed, Others, Settings};
use crate::domain::policy::ValidPolicy;
use crate::domain::selection::{LivePolicy, PolicyIndex};
use crate::domain::telling::delivery::{Delivery, FailureCause, OutboxView, Progress};

pub use fault::Fault;

/// Namespace of everything in the box.
pub const NAMESPACE: &str = "box";

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    Takes,
    /// After this long; until then it waits in its lane and can be cancelled.
    TakesAfter(SignedDuration),
    /// At once, but says so only after this long.
    AnswersAfter(SignedDuration),
    /// Never: it refuses for good.
    Refuses,
    /// Never: the try is out, and ends so after this long; nothing can cancel it.
    FailsAfter(SignedDuration, FailureCause),
    /// Never: the retry budget ends after this long.
    Dead(SignedDuration),
}

/// One message as a receiver got it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// When.
    pub time: Timestamp,
    /// Its id.
    pub id: String,
    /// `Page` or the kind of the notice.
    pub kind: String,
    /// For whom.
    pub to: String,
    /// Round of the chain.
    pub round: i64,
    /// Step and repeat, for pages.
    pub step: Option<(String, i64)>,
    /// The whole delivery, with its ways and its message.
    pub delivery: Delivery,
}

/// What becomes of a delivery that is on its way.
struct Flight {
    /// When.
    time: Timestamp,
    /// Which.
    delivery: Delivery,
    /// What then.
    end: Progress,
    /// The receiver has it already: nothing can be cancelled any more.
    out: bool,
}

/// The end of a process, planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashed;

/// A person's edit: when, which block of the spec, and what it does.
pub struct Edit {
    /// When it becomes readable.
    pub time: Timestamp,
    /// The blocks its writer owns, for managedFields: one, or several with `+` between.
    pub block: &'static str,
    /// What it does.
    pub edit: Box<dyn Fn(&mut TicketSpec)>,
}

/// The box.
pub struct Model {
    /// The ticket as the API stores it.
    pub ticket: Ticket,
    /// Policies in view.
    pub policies: Arc<PolicyIndex>,
    /// Now.
    pub now: Timestamp,
    /// What receivers got, in order.
    pub received: Vec<Received>,
    /// Status writes.
    pub writes: usize,
    /// What was told with them.
    pub told: Vec<Transition>,
    /// How receivers answer, by target name.
    pub answer: Box<dyn Fn(&str) -> Answer>,
    /// Other tickets.
    pub others: Others,
    /// Edits still to come, in order of time.
    pub edits: Vec<Edit>,
    /// Crash at this many calls; `None` = never.
    pub crash_at: Option<usize>,
    /// How long the process is gone after a crash.
    pub gone_for: SignedDuration,
    /// Calls so far: the crash points of a clean run.
    pub points: usize,
    /// Crashes so far.
    pub crashes: usize,
    /// What is wrong with this world, for tests of the tests.
    pub fault: Option<Fault>,
    forgotten: BTreeSet<String>,
    durable: Option<Box<TicketStatus>>,
    outbox: OutboxView,
    due: Vec<Flight>,
    dead: bool,
    first_seen: Timestamp,
    at_once: (Timestamp, usize),
}

impl Model {
    /// A box with one ticket and one default policy named `gold`, at the ticket's creation.
    ///
    /// # Panics
    /// On a policy that has errors.
    #[allow(clippy::expect_used, reason = "a test's own policy must be valid")]
    pub fn new(policy: EscalationPolicySpec, spec: TicketSpec, created: Timestamp) -> Self {
        let valid = ValidPolicy::check(policy)
            .policy
            .expect("the policy of the test is valid");
        let ticket = Ticket {
            metadata: meta::ObjectMeta {
                name: Some("ticket".into()),
                namespace: Some(NAMESPACE.into()),
                uid: Some("uid".into()),
                generation: Some(1),
                resource_version: Some("1".into()),
                creation_timestamp: Some(meta::Time(created)),
                ..meta::ObjectMeta::default()
            },
            spec,
            status: None,
        };
        let mut model = Self {
            ticket,
            policies: Arc::new(PolicyIndex::default()),
            now: created,
            received: Vec::new(),
            writes: 0,
            told: Vec::new(),
            answer: Box::new(|_| Answer::Takes),
            others: Others::default(),
            edits: Vec::new(),
            crash_at: None,
            gone_for: SignedDuration::ZERO,
            points: 0,
            crashes: 0,
            fault: None,
            forgotten: BTreeSet::new(),
            durable: None,
            outbox: OutboxView::new(),
            due: Vec::new(),
            dead: false,
            first_seen: created,
            at_once: (created, 0),
        };
        model.store_policy("gold-1", 1, valid);
        model
    }

    /// Stores a revision of `gold` and makes it the newest.
    pub fn store_policy(&mut self, revision: &str, generation: i64, valid: ValidPolicy) {
        let mut index = (*self.policies).clone();
        let of = |name: &str| (NAMESPACE.to_owned(), name.to_owned());
        index.revisions.insert(of(revision), Arc::new(valid));
        let live = LivePolicy {
            created: Some(self.now),
            generation,
            revision: Some(revision.to_owned()),
            suspend: None,
            suspend_seen: None,
        };
        index.policies.insert(of("gold"), live);
        self.policies = Arc::new(index);
    }

    /// Plans an edit.
    pub fn edit_at(
        &mut self,
        time: Timestamp,
        block: &'static str,
        edit: impl Fn(&mut TicketSpec) + 'static,
    ) {
        self.edits.push(Edit {
            time,
            block,
            edit: Box::new(edit),
        });
        self.edits.sort_by_key(|edit| edit.time);
    }

    /// The status as stored.
    pub fn status(&self) -> TicketStatus {
        self.ticket.status.clone().unwrap_or_default()
    }

    /// Runs until `end`; a crash restarts the process after `gone_for`.
    ///
    /// # Panics
    /// When the loop asks to be asked again without end.
    pub fn run_until(&mut self, end: Timestamp) {
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(
                turns < 20_000,
                "no rest at {}: {:?}",
                self.now,
                self.status().escalation
            );
            self.catch_up_world();
            let seen = self.observe();
            let settings = Settings::default();
            let rest = block_on(drive(self, seen, &settings));
            if self.dead {
                self.restart();
                continue;
            }
            let Ok(Rest { until, .. }) = rest else {
                continue;
            };
            let edit = self.edits.first().map(|edit| edit.time + self.lag());
            let result = self.due.iter().map(|flight| flight.time).min();
            let next = [until, edit, result, self.next_meddling()];
            let next = next.into_iter().flatten().min();
            match next {
                Some(next) if next <= end => self.now = next.max(self.now),
                Some(_) | None => break,
            }
        }
        self.now = end;
    }

    /// The process is gone until then: what it knew beside the object is lost.
    pub fn down_until(&mut self, time: Timestamp) {
        self.outbox.clear();
        self.due.clear();
        self.now = time;
        self.first_seen = time;
    }

    fn restart(&mut self) {
        self.dead = false;
        self.crashes += 1;
        self.crash_at = None;
        self.outbox.clear();
        self.due.clear();
        self.now += self.gone_for;
        self.first_seen = self.now;
        self.lose_armed();
    }

    /// Edits and answers whose time has come.
    fn catch_up_world(&mut self) {
        self.meddle();
        let lag = self.lag();
        while self
            .edits
            .first()
            .is_some_and(|edit| edit.time + lag <= self.now)
        {
            let Edit { time, block, edit } = self.edits.remove(0);
            edit(&mut self.ticket.spec);
            own(&mut self.ticket, block, time);
            self.bump();
        }
        let (ready, later): (Vec<_>, Vec<_>) = self
            .due
            .drain(..)
            .partition(|flight| flight.time <= self.now);
        self.due = later;
        for flight in ready {
            if !flight.out && matches!(flight.end, Progress::Delivered { .. }) {
                self.receive(&flight.delivery, flight.time);
            }
            self.outbox.insert(flight.delivery.id, flight.end);
        }
        self.cancel_invalid();
    }

    /// As the outbox does: what is queued and no longer holds never leaves.
    fn cancel_invalid(&mut self) {
        let standing = lifecycle::standing(&self.ticket);
        let now = self.now;
        let (stays, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|flight| flight.out || flight.delivery.valid_while.holds(standing));
        self.due = stays;
        for flight in gone {
            self.outbox
                .insert(flight.delivery.id, Progress::Cancelled { time: now });
        }
    }

    /// A decision that writes without end at one moment would never let the loop go.
    fn comes_to_rest(&mut self) {
        let (moment, writes) = self.at_once;
        let writes = if moment == self.now { writes + 1 } else { 0 };
        self.at_once = (self.now, writes);
        assert!(writes < 200, "no rest at {}: {:?}", self.now, self.status());
    }

    fn bump(&mut self) {
        let version: u64 = self.version().parse().unwrap_or(0);
        self.ticket.metadata.resource_version = Some((version + 1).to_string());
    }

    fn version(&self) -> &str {
        self.ticket
            .metadata
            .resource_version
            .as_deref()
            .unwrap_or_default()
    }

    /// What a decision would see now.
    pub fn observe(&self) -> Observed {
        Observed {
            ticket: Arc::new(self.ticket.clone()),
            policies: self.policies.clone(),
            outbox: self.outbox.clone(),
            others: self.others.clone(),
            first_seen: self.first_seen,
            remembered: None,
        }
    }

    fn receive(&mut self, delivery: &Delivery, time: Timestamp) {
        let data = &delivery.message.data;
        self.received.push(Received {
            time,
            id: self.shown_id(delivery),
            kind: data.kind.clone(),
            to: data.to.name.clone(),
            round: data.round,
            step: data
                .step
                .clone()
                .map(|step| (step, data.repeat.unwrap_or(0))),
            delivery: delivery.clone(),
        });
    }

    /// Counts a crash point; true when the process ends here.
    fn crashes_here(&mut self) -> bool {
        self.points += 1;
        if self.crash_at == Some(self.points) {
            self.dead = true;
        }
        self.dead
    }

    fn hand_over(&mut self, delivery: Delivery) {
        let now = self.now;
        let delivered = |time| Progress::Delivered {
            since: now,
            time,
            attempts: 1,
            message: String::new(),
        };
        let failed = |time, cause| Progress::Failed {
            since: now,
            time,
            attempts: 1,
            message: "refused".into(),
            cause,
        };
        let progress = match (self.answer)(delivery.target.name()) {
            Answer::Takes => {
                for _ in 0..self.copies(&delivery) {
                    self.receive(&delivery, now);
                }
                delivered(now)
            }
            Answer::Refuses => failed(now, FailureCause::Refused),
            Answer::TakesAfter(span) => {
                self.fly(&delivery, now + span, delivered(now + span), false)
            }
            Answer::AnswersAfter(span) => {
                self.receive(&delivery, now);
                self.fly(&delivery, now + span, delivered(now + span), true)
            }
            Answer::FailsAfter(span, cause) => {
                self.fly(&delivery, now + span, failed(now + span, cause), true)
            }
            Answer::Dead(span) => {
                let failed = failed(now + span, FailureCause::BudgetEnded);
                self.fly(&delivery, now + span, failed, false)
            }
        };
        self.outbox.insert(delivery.id, progress);
    }

    /// Lets a delivery end like that at `time`; until then it is in flight.
    fn fly(&mut self, delivery: &Delivery, time: Timestamp, end: Progress, out: bool) -> Progress {
        self.due.push(Flight {
            time,
            delivery: delivery.clone(),
            end,
            out,
        });
        Progress::InFlight {
            since: self.now,
            attempts: 1,
        }
    }
}

/// Notes in the metadata who owns the blocks of an edit (`+` between several), as the API server does.
pub(super) fn own(ticket: &mut Ticket, block: &str, time: Timestamp) {
    let blocks: serde_json::Map<_, _> = block
        .split('+')
        .map(|block| (format!("f:{block}"), serde_json::json!({})))
        .collect();
    let fields = serde_json::json!({ "f:spec": blocks });
    let entry = meta::ManagedFieldsEntry {
        manager: Some(format!("firebell-{block}")),
        time: Some(meta::Time(time)),
        fields_v1: Some(meta::FieldsV1(fields)),
        ..meta::ManagedFieldsEntry::default()
    };
    let entries = ticket.metadata.managed_fields.get_or_insert_default();
    entries.retain(|known| known.manager != entry.manager);
    entries.push(entry);
    ticket.metadata.generation = ticket.metadata.generation.map(|known| known + 1);
}

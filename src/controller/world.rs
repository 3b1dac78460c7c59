//! The world that decisions about one ticket act on: the Kubernetes API and the outbox.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;

use super::commit::Wanted;
use super::drive::World;
use super::engine::Place;
use super::error::{CallError, Class};
use super::events::reference;
use super::key::Key;
use super::observe::observe;
use super::shown::GRACE;
use super::ticket::TicketDesk;
use super::versions::Origin;
use super::view;
use crate::api::{DeliveryState, Ticket, TicketStatus};
use crate::clock::Now;
use crate::domain::chain::timetable::armed;
use crate::domain::next::{StatusPatch, Transition};
use crate::domain::observed::Observed;
use crate::domain::telling::delivery::{Delivery, DeliveryId, OutboxView, Progress};
use crate::metrics::{Kind, Outcome, Stage};

/// Commits in one turn of the loop; more are a fault, and would be a storm.
pub const COMMITS_MOST: u32 = 32;

/// A write may take that long in any case: nearly all take less, and one that is given up has to be made again.
const WRITE_LEAST: SignedDuration = SignedDuration::from_secs(1);

const WRITE: &str = "patch tickets/status";

/// The world of one look at a ticket.
pub struct KubeWorld<'a> {
    desk: &'a TicketDesk,
    key: Key,
    place: Place,
    commits: u32,
}

impl<'a> KubeWorld<'a> {
    /// The world of a look that computes at `place`.
    pub fn new(desk: &'a TicketDesk, key: Key, place: Place) -> Self {
        Self {
            desk,
            key,
            place,
            commits: 0,
        }
    }

    /// The ticket.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What is left of it once the look is over.
    pub fn end(self) -> (Key, Place) {
        (self.key, self.place)
    }

    /// Writes what differs when its turn comes; the place among those that compute is free meanwhile.
    async fn write(
        &mut self,
        seen: &Ticket,
        new: &TicketStatus,
    ) -> Result<Option<Ticket>, CallError> {
        let wanted = Wanted {
            key: &self.key,
            version: seen
                .metadata
                .resource_version
                .as_deref()
                .unwrap_or_default(),
            old: seen.status.as_ref(),
            new,
            rank: view::rank(self.desk.clock.now(), view::severity(seen)),
        };
        // Boxed: thousands may wait at the gate, and a call of the client is a large future.
        let writing = Box::pin(self.desk.writer.write(Kind::Ticket, WRITE, wanted));
        let shown = self.desk.view.until_shown(&self.key, seen, new);
        let landed = answered_or_shown(writing, shown);
        let in_time = within(patience(seen, self.desk.clock.now()), landed);
        let (written, answered) = self.place.leave_for(in_time).await;
        if !answered {
            self.desk.metrics.wrote_status(Kind::Ticket, Outcome::Done);
            tracing::warn!(ticket = %self.key, "a status write got no answer, but the watch shows it; its ticket goes on");
        }
        written
    }
}

impl World for KubeWorld<'_> {
    type Error = CallError;

    fn now(&self) -> Timestamp {
        self.desk.clock.now()
    }

    async fn deliver(&mut self, seen: &Observed, deliveries: Vec<Delivery>) -> OutboxView {
        let now = self.desk.clock.now();
        for delivery in &deliveries {
            self.desk
                .metrics
                .late(Stage::handover, now.duration_since(delivery.due));
        }
        self.desk.outbox.hand_over(deliveries);
        self.desk
            .outbox
            .view(seen.ticket.metadata.uid.as_deref().unwrap_or_default())
    }

    async fn commit(&mut self, seen: &Observed, patch: StatusPatch) -> Result<Observed, CallError> {
        self.commits += 1;
        if self.commits > COMMITS_MOST {
            return Err(CallError::Restless { what: WRITE });
        }
        let written = match self.write(&seen.ticket, &patch.status).await {
            Ok(written) => written,
            Err(error) => {
                if error.class() == Class::Transient {
                    self.desk.unanswered.keep(&self.key, &seen.ticket, patch);
                }
                return Err(error);
            }
        };
        self.desk.unanswered.forget(&self.key);
        self.forget_committed(seen, &patch.status);
        let Some(written) = written else {
            return self.look_again().ok_or(CallError::Gone { what: WRITE });
        };
        log_commit(&self.key, &patch);
        self.tell(&written, &patch.transitions);
        let archived = patch.status.archived.then(|| Arc::new(written.clone()));
        self.desk.view.take_ticket(written, Origin::Written);
        match archived {
            // No longer held: nothing more is decided about it, and the decision says so itself.
            Some(ticket) => Ok(Observed {
                ticket,
                ..seen.clone()
            }),
            None => self.look_again().ok_or(CallError::Gone { what: WRITE }),
        }
    }
}

impl KubeWorld<'_> {
    /// Tells what an earlier write made true whose answer was lost, if `ticket` shows that it landed.
    pub fn tell_landed(&self, ticket: &Ticket) {
        let landed = self.desk.unanswered.landed(&self.key, ticket);
        if !landed.is_empty() {
            self.tell(ticket, &landed);
        }
    }

    fn look_again(&self) -> Option<Observed> {
        observe(&self.desk.view, &self.desk.outbox, &self.key)
    }

    fn tell(&self, ticket: &Ticket, transitions: &[Transition]) {
        let policy = ticket
            .status
            .as_ref()
            .and_then(|status| status.policy.as_ref())
            .map(|pin| ObjectReference {
                api_version: Some(format!("{}/{}", crate::api::GROUP, crate::api::VERSION)),
                kind: Some("EscalationPolicy".to_owned()),
                name: Some(pin.name.clone()),
                namespace: Some(pin.namespace.clone()),
                ..ObjectReference::default()
            });
        self.desk.events.tell(
            &reference(ticket),
            policy.as_ref(),
            transitions,
            self.desk.clock.now(),
        );
    }

    /// Results that stand in the status now need no room in memory any more.
    fn forget_committed(&self, seen: &Observed, status: &TicketStatus) {
        let uid = seen.ticket.metadata.uid.as_deref().unwrap_or_default();
        let done = settled(&seen.outbox, status);
        if !done.is_empty() {
            self.desk.outbox.forget(uid, &done);
        }
    }
}

/// How long a write may hold up the ticket that was seen: until the page that stands armed in it falls due, since that
/// needs no write; `None` = nothing is, or it has left.
pub fn patience(seen: &Ticket, now: Timestamp) -> Option<SignedDuration> {
    let ahead = armed(seen.status.as_ref()?).filter(|armed| *armed > now)?;
    Some(ahead.duration_since(now).max(WRITE_LEAST))
}

/// What comes of a write in a time. Given up, it may land all the same.
async fn within(
    patience: Option<SignedDuration>,
    landed: impl Future<Output = (Result<Option<Ticket>, CallError>, bool)>,
) -> (Result<Option<Ticket>, CallError>, bool) {
    let Some(limit) = patience.map(SignedDuration::unsigned_abs) else {
        return landed.await;
    };
    match tokio::time::timeout(limit, landed).await {
        Ok(landed) => landed,
        Err(_elapsed) => (Err(CallError::Late { what: WRITE, limit }), true),
    }
}

/// What came of a write, and whether its answer told so: where that stays away although the watch shows the write, what
/// is shown counts.
async fn answered_or_shown(
    writing: impl Future<Output = Result<Option<Ticket>, CallError>>,
    shown: impl Future<Output = Arc<Ticket>>,
) -> (Result<Option<Ticket>, CallError>, bool) {
    let mut writing = pin!(writing);
    let shown = tokio::select! {
        biased;
        written = &mut writing => return (written, true),
        shown = shown => shown,
    };
    match tokio::time::timeout(GRACE, writing).await {
        Ok(Ok(written)) => (Ok(written), true),
        Ok(Err(_lost)) => (Ok(Some((*shown).clone())), true),
        Err(_elapsed) => (Ok(Some((*shown).clone())), false),
    }
}

/// The deliveries whose final result stands in a status.
pub fn settled(outbox: &OutboxView, status: &TicketStatus) -> Vec<DeliveryId> {
    let done = outbox
        .iter()
        .filter(|(id, progress)| is_final(progress) && recorded(status, id));
    done.map(|(id, _)| id.clone()).collect()
}

fn is_final(progress: &Progress) -> bool {
    match progress {
        Progress::Delivered { .. } | Progress::Failed { .. } | Progress::Cancelled { .. } => true,
        Progress::InFlight { .. } => false,
    }
}

/// Whether the status holds what was decided on a delivery's result: its final state, or that it is armed anew (a
/// renewed budget, the end of a hold).
fn recorded(status: &TicketStatus, id: &DeliveryId) -> bool {
    status.deliveries.iter().any(|record| {
        record.id == id.as_str()
            && match record.state {
                DeliveryState::Delivered
                | DeliveryState::Failed
                | DeliveryState::Cancelled
                | DeliveryState::Unknown
                | DeliveryState::Armed => true,
                DeliveryState::Sending => false,
            }
    })
}

/// One line per decision that changed something.
fn log_commit(key: &Key, patch: &StatusPatch) {
    let status = &patch.status;
    let escalation = status.escalation.as_ref();
    let changes: Vec<&str> = patch
        .transitions
        .iter()
        .map(|transition| transition.reason)
        .collect();
    tracing::info!(
        ticket = %key,
        phase = ?status.phase.unwrap_or_default(),
        round = escalation.map(|escalation| escalation.round),
        step = escalation.and_then(|escalation| escalation.step.as_deref()),
        next_step = escalation.and_then(|escalation| escalation.next_step.as_deref()),
        next_time = escalation.and_then(|escalation| escalation.next_time).map(|time| time.to_string()),
        changes = changes.join(","),
        "decided"
    );
}

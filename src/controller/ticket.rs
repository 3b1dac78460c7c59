//! One look at a ticket: observe, let the decisions drive, report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::{Api, Client};

use super::client::{CALL_LIMIT, call};
use super::commit::StatusWriter;
use super::drive::drive;
use super::engine::{Look, Place, Turn};
use super::error::{CallError, Class};
use super::events::Events;
use super::freshness::{Watches, leaves_by};
use super::gate::Gate;
use super::key::Key;
use super::leader::Leadership;
use super::observe::observe;
use super::unanswered::Unanswered;
use super::versions::Origin;
use super::view::{self, View};
use super::world::{KubeWorld, patience};
use crate::api::Ticket;
use crate::clock::{Now, OperatorClock};
use crate::domain::chain::timetable::armed;
use crate::domain::decide::decide;
use crate::domain::next::Next;
use crate::domain::observed::{Observed, Settings};
use crate::metrics::{Kind, Metrics};
use crate::outbox::Outbox;

/// How long before a deadline what leaves then is got ready: what it needs of the API server is read, and not waited for
/// when it is due. Secrets that were read stay good for longer than this, and a live GET that gets no answer is given up
/// within it.
const AHEAD: SignedDuration = SignedDuration::from_secs(2);
/// How long a live GET may take when a watch has gone silent.
pub const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// What looks at tickets.
pub struct TicketDesk {
    /// The API server.
    pub client: Client,
    /// What is seen of the cluster.
    pub view: Arc<View>,
    /// What is on its way to people.
    pub outbox: Outbox,
    /// Writes statuses.
    pub writer: StatusWriter,
    /// Bounds the live GETs before pages. Writes have a gate of their own: no page waits behind one that hangs.
    pub checks: Gate,
    /// Tells what happened.
    pub events: Events,
    /// Writes whose answer was lost.
    pub unanswered: Unanswered,
    /// The operator's time.
    pub clock: OperatorClock,
    /// Which watches live.
    pub watches: Watches,
    /// Whether this process took over just now.
    pub leadership: Leadership,
    /// Counts.
    pub metrics: Metrics,
    /// What the operator was started with.
    pub settings: Settings,
}

impl Look for TicketDesk {
    const KIND: Kind = Kind::Ticket;

    async fn look(self: Arc<Self>, key: Key, mut place: Place) -> Turn {
        self.mind_silence(&key, &mut place).await;
        let seen = self.observe_surely(&key, &mut place).await;
        let Some(seen) = seen else {
            self.unanswered.forget(&key);
            return Turn::Rest {
                until: None,
                later: SignedDuration::ZERO,
            };
        };
        let later = view::later(view::severity(&seen.ticket));
        let mut world = KubeWorld::new(&self, key, place);
        world.tell_landed(&seen.ticket);
        match Box::pin(drive(&mut world, seen, &self.settings)).await {
            Ok(rest) => {
                if let Some(answer) = rest.remembered {
                    self.view.tickets.remember(world.key(), answer);
                }
                let until = rest.until.map(|due| self.ahead(world.key(), due));
                Turn::Rest { until, later }
            }
            Err(error) => {
                let (key, mut place) = world.end();
                place.leave_for(self.report(&key, &error)).await
            }
        }
    }
}

impl TicketDesk {
    /// What is seen of a ticket. Just after this process took over, what it would send is checked by a live GET first:
    /// its watch may not show yet what the leader before it wrote last.
    async fn observe_surely(&self, key: &Key, place: &mut Place) -> Option<Observed> {
        let seen = observe(&self.view, &self.outbox, key)?;
        let sends = || {
            let next = decide(&seen, &self.settings, self.clock.now());
            matches!(next, Next::Deliver(_))
        };
        if !self.leadership.took_over_lately() || !sends() {
            return Some(seen);
        }
        place.leave_for(self.check_live(key, Instant::now())).await;
        observe(&self.view, &self.outbox, key)
    }

    /// When to look at a ticket that waits for a deadline: shortly before it, and then what will leave is got ready.
    fn ahead(&self, key: &Key, due: Timestamp) -> Timestamp {
        let early = due.saturating_sub(AHEAD).unwrap_or(due);
        if early > self.clock.now() {
            return early;
        }
        self.get_ready(key, due);
        due
    }

    /// Reads ahead what leaves at a moment.
    fn get_ready(&self, key: &Key, due: Timestamp) {
        if let Some(seen) = observe(&self.view, &self.outbox, key)
            && let Next::Deliver(deliveries) = decide(&seen, &self.settings, due)
        {
            self.outbox.prepare(deliveries);
        }
    }

    async fn report(&self, key: &Key, error: &CallError) -> Turn {
        let class = error.class();
        match class {
            Class::Conflict => self.read_anew(key).await,
            Class::Terminal if matches!(error, CallError::Gone { .. }) => self.read_anew(key).await,
            Class::Transient | Class::Terminal => {
                tracing::warn!(ticket = %key, reason = error.reason(), %error, "a ticket could not be handled; it is tried again");
            }
        }
        let armed = self.armed(key);
        Turn::Failed { class, armed }
    }

    /// Asks the API server what a ticket is that is not as it was seen, and waits no longer than a write would: not
    /// beyond the time of a page that stands armed.
    async fn read_anew(&self, key: &Key) {
        let held = self.view.tickets.get(key);
        let patience = held.and_then(|held| patience(&held.ticket, self.clock.now()));
        let limit = patience.map_or(CALL_LIMIT, SignedDuration::unsigned_abs);
        // Without an answer the watch shows it, or the next look asks again.
        let _answered = tokio::time::timeout(limit, self.read_live(key)).await;
    }

    /// When a page is to leave that needs no write: now, where it fell due in a look that failed before it was sent.
    fn armed(&self, key: &Key) -> Option<Timestamp> {
        let (seen, now) = (observe(&self.view, &self.outbox, key)?, self.clock.now());
        match decide(&seen, &self.settings, now) {
            Next::Deliver(_) => Some(now),
            Next::Commit(_) | Next::Wait { .. } => {
                armed(seen.ticket.status.as_ref()?).filter(|armed| *armed > now)
            }
        }
    }

    /// Where the watch will have been silent for too long when the next page is due, the API server is asked as soon as
    /// that page is got ready: it must not wait when it is due.
    async fn mind_silence(&self, key: &Key, place: &mut Place) {
        let now = Instant::now();
        let fresh = |by| self.watches.fresh(&key.namespace, by);
        if fresh(leaves_by(now, AHEAD.unsigned_abs())) {
            return;
        }
        let left = |due: Timestamp| due.duration_since(self.clock.now());
        let due = self.armed(key).filter(|due| left(*due) <= AHEAD);
        let left = due.map_or(SignedDuration::ZERO, left);
        let by = leaves_by(now, left.max(SignedDuration::ZERO).unsigned_abs());
        if fresh(by) {
            return;
        }
        if let Some(due) = due {
            self.get_ready(key, due);
        }
        place.leave_for(self.check_live(key, by)).await;
    }

    /// Checks by a live GET what a watch that has gone silent may have missed, unless by then it is known that the API
    /// server does not answer: that holds up no page, what is armed leaves (delivery.md section 1).
    async fn check_live(&self, key: &Key, by: Instant) {
        let _permit = self.checks.pass(self.clock.now()).await;
        if self.watches.outage(by) {
            return;
        }
        let asked = tokio::time::timeout(CHECK_LIMIT, self.read_live(key)).await;
        if asked != Ok(true) {
            self.watches.unanswered(Instant::now());
        }
    }

    /// Asks the API server itself: what it answers counts, whatever the watch said.
    /// Says whether it answered.
    pub async fn read_live(&self, key: &Key) -> bool {
        let api: Api<Ticket> = Api::namespaced(self.client.clone(), &key.namespace);
        match call("get tickets", api.get(&key.name)).await {
            Ok(ticket) => self.view.take_ticket(ticket, Origin::Live),
            Err(CallError::Gone { .. }) => {
                let held = self.view.tickets.get(key);
                let uid = held.and_then(|held| held.ticket.metadata.uid.clone());
                self.view.lose_ticket(key, uid.as_deref());
            }
            Err(error) => {
                tracing::debug!(ticket = %key, %error, "no live answer");
                return false;
            }
        }
        true
    }
}

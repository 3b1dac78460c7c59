//! What the operator sees of the cluster, and who is told when it changes: every version of an object, whether the
//! watch, a live GET or our own write brought it, comes in here.

mod bells;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::ObjectMeta;

use super::followups;
use super::key::{Key, version};
use super::past::Past;
use super::policies::{Policies, Seen};
use super::rcas::{self, Rcas};
use super::shelf::About;
use super::shown::{Shown, shows};
use super::tickets::{Change, HeldTicket, Tickets};
use super::versions::Origin;
use crate::api::{ConnectorType, EscalationPolicy, Rca, Ticket, TicketStatus};
use crate::clock::{Now, OperatorClock};
use crate::domain::lifecycle;
use crate::domain::recurrence::{self, Earlier};
use crate::metrics::{Kind, Metrics};
use crate::outbox::Outbox;

pub use bells::{Bells, Doubt, Trigger, later, rank, severity};

/// What the operator sees.
pub struct View {
    /// Tickets that are not archived.
    pub tickets: Tickets,
    /// Policies and revisions.
    pub policies: Policies,
    /// RCAs.
    pub rcas: Rcas,
    shown: Shown,
    /// Closed tickets, archived ones too, by what later ones may have in common with them.
    pub past: Past,
    outbox: Outbox,
    bells: Bells,
    clock: OperatorClock,
    metrics: Metrics,
}

impl View {
    /// An empty view. `shared_namespace` is where fallback policies are looked for.
    pub fn new(
        shared_namespace: Option<String>,
        outbox: Outbox,
        bells: Bells,
        clock: OperatorClock,
        metrics: Metrics,
    ) -> Self {
        let (tickets, policies) = (Tickets::default(), Policies::new(shared_namespace));
        Self {
            tickets,
            policies,
            rcas: Rcas::default(),
            shown: Shown::default(),
            past: Past::new(bells.past.clone()),
            outbox,
            bells,
            clock,
            metrics,
        }
    }

    /// Takes in a version of a ticket. An archived one is no longer held.
    pub fn take_ticket(&self, ticket: Ticket, origin: Origin) {
        let key = Key::of(&ticket.metadata);
        if ticket.status.as_ref().is_some_and(|status| status.archived) {
            self.past.take(&ticket);
            self.lose_ticket(&key, ticket.metadata.uid.as_deref());
            return;
        }
        let tell = |ticket: &Ticket| {
            let uid = ticket.metadata.uid.as_deref().unwrap_or_default();
            self.outbox.standing(uid, lifecycle::standing(ticket));
        };
        let moment = (self.clock.now(), Instant::now());
        let change = self.tickets.put(ticket, origin, moment, tell);
        if change.doubtful {
            self.doubt(Doubt::Ticket(key.clone()));
        }
        if let Some(ticket) = &change.taken {
            self.past.take(ticket);
            // Who wrote is in the middle of a look at it and goes on from the answer.
            if origin != Origin::Written {
                self.trigger(&key, severity(ticket));
            }
            self.trigger_rcas_of(&key, Some(ticket));
            self.shown.tell(&key);
        }
        self.after(&change);
        self.metrics
            .undecodable(Kind::Ticket, self.tickets.undecodable_count());
    }

    /// Waits until a version of a ticket comes into view that shows a status as it was asked for over `seen`.
    pub async fn until_shown(&self, key: &Key, seen: &Ticket, asked: &TicketStatus) -> Arc<Ticket> {
        let find = || {
            let held = self.tickets.get(key)?.ticket;
            shows(&held, seen, asked).then_some(held)
        };
        self.shown.until(key, find).await
    }

    /// A ticket was deleted or archived: pages stop; the notices of a closing go out.
    pub fn lose_ticket(&self, key: &Key, uid: Option<&str>) {
        let change = self.tickets.remove(key, uid, Instant::now());
        let gone = change.replaced.as_ref();
        if let Some(uid) = gone.and_then(|gone| gone.metadata.uid.as_deref()) {
            self.past.lose(&key.namespace, uid);
        }
        if let Some(uid) = uid.filter(|_| change.replaced.is_none()) {
            self.outbox.drop_ticket(uid);
        }
        self.trigger_rcas_of(key, None);
        self.after(&change);
        self.metrics
            .undecodable(Kind::Ticket, self.tickets.undecodable_count());
    }

    /// Closed tickets that may be like this one, while it asks for them and as soon as they are known.
    pub fn earlier(&self, key: &Key, ticket: &Ticket) -> Vec<Earlier> {
        if !recurrence::asks(ticket, self.clock.now()) {
            return Vec::new();
        }
        let like = self.past.like(&key.namespace, ticket).unwrap_or_default();
        let with_rca = |earlier: Arc<Earlier>| {
            let key = Key::new(&key.namespace, &earlier.ticket);
            earlier.with(self.rcas.covering(&key, &earlier.uid).as_ref())
        };
        like.into_iter().map(with_rca).collect()
    }

    /// Takes the closed tickets of a namespace that are in view into what is known of the past.
    pub fn past_in_view(&self, namespace: &str) {
        self.tickets.each(|ticket| {
            if ticket.metadata.namespace.as_deref() == Some(namespace) {
                self.past.take(ticket);
            }
        });
    }

    /// The archived tickets of a namespace are known: whoever asked for them looks again.
    pub fn past_is_read(&self, namespace: &str) {
        self.past.was_read(namespace);
        let now = self.clock.now();
        let asks = |held: &HeldTicket| {
            let ticket = &held.ticket;
            ticket.metadata.namespace.as_deref() == Some(namespace) && recurrence::asks(ticket, now)
        };
        for key in self.tickets.keys_where(asks) {
            if let Some(held) = self.tickets.get(&key) {
                self.trigger(&key, severity(&held.ticket));
            }
        }
    }

    /// A ticket is stored that cannot be decoded; says whether that is news.
    pub fn undecodable_ticket(&self, metadata: &ObjectMeta) -> bool {
        let (key, version) = (Key::of(metadata), version(metadata));
        let news = self.tickets.undecodable(&key, version);
        self.metrics
            .undecodable(Kind::Ticket, self.tickets.undecodable_count());
        news
    }

    /// Takes in a version of a policy.
    pub fn take_policy(&self, policy: EscalationPolicy, origin: Origin) {
        let key = Key::of(&policy.metadata);
        match self.policies.put(policy, origin) {
            Seen::Nothing => {}
            Seen::Doubtful => self.doubt(Doubt::Policy(key)),
            Seen::Policy => self.trigger_policy(&key, origin),
            Seen::Tickets { defaults } => {
                self.trigger_policy(&key, origin);
                self.trigger_users(&key);
                if defaults {
                    self.trigger_policies_of(&key.namespace);
                }
            }
        }
        self.count_undecodable_policies();
    }

    /// A policy was deleted.
    pub fn lose_policy(&self, key: &Key, uid: Option<&str>) {
        if self.policies.remove(key, uid) {
            self.trigger_users(key);
            self.trigger_policies_of(&key.namespace);
        }
        self.count_undecodable_policies();
    }

    /// A policy is stored that cannot be decoded; what was known of it stays in use. Says whether that is news.
    pub fn undecodable_policy(&self, metadata: &ObjectMeta) -> bool {
        let (key, version) = (Key::of(metadata), version(metadata));
        let news = self.policies.undecodable(&key, version);
        self.count_undecodable_policies();
        news
    }

    /// The same of an RCA.
    pub fn undecodable_rca(&self, metadata: &ObjectMeta) -> bool {
        let (key, version) = (Key::of(metadata), version(metadata));
        let news = self.rcas.undecodable(&key, version);
        self.count_undecodable_rcas();
        news
    }

    /// Takes in a version of an RCA.
    pub fn take_rca(&self, rca: Rca, origin: Origin) {
        let key = Key::of(&rca.metadata);
        match self.rcas.put(rca, origin) {
            rcas::Seen::Nothing => {}
            rcas::Seen::Doubtful => self.doubt(Doubt::Rca(key)),
            rcas::Seen::Taken(tickets) => {
                if origin != Origin::Written {
                    self.trigger_rca(&key);
                }
                self.rca_changed(&key, &tickets);
            }
        }
        self.count_undecodable_rcas();
    }

    /// An RCA was deleted.
    pub fn lose_rca(&self, key: &Key, uid: Option<&str>) {
        let tickets = self.rcas.remove(key, uid);
        self.rca_changed(key, &tickets);
        self.count_undecodable_rcas();
    }

    fn count_undecodable_policies(&self) {
        let count = self.policies.undecodable_count();
        self.metrics.undecodable(Kind::EscalationPolicy, count);
    }

    fn count_undecodable_rcas(&self) {
        let count = self.rcas.undecodable_count();
        self.metrics.undecodable(Kind::RCA, count);
    }

    /// Its tickets look at it; other RCAs that name them are no longer, or now, beside another.
    fn rca_changed(&self, key: &Key, tickets: &[Key]) {
        for ticket in tickets {
            if let Some(held) = self.tickets.get(ticket) {
                self.trigger(ticket, severity(&held.ticket));
            }
            for other in self
                .rcas
                .naming(ticket)
                .iter()
                .filter(|other| *other != key)
            {
                self.trigger_rca(other);
            }
        }
    }

    /// A document that the operator keeps is not as it was: whatever it is about looks at it.
    pub fn document_changed(&self, config_map: &Key) {
        match About::of_name(&config_map.name) {
            Some((About::Policy, name)) => {
                let key = Key::new(&config_map.namespace, name);
                let _ = self.bells.policies.send((key, self.clock.now()));
            }
            Some((About::Rca, name)) => self.trigger_rca(&Key::new(&config_map.namespace, name)),
            None => {}
        }
    }

    /// Takes in a stored revision. One that is no valid policy is left out.
    pub fn take_revision(&self, revision: &ControllerRevision) {
        match self.policies.put_revision(revision) {
            Ok(false) => {}
            Ok(true) => self.trigger_users_of_revision(revision),
            Err(error) => {
                tracing::warn!(revision = %Key::of(&revision.metadata), %error, "a stored revision is not used");
            }
        }
    }

    /// A revision was deleted.
    pub fn lose_revision(&self, key: &Key, last: Option<&ControllerRevision>) {
        if self.policies.remove_revision(key)
            && let Some(last) = last
        {
            self.trigger_users_of_revision(last);
        }
    }

    /// Fills in what is only counted when somebody asks.
    pub fn measure(&self, metrics: &Metrics) {
        let (mut counts, mut without_policy) = (HashMap::new(), 0);
        self.tickets.each(|ticket| {
            let status = ticket.status.as_ref();
            let phase = status.and_then(|status| status.phase).unwrap_or_default();
            *counts
                .entry((format!("{phase:?}"), format!("{:?}", severity(ticket))))
                .or_insert(0) += 1;
            without_policy += i64::from(status.is_none_or(|status| status.policy.is_none()));
        });
        metrics.tickets(counts, without_policy);
        let breakers = self.outbox.open_breakers();
        for type_ in ConnectorType::ALL {
            let open = breakers.get(&type_).copied().unwrap_or_default();
            metrics.open_breakers(&format!("{type_:?}"), open);
        }
        metrics.deliveries_aside(self.outbox.aside());
        followups::measure(self, metrics);
    }

    fn after(&self, change: &Change) {
        if let Some(gone) = &change.replaced {
            self.outbox
                .drop_ticket(gone.metadata.uid.as_deref().unwrap_or_default());
        }
        for key in &change.affected {
            self.trigger_held(key);
        }
    }
}

#[cfg(test)]
mod tests;

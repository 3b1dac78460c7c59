//! Who is asked to look at what, and in which order.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use tokio::sync::mpsc;

use super::View;
use crate::api::{Severity, Ticket};
use crate::clock::Now;
use crate::controller::key::Key;
use crate::controller::revisions;
use crate::controller::tickets::HeldTicket;
use crate::controller::versions::Origin;
use crate::domain::followup::name_of;

/// A pin younger than this may still move to a better policy.
const FRESH_PIN: SignedDuration = SignedDuration::from_secs(70);

/// Asks for an object to be looked at; the earlier moment goes first.
pub type Trigger = (Key, Timestamp);

/// An object whose version has to be asked from the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// A ticket.
    Ticket(Key),
    /// A policy.
    Policy(Key),
    /// An RCA.
    Rca(Key),
}

/// Where changes are told.
#[derive(Clone, Debug)]
pub struct Bells {
    /// Tickets to look at.
    pub tickets: mpsc::UnboundedSender<Trigger>,
    /// Policies to look at.
    pub policies: mpsc::UnboundedSender<Trigger>,
    /// RCAs to look at.
    pub rcas: mpsc::UnboundedSender<Trigger>,
    /// Objects to ask a live GET for.
    pub doubts: mpsc::UnboundedSender<Doubt>,
    /// Namespaces to read the archived tickets of.
    pub past: mpsc::UnboundedSender<Arc<str>>,
}

impl View {
    /// Asks for a look at a ticket, now.
    pub fn trigger(&self, key: &Key, severity: Severity) {
        // The receiver ends only with the process.
        let _ = self
            .bells
            .tickets
            .send((key.clone(), rank(self.clock.now(), severity)));
    }

    /// The same for a ticket whose severity is not at hand.
    pub fn trigger_held(&self, key: &Key) {
        let held = self.tickets.get(key);
        let severity = held.map_or(Severity::default(), |held| severity(&held.ticket));
        self.trigger(key, severity);
    }

    /// Asks for a look at an RCA, now.
    pub fn trigger_rca(&self, key: &Key) {
        // The receiver ends only with the process.
        let _ = self.bells.rcas.send((key.clone(), self.clock.now()));
    }

    /// Asks for a look at each ticket and RCA with one of these uids, now: a scan.
    pub fn trigger_each(&self, uids: &HashSet<Arc<str>>) {
        let named = |uid: Option<&String>| uid.is_some_and(|uid| uids.contains(uid.as_str()));
        let tickets = self
            .tickets
            .keys_where(|held| named(held.ticket.metadata.uid.as_ref()));
        for key in tickets {
            self.trigger_held(&key);
        }
        self.rcas.each(|rca| {
            if named(rca.metadata.uid.as_ref()) {
                self.trigger_rca(&Key::of(&rca.metadata));
            }
        });
    }

    /// Tells the tickets that could use a policy that it, or a revision of it, changed.
    pub fn trigger_users(&self, policy: &Key) {
        let now = self.clock.now();
        let shared = self.policies.index().shared_namespace.clone();
        let reaches = |namespace: &str| {
            namespace == &*policy.namespace || shared.as_deref() == Some(&*policy.namespace)
        };
        let keys = self.tickets.keys_where(|held| {
            let namespace = held
                .ticket
                .metadata
                .namespace
                .as_deref()
                .unwrap_or_default();
            reaches(namespace) && could_use(held, policy, now)
        });
        for key in keys {
            self.trigger_held(&key);
        }
    }

    pub(super) fn trigger_users_of_revision(&self, revision: &ControllerRevision) {
        let policy = revision
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(revisions::ANNOTATION));
        if let Some(policy) = policy {
            let key = Key::new(
                revision.metadata.namespace.as_deref().unwrap_or_default(),
                policy,
            );
            self.trigger_users(&key);
            // Its own reconciler makes a revision anew that is still needed.
            let _ = self.bells.policies.send((key, self.clock.now()));
        }
    }

    /// RCAs that name a ticket look at it; the one that it requires is made where it is missing.
    pub(super) fn trigger_rcas_of(&self, key: &Key, ticket: Option<&Ticket>) {
        let naming = self.rcas.naming(key);
        let known = ticket.and_then(|ticket| ticket.status.as_ref()?.rca.as_ref());
        let required = known.filter(|rca| rca.required.is_some() && naming.is_empty());
        if let (Some(_), Some(uid)) = (required, ticket.and_then(|it| it.metadata.uid.as_ref())) {
            self.trigger_rca(&Key::new(&key.namespace, &name_of(&key.name, uid)));
        }
        for rca in naming {
            self.trigger_rca(&rca);
        }
    }

    /// Asks for a look at each policy of a namespace: whether a default conflicts depends on the others.
    pub(super) fn trigger_policies_of(&self, namespace: &str) {
        for key in self.policies.keys(Some(namespace)) {
            let _ = self.bells.policies.send((key, self.clock.now()));
        }
    }

    pub(super) fn trigger_policy(&self, key: &Key, origin: Origin) {
        if origin != Origin::Written {
            let _ = self.bells.policies.send((key.clone(), self.clock.now()));
        }
    }

    pub(super) fn doubt(&self, doubt: Doubt) {
        let _ = self.bells.doubts.send(doubt);
    }
}

/// The severity that orders work on a ticket.
pub fn severity(ticket: &Ticket) -> Severity {
    let known = ticket.status.as_ref().and_then(|status| status.severity);
    known.or(ticket.spec.severity).unwrap_or_default()
}

/// What lower severity adds to the moment at which a look or write is wanted: bounded, so that nothing starves.
pub fn later(severity: Severity) -> SignedDuration {
    SignedDuration::from_secs(match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 4,
    })
}

/// The place of something wanted at a moment, for a ticket of that severity.
pub fn rank(wanted: Timestamp, severity: Severity) -> Timestamp {
    wanted.saturating_add(later(severity)).unwrap_or(wanted)
}

/// Whether a ticket could run on a policy: pinned to it, naming it, without any, or pinned so lately that it may move.
fn could_use(held: &HeldTicket, policy: &Key, now: Timestamp) -> bool {
    let named = held
        .ticket
        .spec
        .policy_ref
        .as_ref()
        .is_some_and(|named| *named.name == *policy.name);
    let pin = held
        .ticket
        .status
        .as_ref()
        .and_then(|status| status.policy.as_ref());
    named
        || pin.is_none_or(|pin| {
            let same = *pin.name == *policy.name && *pin.namespace == *policy.namespace;
            same || pin
                .pin_time
                .is_none_or(|time| now.duration_since(time.0) < FRESH_PIN)
        })
}

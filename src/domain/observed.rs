//! What a decision sees: values only, gathered by whoever drives it.

use std::sync::{Arc, Weak};

use jiff::Timestamp;

use crate::api::{KnowledgeItem, RcaPhase, Ticket};
use crate::domain::next::{Next, Waiting};
use crate::domain::recurrence::Earlier;
use crate::domain::selection::PolicyIndex;
use crate::domain::telling::delivery::OutboxView;

/// Everything about one ticket at one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The ticket as it was read or last written. `metadata.managedFields` holds at least, per block of the
    /// spec, the manager and time of its owners (api.md section 5, facts seen late).
    pub ticket: Arc<Ticket>,
    /// All policies and revisions this ticket could use.
    pub policies: Arc<PolicyIndex>,
    /// How far this ticket's deliveries have come.
    pub outbox: OutboxView,
    /// Facts about other objects.
    pub others: Others,
    /// Set when this process saw the ticket for the first time at that moment (start or creation).
    pub first_seen: Timestamp,
    /// The last answer about this ticket, if it was to wait.
    pub remembered: Option<Arc<Remembered>>,
}

/// An answer to wait and what it was given about. A decision to wait holds until its deadline, so it need not be made
/// again while the very same is seen; of objects it keeps only their identity, never their content.
#[derive(Clone, Debug)]
pub struct Remembered {
    ticket: Weak<Ticket>,
    policies: Weak<PolicyIndex>,
    others: Others,
    settings: Settings,
    first_seen: Timestamp,
    asked: Timestamp,
    until: Option<Timestamp>,
    what: Waiting,
}

impl Remembered {
    /// Keeps the answer to wait that was given about `seen` at `asked`; `None` while deliveries are under way, whose
    /// results change what is seen.
    pub fn of(
        seen: &Observed,
        settings: &Settings,
        asked: Timestamp,
        (until, what): (Option<Timestamp>, Waiting),
    ) -> Option<Self> {
        seen.outbox.is_empty().then(|| Self {
            ticket: Arc::downgrade(&seen.ticket),
            policies: Arc::downgrade(&seen.policies),
            others: seen.others.clone(),
            settings: *settings,
            first_seen: seen.first_seen,
            asked,
            until,
            what,
        })
    }

    /// The answer, if it still stands: the same objects, nothing under way, and the deadline ahead.
    pub fn answer(&self, seen: &Observed, settings: &Settings, now: Timestamp) -> Option<Next> {
        let Self {
            ticket,
            policies,
            others,
            settings: asked_with,
            first_seen,
            asked,
            until,
            what,
        } = self;
        let stands = std::ptr::eq(ticket.as_ptr(), Arc::as_ptr(&seen.ticket))
            && std::ptr::eq(policies.as_ptr(), Arc::as_ptr(&seen.policies))
            && seen.outbox.is_empty()
            && *others == seen.others
            && asked_with == settings
            && *first_seen == seen.first_seen
            && *asked <= now
            && until.is_none_or(|until| now < until);
        stands.then_some(Next::Wait {
            until: *until,
            what: *what,
        })
    }

    /// Whether it was given about this very version of a ticket.
    pub fn is_about(&self, ticket: &Arc<Ticket>) -> bool {
        std::ptr::eq(self.ticket.as_ptr(), Arc::as_ptr(ticket))
    }
}

/// Facts about other objects of the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The ticket that `spec.duplicateOf` names, if it exists.
    pub parent: Option<Parent>,
    /// Tickets that this one's status counts as its duplicates.
    pub duplicates: i64,
    /// Name of another open ticket with the same `source.dedupKey`.
    pub same_key: Option<String>,
    /// The RCA that covers this ticket, if there is one; of several the one that has come furthest.
    pub rca: Option<RcaFacts>,
    /// Closed tickets that may be like this one, while it asks for them (`recurrence`); none as long as they are not
    /// known.
    pub earlier: Vec<Earlier>,
}

/// An RCA as the tickets that it covers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcaFacts {
    /// Its name.
    pub name: String,
    /// Its phase, as its own status says.
    pub phase: RcaPhase,
    /// Who approved or waived it.
    pub by: Option<String>,
    /// What it says must be written down.
    pub knowledge: Vec<KnowledgeItem>,
}

/// The ticket that `spec.duplicateOf` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its uid.
    pub uid: String,
    /// Whether it is open.
    pub open: bool,
    /// Name of the root it is itself a duplicate of.
    pub root: Option<String>,
}

/// How long closed tickets stay editable (`--archive-after`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Closed to archived.
    pub archive_after: jiff::SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            archive_after: jiff::SignedDuration::from_hours(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_about_the_very_version_that_it_was_given_about() {
        let now = Timestamp::UNIX_EPOCH;
        let seen = Observed {
            ticket: Arc::default(),
            policies: Arc::default(),
            outbox: OutboxView::default(),
            others: Others::default(),
            first_seen: now,
            remembered: None,
        };
        let answer = (None, Waiting::Person);
        let known = Remembered::of(&seen, &Settings::default(), now, answer).unwrap();
        assert!(known.is_about(&seen.ticket));
        assert!(!known.is_about(&Arc::default()), "equal, and another read");
    }
}

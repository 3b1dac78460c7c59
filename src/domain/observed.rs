//! What a decision sees: values only, gathered by whoever drives it.

use std::sync::Arc;

use jiff::Timestamp;

use super::delivery::OutboxView;
use super::selection::PolicyIndex;
use crate::api::Ticket;

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
    /// Facts about other tickets.
    pub others: Others,
    /// Set when this process saw the ticket for the first time at that moment (start or creation).
    pub first_seen: Timestamp,
}

/// Facts about other tickets of the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The ticket that `spec.duplicateOf` names, if it exists.
    pub parent: Option<Parent>,
    /// Tickets that this one's status counts as its duplicates.
    pub duplicates: i64,
    /// Name of another open ticket with the same `source.dedupKey`.
    pub same_key: Option<String>,
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

//! The answer of a decision: one thing to do now, then ask again.
//!
//! Every path ends in `Wait`, and each `Wait` has a deadline or names the fact it waits for, so that no
//! path can forget to come back (architecture.md, trap 2).

use jiff::Timestamp;

use crate::api::TicketStatus;
use crate::domain::telling::delivery::Delivery;

/// What to do next about one ticket.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Hand these to the outbox; none of them is in its view.
    Deliver(Vec<Delivery>),
    /// Write this status under the resourceVersion that was seen.
    Commit(StatusPatch),
    /// Nothing now. Ask again at `until`, or when something that was observed changes.
    Wait {
        /// The next deadline; `None` only where `what` names a fact that must change first.
        until: Option<Timestamp>,
        /// What the ticket waits for.
        what: Waiting,
    },
}

/// A new status and what to tell of it once it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusPatch {
    /// The whole status as it should be; the world sends only what differs.
    pub status: Box<TicketStatus>,
    /// Published as Events after the write landed.
    pub transitions: Vec<Transition>,
}

/// One thing that happened to a ticket, for `kubectl describe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Unique among this ticket's transitions and the same in every process: names the Event.
    pub key: String,
    /// Warning events ask for a person's attention.
    pub warning: bool,
    /// CamelCase reason, bounded set.
    pub reason: &'static str,
    /// What was done, distinct per step.
    pub action: String,
    /// What happened, why, and what comes next.
    pub note: String,
}

/// What a ticket waits for. Exhaustive: the auditor accepts nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The next page or repeat falls due.
    NextPage,
    /// Receivers' answers to what was handed over.
    DeliveryResults,
    /// A hold ends.
    HoldEnd,
    /// A policy that applies.
    Policy,
    /// A target, an expiry, a reminder or an automatic closure falls due.
    Deadline,
    /// A person's next fact (nothing is timed).
    Person,
    /// The time to archive.
    Archiving,
    /// Nothing: archived.
    Nothing,
}

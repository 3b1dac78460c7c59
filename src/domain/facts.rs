//! What people and tools declared, told apart: new, known, void or absent; and when it was declared.
//!
//! Rules: `api.md` section 1 rule 3 (`handled`), section 5 "Facts seen late" and "Facts without their premise".

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::{Handled, SignalState, Ticket, TicketSpec, TicketStatus, Time};
use crate::domain::telling::delivery::hex32;

/// The blocks of a ticket's spec whose handling is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `spec.acknowledgement`
    Acknowledgement,
    /// `spec.triage`
    Triage,
    /// `spec.assignment`
    Assignment,
    /// `spec.resolution`
    Resolution,
    /// `spec.validation`
    Validation,
    /// `spec.closure`
    Closure,
    /// `spec.escalation.atLeast`
    AtLeast,
    /// `spec.escalation.pageAgain`
    PageAgain,
    /// `spec.duplicateOf`
    DuplicateOf,
    /// `spec.signal`: its state
    Signal,
    /// `spec.update`
    Update,
}

impl Block {
    /// Key in `status.handled`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Acknowledgement => "acknowledgement",
            Self::Triage => "triage",
            Self::Assignment => "assignment",
            Self::Resolution => "resolution",
            Self::Validation => "validation",
            Self::Closure => "closure",
            Self::AtLeast => "escalation.atLeast",
            Self::PageAgain => "escalation.pageAgain",
            Self::DuplicateOf => "duplicateOf",
            Self::Signal => "signal",
            Self::Update => "update",
        }
    }

    /// Field of the spec that holds it.
    fn field(self) -> &'static str {
        match self {
            Self::AtLeast | Self::PageAgain => "escalation",
            other @ (Self::Acknowledgement
            | Self::Triage
            | Self::Assignment
            | Self::Resolution
            | Self::Validation
            | Self::Closure
            | Self::DuplicateOf
            | Self::Signal
            | Self::Update) => other.key(),
        }
    }
}

/// When a block was written, as well as the API server's bookkeeping tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The moment; never before creation, never after now.
    pub time: Timestamp,
    /// False where the owning entry owns more than this block: the block may be older.
    pub exact: bool,
    /// It was there when the ticket was created.
    pub at_creation: bool,
}

/// How a block stands against what was handled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Not there, or revoked.
    Absent,
    /// There, but it was used up and must change to count.
    Void,
    /// There and acted on at that time.
    Known(Timestamp),
    /// There and not acted on yet.
    New,
}

/// First 16 hex digits of the hash of a block's content.
pub fn hash_of<T: Serialize>(block: &T) -> String {
    let text = serde_json::to_vec(block).unwrap_or_default();
    let mut hash = hex32(&text);
    hash.truncate(16);
    hash
}

/// A block that was not acted on yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The hash of its content.
    pub hash: String,
    /// When it was written.
    pub dated: Dated,
}

/// Whether a block is declared: there, and not revoked.
pub fn present(spec: &TicketSpec, block: Block) -> bool {
    match block {
        Block::Acknowledgement => {
            let block = spec.acknowledgement.as_ref();
            block.is_some_and(|block| !block.revoked)
        }
        Block::Triage => spec.triage.is_some(),
        Block::Assignment => spec.assignment.is_some(),
        Block::Resolution => {
            let block = spec.resolution.as_ref();
            block.is_some_and(|block| !block.revoked)
        }
        Block::Validation => spec.validation.is_some(),
        Block::Closure => {
            let block = spec.closure.as_ref();
            block.is_some_and(|block| !block.revoked)
        }
        Block::AtLeast => {
            let block = spec.escalation.as_ref();
            block.is_some_and(|block| block.at_least.is_some())
        }
        Block::PageAgain => {
            let block = spec.escalation.as_ref();
            block.is_some_and(|block| block.page_again.is_some())
        }
        Block::DuplicateOf => spec.duplicate_of.is_some(),
        Block::Update => spec.update.is_some(),
        Block::Signal => spec.signal.is_some(),
    }
}

/// The hash of a block as it is declared; `None` = absent or revoked. Of the signal only the state counts, so that a
/// resend of the source is nothing new.
pub fn declared(spec: &TicketSpec, block: Block) -> Option<String> {
    if !present(spec, block) {
        return None;
    }
    Some(match block {
        Block::Acknowledgement => hash_of(&spec.acknowledgement),
        Block::Triage => hash_of(&spec.triage),
        Block::Assignment => hash_of(&spec.assignment),
        Block::Resolution => hash_of(&spec.resolution),
        Block::Validation => hash_of(&spec.validation),
        Block::Closure => hash_of(&spec.closure),
        Block::AtLeast => {
            let block = spec.escalation.as_ref()?;
            hash_of(&(&block.at_least, &block.token))
        }
        Block::PageAgain => hash_of(&spec.escalation.as_ref()?.page_again),
        Block::DuplicateOf => hash_of(&spec.duplicate_of),
        Block::Update => hash_of(&spec.update),
        Block::Signal => match spec.signal.as_ref()?.state {
            SignalState::Firing => FIRING.to_owned(),
            SignalState::Resolved => RESOLVED.to_owned(),
        },
    })
}

/// `status.handled.signal.hash` of a source that fires.
pub const FIRING: &str = "Firing";
/// `status.handled.signal.hash` of a source that reports the end.
pub const RESOLVED: &str = "Resolved";

/// The block where it is declared and not acted on yet.
pub fn fresh(
    ticket: &Ticket,
    status: &TicketStatus,
    block: Block,
    now: Timestamp,
) -> Option<Fresh> {
    let hash = declared(&ticket.spec, block)?;
    match judge(status, block, Some(&hash)) {
        Judged::New => Some(Fresh {
            hash,
            dated: dated(ticket, block.field(), now),
        }),
        Judged::Absent | Judged::Void | Judged::Known(_) => None,
    }
}

/// Whether a block was acted on, still counts, and is not there any more.
pub fn taken_back(ticket: &Ticket, status: &TicketStatus, block: Block) -> bool {
    let counted = status
        .handled
        .get(block.key())
        .is_some_and(|handled| !handled.void);
    counted && !present(&ticket.spec, block)
}

/// Judges a block by the hash of its content (`None` = absent or revoked) against `status.handled`.
pub fn judge(status: &TicketStatus, block: Block, hash: Option<&str>) -> Judged {
    let Some(hash) = hash else {
        return Judged::Absent;
    };
    match status.handled.get(block.key()) {
        Some(handled) if handled.hash == hash && handled.void => Judged::Void,
        Some(handled) if handled.hash == hash => Judged::Known(handled.time.0),
        Some(_) | None => Judged::New,
    }
}

/// Remembers a block as handled.
pub fn remember(
    status: &mut TicketStatus,
    block: Block,
    hash: String,
    time: Timestamp,
    void: bool,
) {
    status.handled.insert(
        block.key().to_owned(),
        Handled {
            hash,
            time: Time(time),
            void,
        },
    );
}

/// Forgets a block that is gone, so that it counts as changed when it comes back.
pub fn forget(status: &mut TicketStatus, block: Block) {
    status.handled.remove(block.key());
}

/// Makes a handled block void until it changes.
pub fn void(status: &mut TicketStatus, block: Block) {
    if let Some(handled) = status.handled.get_mut(block.key()) {
        handled.void = true;
    }
}

/// When what stands in a field of the spec was written: the newest managedFields entry that owns it, within creation
/// and now.
pub fn dated(ticket: &Ticket, field: &str, now: Timestamp) -> Dated {
    let created = created(ticket, now);
    let first_look = ticket
        .status
        .as_ref()
        .is_none_or(|status| status.phase.is_none());
    let untouched = ticket
        .metadata
        .generation
        .is_some_and(|generation| generation <= 1);
    let (time, exact) = written(ticket, field).unwrap_or((now, false));
    let time = time.clamp(created, now.max(created));
    Dated {
        time,
        exact,
        at_creation: first_look && (untouched || time <= created),
    }
}

/// When a field of the spec was last written by whoever owns it, and whether that entry owns nothing else.
fn written(ticket: &Ticket, field: &str) -> Option<(Timestamp, bool)> {
    owners(ticket, field).max_by_key(|(time, _)| *time)
}

/// When a field of the spec was written, never before creation and never after now. The API server keeps whole
/// seconds, so it is at most one second later than it says.
pub fn written_by(ticket: &Ticket, field: &str, now: Timestamp) -> Timestamp {
    let second = SignedDuration::from_secs(1);
    let written = written(ticket, field).and_then(|(time, _)| time.checked_add(second).ok());
    written.unwrap_or(now).max(created(ticket, now)).min(now)
}

/// The creation time, clamped to now where it lies in the future (api.md section 5, "Clock").
pub fn created(ticket: &Ticket, now: Timestamp) -> Timestamp {
    ticket
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(now, |time| time.0.min(now))
}

/// Times of the entries that own `spec.<field>`, and whether they own nothing else of the spec.
fn owners<'a>(ticket: &'a Ticket, field: &'a str) -> impl Iterator<Item = (Timestamp, bool)> + 'a {
    let key = format!("f:{field}");
    ticket
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter_map(move |entry| {
            let spec = entry.fields_v1.as_ref()?.0.get("f:spec")?.as_object()?;
            let blocks = spec.keys().filter(|key| key.starts_with("f:")).count();
            spec.contains_key(&key)
                .then(|| entry.time.as_ref().map(|time| (time.0, blocks == 1)))?
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Phase, TicketStatus};

    #[test]
    fn a_block_counts_as_there_from_the_creation_only_at_the_first_look() {
        let created: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let mut ticket = Ticket::default();
        ticket.metadata.generation = Some(1);
        let there = |ticket: &Ticket| dated(ticket, "triage", created).at_creation;
        assert!(there(&ticket));
        ticket.status = Some(TicketStatus {
            phase: Some(Phase::Submitted),
            ..TicketStatus::default()
        });
        assert!(!there(&ticket));
    }

    #[test]
    fn at_the_first_look_a_block_was_there_at_the_creation_if_nobody_edited_since_or_it_is_dated_so()
     {
        let created: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let late = created + SignedDuration::from_mins(5);
        let there = |generation, written: Timestamp| {
            let mut ticket = Ticket::default();
            ticket.metadata.generation = Some(generation);
            ticket.metadata.creation_timestamp =
                serde_json::from_value(serde_json::json!(created.to_string())).unwrap();
            ticket.metadata.managed_fields = serde_json::from_value(serde_json::json!([{
                "manager": "alice", "time": written.to_string(), "fieldsV1": {"f:spec": {"f:triage": {}}},
            }]))
            .unwrap();
            dated(&ticket, "triage", late).at_creation
        };
        assert!(there(1, late), "nothing was edited since");
        assert!(there(2, created), "something else was edited since");
        assert!(!there(2, late), "a person's first answer");
    }
}

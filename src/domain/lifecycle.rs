//! From submission to closure: which facts count, in which order, and what phase follows.
//!
//! Each fact has a room of its own (acknowledgement, resolution, signal, stages, closing, duplicates). New facts are
//! taken in the order of their dates, so that a look after a downtime ends where an undisturbed run does.
//! Rules: `api.md` section 2.1 (phases), section 5 "Facts without their premise" and "Facts seen late".

pub(super) mod acknowledgement;
pub(super) mod archiving;
pub(super) mod closing;
pub(super) mod duplicates;
pub(super) mod opening;
pub(super) mod reopening;
pub(super) mod resolution;
pub mod retention;
pub(super) mod stages;

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::api::{Phase, Ticket, TicketStatus};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block, Fresh, Judged};
use crate::domain::next::Waiting;
use crate::domain::signal;
use crate::domain::telling::delivery::Standing;
use crate::domain::telling::notices;

/// The blocks of a ticket's life. Of those written at one moment, what ends the ticket comes first.
const BLOCKS: [Block; 8] = [
    Block::DuplicateOf,
    Block::Signal,
    Block::Resolution,
    Block::Validation,
    Block::Acknowledgement,
    Block::Triage,
    Block::Assignment,
    Block::Closure,
];

/// What was taken back first, then what is new in the order of its dates, then what time has ended.
pub fn apply(draft: &mut Draft<'_>) {
    duplicates::taken_back(draft);
    resolution::taken_back(draft);
    closing::taken_back(draft);
    in_order(draft);
    acknowledgement::lapse(draft);
    stages::taken_back(draft);
    closing::apply(draft);
    signal::check_source(draft);
    // Whatever the chain does meanwhile.
    if let Some(due) = signal::resolves_at(draft) {
        draft.wake(due, Waiting::Deadline);
    }
    draft.standing = standing_of(&draft.status);
    let phase = phase(draft);
    draft.status.phase = Some(phase);
    notices::opened(draft);
    notices::validation_asked(draft);
}

/// Takes every new fact at its date; the end of a signal's wait is one of them.
fn in_order(draft: &mut Draft<'_>) {
    let mut pending = new_facts(draft);
    loop {
        let resolves = signal::resolves_at(draft).filter(|due| *due <= draft.now);
        let next = pending.front().map(|(_, fresh)| fresh.dated.time);
        match (resolves, next) {
            (Some(due), next) if next.is_none_or(|next| due < next) => signal::resolve(draft, due),
            (_, None) => return,
            (_, Some(_)) => {
                if let Some((block, fresh)) = pending.pop_front() {
                    take(draft, block, fresh);
                }
            }
        }
    }
}

fn new_facts(draft: &Draft<'_>) -> VecDeque<(Block, Fresh)> {
    let blocks = BLOCKS.into_iter();
    let fresh = |block| facts::fresh(draft.ticket(), &draft.status, block, draft.now);
    let mut found: Vec<(Block, Fresh)> = blocks
        .filter(|block| *block != Block::Signal || signal::counts(draft))
        .filter_map(|block| Some((block, fresh(block)?)))
        .collect();
    found.sort_by_key(|(_, fresh)| fresh.dated.time);
    found.into()
}

fn take(draft: &mut Draft<'_>, block: Block, fresh: Fresh) {
    match block {
        Block::DuplicateOf => duplicates::declared(draft, fresh),
        Block::Signal => signal::declared(draft, fresh),
        Block::Resolution => resolution::declared(draft, fresh),
        Block::Validation => resolution::validation_declared(draft, fresh),
        Block::Acknowledgement => acknowledgement::declared(draft, fresh),
        Block::Triage => stages::declared(draft, stages::Stage::Triage, fresh),
        Block::Assignment => stages::declared(draft, stages::Stage::Assignment, fresh),
        Block::Closure => closing::declared(draft, fresh),
        Block::AtLeast | Block::PageAgain | Block::Update => {}
    }
}

/// Remembers a fact whose premise is missing as handled, so that it must change to count, and says so.
pub fn ignore(draft: &mut Draft<'_>, block: Block, fresh: Fresh, by: &str, why: &str) {
    let at = fresh.dated.time;
    facts::remember(&mut draft.status, block, fresh.hash, at, true);
    let message = format!("`spec.{}` ignored: {why}", block.key());
    draft.tell(Tell {
        reason: "FactIgnored",
        warning: false,
        at,
        actor: Some(by),
        message: &message,
    });
}

/// Whether the ticket is resolved or closed: nothing runs any more.
pub fn is_over(status: &TicketStatus) -> bool {
    over_since(status).is_some()
}

/// Since when it is resolved or closed.
pub fn over_since(status: &TicketStatus) -> Option<Timestamp> {
    let ends = [status.resolve_time, status.close_time];
    ends.into_iter().flatten().map(|time| time.0).min()
}

/// How a ticket stands for its deliveries, from the object alone: as soon as a fact can be read, nothing that it
/// stops may leave.
pub fn standing(ticket: &Ticket) -> Standing {
    let nothing = TicketStatus::default();
    let status = ticket.status.as_ref().unwrap_or(&nothing);
    let known = standing_of(status);
    let judged = |block| {
        let hash = facts::declared(&ticket.spec, block);
        facts::judge(status, block, hash.as_deref())
    };
    let acknowledged = match judged(Block::Acknowledgement) {
        Judged::New => true,
        Judged::Known(_) => known.acknowledged,
        Judged::Absent | Judged::Void => false,
    };
    let resolved = match judged(Block::Resolution) {
        Judged::New => true,
        Judged::Known(_) | Judged::Absent | Judged::Void => known.resolved,
    };
    let deleted = ticket.metadata.deletion_timestamp.is_some();
    Standing {
        acknowledged,
        resolved,
        closed: known.closed || deleted,
        held: known.held,
    }
}

/// How a ticket stands by what was acted on.
pub fn standing_of(status: &TicketStatus) -> Standing {
    Standing {
        acknowledged: status.acknowledge_time.is_some(),
        resolved: status.resolve_time.is_some(),
        closed: status.close_time.is_some(),
        held: status
            .holding
            .as_ref()
            .is_some_and(|holding| holding.since_time.is_some()),
    }
}

/// First rule of api.md section 2.1 that fits.
fn phase(draft: &Draft<'_>) -> Phase {
    let status = &draft.status;
    if status.close_time.is_some() {
        return Phase::Closed;
    }
    if status.resolve_time.is_some() {
        let waits = resolution::validation_required(draft) && status.validate_time.is_none();
        return if waits {
            Phase::AwaitingValidation
        } else {
            Phase::Resolved
        };
    }
    if status.assign_time.is_some() {
        return Phase::Assigned;
    }
    if status.triage_time.is_some() {
        return Phase::Triaged;
    }
    if status.acknowledge_time.is_some() {
        return Phase::Acknowledged;
    }
    Phase::Submitted
}

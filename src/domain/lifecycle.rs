//! From submission to closure: which facts count, what phase follows, what reopens a ticket.
//!
//! Rules: `api.md` section 2.1 (phases, gates), section 5 "Acknowledgement revoked or expired", "Facts without their
//! premise", "Reopened".

use jiff::Timestamp;

use super::delivery::Standing;
use super::draft::{Draft, Restart, Tell, after};
use super::facts::{self, Block, Judged, hash_of};
use super::next::Waiting;
use super::notices::{self, Cause};
use super::{closing, duplicates, targets};
use crate::api::{NotifyOn, Phase, StartReason, Ticket, TicketStatus, Time, ValidationResult};

/// Asks the facts in their order: what ends the ticket first, then what reopens it, then the stages before.
pub fn apply(draft: &mut Draft<'_>) {
    duplicates::apply(draft);
    resolution(draft);
    validation(draft);
    acknowledgement(draft);
    triage(draft);
    assignment(draft);
    closing::apply(draft);
    draft.standing = standing_of(&draft.status);
    let phase = phase(draft);
    draft.status.phase = Some(phase);
    notices::opened(draft);
}

/// How a ticket stands for its deliveries, from the object alone: as soon as a fact can be read, nothing that it
/// stops may leave.
pub fn standing(ticket: &Ticket) -> Standing {
    let nothing = TicketStatus::default();
    let status = ticket.status.as_ref().unwrap_or(&nothing);
    let known = standing_of(status);
    let spec = &ticket.spec;
    let ack = spec
        .acknowledgement
        .as_ref()
        .filter(|block| !block.revoked)
        .map(hash_of);
    let acknowledged = match facts::judge(status, Block::Acknowledgement, ack.as_deref()) {
        Judged::New => true,
        Judged::Known(_) => known.acknowledged,
        Judged::Absent | Judged::Void => false,
    };
    let resolution = spec
        .resolution
        .as_ref()
        .filter(|block| !block.revoked)
        .map(hash_of);
    let resolved = match facts::judge(status, Block::Resolution, resolution.as_deref()) {
        Judged::New => true,
        Judged::Known(_) | Judged::Absent | Judged::Void => known.resolved,
    };
    let deleted = ticket.metadata.deletion_timestamp.is_some();
    Standing {
        acknowledged,
        resolved,
        closed: known.closed || deleted,
    }
}

/// How a ticket stands by what was acted on.
pub fn standing_of(status: &TicketStatus) -> Standing {
    Standing {
        acknowledged: status.acknowledge_time.is_some(),
        resolved: status.resolve_time.is_some(),
        closed: status.close_time.is_some(),
    }
}

/// What reopens a ticket, for the words of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopening {
    /// The resolution was revoked or removed.
    ResolutionTakenBack,
    /// The customer rejected the resolution.
    Rejected,
    /// The closure of an unresolved ticket was taken back.
    ClosureTakenBack,
    /// `duplicateOf` was removed.
    NoDuplicate,
}

impl Reopening {
    fn words(self) -> &'static str {
        match self {
            Self::ResolutionTakenBack => "the resolution was taken back",
            Self::Rejected => "the resolution was rejected",
            Self::ClosureTakenBack => "the closure was taken back",
            Self::NoDuplicate => "it is no duplicate any more",
        }
    }
}

/// Reopens: what was handled before is void until it changes, the clocks go on, a new round starts.
pub fn reopen(draft: &mut Draft<'_>, why: Reopening, at: Timestamp, actor: Option<&str>) {
    targets::resume(draft, at);
    let status = &mut draft.status;
    status.reopen_count = Some(status.reopen_count.unwrap_or(0) + 1);
    status.resolve_time = None;
    status.validate_time = None;
    status.close_time = None;
    status.acknowledge_time = None;
    status.acknowledge_expiry_time = None;
    status.duplicate_of = None;
    for block in [Block::Acknowledgement, Block::Validation, Block::Closure] {
        facts::void(status, block);
    }
    match why {
        Reopening::Rejected => facts::void(status, Block::Resolution),
        Reopening::ResolutionTakenBack | Reopening::ClosureTakenBack | Reopening::NoDuplicate => {}
    }
    let message = format!("Reopened: {}; a new round of the chain starts", why.words());
    draft.tell(Tell {
        reason: "Reopened",
        warning: false,
        at,
        actor,
        message: &message,
    });
    if conditions_know_acknowledged(draft) {
        draft.condition(
            "Acknowledged",
            false,
            "Reopened",
            "The ticket was reopened; acknowledge it again.",
        );
    }
    let reopenings = draft.status.reopen_count.unwrap_or(0);
    let cause = Cause::due(&format!("Reopened/{reopenings}"), at);
    notices::tell_all(draft, NotifyOn::Reopened, &cause);
    draft.restart = Some(Restart {
        reason: StartReason::Reopened,
        base: at,
    });
}

fn conditions_know_acknowledged(draft: &Draft<'_>) -> bool {
    super::conditions::known(&draft.status.conditions, "Acknowledged")
}

fn resolution(draft: &mut Draft<'_>) {
    let block = draft.ticket().spec.resolution.as_ref();
    let hash = block.filter(|block| !block.revoked).map(hash_of);
    let by = block.map(|block| block.by.as_str());
    match facts::judge(&draft.status, Block::Resolution, hash.as_deref()) {
        Judged::New => {
            let Some(hash) = hash else { return };
            let dated = facts::dated(draft.ticket(), Block::Resolution, draft.now);
            facts::remember(
                &mut draft.status,
                Block::Resolution,
                hash,
                dated.time,
                false,
            );
            if draft.status.close_time.is_none() && draft.status.resolve_time.is_none() {
                targets::answered(draft, dated);
                resolve(draft, dated.time, by, "Resolved");
            }
        }
        Judged::Absent => {
            let was = draft.status.handled.contains_key(Block::Resolution.key());
            facts::forget(&mut draft.status, Block::Resolution);
            if was && draft.status.resolve_time.is_some() && draft.status.duplicate_of.is_none() {
                let now = draft.now;
                reopen(draft, Reopening::ResolutionTakenBack, now, by);
            }
        }
        Judged::Known(_) | Judged::Void => {}
    }
}

/// Stamps a resolution, of a person or of the signal.
pub fn resolve(draft: &mut Draft<'_>, at: Timestamp, by: Option<&str>, message: &str) {
    draft.status.resolve_time = Some(Time(at));
    draft.status.first_resolve_time.get_or_insert(Time(at));
    targets::resolved(draft, at);
    draft.tell(Tell {
        reason: "Resolved",
        warning: false,
        at,
        actor: by,
        message,
    });
    let cause = Cause::of(&draft.status, &[Block::Resolution], at, "Resolved");
    notices::tell_all(draft, NotifyOn::Resolved, &cause);
    if validation_required(draft) {
        notices::tell_all(draft, NotifyOn::ValidationRequested, &cause);
    }
}

/// Whether the effective level's row wants the customer's word.
pub fn validation_required(draft: &Draft<'_>) -> bool {
    draft
        .policy
        .as_ref()
        .is_some_and(|policy| policy.row(draft.severity()).validation_required)
}

fn validation(draft: &mut Draft<'_>) {
    let block = draft.ticket().spec.validation.as_ref();
    let hash = block.map(hash_of);
    match facts::judge(&draft.status, Block::Validation, hash.as_deref()) {
        Judged::New => {
            let (Some(hash), Some(block)) = (hash, block) else {
                return;
            };
            let dated = facts::dated(draft.ticket(), Block::Validation, draft.now);
            let resolved =
                draft.status.resolve_time.is_some() && draft.status.duplicate_of.is_none();
            facts::remember(
                &mut draft.status,
                Block::Validation,
                hash,
                dated.time,
                !resolved,
            );
            if resolved {
                validated(draft, block.result, dated.time, Some(block.by.as_str()));
            }
        }
        Judged::Absent => facts::forget(&mut draft.status, Block::Validation),
        Judged::Known(_) | Judged::Void => {}
    }
}

fn validated(draft: &mut Draft<'_>, result: ValidationResult, at: Timestamp, by: Option<&str>) {
    match result {
        ValidationResult::Accepted => {
            draft.status.validate_time = Some(Time(at));
            draft.tell(Tell {
                reason: "Validated",
                warning: false,
                at,
                actor: by,
                message: "Resolution accepted",
            });
        }
        ValidationResult::Rejected => reopen(draft, Reopening::Rejected, at, by),
    }
}

fn acknowledgement(draft: &mut Draft<'_>) {
    let block = draft.ticket().spec.acknowledgement.as_ref();
    let hash = block.filter(|block| !block.revoked).map(hash_of);
    let by = block.map(|block| block.by.as_str());
    match facts::judge(&draft.status, Block::Acknowledgement, hash.as_deref()) {
        Judged::New => {
            let Some(hash) = hash else { return };
            let dated = facts::dated(draft.ticket(), Block::Acknowledgement, draft.now);
            let over = draft.status.resolve_time.is_some() || draft.status.close_time.is_some();
            facts::remember(
                &mut draft.status,
                Block::Acknowledgement,
                hash,
                dated.time,
                over,
            );
            if !over {
                targets::answered(draft, dated);
                acknowledge(draft, dated.time, by);
            }
        }
        Judged::Absent => {
            let was = draft.status.acknowledge_time.take();
            draft.status.acknowledge_expiry_time = None;
            facts::forget(&mut draft.status, Block::Acknowledgement);
            if was.is_some()
                && draft.status.resolve_time.is_none()
                && draft.status.close_time.is_none()
            {
                let now = draft.now;
                let message = "Acknowledgement revoked; the chain starts again";
                draft.condition("Acknowledged", false, "Revoked", message);
                draft.tell(Tell {
                    reason: "Revoked",
                    warning: true,
                    at: now,
                    actor: by,
                    message,
                });
                draft.restart = Some(Restart {
                    reason: StartReason::Revoked,
                    base: now,
                });
            }
        }
        Judged::Known(_) => expire(draft),
        Judged::Void => {}
    }
}

fn acknowledge(draft: &mut Draft<'_>, at: Timestamp, by: Option<&str>) {
    draft.status.acknowledge_time = Some(Time(at));
    let timeout = draft
        .policy
        .as_ref()
        .and_then(|policy| policy.row(draft.severity()).acknowledgement_timeout);
    draft.status.acknowledge_expiry_time = timeout.map(|timeout| Time(after(at, timeout)));
    let who = by.unwrap_or("somebody");
    let message = match draft.status.acknowledge_expiry_time {
        Some(expiry) => format!(
            "Acknowledged by {who}; expires at {} unless resolved",
            expiry.0
        ),
        None => format!("Acknowledged by {who}"),
    };
    draft.condition("Acknowledged", true, "Acknowledged", &message);
    draft.tell(Tell {
        reason: "Acknowledged",
        warning: false,
        at,
        actor: by,
        message: &message,
    });
    notices::acknowledged(draft, who, at);
    expire(draft);
}

/// An acknowledgement whose time is over is void and the chain starts again.
fn expire(draft: &mut Draft<'_>) {
    let Some(expiry) = draft.status.acknowledge_expiry_time else {
        return;
    };
    let over = draft.status.resolve_time.is_some() || draft.status.close_time.is_some();
    if over {
        return;
    }
    if draft.now < expiry.0 {
        draft.wake(expiry.0, Waiting::Deadline);
        return;
    }
    facts::void(&mut draft.status, Block::Acknowledgement);
    draft.status.acknowledge_time = None;
    draft.status.acknowledge_expiry_time = None;
    let message = "Acknowledgement expired without a resolution; the chain starts again";
    draft.condition("Acknowledged", false, "Expired", message);
    draft.tell(Tell {
        reason: "Expired",
        warning: true,
        at: expiry.0,
        actor: None,
        message,
    });
    draft.restart = Some(Restart {
        reason: StartReason::Expired,
        base: expiry.0,
    });
}

fn triage(draft: &mut Draft<'_>) {
    let block = draft.ticket().spec.triage.as_ref();
    let hash = block.map(hash_of);
    match facts::judge(&draft.status, Block::Triage, hash.as_deref()) {
        Judged::New => {
            let Some(hash) = hash else { return };
            let dated = facts::dated(draft.ticket(), Block::Triage, draft.now);
            facts::remember(&mut draft.status, Block::Triage, hash, dated.time, false);
            targets::answered(draft, dated);
            draft.status.triage_time = Some(Time(dated.time));
            let by = block.map(|block| block.by.as_str());
            draft.tell(Tell {
                reason: "Triaged",
                warning: false,
                at: dated.time,
                actor: by,
                message: "Triaged",
            });
        }
        Judged::Absent => {
            facts::forget(&mut draft.status, Block::Triage);
            draft.status.triage_time = None;
        }
        Judged::Known(_) | Judged::Void => {}
    }
}

fn assignment(draft: &mut Draft<'_>) {
    let block = draft.ticket().spec.assignment.as_ref();
    let hash = block.map(hash_of);
    match facts::judge(&draft.status, Block::Assignment, hash.as_deref()) {
        Judged::New => {
            let (Some(hash), Some(block)) = (hash, block) else {
                return;
            };
            let dated = facts::dated(draft.ticket(), Block::Assignment, draft.now);
            facts::remember(
                &mut draft.status,
                Block::Assignment,
                hash,
                dated.time,
                false,
            );
            targets::answered(draft, dated);
            draft.status.assign_time = Some(Time(dated.time));
            let message = format!("Assigned to {}", block.assignee);
            let by = Some(block.by.as_str());
            draft.tell(Tell {
                reason: "Assigned",
                warning: false,
                at: dated.time,
                actor: by,
                message: &message,
            });
        }
        Judged::Absent => {
            facts::forget(&mut draft.status, Block::Assignment);
            draft.status.assign_time = None;
        }
        Judged::Known(_) | Judged::Void => {}
    }
}

/// First rule of api.md section 2.1 that fits.
fn phase(draft: &Draft<'_>) -> Phase {
    let status = &draft.status;
    if status.close_time.is_some() {
        return Phase::Closed;
    }
    if status.resolve_time.is_some() {
        let waits = validation_required(draft) && status.validate_time.is_none();
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

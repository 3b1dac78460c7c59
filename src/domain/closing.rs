//! Closing a ticket: by a person once every gate is passed, or by itself after the policy's time.
//!
//! Rules: `api.md` section 2.1 rule 2 (gates), `severities[].closeAfter`, `validation.closeAfter`.

use jiff::Timestamp;

use super::draft::{Draft, Tell};
use super::facts::{self, Block, Judged, hash_of};
use super::lifecycle::{Reopening, reopen, validation_required};
use super::next::Waiting;
use super::notices::{self, Cause};
use super::targets;
use crate::api::{ClosureReason, NotifyOn, Time};

/// Closes, refuses to close and says why, or reopens what was closed unresolved.
pub fn apply(draft: &mut Draft<'_>) {
    let block = draft.ticket().spec.closure.as_ref();
    let hash = block.filter(|block| !block.revoked).map(hash_of);
    let judged = facts::judge(&draft.status, Block::Closure, hash.as_deref());
    if draft.status.close_time.is_some() {
        let unresolved = draft.status.resolve_time.is_none() && draft.status.duplicate_of.is_none();
        if judged == Judged::Absent && unresolved {
            facts::forget(&mut draft.status, Block::Closure);
            let now = draft.now;
            reopen(
                draft,
                Reopening::ClosureTakenBack,
                now,
                block.map(|block| block.by.as_str()),
            );
        }
        return;
    }
    match (judged, block, hash) {
        (Judged::New | Judged::Known(_), Some(block), Some(hash)) => ask_gates(draft, block, hash),
        (Judged::Absent | Judged::Void | Judged::New | Judged::Known(_), _, _) => {
            draft.clear_condition(
                "ClosureBlocked",
                "NotAsked",
                "Nobody asks to close this ticket.",
            );
            by_itself(draft);
        }
    }
}

fn ask_gates(draft: &mut Draft<'_>, block: &crate::api::Closure, hash: String) {
    let missing = missing(draft, block.reason);
    if !missing.is_empty() {
        let message = format!(
            "Not closed as {:?} yet: {}.",
            block.reason,
            missing.join("; ")
        );
        draft.condition("ClosureBlocked", true, "GatesOpen", &message);
        return;
    }
    let dated = facts::dated(draft.ticket(), Block::Closure, draft.now);
    facts::remember(&mut draft.status, Block::Closure, hash, dated.time, false);
    targets::answered(draft, dated);
    draft.clear_condition("ClosureBlocked", "Closed", "Every gate is passed.");
    let message = format!("Closed: {:?}", block.reason);
    close(draft, dated.time, Some(block.by.as_str()), &message);
}

/// What has to happen before the ticket can be closed for this reason.
fn missing(draft: &Draft<'_>, reason: ClosureReason) -> Vec<&'static str> {
    let mut missing = Vec::new();
    match reason {
        ClosureReason::Completed => {
            if draft.status.resolve_time.is_none() {
                missing.push("`spec.resolution` must be present");
            }
            if validation_required(draft) && draft.status.validate_time.is_none() {
                missing.push("`spec.validation` must be present with result Accepted");
            }
        }
        ClosureReason::OutOfScope | ClosureReason::Cancelled | ClosureReason::NoResponse => {}
    }
    missing
}

fn by_itself(draft: &mut Draft<'_>) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let row = policy.row(draft.severity());
    let waits = validation_required(draft) && draft.status.validate_time.is_none();
    let (span, message) = if waits {
        (
            row.validation_close_after,
            "Closed: no answer to the request for validation (NoResponse)",
        )
    } else {
        (
            row.close_after,
            "Closed: resolved and left so for the policy's `closeAfter`",
        )
    };
    let from = draft
        .status
        .validate_time
        .filter(|_| !waits)
        .max(draft.status.resolve_time);
    if draft.status.resolve_time.is_none() {
        return;
    }
    let Some(due) = targets::over_at(from, span) else {
        return;
    };
    if draft.now < due {
        draft.wake(due, Waiting::Deadline);
        return;
    }
    close(draft, due, None, message);
}

/// Stamps a closure.
pub fn close(draft: &mut Draft<'_>, at: Timestamp, by: Option<&str>, message: &str) {
    draft.status.close_time = Some(Time(at));
    draft.tell(Tell {
        reason: "Closed",
        warning: false,
        at,
        actor: by,
        message,
    });
    let blocks = [Block::Closure, Block::DuplicateOf];
    let cause = Cause::of(&draft.status, &blocks, at, "Closed");
    notices::tell_all(draft, NotifyOn::Closed, &cause);
}

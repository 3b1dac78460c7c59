//! Closing a ticket: by a person once every gate is passed, or by itself after the policy's time.
//!
//! Rules: `api.md` section 2.1 rule 2 (gates), `severities[].closeAfter`, `validation.closeAfter`.

use jiff::Timestamp;

use super::reopening::{Reopening, reopen};
use super::resolution::validation_required;
use crate::api::{Closure, ClosureReason, NotifyOn, Time};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block, Fresh};
use crate::domain::next::Waiting;
use crate::domain::telling::notices::{self, Cause};
use crate::domain::{followup, targets};

/// Closes at the closure's date where every gate is passed by then; on a closed ticket it only adds words.
pub fn declared(draft: &mut Draft<'_>, fresh: Fresh) {
    let Some(block) = draft.ticket().spec.closure.as_ref() else {
        return;
    };
    let at = fresh.dated.time;
    followup::assess(draft);
    if draft.status.close_time.is_some() {
        facts::remember(&mut draft.status, Block::Closure, fresh.hash, at, false);
    } else if missing(draft, block.reason).is_empty() {
        closes(draft, block, fresh);
    }
}

/// A closure that is gone reopens a ticket that was closed unresolved.
pub fn taken_back(draft: &mut Draft<'_>) {
    let counted = facts::taken_back(draft.ticket(), &draft.status, Block::Closure);
    let block = draft.ticket().spec.closure.as_ref();
    if !facts::present(&draft.ticket().spec, Block::Closure) {
        facts::forget(&mut draft.status, Block::Closure);
    }
    let unresolved = draft.status.resolve_time.is_none() && draft.status.duplicate_of.is_none();
    if counted && unresolved && draft.status.close_time.is_some() {
        let now = draft.now;
        let by = block.map(|block| block.by.as_str());
        reopen(draft, Reopening::ClosureTakenBack, now, by);
    }
}

/// Asks again for a closure that waits, says what it waits for, or closes by itself.
pub fn apply(draft: &mut Draft<'_>) {
    if draft.status.close_time.is_some() {
        return;
    }
    followup::assess(draft);
    let fresh = facts::fresh(draft.ticket(), &draft.status, Block::Closure, draft.now);
    match (draft.ticket().spec.closure.as_ref(), fresh) {
        (Some(block), Some(fresh)) => ask_gates(draft, block, fresh),
        (Some(_) | None, _) => draft.clear_condition(
            "ClosureBlocked",
            "NotAsked",
            "Nobody asks to close this ticket.",
        ),
    }
    by_itself(draft);
}

fn ask_gates(draft: &mut Draft<'_>, block: &Closure, fresh: Fresh) {
    let missing = missing(draft, block.reason);
    if missing.is_empty() {
        return closes(draft, block, fresh);
    }
    let message = format!(
        "Not closed as {:?} yet: {}.",
        block.reason,
        missing.join("; ")
    );
    draft.condition("ClosureBlocked", true, "GatesOpen", &message);
}

/// Closes when it was asked for, or when the last gate was passed.
fn closes(draft: &mut Draft<'_>, block: &Closure, fresh: Fresh) {
    let dated = fresh.dated;
    let passed = draft.status.validate_time.max(draft.status.resolve_time);
    let passed = passed.map(|passed| passed.0);
    let learnt = needs_followup(block.reason).then(|| followup::passed_at(draft));
    let passed = passed.max(learnt.flatten());
    let at = passed.map_or(dated.time, |passed| passed.max(dated.time));
    facts::remember(&mut draft.status, Block::Closure, fresh.hash, at, false);
    targets::answered(draft, dated);
    draft.clear_condition("ClosureBlocked", "Closed", "Every gate is passed.");
    let message = format!("Closed: {:?}", block.reason);
    close(draft, at, Some(block.by.as_str()), &message);
}

/// What has to happen before the ticket can be closed for this reason.
fn missing(draft: &Draft<'_>, reason: ClosureReason) -> Vec<String> {
    let mut missing = Vec::new();
    match reason {
        ClosureReason::Completed => {
            if draft.status.resolve_time.is_none() {
                missing.push("`spec.resolution` must be present".to_owned());
            }
            if validation_required(draft) && draft.status.validate_time.is_none() {
                let word = "`spec.validation` must be present with result Accepted";
                missing.push(word.to_owned());
            }
        }
        ClosureReason::OutOfScope | ClosureReason::Cancelled | ClosureReason::NoResponse => {}
    }
    if needs_followup(reason) {
        missing.extend(followup::missing(draft));
    }
    missing
}

/// Whether a ticket that is closed for this reason must be learnt from first, where its policy says so.
fn needs_followup(reason: ClosureReason) -> bool {
    match reason {
        ClosureReason::Completed | ClosureReason::Cancelled | ClosureReason::NoResponse => true,
        ClosureReason::OutOfScope => false,
    }
}

/// When a resolved ticket closes by itself, and in which words; `None` = by people, or not before a gate is passed.
pub fn closes_at(draft: &Draft<'_>) -> Option<(Timestamp, &'static str)> {
    let (over, message) = over_at(draft)?;
    let passed = followup::passed_at(draft);
    let at = passed.map_or(over, |passed| over.max(passed));
    followup::missing(draft).is_empty().then_some((at, message))
}

/// What a ticket that would otherwise close by itself must be learnt from first.
pub fn kept_open_by(draft: &Draft<'_>) -> Vec<String> {
    over_at(draft).map_or_else(Vec::new, |_| followup::missing(draft))
}

/// When the policy's time for a resolved ticket is over.
fn over_at(draft: &Draft<'_>) -> Option<(Timestamp, &'static str)> {
    let open = draft.status.close_time.is_none();
    let resolved = draft.status.resolve_time.filter(|_| open)?;
    let policy = draft.policy.as_deref()?;
    let row = policy.row(draft.severity());
    let waits = validation_required(draft) && draft.status.validate_time.is_none();
    let (from, span, message) = if waits {
        (
            Some(resolved),
            row.validation_close_after,
            "Closed: no answer to the request for validation (NoResponse)",
        )
    } else {
        (
            draft.status.validate_time.max(Some(resolved)),
            row.close_after,
            "Closed: resolved and left so for the policy's `closeAfter`",
        )
    };
    Some((targets::over_at(from, span)?, message))
}

fn by_itself(draft: &mut Draft<'_>) {
    let Some((due, message)) = closes_at(draft) else {
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
    if draft.status.resolve_time.is_none() {
        notices::to_incident_services(draft, "Closed", &cause);
    }
}

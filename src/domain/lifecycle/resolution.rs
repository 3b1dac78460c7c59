//! It is solved, and whether the customer agrees.
//!
//! Rules: `api.md` section 2.1 rule 3, section 5 "Facts without their premise", "Reopened".

use jiff::Timestamp;

use super::ignore;
use super::reopening::{Reopening, reopen};
use crate::api::{NotifyOn, Time, ValidationResult};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block, Fresh};
use crate::domain::targets;
use crate::domain::telling::notices::{self, Cause};

/// A new resolution resolves an open ticket; on a resolved one it adds words, on a closed one it must change to count.
pub fn declared(draft: &mut Draft<'_>, fresh: Fresh) {
    let block = draft.ticket().spec.resolution.as_ref();
    let by = block.map(|block| block.by.as_str()).unwrap_or_default();
    let at = fresh.dated.time;
    let resolved = draft.status.resolve_time.is_some();
    if draft.status.close_time.is_some() && !resolved {
        let why = "the ticket is closed; write it with a fresh `token` once it is reopened";
        return ignore(draft, Block::Resolution, fresh, by, why);
    }
    facts::remember(&mut draft.status, Block::Resolution, fresh.hash, at, false);
    if !resolved {
        targets::answered(draft, fresh.dated);
        targets::resolved(draft, fresh.dated);
        resolve(draft, at, Some(by), "Resolved");
    }
}

/// A resolution that counted and is gone reopens the ticket.
pub fn taken_back(draft: &mut Draft<'_>) {
    let counted = facts::taken_back(draft.ticket(), &draft.status, Block::Resolution);
    if !facts::present(&draft.ticket().spec, Block::Resolution) {
        facts::forget(&mut draft.status, Block::Resolution);
    }
    if !facts::present(&draft.ticket().spec, Block::Validation) {
        facts::forget(&mut draft.status, Block::Validation);
        if draft.status.close_time.is_none() {
            draft.status.validate_time = None;
        }
    }
    if !counted || draft.status.resolve_time.is_none() {
        return;
    }
    if draft.status.duplicate_of.is_some() {
        // Its timers stand anyway; it comes back unresolved once it is no duplicate any more.
        targets::unresolved(draft);
        draft.status.resolve_time = None;
        draft.status.validate_time = None;
        return;
    }
    let block = draft.ticket().spec.resolution.as_ref();
    let by = block.map(|block| block.by.as_str());
    let now = draft.now;
    reopen(draft, Reopening::ResolutionTakenBack, now, by);
}

/// Stamps a resolution, of a person or of the signal.
pub fn resolve(draft: &mut Draft<'_>, at: Timestamp, by: Option<&str>, message: &str) {
    draft.status.resolve_time = Some(Time(at));
    draft.status.first_resolve_time.get_or_insert(Time(at));
    draft.tell(Tell {
        reason: "Resolved",
        warning: false,
        at,
        actor: by,
        message,
    });
    let cause = Cause::of(&draft.status, &[Block::Resolution], at, "Resolved");
    notices::tell_all(draft, NotifyOn::Resolved, &cause);
    notices::to_incident_services(draft, "Resolved", &cause);
}

/// Whether the effective level's row wants the customer's word.
pub fn validation_required(draft: &Draft<'_>) -> bool {
    draft
        .policy
        .as_ref()
        .is_some_and(|policy| policy.row(draft.severity()).validation_required)
}

/// The customer's word counts on a resolved ticket; without a resolution it must change to count.
pub fn validation_declared(draft: &mut Draft<'_>, fresh: Fresh) {
    let Some(block) = draft.ticket().spec.validation.as_ref() else {
        return;
    };
    let by = block.by.as_str();
    let at = fresh.dated.time;
    if draft.status.resolve_time.is_none() || draft.status.duplicate_of.is_some() {
        let why = "there is no resolution to judge; write it with a fresh `token` once there is";
        return ignore(draft, Block::Validation, fresh, by, why);
    }
    facts::remember(&mut draft.status, Block::Validation, fresh.hash, at, false);
    match block.result {
        ValidationResult::Accepted => accepted(draft, at, by),
        ValidationResult::Rejected => reopen(draft, Reopening::Rejected, at, Some(by)),
    }
}

fn accepted(draft: &mut Draft<'_>, at: Timestamp, by: &str) {
    if draft.status.validate_time.is_some() {
        return;
    }
    draft.status.validate_time = Some(Time(at));
    draft.tell(Tell {
        reason: "Validated",
        warning: false,
        at,
        actor: Some(by),
        message: "Resolution accepted",
    });
}

//! When a chain starts: the moment it first could, and the moment its row changed.
//!
//! Rule: `api.md` section 3.1 ("Round start S").

use jiff::{SignedDuration, Timestamp};

use crate::api::{EscalationState, StartReason};
use crate::domain::draft::{Draft, Restart, after};

/// The moment the chain could first start: submission, a policy that came late, a level that pages at last, the end of
/// a hold, suspension or maintenance.
pub fn first(draft: &mut Draft<'_>, delay: SignedDuration) -> Restart {
    let state = draft.escalation().state;
    let submitted = draft.status.submit_time.map(|time| time.0);
    let pinned = draft.status.policy.as_ref().and_then(|pin| pin.pin_time);
    let could = match state {
        EscalationState::Blocked => pinned.map(|time| time.0).max(submitted),
        EscalationState::NotPaged => Some(changed_at(draft)),
        EscalationState::Pending
        | EscalationState::Running
        | EscalationState::Held
        | EscalationState::Stopped
        | EscalationState::Exhausted => submitted,
    };
    let raised = state == EscalationState::NotPaged
        && draft.severity_change.is_some_and(|change| change.raised);
    let holding = draft.status.holding.as_ref();
    let released = holding.and_then(|holding| holding.release_time);
    let could = could.max(released.map(|time| time.0));
    Restart {
        reason: if raised {
            StartReason::SeverityRaised
        } else {
            StartReason::Opened
        },
        base: after(could.unwrap_or(draft.now), delay),
    }
}

/// A chain starts again, at once. One that still waits for its `initialDelay` when the severity is raised has not started
/// yet: it starts when the delay of the new level is over, counted like the first from the submission, holds left out,
/// and never later than it would have.
pub fn again(draft: &mut Draft<'_>, restart: Restart, delay: SignedDuration) -> Restart {
    let clock = draft.work_clock();
    let escalation = draft.escalation();
    let start = escalation.start_time.map(|start| start.0);
    let waits = start.filter(|start| *start > clock);
    let submitted = draft.status.submit_time.map(|time| time.0);
    let (StartReason::SeverityRaised, Some(start), Some(submitted)) =
        (restart.reason, waits, submitted)
    else {
        return restart;
    };
    let holding = draft.status.holding.as_ref();
    let held = holding.and_then(|holding| holding.held_total.clone());
    let held = held.map_or(SignedDuration::ZERO, |held| held.to_signed());
    let due = after(after(submitted, delay), held);
    Restart {
        reason: StartReason::Opened,
        base: due.max(restart.base.min(clock)).min(start),
    }
}

/// When the row changed: with the severity, else with the policy, which is seen now.
pub fn changed_at(draft: &Draft<'_>) -> Timestamp {
    match draft.severity_change {
        Some(change) if !draft.repinned => change.at,
        Some(_) | None => draft.now,
    }
}

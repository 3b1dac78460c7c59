//! When a chain starts: the moment it first could, and the moment its row changed.
//!
//! Rule: `api.md` section 3.1 ("Round start S").

use jiff::{SignedDuration, Timestamp};

use super::draft::{Draft, Restart, after};
use crate::api::{EscalationState, StartReason};

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

/// When the row changed: with the severity, else with the policy, which is seen now.
pub fn changed_at(draft: &Draft<'_>) -> Timestamp {
    match draft.severity_change {
        Some(change) if !draft.repinned => change.at,
        Some(_) | None => draft.now,
    }
}

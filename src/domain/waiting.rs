//! One line of truth: what a ticket waits for, and until when (`status.waitingFor`).

use super::draft::Draft;
use super::next::Waiting;
use crate::api::{EscalationState, WaitingFor};

/// Writes the line.
pub fn apply(draft: &mut Draft<'_>) {
    draft.status.waiting_for = line(draft).map(|(what, until)| WaitingFor { what, until });
}

fn line(draft: &Draft<'_>) -> Option<(String, Option<crate::api::Time>)> {
    let status = &draft.status;
    if status.archived {
        return None;
    }
    if let Some(closed) = status.close_time {
        let due = super::draft::after(closed.0, draft.settings.archive_after);
        return Some(("archiving".to_owned(), Some(crate::api::Time(due))));
    }
    if status.resolve_time.is_some() {
        let validation =
            super::resolution::validation_required(draft) && status.validate_time.is_none();
        let what = if validation {
            "validation of the resolution"
        } else {
            "closure"
        };
        return Some((what.to_owned(), None));
    }
    if let Some(due) = super::signal::resolves_at(draft) {
        let line = "the source to stay quiet; then the signal resolves it";
        return Some((line.to_owned(), Some(crate::api::Time(due))));
    }
    let escalation = status.escalation.as_ref()?;
    let answer = if draft.standing.acknowledged {
        "resolution"
    } else {
        "acknowledgement"
    };
    let line = match escalation.state {
        EscalationState::Blocked => (
            "a policy that applies; see condition PolicyResolved".to_owned(),
            None,
        ),
        EscalationState::NotPaged => (
            format!("{answer}; this severity is recorded, not paged"),
            None,
        ),
        EscalationState::Exhausted => (
            format!("{answer}; the chain is exhausted, nobody is paged any more"),
            None,
        ),
        EscalationState::Stopped | EscalationState::Pending | EscalationState::Held => {
            let expiry = status.acknowledge_expiry_time;
            let what = expiry.map_or_else(
                || answer.to_owned(),
                |_| format!("{answer}; then the acknowledgement expires"),
            );
            (what, expiry)
        }
        EscalationState::Running => match (&escalation.next_step, escalation.exhaust_time) {
            (Some(step), _) => (format!("{answer}; next: {step}"), escalation.next_time),
            (None, Some(time)) => (
                format!("{answer}; next: the chain is exhausted"),
                Some(time),
            ),
            (None, None) => (answer.to_owned(), None),
        },
    };
    Some(line)
}

/// What a ticket without a deadline waits for.
pub fn for_a_fact(draft: &Draft<'_>) -> Waiting {
    if draft.status.archived {
        return Waiting::Nothing;
    }
    match draft.status.escalation.as_ref().map(|known| known.state) {
        Some(EscalationState::Blocked) | None => Waiting::Policy,
        Some(
            EscalationState::Pending
            | EscalationState::Running
            | EscalationState::Held
            | EscalationState::Stopped
            | EscalationState::Exhausted
            | EscalationState::NotPaged,
        ) => Waiting::Person,
    }
}

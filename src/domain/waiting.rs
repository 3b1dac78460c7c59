//! One line of truth: what a ticket waits for, and until when (`status.waitingFor`).

use jiff::Timestamp;

use crate::api::condition_type::CLOSURE_BLOCKED;
use crate::api::{EscalationState, Phase, Time, WaitingFor};
use crate::domain::conditions;
use crate::domain::draft::{Draft, after};
use crate::domain::lifecycle::archiving::waits_for_parent;
use crate::domain::lifecycle::closing;
use crate::domain::next::Waiting;
use crate::domain::timeline::cut;

/// Longest line in bytes.
const LINE: usize = 512;

/// Writes the line.
pub fn apply(draft: &mut Draft<'_>) {
    draft.status.waiting_for = line(draft).map(|(what, until)| WaitingFor {
        what: cut(&what, LINE),
        until,
    });
}

/// What the ticket waits for in words, and until when at the latest; `None` = nothing any more, or nothing is known yet.
pub fn line(draft: &Draft<'_>) -> Option<(String, Option<Time>)> {
    let status = &draft.status;
    if status.archived {
        return None;
    }
    if status.close_time.is_some() {
        return Some(archiving(draft));
    }
    let (what, until) = if status.resolve_time.is_some() {
        end(draft)
    } else {
        earlier(answer(draft)?, update(draft), draft.now)
    };
    Some((blocked_closure(draft, what), until))
}

fn archiving(draft: &Draft<'_>) -> (String, Option<Time>) {
    let status = &draft.status;
    let due = status
        .close_time
        .map(|closed| Time(after(closed.0, draft.settings.archive_after)));
    let past = due.is_some_and(|due| due.0 <= draft.now);
    match &status.duplicate_of {
        Some(verdict) if past && waits_for_parent(draft) => (
            format!("archiving, together with ticket \"{}\"", verdict.name),
            None,
        ),
        Some(_) | None => ("archiving".to_owned(), due),
    }
}

/// What a resolved ticket waits for.
fn end(draft: &Draft<'_>) -> (String, Option<Time>) {
    let validation = draft.status.phase == Some(Phase::AwaitingValidation);
    let by_itself = closing::closes_at(draft).map(|(due, _)| Time(due));
    let what = match (validation, by_itself) {
        (true, Some(_)) => {
            "the reporter's word on the resolution (`spec.validation`); then it closes by itself"
        }
        (true, None) => "the reporter's word on the resolution (`spec.validation`)",
        (false, Some(_)) => "closing by itself",
        (false, None) => "closure (`spec.closure`)",
    };
    let kept_open = closing::kept_open_by(draft);
    if by_itself.is_none() && !kept_open.is_empty() {
        let what = format!("{}; then it closes by itself", kept_open.join("; "));
        return (what, None);
    }
    (what.to_owned(), by_itself)
}

/// What an open ticket waits for from people and from its chain.
fn answer(draft: &Draft<'_>) -> Option<(String, Option<Time>)> {
    let status = &draft.status;
    if let Some(due) = crate::domain::signal::resolves_at(draft) {
        let line = "the source to stay quiet; then the signal resolves it";
        return Some((line.to_owned(), Some(Time(due))));
    }
    let escalation = status.escalation.as_ref()?;
    let answer = if draft.standing.acknowledged {
        "resolution"
    } else {
        "acknowledgement"
    };
    if let (EscalationState::Held, Some(held)) = (escalation.state, &draft.held) {
        let what = format!("the end of {}; then {answer}", held.words);
        return Some((what, Some(Time(held.until))));
    }
    let line = match escalation.state {
        EscalationState::Blocked => (
            "a policy that applies; see condition PolicyResolved".to_owned(),
            None,
        ),
        EscalationState::NotPaged => expiry(
            draft,
            format!("{answer}; this severity is recorded, not paged"),
        ),
        EscalationState::Exhausted => (
            format!("{answer}; the chain is exhausted, nobody is paged any more"),
            None,
        ),
        EscalationState::Held => (format!("the end of a hold; then {answer}"), None),
        EscalationState::Stopped | EscalationState::Pending => expiry(draft, answer.to_owned()),
        EscalationState::Running => match (&escalation.next_step, escalation.exhaust_time) {
            (Some(step), _) => {
                let repeat = escalation
                    .next_repeat
                    .map_or_else(String::new, |repeat| format!(", repeat {repeat}"));
                (
                    format!("{answer}; next: {step}{repeat}"),
                    escalation.next_time,
                )
            }
            (None, Some(time)) => (
                format!("{answer}; next: the chain is exhausted"),
                Some(time),
            ),
            (None, None) => (answer.to_owned(), None),
        },
    };
    let sooner = status.acknowledge_expiry_time.filter(|expiry| {
        escalation.state == EscalationState::Running
            && line.1.is_none_or(|until| expiry.0 < until.0)
    });
    Some(match sooner {
        Some(_) => expiry(draft, answer.to_owned()),
        None => line,
    })
}

fn expiry(draft: &Draft<'_>, what: String) -> (String, Option<Time>) {
    match draft.status.acknowledge_expiry_time {
        Some(expiry) => (
            format!("{what}; then the acknowledgement expires"),
            Some(expiry),
        ),
        None => (what, None),
    }
}

/// The next status update, while one is due.
fn update(draft: &Draft<'_>) -> Option<(String, Time)> {
    let due = draft.status.communication.as_ref()?.next_update_due_time?;
    let held = draft.status.escalation.as_ref()?.state == EscalationState::Held;
    (!held).then(|| ("status update".to_owned(), due))
}

/// A status update that is due before anything else happens is said too.
fn earlier(
    (what, until): (String, Option<Time>),
    update: Option<(String, Time)>,
    now: Timestamp,
) -> (String, Option<Time>) {
    match update {
        Some((update, due)) if due.0 <= now => (
            format!("{what}; a {update} is overdue since {}", due.0),
            until,
        ),
        Some((update, due)) if until.is_none_or(|until| due.0 < until.0) => {
            (format!("{what}; before that a {update} is due"), Some(due))
        }
        Some(_) | None => (what, until),
    }
}

/// A closure that somebody asked for and that waits is named first, with all that is missing.
fn blocked_closure(draft: &Draft<'_>, what: String) -> String {
    let conditions = &draft.status.conditions;
    if !conditions::holds(conditions, CLOSURE_BLOCKED) {
        return what;
    }
    let missing = conditions::message(conditions, CLOSURE_BLOCKED).unwrap_or_default();
    cut(&format!("{what}. {missing}"), 512)
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

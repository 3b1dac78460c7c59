//! Status updates: each new one is told by its audience; the next one is due after the row's interval.
//!
//! Rules: `api.md` section 2 (`spec.update`, `status.communication`), section 3 (`updateInterval`: from the newest of
//! submission, update, reopening; reminder at 80 %, then condition `UpdateOverdue`). Both deadlines are written, so that
//! a restart finds them; a hold puts off the due time alone, and the reminder keeps its distance from it.

use jiff::{SignedDuration, Timestamp};

use super::notices::{self, Cause};
use crate::api::condition_type::UPDATE_OVERDUE;
use crate::api::{Audience, Communication, Duration, StartReason, Time};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block};
use crate::domain::next::Waiting;
use crate::domain::{conditions, policy::Row};

/// Posts a new update, reminds of the next one, and says when it is overdue.
pub fn apply(draft: &mut Draft<'_>) {
    if draft.policy.is_none() {
        return;
    }
    posted(draft);
    if draft.standing.resolved || draft.standing.closed {
        stop(draft);
    } else {
        cadence(draft);
    }
}

/// Tells an update that is new.
fn posted(draft: &mut Draft<'_>) {
    let Some(block) = draft.ticket().spec.update.as_ref() else {
        facts::forget(&mut draft.status, Block::Update);
        return;
    };
    let Some(fresh) = facts::fresh(draft.ticket(), &draft.status, Block::Update, draft.now) else {
        return;
    };
    let at = fresh.dated.time;
    facts::remember(&mut draft.status, Block::Update, fresh.hash, at, false);
    let communication = draft.status.communication.get_or_insert_default();
    communication.last_update_time = communication.last_update_time.max(Some(Time(at)));
    communication.from_time = None;
    let audience = match block.audience {
        Audience::Internal => "",
        Audience::Customers => " to customers",
    };
    draft.tell(Tell {
        reason: "Update",
        warning: false,
        at,
        actor: Some(&block.by),
        message: &format!("Status update{audience}: {}", block.message),
    });
    let cause = Cause::of(&draft.status, &[Block::Update], at, "Update");
    notices::updated(draft, block, &cause);
}

/// Nothing is due on a ticket that is resolved or closed.
fn stop(draft: &mut Draft<'_>) {
    if let Some(communication) = draft.status.communication.as_mut() {
        *communication = Communication {
            last_update_time: communication.last_update_time,
            ..Communication::default()
        };
        if *communication == Communication::default() {
            draft.status.communication = None;
        }
    }
    draft.clear_condition(
        UPDATE_OVERDUE,
        "NotDue",
        "No status update is due any more.",
    );
}

fn cadence(draft: &mut Draft<'_>) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let row = policy.row(draft.severity());
    let Some(interval) = row.update_interval else {
        stop(draft);
        return;
    };
    plan(draft, row, interval);
    let communication = draft.status.communication.clone().unwrap_or_default();
    let Some(due) = communication.next_update_due_time else {
        return;
    };
    // A hold freezes the cadence; its end puts the due time off, and the reminder with it.
    let now = draft.work_clock();
    if now >= due.0 {
        overdue(draft, due.0);
        return;
    }
    if conditions::holds(&draft.status.conditions, UPDATE_OVERDUE) {
        let message = format!("The next status update is due at {}.", due.0);
        draft.condition(UPDATE_OVERDUE, false, "InTime", &message);
    }
    if draft.held.is_some() {
        return;
    }
    draft.wake(due.0, Waiting::Deadline);
    let put_off = put_off(row, &communication);
    match communication.reminder_time {
        Some(time) if now >= crate::domain::draft::after(time.0, put_off) => remind(draft, due.0),
        Some(time) => draft.wake(
            crate::domain::draft::after(time.0, put_off),
            Waiting::Deadline,
        ),
        None => {}
    }
}

/// Writes both deadlines where the base or the interval is new.
fn plan(draft: &mut Draft<'_>, row: &Row, interval: SignedDuration) {
    let known = draft.status.communication.clone().unwrap_or_default();
    let wanted = Duration::from_millis(i64::try_from(interval.as_millis()).unwrap_or(0));
    if known.from_time.is_some() && known.interval.as_ref() == Some(&wanted) {
        return;
    }
    let from = known.from_time.unwrap_or_else(|| Time(base(draft)));
    let put_off = put_off(row, &known);
    let later = |time: Timestamp| crate::domain::draft::after(time, put_off);
    let due = row.calendar.add_working(from.0, interval).map(later);
    let reminder = row
        .calendar
        .add_working(from.0, interval * 4 / 5)
        .map(later);
    let communication = draft.status.communication.get_or_insert_default();
    communication.from_time = Some(from);
    communication.interval = Some(wanted);
    communication.next_update_due_time = due.map(Time);
    communication.reminder_time = reminder.map(Time);
}

/// How much holds have put the present due time off.
fn put_off(row: &Row, known: &Communication) -> SignedDuration {
    let planned = known
        .from_time
        .zip(known.interval.as_ref())
        .and_then(|(from, span)| row.calendar.add_working(from.0, span.to_signed()));
    planned
        .zip(known.next_update_due_time)
        .map_or(SignedDuration::ZERO, |(planned, due)| {
            due.0.duration_since(planned).max(SignedDuration::ZERO)
        })
}

/// The newest of submission, update and reopening.
fn base(draft: &Draft<'_>) -> Timestamp {
    let submitted = draft.status.submit_time;
    let updated = draft
        .status
        .communication
        .as_ref()
        .and_then(|known| known.last_update_time);
    let reopened = draft
        .restart
        .filter(|restart| restart.reason == StartReason::Reopened)
        .map(|restart| Time(restart.base));
    submitted
        .max(updated)
        .max(reopened)
        .map_or(draft.now, |time| time.0)
}

/// Reminds the assignee, else those whom the policy names.
fn remind(draft: &mut Draft<'_>, due: Timestamp) {
    if let Some(communication) = draft.status.communication.as_mut() {
        communication.reminder_time = None;
    }
    let cause = Cause::due("update", due);
    match notices::assignee(draft) {
        Some(assignee) => notices::tell(draft, "UpdateReminder", &cause, &assignee),
        None => notices::to_overdue(draft, "UpdateReminder", &cause),
    }
}

/// Says once per due time that it passed without an update.
fn overdue(draft: &mut Draft<'_>, due: Timestamp) {
    if let Some(communication) = draft.status.communication.as_mut() {
        communication.reminder_time = None;
    }
    let message = format!(
        "No status update was given by {due}. Write `spec.update` with what is known; that sets the next due time."
    );
    // The condition speaks of this due time only while it stands for it.
    if conditions::message(&draft.status.conditions, UPDATE_OVERDUE) == Some(message.as_str()) {
        return;
    }
    draft.condition(UPDATE_OVERDUE, true, "NoUpdate", &message);
    draft.tell(Tell {
        reason: UPDATE_OVERDUE,
        warning: true,
        at: due,
        actor: None,
        message: &message,
    });
    notices::to_overdue(draft, "UpdateOverdue", &Cause::due("update", due));
}

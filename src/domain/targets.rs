//! The response and resolution clocks: due, met, breached once, at the true time.
//!
//! Rules: `api.md` section 2.1 (what meets the response target), section 5 "Severity raised", "Facts seen late".

use jiff::{SignedDuration, Timestamp};

use super::draft::{Draft, Tell, after};
use super::facts::Dated;
use super::next::Waiting;
use crate::api::{Duration, TargetClock, TargetState, Time};

/// A person's first answer stops the response clock; what was there at creation is no answer.
pub fn answered(draft: &mut Draft<'_>, dated: Dated) {
    if dated.at_creation {
        return;
    }
    let clock = &mut draft.status.targets.get_or_insert_default().response;
    clock.met_time.get_or_insert(Time(dated.time));
}

/// The resolution clock stops.
pub fn resolved(draft: &mut Draft<'_>, at: Timestamp) {
    let clock = &mut draft.status.targets.get_or_insert_default().resolution;
    clock.met_time = Some(Time(at));
}

/// The resolution clock goes on; the time it stood resolved or closed does not count.
pub fn resume(draft: &mut Draft<'_>, at: Timestamp) {
    let Some(targets) = draft.status.targets.as_mut() else {
        return;
    };
    let stopped = draft.status.resolve_time.or(draft.status.close_time);
    let Some(stopped) = stopped else { return };
    for clock in [&mut targets.resolution, &mut targets.response] {
        pause(clock, at.duration_since(stopped.0));
    }
    targets.resolution.met_time = None;
}

fn pause(clock: &mut TargetClock, span: SignedDuration) {
    let before = clock.paused_total.as_ref().map_or(0, Duration::as_millis);
    let added = i64::try_from(span.as_millis()).unwrap_or(0).max(0);
    if added > 0 {
        clock.paused_total = Some(Duration::from_millis(before + added));
    }
}

/// Computes due times from the row of the effective severity and tells a breach.
pub fn apply(draft: &mut Draft<'_>) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let row = policy.row(draft.severity());
    let Some(submitted) = draft.status.submit_time else {
        return;
    };
    let over = draft.status.resolve_time.is_some() || draft.status.close_time.is_some();
    let mut targets = draft.status.targets.take().unwrap_or_default();
    for (clock, target, name) in [
        (&mut targets.response, row.response_target, "Response"),
        (&mut targets.resolution, row.resolution_target, "Resolution"),
    ] {
        let paused = clock
            .paused_total
            .as_ref()
            .map_or(SignedDuration::ZERO, Duration::to_signed);
        clock.target = target
            .map(|target| Duration::from_millis(i64::try_from(target.as_millis()).unwrap_or(0)));
        let due = target.and_then(|target| row.calendar.add_working(submitted.0, target + paused));
        clock.due_time = due.map(Time);
        judge(draft, clock, over, name);
    }
    draft.status.targets = Some(targets);
}

fn judge(draft: &mut Draft<'_>, clock: &mut TargetClock, over: bool, name: &str) {
    let Some(due) = clock.due_time else {
        clock.state = TargetState::Undefined;
        return;
    };
    let missed = match clock.met_time {
        Some(met) => met.0 > due.0,
        None => !over && draft.now >= due.0,
    };
    if clock.breach_time.is_some() {
        clock.state = TargetState::Breached;
    } else if missed {
        clock.breach_time = Some(due);
        clock.state = TargetState::Breached;
        breach(draft, due.0, name);
    } else if clock.met_time.is_some() {
        clock.state = TargetState::Met;
    } else if over {
        clock.state = TargetState::Paused;
    } else {
        clock.state = TargetState::Running;
        draft.wake(due.0, Waiting::Deadline);
    }
}

fn breach(draft: &mut Draft<'_>, due: Timestamp, name: &str) {
    let (reason, what) = match name {
        "Response" => ("ResponseBreached", "nobody had answered"),
        _other => ("ResolutionBreached", "it was not resolved"),
    };
    let message = format!("{name} target missed: {what} by {due}");
    draft.condition(reason, true, "TargetMissed", &message);
    draft.tell(Tell {
        reason,
        warning: true,
        at: due,
        actor: None,
        message: &message,
    });
}

/// The next moment at which `span` from `from` is over.
pub fn over_at(from: Option<Time>, span: Option<SignedDuration>) -> Option<Timestamp> {
    Some(after(from?.0, span?))
}

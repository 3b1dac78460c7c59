//! The response and resolution clocks: due, met, breached once, at the true time.
//!
//! Rules: `api.md` section 2.1 (what meets the response target), section 5 "Severity raised", "Severity lowered",
//! "Facts seen late", "Reopened".

use jiff::{SignedDuration, Timestamp};

use crate::api::condition_type::{RESOLUTION_BREACHED, RESPONSE_BREACHED};
use crate::api::{Duration, TargetClock, TargetState, Time};
use crate::domain::draft::{Draft, Tell, after};
use crate::domain::facts::Dated;
use crate::domain::lifecycle::opening::word;
use crate::domain::lifecycle::{is_over, over_since};
use crate::domain::next::Waiting;

/// The two clocks of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Until a person first answers.
    Response,
    /// Until it is solved.
    Resolution,
}

impl Clock {
    fn name(self) -> &'static str {
        match self {
            Self::Response => "Response",
            Self::Resolution => "Resolution",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Response => RESPONSE_BREACHED,
            Self::Resolution => RESOLUTION_BREACHED,
        }
    }

    fn missed(self) -> &'static str {
        match self {
            Self::Response => "nobody had answered",
            Self::Resolution => "it was not resolved",
        }
    }
}

/// A person's first answer stops the response clock; what was there at creation is no answer, and what comes after
/// the end answers nothing any more.
pub fn answered(draft: &mut Draft<'_>, dated: Dated) {
    if dated.at_creation || is_over(&draft.status) {
        return;
    }
    let clock = &mut draft.status.targets.get_or_insert_default().response;
    if clock.met_time.is_none() {
        clock.met_time = Some(Time(dated.time));
        note_dating(draft, Clock::Response, dated);
    }
}

/// The resolution clock stops.
pub fn resolved(draft: &mut Draft<'_>, dated: Dated) {
    let clock = &mut draft.status.targets.get_or_insert_default().resolution;
    clock.met_time = Some(Time(dated.time));
    note_dating(draft, Clock::Resolution, dated);
}

/// The resolution does not count any more, without any time to add.
pub fn unresolved(draft: &mut Draft<'_>) {
    if let Some(targets) = draft.status.targets.as_mut() {
        targets.resolution.met_time = None;
    }
}

fn note_dating(draft: &mut Draft<'_>, clock: Clock, dated: Dated) {
    if !dated.exact {
        draft.loosely_dated.push(clock);
    }
}

/// The resolution clock goes on; the time it stood resolved or closed does not count.
pub fn resume(draft: &mut Draft<'_>, at: Timestamp) {
    let stopped = over_since(&draft.status);
    let (Some(targets), Some(stopped)) = (draft.status.targets.as_mut(), stopped) else {
        return;
    };
    let span = at.duration_since(stopped);
    pause(&mut targets.resolution, span);
    targets.resolution.met_time = None;
    if targets.response.met_time.is_none() {
        pause(&mut targets.response, span);
    }
}

/// A clock stood still for so long; less than nothing counts as nothing.
pub fn pause(clock: &mut TargetClock, span: SignedDuration) {
    let before = clock.paused_total.as_ref().map_or(0, Duration::as_millis);
    let added = i64::try_from(span.as_millis()).unwrap_or(0).max(0);
    if added > 0 {
        clock.paused_total = Some(Duration::from_millis(before + added));
    }
}

/// Computes due times from the row of the effective severity and tells a breach.
pub fn apply(draft: &mut Draft<'_>) {
    if draft.policy.is_none() {
        return;
    }
    let mut targets = draft.status.targets.take().unwrap_or_default();
    for (kind, clock) in [
        (Clock::Response, &mut targets.response),
        (Clock::Resolution, &mut targets.resolution),
    ] {
        if !settled(draft, kind, clock) {
            measure(draft, kind, clock);
            judge(draft, kind, clock);
        }
    }
    draft.status.targets = Some(targets);
}

/// Whether the verdict is spoken: a clock that was met keeps it, whatever row or policy comes after.
fn settled(draft: &Draft<'_>, kind: Clock, clock: &TargetClock) -> bool {
    let Some(written) = draft.ticket().status.as_ref() else {
        return false;
    };
    let before = written.targets.as_ref().map(|targets| match kind {
        Clock::Response => &targets.response,
        Clock::Resolution => &targets.resolution,
    });
    let same = before.is_some_and(|before| before.met_time == clock.met_time);
    written.policy.is_some() && clock.met_time.is_some() && same
}

fn measure(draft: &Draft<'_>, kind: Clock, clock: &mut TargetClock) {
    let (Some(policy), Some(submitted)) = (&draft.policy, draft.status.submit_time) else {
        return;
    };
    let met = clock.met_time.map(|met| met.0);
    let severity = match draft.severity_change {
        Some(change) if met.is_some_and(|met| met < change.at) => change.before,
        Some(_) | None => draft.severity(),
    };
    let row = policy.row(severity);
    let target = match kind {
        Clock::Response => row.response_target.as_ref(),
        Clock::Resolution => row.resolution_target.as_ref(),
    };
    let paused = clock.paused_total.as_ref();
    let paused = paused.map_or(SignedDuration::ZERO, Duration::to_signed);
    clock.target = target.cloned();
    let due = target.and_then(|target| {
        row.calendar
            .add_working(submitted.0, target.to_signed() + paused)
    });
    clock.due_time = due.map(Time);
}

/// Since when a hold keeps the clock from running; the response clock runs on but for maintenance.
fn held_since(draft: &Draft<'_>, kind: Clock) -> Option<Timestamp> {
    let holding = draft.status.holding.as_ref()?;
    let since = match kind {
        Clock::Response => holding.response_since_time,
        Clock::Resolution => holding.since_time,
    };
    since.map(|since| since.0)
}

fn judge(draft: &mut Draft<'_>, kind: Clock, clock: &mut TargetClock) {
    let Some(due) = clock.due_time else {
        clock.state = TargetState::Undefined;
        return;
    };
    let over = over_since(&draft.status);
    let held = held_since(draft, kind);
    let missed = match (clock.met_time, over) {
        (Some(met), _) => met.0 > due.0,
        (None, Some(over)) => over > due.0,
        (None, None) => held.unwrap_or(draft.now) >= due.0,
    };
    if clock.breach_time.is_some() {
        clock.state = TargetState::Breached;
    } else if missed {
        clock.breach_time = Some(due);
        clock.state = TargetState::Breached;
        breach(draft, kind, clock, due.0);
    } else if clock.met_time.is_some() {
        clock.state = TargetState::Met;
    } else if over.is_some() || held.is_some() {
        clock.state = TargetState::Paused;
    } else {
        clock.state = TargetState::Running;
        draft.wake(due.0, Waiting::Deadline);
    }
    if kind == Clock::Resolution && clock.met_time.is_some() {
        clock.first_state.get_or_insert(clock.state);
    }
}

fn breach(draft: &mut Draft<'_>, kind: Clock, clock: &mut TargetClock, due: Timestamp) {
    let raised = draft
        .severity_change
        .filter(|change| change.raised && due <= change.at);
    let name = kind.name();
    let (reason, at, message) = if let Some(change) = raised {
        let level = word(draft.severity());
        let message =
            format!("{name} target missed: raised to {level}, whose target ended at {due}");
        (Some("SeverityRaised"), change.at, message)
    } else if draft.loosely_dated.contains(&kind) {
        let message = format!("{name} target missed by {due}, or met: its date is an upper bound");
        (Some("UpperBound"), due, message)
    } else {
        let what = kind.missed();
        let message = format!("{name} target missed: {what} by {due}");
        (None, due, message)
    };
    clock.reason = reason.map(str::to_owned);
    draft.condition(
        kind.reason(),
        true,
        reason.unwrap_or("TargetMissed"),
        &message,
    );
    draft.tell(Tell {
        reason: kind.reason(),
        warning: true,
        at,
        actor: None,
        message: &message,
    });
}

/// The next moment at which `span` from `from` is over.
pub fn over_at(from: Option<Time>, span: Option<SignedDuration>) -> Option<Timestamp> {
    Some(after(from?.0, span?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stood_still_for_no_time_says_nothing_of_it() {
        let mut clock = TargetClock::default();
        pause(&mut clock, SignedDuration::ZERO);
        pause(&mut clock, SignedDuration::from_secs(-1));
        assert_eq!(clock.paused_total, None);
        pause(&mut clock, SignedDuration::from_mins(2));
        pause(&mut clock, SignedDuration::from_mins(1));
        assert_eq!(clock.paused_total, Some(Duration::from_millis(180_000)));
    }
}

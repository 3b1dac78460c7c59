//! What goes on after a hold: every timer that stood still is put off by the time it stood, in one write.
//!
//! Rule: `api.md` section 5 "Hold": on release all shifts by the held time, working time where a calendar rules.
//! What began during the hold shifts from its own beginning: it had its whole time before it.

use jiff::{SignedDuration, Timestamp};

use super::freeze::Stretch;
use crate::api::{Escalation, StartReason, Time};
use crate::domain::calendar::Calendar;
use crate::domain::chain::steps;
use crate::domain::draft::{Draft, after};
use crate::domain::targets;

/// Puts off everything that concerns open work: chain, expiry, update and resolution clock.
pub fn work(draft: &mut Draft<'_>, held: Stretch) {
    let submitted = draft.status.submit_time.map_or(held.from, |time| time.0);
    let pulled = draft.chain().is_some_and(|chain| chain.pulled_forward());
    if let Some(escalation) = draft.status.escalation.as_mut() {
        let early = escalation.next_time.filter(|_| pulled);
        chain(escalation, submitted, held);
        // What was pulled forward is due with the release, or when it was pulled after that.
        if let Some(early) = early {
            escalation.next_time = Some(early.max(Time(held.until)));
        }
    }
    let acknowledged = draft.status.acknowledge_time;
    let expiry = &mut draft.status.acknowledge_expiry_time;
    put_off(expiry, acknowledged, held, &Calendar::always());
    let hours = calendar(draft);
    if let Some(communication) = draft.status.communication.as_mut() {
        let last = communication.last_update_time;
        // The reminder keeps its distance from the due time (`updates`).
        put_off(&mut communication.next_update_due_time, last, held, &hours);
    }
    let stood = stood(draft, held);
    if let Some(targets) = draft.status.targets.as_mut()
        && targets
            .resolution
            .met_time
            .is_none_or(|met| met.0 >= held.until)
    {
        targets::pause(&mut targets.resolution, stood);
    }
}

/// Puts off the response clock; of a stretch in which somebody answered, up to the answer.
pub fn response(draft: &mut Draft<'_>, held: Stretch) {
    let stood = stood(draft, held);
    let clock = &mut draft.status.targets.get_or_insert_default().response;
    targets::pause(clock, stood);
}

/// How long the clocks of the ticket's row stood: in its calendar, from its submission at the earliest.
fn stood(draft: &Draft<'_>, held: Stretch) -> SignedDuration {
    let submitted = draft.status.submit_time.map_or(held.from, |time| time.0);
    let from = held.from.max(submitted);
    if held.until <= from {
        return SignedDuration::ZERO;
    }
    calendar(draft).working_between(from, held.until)
}

/// The hours of the ticket's row.
fn calendar(draft: &Draft<'_>) -> Calendar {
    let policy = draft.policy.as_deref();
    policy.map_or_else(Calendar::always, |policy| {
        policy.row(draft.severity()).calendar.clone()
    })
}

/// Puts off a deadline that was still ahead when the hold began, by the working time that was held; `born` = when it
/// was set.
fn put_off(due: &mut Option<Time>, born: Option<Time>, held: Stretch, hours: &Calendar) {
    let from = born.map_or(held.from, |born| held.from.max(born.0));
    if let Some(time) = due.as_mut()
        && time.0 > from
        && held.until > from
    {
        let stood = hours.working_between(from, held.until);
        time.0 = hours.add_working(time.0, stood).unwrap_or(Timestamp::MAX);
    }
}

/// Puts off the chain: the base of its next step and repeat, and its start where that was still ahead.
fn chain(escalation: &mut Escalation, submitted: Timestamp, held: Stretch) {
    let began = match escalation.start_reason {
        Some(StartReason::Opened) | None => Some(submitted),
        Some(
            StartReason::SeverityRaised
            | StartReason::Reopened
            | StartReason::Revoked
            | StartReason::Expired,
        ) => escalation.start_time.map(|time| time.0),
    };
    let active = escalation.steps.iter().map(|step| step.time.0).max();
    let from = held.from.max(began.max(active).unwrap_or(held.from));
    if held.until <= from {
        return;
    }
    let span = held.until.duration_since(from);
    let shift = |time: &mut Option<Time>| {
        if let Some(time) = time.as_mut() {
            time.0 = after(time.0, span);
        }
    };
    let ahead = escalation.start_time.is_some_and(|start| start.0 >= from);
    if ahead && escalation.steps.is_empty() {
        shift(&mut escalation.start_time);
    }
    shift(&mut escalation.nominal_time);
    shift(&mut escalation.repeat_from);
    shift(&mut escalation.next_time);
    shift(&mut escalation.exhaust_time);
    for known in &mut escalation.steps {
        if steps::waits(known.result) && known.time.0 >= from {
            known.time.0 = after(known.time.0, span);
        }
    }
    // A step that waits for its hours, and would have fired while the ticket was held, fires now.
    let released = Some(Time(held.until));
    escalation.not_before_time = escalation.not_before_time.max(released);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StepRecord, StepResult};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn held(from: i64, until: i64) -> Stretch {
        Stretch {
            from: at(from),
            until: at(until),
        }
    }

    #[test]
    fn a_deadline_shifts_by_the_held_time_and_one_set_during_the_hold_by_the_rest_of_it() {
        let mut due = Some(Time(at(30)));
        put_off(
            &mut due,
            Some(Time(at(0))),
            held(10, 25),
            &Calendar::always(),
        );
        assert_eq!(due, Some(Time(at(45))));
        let mut due = Some(Time(at(50)));
        put_off(
            &mut due,
            Some(Time(at(20))),
            held(10, 25),
            &Calendar::always(),
        );
        assert_eq!(due, Some(Time(at(55))));
    }

    #[test]
    fn a_deadline_that_had_passed_before_the_hold_stays() {
        let mut due = Some(Time(at(5)));
        put_off(&mut due, None, held(10, 25), &Calendar::always());
        assert_eq!(due, Some(Time(at(5))));
    }

    #[test]
    fn a_deadline_at_the_very_beginning_of_the_hold_had_passed_and_stays() {
        let mut due = Some(Time(at(10)));
        put_off(&mut due, None, held(10, 25), &Calendar::always());
        assert_eq!(due, Some(Time(at(10))));
    }

    #[test]
    fn of_the_steps_on_record_only_one_that_began_to_wait_at_the_hold_is_put_off() {
        let step = |minute: i64, result| StepRecord {
            time: Time(at(minute)),
            result,
            ..StepRecord::default()
        };
        let mut escalation = Escalation {
            start_reason: Some(StartReason::Opened),
            start_time: Some(Time(at(0))),
            steps: vec![
                step(3, StepResult::Waiting),
                step(10, StepResult::Fired),
                step(10, StepResult::Waiting),
            ],
            ..Escalation::default()
        };
        chain(&mut escalation, at(0), held(10, 25));
        let times: Vec<_> = escalation.steps.iter().map(|step| step.time.0).collect();
        assert_eq!(times, [at(3), at(10), at(25)]);
    }

    #[test]
    fn a_round_that_began_during_the_hold_starts_with_its_end() {
        let mut escalation = Escalation {
            start_reason: Some(StartReason::SeverityRaised),
            start_time: Some(Time(at(20))),
            nominal_time: Some(Time(at(20))),
            ..Escalation::default()
        };
        chain(&mut escalation, at(0), held(10, 25));
        assert_eq!(escalation.start_time, Some(Time(at(25))));
        assert_eq!(escalation.nominal_time, Some(Time(at(25))));
    }

    #[test]
    fn a_round_that_paged_in_the_very_second_of_the_hold_keeps_its_start() {
        let mut escalation = Escalation {
            start_reason: Some(StartReason::Opened),
            start_time: Some(Time(at(10))),
            nominal_time: Some(Time(at(10))),
            steps: vec![StepRecord {
                time: Time(at(10)),
                ..StepRecord::default()
            }],
            ..Escalation::default()
        };
        chain(&mut escalation, at(10), held(10, 25));
        assert_eq!(escalation.start_time, Some(Time(at(10))));
        assert_eq!(escalation.nominal_time, Some(Time(at(25))));
    }

    #[test]
    fn a_round_that_had_begun_keeps_its_start_and_shifts_what_comes_next() {
        let mut escalation = Escalation {
            start_reason: Some(StartReason::Opened),
            start_time: Some(Time(at(0))),
            nominal_time: Some(Time(at(0))),
            repeat_from: Some(Time(at(0))),
            ..Escalation::default()
        };
        chain(&mut escalation, at(0), held(10, 25));
        assert_eq!(escalation.start_time, Some(Time(at(0))));
        assert_eq!(escalation.nominal_time, Some(Time(at(15))));
        assert_eq!(escalation.repeat_from, Some(Time(at(15))));
    }
}

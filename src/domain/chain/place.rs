//! Where the chain stands when something moves under it: another row, another revision, a source that may be quiet.
//!
//! Rules: `api.md` section 3.1 ("After a change of row ..."), section 5 "Severity lowered", "Policy edited", "Signal".

use jiff::{SignedDuration, Timestamp};

use super::escalation::{disarm, open_round, stand_still};
use super::steps::{self, Row, handled, repeated};
use super::timetable::{Upcoming, What};
use crate::api::{Escalation, EscalationState, StepResult, Time};
use crate::domain::draft::Draft;
use crate::domain::policy::ValidPolicy;
use crate::domain::signal;

/// Another row or revision: the chain keeps its place on it. What comes next is due at its own time, never before
/// `at`; what follows counts from there.
pub fn keep(draft: &mut Draft<'_>, at: Timestamp) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let (row, repinned) = (draft.row(&policy), draft.repinned);
    let severity = row.severity;
    let escalation = draft.escalation();
    if escalation.state == EscalationState::Exhausted {
        return;
    }
    if !repinned && escalation.state == EscalationState::Running {
        let severity = escalation.severity.unwrap_or(severity);
        steps::settle(escalation, &Row { severity, ..row }, at);
    }
    disarm(escalation);
    escalation.severity = Some(severity);
    escalation.not_before_time = escalation.not_before_time.max(Some(Time(at)));
    let next = row
        .chain(escalation)
        .remaining()
        .next()
        .map(|(_, nominal)| nominal);
    if let (Some(next), Some(from)) = (next, escalation.nominal_time) {
        let behind = at.duration_since(next).max(SignedDuration::ZERO);
        escalation.nominal_time = from.0.checked_add(behind).ok().map(Time);
    }
}

/// Maps the step the chain stands at to another revision: by name; where the name is gone, what has its place now
/// comes next.
pub fn map(escalation: &mut Escalation, old: Option<&ValidPolicy>, new: &ValidPolicy) {
    let Some(name) = escalation.step.as_deref() else {
        return;
    };
    if new.step(name).is_some() {
        return;
    }
    let index = old
        .and_then(|old| old.step(name))
        .map_or(escalation.steps.len().saturating_sub(1), |step| step.index);
    let last = new.steps().len();
    let before = index.min(last).checked_sub(1);
    escalation.step = before
        .and_then(|before| new.step_at(before))
        .map(|step| step.name.clone());
}

/// Whether steps and repeats wait for a source that may be quiet. Where that wait was over before its end, the newest
/// page due leaves at once, those before it are passed over, and later ones keep their times.
pub fn waits_for_signal(draft: &mut Draft<'_>) -> bool {
    if let Some(until) = signal::resolves_at(draft) {
        draft.escalation().not_before_time = Some(Time(until));
        if draft.escalation().state != EscalationState::Exhausted {
            stand_still(draft);
        }
        return true;
    }
    let now = draft.now;
    let until = draft.escalation().not_before_time;
    let cut_short = until.filter(|until| until.0 > now).map(|_| now);
    if let Some(at) = draft.wait_ended.or(cut_short) {
        go_on(draft, at);
    }
    false
}

/// The wait was over at `at`: the newest page due by then is due then, those before it are passed over.
pub fn go_on(draft: &mut Draft<'_>, at: Timestamp) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let row = draft.row(&policy);
    let escalation = draft.escalation();
    escalation.not_before_time = None;
    let mut probe = escalation.clone();
    let mut stepped = false;
    // Bounded: a chain has at most a few dozen pages per round.
    for _page in 0..256 {
        let next = row.chain(&probe).upcoming().filter(|next| next.due <= at);
        let Some(next) = next else {
            break;
        };
        let What::Page { repeat, .. } = next.what else {
            break;
        };
        // A step ends the repeats of the one before it.
        if repeat == 0 || !stepped {
            *escalation = probe.clone();
        }
        stepped |= repeat == 0;
        let (time, result) = (next.due, StepResult::Skipped);
        pass(&mut probe, &row, &next, time, result);
    }
    escalation.not_before_time = Some(Time(at));
}

/// The chain moves past a page of its timetable; its step is recorded with that time and result.
pub fn pass(
    escalation: &mut Escalation,
    row: &Row<'_>,
    next: &Upcoming,
    time: Timestamp,
    result: StepResult,
) {
    let What::Page {
        index,
        step,
        repeat,
        nominal,
        new_round,
        ..
    } = &next.what
    else {
        return;
    };
    if let Some(start) = new_round {
        open_round(escalation, *start);
    }
    steps::pass_before(escalation, row, *index);
    if *repeat > 0 {
        repeated(escalation, step, *repeat);
    } else {
        handled(escalation, step, *nominal, time, result);
    }
}

//! The record of a round's steps: fired, skipped, or waiting for their hours while the chain goes on.
//!
//! A step that waits has its place in the record as soon as the chain moves past it, so that it is known to every
//! process; it fires in that place. Rule: `api.md` section 3.1 ("Nominal times ... wait for their hours").

use jiff::Timestamp;

use super::timetable::{Chain, fired};
use crate::api::{Escalation, Severity, StepRecord, StepResult, Time};
use crate::domain::policy::ValidPolicy;
use crate::domain::telling::delivery::Standing;

/// The steps that apply to a severity, and how the ticket stands for their conditions.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// The policy.
    pub policy: &'r ValidPolicy,
    /// The severity.
    pub severity: Severity,
    /// Which conditions hold.
    pub standing: Standing,
}

impl Row<'_> {
    /// The chain on this row, as far as it has come.
    pub fn chain<'c>(&'c self, done: &'c Escalation) -> Chain<'c> {
        let Self {
            policy,
            severity,
            standing,
        } = *self;
        Chain {
            policy,
            severity,
            done,
            standing,
        }
    }
}

/// The newest step of the present round that paged; its repeats run, and what becomes of its pages moves the chain.
pub fn newest(escalation: &Escalation) -> Option<&StepRecord> {
    let mut steps = escalation.steps.iter();
    steps.rfind(|known| fired(known.result))
}

/// Whether a step's time has come while it waits for its hours.
pub fn waits(result: StepResult) -> bool {
    match result {
        StepResult::Waiting => true,
        StepResult::Fired
        | StepResult::Skipped
        | StepResult::SkippedEmpty
        | StepResult::CaughtUp => false,
    }
}

/// Records a step of the present round as handled. One that waited has its place already, and the chain stays where it
/// is; any other is where the chain stands now.
pub fn handled(
    escalation: &mut Escalation,
    step: &str,
    nominal: Timestamp,
    time: Timestamp,
    result: StepResult,
) {
    let record = StepRecord {
        name: step.to_owned(),
        time: Time(time),
        result,
        repeat: None,
    };
    let mut known = escalation.steps.iter_mut();
    if let Some(known) = known.find(|known| known.name == step && waits(known.result)) {
        *known = record;
    } else {
        escalation.step = Some(step.to_owned());
        escalation.nominal_time = Some(Time(nominal));
        escalation.steps.push(record);
    }
    if fired(result) && newest(escalation).is_some_and(|newest| newest.name == step) {
        escalation.repeat_from = Some(Time(time));
    }
}

/// Records the newest repeat of a step.
pub fn repeated(escalation: &mut Escalation, step: &str, number: i64) {
    let mut steps = escalation.steps.iter_mut();
    if let Some(known) = steps.rfind(|known| known.name == step) {
        known.repeat = Some(number);
    }
}

/// The chain is about to handle the step at `index`: what stands before it in the row and is not decided waits for its
/// hours, or is skipped where its condition does not hold.
pub fn pass_before(escalation: &mut Escalation, row: &Row<'_>, index: usize) {
    let chain = row.chain(escalation);
    let before = chain
        .remaining()
        .take_while(|(step, _)| step.index < index)
        .map(|(step, nominal)| {
            let result = if chain.holds(step.condition) {
                StepResult::Waiting
            } else {
                StepResult::Skipped
            };
            (step.name.clone(), nominal, result)
        })
        .collect();
    record(escalation, before);
}

/// Records what time has decided by `now`: steps whose time passed without their condition, those that wait for their
/// hours, and those that waited until nobody needs them any more. It goes with the next write, not with one of its own.
pub fn settle(escalation: &mut Escalation, row: &Row<'_>, now: Timestamp) {
    let chain = row.chain(escalation);
    let passed = chain
        .remaining()
        .take_while(|(_, nominal)| *nominal <= now)
        .map_while(|(step, nominal)| {
            let result = if !chain.holds(step.condition) {
                StepResult::Skipped
            } else if chain.due(step, nominal).is_none_or(|due| due > now) {
                StepResult::Waiting
            } else {
                return None;
            };
            Some((step.name.clone(), nominal, result))
        })
        .collect();
    let wanted: Vec<String> = chain
        .waiting()
        .filter(|(step, _)| chain.holds(step.condition))
        .map(|(step, _)| step.name.clone())
        .collect();
    for known in &mut escalation.steps {
        if waits(known.result) && !wanted.contains(&known.name) {
            known.result = StepResult::Skipped;
        }
    }
    record(escalation, passed);
}

fn record(escalation: &mut Escalation, passed: Vec<(String, Timestamp, StepResult)>) {
    for (name, nominal, result) in passed {
        handled(escalation, &name, nominal, nominal, result);
    }
}

//! The timetable of a severity's escalation for a ticket that nobody answers, counted from its submission: what the
//! document shows. The times are those of a simulated ticket.
//!
//! The ticket is supposed to come in while everybody of its row is at work, so that the table shows the plan and not
//! the hours; the document tells of the hours beside it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Case, EXHAUSTED, Entry, Told, What, run};
use crate::api::{EscalationPolicySpec, Paging, Severity};
use crate::domain::calendar::Calendar;
use crate::domain::policy::{LEVELS, Named, StepPlan, ValidPolicy};

/// Entries that are looked at: more repeats than that are told in words.
const ENTRIES_MOST: usize = 600;
/// Where the search for an hour at which everybody is at work begins: a Monday.
const FROM: i64 = 1_767_571_200; // 2026-01-05T00:00:00Z
/// Hours it goes on for.
const SEARCH_HOURS: i64 = 6 * 7 * 24;

/// The timetable of a severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// The level.
    pub level: Severity,
    /// Whether it pages.
    pub paging: Paging,
    /// The steps of its row in order.
    pub lines: Vec<Line>,
    /// When the second round begins, where there is one.
    pub second_round: Option<SignedDuration>,
    /// When nobody's answer counts as exhaustion, where one or two rounds lead there.
    pub exhausted: Option<SignedDuration>,
}

/// A step in a timetable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index of the step in the policy.
    pub step: usize,
    /// When it pages for the first time; `None` = it reaches nobody and is passed over.
    pub first: Option<SignedDuration>,
    /// When it pages for the last time in its round, and how many repeats that makes.
    pub last: Option<(SignedDuration, usize)>,
}

/// The timetables of all severities, the most severe first.
pub fn timetables(policy: &ValidPolicy) -> Vec<Timetable> {
    let plan = planned(policy).map_or_else(|| Arc::new(policy.clone()), Arc::new);
    LEVELS
        .into_iter()
        .map(|level| timetable(&plan, level, policy.row(level).paging))
        .collect()
}

/// The policy as it is meant: without what holds or changes it on single days, and with two rounds at most, since
/// further ones are alike.
fn planned(policy: &ValidPolicy) -> Option<ValidPolicy> {
    let mut spec: EscalationPolicySpec = policy.spec().clone();
    spec.maintenance.clear();
    spec.overrides.clear();
    if let Some(repeat) = &mut spec.repeat {
        repeat.times = repeat.times.min(1);
    }
    ValidPolicy::check(spec).policy.ok()
}

fn timetable(policy: &Arc<ValidPolicy>, level: Severity, paging: Paging) -> Timetable {
    let at = everybody_at_work(policy, level);
    let case = Case {
        most: ENTRIES_MOST,
        ..Case::untouched(level, at)
    };
    let course = run(policy, &case);
    let first_round = course
        .entries
        .iter()
        .find_map(page)
        .map(|(_, told)| told.round);
    let since = |time: Timestamp| time.duration_since(at);
    let pages = |step: &StepPlan| -> Vec<SignedDuration> {
        let of_step = course.entries.iter().filter_map(page).filter(|(_, told)| {
            Some(told.round) == first_round && told.step.as_deref() == Some(step.name.as_str())
        });
        let mut times: Vec<_> = of_step.map(|(time, _)| since(time)).collect();
        times.dedup();
        times
    };
    let line = |step: &StepPlan| {
        let times = pages(step);
        let repeats = times.len().saturating_sub(1);
        Line {
            step: step.index,
            first: times.first().copied(),
            last: times
                .last()
                .filter(|_| repeats > 0)
                .map(|last| (*last, repeats)),
        }
    };
    let second = course.entries.iter().filter_map(page);
    let second = second
        .into_iter()
        .find(|(_, told)| Some(told.round) != first_round);
    let exhausted = course.entries.iter().find(|entry| entry.is(EXHAUSTED));
    Timetable {
        level,
        paging,
        lines: policy.steps_for(level).into_iter().map(line).collect(),
        second_round: second.map(|(time, _)| since(time)),
        exhausted: exhausted.map(|entry| since(entry.time)),
    }
}

fn page(entry: &Entry) -> Option<(Timestamp, &Told)> {
    match &entry.what {
        What::Told(told) if told.step.is_some() => Some((entry.time, told)),
        What::Told(_) | What::Happened { .. } => None,
    }
}

/// The first full hour at which every calendar that the row of a severity depends on is open, once its rotas have
/// begun; where they never are together, the search's start.
fn everybody_at_work(policy: &ValidPolicy, level: Severity) -> Timestamp {
    let steps = policy.steps_for(level);
    let rotas: Vec<&str> = steps
        .iter()
        .flat_map(|step| &step.notify)
        .filter_map(|target| match Named::of(target) {
            Some(Named::Rota(name)) => Some(name),
            Some(Named::Contact(_) | Named::Group(_) | Named::Connector(_) | Named::Reporter)
            | None => None,
        })
        .collect();
    let monday = Timestamp::from_second(FROM).unwrap_or_default();
    let begun = rotas.iter().filter_map(|rota| policy.rotas().start(rota));
    let from = begun.fold(monday, Timestamp::max);
    let mut calendars: Vec<&Calendar> = steps.iter().map(|step| &step.calendar).collect();
    calendars.push(&policy.row(level).calendar);
    let hours = (0..SEARCH_HOURS)
        .filter_map(|hour| from.checked_add(SignedDuration::from_hours(hour)).ok());
    let at_work = |at: &Timestamp| {
        let on_call = |rota: &&str| policy.rotas().on_call(rota, *at).is_some();
        calendars.iter().all(|calendar| calendar.is_open(*at)) && rotas.iter().all(on_call)
    };
    hours.into_iter().find(at_work).unwrap_or(from)
}

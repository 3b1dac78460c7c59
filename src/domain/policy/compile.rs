//! From a spec to a compiled policy: calendars, steps, rows.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::{Date, Time};

use super::checks::Finding;
use super::{Row, StepPlan, ValidPolicy, declared_row};
use crate::api::{self, EscalationPolicySpec, Paging, Severity};
use crate::domain::calendar::{self, Calendar, Window};

type Calendars = BTreeMap<String, Calendar>;

/// Compiles a spec; adds an error for each calendar that makes none.
pub fn compile(spec: EscalationPolicySpec, errors: &mut Vec<Finding>) -> Option<ValidPolicy> {
    let mut calendars = Calendars::new();
    for (index, declared) in spec.calendars.iter().enumerate() {
        match calendar_of(declared) {
            Ok(calendar) => {
                calendars.insert(declared.name.clone(), calendar);
            }
            Err(why) => {
                errors.push(Finding::new(
                    "BadCalendar",
                    format!("spec.calendars[{index}]"),
                    format!("calendar \"{}\" {why}", declared.name),
                ));
            }
        }
    }
    if !errors.is_empty() {
        return None;
    }
    let steps = spec
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| plan(index, step, &calendars))
        .collect();
    let levels = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let rows = levels.map(|level| row(&spec, level, &calendars));
    Some(ValidPolicy { spec, steps, rows })
}

fn calendar_of(declared: &api::Calendar) -> Result<Calendar, String> {
    let zone = calendar::zone(&declared.time_zone).ok_or_else(|| {
        format!(
            "has the unknown zone \"{}\"; `timeZone` must be an IANA name such as Europe/Berlin",
            declared.time_zone
        )
    })?;
    let mut windows = Vec::new();
    for window in &declared.windows {
        windows.push(Window {
            days: window.days.iter().map(|day| weekday(*day)).collect(),
            from: local_time(&window.from)?,
            to: local_time(&window.to)?,
        });
    }
    let mut holidays = Vec::new();
    for holiday in &declared.holidays {
        let date = holiday.parse::<Date>();
        holidays.push(date.map_err(|_| {
            format!("has the holiday \"{holiday}\"; it must be a date such as 2026-12-25")
        })?);
    }
    Calendar::new(zone, &windows, holidays).map_err(|error| error.to_string())
}

fn local_time(text: &str) -> Result<Time, String> {
    if text == "24:00" {
        return Ok(Time::midnight());
    }
    text.parse::<Time>()
        .map_err(|_| format!("has the time \"{text}\"; it must be a time such as 09:00"))
}

fn weekday(day: api::Weekday) -> jiff::civil::Weekday {
    match day {
        api::Weekday::Mon => jiff::civil::Weekday::Monday,
        api::Weekday::Tue => jiff::civil::Weekday::Tuesday,
        api::Weekday::Wed => jiff::civil::Weekday::Wednesday,
        api::Weekday::Thu => jiff::civil::Weekday::Thursday,
        api::Weekday::Fri => jiff::civil::Weekday::Friday,
        api::Weekday::Sat => jiff::civil::Weekday::Saturday,
        api::Weekday::Sun => jiff::civil::Weekday::Sunday,
    }
}

fn named(calendars: &Calendars, name: Option<&String>) -> Calendar {
    name.and_then(|name| calendars.get(name))
        .cloned()
        .unwrap_or_default()
}

fn plan(index: usize, step: &api::Step, calendars: &Calendars) -> StepPlan {
    StepPlan {
        index,
        name: step.name.clone(),
        after: step.after.to_signed(),
        condition: step.condition,
        calendar: named(calendars, step.calendar.as_ref()),
        repeat: step
            .repeat
            .as_ref()
            .map(|repeat| (repeat.every.to_signed(), repeat.times)),
        notify: step.notify.clone(),
        severities: step.severities.clone(),
    }
}

fn row(spec: &EscalationPolicySpec, level: Severity, calendars: &Calendars) -> Row {
    let declared = declared_row(spec, level);
    let span = |field: fn(&api::SeverityRow) -> Option<&api::Duration>| {
        declared.and_then(field).map(api::Duration::to_signed)
    };
    let validation = declared.and_then(|row| row.validation.as_ref());
    Row {
        response_target: span(|row| row.response_target.as_ref()),
        resolution_target: span(|row| row.resolution_target.as_ref()),
        calendar: named(calendars, declared.and_then(|row| row.calendar.as_ref())),
        acknowledgement_timeout: span(|row| row.acknowledgement_timeout.as_ref()),
        initial_delay: declared.map_or(SignedDuration::ZERO, |row| row.initial_delay.to_signed()),
        paging: declared.map_or(Paging::Page, |row| row.paging),
        validation_required: validation.is_some_and(|validation| validation.required),
        validation_close_after: validation
            .and_then(|known| known.close_after.as_ref())
            .map(api::Duration::to_signed),
        close_after: span(|row| row.close_after.as_ref()),
    }
}

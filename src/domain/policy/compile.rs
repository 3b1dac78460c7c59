//! From a spec without errors to the forms that decisions use.

use std::collections::BTreeMap;

use super::finding::{Finding, Findings};
use super::{LEVELS, Row, StepPlan, ValidPolicy, hours, row_in_force};
use crate::api::{Duration, EscalationPolicySpec, Paging, Severity, Step};
use crate::domain::calendar::Calendar;
use crate::domain::people::rota::{RotaOverride, RotaSet};

/// Compiles a spec; the findings of whatever cannot be read.
pub(super) fn policy(spec: EscalationPolicySpec) -> Result<ValidPolicy, Vec<Finding>> {
    let mut findings = Findings::default();
    let mut calendars = BTreeMap::new();
    for (index, known) in spec.calendars.iter().enumerate() {
        if let Some(calendar) =
            hours::calendar(known, &format!("spec.calendars[{index}]"), &mut findings)
        {
            calendars.insert(known.name.clone(), calendar);
        }
    }
    let mut rotas = BTreeMap::new();
    for (index, known) in spec.rotas.iter().enumerate() {
        if let Some(rota) = hours::rota(
            known,
            &calendars,
            &format!("spec.rotas[{index}]"),
            &mut findings,
        ) {
            rotas.insert(known.name.clone(), rota);
        }
    }
    if !findings.0.is_empty() {
        return Err(findings.0);
    }
    let overrides = spec.overrides.iter().map(|known| RotaOverride {
        rota: known.rota.clone(),
        member: known.member.clone(),
        from: known.from_time.0,
        until: known.until_time.0,
        by: known.by.clone(),
    });
    let rotas = RotaSet::new(rotas, overrides.collect());
    let steps = spec
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| step_plan(index, step, &calendars))
        .collect();
    let rows = LEVELS.map(|level| row(&spec, level, &calendars));
    Ok(ValidPolicy {
        spec,
        calendars,
        rotas,
        rows,
        steps,
    })
}

fn named(calendars: &BTreeMap<String, Calendar>, name: Option<&String>) -> Calendar {
    name.and_then(|name| calendars.get(name))
        .cloned()
        .unwrap_or_else(Calendar::always)
}

fn step_plan(index: usize, step: &Step, calendars: &BTreeMap<String, Calendar>) -> StepPlan {
    let repeat = step.repeat.as_ref().filter(|repeat| repeat.times > 0);
    StepPlan {
        index,
        name: step.name.clone(),
        tier: step.tier,
        after: step.after.to_signed(),
        condition: step.condition,
        calendar: named(calendars, step.calendar.as_ref()),
        severities: step.severities.clone(),
        notify: step.notify.clone(),
        repeat: repeat.map(|repeat| (repeat.every.to_signed(), repeat.times)),
        expectation: step.expectation.clone(),
    }
}

fn row(
    spec: &EscalationPolicySpec,
    level: Severity,
    calendars: &BTreeMap<String, Calendar>,
) -> Row {
    let found = row_in_force(spec, level);
    let span = |duration: Option<&Duration>| duration.map(Duration::to_signed);
    let validation = found.and_then(|row| row.validation.as_ref());
    Row {
        level,
        declared: found.is_some_and(|row| row.level == level),
        response_target: found.and_then(|row| row.response_target.clone()),
        resolution_target: found.and_then(|row| row.resolution_target.clone()),
        paging: found.map_or(Paging::Page, |row| row.paging),
        initial_delay: span(found.map(|row| &row.initial_delay)).unwrap_or_default(),
        acknowledgement_timeout: span(found.and_then(|row| row.acknowledgement_timeout.as_ref())),
        update_interval: span(found.and_then(|row| row.update_interval.as_ref())),
        close_after: span(found.and_then(|row| row.close_after.as_ref())),
        validation_required: validation.is_some_and(|validation| validation.required),
        validation_close_after: span(
            validation.and_then(|validation| validation.close_after.as_ref()),
        ),
        calendar: named(calendars, found.and_then(|row| row.calendar.as_ref())),
    }
}

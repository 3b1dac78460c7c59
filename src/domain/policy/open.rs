//! What is odd about severities and the chain: missing targets, lower severities treated as louder, dead steps.

use jiff::SignedDuration;

use super::finding::{ItemCode, Items};
use super::{LEVELS, row_in_force};
use crate::api::{EscalationPolicySpec, Paging, Severity, SeverityRow, Step};

/// Tells of gaps and contradictions in severities and steps.
pub(super) fn check(spec: &EscalationPolicySpec, items: &mut Items) {
    check_rows(spec, items);
    check_loudness(spec, items);
    check_dead_steps(spec, items);
    check_repeats(spec, items);
}

fn check_rows(spec: &EscalationPolicySpec, items: &mut Items) {
    for level in LEVELS {
        let found = spec
            .severities
            .iter()
            .enumerate()
            .find(|(_, row)| row.level == level);
        match found {
            None => {
                let message = format!(
                    "there is no row for {level:?}; until one is added the row of the default severity {:?} counts{}",
                    spec.default_severity,
                    if row_in_force(spec, level).is_some() {
                        ""
                    } else {
                        ", which is missing too: pages without any target"
                    },
                );
                items.add(ItemCode::SeverityMissing, "spec.severities", message);
            }
            Some((index, row)) if row.response_target.is_none() => {
                let message = format!(
                    "Support response targets not formally defined for {level:?}; agree on a time and write it into `responseTarget`"
                );
                items.add(
                    ItemCode::NoResponseTarget,
                    format!("spec.severities[{index}].responseTarget"),
                    message,
                );
            }
            Some(_) => {}
        }
    }
}

/// Time from submission to the first page of a level; `None` = it pages nobody.
fn first_page(spec: &EscalationPolicySpec, row: &SeverityRow) -> Option<SignedDuration> {
    if row.paging == Paging::RecordOnly {
        return None;
    }
    let step = steps_of(spec, row.level).next()?.1;
    row.initial_delay
        .to_signed()
        .checked_add(step.after.to_signed())
}

fn check_loudness(spec: &EscalationPolicySpec, items: &mut Items) {
    let rows: Vec<(usize, &SeverityRow)> = LEVELS
        .iter()
        .filter_map(|level| {
            spec.severities
                .iter()
                .enumerate()
                .find(|(_, row)| row.level == *level)
        })
        .collect();
    for pair in rows.windows(2) {
        let [(_, higher), (index, lower)] = pair else {
            continue;
        };
        let earlier =
            |of: &dyn Fn(&SeverityRow) -> Option<SignedDuration>| match (of(lower), of(higher)) {
                (Some(low), Some(high)) => low < high,
                (Some(_), None) => true,
                (None, _) => false,
            };
        let mut louder = Vec::new();
        if earlier(&|row| first_page(spec, row)) {
            louder.push("pages earlier");
        }
        if earlier(&|row| row.response_target.as_ref().map(Into::into))
            && higher.response_target.is_some()
        {
            louder.push("has a shorter `responseTarget`");
        }
        if earlier(&|row| row.resolution_target.as_ref().map(Into::into))
            && higher.resolution_target.is_some()
        {
            louder.push("has a shorter `resolutionTarget`");
        }
        if !louder.is_empty() {
            let message = format!(
                "{:?} {} than {:?}, although it is less severe; swap them or say the same for both",
                lower.level,
                louder.join(" and "),
                higher.level,
            );
            items.add(
                ItemCode::LowerSeverityLouder,
                format!("spec.severities[{index}]"),
                message,
            );
        }
    }
}

fn applies(step: &Step, level: Severity) -> bool {
    step.severities.is_empty() || step.severities.contains(&level)
}

fn steps_of(spec: &EscalationPolicySpec, level: Severity) -> impl Iterator<Item = (usize, &Step)> {
    spec.steps
        .iter()
        .enumerate()
        .filter(move |(_, step)| applies(step, level))
}

fn pages(spec: &EscalationPolicySpec, level: Severity) -> bool {
    row_in_force(spec, level).is_none_or(|row| row.paging == Paging::Page)
}

fn check_dead_steps(spec: &EscalationPolicySpec, items: &mut Items) {
    for (index, step) in spec.steps.iter().enumerate() {
        if !LEVELS
            .iter()
            .any(|level| applies(step, *level) && pages(spec, *level))
        {
            let message = format!(
                "step \"{}\" can never fire: every severity it applies to has `paging: RecordOnly`; change one of them or remove the step",
                step.name,
            );
            items.add(
                ItemCode::StepNeverFires,
                format!("spec.steps[{index}]"),
                message,
            );
        }
    }
}

fn check_repeats(spec: &EscalationPolicySpec, items: &mut Items) {
    for (index, step) in spec.steps.iter().enumerate() {
        let Some(repeat) = &step.repeat else {
            continue;
        };
        let span = repeat
            .every
            .to_signed()
            .checked_mul(repeat.times)
            .unwrap_or(SignedDuration::MAX);
        let next_steps = LEVELS
            .iter()
            .filter(|level| applies(step, **level))
            .filter_map(|level| steps_of(spec, *level).find(|(later, _)| *later > index));
        let Some((_, next)) = next_steps
            .filter(|(_, next)| next.after.to_signed() < span)
            .min_by_key(|(_, next)| next.after.to_signed())
        else {
            continue;
        };
        let message = format!(
            "{} repeats every {} reach beyond step \"{}\", which comes after {} and ends them; take fewer repeats or let it come later",
            repeat.times, repeat.every, next.name, next.after,
        );
        items.add(
            ItemCode::RepeatsTooLong,
            format!("spec.steps[{index}].repeat"),
            message,
        );
    }
}

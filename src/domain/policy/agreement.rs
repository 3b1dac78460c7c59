//! What the support agreement still lacks as an agreement: people for each stage, expectations, reviews, one default.

use super::finding::{ItemCode, Items};
use super::{LEVELS, Surroundings, row_in_force};
use crate::api::{EscalationPolicySpec, NotifyOn, Paging, Severity, StepCondition, Tier};

/// Tells of what an auditor would miss.
pub(super) fn check(spec: &EscalationPolicySpec, around: &Surroundings, items: &mut Items) {
    check_engineering(spec, items);
    check_stages(spec, items);
    check_review(spec, around, items);
    check_default(spec, around, items);
}

fn check_engineering(spec: &EscalationPolicySpec, items: &mut Items) {
    let mut engineering = spec
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.tier == Some(Tier::Engineering))
        .peekable();
    if engineering.peek().is_none() {
        let message = "no step calls engineering, so an incident beyond support's means ends there; give a step `tier: Engineering`";
        items.add(ItemCode::NoEngineeringStep, "spec.steps", message);
    }
    for (index, step) in engineering {
        if step
            .expectation
            .as_ref()
            .is_none_or(|text| text.trim().is_empty())
        {
            let message = format!(
                "step \"{}\" calls engineering and does not say what is expected of them; write it into `expectation`",
                step.name
            );
            items.add(
                ItemCode::NoExpectation,
                format!("spec.steps[{index}].expectation"),
                message,
            );
        }
    }
}

/// Stages of the workflow in their order; what nobody is called, asked or timed for is left to chance.
fn check_stages(spec: &EscalationPolicySpec, items: &mut Items) {
    if spec.channels.is_empty() {
        let message = "stage Submitted: no channel is declared, so nobody is told how to reach support; add the ways people have";
        items.add(ItemCode::StageUnserved, "spec.channels", message);
    }
    let paging: Vec<Severity> = LEVELS
        .into_iter()
        .filter(|level| row_in_force(spec, *level).is_none_or(|row| row.paging == Paging::Page))
        .collect();
    let steps_with = |level: Severity, condition: StepCondition| {
        spec.steps.iter().any(|step| {
            step.condition == condition
                && (step.severities.is_empty() || step.severities.contains(&level))
        })
    };
    let unanswered = of_levels(&paging, |level| {
        !steps_with(level, StepCondition::NotAcknowledged)
            && !steps_with(level, StepCondition::NotResolved)
    });
    if let Some(levels) = unanswered {
        let message = format!(
            "stage Acknowledged: no step is for {levels}, so nobody is called; add one or set `paging: RecordOnly`"
        );
        items.add(ItemCode::StageUnserved, "spec.steps", message);
    }
    let forgotten = of_levels(&paging, |level| {
        let row = row_in_force(spec, level);
        let timed = row.is_some_and(|row| {
            row.acknowledgement_timeout.is_some() || row.update_interval.is_some()
        });
        !timed
            && steps_with(level, StepCondition::NotAcknowledged)
            && !steps_with(level, StepCondition::NotResolved)
    });
    if let Some(levels) = forgotten {
        let message = format!(
            "stage Resolved: once acknowledged, nobody is called again for {levels} if it stays unresolved; set `acknowledgementTimeout` or `updateInterval`, or add a step with `condition: NotResolved`"
        );
        items.add(ItemCode::StageUnserved, "spec.severities", message);
    }
    check_validation(spec, items);
}

fn check_validation(spec: &EscalationPolicySpec, items: &mut Items) {
    let asked = spec.communication.as_ref().is_some_and(|communication| {
        !communication.notify.is_empty()
            && communication
                .notify_on
                .contains(&NotifyOn::ValidationRequested)
    });
    for (index, row) in spec.severities.iter().enumerate() {
        if !asked
            && row
                .validation
                .as_ref()
                .is_some_and(|validation| validation.required)
        {
            let message = format!(
                "stage Validated: {:?} needs the customer's validation and nobody asks for it; add ValidationRequested to `spec.communication.notifyOn` and somebody to its `notify`",
                row.level,
            );
            items.add(
                ItemCode::StageUnserved,
                format!("spec.severities[{index}].validation"),
                message,
            );
        }
    }
}

fn of_levels(levels: &[Severity], wanted: impl Fn(Severity) -> bool) -> Option<String> {
    let found: Vec<String> = levels
        .iter()
        .filter(|level| wanted(**level))
        .map(|level| format!("{level:?}"))
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}

fn check_review(spec: &EscalationPolicySpec, around: &Surroundings, items: &mut Items) {
    let (Some(document), Some(now)) = (&spec.document, around.now) else {
        return;
    };
    let path = "spec.document.lastReviewTime";
    match document.last_review_time {
        None => {
            let message = "no review is recorded; review the document and write down when";
            items.add(ItemCode::ReviewOverdue, path, message);
        }
        Some(last) => {
            let due = last.0.saturating_add(document.review_every.to_signed());
            if let Ok(due) = due
                && due < now
            {
                let message = format!(
                    "the review was due at {due}, {} after the last one; review the document and set `lastReviewTime`",
                    document.review_every,
                );
                items.add(ItemCode::ReviewOverdue, path, message);
            }
        }
    }
}

fn check_default(spec: &EscalationPolicySpec, around: &Surroundings, items: &mut Items) {
    if let (true, [counts, _, ..]) = (spec.default, around.defaults.as_slice()) {
        let message = format!(
            "the namespace has {} default policies ({}); \"{counts}\" counts, being the oldest; `default` must be true on one only",
            around.defaults.len(),
            around
                .defaults
                .iter()
                .map(String::as_str)
                .take(8)
                .collect::<Vec<_>>()
                .join(", "),
        );
        items.add(ItemCode::DefaultConflict, "spec.default", message);
    }
}

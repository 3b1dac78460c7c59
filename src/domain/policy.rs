//! A policy that was checked: whoever holds a [`ValidPolicy`] knows that every name in it leads somewhere.
//!
//! Rules: `api.md` section 3 "Checks" and 3.1 (rows). Compiled once per revision, shared by all tickets pinned to it.

use jiff::SignedDuration;

use super::calendar::Calendar;
use crate::api::{
    EscalationPolicySpec, NotifyTarget, Paging, Severity, SeverityRow, StepCondition,
};

mod checks;
mod compile;

pub use checks::Finding;

/// What a check came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The usable policy, or every error that makes it unusable.
    pub policy: Result<ValidPolicy, Vec<Finding>>,
    /// Gaps that people should close; the policy works without.
    pub open_items: Vec<Finding>,
}

/// A checked, compiled policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidPolicy {
    spec: EscalationPolicySpec,
    steps: Vec<StepPlan>,
    rows: [Row; 4],
}

/// One step, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPlan {
    /// Index in `spec.steps`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Time after the nominal time of the step before.
    pub after: SignedDuration,
    /// Whether it needs a missing acknowledgement or a missing resolution.
    pub condition: StepCondition,
    /// When it may fire; always open where the step names none.
    pub calendar: Calendar,
    /// Time between repeats and how many of them.
    pub repeat: Option<(SignedDuration, i32)>,
    /// Who is told.
    pub notify: Vec<NotifyTarget>,
    /// Levels it serves; empty = all.
    pub severities: Vec<Severity>,
}

/// What a severity level means: its clocks and its paging.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Target for the first answer of a person; `None` = not formally defined.
    pub response_target: Option<SignedDuration>,
    /// Target for the resolution.
    pub resolution_target: Option<SignedDuration>,
    /// The calendar these clocks run in.
    pub calendar: Calendar,
    /// An acknowledgement without a resolution expires after this.
    pub acknowledgement_timeout: Option<SignedDuration>,
    /// Wait before the first step.
    pub initial_delay: SignedDuration,
    /// Whether anybody is paged.
    pub paging: Paging,
    /// Whether a resolution needs the customer's word.
    pub validation_required: bool,
    /// Closed without that word after this.
    pub validation_close_after: Option<SignedDuration>,
    /// A resolved ticket closes by itself after this.
    pub close_after: Option<SignedDuration>,
}

impl ValidPolicy {
    /// Checks a spec; see [`Finding`] for what is found.
    pub fn check(spec: EscalationPolicySpec) -> Checked {
        let open_items = checks::open_items(&spec);
        let mut errors = checks::errors(&spec);
        let compiled = compile::compile(spec, &mut errors);
        let policy = match compiled {
            Some(policy) if errors.is_empty() => Ok(policy),
            Some(_) | None => Err(errors),
        };
        Checked { policy, open_items }
    }

    /// The spec as it was declared.
    pub fn spec(&self) -> &EscalationPolicySpec {
        &self.spec
    }

    /// The row of a level; where the policy has none, that of its default severity.
    pub fn row(&self, severity: Severity) -> &Row {
        let [low, medium, high, critical] = &self.rows;
        match severity {
            Severity::Low => low,
            Severity::Medium => medium,
            Severity::High => high,
            Severity::Critical => critical,
        }
    }

    /// The steps that apply to a level, in order.
    pub fn steps_for(&self, severity: Severity) -> Vec<&StepPlan> {
        let applies =
            |step: &&StepPlan| step.severities.is_empty() || step.severities.contains(&severity);
        self.steps.iter().filter(applies).collect()
    }

    /// The step with that name.
    pub fn step(&self, name: &str) -> Option<&StepPlan> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The step at that index of `spec.steps`.
    pub fn step_at(&self, index: usize) -> Option<&StepPlan> {
        self.steps.get(index)
    }

    /// Further rounds of the chain and the time between them.
    pub fn chain_repeat(&self) -> Option<(i32, SignedDuration)> {
        let repeat = self.spec.repeat.as_ref()?;
        Some((repeat.times, repeat.interval.to_signed()))
    }

    /// How long after the last notification the chain is exhausted, and who is told.
    pub fn on_exhausted(&self) -> (SignedDuration, &[NotifyTarget]) {
        self.spec
            .on_exhausted
            .as_ref()
            .map_or((SignedDuration::from_mins(5), &[]), |exhausted| {
                (exhausted.after.to_signed(), exhausted.notify.as_slice())
            })
    }

    /// The level of a ticket about which nobody said anything.
    pub fn default_severity(&self) -> Severity {
        self.spec.default_severity
    }
}

/// The declared row of a level, else that of the default severity.
fn declared_row(spec: &EscalationPolicySpec, severity: Severity) -> Option<&SeverityRow> {
    let of = |level| spec.severities.iter().find(|row| row.level == level);
    of(severity).or_else(|| of(spec.default_severity))
}

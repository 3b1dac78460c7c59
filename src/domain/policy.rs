//! A policy that was checked, compiled for decisions: whoever holds a [`ValidPolicy`] knows that every name in it
//! resolves, every time can be read and every address suits its connector.
//!
//! Errors make a revision unusable, open items are for people to settle. The same code runs in the operator, in `lint`
//! and in `simulate`. Rules: api.md section 3, "Checks".

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::{
    self, Connector, Contact, Duration, EscalationPolicySpec, Group, NotifyTarget, Paging,
    Severity, SignalPolicy, StepCondition, Tier,
};
use crate::domain::calendar::Calendar;
use crate::domain::people::rota::RotaSet;

mod address;
mod agreement;
mod compile;
mod finding;
mod hours;
mod names;
mod open;
mod reach;
mod secrets;
#[cfg(test)]
mod tests;

pub use address::has_address;
pub use finding::{Finding, FindingCode, ItemCode, OpenItem};

/// Most targets of one step, groups expanded.
pub const MOST_TARGETS: usize = 16;
/// Wait before `onExhausted` where the policy gives none.
const EXHAUSTED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// All levels, the most severe first.
pub const LEVELS: [Severity; 4] = [
    Severity::Critical,
    Severity::High,
    Severity::Medium,
    Severity::Low,
];

/// What lies outside the policy; what is not known is not checked.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The present, for what grows old: reviews, gaps ahead.
    pub now: Option<Timestamp>,
    /// The keys of each Secret that the policy names; a Secret that is not in the map does not exist.
    pub secrets: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Names of all default policies of the namespace, this one included, the one that counts first.
    pub defaults: Vec<String>,
}

/// The outcome of a check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The policy, or all its errors in the order of the spec.
    pub policy: Result<ValidPolicy, Vec<Finding>>,
    /// What people still have to settle; found whether or not there are errors.
    pub open_items: Vec<OpenItem>,
}

/// A spec without errors, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidPolicy {
    spec: EscalationPolicySpec,
    calendars: BTreeMap<String, Calendar>,
    rotas: RotaSet,
    /// In the order of [`LEVELS`].
    rows: [Row; 4],
    steps: Vec<StepPlan>,
}

/// The rules of a severity.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The level asked for.
    pub level: Severity,
    /// Whether the policy has a row for this very level; else the row of the default severity stands in.
    pub declared: bool,
    /// Time to a person's first answer as written, counted in `calendar`.
    pub response_target: Option<Duration>,
    /// Time to the resolution as written, counted in `calendar`.
    pub resolution_target: Option<Duration>,
    /// Whether it pages.
    pub paging: Paging,
    /// Wait before the first step.
    pub initial_delay: SignedDuration,
    /// An unresolved ticket calls again so long after its acknowledgement.
    pub acknowledgement_timeout: Option<SignedDuration>,
    /// Time between status updates.
    pub update_interval: Option<SignedDuration>,
    /// A resolved ticket closes by itself after this.
    pub close_after: Option<SignedDuration>,
    /// Whether the reporter must accept the resolution.
    pub validation_required: bool,
    /// Without the reporter's answer it closes after this.
    pub validation_close_after: Option<SignedDuration>,
    /// The hours its clocks run in.
    pub calendar: Calendar,
}

/// A step of the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPlan {
    /// Place in `spec.steps`, from 0.
    pub index: usize,
    /// Name, unique in the policy.
    pub name: String,
    /// Who is called, in the words of the support agreement.
    pub tier: Option<Tier>,
    /// Nominal time after the step before it.
    pub after: SignedDuration,
    /// It fires only while this holds.
    pub condition: StepCondition,
    /// It waits until this opens.
    pub calendar: Calendar,
    /// Severities it applies to; empty = all.
    pub severities: Vec<Severity>,
    /// Who is told.
    pub notify: Vec<NotifyTarget>,
    /// Pause between repeats and how many follow the first notification.
    pub repeat: Option<(SignedDuration, i32)>,
    /// What the people called are expected to do.
    pub expectation: Option<String>,
}

impl StepPlan {
    /// Whether it belongs to the row of a severity.
    pub fn applies_to(&self, severity: Severity) -> bool {
        self.severities.is_empty() || self.severities.contains(&severity)
    }
}

impl ValidPolicy {
    /// Checks a spec by itself, as `lint` does without a cluster.
    pub fn check(spec: EscalationPolicySpec) -> Checked {
        Self::check_in(spec, &Surroundings::default())
    }

    /// Checks a spec, as far as the surroundings are known.
    pub fn check_in(spec: EscalationPolicySpec, around: &Surroundings) -> Checked {
        let errors = errors_of(&spec);
        let mut items = finding::Items::default();
        secrets::check(&spec, around.secrets.as_ref(), &mut items);
        reach::check(&spec, &mut items);
        open::check(&spec, &mut items);
        agreement::check(&spec, around, &mut items);
        let policy = if errors.is_empty() {
            compile::policy(spec)
        } else {
            Err(errors)
        };
        if let Ok(policy) = &policy {
            hours::check_gaps(policy, around.now, &mut items);
        }
        Checked {
            policy,
            open_items: items.0,
        }
    }

    /// The spec as it was written.
    pub fn spec(&self) -> &EscalationPolicySpec {
        &self.spec
    }

    /// The rules of a severity: its own row, else that of the default severity, else none at all: it pages and has no
    /// targets.
    pub fn row(&self, severity: Severity) -> &Row {
        let [critical, high, medium, low] = &self.rows;
        match severity {
            Severity::Critical => critical,
            Severity::High => high,
            Severity::Medium => medium,
            Severity::Low => low,
        }
    }

    /// All steps in order.
    pub fn steps(&self) -> &[StepPlan] {
        &self.steps
    }

    /// The steps that apply to a severity, in order.
    pub fn steps_for(&self, severity: Severity) -> Vec<&StepPlan> {
        self.steps
            .iter()
            .filter(|step| step.applies_to(severity))
            .collect()
    }

    /// A step by its name.
    pub fn step(&self, name: &str) -> Option<&StepPlan> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The step at that place of `spec.steps`.
    pub fn step_at(&self, index: usize) -> Option<&StepPlan> {
        self.steps.get(index)
    }

    /// Further rounds of the chain and the pause before each; `None` = one round.
    pub fn chain_repeat(&self) -> Option<(i32, SignedDuration)> {
        let repeat = self.spec.repeat.as_ref()?;
        (repeat.times > 0).then(|| (repeat.times, repeat.interval.to_signed()))
    }

    /// How long after the last notification nobody's answer counts as exhaustion, and who is told then.
    pub fn on_exhausted(&self) -> (SignedDuration, &[NotifyTarget]) {
        match &self.spec.on_exhausted {
            Some(end) => (end.after.to_signed(), &end.notify),
            None => (EXHAUSTED_AFTER, &[]),
        }
    }

    /// A calendar by its name.
    pub fn calendar(&self, name: &str) -> Option<&Calendar> {
        self.calendars.get(name)
    }

    /// Who is on call when.
    pub fn rotas(&self) -> &RotaSet {
        &self.rotas
    }

    /// What the end of an alert means.
    pub fn signal(&self) -> &SignalPolicy {
        &self.spec.signal
    }

    /// The severity of a ticket that nobody and nothing has judged.
    pub fn default_severity(&self) -> Severity {
        self.spec.default_severity
    }

    /// A contact by its name.
    pub fn contact(&self, name: &str) -> Option<&Contact> {
        self.spec
            .contacts
            .iter()
            .find(|contact| contact.name == name)
    }

    /// A group by its name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.spec.groups.iter().find(|group| group.name == name)
    }

    /// A connector by its name.
    pub fn connector(&self, name: &str) -> Option<&Connector> {
        self.spec
            .connectors
            .iter()
            .find(|connector| connector.name == name)
    }
}

fn errors_of(spec: &EscalationPolicySpec) -> Vec<Finding> {
    let mut findings = finding::Findings::default();
    names::check_duplicates(spec, &mut findings);
    hours::check(spec, &mut findings);
    names::check_references(spec, &mut findings);
    names::check_targets(spec, &mut findings);
    address::check(spec, &mut findings);
    findings.0
}

/// What a target of a notification names; `None` where it names nothing or several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// A person.
    Contact(&'a str),
    /// All members of a group.
    Group(&'a str),
    /// Whoever is on call.
    Rota(&'a str),
    /// A connector directly.
    Connector(&'a str),
    /// Whoever reported the ticket.
    Reporter,
}

impl<'a> Named<'a> {
    /// Reads the one field that is set.
    pub fn of(target: &'a NotifyTarget) -> Option<Self> {
        let NotifyTarget {
            contact,
            group,
            rota,
            connector,
            reporter,
        } = target;
        let mut named = [
            contact.as_deref().map(Self::Contact),
            group.as_deref().map(Self::Group),
            rota.as_deref().map(Self::Rota),
            connector.as_deref().map(Self::Connector),
            reporter.filter(|wanted| *wanted).map(|_| Self::Reporter),
        ]
        .into_iter()
        .flatten();
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }
}

/// Every list of targets in a spec, with its path.
fn target_lists(spec: &EscalationPolicySpec) -> Vec<(String, &[NotifyTarget])> {
    let steps = spec.steps.iter().enumerate();
    let mut lists: Vec<(String, &[NotifyTarget])> = steps
        .map(|(index, step)| {
            (
                format!("spec.steps[{index}].notify"),
                step.notify.as_slice(),
            )
        })
        .collect();
    if let Some(end) = &spec.on_exhausted {
        lists.push(("spec.onExhausted.notify".to_owned(), &end.notify));
    }
    if let Some(communication) = &spec.communication {
        lists.push((
            "spec.communication.notify".to_owned(),
            &communication.notify,
        ));
        lists.push((
            "spec.communication.overdueNotify".to_owned(),
            &communication.overdue_notify,
        ));
    }
    lists
}

/// The row of the spec that counts for a level: its own, else that of the default severity.
fn row_in_force(spec: &EscalationPolicySpec, level: Severity) -> Option<&api::SeverityRow> {
    let of = |wanted: Severity| spec.severities.iter().find(|row| row.level == wanted);
    of(level).or_else(|| of(spec.default_severity))
}

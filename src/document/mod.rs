//! The support document: a policy in eleven parts as Markdown, written from the object that drives the timers, so that
//! it cannot be out of date; and an RCA and a resolution as documents.
//!
//! It says what is not settled as plainly as what is, and no more than "target" unless the policy confirms it. Every
//! text of a person passes through `markdown`. The same policy gives the same document: no clock is asked.

mod agreement;
mod escalation;
mod followup;
mod markdown;
mod people;
mod rca;
mod resolution;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::api::{Commitment, EscalationPolicySpec};
use crate::domain::policy::{OpenItem, ValidPolicy};
use crate::simulation::Timetable;

pub use rca::rca;
pub use resolution::resolution;

use markdown::Markdown;

/// What a support document is written from.
#[derive(Clone, Copy, Debug)]
pub struct Paper<'a> {
    /// Name of the policy.
    pub name: &'a str,
    /// Its namespace, where it has one.
    pub namespace: Option<&'a str>,
    /// Name of the revision that holds its spec.
    pub revision: &'a str,
    /// Its content.
    pub policy: &'a ValidPolicy,
    /// When whom, by severity.
    pub timetables: &'a [Timetable],
    /// What the checks found open.
    pub open_items: &'a [OpenItem],
}

impl<'a> Paper<'a> {
    fn spec(&self) -> &'a EscalationPolicySpec {
        self.policy.spec()
    }

    /// Whether texts may say more than "target".
    fn confirmed(&self) -> bool {
        self.spec()
            .communication
            .as_ref()
            .is_some_and(|communication| match communication.commitment {
                Commitment::Confirmed => true,
                Commitment::Unconfirmed => false,
            })
    }
}

/// What writes a part.
type Part = fn(&Paper<'_>, &mut Markdown);

/// The parts in their order.
const PARTS: [(&str, Part); 11] = [
    ("Overview", agreement::overview),
    ("Scope", agreement::scope),
    ("Channels", agreement::channels),
    ("Workflow", agreement::workflow),
    ("Severities and targets", agreement::severities),
    ("Escalation", escalation::escalation),
    ("Customer communication", followup::communication),
    ("Root cause analysis", followup::root_cause_analysis),
    ("Knowledge", followup::knowledge),
    ("Assumptions and open items", followup::open_items),
    ("Summary and review", followup::summary),
];

/// The support document of a policy.
pub fn policy(paper: &Paper<'_>) -> String {
    let mut page = Markdown::default();
    agreement::head(paper, &mut page);
    for (number, (title, part)) in PARTS.iter().enumerate() {
        page.heading(2, &format!("{}. {title}", number + 1));
        part(paper, &mut page);
    }
    page.finish()
}

/// The names that some entries of a spec have for people to read, by the name that the spec uses.
fn display_names(spec: &EscalationPolicySpec) -> BTreeMap<&str, &str> {
    let names = spec.contacts.iter().map(|contact| {
        let name = contact.name.as_str();
        (name, contact.display_name.as_deref().unwrap_or(name))
    });
    names.collect()
}

//! Whether those who are to be told can be reached at all.

use std::collections::BTreeSet;

use super::finding::{ItemCode, Items};
use super::{Named, target_lists};
use crate::api::{Contact, EscalationPolicySpec, NotifyTarget};

/// Tells of steps that reach nobody and of people without any way to them.
pub(super) fn check(spec: &EscalationPolicySpec, items: &mut Items) {
    for (index, step) in spec.steps.iter().enumerate() {
        if !step
            .notify
            .iter()
            .any(|target| reaches_somebody(spec, target))
        {
            let why = if step.notify.is_empty() {
                "has no `notify`"
            } else {
                "names only empty groups and contacts without `reach`"
            };
            let message = format!(
                "step \"{}\" {why}, so it is skipped and the next step comes at once; name somebody who can be reached",
                step.name,
            );
            items.add(
                ItemCode::StepReachesNobody,
                format!("spec.steps[{index}].notify"),
                message,
            );
        }
    }
    let told = told_contacts(spec);
    for (index, contact) in spec.contacts.iter().enumerate() {
        if contact.reach.is_empty() && told.contains(contact.name.as_str()) {
            let message = format!(
                "contact \"{}\" is to be told and has no way to be reached; give at least one `connector`",
                contact.name,
            );
            items.add(
                ItemCode::ContactUnreachable,
                format!("spec.contacts[{index}].reach"),
                message,
            );
        }
    }
}

fn has_way(spec: &EscalationPolicySpec, name: &str) -> bool {
    let reachable = |contact: &Contact| contact.name == name && !contact.reach.is_empty();
    spec.contacts.iter().any(reachable)
}

/// Whether a target has anybody who can be reached. The reporter counts: who that is, only a ticket tells.
fn reaches_somebody(spec: &EscalationPolicySpec, target: &NotifyTarget) -> bool {
    match Named::of(target) {
        Some(Named::Contact(name)) => has_way(spec, name),
        Some(Named::Group(name)) => {
            let members = spec
                .groups
                .iter()
                .filter(|group| group.name == name)
                .flat_map(|group| &group.members);
            members.into_iter().any(|member| has_way(spec, member))
        }
        Some(Named::Rota(name)) => {
            let members = spec
                .rotas
                .iter()
                .filter(|rota| rota.name == name)
                .flat_map(|rota| &rota.members);
            members.into_iter().any(|member| has_way(spec, member))
        }
        Some(Named::Connector(_) | Named::Reporter) => true,
        None => false,
    }
}

/// Names of all contacts that something tells, through groups, rotas and overrides too.
fn told_contacts(spec: &EscalationPolicySpec) -> BTreeSet<&str> {
    let mut told = BTreeSet::new();
    for target in target_lists(spec)
        .into_iter()
        .flat_map(|(_, targets)| targets)
    {
        match Named::of(target) {
            Some(Named::Contact(name)) => drop(told.insert(name)),
            Some(Named::Group(name)) => {
                let members = spec
                    .groups
                    .iter()
                    .filter(|group| group.name == name)
                    .flat_map(|group| &group.members);
                told.extend(members.map(String::as_str));
            }
            Some(Named::Rota(name)) => {
                let members = spec
                    .rotas
                    .iter()
                    .filter(|rota| rota.name == name)
                    .flat_map(|rota| &rota.members);
                let instead = spec
                    .overrides
                    .iter()
                    .filter(|known| known.rota == name)
                    .map(|known| &known.member);
                told.extend(members.chain(instead).map(String::as_str));
            }
            Some(Named::Connector(_) | Named::Reporter) | None => {}
        }
    }
    told
}

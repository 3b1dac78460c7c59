//! Whom a list of targets names, in words: persons and groups by the names that people read.

use super::display_names;
use super::markdown::escape;
use crate::api::{EscalationPolicySpec, NotifyTarget};
use crate::domain::policy::Named;

/// Those behind a list of targets; empty when nobody is named.
pub(super) fn told(spec: &EscalationPolicySpec, targets: &[NotifyTarget]) -> String {
    let names: Vec<String> = targets
        .iter()
        .filter_map(Named::of)
        .map(|named| one(spec, named))
        .collect();
    names.join(", ")
}

fn one(spec: &EscalationPolicySpec, named: Named<'_>) -> String {
    match named {
        Named::Contact(name) => person(spec, name),
        Named::Group(name) => {
            let group = spec.groups.iter().find(|group| group.name == name);
            let members = group.map_or(&[][..], |group| &group.members);
            format!("{} ({})", escape(name), persons(spec, members))
        }
        Named::Rota(name) => {
            let rota = spec.rotas.iter().find(|rota| rota.name == name);
            let members = rota.map_or(&[][..], |rota| &rota.members);
            format!(
                "whoever is on call in {} (in turn: {})",
                escape(name),
                persons(spec, members)
            )
        }
        Named::Connector(name) => format!("connector {}", escape(name)),
        Named::Reporter => "whoever reported the ticket".to_owned(),
    }
}

/// A person by the name that people read.
pub(super) fn person(spec: &EscalationPolicySpec, name: &str) -> String {
    escape(display_names(spec).get(name).copied().unwrap_or(name))
}

fn persons(spec: &EscalationPolicySpec, names: &[String]) -> String {
    if names.is_empty() {
        return "nobody".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| person(spec, name)).collect();
    names.join(", ")
}

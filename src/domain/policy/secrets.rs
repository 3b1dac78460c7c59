//! Which Secrets and keys the connectors need. Rules: api.md section 6, "Connectors".

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{ItemCode, Items};
use super::{Named, target_lists};
use crate::api::{Connector, ConnectorType, EscalationPolicySpec};

/// Tells of Secrets that are needed and not named, and, where the Secrets are known, of missing ones and missing keys.
pub(super) fn check(
    spec: &EscalationPolicySpec,
    secrets: Option<&BTreeMap<String, BTreeSet<String>>>,
    items: &mut Items,
) {
    for (index, connector) in spec.connectors.iter().enumerate() {
        let path = format!("spec.connectors[{index}].secretRef");
        let wanted = wanted_keys(spec, connector);
        let Some(reference) = &connector.secret_ref else {
            if let Some(first) = wanted.first() {
                let message = format!(
                    "connector \"{}\" cannot send without a Secret with key {}; name one in `secretRef`",
                    connector.name,
                    any_of(first),
                );
                items.add(ItemCode::SecretMissing, path, message);
            }
            continue;
        };
        let Some(secrets) = secrets else { continue };
        let Some(keys) = secrets.get(&reference.name) else {
            let message = format!(
                "Secret \"{}\" does not exist in the policy's namespace, so nothing leaves by connector \"{}\"; create it",
                reference.name, connector.name,
            );
            items.add(ItemCode::SecretMissing, path, message);
            continue;
        };
        for needed in wanted
            .iter()
            .filter(|needed| !needed.iter().any(|key| keys.contains(*key)))
        {
            let message = format!(
                "Secret \"{}\" must have key {}, or nothing leaves by connector \"{}\"",
                reference.name,
                any_of(needed),
                connector.name,
            );
            items.add(ItemCode::SecretKeyMissing, path.clone(), message);
        }
    }
}

/// Keys without which a connector cannot send: of each entry one must be there.
fn wanted_keys(spec: &EscalationPolicySpec, connector: &Connector) -> Vec<&'static [&'static str]> {
    let homeless = connector.address.is_none() && used_without_address(spec, connector);
    match (connector.type_, homeless) {
        (ConnectorType::MSTeams, _) | (ConnectorType::Webhook | ConnectorType::Slack, true) => {
            vec![&["address"]]
        }
        (ConnectorType::Slack, false) => vec![&["token", "address"]],
        (ConnectorType::PagerDuty, _) => vec![&["routingKey"]],
        (ConnectorType::Email, _) if connector.secret_ref.is_some() => {
            vec![&["username"], &["password"]]
        }
        (ConnectorType::Email, _) | (ConnectorType::Webhook, false) => Vec::new(),
    }
}

/// Whether anything sends by a connector without bringing an address.
fn used_without_address(spec: &EscalationPolicySpec, connector: &Connector) -> bool {
    let by_contact = spec.contacts.iter().flat_map(|contact| &contact.reach);
    let direct = target_lists(spec)
        .into_iter()
        .flat_map(|(_, targets)| targets);
    by_contact
        .into_iter()
        .any(|reach| reach.connector == connector.name && reach.address.is_none())
        || direct
            .into_iter()
            .any(|target| Named::of(target) == Some(Named::Connector(&connector.name)))
}

fn any_of(keys: &[&str]) -> String {
    keys.iter()
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(" or ")
}

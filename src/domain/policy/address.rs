//! Whether each connector can use the addresses it is given. Rules: api.md section 6, "Connectors".

use url::Url;

use super::finding::{FindingCode, Findings};
use super::{Named, target_lists};
use crate::api::{Connector, ConnectorType, EscalationPolicySpec};

/// Refuses servers and addresses their connector cannot use, and uses of a connector without an address.
pub(super) fn check(spec: &EscalationPolicySpec, findings: &mut Findings) {
    for (index, connector) in spec.connectors.iter().enumerate() {
        let path = format!("spec.connectors[{index}]");
        if let Some(why) = unusable_server(connector) {
            findings.add(FindingCode::AddressUnusable, format!("{path}.server"), why);
        }
        if let Some(address) = &connector.address
            && let Some(why) = unusable(connector, address)
        {
            findings.add(FindingCode::AddressUnusable, format!("{path}.address"), why);
        }
    }
    let of_name = |name: &str| {
        spec.connectors
            .iter()
            .find(|connector| connector.name == name)
    };
    for (index, contact) in spec.contacts.iter().enumerate() {
        for (way, reach) in contact.reach.iter().enumerate() {
            let Some(connector) = of_name(&reach.connector) else {
                continue;
            };
            let why = match &reach.address {
                Some(address) => unusable(connector, address),
                None => missing(connector),
            };
            if let Some(why) = why {
                let path = format!("spec.contacts[{index}].reach[{way}].address");
                findings.add(FindingCode::AddressUnusable, path, why);
            }
        }
    }
    for (path, targets) in target_lists(spec) {
        for (index, target) in targets.iter().enumerate() {
            if let Some(Named::Connector(name)) = Named::of(target)
                && let Some(why) = of_name(name).and_then(missing)
            {
                findings.add(
                    FindingCode::AddressUnusable,
                    format!("{path}[{index}].connector"),
                    why,
                );
            }
        }
    }
}

/// Whether a connector can be used where no address of its own is given.
pub fn has_address(connector: &Connector) -> bool {
    missing(connector).is_none()
}

/// Why a connector cannot be used where no address of its own is given; `None` = it can.
fn missing(connector: &Connector) -> Option<String> {
    let Connector {
        name,
        type_,
        address,
        secret_ref,
        ..
    } = connector;
    if address.is_some() || (secret_ref.is_some() && *type_ != ConnectorType::Email) {
        return None;
    }
    let what = match type_ {
        ConnectorType::Webhook => {
            "an http(s) URL, here or in the connector's `address` or in key `address` of its Secret (`secretRef`)"
        }
        ConnectorType::Slack => {
            "a channel or user, here or in the connector's `address`, or an incoming webhook's URL in key `address` of its Secret (`secretRef`)"
        }
        ConnectorType::Email => "a mail address, here or in the connector's `address`",
        ConnectorType::MSTeams | ConnectorType::PagerDuty => return None,
    };
    Some(format!(
        "connector \"{name}\" has nowhere to send to; there must be {what}"
    ))
}

/// Why a connector cannot use an address; `None` = it can.
fn unusable(connector: &Connector, address: &str) -> Option<String> {
    match connector.type_ {
        ConnectorType::Webhook => (!is_http(address)).then(|| {
            format!("\"{}\" must be an http(s) URL with a host, since connector \"{}\" is a Webhook", shown(address), connector.name)
        }),
        ConnectorType::Slack => (!is_slack(address)).then(|| {
            format!(
                "\"{}\" must be a Slack channel or user such as #ops or U012AB3CD; the URL of an incoming webhook belongs into key `address` of the Secret of connector \"{}\"",
                shown(address), connector.name,
            )
        }),
        ConnectorType::Email => (!is_mail(address)).then(|| {
            format!("\"{}\" must be a mail address such as ops@example.com, since connector \"{}\" is Email", shown(address), connector.name)
        }),
        ConnectorType::MSTeams => Some(format!(
            "must be left out: connector \"{}\" is MSTeams and takes its workflow URL from key `address` of its Secret",
            connector.name
        )),
        ConnectorType::PagerDuty => Some(format!(
            "must be left out: connector \"{}\" is PagerDuty and takes its service from key `routingKey` of its Secret",
            connector.name
        )),
    }
}

fn unusable_server(connector: &Connector) -> Option<String> {
    let server = connector.server.as_deref();
    match (connector.type_, server) {
        (ConnectorType::Email, None) => Some(format!(
            "connector \"{}\" is Email and must have a `server` such as smtps://mail.example.com:465",
            connector.name
        )),
        (ConnectorType::Email, Some(server)) => (!is_smtp(server)).then(|| {
            format!(
                "\"{}\" must be smtp://host:port or smtps://host:port",
                shown(server)
            )
        }),
        (ConnectorType::Slack | ConnectorType::PagerDuty, Some(server)) => {
            (!is_http(server)).then(|| {
                format!(
                    "\"{}\" must be an http(s) URL with a host, the base of the service's API",
                    shown(server)
                )
            })
        }
        (ConnectorType::Webhook | ConnectorType::MSTeams, Some(_)) => Some(format!(
            "must be left out: connector \"{}\" has no server of its own",
            connector.name
        )),
        (
            ConnectorType::Slack
            | ConnectorType::PagerDuty
            | ConnectorType::Webhook
            | ConnectorType::MSTeams,
            None,
        ) => None,
    }
}

/// The start of a text that people wrote, for a message. URLs may carry secrets: only up to the host.
fn shown(text: &str) -> String {
    let cut = match text.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}")
        }
        None => text.to_owned(),
    };
    cut.chars()
        .filter(|letter| !letter.is_control())
        .take(64)
        .collect()
}

fn is_http(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_smtp(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && Url::parse(text).is_ok_and(|url| {
            let bare =
                matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
            let named = url.host_str().is_some_and(|host| !host.is_empty());
            matches!(url.scheme(), "smtp" | "smtps") && named && bare && url.username().is_empty()
        })
}

fn is_slack(text: &str) -> bool {
    let name = text.strip_prefix(['#', '@']).unwrap_or(text);
    (1..=80).contains(&name.chars().count())
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}

fn is_mail(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let in_local =
        |letter: char| letter.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(letter);
    let in_label = |letter: char| letter.is_alphanumeric() || letter == '-';
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.chars().all(in_label)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    (1..=64).contains(&local.len())
        && local.chars().all(in_local)
        && local.split('.').all(|part| !part.is_empty())
        && domain.len() <= 253
        && domain.split('.').all(label)
}

//! What is wrong with a policy (errors) and what is missing (open items), each with its place and the way out.
//!
//! Rule: `api.md` section 3 "Checks". Errors make a revision unusable; open items do not.

use std::collections::BTreeSet;

use crate::api::{ConnectorType, EscalationPolicySpec, NotifyTarget, OpenItem, Severity, Tier};

/// One finding: what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// CamelCase word from a closed set.
    pub code: &'static str,
    /// Field, such as `spec.steps[1].notify[0].contact`.
    pub path: String,
    /// What is wrong, why, what to do.
    pub message: String,
}

impl Finding {
    /// A finding of some kind at some place.
    pub fn new(code: &'static str, path: String, message: String) -> Self {
        Self {
            code,
            path,
            message,
        }
    }

    /// The form of `status.openItems`.
    pub fn to_item(&self) -> OpenItem {
        OpenItem {
            code: self.code.to_owned(),
            path: self.path.clone(),
            message: self.message.clone(),
        }
    }
}

/// Most targets of a step once groups are expanded.
const STEP_TARGETS: usize = 16;

/// Every error of a spec, calendars aside (their compilation finds them).
pub fn errors(spec: &EscalationPolicySpec) -> Vec<Finding> {
    let mut found = Vec::new();
    duplicates(spec, &mut found);
    references(spec, &mut found);
    zones(spec, &mut found);
    addresses(spec, &mut found);
    found
}

fn duplicates(spec: &EscalationPolicySpec, found: &mut Vec<Finding>) {
    let mut check = |list: &str, names: Vec<&str>| {
        let mut seen = BTreeSet::new();
        for (index, name) in names.into_iter().enumerate() {
            if !seen.insert(name) {
                let message = format!(
                    "the name \"{name}\" is given twice in `spec.{list}`; names must be unique"
                );
                found.push(Finding::new(
                    "DuplicateName",
                    format!("spec.{list}[{index}].name"),
                    message,
                ));
            }
        }
    };
    check(
        "steps",
        spec.steps.iter().map(|known| known.name.as_str()).collect(),
    );
    check(
        "contacts",
        spec.contacts
            .iter()
            .map(|known| known.name.as_str())
            .collect(),
    );
    check(
        "groups",
        spec.groups
            .iter()
            .map(|known| known.name.as_str())
            .collect(),
    );
    check(
        "rotas",
        spec.rotas.iter().map(|known| known.name.as_str()).collect(),
    );
    check(
        "connectors",
        spec.connectors
            .iter()
            .map(|known| known.name.as_str())
            .collect(),
    );
    check(
        "calendars",
        spec.calendars
            .iter()
            .map(|known| known.name.as_str())
            .collect(),
    );
}

struct Names<'s> {
    contacts: BTreeSet<&'s str>,
    groups: BTreeSet<&'s str>,
    rotas: BTreeSet<&'s str>,
    connectors: BTreeSet<&'s str>,
    calendars: BTreeSet<&'s str>,
}

impl<'s> Names<'s> {
    fn of(spec: &'s EscalationPolicySpec) -> Self {
        Self {
            contacts: spec
                .contacts
                .iter()
                .map(|known| known.name.as_str())
                .collect(),
            groups: spec
                .groups
                .iter()
                .map(|known| known.name.as_str())
                .collect(),
            rotas: spec.rotas.iter().map(|known| known.name.as_str()).collect(),
            connectors: spec
                .connectors
                .iter()
                .map(|known| known.name.as_str())
                .collect(),
            calendars: spec
                .calendars
                .iter()
                .map(|known| known.name.as_str())
                .collect(),
        }
    }
}

fn known(
    found: &mut Vec<Finding>,
    names: &BTreeSet<&str>,
    kind: &str,
    path: &str,
    name: Option<&String>,
) {
    let Some(name) = name else { return };
    if !names.contains(name.as_str()) {
        let list: Vec<&str> = names.iter().copied().collect();
        let choice = if list.is_empty() {
            "none is declared".to_owned()
        } else {
            format!("declared: {}", list.join(", "))
        };
        let message =
            format!("there is no {kind} \"{name}\"; it must be one of `spec.{kind}s` ({choice})");
        let code = match kind {
            "contact" => "UnknownContact",
            "group" => "UnknownGroup",
            "rota" => "UnknownRota",
            "connector" => "UnknownConnector",
            _calendar => "UnknownCalendar",
        };
        found.push(Finding::new(code, path.to_owned(), message));
    }
}

fn references(spec: &EscalationPolicySpec, found: &mut Vec<Finding>) {
    let names = Names::of(spec);
    for (index, step) in spec.steps.iter().enumerate() {
        let path = format!("spec.steps[{index}]");
        known(
            found,
            &names.calendars,
            "calendar",
            &format!("{path}.calendar"),
            step.calendar.as_ref(),
        );
        notify(found, &names, &format!("{path}.notify"), &step.notify);
        let reach: usize = step.notify.iter().map(|target| size(spec, target)).sum();
        if reach > STEP_TARGETS {
            let message = format!(
                "step \"{}\" reaches {reach} targets; it must be at most {STEP_TARGETS}",
                step.name
            );
            found.push(Finding::new(
                "TooManyTargets",
                format!("{path}.notify"),
                message,
            ));
        }
    }
    for (index, row) in spec.severities.iter().enumerate() {
        known(
            found,
            &names.calendars,
            "calendar",
            &format!("spec.severities[{index}].calendar"),
            row.calendar.as_ref(),
        );
    }
    for (index, group) in spec.groups.iter().enumerate() {
        for (at, member) in group.members.iter().enumerate() {
            known(
                found,
                &names.contacts,
                "contact",
                &format!("spec.groups[{index}].members[{at}]"),
                Some(member),
            );
        }
    }
    for (index, rota) in spec.rotas.iter().enumerate() {
        known(
            found,
            &names.calendars,
            "calendar",
            &format!("spec.rotas[{index}].calendar"),
            rota.calendar.as_ref(),
        );
        for (at, member) in rota.members.iter().enumerate() {
            known(
                found,
                &names.contacts,
                "contact",
                &format!("spec.rotas[{index}].members[{at}]"),
                Some(member),
            );
        }
    }
    for (index, over) in spec.overrides.iter().enumerate() {
        known(
            found,
            &names.rotas,
            "rota",
            &format!("spec.overrides[{index}].rota"),
            Some(&over.rota),
        );
        known(
            found,
            &names.contacts,
            "contact",
            &format!("spec.overrides[{index}].member"),
            Some(&over.member),
        );
    }
    for (index, contact) in spec.contacts.iter().enumerate() {
        for (at, reach) in contact.reach.iter().enumerate() {
            let path = format!("spec.contacts[{index}].reach[{at}].connector");
            known(
                found,
                &names.connectors,
                "connector",
                &path,
                Some(&reach.connector),
            );
        }
    }
    if let Some(exhausted) = &spec.on_exhausted {
        notify(found, &names, "spec.onExhausted.notify", &exhausted.notify);
    }
    if let Some(communication) = &spec.communication {
        notify(
            found,
            &names,
            "spec.communication.notify",
            &communication.notify,
        );
        notify(
            found,
            &names,
            "spec.communication.overdueNotify",
            &communication.overdue_notify,
        );
    }
}

fn notify(found: &mut Vec<Finding>, names: &Names<'_>, path: &str, targets: &[NotifyTarget]) {
    for (index, target) in targets.iter().enumerate() {
        known(
            found,
            &names.contacts,
            "contact",
            &format!("{path}[{index}].contact"),
            target.contact.as_ref(),
        );
        known(
            found,
            &names.groups,
            "group",
            &format!("{path}[{index}].group"),
            target.group.as_ref(),
        );
        known(
            found,
            &names.rotas,
            "rota",
            &format!("{path}[{index}].rota"),
            target.rota.as_ref(),
        );
        known(
            found,
            &names.connectors,
            "connector",
            &format!("{path}[{index}].connector"),
            target.connector.as_ref(),
        );
    }
}

fn size(spec: &EscalationPolicySpec, target: &NotifyTarget) -> usize {
    target.group.as_ref().map_or(1, |name| {
        spec.groups
            .iter()
            .find(|group| group.name == *name)
            .map_or(0, |group| group.members.len())
    })
}

fn zones(spec: &EscalationPolicySpec, found: &mut Vec<Finding>) {
    let mut check = |path: String, zone: &str| {
        if crate::domain::calendar::zone(zone).is_none() {
            let message = format!(
                "\"{zone}\" is no time zone; it must be an IANA name such as Europe/Berlin"
            );
            found.push(Finding::new("UnknownZone", path, message));
        }
    };
    for (index, contact) in spec.contacts.iter().enumerate() {
        if let Some(zone) = &contact.time_zone {
            check(format!("spec.contacts[{index}].timeZone"), zone);
        }
    }
    for (index, rota) in spec.rotas.iter().enumerate() {
        check(format!("spec.rotas[{index}].timeZone"), &rota.time_zone);
    }
}

fn addresses(spec: &EscalationPolicySpec, found: &mut Vec<Finding>) {
    let mut check = |path: String, kind: ConnectorType, address: &str| {
        let fits = match kind {
            ConnectorType::Webhook => url::Url::parse(address)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
            ConnectorType::Email => address
                .split_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && host.contains('.')),
            ConnectorType::Slack | ConnectorType::MSTeams | ConnectorType::PagerDuty => true,
        };
        if !fits {
            let wanted = match kind {
                ConnectorType::Email => "a mail address",
                ConnectorType::Webhook
                | ConnectorType::Slack
                | ConnectorType::MSTeams
                | ConnectorType::PagerDuty => "an http or https URL",
            };
            found.push(Finding::new(
                "BadAddress",
                path,
                format!("the address of this connector must be {wanted}"),
            ));
        }
    };
    for (index, connector) in spec.connectors.iter().enumerate() {
        if let Some(address) = &connector.address {
            check(
                format!("spec.connectors[{index}].address"),
                connector.type_,
                address,
            );
        }
    }
    for (index, contact) in spec.contacts.iter().enumerate() {
        for (at, reach) in contact.reach.iter().enumerate() {
            let connector = spec
                .connectors
                .iter()
                .find(|known| known.name == reach.connector);
            if let (Some(connector), Some(address)) = (connector, &reach.address) {
                check(
                    format!("spec.contacts[{index}].reach[{at}].address"),
                    connector.type_,
                    address,
                );
            }
        }
    }
}

/// What is missing: the policy works, but somebody should look.
pub fn open_items(spec: &EscalationPolicySpec) -> Vec<Finding> {
    let mut found = Vec::new();
    for level in [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ] {
        match spec.severities.iter().position(|row| row.level == level) {
            None => found.push(Finding::new(
                "NoSeverityRow",
                "spec.severities".to_owned(),
                format!(
                    "level {level:?} has no row, so that of the default severity counts; add one"
                ),
            )),
            Some(index)
                if spec
                    .severities
                    .get(index)
                    .is_some_and(|row| row.response_target.is_none()) =>
            {
                let message = format!(
                    "Support response targets not formally defined for level {level:?}; add `responseTarget`"
                );
                found.push(Finding::new(
                    "NoResponseTarget",
                    format!("spec.severities[{index}].responseTarget"),
                    message,
                ));
            }
            Some(_) => {}
        }
    }
    for (index, step) in spec.steps.iter().enumerate() {
        if step.notify.is_empty() || step.notify.iter().all(|target| unreachable(spec, target)) {
            let message = format!(
                "escalation contact missing: step \"{}\" reaches nobody; give it somebody with a `reach`",
                step.name
            );
            found.push(Finding::new(
                "StepReachesNobody",
                format!("spec.steps[{index}].notify"),
                message,
            ));
        }
        if step.expectation.is_none() && step.tier == Some(Tier::Engineering) {
            let message = format!(
                "step \"{}\" does not say what engineering is expected to do; add `expectation`",
                step.name
            );
            found.push(Finding::new(
                "NoExpectation",
                format!("spec.steps[{index}].expectation"),
                message,
            ));
        }
    }
    if !spec
        .steps
        .iter()
        .any(|step| step.tier == Some(Tier::Engineering))
    {
        let message = "no step reaches engineering; add one with `tier: Engineering`".to_owned();
        found.push(Finding::new(
            "NoEngineeringStep",
            "spec.steps".to_owned(),
            message,
        ));
    }
    found
}

fn unreachable(spec: &EscalationPolicySpec, target: &NotifyTarget) -> bool {
    let mute = |name: &String| {
        spec.contacts
            .iter()
            .find(|known| known.name == *name)
            .is_none_or(|known| known.reach.is_empty())
    };
    let all = |members: &[String]| members.iter().all(mute);
    match target {
        NotifyTarget {
            contact: Some(name),
            ..
        } => mute(name),
        NotifyTarget {
            group: Some(name), ..
        } => spec
            .groups
            .iter()
            .find(|known| known.name == *name)
            .is_none_or(|group| all(&group.members)),
        NotifyTarget {
            rota: Some(name), ..
        } => spec
            .rotas
            .iter()
            .find(|known| known.name == *name)
            .is_none_or(|rota| all(&rota.members)),
        NotifyTarget { .. } => false,
    }
}

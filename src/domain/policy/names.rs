//! Checks of names: none twice, each one that is used exists, and no list reaches more than 16 targets.

use std::collections::BTreeSet;

use super::finding::{FindingCode, Findings};
use super::{MOST_TARGETS, Named, target_lists};
use crate::api::{EscalationPolicySpec, NotifyTarget};

/// Refuses two entries of one name.
pub(super) fn check_duplicates(spec: &EscalationPolicySpec, findings: &mut Findings) {
    unique(
        "channels",
        spec.channels.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "calendars",
        spec.calendars.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "connectors",
        spec.connectors.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "contacts",
        spec.contacts.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "groups",
        spec.groups.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "rotas",
        spec.rotas.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "overrides",
        spec.overrides.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "maintenance",
        spec.maintenance.iter().map(|entry| &entry.name),
        findings,
    );
    unique(
        "steps",
        spec.steps.iter().map(|entry| &entry.name),
        findings,
    );
    let mut levels = BTreeSet::new();
    for (index, row) in spec.severities.iter().enumerate() {
        if !levels.insert(row.level) {
            twice(
                &format!("{:?}", row.level),
                "severities",
                index,
                "level",
                findings,
            );
        }
    }
}

fn unique<'a>(list: &str, names: impl Iterator<Item = &'a String>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            twice(name, list, index, "name", findings);
        }
    }
}

fn twice(name: &str, list: &str, index: usize, key: &str, findings: &mut Findings) {
    let message = format!(
        "\"{name}\" stands twice in `spec.{list}`, so it is unclear which one counts; `{key}` must be unique"
    );
    findings.add(
        FindingCode::DuplicateName,
        format!("spec.{list}[{index}].{key}"),
        message,
    );
}

/// The names a spec declares.
struct Declared<'a> {
    contacts: BTreeSet<&'a str>,
    groups: BTreeSet<&'a str>,
    rotas: BTreeSet<&'a str>,
    connectors: BTreeSet<&'a str>,
    calendars: BTreeSet<&'a str>,
}

impl<'a> Declared<'a> {
    fn of(spec: &'a EscalationPolicySpec) -> Self {
        Self {
            contacts: spec
                .contacts
                .iter()
                .map(|entry| entry.name.as_str())
                .collect(),
            groups: spec
                .groups
                .iter()
                .map(|entry| entry.name.as_str())
                .collect(),
            rotas: spec.rotas.iter().map(|entry| entry.name.as_str()).collect(),
            connectors: spec
                .connectors
                .iter()
                .map(|entry| entry.name.as_str())
                .collect(),
            calendars: spec
                .calendars
                .iter()
                .map(|entry| entry.name.as_str())
                .collect(),
        }
    }

    /// Refuses a name that does not exist; the message lists what there is.
    fn need(&self, kind: Kind, name: &str, path: String, findings: &mut Findings) {
        let (code, list, known) = match kind {
            Kind::Contact => (FindingCode::UnknownContact, "contacts", &self.contacts),
            Kind::Group => (FindingCode::UnknownGroup, "groups", &self.groups),
            Kind::Rota => (FindingCode::UnknownRota, "rotas", &self.rotas),
            Kind::Connector => (
                FindingCode::UnknownConnector,
                "connectors",
                &self.connectors,
            ),
            Kind::Calendar => (FindingCode::UnknownCalendar, "calendars", &self.calendars),
        };
        if !known.contains(name) {
            let there: Vec<&str> = known.iter().copied().take(8).collect();
            let there = if there.is_empty() {
                "is empty".to_owned()
            } else {
                format!("has {}", there.join(", "))
            };
            findings.add(
                code,
                path,
                format!("\"{name}\" must be the name of an entry of `spec.{list}`, which {there}"),
            );
        }
    }
}

/// Lists that others refer to by name.
#[derive(Clone, Copy)]
enum Kind {
    Contact,
    Group,
    Rota,
    Connector,
    Calendar,
}

/// Refuses names of entries that do not exist; those in targets are `check_targets`'.
pub(super) fn check_references(spec: &EscalationPolicySpec, findings: &mut Findings) {
    let declared = Declared::of(spec);
    for (path, name) in calendar_references(spec) {
        declared.need(Kind::Calendar, name, path, findings);
    }
    for (index, contact) in spec.contacts.iter().enumerate() {
        for (way, reach) in contact.reach.iter().enumerate() {
            let path = format!("spec.contacts[{index}].reach[{way}].connector");
            declared.need(Kind::Connector, &reach.connector, path, findings);
        }
    }
    let groups = spec
        .groups
        .iter()
        .enumerate()
        .map(|(index, group)| ("groups", index, &group.members));
    let rotas = spec
        .rotas
        .iter()
        .enumerate()
        .map(|(index, rota)| ("rotas", index, &rota.members));
    for (list, index, members) in groups.chain(rotas) {
        for (place, member) in members.iter().enumerate() {
            let path = format!("spec.{list}[{index}].members[{place}]");
            declared.need(Kind::Contact, member, path, findings);
        }
    }
    for (index, known) in spec.overrides.iter().enumerate() {
        declared.need(
            Kind::Rota,
            &known.rota,
            format!("spec.overrides[{index}].rota"),
            findings,
        );
        declared.need(
            Kind::Contact,
            &known.member,
            format!("spec.overrides[{index}].member"),
            findings,
        );
    }
}

/// Every place that names a calendar.
fn calendar_references(spec: &EscalationPolicySpec) -> impl Iterator<Item = (String, &String)> {
    let channels = spec
        .channels
        .iter()
        .map(|channel| &channel.calendar)
        .enumerate();
    let rows = spec.severities.iter().map(|row| &row.calendar).enumerate();
    let rotas = spec.rotas.iter().map(|rota| &rota.calendar).enumerate();
    let steps = spec.steps.iter().map(|step| &step.calendar).enumerate();
    channels
        .map(|entry| ("channels", entry))
        .chain(rows.map(|entry| ("severities", entry)))
        .chain(rotas.map(|entry| ("rotas", entry)))
        .chain(steps.map(|entry| ("steps", entry)))
        .filter_map(|(list, (index, name))| {
            Some((format!("spec.{list}[{index}].calendar"), name.as_ref()?))
        })
}

/// Refuses targets that name nothing, several things or something unknown, and lists that reach too many.
pub(super) fn check_targets(spec: &EscalationPolicySpec, findings: &mut Findings) {
    let declared = Declared::of(spec);
    for (path, targets) in target_lists(spec) {
        for (index, target) in targets.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let (kind, name, field) = match Named::of(target) {
                Some(Named::Contact(name)) => (Kind::Contact, name, "contact"),
                Some(Named::Group(name)) => (Kind::Group, name, "group"),
                Some(Named::Rota(name)) => (Kind::Rota, name, "rota"),
                Some(Named::Connector(name)) => (Kind::Connector, name, "connector"),
                Some(Named::Reporter) => continue,
                None => {
                    let message = "must have exactly one of `contact`, `group`, `rota`, `connector`, `reporter: true`";
                    findings.add(FindingCode::InvalidTarget, at, message);
                    continue;
                }
            };
            declared.need(kind, name, format!("{at}.{field}"), findings);
        }
        let reached = count_targets(spec, targets);
        if reached > MOST_TARGETS {
            let message = format!(
                "reaches {reached} targets with its groups expanded; it must be at most {MOST_TARGETS}, so split it or use a rota"
            );
            findings.add(FindingCode::TooManyTargets, path, message);
        }
    }
}

/// How many different targets a list reaches; a rota counts once.
fn count_targets(spec: &EscalationPolicySpec, targets: &[NotifyTarget]) -> usize {
    let mut reached: BTreeSet<(&str, &str)> = BTreeSet::new();
    for target in targets {
        match Named::of(target) {
            Some(Named::Contact(name)) => drop(reached.insert(("contact", name))),
            Some(Named::Rota(name)) => drop(reached.insert(("rota", name))),
            Some(Named::Connector(name)) => drop(reached.insert(("connector", name))),
            Some(Named::Reporter) => drop(reached.insert(("reporter", ""))),
            Some(Named::Group(name)) => {
                let members = spec
                    .groups
                    .iter()
                    .filter(|group| group.name == name)
                    .flat_map(|group| &group.members);
                reached.extend(members.map(|member| ("contact", member.as_str())));
            }
            None => {}
        }
    }
    reached.len()
}

//! The checks that stand before the operator's own, row by row, and how fast a folder is checked.

use std::time::Instant;

use jiff::Timestamp;

use super::lint::{Report, Weight, check};
use super::schema::Schema;
use super::source::Source;

fn now() -> Timestamp {
    "2026-02-01T00:00:00Z".parse().unwrap()
}

fn report(text: &str) -> Report {
    let source = Source {
        file: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    check(&[source], now(), false)
}

fn policy(spec: &str) -> String {
    let spec: Vec<&str> = spec.lines().collect();
    let spec = spec.join("\n  ");
    format!(
        "apiVersion: firebell.dev/v1alpha1\nkind: EscalationPolicy\nmetadata: {{name: a}}\nspec:\n  {spec}\n"
    )
}

#[test]
fn every_rule_and_pattern_of_the_crd_is_understood_offline() {
    assert_eq!(Schema::of_policies().unknown_rules(), [] as [&str; 0]);
}

/// What is written in a spec, and what is said of which field.
const REFUSED: &[(&str, &str, &str)] = &[
    ("prioritty: 5", "UnknownField", "spec.prioritty"),
    ("priority: high", "WrongType", "spec.priority"),
    ("priority: -1", "OutOfBounds", "spec.priority"),
    (
        "defaultSeverity: Urgent",
        "UnknownWord",
        "spec.defaultSeverity",
    ),
    ("document: {id: \"", "BrokenYaml", ""),
    (
        "document: {lastReviewTime: yesterday}",
        "Malformed",
        "spec.document.lastReviewTime",
    ),
    ("suspend: {by: a}", "MissingField", "spec.suspend.untilTime"),
    (
        "severities: [{level: High, responseTarget: 15}]",
        "WrongType",
        "spec.severities[0].responseTarget",
    ),
    (
        "severities: [{level: High, responseTarget: soon}]",
        "Malformed",
        "spec.severities[0].responseTarget",
    ),
    (
        "severities: [{level: High, responseTarget: 9000h}]",
        "RuleBroken",
        "spec.severities[0].responseTarget",
    ),
    (
        "severities: [{level: High, responseTarget: 999999h}]",
        "RuleBroken",
        "spec.severities[0].responseTarget",
    ),
    (
        "connectors: [{name: a, type: Webhook, timeout: 61s}]",
        "RuleBroken",
        "spec.connectors[0].timeout",
    ),
    (
        "scope: {inScope: [{category: A}, {category: A}]}",
        "Duplicate",
        "spec.scope.inScope[1]",
    ),
    (
        "selector: {severities: [High, High]}",
        "Duplicate",
        "spec.selector.severities[1]",
    ),
    (
        "contacts: [{name: \"a b\"}]",
        "Malformed",
        "spec.contacts[0].name",
    ),
    (
        "contacts: [{name: \"\"}]",
        "TooShort",
        "spec.contacts[0].name",
    ),
    (
        "rotas: [{name: r, timeZone: UTC, start: 2026-01-05T09:00, shift: {days: 1, hours: 1}, members: [a]}]",
        "InvalidShift",
        "spec.rotas[0].shift",
    ),
    (
        "steps: [{name: s, notify: [{contact: a, group: b}]}]",
        "InvalidTarget",
        "spec.steps[0].notify[0]",
    ),
    (
        "steps: [{name: s, notify: [{reporter: false}]}]",
        "RuleBroken",
        "spec.steps[0].notify[0].reporter",
    ),
    (
        "steps: [{name: s, repeat: {every: 0s, times: 1}}]",
        "InvalidRepeat",
        "spec.steps[0].repeat.every",
    ),
    (
        "steps: [{name: s, repeat: {every: 1s, times: 101}}]",
        "OutOfBounds",
        "spec.steps[0].repeat.times",
    ),
    (
        "retention: {closedTickets: 1h}",
        "RuleBroken",
        "spec.retention.closedTickets",
    ),
    ("assumptions: a", "WrongType", "spec.assumptions"),
    (
        "overrides: [{name: o, rota: r, member: m, fromTime: 2026-01-02T00:00:00Z, untilTime: 2026-01-01T00:00:00Z, by: a}]",
        "InvalidTime",
        "spec.overrides[0].untilTime",
    ),
];

#[test]
fn what_the_api_server_refuses_is_an_error_at_its_line_and_field() {
    for (spec, code, path) in REFUSED.iter().copied() {
        let report = report(&policy(spec));
        let found = report.findings.iter().find(|found| found.code == code);
        let found = found.unwrap_or_else(|| panic!("{spec}: {:#?}", report.findings));
        assert_eq!(found.level, Weight::Error, "{spec}");
        assert_eq!(found.path.as_deref().unwrap_or_default(), path, "{spec}");
        assert_eq!(found.line, 5, "{spec}");
        assert!(report.errors > 0, "{spec}");
    }
}

#[test]
fn what_the_operator_would_say_is_said_with_the_line_it_is_about() {
    let report = report(&policy(
        "default: true\ncontacts:\n- name: alice\nsteps:\n- name: one\n  notify:\n  - contact: alice\n  - contact: bob",
    ));
    let at = |code: &str| {
        let found = report.findings.iter().find(|found| found.code == code);
        found.map(|found| (found.line, found.level))
    };
    assert_eq!(
        at("UnknownContact"),
        Some((12, Weight::Error)),
        "{report:#?}"
    );
    assert_eq!(at("ContactUnreachable"), Some((7, Weight::Warning)));
    assert_eq!(at("StepReachesNobody"), Some((10, Weight::Warning)));
    assert_eq!(
        at("SeverityMissing"),
        Some((4, Weight::Error)),
        "an error in lint"
    );
    assert_eq!(at("DefaultConflict"), None);
}

#[test]
fn other_kinds_are_skipped_and_an_unknown_version_of_ours_is_not() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {kind: EscalationPolicy}\n---\n\
                 apiVersion: other.dev/v1\nkind: EscalationPolicy\n---\napiVersion: firebell.dev/v1alpha1\nkind: Ticket\nspec: {title: 5}\n";
    let none = report(other);
    assert_eq!((none.policies, none.findings.len()), (0, 0), "{none:#?}");
    let newer = report(
        "apiVersion: firebell.dev/v9\nkind: EscalationPolicy\nmetadata: {name: a}\nspec: {}\n",
    );
    assert_eq!(newer.findings[0].code, "UnknownVersion");
}

#[test]
fn two_defaults_of_one_namespace_are_told_at_each() {
    let of = |name: &str, namespace: &str| {
        format!(
            "apiVersion: firebell.dev/v1alpha1\nkind: EscalationPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  default: true\n---\n"
        )
    };
    let report = report(&(of("a", "one") + &of("b", "one") + &of("c", "two")));
    let lines: Vec<u64> = report
        .findings
        .iter()
        .filter(|found| found.code == "DefaultConflict")
        .map(|found| found.line)
        .collect();
    assert_eq!(lines, [5, 11]);
}

#[test]
fn strict_makes_every_warning_an_error() {
    let source = Source {
        file: "a.yaml".to_owned(),
        text: include_str!("../../../examples/policy-small.yaml").to_owned(),
    };
    let loose = check(std::slice::from_ref(&source), now(), false);
    let strict = check(&[source], now(), true);
    assert_eq!((loose.errors, loose.warnings), (0, 2), "{loose:#?}");
    assert_eq!((strict.errors, strict.warnings), (2, 0));
}

/// A release build takes a fiftieth of that; here is room for one without optimisation on a machine that does other
/// work.
#[test]
fn a_folder_of_policies_is_checked_in_seconds_even_unoptimised() {
    let full = include_str!("../../../examples/policy-full.yaml");
    let sources: Vec<Source> = (0..20)
        .map(|number| Source {
            file: format!("{number}.yaml"),
            text: full.replace("name: checkout\n", &format!("name: checkout-{number}\n")),
        })
        .collect();
    let start = Instant::now();
    let report = check(&sources, now(), false);
    assert_eq!(
        (report.policies, report.errors),
        (20, 0),
        "{:#?}",
        report.findings.first()
    );
    let took = start.elapsed();
    assert!(took.as_secs() < 30, "took {took:?}");
}

#[test]
fn a_refused_field_does_not_hide_a_name_that_leads_nowhere_and_invents_none() {
    let report = report(&policy(
        "priority: high
contacts: [{name: alice}, {name: bob, timeZone: 5}]
connectors: [{name: sms, type: Telegram}]
steps:
- {name: one, after: soon, notify: [{contact: alice}, {contact: [a]}, {contact: nobody}]}
- {after: 5m, notify: [{contact: none}]}
- {name: three, notify: [{contact: bob}, {connector: sms}, {connector: chat}]}",
    ));
    let found = report.findings.iter();
    let mut unknown: Vec<(&str, &str)> = found
        .filter(|found| found.code.starts_with("Unknown") && found.code != "UnknownWord")
        .map(|found| (found.code.as_str(), found.path.as_deref().unwrap()))
        .collect();
    unknown.sort_unstable();
    assert_eq!(
        unknown,
        [
            ("UnknownConnector", "spec.steps[2].notify[2].connector"),
            ("UnknownContact", "spec.steps[0].notify[2].contact"),
        ]
    );
    let refused: Vec<&str> = report
        .findings
        .iter()
        .filter_map(|found| found.path.as_deref())
        .collect();
    for path in [
        "spec.priority",
        "spec.contacts[1].timeZone",
        "spec.connectors[0].type",
        "spec.steps[0].after",
        "spec.steps[0].notify[1].contact",
        "spec.steps[1].name",
    ] {
        assert!(refused.contains(&path), "{path}: {refused:?}");
    }
}

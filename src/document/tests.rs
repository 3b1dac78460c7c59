//! The document of three policies as people read it, and what must never stand in one.

use regex::Regex;

use super::{Paper, policy, rca, resolution};
use crate::api::{EscalationPolicy, EscalationPolicySpec, Rca, Ticket};
use crate::domain::policy::ValidPolicy;
use crate::simulation::timetables;

const MINIMAL: &str = "steps: [{name: on-call}]\n";
const EXAMPLES: [(&str, &str); 3] = [
    ("small", include_str!("../../examples/policy-small.yaml")),
    (
        "typical",
        include_str!("../../examples/policy-typical.yaml"),
    ),
    ("full", include_str!("../../examples/policy-full.yaml")),
];

fn document(name: &str, spec: EscalationPolicySpec) -> String {
    let checked = ValidPolicy::check(spec);
    let valid = checked.policy.unwrap();
    policy(&Paper {
        name,
        namespace: Some("shop"),
        revision: "revision-1",
        policy: &valid,
        timetables: &timetables(&valid),
        open_items: &checked.open_items,
    })
}

fn example(text: &str) -> EscalationPolicySpec {
    let policy: EscalationPolicy = serde_saphyr::from_str(text).unwrap();
    policy.spec
}

fn spec(text: &str) -> EscalationPolicySpec {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_document_of_a_minimal_a_typical_and_a_full_policy() {
    insta::assert_snapshot!("minimal", document("minimal", spec(MINIMAL)));
    for (name, text) in &EXAMPLES[1..] {
        insta::assert_snapshot!(*name, document(name, example(text)));
    }
}

#[test]
fn every_document_has_the_eleven_parts_in_their_order() {
    let text = document("minimal", spec(MINIMAL));
    let parts: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let expected = [
        "1. Overview",
        "2. Scope",
        "3. Channels",
        "4. Workflow",
        "5. Severities and targets",
        "6. Escalation",
        "7. Customer communication",
        "8. Root cause analysis",
        "9. Knowledge",
        "10. Assumptions and open items",
        "11. Summary and review",
    ];
    assert_eq!(parts, expected);
}

#[test]
fn nothing_sounds_like_a_contract_unless_it_is_confirmed() {
    let promises = Regex::new(
        r"(?i)guarant|\bsla\b|service.level|commit|promis|warrant|ensur|assur|obligat|liab|binding|contract|penalt|entitle",
    )
    .unwrap();
    let all = EXAMPLES.map(|(name, text)| (name, example(text)));
    for (name, spec) in all.into_iter().chain([("minimal", spec(MINIMAL))]) {
        let text = document(name, spec.clone());
        let found = promises.find(&text).map(|found| found.as_str());
        assert_eq!(found, None, "{name}");
        let mut confirmed = spec;
        confirmed.communication.get_or_insert_default().commitment =
            crate::api::Commitment::Confirmed;
        assert!(document(name, confirmed).contains("commitments"), "{name}");
    }
}

#[test]
fn gaps_are_said_as_gaps() {
    let text = document("minimal", spec(MINIMAL));
    assert!(
        text.contains("Support response targets not formally defined"),
        "{text}"
    );
    assert!(
        text.contains("escalation contact missing: step on-call reaches nobody"),
        "{text}"
    );
    assert!(
        text.contains("Support channels not formally defined"),
        "{text}"
    );
}

#[test]
fn what_somebody_wrote_breaks_no_table_and_becomes_no_markup() {
    let evil = r#"
document: {title: "a|b\n# c", owner: "<img src=x onerror=alert(1)>"}
scope: {inScope: [{category: Bug, description: "x | y\n| z |"}]}
severities: [{level: High, description: "line\n\n- item | cell", responseTarget: 15m}]
steps: [{name: on-call, expectation: "[click](javascript:alert(1)) | </td>"}]
assumptions: ["```\nend"]
openItems: [{message: "<script>|"}]
knowledge: {commonIssues: [{title: "](evil)", url: "https://a.example/>)"}]}
"#;
    let text = document("evil", spec(evil));
    assert!(
        !text.contains("<img") && !text.contains("<script") && !text.contains("</td"),
        "{text}"
    );
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut width = 0;
    for line in text.lines() {
        if !line.starts_with('|') {
            assert!(!line.contains("| z"), "{line}");
            width = 0;
        } else if width == 0 {
            width = cells(line);
        } else {
            assert_eq!(cells(line), width, "{line}");
        }
    }
}

#[test]
fn the_timetable_follows_the_chain_in_working_hours_and_names_rounds_and_end() {
    let text = document("typical", example(EXAMPLES[1].1));
    let row = |start: &str| {
        text.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_default()
    };
    assert!(
        row("| at once | on-call (support)").contains("every 5m, 2 times, last after 10m"),
        "{text}"
    );
    assert!(
        row("| after 15m | engineering").contains("Dana, Erik"),
        "{text}"
    );
    assert!(row("| after 45m | lead").contains("Fay"), "{text}");
    assert!(
        text.contains("The whole chain starts again after 1h."),
        "{text}"
    );
    assert!(
        text.contains("Unanswered to the end (after 1h50m): Fay is told."),
        "{text}"
    );
}

#[test]
fn a_published_rca_leaves_out_what_is_internal() {
    let mut it: Rca = serde_saphyr::from_str(include_str!("../../examples/rca.yaml")).unwrap();
    insta::assert_snapshot!("rca-internal", rca(&it));
    it.spec.publication = crate::api::Audience::Customers;
    let text = rca(&it);
    insta::assert_snapshot!("rca-customers", text);
    for internal in [
        "alice",
        "bob",
        "quiet hour",
        "closed mailbox",
        "at once",
        "runbook",
        "6 minutes",
    ] {
        assert!(!text.contains(internal), "{internal}: {text}");
    }
}

#[test]
fn a_resolution_has_the_policys_parts_in_its_order() {
    let ticket: Ticket = serde_saphyr::from_str(
        "{apiVersion: firebell.dev/v1alpha1, kind: Ticket, metadata: {name: a}, spec: {title: Down, \
         resolution: {by: alice, cause: Full disk, fix: More disk, workaround: true}}}",
    )
    .unwrap();
    let communication = spec("communication: {resolutionSummary: [fix, impact]}").communication;
    let text = resolution(&ticket, communication.as_ref()).unwrap();
    let parts: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2)
        .collect();
    assert_eq!(parts, ["| fix | More disk |", "| impact | not written |"]);
    assert!(text.contains("workaround"), "{text}");
    let unresolved = Ticket {
        spec: crate::api::TicketSpec {
            resolution: None,
            ..ticket.spec.clone()
        },
        ..ticket
    };
    assert_eq!(resolution(&unresolved, None), None);
}

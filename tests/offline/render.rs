//! `policy render`.

use crate::{call, call_with, examples};

#[test]
fn a_policy_is_printed_as_its_document_under_the_name_of_the_revision_that_a_cluster_would_store() {
    let answer = call(
        &examples(),
        &[
            "render",
            "policy-typical.yaml",
            "--at",
            "2026-06-10T00:00:00Z",
        ],
    );
    assert_eq!(answer.code, Some(0), "{}", answer.error);
    assert!(
        answer.out.starts_with("# Support and escalation, shop\n"),
        "{}",
        answer.out
    );
    let revision = answer
        .out
        .lines()
        .find(|line| line.starts_with("| Revision | shop-"))
        .unwrap();
    assert_eq!(
        revision.len(),
        "| Revision | shop-0123456789 |".len(),
        "{revision}"
    );
    assert!(!answer.out.contains("ReviewOverdue"), "{}", answer.out);
    let later = call(
        &examples(),
        &[
            "render",
            "policy-typical.yaml",
            "--at",
            "2027-06-10T00:00:00Z",
        ],
    );
    assert!(later.out.contains("ReviewOverdue"), "{}", later.out);
}

#[test]
fn a_resolved_ticket_is_printed_in_the_format_of_its_policy_and_an_rca_as_its_document() {
    let ticket = "\n---\n{apiVersion: firebell.dev/v1alpha1, kind: Ticket, metadata: {name: a}, spec: {title: Down, \
                  resolution: {by: alice, cause: Full disk, fix: More disk}}}\n---\n";
    let policy = "{apiVersion: firebell.dev/v1alpha1, kind: EscalationPolicy, metadata: {name: a}, \
                  spec: {communication: {resolutionSummary: [fix]}}}";
    let rca = std::fs::read_to_string(examples().join("rca.yaml")).unwrap();
    let answer = call_with(
        &examples(),
        &["render", "-"],
        &(policy.to_owned() + ticket + &rca),
    );
    assert_eq!(answer.code, Some(0), "{}", answer.error);
    assert!(
        answer
            .out
            .contains("# Resolution: Down\n\n| Part |  |\n| --- | --- |\n| fix | More disk |\n"),
        "{}",
        answer.out
    );
    assert!(
        answer
            .out
            .contains("# Root cause analysis: card-payments-fail"),
        "{}",
        answer.out
    );
    assert!(!answer.out.contains("Full disk"), "{}", answer.out);
}

#[test]
fn a_policy_with_errors_is_not_printed_and_says_who_tells_more() {
    let text = "{apiVersion: firebell.dev/v1alpha1, kind: EscalationPolicy, metadata: {name: a}, spec: {steps: [{name: a, notify: [{contact: b}]}]}}";
    let answer = call_with(&examples(), &["render", "-"], text);
    assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""));
    assert!(
        answer.error.contains("UnknownContact") && answer.error.contains("policy lint"),
        "{}",
        answer.error
    );
    let nothing = call_with(&examples(), &["render", "-"], "kind: Other\n");
    assert_eq!(nothing.code, Some(2));
}

//! What people see of the API with kubectl: columns, short names, field selectors, explanations.

use firebell::testkit::controlplane::ControlPlane;
use firebell::testkit::eventually;
use firebell::testkit::stage::LIMIT;
use serde_json::json;

use crate::server::Server;

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

async fn kubectl(plane: &ControlPlane, args: &[&str]) -> String {
    plane.kubectl(args.iter().copied()).run().await.unwrap()
}

async fn with_a_ticket() -> Server {
    let server = Server::ready().await;
    let ticket = json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket", "metadata": {"name": "seen"},
        "spec": {"title": "Checkout returns 5xx", "service": "checkout", "assignment": {"assignee": "bob", "by": "alice"}},
    });
    server.keep("tickets", &ticket).await;
    let status = json!({
        "phase": "Assigned", "severity": "High",
        "policy": {"name": "gold"},
        "escalation": {"state": "Running", "step": "on-call", "nextTime": "2026-01-05T09:15:00Z"},
        "targets": {"response": {"state": "Running", "dueTime": "2026-01-05T09:30:00Z"}},
    });
    server.status("tickets", "seen", &status).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_get_shows_where_a_ticket_stands() {
    let server = with_a_ticket().await;
    let list = kubectl(server.plane, &["get", "tkt", "-n", &server.namespace]).await;
    let mut lines = list.lines();
    assert_eq!(
        words(lines.next().unwrap()),
        [
            "NAME",
            "SEVERITY",
            "PHASE",
            "ESCALATION",
            "STEP",
            "NEXT",
            "ASSIGNEE",
            "AGE"
        ]
    );
    let row = words(lines.next().unwrap());
    assert_eq!(
        row[..7],
        [
            "seen",
            "High",
            "Assigned",
            "Running",
            "on-call",
            "2026-01-05T09:15:00Z",
            "bob"
        ]
    );
    let wide = kubectl(
        server.plane,
        &["get", "tickets", "-o", "wide", "-n", &server.namespace],
    )
    .await;
    assert!(
        wide.lines()
            .next()
            .unwrap()
            .ends_with("TITLE                  POLICY   RESPONSE-DUE"),
        "{wide}"
    );
    assert!(
        wide.contains("Checkout returns 5xx   gold     2026-01-05T09:30:00Z"),
        "{wide}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_found_by_each_selectable_field() {
    let server = with_a_ticket().await;
    for (selector, found) in [
        ("status.severity=High", true),
        ("status.severity=Low", false),
        ("spec.service=checkout", true),
        ("spec.assignment.assignee=bob", true),
        ("status.phase=Assigned,status.policy.name=gold", true),
        ("status.archived!=true", true),
        ("status.archived=true", false),
    ] {
        let names = kubectl(
            server.plane,
            &[
                "get",
                "tkt",
                "-o",
                "name",
                "-n",
                &server.namespace,
                "--field-selector",
                selector,
            ],
        )
        .await;
        assert_eq!(
            names.contains("ticket.firebell.dev/seen"),
            found,
            "{selector}: {names}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explain_tells_meaning_unit_and_default() {
    let server = Server::ready().await;
    for (path, says) in [
        ("ticket.spec.severity", "Absent = not triaged yet"),
        ("escpol.spec.steps.after", "Default 0s"),
        ("escalationpolicy.spec.rca.dueWithin", "Default 120h"),
        ("rca.spec.waiver", "It is not needed, and why"),
    ] {
        // The API server describes a new kind to `kubectl explain` a moment after it serves it.
        let text = eventually("it is explained", LIMIT, async || {
            server.plane.kubectl(["explain", path]).run().await.ok()
        });
        let text = text.await.unwrap();
        assert!(words(&text).join(" ").contains(says), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_definitions_install_by_a_plain_kubectl_apply() {
    let server = Server::ready().await;
    let said = server
        .plane
        .kubectl(["apply", "--dry-run=server", "-f", "-"])
        .input(firebell::api::crd::yaml())
        .run()
        .await
        .unwrap();
    for plural in ["tickets", "escalationpolicies", "rcas"] {
        let line = format!("customresourcedefinition.apiextensions.k8s.io/{plural}.firebell.dev");
        assert!(said.contains(&line), "{said}");
    }
}

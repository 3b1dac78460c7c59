//! Health as `GitOps` tools judge it, and the pipelines that people copy: the Argo CD script is run by a real Lua
//! interpreter, kstatus' decision table is followed rule by rule, and every command of the pipelines is run.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "gitops/argocd.rs"]
mod argocd;
#[path = "gitops/kstatus.rs"]
mod kstatus;
#[path = "gitops/pipelines.rs"]
mod pipelines;

use std::path::Path;

use serde_json::{Value, json};

use kstatus::Status::{self, Current, Failed, InProgress};

fn example(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path);
    std::fs::read_to_string(path).unwrap()
}

/// An object as the operator leaves it: generation, observed generation, conditions (type, status, message).
fn object(kind: &str, generations: (i64, Option<i64>), conditions: &[(&str, &str, &str)]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(type_, status, message)| {
            json!({"type": type_, "status": status, "reason": "Reason", "message": message, "observedGeneration": generations.1})
        })
        .collect();
    let mut object = json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": kind,
        "metadata": {"name": "a", "namespace": "shop", "generation": generations.0},
    });
    if let Some(observed) = generations.1 {
        object["status"] = json!({"observedGeneration": observed, "conditions": conditions});
    }
    object
}

const READY: (&str, &str, &str) = ("Ready", "True", "the policy is valid and in use");
const BROKEN: [(&str, &str, &str); 2] = [
    (
        "Ready",
        "False",
        "no ticket can use it until this is mended",
    ),
    (
        "Stalled",
        "True",
        "no ticket can use it until this is mended",
    ),
];

/// What is looked at, what Argo CD and what kstatus must say of it.
type Row = (&'static str, Value, &'static str, Status);

/// The states of a policy that docs/gitops.md lists.
fn policies() -> Vec<Row> {
    let policy =
        |generations, conditions: &[_]| object("EscalationPolicy", generations, conditions);
    let suspended = [READY, ("Suspended", "True", "by alice")];
    let conflict = [READY, ("DefaultConflict", "True", "two")];
    let waits = [("Ready", "False", "wait")];
    vec![
        (
            "not seen yet",
            policy((1, None), &[]),
            "Progressing",
            Current,
        ),
        (
            "an edit not looked at yet",
            policy((2, Some(1)), &[READY]),
            "Progressing",
            InProgress,
        ),
        (
            "an edit after an error",
            policy((3, Some(2)), &BROKEN),
            "Progressing",
            InProgress,
        ),
        ("valid", policy((2, Some(2)), &[READY]), "Healthy", Current),
        (
            "with an error",
            policy((2, Some(2)), &BROKEN),
            "Degraded",
            Failed,
        ),
        (
            "suspended",
            policy((1, Some(1)), &suspended),
            "Suspended",
            Current,
        ),
        (
            "with two defaults",
            policy((1, Some(1)), &conflict),
            "Healthy",
            Current,
        ),
        (
            "not ready for a while",
            policy((1, Some(1)), &waits),
            "Progressing",
            InProgress,
        ),
    ]
}

/// The states of tickets and RCAs: work that is open is healthy.
fn others() -> Vec<Row> {
    let open = [
        ("Acknowledged", "False", "Expired"),
        ("UpdateOverdue", "True", "No update"),
        ("Held", "True", "By alice"),
    ];
    let mut ticket = object("Ticket", (3, Some(3)), &open);
    ticket["status"]["phase"] = "Submitted".into();
    ticket["status"]["targets"] = json!({"response": {"state": "Breached"}});
    let rca = object("RCA", (1, Some(1)), &[READY, ("Overdue", "True", "late")]);
    vec![
        ("an open incident", ticket, "Healthy", Current),
        ("an RCA in the making", rca, "Healthy", Current),
    ]
}

fn rows() -> impl Iterator<Item = Row> {
    policies().into_iter().chain(others())
}

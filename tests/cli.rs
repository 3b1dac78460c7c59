//! The built `kubectl firebell` against a real API server, as people with rights of their own.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::{Path, PathBuf};
use std::process::Output;

use firebell::api::{ClosureReason, Ticket, Via};
use firebell::testkit::stage::Stage;
use kube::Api;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-firebell");

async fn call(kubeconfig: &Path, args: &[&str]) -> Output {
    tokio::process::Command::new(PLUGIN)
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .await
        .unwrap()
}

async fn said(kubeconfig: &Path, args: &[&str]) -> String {
    let output = call(kubeconfig, args).await;
    let (out, error) = texts(&output);
    assert!(output.status.success(), "{args:?}: {out}{error}");
    out
}

async fn refused(kubeconfig: &Path, args: &[&str]) -> String {
    let output = call(kubeconfig, args).await;
    let (out, error) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {out}{error}");
    error
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A responder who may look at tickets and declare facts about them, in one namespace, and nothing else.
async fn responder(stage: &Stage<'_>, name: &str) -> PathBuf {
    let rights = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "responder"},
        "rules": [{"apiGroups": ["firebell.dev"], "resources": ["tickets"], "verbs": ["get", "list", "patch"]}],
    });
    stage.grant(name, "responder", &rights.to_string()).await;
    stage.plane.user_kubeconfig(name, &[]).unwrap()
}

async fn open(stage: &Stage<'_>, name: &str) -> Api<Ticket> {
    stage.create_ticket(name).await;
    stage.tickets()
}

async fn stands(api: &Api<Ticket>, name: &str, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    api.patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_is_by_whoever_gave_it_under_a_field_manager_of_its_own_and_new_each_time()
 {
    let stage = Stage::set("cli").await;
    let alice = responder(&stage, "alice").await;
    let api = open(&stage, "down").await;
    let n = stage.namespace.as_str();

    let out = said(&alice, &["ack", "down", "-n", n, "--note", "looking"]).await;
    assert!(out.contains("ticket/down acknowledged by alice"), "{out}");
    let ticket = api.get("down").await.unwrap();
    let first = ticket.spec.acknowledgement.clone().unwrap();
    assert_eq!(
        (first.by.as_str(), first.note.as_deref(), first.via),
        ("alice", Some("looking"), Some(Via::Kubectl))
    );
    let managers: Vec<&str> = ticket
        .managed_fields()
        .iter()
        .filter_map(|entry| entry.manager.as_deref())
        .collect();
    assert!(
        managers.contains(&"firebell-acknowledgement"),
        "{managers:?}"
    );

    said(&alice, &["ack", "down", "-n", n]).await;
    let second = api.get("down").await.unwrap().spec.acknowledgement.unwrap();
    assert_eq!(second.note, None);
    assert!(first.token.is_some() && second.token.is_some());
    assert_ne!(first.token, second.token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_and_a_closure_say_who_and_why() {
    let stage = Stage::set("cli").await;
    let alice = responder(&stage, "alice").await;
    let api = open(&stage, "down").await;
    let n = stage.namespace.as_str();

    let resolve = [
        "-n",
        n,
        "resolve",
        "down",
        "--cause",
        "a bad release",
        "--fix",
        "rolled back",
    ];
    said(&alice, &resolve).await;
    said(&alice, &["close", "down", "-n", n, "--reason", "Cancelled"]).await;
    let spec = api.get("down").await.unwrap().spec;
    let (resolution, closure) = (spec.resolution.unwrap(), spec.closure.unwrap());
    assert_eq!(
        (
            resolution.by.as_str(),
            resolution.cause.as_deref(),
            resolution.fix.as_deref()
        ),
        ("alice", Some("a bad release"), Some("rolled back"))
    );
    assert_eq!(
        (closure.by.as_str(), closure.reason),
        ("alice", ClosureReason::Cancelled)
    );
    let odd = call(&alice, &["close", "down", "-n", n, "--reason", "Bored"]).await;
    assert_eq!(odd.status.code(), Some(2));
    assert!(texts(&odd).1.contains("OutOfScope"), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn list_and_show_tell_what_stands_in_the_status_and_archived_tickets_are_history() {
    let stage = Stage::set("cli").await;
    let alice = responder(&stage, "alice").await;
    let api = open(&stage, "down").await;
    open(&stage, "old").await;
    let n = stage.namespace.as_str();
    stands(&api, "old", json!({"phase": "Closed", "archived": true})).await;
    stands(&api, "down", json!({
        "phase": "Submitted", "severity": "High",
        "escalation": {"state": "Running", "round": 1, "firstRound": 1, "step": "on-call"},
        "timeline": [{"time": "2026-01-05T09:00:00Z", "type": "Opened", "message": "policy small applies"}],
        "deliveries": [{"id": "0", "round": 1, "step": "on-call", "target": "contact/alice", "state": "Delivered", "time": "2026-01-05T09:00:01Z"}],
    }))
    .await;

    let table = said(&alice, &["list", "-n", n]).await;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 2, "{table}");
    for word in [
        "down",
        "High",
        "Submitted",
        "Running (on-call)",
        "Checkout returns 5xx",
    ] {
        assert!(rows[1].contains(word), "{word}: {table}");
    }
    let page = said(&alice, &["show", "down", "-n", n]).await;
    for word in ["policy small applies", "contact/alice", "Delivered"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let admin = stage.plane.kubeconfig_path();
    let everywhere = said(admin, &["list", "-A"]).await;
    assert!(everywhere.contains(n), "{everywhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_is_wrong_and_what_to_do() {
    let stage = Stage::set("cli").await;
    let alice = responder(&stage, "alice").await;
    let bob = stage.plane.user_kubeconfig("bob", &[]).unwrap();
    open(&stage, "down").await;
    let n = stage.namespace.as_str();

    for verb in ["show", "ack"] {
        let error = refused(&alice, &[verb, "absent", "-n", n]).await;
        let told = format!("there is no ticket \"absent\" in namespace \"{n}\"");
        assert!(error.contains(&told), "{verb}: {error}");
    }
    for args in [vec!["list", "-n", n], vec!["ack", "down", "-n", n]] {
        let error = refused(&bob, &args).await;
        assert!(
            error.contains("you may not do that") && error.contains("\"bob\""),
            "{args:?}: {error}"
        );
    }
    let long = "x".repeat(1100);
    let error = refused(&alice, &["ack", "down", "-n", n, "--note", &long]).await;
    assert!(error.contains("the API server refuses it"), "{error}");
    let error = refused(Path::new("/nowhere/kubeconfig"), &["list"]).await;
    assert!(error.contains("no cluster to talk to"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_finds_it_as_a_plugin() {
    let stage = Stage::set("cli").await;
    let output = tokio::process::Command::new(stage.plane.binary("kubectl").unwrap())
        .args(["firebell", "list", "-n", &stage.namespace])
        .env("KUBECONFIG", stage.plane.kubeconfig_path())
        .env("PATH", Path::new(PLUGIN).parent().unwrap())
        .output()
        .await
        .unwrap();
    assert_eq!(texts(&output).0, "No open tickets.\n", "{output:?}");
}

//! The built `kubectl firebell` against a real API server, as people with rights of their own.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::{Path, PathBuf};
use std::process::Output;

use firebell::api::{ClosureReason, Ticket, Via};
use firebell::testkit::eventually;
use firebell::testkit::stage::{LIMIT, Stage};
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

/// A manager who may read policies, and nothing else.
async fn reader_of_policies(stage: &Stage<'_>, name: &str) -> PathBuf {
    let rights = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
         "rules": [{"apiGroups": ["firebell.dev"], "resources": ["escalationpolicies"], "verbs": ["get", "list"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
         "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]},
    ]});
    stage.apply(&rights.to_string()).await;
    let policies = "firebell.dev/escalationpolicies";
    let granted = async || {
        let may = stage.may(name, "list", policies, &stage.namespace).await;
        may.then_some(())
    };
    eventually("the rights count", LIMIT, granted)
        .await
        .unwrap();
    stage.plane.user_kubeconfig(name, &[]).unwrap()
}

fn policy(name: &str, contact: &str) -> String {
    format!(
        "apiVersion: firebell.dev/v1alpha1
kind: EscalationPolicy
metadata: {{name: {name}}}
spec:
  connectors: [{{name: hook, type: Webhook, address: \"https://pager.example.com/\"}}]
  contacts:
  - {{name: alice, reach: [{{connector: hook}}]}}
  - {{name: bob, reach: [{{connector: hook}}]}}
  rotas:
  - {{name: first, timeZone: Europe/Berlin, start: 2026-01-05T09:00, shift: {{days: 7}}, members: [alice, bob]}}
  overrides:
  - {{name: swap, rota: first, member: bob, fromTime: 2026-01-06T12:00:00Z, untilTime: 2026-01-06T15:00:00Z, by: alice}}
  steps:
  - {{name: on-call, notify: [{{rota: first}}]}}
  - {{name: second, after: 10m, severities: [Critical], notify: [{{contact: {contact}}}]}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn oncall_names_whom_each_step_pages_to_a_reader_of_policies_in_the_zone_of_the_reader() {
    let stage = Stage::set("cli").await;
    let carol = reader_of_policies(&stage, "carol").await;
    stage.apply(&policy("gold", "bob")).await;
    let ask = async |zone: &str, args: &[&str]| {
        let output = tokio::process::Command::new(PLUGIN)
            .args(["oncall", "-n", &stage.namespace])
            .args(args)
            .env("KUBECONFIG", &carol)
            .env("TZ", zone)
            .output()
            .await
            .unwrap();
        let (out, error) = texts(&output);
        assert!(output.status.success(), "{args:?}: {out}{error}");
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        out.lines().map(squeezed).collect::<Vec<_>>()
    };
    let at = ["gold", "--severity", "critical", "--at", "2026-01-06T08:00"];
    let expected = [
        "At 2026-01-06 08:00 EST (America/New_York):",
        "POLICY SEVERITY STEP WHO VIA UNTIL THEN",
        "gold Critical on-call bob rota first, override by alice until 2026-01-06 10:00 EST 2026-01-06 10:00 EST alice",
        "gold Critical second bob - - -",
    ];
    assert_eq!(ask("America/New_York", &at).await, expected);
    let expected = [
        "At 2026-01-12 08:00 UTC (UTC):",
        "POLICY SEVERITY STEP WHO VIA UNTIL THEN",
        "gold High on-call bob rota first 2026-01-19 08:00 UTC alice",
    ];
    let at = ["--severity", "High", "--at", "2026-01-12T08:00:00Z"];
    assert_eq!(ask("UTC", &at).await, expected);
    let now = ask("UTC", &[]).await;
    let rows = |level: &str| now.iter().filter(|line| line.contains(level)).count();
    assert_eq!(
        (rows("Critical"), rows("High"), rows("Low")),
        (2, 1, 1),
        "{now:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn oncall_says_what_is_wrong_with_a_policy_a_name_a_time_or_the_rights() {
    let stage = Stage::set("cli").await;
    let carol = reader_of_policies(&stage, "carol").await;
    let bob = stage.plane.user_kubeconfig("bob", &[]).unwrap();
    stage.apply(&policy("broken", "nobody")).await;
    let n = stage.namespace.as_str();

    let error = refused(&carol, &["oncall", "broken", "-n", n]).await;
    for word in [
        "\"broken\"",
        "is not valid",
        "spec.steps[1].notify[0]",
        "\"nobody\"",
    ] {
        assert!(error.contains(word), "{word}: {error}");
    }
    let listed = said(&carol, &["oncall", "-n", n]).await;
    assert!(listed.contains("Policy broken is not valid"), "{listed}");
    let error = refused(&carol, &["oncall", "absent", "-n", n]).await;
    let told = format!("there is no policy \"absent\" in namespace \"{n}\"");
    assert!(error.contains(&told), "{error}");
    for args in [vec!["oncall", "-n", n], vec!["oncall", "broken", "-n", n]] {
        let error = refused(&bob, &args).await;
        assert!(error.contains("you may not do that"), "{args:?}: {error}");
    }
    let odd = call(&carol, &["oncall", "-n", n, "--at", "tomorrow"]).await;
    assert_eq!(odd.status.code(), Some(2));
    let error = texts(&odd).1;
    for word in [
        "tomorrow",
        "--at",
        "must be a time such as 2026-01-05T09:00",
    ] {
        assert!(error.contains(word), "{word}: {error}");
    }
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

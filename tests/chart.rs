//! The Helm chart, by a real Helm against a real API server: what it renders is taken, the rights it gives are exactly
//! those the operator uses, and its replicas elect a leader.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "chart/intake.rs"]
mod intake;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Parser;
use firebell::app::{Cli, Command};
use firebell::testkit::controlplane::ControlPlaneError;
use firebell::testkit::eventually;
use firebell::testkit::stage::{LEASE_ROLE, LIMIT, ROLE, Stage};
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

async fn helm(stage: &Stage<'_>, args: &[&str]) -> Result<String, String> {
    let output = tokio::process::Command::new(stage.plane.binary("helm").unwrap())
        .args(args)
        .env("HELM_CACHE_HOME", stage.plane.folder().join("helm"))
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}

async fn rendered(stage: &Stage<'_>, extra: &[&str]) -> Result<String, String> {
    let chart = root().join("charts/firebell");
    let common = [
        "template",
        "bell",
        chart.to_str().unwrap(),
        "-n",
        &stage.namespace,
    ];
    let args: Vec<&str> = common.into_iter().chain(extra.iter().copied()).collect();
    helm(stage, &args).await
}

/// The objects of what was rendered.
fn objects_of(text: &str) -> Vec<Value> {
    text.split("\n---")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

fn of_kind<'o>(objects: &'o [Value], kind: &'o str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// What the program makes of the arguments of a Deployment's pod.
fn command_of(deployment: &Value) -> Command {
    let given = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let given: Vec<String> = serde_json::from_value(given.clone()).unwrap();
    let line = ["firebell".to_owned()].into_iter().chain(given);
    Cli::try_parse_from(line).unwrap().command
}

/// The pod that a Deployment makes, under this name.
fn pod_of(deployment: &Value, name: &str) -> Value {
    let template = &deployment["spec"]["template"];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["name"] = name.into();
    pod
}

/// From now on pods of the stage's namespace are restricted.
async fn restrict(stage: &Stage<'_>) {
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    let label = ["label", "namespace", &stage.namespace, restricted];
    stage.plane.kubectl(label).run().await.unwrap();
}

/// What the API server says of a pod, which it does not store.
async fn tried(stage: &Stage<'_>, pod: &Value) -> Result<String, ControlPlaneError> {
    let create = [
        "-n",
        &stage.namespace,
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    let kubectl = stage.plane.kubectl(create).input(pod.to_string());
    kubectl.run().await
}

async fn apply(stage: &Stage<'_>, objects: String) {
    let args = ["apply", "--validate=strict", "-f", "-"];
    stage
        .plane
        .kubectl(args)
        .input(objects)
        .run()
        .await
        .unwrap();
}

/// Each verb on each resource the operator has to do with: allowed where `wanted` says so, and nowhere else.
async fn rights_are(stage: &Stage<'_>, namespace: &str, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<&str, &str> = wanted.iter().copied().collect();
    let mut wrong = Vec::new();
    // The API server takes new rights in a moment after it has stored them.
    let right = eventually("the rights count", LIMIT, async || {
        wrong = differences(stage, namespace, &wanted).await;
        wrong.is_empty().then_some(())
    })
    .await;
    assert!(right.is_ok(), "in {namespace}: {wrong:#?}");
}

async fn differences(
    stage: &Stage<'_>,
    namespace: &str,
    wanted: &BTreeMap<&str, &str>,
) -> Vec<String> {
    let account = format!("system:serviceaccount:{}:bell-firebell", stage.namespace);
    let mut wrong = Vec::new();
    for resource in [
        "firebell.dev/tickets",
        "firebell.dev/tickets/status",
        "firebell.dev/escalationpolicies",
        "firebell.dev/escalationpolicies/status",
        "firebell.dev/rcas",
        "firebell.dev/rcas/status",
        "apps/controllerrevisions",
        "/secrets",
        "events.k8s.io/events",
        "coordination.k8s.io/leases",
        "/pods",
    ] {
        let allowed = wanted.get(resource).copied().unwrap_or_default();
        for verb in [
            "get", "list", "watch", "create", "update", "patch", "delete",
        ] {
            let expected = allowed.split(' ').any(|known| known == verb);
            if stage.may(&account, verb, resource, namespace).await != expected {
                wrong.push(format!("{verb} {resource}: expected {expected}"));
            }
        }
    }
    wrong
}

const POLICIES: [(&str, &str); 4] = [
    ("firebell.dev/escalationpolicies", "get list watch"),
    ("firebell.dev/escalationpolicies/status", "patch"),
    ("/secrets", "get"),
    ("events.k8s.io/events", "create"),
];
const TICKETS: [(&str, &str); 5] = [
    ("firebell.dev/tickets", "get list watch delete"),
    ("firebell.dev/tickets/status", "patch"),
    ("firebell.dev/rcas", "get list watch create"),
    ("firebell.dev/rcas/status", "patch"),
    ("apps/controllerrevisions", "get list watch create delete"),
];

/// Where its lease is, besides its own lease by name.
const LEASES: [(&str, &str); 2] = [
    ("coordination.k8s.io/leases", "list watch create"),
    ("events.k8s.io/events", "create"),
];

fn folder(path: &Path) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    };
    std::fs::read_dir(path).unwrap().map(read).collect()
}

#[test]
fn the_chart_installs_the_very_crds_of_this_version() {
    let (ours, charts) = (root().join("crds"), root().join("charts/firebell/crds"));
    let (ours, charts) = (folder(&ours), folder(&charts));
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        charts.keys().collect::<Vec<_>>()
    );
    for (name, text) in &ours {
        assert!(
            charts.get(name) == Some(text),
            "charts/firebell/crds/{name} is stale: cp crds/*.yaml charts/firebell/crds/"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_finds_no_fault_and_refuses_values_that_make_no_sense() {
    let stage = Stage::set("chart").await;
    let chart = root().join("charts/firebell");
    let linted = helm(&stage, &["lint", "--strict", chart.to_str().unwrap()]).await;
    linted.unwrap();
    for (values, word) in [
        ("replicas=many", "replicas"),
        ("lease.duration=1500ms", "duration"),
        ("lease.duration=61s", "duration"),
        ("replica=1", "replica"),
        ("archiveAfter=tomorrow", "archiveAfter"),
        ("namespaces={Shop}", "namespaces"),
    ] {
        let refusal = rendered(&stage, &["--set", values]).await.unwrap_err();
        assert!(refusal.contains(word), "{values}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_for_the_whole_cluster_it_may_do_what_it_does_and_no_more() {
    let stage = Stage::set("chart").await;
    let objects = rendered(&stage, &[]).await.unwrap();
    apply(&stage, objects).await;
    let wanted: Vec<_> = TICKETS.into_iter().chain(POLICIES).collect();
    rights_are(&stage, "anywhere", &wanted).await;
    let here: Vec<_> = wanted.into_iter().chain(LEASES).collect();
    rights_are(&stage, &stage.namespace, &here).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_for_some_namespaces_it_may_do_nothing_elsewhere() {
    let stage = Stage::set("chart").await;
    let shop = Stage::set("shop").await.namespace;
    let shared = Stage::set("shared").await.namespace;
    let namespaces = format!("namespaces={{{shop}}}");
    let policies = format!("sharedPolicyNamespace={shared}");
    let objects = rendered(&stage, &["--set", &namespaces, "--set", &policies]).await;
    apply(&stage, objects.unwrap()).await;
    let wanted: Vec<_> = TICKETS.into_iter().chain(POLICIES).collect();
    rights_are(&stage, &shop, &wanted).await;
    let revisions = ("apps/controllerrevisions", "get list watch create");
    let wanted: Vec<_> = POLICIES.into_iter().chain([revisions]).collect();
    rights_are(&stage, &shared, &wanted).await;
    rights_are(&stage, &stage.namespace, &LEASES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_pod_is_taken_where_pods_are_restricted() {
    let stage = Stage::set("chart").await;
    restrict(&stage).await;
    let objects = rendered(&stage, &[]).await.unwrap();
    apply(&stage, objects).await;

    let only = [
        "--show-only",
        "templates/deployment.yaml",
        "--set",
        "extraCA.configMap=ca",
    ];
    let text = rendered(&stage, &only).await.unwrap();
    let deployment: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(deployment["spec"]["strategy"]["type"], "RollingUpdate");
    let mut pod = pod_of(&deployment, "bell");
    let said = tried(&stage, &pod).await;
    assert!(said.unwrap().contains("pod/bell created"));

    // The very same pod with one right more is refused: restriction is at work here.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refused = eventually("the label restricts pods", LIMIT, async || {
        tried(&stage, &pod).await.err()
    });
    let refusal = refused.await.unwrap().to_string();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_arguments_of_its_pod_are_those_that_the_program_takes() {
    let stage = Stage::set("chart").await;
    let every = "namespaces={shop,depot},sharedPolicyNamespace=shared,allowNetworks={10.0.0.0/8},extraCA.configMap=ca,archiveAfter=48h,log.format=text";
    for values in ["replicas=1", every] {
        let only = ["--show-only", "templates/deployment.yaml", "--set", values];
        let text = rendered(&stage, &only).await.unwrap();
        let deployment: Value = serde_saphyr::from_str(&text).unwrap();
        let Command::Run(run) = command_of(&deployment) else {
            panic!("the pod should run the operator: {deployment}");
        };
        if values == every {
            assert_eq!(run.namespaces, ["shop", "depot"]);
            assert_eq!(run.shared_policy_namespace.as_deref(), Some("shared"));
            assert_eq!(run.archive_after.to_string(), "48h");
        }
    }
}

/// Group, resource and verb of each right in the rules of a Role.
fn rights(role: &Value) -> BTreeSet<(String, String, String)> {
    let words = |list: &Value| -> Vec<String> {
        let words = list.as_array().unwrap().iter();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    rights.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    rights
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_every_test_runs_the_operator_with_is_the_very_role_of_the_chart() {
    let stage = Stage::set("chart").await;
    let namespaces = format!("namespaces={{{}}}", stage.namespace);
    let only = ["--show-only", "templates/rbac.yaml", "--set", &namespaces];
    let text = rendered(&stage, &only).await.unwrap();
    let objects = objects_of(&text);
    let of_chart = of_kind(&objects, "Role").next().unwrap();
    let of_tests: Value = serde_saphyr::from_str(ROLE).unwrap();
    assert_eq!(rights(&of_tests), rights(of_chart));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_replicas_elect_a_leader_with_the_very_rights_that_every_test_has() {
    let stage = Stage::set("chart").await;
    let text = rendered(&stage, &["--set", "replicas=3"]).await.unwrap();
    let objects = objects_of(&text);
    let of = |kind: &'static str, end: &str| {
        let mut found = of_kind(&objects, kind);
        found.find(|object| object["metadata"]["name"].as_str().unwrap().ends_with(end))
    };
    let Command::Run(run) = command_of(of("Deployment", "").unwrap()) else {
        panic!("the pod should run the operator")
    };
    assert!(run.leader_elect);
    assert_eq!(run.lease_name, "bell-firebell");
    assert_eq!(run.lease_namespace.as_deref(), Some(&*stage.namespace));
    assert_eq!(run.lease_duration.as_secs(), 3);
    let of_tests = LEASE_ROLE.replace("[firebell]", "[bell-firebell]");
    let of_tests: Value = serde_saphyr::from_str(&of_tests).unwrap();
    let rules = |role: &Value| -> BTreeSet<String> {
        let rules = role["rules"].as_array().unwrap().iter();
        rules.map(Value::to_string).collect()
    };
    assert_eq!(rules(&of_tests), rules(of("Role", "-lease").unwrap()));
    let budget = of("PodDisruptionBudget", "").unwrap();
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    apply(&stage, text).await;
    let alone = rendered(&stage, &["--set", "replicas=1"]).await.unwrap();
    assert!(
        !alone.contains("PodDisruptionBudget"),
        "one replica would never be evicted"
    );
}

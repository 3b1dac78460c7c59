//! The Helm chart, by a real Helm against a real API server: what it renders is taken, the rights it gives are exactly
//! those the operator uses, and two operators are refused.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "people/cluster.rs"]
mod cluster;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cluster::Cluster;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

async fn helm(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
    let output = tokio::process::Command::new(cluster.plane.binary("helm").unwrap())
        .args(args)
        .env("HELM_CACHE_HOME", cluster.plane.folder().join("helm"))
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

async fn rendered(cluster: &Cluster, extra: &[&str]) -> Result<String, String> {
    let chart = root().join("charts/firebell");
    let common = [
        "template",
        "bell",
        chart.to_str().unwrap(),
        "-n",
        &cluster.namespace,
    ];
    let args: Vec<&str> = common.into_iter().chain(extra.iter().copied()).collect();
    helm(cluster, &args).await
}

async fn apply(cluster: &Cluster, objects: String) {
    let args = ["apply", "--validate=strict", "-f", "-"];
    cluster
        .plane
        .kubectl(args)
        .input(objects)
        .run()
        .await
        .unwrap();
}

/// Whether the operator's account may do that.
async fn may(cluster: &Cluster, verb: &str, resource: &str, namespace: &str) -> bool {
    let (group, rest) = resource.split_once('/').unwrap();
    let (resource, subresource) = rest.split_once('/').unwrap_or((rest, ""));
    let account = format!("system:serviceaccount:{}:bell-firebell", cluster.namespace);
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(account),
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()),
                verb: Some(verb.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    let answer = api.create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

/// Each verb on each resource the operator has to do with: allowed where `wanted` says so, and nowhere else.
async fn rights_are(cluster: &Cluster, namespace: &str, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<&str, &str> = wanted.iter().copied().collect();
    let mut wrong = Vec::new();
    for resource in [
        "firebell.dev/tickets",
        "firebell.dev/tickets/status",
        "firebell.dev/escalationpolicies",
        "firebell.dev/escalationpolicies/status",
        "firebell.dev/rcas",
        "apps/controllerrevisions",
        "/secrets",
        "events.k8s.io/events",
        "/pods",
    ] {
        let allowed = wanted.get(resource).copied().unwrap_or_default();
        for verb in [
            "get", "list", "watch", "create", "update", "patch", "delete",
        ] {
            let expected = allowed.split(' ').any(|known| known == verb);
            if may(cluster, verb, resource, namespace).await != expected {
                wrong.push(format!("{verb} {resource}: expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "in {namespace}: {wrong:#?}");
}

const POLICIES: [(&str, &str); 4] = [
    ("firebell.dev/escalationpolicies", "get list watch"),
    ("firebell.dev/escalationpolicies/status", "patch"),
    ("/secrets", "get"),
    ("events.k8s.io/events", "create"),
];
const TICKETS: [(&str, &str); 3] = [
    ("firebell.dev/tickets", "get list watch"),
    ("firebell.dev/tickets/status", "patch"),
    ("apps/controllerrevisions", "get list watch create delete"),
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
async fn helm_finds_no_fault_and_refuses_two_operators() {
    let cluster = cluster::ready("chart").await;
    let chart = root().join("charts/firebell");
    let linted = helm(&cluster, &["lint", "--strict", chart.to_str().unwrap()]).await;
    linted.unwrap();
    for (values, word) in [
        ("replicas=2", "replicas"),
        ("replica=1", "replica"),
        ("archiveAfter=tomorrow", "archiveAfter"),
        ("namespaces={Shop}", "namespaces"),
    ] {
        let refusal = rendered(&cluster, &["--set", values]).await.unwrap_err();
        assert!(refusal.contains(word), "{values}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_for_the_whole_cluster_it_may_do_what_it_does_and_no_more() {
    let cluster = cluster::ready("chart").await;
    let objects = rendered(&cluster, &[]).await.unwrap();
    apply(&cluster, objects).await;
    let wanted: Vec<_> = TICKETS.into_iter().chain(POLICIES).collect();
    rights_are(&cluster, "anywhere", &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_for_some_namespaces_it_may_do_nothing_elsewhere() {
    let cluster = cluster::ready("chart").await;
    let shop = cluster::ready("shop").await.namespace;
    let shared = cluster::ready("shared").await.namespace;
    let namespaces = format!("namespaces={{{shop}}}");
    let policies = format!("sharedPolicyNamespace={shared}");
    let objects = rendered(&cluster, &["--set", &namespaces, "--set", &policies]).await;
    apply(&cluster, objects.unwrap()).await;
    let wanted: Vec<_> = TICKETS.into_iter().chain(POLICIES).collect();
    rights_are(&cluster, &shop, &wanted).await;
    let revisions = ("apps/controllerrevisions", "get list watch create");
    let wanted: Vec<_> = POLICIES.into_iter().chain([revisions]).collect();
    rights_are(&cluster, &shared, &wanted).await;
    rights_are(&cluster, &cluster.namespace, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_pod_is_taken_where_pods_are_restricted() {
    let cluster = cluster::ready("chart").await;
    let n = cluster.namespace.as_str();
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    let label = ["label", "namespace", n, restricted];
    cluster.plane.kubectl(label).run().await.unwrap();
    let objects = rendered(&cluster, &[]).await.unwrap();
    apply(&cluster, objects).await;

    let only = [
        "--show-only",
        "templates/deployment.yaml",
        "--set",
        "extraCA.configMap=ca",
    ];
    let text = rendered(&cluster, &only).await.unwrap();
    let deployment: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let template = &deployment["spec"]["template"];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["name"] = "bell".into();
    let create = [
        "-n",
        n,
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    let said = cluster
        .plane
        .kubectl(create)
        .input(pod.to_string())
        .run()
        .await;
    assert!(said.unwrap().contains("pod/bell created"));

    // The very same pod with one right more is refused: restriction is at work here.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refused = cluster
        .plane
        .kubectl(create)
        .input(pod.to_string())
        .run()
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("violates PodSecurity")
    );
}

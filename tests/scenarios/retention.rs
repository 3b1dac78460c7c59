//! Archived tickets are deleted once their policy's `retention.closedTickets` is over, page by page, by exactly the
//! right that this takes; whatever else is stored stays.

use std::sync::Arc;

use firebell::api::{EscalationPolicySpec, Ticket};
use firebell::clock::WallClock;
use firebell::controller::retention::{Pass, Retention};
use firebell::domain::policy::ValidPolicy;
use firebell::domain::selection::{LivePolicy, PolicyIndex};
use firebell::metrics::Metrics;
use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options};
use firebell::testkit::stage::{LIMIT, ROLE, Stage};
use jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

/// A ticket that was closed so many hours ago and runs on `gold`.
async fn closed(stage: &Stage<'_>, name: &str, hours: i64, archived: bool) {
    stage.create_ticket(name).await;
    let status = json!({
        "phase": "Closed", "archived": archived,
        "closeTime": (Timestamp::now() - SignedDuration::from_hours(hours)).to_string(),
        "policy": {"name": "gold", "namespace": stage.namespace, "revision": "gold-1", "generation": 1, "latestGeneration": 1},
    });
    let patch = Patch::Merge(json!({ "status": status }));
    let params = PatchParams::default();
    stage
        .tickets()
        .patch_status(name, &params, &patch)
        .await
        .unwrap();
}

async fn names(stage: &Stage<'_>) -> Vec<String> {
    let listed = stage.tickets().list(&ListParams::default()).await.unwrap();
    let name = |ticket: Ticket| ticket.metadata.name.unwrap_or_default();
    listed.items.into_iter().map(name).collect()
}

/// What decides, as the operator sees it: policy `gold` and its revision `gold-1`.
fn policies(namespace: &str, spec: EscalationPolicySpec) -> Arc<PolicyIndex> {
    let of = |name: &str| (namespace.to_owned(), name.to_owned());
    let mut index = PolicyIndex::default();
    let valid = ValidPolicy::check(spec).policy.unwrap();
    index.revisions.insert(of("gold-1"), Arc::new(valid));
    let live = LivePolicy {
        created: None,
        generation: 1,
        revision: Some("gold-1".to_owned()),
        suspend: None,
        suspend_seen: None,
    };
    index.policies.insert(of("gold"), live);
    Arc::new(index)
}

/// Looks through a stage's tickets under policy `gold` of this spec, two a page.
fn retention(stage: &Stage<'_>, spec: serde_json::Value) -> Retention {
    let index = policies(&stage.namespace, serde_json::from_value(spec).unwrap());
    Retention {
        client: stage.client.clone(),
        scopes: vec![Some(stage.namespace.clone())],
        policies: Box::new(move || index.clone()),
        clock: Arc::new(WallClock),
        metrics: Metrics::default(),
        page: 2,
        deleted: Box::new(|_, _| {}),
    }
}

#[tokio::test]
async fn what_is_past_its_retention_is_deleted_over_several_pages_and_nothing_else() {
    let stage = Stage::set("pages").await;
    for number in 0..7 {
        closed(&stage, &format!("old-{number}"), 25, true).await;
    }
    closed(&stage, "young", 23, true).await;
    closed(&stage, "closed", 48, false).await;
    stage.create_ticket("open").await;

    let nothing = retention(&stage, json!({})).pass().await;
    assert_eq!(nothing, Pass::default(), "without `retention` nobody asks");
    let retention = retention(&stage, json!({"retention": {"closedTickets": "24h"}}));
    let (seen, deleted) = (8, 7);
    assert_eq!(retention.pass().await, Pass { seen, deleted });
    assert_eq!(names(&stage).await, ["closed", "open", "young"]);
    let text = retention.metrics.text();
    assert!(text.contains("firebell_tickets_deleted_total 7"), "{text}");
    let (seen, deleted) = (1, 0);
    assert_eq!(retention.pass().await, Pass { seen, deleted });
}

/// From now on the API server refuses to delete a ticket of this name.
async fn protect(stage: &Stage<'_>, name: &str) {
    let namespace = &stage.namespace;
    let text = format!(
        r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {namespace}}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
    resourceRules: [{{apiGroups: [firebell.dev], apiVersions: ["*"], operations: [DELETE], resources: [tickets]}}]
  validations: [{{expression: "oldObject.metadata.name != '{name}'"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {namespace}}}
spec: {{policyName: {namespace}, validationActions: [Deny]}}
"#
    );
    let applied = stage.plane.kubectl(["apply", "-f", "-"]).input(&text);
    applied.run().await.unwrap();
    let refused = eventually("the deletion is refused", LIMIT, async || {
        let params = DeleteParams::default().dry_run();
        stage.tickets().delete(name, &params).await.err()
    });
    refused.await.unwrap();
}

#[tokio::test]
async fn a_ticket_that_may_not_be_deleted_keeps_no_other() {
    let stage = Stage::set("protected").await;
    for number in 0..4 {
        closed(&stage, &format!("old-{number}"), 25, true).await;
    }
    protect(&stage, "old-0").await;
    let retention = retention(&stage, json!({"retention": {"closedTickets": "24h"}}));
    let (seen, deleted) = (4, 3);
    assert_eq!(retention.pass().await, Pass { seen, deleted });
    assert_eq!(names(&stage).await, ["old-0"]);
}

/// A stage with one old and one young archived ticket and an operator that looks through them each second.
async fn with_archive(prefix: &str, role: &str) -> Stage<'static> {
    let mut stage = Stage::set(prefix).await;
    let user = stage.operator_user();
    stage.grant(&user, "firebell", role).await;
    let mut policy = stage.policy("1h");
    policy["retention"] = json!({"closedTickets": "24h"});
    stage.apply_policy("gold", policy).await;
    closed(&stage, "old", 25, true).await;
    closed(&stage, "young", 23, true).await;
    let options = Options {
        binary: env!("CARGO_BIN_EXE_firebell").into(),
        kubeconfig: stage.plane.user_kubeconfig(&user, &[]).unwrap(),
        namespaces: vec![stage.namespace.clone()],
        flags: ["--retention-every", "1s"].map(str::to_owned).into(),
        log: stage
            .plane
            .folder()
            .join(format!("operator-{}.log", stage.namespace)),
    };
    stage.operator = Some(Operator::spawn(&options).unwrap());
    stage
}

#[tokio::test]
async fn the_operator_deletes_by_the_live_policy_with_exactly_its_role() {
    let mut stage = with_archive("retention", ROLE).await;
    let deleted = eventually("the old ticket is deleted", LIMIT, async || {
        (names(&stage).await == ["young"]).then_some(())
    });
    let deleted = deleted.await;
    assert!(deleted.is_ok(), "{deleted:?}\n{}", stage.log());
    stage
        .until_logged(
            "an archived ticket was deleted: its policy's `retention.closedTickets` is over",
        )
        .await;
    stage.ready().await;
    let told = stage.metrics().await;
    assert!(told.contains("firebell_tickets_deleted_total 1"), "{told}");
}

#[tokio::test]
async fn without_the_right_to_delete_one_line_says_so_and_nothing_else_breaks() {
    let all = "resources: [tickets], verbs: [get, list, watch, delete]";
    assert!(ROLE.contains(all), "{ROLE}");
    let role = ROLE.replace(all, "resources: [tickets], verbs: [get, list, watch]");
    let mut stage = with_archive("undeletable", &role).await;
    stage.ready().await;
    stage
        .until_logged("the operator must be allowed to list and delete tickets there")
        .await;
    assert_eq!(names(&stage).await, ["old", "young"]);
    stage.create_ticket("fresh").await;
    stage.page("/alice", 1).await;
}

//! Old revisions are collected only where a live list of the whole cluster shows that nobody uses them.
//!
//! No real API server lets a test make an old object, so these tests look from 31 days ahead.

use std::sync::Arc;

use firebell::clock::Now;
use firebell::controller::collection::{Collection, Made};
use firebell::controller::key::Key;
use firebell::testkit::controlplane::{ControlPlane, Options, namespace};
use firebell::testkit::stage::{ROLE, Stage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// The wall clock, so many days ahead.
struct Ahead(i64);

impl Now for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(24 * self.0)
    }
}

fn revisions(client: &Client, namespace: &str) -> Api<ControllerRevision> {
    Api::namespaced(client.clone(), namespace)
}

/// Stores revisions as an operator did and answers how it would see them: unused by any ticket in view.
async fn stored(stage: &Stage<'_>, namespace: &str, names: &[&str]) -> Vec<Made> {
    let mut made = Vec::new();
    for name in names {
        let object = json!({"metadata": {"name": name}, "data": {"spec": {}}, "revision": 1});
        let object = serde_json::from_value(object).unwrap();
        let api = revisions(&stage.client, namespace);
        let stored = api.create(&PostParams::default(), &object).await.unwrap();
        let created = stored.metadata.creation_timestamp.unwrap().0;
        made.push((Key::new(namespace, name), Some(created)));
    }
    made
}

/// What a cluster-wide administrator's operator would delete, looking from so many days ahead.
fn collection(stage: &Stage<'_>, unused: Vec<Made>, days: i64) -> Collection {
    Collection {
        client: stage.client.clone(),
        namespaces: Vec::new(),
        shared_namespace: None,
        unused: Box::new(move || unused.clone()),
        clock: Arc::new(Ahead(days)),
    }
}

async fn left(stage: &Stage<'_>, namespace: &str) -> Vec<String> {
    let api = revisions(&stage.client, namespace);
    let listed = api.list(&ListParams::default()).await.unwrap();
    let name = |revision: ControllerRevision| revision.metadata.name.unwrap();
    listed.items.into_iter().map(name).collect()
}

/// Pins a ticket to a revision, archived or not.
async fn pin(stage: &Stage<'_>, ticket: &str, revision: &str, archived: bool) {
    let pin = json!({"name": "gold", "namespace": stage.namespace, "revision": revision, "generation": 1, "latestGeneration": 1});
    let status = json!({"status": {"archived": archived, "policy": pin}});
    let patch = Patch::Merge(status);
    let tickets = stage.tickets();
    let params = PatchParams::default();
    tickets.patch_status(ticket, &params, &patch).await.unwrap();
}

#[tokio::test]
async fn old_revisions_that_no_stored_ticket_or_policy_names_are_deleted_and_no_others() {
    let stage = Stage::set("collect").await;
    let names = ["gold-archived", "gold-newest", "gold-open", "gold-unused"];
    let unused = stored(&stage, &stage.namespace, &names).await;
    for (ticket, revision, archived) in [
        ("open", "gold-open", false),
        ("archived", "gold-archived", true),
    ] {
        stage.create_ticket(ticket).await;
        pin(&stage, ticket, revision, archived).await;
    }
    stage.apply_policy("gold", json!({})).await;
    let newest = Patch::Merge(json!({"status": {"revision": "gold-newest", "generation": 1}}));
    let params = PatchParams::default();
    let policies = stage.policies();
    policies
        .patch_status("gold", &params, &newest)
        .await
        .unwrap();

    let young = collection(&stage, unused.clone(), 29).pass().await;
    assert_eq!(young, [], "30 days are not over");
    let deleted = collection(&stage, unused, 31).pass().await;
    assert_eq!(deleted, [Key::new(&stage.namespace, "gold-unused")]);
    assert_eq!(left(&stage, &stage.namespace).await, names[..3]);
}

#[tokio::test]
async fn a_ticket_that_cannot_be_decoded_still_keeps_the_revision_it_names() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let stage = Stage::on(&plane, "undecodable").await;
    stage.install_loose().await;
    let unused = stored(&stage, &stage.namespace, &["gold-broken", "gold-unused"]).await;
    stage.apply("apiVersion: firebell.dev/v1alpha1\nkind: Ticket\nmetadata: {name: broken}\nspec: {title: [no, text]}\n").await;
    let dynamic = kube::discovery::ApiResource::erase::<firebell::api::Ticket>(&());
    let api: Api<kube::core::DynamicObject> =
        Api::namespaced_with(stage.client.clone(), &stage.namespace, &dynamic);
    let pin =
        json!({"namespace": stage.namespace, "revision": "gold-broken", "generation": "none"});
    let status = Patch::Merge(json!({"status": {"phase": 7, "policy": pin}}));
    let params = PatchParams::default();
    api.patch_status("broken", &params, &status).await.unwrap();

    collection(&stage, unused, 31).pass().await;
    assert_eq!(left(&stage, &stage.namespace).await, ["gold-broken"]);
}

#[tokio::test]
async fn an_operator_of_some_namespaces_never_deletes_in_the_shared_one_nor_in_those_of_others() {
    let stage = Stage::set("own").await;
    let shared = namespace(&stage.client, "shared").await.unwrap();
    let foreign = namespace(&stage.client, "foreign").await.unwrap();
    let mut unused = Vec::new();
    for namespace in [&stage.namespace, &shared, &foreign] {
        unused.extend(stored(&stage, namespace, &["gold-unused"]).await);
    }
    // It holds every right there is; what it may delete is its own restraint.
    let of_some = |own: &[&String]| Collection {
        namespaces: own.iter().map(|own| (*own).clone()).collect(),
        shared_namespace: Some(shared.clone()),
        ..collection(&stage, unused.clone(), 31)
    };
    let deleted = of_some(&[&shared]).pass().await;
    assert_eq!(deleted, [], "the shared namespace, even as one of its own");
    let deleted = of_some(&[&stage.namespace, &shared]).pass().await;
    assert_eq!(deleted, [Key::new(&stage.namespace, "gold-unused")]);
    for namespace in [&shared, &foreign] {
        assert_eq!(left(&stage, namespace).await, ["gold-unused"]);
    }
}

#[tokio::test]
async fn without_the_right_to_list_the_whole_cluster_nothing_is_deleted() {
    let stage = Stage::set("narrow").await;
    let unused = stored(&stage, &stage.namespace, &["gold-unused"]).await;
    let user = stage.operator_user();
    stage.grant(&user, "firebell", ROLE).await;
    let config = stage.plane.user(&user, &[]).unwrap();
    let narrow = Collection {
        client: Client::try_from(config).unwrap(),
        namespaces: vec![stage.namespace.clone()],
        ..collection(&stage, unused, 31)
    };
    assert_eq!(narrow.pass().await, []);
    assert_eq!(left(&stage, &stage.namespace).await, ["gold-unused"]);
}

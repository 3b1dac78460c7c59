//! What is kept of what was learnt, on the real API server: an RCA as a document, knowledge in numbers, one RCA however
//! many operators make it, and what becomes of it when its ticket's retention is over.

use firebell::api::{ConditionStatus, RcaStatus};
use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options, built_binary};
use firebell::testkit::stage::{LIMIT, ROLE, Stage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::rca::{name_of, rcas, until};

fn config_maps(stage: &Stage<'_>) -> Api<ConfigMap> {
    Api::namespaced(stage.client.clone(), &stage.namespace)
}

/// A policy by which every ticket needs an RCA that holds nothing back.
async fn apply_rules(stage: &Stage<'_>, more: Value) {
    let mut policy = stage.short_policy("10m", 1);
    policy["rca"] = json!({"severities": ["High"], "gatesClosure": false});
    for (field, value) in more.as_object().into_iter().flatten() {
        policy[field] = value.clone();
    }
    stage.apply_policy("gold", policy).await;
    stage.until_in_use("gold").await;
}

fn stands(status: &RcaStatus, type_: &str, wanted: ConditionStatus) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|known| known.type_ == type_ && known.status == wanted)
}

async fn text(stage: &Stage<'_>, config_map: &str) -> Option<String> {
    let found = config_maps(stage).get_opt(config_map).await.unwrap()?;
    found.data?.remove("document.md")
}

async fn until_text(stage: &Stage<'_>, config_map: &str, what: &str, holds: impl Fn(&str) -> bool) {
    let reached = eventually(what, LIMIT, async || {
        let text = text(stage, config_map).await?;
        holds(&text).then_some(())
    });
    let reached = reached.await;
    assert!(reached.is_ok(), "{reached:?}\n{}", stage.log());
}

#[tokio::test]
async fn an_rca_stands_as_a_document_beside_it_that_follows_each_edit_and_is_restored_at_once() {
    let stage = Stage::running("paper").await;
    apply_rules(&stage, json!({})).await;
    let name = name_of(&stage.create_ticket("checkout").await);
    let paper = format!("{name}-root-cause-analysis");
    let status = until(&stage, &name, "its document is kept", |status| {
        stands(status, "DocumentKept", ConditionStatus::True)
    });
    let status = status.await;
    assert_eq!(status.document.unwrap().config_map, paper);
    let found = config_maps(&stage).get(&paper).await.unwrap();
    let rca = rcas(&stage).get(&name).await.unwrap();
    let owner = &found.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (&*owner.kind, Some(&owner.uid)),
        ("RCA", rca.metadata.uid.as_ref())
    );
    let edit = Patch::Merge(json!({"spec": {"detection": "An alert, after 5 minutes."}}));
    let params = PatchParams::default();
    rcas(&stage).patch(&name, &params, &edit).await.unwrap();
    until_text(&stage, &paper, "the edit stands in it", |text| {
        text.contains("An alert, after 5 minutes.")
    })
    .await;
    let whole = text(&stage, &paper).await.unwrap();

    let by_hand = Patch::Merge(json!({"data": {"document.md": "mine"}}));
    config_maps(&stage)
        .patch(&paper, &params, &by_hand)
        .await
        .unwrap();
    until_text(&stage, &paper, "an edit by hand is put right", |text| {
        text == whole
    })
    .await;
    let gone = DeleteParams::default();
    config_maps(&stage).delete(&paper, &gone).await.unwrap();
    until_text(&stage, &paper, "it is there again", |text| text == whole).await;
}

#[tokio::test]
async fn without_rights_on_config_maps_policies_and_rcas_say_so_and_people_are_paged_all_the_same()
{
    let mut stage = Stage::set("refused").await;
    let line = "- {apiGroups: [\"\"], resources: [configmaps], verbs: [get, list, watch, create, update]}\n";
    assert!(ROLE.contains(line), "{ROLE}");
    let user = stage.operator_user();
    stage
        .grant(&user, "firebell", &ROLE.replace(line, ""))
        .await;
    stage.spawn(&user);
    stage.ready().await;
    apply_rules(&stage, json!({})).await;
    let refused = |conditions: &[firebell::api::Condition]| {
        conditions.iter().any(|known| {
            known.type_ == "DocumentKept"
                && (known.status, known.reason.as_str()) == (ConditionStatus::False, "Refused")
                && known.message.contains("docs/rbac.md")
        })
    };
    let status = stage.until_policy("gold", "its document is refused", |status| {
        refused(&status.conditions)
    });
    assert_eq!(status.await.document, None);
    let ticket = stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    let name = name_of(&ticket);
    until(&stage, &name, "its document is refused", |status| {
        refused(&status.conditions)
    })
    .await;
    stage.until_all_told(&name, &["DocumentNotKept"]).await;
}

#[tokio::test]
async fn knowledge_is_counted_by_kind_and_state_over_tickets_and_rcas() {
    let stage = Stage::running("knowledge").await;
    stage
        .apply_policy("gold", stage.short_policy("10m", 1))
        .await;
    let item = |kind: &str, state: &str| json!({"kind": kind, "title": state, "state": state, "reason": "r"});
    let knowledge = json!([
        item("Runbook", "Todo"),
        item("Runbook", "Done"),
        item("KnowledgeBase", "NotNeeded")
    ]);
    stage
        .create_ticket_with("checkout", json!({"knowledge": knowledge}))
        .await;
    let rca = json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "RCA", "metadata": {"name": "outage"},
        "spec": {"ticketRefs": [{"name": "checkout"}], "knowledge": [item("Runbook", "Todo")]},
    });
    let rca = serde_json::from_value(rca).unwrap();
    rcas(&stage)
        .create(&PostParams::default(), &rca)
        .await
        .unwrap();
    let wanted = [
        "firebell_knowledge_items{kind=\"Runbook\",state=\"Todo\"} 2",
        "firebell_knowledge_items{kind=\"Runbook\",state=\"Done\"} 1",
        "firebell_knowledge_items{kind=\"KnowledgeBase\",state=\"NotNeeded\"} 1",
    ];
    let counted = eventually("knowledge is counted", LIMIT, async || {
        let told = stage.metrics().await;
        wanted.iter().all(|line| told.contains(line)).then_some(())
    });
    assert!(counted.await.is_ok(), "{}", stage.metrics().await);
}

/// Another operator of the same stage, as if two believed to lead.
fn second(stage: &Stage<'_>) -> Operator {
    let log = format!("second-{}.log", stage.namespace);
    let options = Options {
        binary: built_binary("firebell").unwrap(),
        kubeconfig: stage
            .plane
            .user_kubeconfig(&stage.operator_user(), &[])
            .unwrap(),
        namespaces: vec![stage.namespace.clone()],
        flags: Vec::new(),
        log: stage.plane.folder().join(log),
    };
    Operator::spawn(&options).unwrap()
}

#[tokio::test]
async fn two_operators_that_race_for_an_rca_make_one() {
    let stage = Stage::running("race").await;
    let mut other = second(&stage);
    other.ready(LIMIT).await.unwrap();
    apply_rules(&stage, json!({})).await;
    let refused = || {
        let lost = stage.plane.audit_events(|event| {
            event.namespace == stage.namespace
                && (&*event.verb, &*event.resource, event.code) == ("create", "rcas", 409)
        });
        lost.unwrap().len()
    };
    let mut names = Vec::new();
    for number in 0..50 {
        let ticket = stage.create_ticket(&format!("checkout-{number}")).await;
        names.push(name_of(&ticket));
        let name = names.last().unwrap();
        until(&stage, name, "its RCA is handled", |status| {
            status.phase.is_some()
        })
        .await;
        if refused() > 0 {
            break;
        }
    }
    assert!(refused() > 0, "they never met at a creation");
    let listed = rcas(&stage).list(&ListParams::default()).await.unwrap();
    let mut made: Vec<String> = listed
        .items
        .into_iter()
        .map(|rca| rca.metadata.name.unwrap())
        .collect();
    made.sort_unstable();
    names.sort_unstable();
    assert_eq!(made, names, "one for each ticket");
    let log = other.log() + &stage.log();
    assert!(!log.contains("an RCA could not be handled"), "{log}");
}

#[tokio::test]
async fn an_rca_notices_that_retention_deleted_its_ticket() {
    let mut stage = Stage::set("over").await;
    stage.flags = ["--retention-every", "1s"].map(str::to_owned).into();
    stage.start().await;
    apply_rules(&stage, json!({})).await;
    let name = name_of(&stage.create_ticket("checkout").await);
    let found = |status: &RcaStatus| stands(status, "TicketsFound", ConditionStatus::True);
    until(&stage, &name, "its ticket is found", found).await;
    let closed = Timestamp::now() - SignedDuration::from_hours(25);
    let status = json!({"phase": "Closed", "archived": true, "closeTime": closed.to_string()});
    let (patch, params) = (
        Patch::Merge(json!({"status": status})),
        PatchParams::default(),
    );
    stage
        .tickets()
        .patch_status("checkout", &params, &patch)
        .await
        .unwrap();
    let edit = Patch::Merge(json!({"spec": {"detection": "An alert."}}));
    let edited = rcas(&stage).patch(&name, &params, &edit).await.unwrap();
    until(&stage, &name, "the archived ticket is found", |status| {
        found(status) && status.observed_generation == edited.metadata.generation
    })
    .await;
    apply_rules(&stage, json!({"retention": {"closedTickets": "24h"}})).await;
    let status = until(&stage, &name, "its ticket is gone", |status| {
        stands(status, "TicketsFound", ConditionStatus::False)
    });
    let status = status.await;
    let mut conditions = status.conditions.iter();
    let found = conditions
        .find(|known| known.type_ == "TicketsFound")
        .unwrap();
    assert!(found.message.contains("\"checkout\""), "{found:?}");
}

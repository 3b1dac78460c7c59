//! The support document in its ConfigMap: written, kept in step, restored, cut, and never over somebody else's.

use firebell::api::{Condition, ConditionStatus, EscalationPolicyStatus};
use firebell::testkit::eventually;
use firebell::testkit::stage::{LIMIT, Stage};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

const NAME: &str = "gold-support-document";

fn config_maps(stage: &Stage<'_>) -> Api<ConfigMap> {
    Api::namespaced(stage.client.clone(), &stage.namespace)
}

async fn text(stage: &Stage<'_>) -> Option<String> {
    let found = config_maps(stage).get_opt(NAME).await.unwrap()?;
    found.data?.remove("document.md")
}

fn kept(status: &EscalationPolicyStatus) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|known| known.type_ == "DocumentKept")
}

/// Makes the operator look at the policy, without an edit.
async fn touch(stage: &Stage<'_>) {
    let now = jiff::Timestamp::now().to_string();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"touched": now}}}));
    stage
        .policies()
        .patch("gold", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Looks at the policy again and again until its document is as wanted.
async fn until_text(
    stage: &Stage<'_>,
    what: &str,
    holds: impl Fn(Option<&str>) -> bool,
) -> Option<String> {
    let found = eventually(what, LIMIT, async || {
        touch(stage).await;
        let text = text(stage).await;
        holds(text.as_deref()).then_some(text)
    });
    found.await.unwrap()
}

/// Waits for the document to be as wanted; nobody touches the policy.
async fn restored(stage: &Stage<'_>, what: &str, wanted: Option<&str>) {
    let found = eventually(what, LIMIT, async || {
        (text(stage).await.as_deref() == wanted).then_some(())
    });
    let found = found.await;
    assert!(found.is_ok(), "{found:?}\n{}", stage.log());
}

async fn policy_with(stage: &Stage<'_>, assumption: &str) {
    let mut spec = stage.policy("10m");
    spec["assumptions"] = json!([assumption]);
    stage.apply_policy("gold", spec).await;
}

#[tokio::test]
async fn the_document_stands_in_a_config_map_of_the_policy_and_follows_each_valid_edit() {
    let stage = Stage::running("document").await;
    policy_with(&stage, "First words.").await;
    let status = stage
        .until_policy("gold", "the document is kept", |status| {
            status.document.is_some()
        })
        .await;
    assert_eq!(status.document.as_ref().unwrap().config_map, NAME);
    assert_eq!(kept(&status).unwrap().status, ConditionStatus::True);
    let found = config_maps(&stage).get(NAME).await.unwrap();
    let policy = stage.policy_object("gold").await;
    let owner = &found.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        Some(&owner.uid),
        policy.metadata.uid.as_ref(),
        "it goes with the policy"
    );
    let shown = text(&stage).await.unwrap();
    assert!(
        shown.contains("First words.") && shown.contains(status.revision.as_ref().unwrap()),
        "{shown}"
    );

    policy_with(&stage, "Second words.").await;
    let second = until_text(&stage, "the edit is in it", |text| {
        text.is_some_and(|text| text.contains("Second words."))
    })
    .await;

    let first = status.revision;
    stage
        .until_policy("gold", "the edit is in use", |status| {
            status.revision != first
        })
        .await;

    let mut broken = stage.policy("10m");
    broken["steps"][0]["notify"][0]["contact"] = "nobody".into();
    stage.apply_policy("gold", broken).await;
    let status = stage
        .until_policy("gold", "the edit is refused", |status| {
            status
                .conditions
                .iter()
                .any(|known| known.type_ == "Stalled")
        })
        .await;
    assert_eq!(status.document.unwrap().config_map, NAME);
    assert_eq!(text(&stage).await, second, "that of the revision in use");
}

#[tokio::test]
async fn edited_or_deleted_by_hand_it_is_restored_and_otherwise_never_written() {
    let stage = Stage::running("restored").await;
    policy_with(&stage, "The words.").await;
    stage
        .until_policy("gold", "the document is kept", |status| {
            status.document.is_some()
        })
        .await;
    let whole = text(&stage).await;
    let version = async || {
        config_maps(&stage)
            .get(NAME)
            .await
            .unwrap()
            .metadata
            .resource_version
    };
    let written = version().await;

    let by_hand = Patch::Merge(json!({"data": {"document.md": "mine", "more": "mine too"}}));
    config_maps(&stage)
        .patch(NAME, &PatchParams::default(), &by_hand)
        .await
        .unwrap();
    restored(&stage, "it is restored", whole.as_deref()).await;
    let found = config_maps(&stage).get(NAME).await.unwrap();
    assert_eq!(found.data.unwrap().len(), 1, "what was added is gone");
    assert_ne!(version().await, written);

    config_maps(&stage)
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    restored(&stage, "it is there again", whole.as_deref()).await;
    let made = version().await;
    let mut edited = stage.policy("10m");
    edited["assumptions"] = json!(["The words."]);
    edited["suspend"] = json!({"untilTime": "2026-01-01T00:00:00Z", "by": "alice"});
    stage.apply_policy("gold", edited).await;
    let generation = stage.policy_object("gold").await.metadata.generation;
    stage
        .until_policy("gold", "the edit is seen", |status| {
            status.observed_generation == generation
        })
        .await;
    assert_eq!(
        version().await,
        made,
        "the same document is not written again"
    );
}

#[tokio::test]
async fn a_config_map_of_somebody_else_is_left_alone_and_named_in_a_condition() {
    let stage = Stage::set("taken").await;
    let foreign: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": NAME}, "data": {"a": "b"}})).unwrap();
    config_maps(&stage)
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    let mut stage = stage;
    stage.start().await;
    policy_with(&stage, "The words.").await;
    let status = stage
        .until_policy("gold", "the name is taken", |status| {
            kept(status).is_some_and(|known| known.reason == "NameTaken")
        })
        .await;
    let known = kept(&status).unwrap();
    assert_eq!(known.status, ConditionStatus::False);
    assert!(
        known.message.contains(NAME) && known.message.contains("rename or delete"),
        "{}",
        known.message
    );
    assert_eq!((status.document, text(&stage).await), (None, None));
    assert!(
        status
            .conditions
            .iter()
            .any(|known| known.type_ == "Ready" && known.status == ConditionStatus::True)
    );

    config_maps(&stage)
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    until_text(&stage, "it is kept", |text| text.is_some()).await;
    stage
        .until_policy("gold", "the condition is true", |status| {
            kept(status).is_some_and(|known| known.status == ConditionStatus::True)
        })
        .await;
}

#[tokio::test]
async fn a_document_above_the_limit_of_a_config_map_is_cut_and_says_so() {
    let stage = Stage::running("large").await;
    let mut spec = stage.policy("10m");
    let long = |name: &str| format!("{name} {}", "x".repeat(150));
    for contact in spec["contacts"].as_array_mut().unwrap() {
        let name = contact["name"].as_str().unwrap().to_owned();
        contact["displayName"] = long(&name).into();
    }
    let rota = |number: usize| {
        json!({"name": format!("rota-{number}"), "timeZone": "UTC", "start": "2026-01-05T09:00", "shift": {"days": 1},
               "members": vec!["alice"; 64]})
    };
    spec["rotas"] = (0..16).map(rota).collect();
    let targets: Value = (0..16)
        .map(|number| json!({"rota": format!("rota-{number}")}))
        .collect();
    for step in spec["steps"].as_array_mut().unwrap() {
        step["notify"] = targets.clone();
    }
    stage.apply_policy("gold", spec).await;
    let status = stage
        .until_policy("gold", "the document is cut", |status| {
            kept(status).is_some_and(|known| known.reason == "TooLarge")
        })
        .await;
    assert!(kept(&status).unwrap().message.contains("policy render"));
    assert_eq!(status.document.unwrap().config_map, NAME);
    let text = text(&stage).await.unwrap();
    assert!(
        text.len() <= 1024 * 1024 && text.len() > 512 * 1024,
        "{}",
        text.len()
    );
    assert!(
        text.contains("This document was cut here"),
        "{}",
        &text[text.len() - 300..]
    );
}

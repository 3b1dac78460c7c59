//! What people copy works: every example is taken by a real API server under strict validation, each policy passes the
//! operator's own check, and the full one leaves no field out.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use firebell::api::{EscalationPolicy, Severity, Ticket, crds};
use firebell::connectors::template;
use firebell::domain::policy::ValidPolicy;
use firebell::testkit::stage::Stage;
use serde_json::Value;

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path)
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> T {
    let text = std::fs::read_to_string(example(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &str) -> BTreeSet<PathBuf> {
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml");
    std::fs::read_dir(example(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_yaml)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_taken_by_an_api_server_that_refuses_unknown_fields() {
    let stage = Stage::set("examples").await;
    let folders = ["", "tickets", "rcas", "ways"].map(files);
    let all: Vec<PathBuf> = folders.into_iter().flatten().collect();
    assert_eq!(all.len(), 15, "examples: {all:?}");
    for path in all {
        let args = ["-n", &stage.namespace, "apply", "--validate=strict", "-f"];
        let said = stage
            .plane
            .kubectl(args.into_iter().chain([path.to_str().unwrap()]))
            .run()
            .await
            .unwrap();
        assert!(said.contains("created"), "{}: {said}", path.display());
    }
}

#[test]
fn every_policy_passes_the_operators_own_check() {
    let policies = files("").into_iter().chain(files("ways"));
    let is_policy = |path: &PathBuf| !path.ends_with("rca.yaml");
    for path in policies.filter(is_policy) {
        let policy: EscalationPolicy = read(path.to_str().unwrap());
        assert_eq!(template::open_items(&policy.spec), [], "{}", path.display());
        if let Err(errors) = ValidPolicy::check(policy.spec).policy {
            panic!("{}: {errors:#?}", path.display());
        }
    }
}

#[test]
fn the_full_policy_leaves_nothing_open() {
    let policy: EscalationPolicy = read("policy-full.yaml");
    assert_eq!(ValidPolicy::check(policy.spec).open_items, []);
}

#[test]
fn the_small_policy_rings_three_times_seconds_to_minutes_apart_for_whatever_comes() {
    let policy: EscalationPolicy = read("policy-small.yaml");
    assert!(policy.spec.default);
    let valid = ValidPolicy::check(policy.spec).policy.unwrap();
    for severity in [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ] {
        let after: Vec<i64> = valid
            .steps_for(severity)
            .iter()
            .map(|step| step.after.as_secs())
            .collect();
        assert_eq!(after, [0, 120, 300], "{severity:?}");
    }
}

#[test]
fn there_is_a_ticket_of_each_severity() {
    for (file, severity) in [
        ("critical", Severity::Critical),
        ("high", Severity::High),
        ("medium", Severity::Medium),
        ("low", Severity::Low),
    ] {
        let ticket: Ticket = read(&format!("tickets/{file}.yaml"));
        assert_eq!(ticket.spec.severity, Some(severity), "{file}");
    }
}

#[test]
fn the_full_policy_shows_every_field_of_the_schema_and_of_its_blocks() {
    let crd = crds()
        .into_iter()
        .find(|crd| crd.spec.names.kind == "EscalationPolicy")
        .unwrap();
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let policy: Value = read("policy-full.yaml");
    let mut missing = Vec::new();
    let mut seen = 0;
    for (field, inner) in schema.as_object().unwrap() {
        let written = &policy["spec"][field];
        if written.is_null() {
            missing.push(field.clone());
            continue;
        }
        // A list shows a field if one of its items does.
        let properties = inner["properties"]
            .as_object()
            .or_else(|| inner["items"]["properties"].as_object());
        for below in properties.into_iter().flatten().map(|(name, _)| name) {
            seen += 1;
            let shown = match written.as_array() {
                Some(items) => items.iter().any(|item| !item[below].is_null()),
                None => !written[below].is_null(),
            };
            if !shown {
                missing.push(format!("{field}.{below}"));
            }
        }
    }
    assert!(seen > 80, "the schema was not walked: {seen} fields");
    assert_eq!(missing, Vec::<String>::new());
}

/// The YAML blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_page_on_rcas_shows_what_stands_in_the_examples() {
    let read = |path| std::fs::read_to_string(example(path)).unwrap();
    let examples = [read("policy-rca.yaml"), read("rcas/outage.yaml")];
    let shown = blocks("docs/require-an-rca.md");
    assert_eq!(shown.len(), 4);
    for block in shown {
        let stands = examples.iter().any(|example| example.contains(&block));
        assert!(stands, "no example has:\n{block}");
    }
}

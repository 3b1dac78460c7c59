//! The CustomResourceDefinitions of all kinds, and their YAML for `crds/` and `firebell crds`.
//!
//! kube's derive makes them; here they get what it cannot say: rules on the whole object, no `nullable` (the API
//! server drops a null by itself), no defaults in status.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};
use kube::CustomResourceExt;
use serde_json::Value;

use super::policy::EscalationPolicy;
use super::rca::Rca;
use super::ticket::Ticket;

const NAME_RULE: &str = "self.metadata.name.size() <= 200";
const NAME_MESSAGE: &str = "metadata.name must be at most 200 characters long";
/// An RCA is named after its ticket: `<ticket>-<first 8 of its uid>`.
const RCA_NAME_RULE: &str = "self.metadata.name.size() <= 209";
const RCA_NAME_MESSAGE: &str = "metadata.name must be at most 209 characters long";
const ARCHIVED_RULE: &str = "!has(oldSelf.status) || !has(oldSelf.status.archived) || !oldSelf.status.archived \
                             || self.spec == oldSelf.spec";
const ARCHIVED_MESSAGE: &str =
    "spec must be left as it is: the ticket is archived (create a new one instead)";

/// The definitions of all kinds, as they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut ticket = Ticket::crd();
    let mut policy = EscalationPolicy::crd();
    let mut rca = Rca::crd();
    finish(
        &mut ticket,
        &[(NAME_RULE, NAME_MESSAGE), (ARCHIVED_RULE, ARCHIVED_MESSAGE)],
    );
    finish(&mut policy, &[(NAME_RULE, NAME_MESSAGE)]);
    finish(&mut rca, &[(RCA_NAME_RULE, RCA_NAME_MESSAGE)]);
    vec![ticket, policy, rca]
}

/// All definitions as one YAML stream.
pub fn yaml() -> String {
    let documents: Vec<String> = files().into_iter().map(|(_, text)| text).collect();
    documents.join("---\n")
}

/// File name and YAML text of each definition, as `crds/` holds them.
pub fn files() -> Vec<(String, String)> {
    crds()
        .iter()
        .map(|crd| (format!("{}.yaml", crd.spec.names.plural), text_of(crd)))
        .collect()
}

fn text_of(crd: &CustomResourceDefinition) -> String {
    // A definition is maps, lists and texts only: nothing in it that YAML could not write.
    serde_saphyr::to_string(crd).unwrap_or_default()
}

fn finish(crd: &mut CustomResourceDefinition, rules: &[(&str, &str)]) {
    for version in &mut crd.spec.versions {
        let Some(root) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        tidy(root);
        if let Some(status) = root
            .properties
            .as_mut()
            .and_then(|parts| parts.get_mut("status"))
        {
            visit(status, &mut |schema| schema.default = None);
        }
        let root_rules = root.x_kubernetes_validations.get_or_insert_default();
        for (rule, message) in rules {
            root_rules.push(ValidationRule {
                rule: (*rule).to_owned(),
                message: Some((*message).to_owned()),
                ..ValidationRule::default()
            });
        }
    }
}

/// Takes out what schemars says for other readers than the API server, and the line breaks of our source.
fn tidy(root: &mut JSONSchemaProps) {
    visit(root, &mut |schema| {
        schema.nullable = None;
        schema.title = None;
        if let Some(text) = &mut schema.description {
            *text = text
                .split("\n\n")
                .map(|part| part.replace('\n', " "))
                .collect::<Vec<_>>()
                .join("\n\n");
        }
        if let Some(values) = &mut schema.enum_ {
            values.retain(|value| value.0 != Value::Null);
        }
    });
}

fn visit(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for child in schema
        .properties
        .iter_mut()
        .flat_map(|parts| parts.values_mut())
    {
        visit(child, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => visit(item, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items {
                visit(item, change);
            }
        }
        None => {}
    }
    match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(value)) => visit(value, change),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn each_schema(mut look: impl FnMut(&str, &JSONSchemaProps)) {
        fn walk(
            path: &str,
            schema: &JSONSchemaProps,
            look: &mut impl FnMut(&str, &JSONSchemaProps),
        ) {
            look(path, schema);
            for (name, child) in schema.properties.iter().flatten() {
                if path.ends_with("metadata") {
                    continue;
                }
                walk(&format!("{path}.{name}"), child, look);
            }
            if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
                walk(&format!("{path}[]"), item, look);
            }
            if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
                walk(&format!("{path}{{}}"), value, look);
            }
        }
        for crd in crds() {
            let version = &crd.spec.versions[0];
            let root = version
                .schema
                .as_ref()
                .unwrap()
                .open_api_v3_schema
                .as_ref()
                .unwrap();
            for part in ["spec", "status"] {
                let path = format!("{}.{part}", crd.spec.names.kind);
                walk(&path, &root.properties.as_ref().unwrap()[part], &mut look);
            }
        }
    }

    #[test]
    fn the_files_in_crds_are_what_the_types_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        for (name, text) in files() {
            let path = folder.join(&name);
            if std::env::var_os("UPDATE_CRDS").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, &text).unwrap();
            }
            let found = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                found == text,
                "crds/{name} must be renewed: run the tests with UPDATE_CRDS=1"
            );
        }
    }

    #[test]
    fn the_yaml_reads_back_as_the_same_definition() {
        for (crd, (name, text)) in crds().into_iter().zip(files()) {
            let read: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(
                serde_json::to_value(read).unwrap(),
                serde_json::to_value(crd).unwrap(),
                "{name}"
            );
            assert!(
                text.len() < 200 * 1024,
                "crds/{name} must be below 200 KiB and has {} bytes",
                text.len()
            );
        }
    }

    #[test]
    fn every_text_list_map_and_number_is_bounded_and_every_field_explained() {
        let mut seen = 0;
        each_schema(|path, schema| {
            seen += 1;
            let kind = schema.type_.as_deref();
            let explained = schema
                .description
                .as_ref()
                .is_some_and(|text| !text.is_empty());
            assert!(
                explained || path.ends_with(['}', ']']),
                "{path} has no description"
            );
            assert!(
                schema.any_of.is_none() && schema.one_of.is_none(),
                "{path} must be structural"
            );
            assert!(schema.nullable.is_none(), "{path} must not be nullable");
            match kind {
                Some("string") => assert!(
                    schema.max_length.is_some()
                        || schema.enum_.is_some()
                        || schema.format.as_deref() == Some("date-time"),
                    "{path} has no maxLength"
                ),
                Some("array") => {
                    assert!(schema.max_items.is_some(), "{path} has no maxItems");
                    assert!(
                        schema.x_kubernetes_list_type.is_some(),
                        "{path} has no list type"
                    );
                }
                Some("object") if schema.additional_properties.is_some() => {
                    assert!(
                        schema.max_properties.is_some(),
                        "{path} has no maxProperties"
                    );
                }
                Some("integer") => assert!(schema.minimum.is_some(), "{path} has no minimum"),
                Some("object" | "boolean") => {}
                other => panic!("{path} has the type {other:?}"),
            }
        });
        assert!(seen > 300, "only {seen} fields seen");
    }

    #[test]
    fn durations_of_the_spec_are_bounded_by_a_rule_too() {
        let mut seen = 0;
        each_schema(|path, schema| {
            let is_duration = schema
                .pattern
                .as_deref()
                .is_some_and(|pattern| pattern.contains("(h|m|s|ms)"));
            if is_duration && path.contains(".spec") {
                seen += 1;
                let rules = schema
                    .x_kubernetes_validations
                    .as_deref()
                    .unwrap_or_default();
                assert!(
                    rules
                        .iter()
                        .any(|rule| rule.rule.contains("duration(self) <= ")),
                    "{path} has no bound"
                );
            }
        });
        assert_eq!(seen, 17, "durations seen");
    }

    #[test]
    fn status_has_no_defaults() {
        each_schema(|path, schema| {
            assert!(
                !path.contains(".status") || schema.default.is_none(),
                "{path} has a default"
            );
        });
    }

    #[test]
    fn every_rule_says_what_must_be() {
        let mut seen = 0;
        each_schema(|path, schema| {
            for rule in schema.x_kubernetes_validations.iter().flatten() {
                seen += 1;
                assert!(
                    rule.message
                        .as_deref()
                        .is_some_and(|text| text.contains("must ")),
                    "{path}: {}",
                    rule.rule
                );
            }
        });
        assert!(seen > 20, "only {seen} rules seen");
    }
}

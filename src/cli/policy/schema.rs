//! What the API server would refuse before any check of ours: unknown and missing fields, wrong types, bounds, patterns,
//! words, and the CEL rules of the policy's CRD. The CRD itself is read, so nothing is said twice.
//!
//! Of CEL only the shapes that the CRD of policies uses are understood; a test fails when a rule is none of them.

use std::collections::{HashMap, HashSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;

use super::rules::Rule;
use super::source::{Content, Node, Place};
use crate::api::crds;

/// Something the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind, one CamelCase word.
    pub code: &'static str,
    /// Where in the file.
    pub place: Place,
    /// Which field.
    pub path: String,
    /// What is wrong and what it must be.
    pub message: String,
}

/// The schema of a kind's spec, ready for use.
pub struct Schema {
    root: JSONSchemaProps,
    patterns: HashMap<String, Regex>,
    rules: HashMap<String, Rule>,
    unknown_rules: Vec<String>,
}

impl Schema {
    /// That of escalation policies.
    pub fn of_policies() -> Self {
        let definitions = crds();
        let policy = definitions
            .into_iter()
            .find(|crd| crd.spec.names.kind == "EscalationPolicy");
        let version = policy.and_then(|crd| crd.spec.versions.into_iter().next());
        let root = version.and_then(|version| version.schema?.open_api_v3_schema);
        let mut spec = root
            .and_then(|root| root.properties?.remove("spec"))
            .unwrap_or_default();
        spec.description = None;
        let mut schema = Self {
            root: JSONSchemaProps::default(),
            patterns: HashMap::new(),
            rules: HashMap::new(),
            unknown_rules: Vec::new(),
        };
        schema.learn(&spec);
        schema.root = spec;
        schema
    }

    /// Rules that are not understood.
    #[cfg(test)]
    pub fn unknown_rules(&self) -> &[String] {
        &self.unknown_rules
    }

    fn learn(&mut self, schema: &JSONSchemaProps) {
        if let Some(pattern) = &schema.pattern
            && let Ok(regex) = Regex::new(pattern)
        {
            self.patterns.insert(pattern.clone(), regex);
        }
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            match Rule::read(&rule.rule) {
                Some(known) => drop(self.rules.insert(rule.rule.clone(), known)),
                None => self.unknown_rules.push(rule.rule.clone()),
            }
        }
        for child in schema
            .properties
            .iter()
            .flat_map(|children| children.values())
        {
            self.learn(child);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
            self.learn(item);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
            self.learn(value);
        }
    }

    /// All that the API server would refuse in a `spec`.
    pub fn check(&self, spec: &Node) -> Vec<Refusal> {
        let mut look = Look {
            schema: self,
            found: Vec::new(),
        };
        look.value(&self.root, spec, spec.place, "spec");
        look.found
    }
}

struct Look<'a> {
    schema: &'a Schema,
    found: Vec<Refusal>,
}

impl Look<'_> {
    fn refuse(&mut self, code: &'static str, place: Place, path: &str, message: String) {
        self.found.push(Refusal {
            code,
            place,
            path: path.to_owned(),
            message,
        });
    }

    /// `place` is that of the field's name, where people look for it.
    fn value(&mut self, schema: &JSONSchemaProps, node: &Node, place: Place, path: &str) {
        let kind = schema.type_.as_deref().unwrap_or("object");
        match (&node.content, kind) {
            // A null is dropped by the API server.
            (Content::Null, _) | (Content::Bool(_), "boolean") => {}
            (Content::Text(text), "string") => self.text(schema, text, place, path),
            (Content::Number(number), "integer") if number.is_i64() || number.is_u64() => {
                self.number(schema, number.as_f64().unwrap_or(f64::MAX), place, path);
            }
            (Content::List(entries), "array") => self.list(schema, entries, place, path),
            (Content::Map(fields), "object") => self.map(schema, fields, place, path),
            (
                Content::Bool(_)
                | Content::Number(_)
                | Content::Text(_)
                | Content::List(_)
                | Content::Map(_),
                _,
            ) => {
                let message = format!("is {} and must be {}", what(&node.content), a_kind(kind));
                self.refuse("WrongType", place, path, message);
                return;
            }
        }
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            let broken = self
                .schema
                .rules
                .get(&rule.rule)
                .is_some_and(|known| !known.holds(node));
            if broken {
                let below = rule.field_path.as_deref().unwrap_or_default();
                let message = rule.message.clone().unwrap_or_else(|| rule.rule.clone());
                self.refuse("RuleBroken", place, &format!("{path}{below}"), message);
            }
        }
    }

    fn text(&mut self, schema: &JSONSchemaProps, text: &str, place: Place, path: &str) {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let shown = shown(text);
        if let Some(words) = &schema.enum_ {
            let words: Vec<&str> = words.iter().filter_map(|word| word.0.as_str()).collect();
            if !words.contains(&text) {
                let message = format!("\"{shown}\" must be one of {}", words.join(", "));
                self.refuse("UnknownWord", place, path, message);
            }
            return;
        }
        if schema.format.as_deref() == Some("date-time") {
            if text.parse::<jiff::Timestamp>().is_err() {
                let message =
                    format!("\"{shown}\" must be an RFC 3339 time such as 2026-01-05T09:00:00Z");
                self.refuse("Malformed", place, path, message);
            }
            return;
        }
        if let Some(most) = schema.max_length.filter(|most| length > *most) {
            let message = format!("has {length} characters and must be at most {most} long");
            self.refuse("TooLong", place, path, message);
        } else if let Some(least) = schema.min_length.filter(|least| length < *least) {
            let message = format!("\"{shown}\" must be at least {least} long");
            self.refuse("TooShort", place, path, message);
        } else if let Some(pattern) = &schema.pattern
            && self
                .schema
                .patterns
                .get(pattern)
                .is_some_and(|regex| !regex.is_match(text))
        {
            let message = format!("\"{shown}\" must have the form {pattern}");
            self.refuse("Malformed", place, path, message);
        }
    }

    fn number(&mut self, schema: &JSONSchemaProps, number: f64, place: Place, path: &str) {
        if schema.minimum.is_some_and(|least| number < least)
            || schema.maximum.is_some_and(|most| number > most)
        {
            let bounds = match (schema.minimum, schema.maximum) {
                (Some(least), Some(most)) => format!("at least {least} and at most {most}"),
                (Some(least), None) => format!("at least {least}"),
                (None, Some(most)) => format!("at most {most}"),
                (None, None) => return,
            };
            self.refuse(
                "OutOfBounds",
                place,
                path,
                format!("{number} must be {bounds}"),
            );
        }
    }

    fn list(&mut self, schema: &JSONSchemaProps, entries: &[Node], place: Place, path: &str) {
        let length = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        if let Some(most) = schema.max_items.filter(|most| length > *most) {
            self.refuse(
                "TooMany",
                place,
                path,
                format!("has {length} entries and must have at most {most}"),
            );
        }
        if let Some(least) = schema.min_items.filter(|least| length < *least) {
            self.refuse(
                "TooFew",
                place,
                path,
                format!("has {length} entries and must have at least {least}"),
            );
        }
        let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items else {
            return;
        };
        let mut seen = HashSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{index}]");
            self.value(item, entry, entry.place, &path);
            let Some(key) = key_of(schema, entry) else {
                continue;
            };
            if !seen.insert(key.clone()) {
                let message = format!("\"{}\" stands twice and must stand once", shown(&key));
                self.refuse("Duplicate", entry.place, &path, message);
            }
        }
    }

    fn map(
        &mut self,
        schema: &JSONSchemaProps,
        fields: &[(String, Place, Node)],
        place: Place,
        path: &str,
    ) {
        if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
            let length = i64::try_from(fields.len()).unwrap_or(i64::MAX);
            if let Some(most) = schema.max_properties.filter(|most| length > *most) {
                self.refuse(
                    "TooMany",
                    place,
                    path,
                    format!("has {length} entries and must have at most {most}"),
                );
            }
            for (name, place, node) in fields {
                self.value(value, node, *place, &format!("{path}.{name}"));
            }
            return;
        }
        let Some(properties) = &schema.properties else {
            return;
        };
        for (name, place, node) in fields {
            let path = format!("{path}.{name}");
            if let Some(property) = properties.get(name) {
                self.value(property, node, *place, &path);
                continue;
            }
            let near = nearest(name, properties.keys());
            let hint = near
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            let message = format!("there is no field `{name}` here{hint}");
            self.refuse("UnknownField", *place, &path, message);
        }
        for name in schema.required.iter().flatten() {
            let given = fields
                .iter()
                .any(|(known, _, node)| known == name && !matches!(node.content, Content::Null));
            if !given {
                self.refuse(
                    "MissingField",
                    place,
                    &format!("{path}.{name}"),
                    "must be given".to_owned(),
                );
            }
        }
    }
}

fn what(content: &Content) -> &'static str {
    match content {
        Content::Null => "nothing",
        Content::Bool(_) => "true or false",
        Content::Number(_) => "a number",
        Content::Text(_) => "a text",
        Content::List(_) => "a list",
        Content::Map(_) => "a block of fields",
    }
}

fn a_kind(kind: &str) -> &'static str {
    match kind {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "string" => "a text (in quotes where YAML would read something else)",
        "array" => "a list",
        _object => "a block of fields",
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// What tells an entry of a list apart from the others, where something must.
fn key_of(schema: &JSONSchemaProps, entry: &Node) -> Option<String> {
    match schema.x_kubernetes_list_type.as_deref() {
        Some("set") => Some(entry.value().to_string()),
        Some("map") => {
            let keys = schema
                .x_kubernetes_list_map_keys
                .as_deref()
                .unwrap_or_default();
            let values: Option<Vec<String>> = keys
                .iter()
                .map(|key| entry.text(key).map(str::to_owned))
                .collect();
            values.map(|values| values.join("/"))
        }
        Some(_) | None => None,
    }
}

/// The known name that differs from a wrong one by a letter or two, or by case only.
fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let near = known.map(|name| (distance(&wrong.to_lowercase(), &name.to_lowercase()), name));
    near.filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(64).enumerate() {
        let mut before = line;
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
        for (column, wanted) in other.iter().enumerate() {
            let change = before + usize::from(letter != *wanted);
            before = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(before + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

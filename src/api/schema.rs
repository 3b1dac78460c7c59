//! Schema building blocks that several fields share: names, list types, numbers, CEL rules.
//!
//! Each is a schemars transform: `#[schemars(transform = schema::name)]`.

use schemars::Schema;
use serde_json::{Value, json};

/// What durations look like.
pub(super) const DURATION: &str = "^([0-9]{1,6}(h|m|s|ms))+$";
const TOKEN: &str = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const DNS_SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// One of a closed list of words: it is explained where it is used, so the list itself says nothing.
pub fn word(schema: &mut Schema) {
    schema.remove("description");
}

/// A name within an object (step, contact, category ...): 1 to 63 letters, digits, `-`, `_`, `.`.
pub fn name(schema: &mut Schema) {
    text(schema, 1, 63, Some(TOKEN));
}

/// A list of such names, each once.
pub fn names(schema: &mut Schema) {
    each(schema, name);
    set(schema);
}

/// A list of such names in their order; one may stand more than once.
pub fn name_list(schema: &mut Schema) {
    each(schema, name);
    atomic(schema);
}

/// A DNS label: 1 to 63 lower-case letters, digits and `-`.
pub fn dns_label(schema: &mut Schema) {
    text(schema, 1, 63, Some(DNS_LABEL));
}

/// A list of DNS labels, each once.
pub fn dns_labels(schema: &mut Schema) {
    each(schema, dns_label);
    set(schema);
}

/// The name of a Kubernetes object.
pub fn object_name(schema: &mut Schema) {
    text(schema, 1, 253, Some(DNS_SUBDOMAIN));
}

/// The name of a user or of a person: 1 to 256 characters.
pub fn user(schema: &mut Schema) {
    text(schema, 1, 256, None);
}

/// A list of users, each once.
pub fn users(schema: &mut Schema) {
    each(schema, user);
    set(schema);
}

/// One line that must not be empty: 1 to 200 characters.
pub fn title(schema: &mut Schema) {
    text(schema, 1, 200, None);
}

/// A note by a person: at most 1024 characters.
pub fn note(schema: &mut Schema) {
    text(schema, 0, 1024, None);
}

/// A reason that must not be empty: 1 to 1024 characters.
pub fn reason(schema: &mut Schema) {
    text(schema, 1, 1024, None);
}

/// A paragraph: at most 4096 characters.
pub fn paragraph(schema: &mut Schema) {
    text(schema, 0, 4096, None);
}

/// A list of paragraphs in their order.
pub fn paragraphs(schema: &mut Schema) {
    each(schema, |item| text(item, 1, 1024, None));
    atomic(schema);
}

/// A fresh value that makes an equal block new: at most 64 characters.
pub fn token(schema: &mut Schema) {
    text(schema, 0, 64, None);
}

/// An address of the web: at most 2048 characters.
pub fn url(schema: &mut Schema) {
    text(schema, 1, 2048, Some("^https?://[^ ]+$"));
}

/// An IANA time zone such as `Europe/Berlin`.
pub fn time_zone(schema: &mut Schema) {
    text(schema, 1, 64, Some("^[A-Za-z][A-Za-z0-9_+/-]*$"));
}

/// A time of day, `00:00` to `24:00`.
pub fn time_of_day(schema: &mut Schema) {
    text(
        schema,
        5,
        5,
        Some("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
    );
}

/// Calendar days such as `2026-12-25`, each once.
pub fn dates(schema: &mut Schema) {
    each(schema, |item| {
        text(
            item,
            10,
            10,
            Some("^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
        );
    });
    set(schema);
}

/// A local date and time without zone, such as `2026-01-05T09:00`.
pub fn civil_time(schema: &mut Schema) {
    let pattern = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$";
    text(schema, 16, 19, Some(pattern));
}

/// A text of the operator's own in status: at most `max` characters.
pub fn told(max: u64) -> impl Fn(&mut Schema) {
    move |schema| text(schema, 0, max, None)
}

/// A list of texts of the operator's own.
pub fn told_list(schema: &mut Schema) {
    each(schema, |item| text(item, 0, 256, None));
    atomic(schema);
}

/// A whole number that is never negative.
pub fn count(schema: &mut Schema) {
    set_key(schema, "minimum", json!(0));
}

/// A whole number within bounds.
pub fn between(min: i64, max: i64) -> impl Fn(&mut Schema) {
    move |schema| {
        set_key(schema, "minimum", json!(min));
        set_key(schema, "maximum", json!(max));
    }
}

/// A list whose entries are told apart by these fields.
pub fn list_map(keys: &'static [&'static str]) -> impl Fn(&mut Schema) {
    move |schema| {
        set_key(schema, "x-kubernetes-list-type", json!("map"));
        set_key(schema, "x-kubernetes-list-map-keys", json!(keys));
    }
}

/// A list in which each value stands once.
pub fn set(schema: &mut Schema) {
    set_key(schema, "x-kubernetes-list-type", json!("set"));
}

/// A list that is written as a whole.
pub fn atomic(schema: &mut Schema) {
    set_key(schema, "x-kubernetes-list-type", json!("atomic"));
}

/// Labels: at most 16, names and values bounded as Kubernetes bounds them.
pub fn labels(schema: &mut Schema) {
    set_key(schema, "maxProperties", json!(16));
    set_key(
        schema,
        "additionalProperties",
        json!({"type": "string", "maxLength": 63}),
    );
}

/// A CEL rule and what it says when it is broken.
pub fn rule(rule: &'static str, message: &'static str) -> impl Fn(&mut Schema) {
    move |schema| add_rule(schema, json!({"rule": rule, "message": message}))
}

/// A CEL rule whose refusal names a field below.
pub fn rule_at(
    field: &'static str,
    rule: &'static str,
    message: &'static str,
) -> impl Fn(&mut Schema) {
    move |schema| {
        add_rule(
            schema,
            json!({"rule": rule, "message": message, "fieldPath": field}),
        );
    }
}

/// A duration of at most 8760h.
pub fn duration(schema: &mut Schema) {
    duration_rule(
        schema,
        "duration(self) <= duration('8760h')",
        "must be at most 8760h",
    );
}

/// A duration of at least a second and at most 8760h.
pub fn duration_at_least_1s(schema: &mut Schema) {
    duration_between("1s", "8760h")(schema);
}

/// A duration within bounds, both included.
pub fn duration_between(min: &'static str, max: &'static str) -> impl Fn(&mut Schema) {
    move |schema| {
        let rule =
            format!("duration(self) >= duration('{min}') && duration(self) <= duration('{max}')");
        let message = format!("must be at least {min} and at most {max}");
        duration_rule(schema, &rule, &message);
    }
}

/// CEL's `duration()` fails on malformed and on enormous texts, with words of its own. The first are the pattern's to
/// refuse, the second (10000h and more in one part) are too long in any case: neither reaches the conversion.
fn duration_rule(schema: &mut Schema, within: &str, message: &str) {
    let rule =
        format!("!self.matches('{DURATION}') || (!self.matches('[1-9][0-9]{{4,5}}h') && {within})");
    add_rule(schema, json!({"rule": rule, "message": message}));
}

fn text(schema: &mut Schema, min: u64, max: u64, pattern: Option<&str>) {
    if min > 0 {
        set_key(schema, "minLength", json!(min));
    }
    set_key(schema, "maxLength", json!(max));
    if let Some(pattern) = pattern {
        set_key(schema, "pattern", json!(pattern));
    }
}

fn each(schema: &mut Schema, change: impl Fn(&mut Schema)) {
    if let Some(items) = schema.get_mut("items")
        && let Ok(items) = <&mut Schema>::try_from(items)
    {
        change(items);
    }
}

fn add_rule(schema: &mut Schema, rule: Value) {
    let rules = schema
        .ensure_object()
        .entry("x-kubernetes-validations")
        .or_insert_with(|| json!([]));
    if let Value::Array(rules) = rules {
        rules.push(rule);
    }
}

fn set_key(schema: &mut Schema, key: &str, value: Value) {
    schema.insert(key.to_owned(), value);
}

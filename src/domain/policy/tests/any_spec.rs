//! Specs that nobody would write: a good one with values replaced, doubled or taken away anywhere in it.

use proptest::prelude::*;
use serde_json::{Value, json};

/// One change somewhere in a JSON value.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Which of all values, counted as a fraction of them.
    place: f64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Remove,
    Double,
    Replace(Value),
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "alice",
            "first",
            "business",
            "Critical",
            "NotResolved",
            "Webhook",
            "Email",
            "0s",
            "8760h",
            "1ms",
            "24:00",
            "00:00",
            "23:59",
            "9999-12-31",
            "-009999-01-01",
            "9999-12-31T23:59",
            "0001-01-01T00:00",
            "9999-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "Pacific/Apia",
            "a@b",
            "https://[::1]",
            "smtp://:0",
        ])
        .prop_map(Value::from),
        prop::sample::select(vec![
            i64::MIN,
            i64::from(i32::MIN),
            -1,
            0,
            1,
            7,
            366,
            8760,
            i64::from(i32::MAX),
            i64::MAX
        ])
        .prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
    ]
}

/// Any change.
pub(super) fn any_change() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![
        1 => Just(Kind::Remove),
        1 => Just(Kind::Double),
        3 => any_value().prop_map(Kind::Replace),
    ];
    (0.0..1.0, kind).prop_map(|(place, kind)| Change { place, kind })
}

/// Makes a change at its place.
pub(super) fn apply(change: &Change, value: &mut Value) {
    let places = pointers(value);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    let index = (change.place * places.len() as f64) as usize;
    let Some(pointer) = places.get(index) else {
        return;
    };
    match &change.kind {
        Kind::Replace(new) => {
            if let Some(old) = value.pointer_mut(pointer) {
                *old = new.clone();
            }
        }
        Kind::Remove | Kind::Double => {
            let Some((parent, key)) = pointer.rsplit_once('/') else {
                return;
            };
            match value.pointer_mut(parent) {
                Some(Value::Object(fields)) => drop(fields.remove(key)),
                Some(Value::Array(items)) => {
                    let at = key.parse().unwrap_or(0);
                    if matches!(change.kind, Kind::Remove) {
                        items.remove(at);
                    } else {
                        items.insert(at, items[at].clone());
                    }
                }
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                }
            }
        }
    }
}

fn pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut inner = |key: &str, value: &Value| {
        let path = format!("{path}/{key}");
        found.push(path.clone());
        collect(value, &path, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| inner(key, value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| inner(&index.to_string(), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

//! What differs between two statuses, as a small JSON Patch under the resourceVersion that was seen.
//!
//! The API server answers 409 to a patch whose `metadata.resourceVersion` is no longer the object's (tried on 1.37).
//! Rings (timeline, deliveries) lose elements at the head and gain some at the tail: neither is resent whole.

use serde_json::{Value, json};

/// The patch that turns a stored object with `old` as status into one with `new`, if its resourceVersion is still
/// `version`. `None` when nothing differs.
///
/// `old` may hold defaults that the stored object has not, so members are always `add`ed, which replaces as well.
pub fn status_patch(version: &str, old: Option<&Value>, new: &Value) -> Option<Vec<Value>> {
    let mut operations = vec![replace("/metadata/resourceVersion", &json!(version))];
    match old {
        Some(old) => differ(old, new, "/status", &mut operations),
        None => operations.push(add("/status", new)),
    }
    (operations.len() > 1).then_some(operations)
}

/// The patch that writes the whole status: for a stored one that differs from what was decoded.
pub fn whole_status(version: &str, new: &Value) -> Vec<Value> {
    vec![
        replace("/metadata/resourceVersion", &json!(version)),
        add("/status", new),
    ]
}

fn differ(old: &Value, new: &Value, path: &str, operations: &mut Vec<Value>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                operations.push(remove(&below(path, key)));
            }
            for (key, value) in new {
                match old.get(key) {
                    Some(before) => differ(before, value, &below(path, key), operations),
                    None => operations.push(add(&below(path, key), value)),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if !old.is_empty() && !new.is_empty() => {
            differ_in_list(old, new, path, operations);
        }
        (_, new) => operations.push(add(path, new)),
    }
}

/// Drops the head elements that make the rest fit best, mends what is left, drops or appends at the tail.
fn differ_in_list(old: &[Value], new: &[Value], path: &str, operations: &mut Vec<Value>) {
    let dropped = best_shift(old, new);
    let kept = &old[dropped..];
    for _ in 0..dropped {
        operations.push(remove(&format!("{path}/0")));
    }
    for (index, (before, after)) in kept.iter().zip(new).enumerate() {
        match (before, after) {
            (Value::Object(_), Value::Object(_)) => {
                differ(before, after, &format!("{path}/{index}"), operations);
            }
            _ if before == after => {}
            _ => operations.push(replace(&format!("{path}/{index}"), after)),
        }
    }
    for _ in new.len()..kept.len() {
        operations.push(remove(&format!("{path}/{}", new.len())));
    }
    for value in new.iter().skip(kept.len()) {
        operations.push(add(&format!("{path}/-"), value));
    }
}

/// How many head elements of `old` to drop so that the fewest elements have to be sent.
fn best_shift(old: &[Value], new: &[Value]) -> usize {
    let cost = |dropped: usize| {
        let kept = &old[dropped..];
        let changed = kept
            .iter()
            .zip(new)
            .filter(|(before, after)| before != after)
            .count();
        2 * changed + dropped + kept.len().abs_diff(new.len())
    };
    (0..old.len())
        .min_by_key(|dropped| cost(*dropped))
        .unwrap_or(0)
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn add(path: &str, value: &Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"op": "replace", "path": path, "value": value})
}

fn remove(path: &str) -> Value {
    json!({"op": "remove", "path": path})
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::{Value, json};

    use super::{status_patch, whole_status};

    fn apply(old: &Value, operations: Vec<Value>) -> Value {
        let mut object = json!({"metadata": {"resourceVersion": "7"}, "status": old});
        let patch: json_patch::Patch = serde_json::from_value(Value::Array(operations)).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        object["status"].take()
    }

    #[test]
    fn a_ring_that_moves_on_sends_only_its_ends() {
        let entry = |number: i64| json!({"type": "Paged", "message": format!("entry {number}")});
        let old = json!({"timeline": (0..30).map(entry).collect::<Vec<_>>()});
        let new = json!({"timeline": (2..32).map(entry).collect::<Vec<_>>()});
        let operations = status_patch("7", Some(&old), &new).unwrap();
        assert_eq!(
            operations.len(),
            5,
            "version, two removed, two added: {operations:?}"
        );
        assert_eq!(apply(&old, operations), new);
    }

    #[test]
    fn an_entry_folded_with_its_neighbour_sends_its_count_only() {
        let old = json!({"timeline": [{"type": "A"}, {"type": "B", "count": 2}]});
        let new = json!({"timeline": [{"type": "A"}, {"type": "B", "count": 3}]});
        let operations = status_patch("7", Some(&old), &new).unwrap();
        assert_eq!(
            operations[1],
            json!({"op": "add", "path": "/status/timeline/1/count", "value": 3})
        );
        assert_eq!(operations.len(), 2);
    }

    #[test]
    fn nothing_that_differs_is_no_write() {
        let status = json!({"phase": "Submitted", "timeline": [1, 2]});
        assert_eq!(status_patch("7", Some(&status), &status), None);
    }

    #[test]
    fn the_first_status_is_sent_whole_with_the_version_that_was_seen() {
        let operations = status_patch("7", None, &json!({"phase": "Submitted"})).unwrap();
        assert_eq!(
            operations[0],
            json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"})
        );
        assert_eq!(
            operations,
            whole_status("7", &json!({"phase": "Submitted"}))
        );
    }

    fn status() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4_i64).prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::from),
                btree_map("[a-c/~]{1,2}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_always_leads_to_the_new_status(old in status(), new in status()) {
            let operations = status_patch("7", Some(&old), &new).unwrap_or_else(|| whole_status("7", &new));
            assert_eq!(apply(&old, operations), new);
        }
    }
}

//! Strips from an object what no decision reads, before it is held in memory (architecture.md, trap 11).
//!
//! Of `managedFields` stay, per entry, the manager, the time and which blocks of the spec it owns: that dates facts
//! which are seen late (api.md section 5).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::api::ObjectMeta;
use serde_json::{Map, Value};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Strips the metadata of an object that is going to be held.
pub fn slim(metadata: &mut ObjectMeta) {
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    if let Some(entries) = metadata.managed_fields.take() {
        metadata.managed_fields = Some(entries.into_iter().filter_map(slim_entry).collect());
    }
}

/// What is kept of an entry; nothing of one that owns no block of the spec.
fn slim_entry(entry: ManagedFieldsEntry) -> Option<ManagedFieldsEntry> {
    let FieldsV1(fields) = entry.fields_v1?;
    let spec = fields.get("f:spec")?.as_object()?;
    let blocks: Map<String, Value> = spec
        .keys()
        .map(|block| (block.clone(), Value::Object(Map::new())))
        .collect();
    let kept = Map::from_iter([("f:spec".to_owned(), Value::Object(blocks))]);
    Some(ManagedFieldsEntry {
        manager: entry.manager,
        time: entry.time,
        fields_v1: Some(FieldsV1(Value::Object(kept))),
        ..ManagedFieldsEntry::default()
    })
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use serde_json::json;

    use super::slim;

    #[test]
    fn who_owns_which_block_since_when_stays_and_nothing_else() {
        let mut metadata: ObjectMeta = serde_json::from_value(json!({
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"},
            "managedFields": [
                {"manager": "kubectl", "operation": "Update", "apiVersion": "firebell.dev/v1alpha1", "fieldsType": "FieldsV1",
                 "time": "2026-01-05T09:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {".": {}, "f:title": {}, "f:triage": {"f:by": {}}}}},
                {"manager": "firebell", "time": "2026-01-05T09:01:00Z", "subresource": "status", "fieldsV1": {"f:status": {"f:phase": {}}}}
            ]
        }))
        .unwrap();
        slim(&mut metadata);
        let kept = serde_json::to_value(&metadata).unwrap();
        assert_eq!(
            kept,
            json!({
                "annotations": {"team": "a"},
                "managedFields": [{"manager": "kubectl", "time": "2026-01-05T09:00:00Z", "fieldsV1": {"f:spec": {".": {}, "f:title": {}, "f:triage": {}}}}]
            })
        );
    }
}

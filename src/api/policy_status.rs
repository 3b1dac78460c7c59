//! What the operator says about a policy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::schema;
use super::time::Time;

/// What the operator says about a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicyStatus {
    /// The `metadata.generation` this status was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub observed_generation: Option<i64>,
    /// Name of the ControllerRevision with the newest valid spec: new tickets are pinned to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(253))]
    pub revision: Option<String>,
    /// The `metadata.generation` that revision was made from. Lower than `observedGeneration` = the newest edit is
    /// invalid and not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub generation: Option<i64>,
    /// When the `spec.suspend` that stands there was first seen; it counts for 24 h from then, as long as it is there.
    /// Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend_seen_time: Option<Time>,
    /// How many open tickets use this policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub open_tickets: Option<i64>,
    /// How many of them use an older revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub outdated_tickets: Option<i64>,
    /// What the operator found to be unfinished or doubtful, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::atomic)]
    pub open_items: Vec<OpenItem>,
    /// Where the support document stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRef>,
    /// Observations, one per type. `Ready` = the newest edit is valid and in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["type"]))]
    pub conditions: Vec<Condition>,
}

/// Something unfinished or doubtful that the operator found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenItem {
    /// What kind of finding, one CamelCase word.
    #[schemars(transform = schema::told(64))]
    pub code: String,
    /// The field it is about, such as `spec.steps[1].notify`.
    #[schemars(transform = schema::told(256))]
    pub path: String,
    /// What is wrong and what to do.
    #[schemars(transform = schema::told(512))]
    pub message: String,
}

/// Where a document stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentRef {
    /// Name of the ConfigMap in the same namespace.
    #[schemars(transform = schema::told(253))]
    pub config_map: String,
}

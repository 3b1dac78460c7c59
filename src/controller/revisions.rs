//! Valid specs of policies as `ControllerRevision`s: how they are named, written and read (api.md section 3,
//! "Revisions").
//!
//! No owner reference, and no label but `firebell.dev/*`: a `StatefulSet` adopts an ownerless revision that wears its
//! label. `suspend` is left out, since it is always read from the live object.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::ObjectMeta;
use serde_json::json;

use crate::api::{EscalationPolicy, EscalationPolicySpec};
use crate::domain::policy::ValidPolicy;
use crate::domain::telling::delivery::hex32;

/// Says of a revision that it is ours: the first digits of the hash of the policy's name.
pub const LABEL: &str = "firebell.dev/policy";
/// Names the policy in full.
pub const ANNOTATION: &str = "firebell.dev/policy-name";

/// Why a revision cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// It holds no `spec`.
    #[error("it holds no `spec`")]
    Empty,
    /// Its `spec` cannot be decoded.
    #[error("its `spec` cannot be read: {0}")]
    Decode(#[from] serde_json::Error),
    /// Its `spec` is no valid policy by today's checks.
    #[error("its `spec` is not valid: {0}")]
    Invalid(String),
}

/// A revision as it is held.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Uid of the `ControllerRevision`.
    pub uid: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its content.
    pub valid: Arc<ValidPolicy>,
}

/// The revision that holds a policy's spec.
pub fn revision(policy: &EscalationPolicy) -> Result<ControllerRevision, serde_json::Error> {
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    let spec = serde_json::to_value(EscalationPolicySpec {
        suspend: None,
        ..policy.spec.clone()
    })?;
    let hash = hex32(spec.to_string().as_bytes());
    Ok(ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{}", &hash[..10])),
            namespace: policy.metadata.namespace.clone(),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), label_of(name))])),
            annotations: Some(BTreeMap::from([(ANNOTATION.to_owned(), name.to_owned())])),
            ..ObjectMeta::default()
        },
        data: RawExtension(json!({"spec": spec})),
        revision: policy.metadata.generation,
    })
}

/// The label's value for a policy's name, which may be longer than a label.
pub fn label_of(policy: &str) -> String {
    hex32(policy.as_bytes())[..16].to_owned()
}

/// Reads a stored revision.
pub fn read(revision: &ControllerRevision) -> Result<Stored, RevisionError> {
    let spec = revision.data.0.get("spec").ok_or(RevisionError::Empty)?;
    let spec: EscalationPolicySpec = serde_json::from_value(spec.clone())?;
    let checked = ValidPolicy::check(spec).policy;
    let valid = checked.map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        RevisionError::Invalid(findings.join("; "))
    })?;
    Ok(Stored {
        uid: revision.metadata.uid.clone(),
        created: revision
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0),
        valid: Arc::new(valid),
    })
}

/// Whether two revisions hold the same content.
pub fn same_content(one: &ControllerRevision, other: &ControllerRevision) -> bool {
    let spec = |revision: &ControllerRevision| revision.data.0.get("spec").cloned();
    spec(one) == spec(other)
}

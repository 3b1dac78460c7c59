//! The one way a status is written: a small patch under the resourceVersion that was seen, through the gate.

use std::fmt::Debug;

use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::call;
use super::error::{CallError, Class};
use super::gate::Gate;
use super::key::Key;
use super::patch::{status_patch, whole_status};
use crate::metrics::{Kind, Metrics, Outcome};

/// Who the API server is told wrote a status.
pub const FIELD_MANAGER: &str = "firebell-operator";

/// Writes statuses. Clones share the gate.
#[derive(Clone)]
pub struct StatusWriter {
    /// The API server.
    pub client: Client,
    /// Bounds the writes on their way.
    pub gate: Gate,
    /// Counts.
    pub metrics: Metrics,
}

/// A status to be written.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a, S> {
    /// The object.
    pub key: &'a Key,
    /// The resourceVersion that was seen.
    pub version: &'a str,
    /// The status that was seen.
    pub old: Option<&'a S>,
    /// The status as it should be.
    pub new: &'a S,
    /// The most urgent goes first.
    pub rank: Timestamp,
}

impl StatusWriter {
    /// Writes what differs and returns the object as it is then; `None` when nothing differs. Where the stored status
    /// is not what was decoded from it, the whole is written.
    pub async fn write<K, S>(
        &self,
        kind: Kind,
        what: &'static str,
        wanted: Wanted<'_, S>,
    ) -> Result<Option<K>, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
        S: Serialize,
    {
        // Thousands may wait here in a storm: the texts of both statuses are made once it is their turn.
        let _permit = self.gate.pass(wanted.rank).await;
        let json = |status: &S| {
            serde_json::to_value(status).map_err(|source| CallError::Encoding { what, source })
        };
        let new = json(wanted.new)?;
        let old = wanted.old.map(json).transpose()?;
        let Some(operations) = status_patch(wanted.version, old.as_ref(), &new) else {
            return Ok(None);
        };
        drop(old);
        match self.send(kind, what, wanted.key, operations).await {
            Err(error) if error.status() == Some(422) => {
                tracing::warn!(object = %wanted.key, ?kind, %error, "a small patch of a status did not fit; the whole is written");
                self.send(kind, what, wanted.key, whole_status(wanted.version, &new))
                    .await
                    .map(Some)
            }
            written => written.map(Some),
        }
    }

    async fn send<K>(
        &self,
        kind: Kind,
        what: &'static str,
        key: &Key,
        operations: Vec<Value>,
    ) -> Result<K, CallError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let patch = serde_json::from_value(Value::Array(operations))
            .map_err(|source| CallError::Encoding { what, source })?;
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let written = call(
            what,
            api.patch_status(&key.name, &params, &Patch::Json::<()>(patch)),
        )
        .await;
        self.metrics.wrote_status(kind, outcome(&written));
        written
    }
}

fn outcome<T>(written: &Result<T, CallError>) -> Outcome {
    match written.as_ref().map_err(CallError::class) {
        Ok(_) => Outcome::Done,
        Err(Class::Conflict) => Outcome::Conflict,
        Err(Class::Transient) => Outcome::Transient,
        Err(Class::Terminal) => Outcome::Terminal,
    }
}

//! Deletes stored revisions that are old and that nobody uses, by the careful rule of api.md section 3: not one that a
//! live list of the whole cluster shows in use, archived tickets and such as cannot be decoded included.
//!
//! An operator that may not list the whole cluster deletes nothing. One that works in some namespaces only deletes in
//! those, and never in the shared one: policies there serve tickets that others look after.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client, Resource};

use super::client::call;
use super::error::CallError;
use super::key::Key;
use super::view::View;
use crate::api::{EscalationPolicy, Rca, Ticket};
use crate::clock::Now;
use crate::domain::selection::PolicyKey;

/// How often revisions without users are looked for.
const EVERY: Duration = Duration::from_hours(1);
/// A revision younger than this stays, whoever uses it.
const KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Objects of one page of a live list.
const PAGE: u32 = 500;

/// A stored revision: its key and when it was made.
pub type Made = (Key, Option<Timestamp>);

/// Looks for revisions that nobody uses and deletes them.
pub struct Collection {
    /// The API server.
    pub client: Client,
    /// The namespaces that the operator works in; none = the whole cluster.
    pub namespaces: Vec<String>,
    /// Where policies for all namespaces stand.
    pub shared_namespace: Option<String>,
    /// The stored revisions that nobody in view uses.
    pub unused: Box<dyn Fn() -> Vec<Made> + Send + Sync>,
    /// The operator's time.
    pub clock: Arc<dyn Now>,
}

impl Collection {
    /// A pass each hour, for good.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.pass().await;
        }
    }

    /// One pass; the revisions that it deleted.
    pub async fn pass(&self) -> Vec<Key> {
        let now = self.clock.now();
        let old =
            |made: Option<Timestamp>| made.is_some_and(|made| now.duration_since(made) > KEEP);
        let mut candidates: Vec<Key> = (self.unused)()
            .into_iter()
            .filter(|(key, made)| old(*made) && self.looks_after(&key.namespace))
            .map(|(key, _)| key)
            .collect();
        if candidates.is_empty() {
            return candidates;
        }
        match users(&self.client).await {
            Ok(used) => candidates.retain(|key| !used.contains(&key.pair())),
            Err(error) => {
                tracing::debug!(%error, "revisions without users are kept: who uses them could not be asked");
                return Vec::new();
            }
        }
        let mut deleted = Vec::new();
        for key in candidates {
            if self.delete(&key).await {
                deleted.push(key);
            }
        }
        deleted
    }

    /// Whether revisions of a namespace are this operator's to delete.
    fn looks_after(&self, namespace: &str) -> bool {
        let own = self.namespaces.iter().any(|own| own == namespace);
        let shared = self.shared_namespace.as_deref() == Some(namespace);
        self.namespaces.is_empty() || (own && !shared)
    }

    /// Deletes the very version that is stored now; whether it did.
    async fn delete(&self, key: &Key) -> bool {
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &key.namespace);
        let Ok(stored) = call("get controllerrevisions", api.get(&key.name)).await else {
            return false;
        };
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: stored.meta().uid.clone(),
                resource_version: stored.meta().resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        let deleted = call("delete controllerrevisions", api.delete(&key.name, &params)).await;
        match &deleted {
            Ok(_) => {
                tracing::info!(revision = %key, "a revision that nobody has used for 30 days was deleted");
            }
            Err(error) => {
                tracing::warn!(revision = %key, %error, "a revision that nobody uses could not be deleted");
            }
        }
        deleted.is_ok()
    }
}

/// Stored revisions that are not the newest of their policy and that no ticket in view is pinned to.
pub fn unused_in(view: &View) -> Vec<Made> {
    let index = view.policies.index();
    let newest = |key: &Key| {
        let (namespace, name) = key.pair();
        index
            .policies
            .iter()
            .any(|((of, _), policy)| *of == namespace && policy.revision.as_ref() == Some(&name))
    };
    let mut pinned = HashSet::new();
    view.tickets.each(|ticket| {
        let status = ticket.status.as_ref();
        if let Some(pin) = status.and_then(|status| status.policy.as_ref()) {
            pinned.insert((pin.namespace.clone(), pin.revision.clone()));
        }
    });
    let stored = view.policies.revisions().into_iter();
    stored
        .filter(|(key, _)| !newest(key) && !pinned.contains(&key.pair()))
        .collect()
}

/// Every revision that a stored ticket, RCA or policy names, read live; objects that cannot be decoded count too.
async fn users(client: &Client) -> Result<HashSet<PolicyKey>, CallError> {
    let mut used = HashSet::new();
    for kind in [
        ApiResource::erase::<Ticket>(&()),
        ApiResource::erase::<Rca>(&()),
    ] {
        let pinned = |object: DynamicObject| {
            let told = |field: &str| text(&object, &format!("/status/policy/{field}"));
            told("namespace").zip(told("revision"))
        };
        used.extend(list(client, &kind, pinned).await?);
    }
    let newest = |policy: DynamicObject| {
        let revision = text(&policy, "/status/revision");
        policy.metadata.namespace.zip(revision)
    };
    let kind = ApiResource::erase::<EscalationPolicy>(&());
    used.extend(list(client, &kind, newest).await?);
    Ok(used)
}

fn text(object: &DynamicObject, path: &str) -> Option<String> {
    Some(object.data.pointer(path)?.as_str()?.to_owned())
}

/// What is wanted of each object of a kind. One page of them is in memory at once: the whole may be far more than this
/// process may use.
async fn list(
    client: &Client,
    kind: &ApiResource,
    wanted: impl Fn(DynamicObject) -> Option<PolicyKey>,
) -> Result<HashSet<PolicyKey>, CallError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let mut params = ListParams::default().limit(PAGE);
    let mut found = HashSet::new();
    loop {
        let page = call("list the whole cluster", api.list(&params)).await?;
        found.extend(page.items.into_iter().filter_map(&wanted));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

//! The support document of each policy, kept in a `ConfigMap` beside it: written only when it differs, restored when
//! somebody edits or deletes it, gone with the policy.
//!
//! `ConfigMap`s are never listed nor watched: one is read by name when its policy is looked at, which is at an edit, when
//! its numbers change, and once an hour. A `ConfigMap` of that name that is not ours is left alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use parking_lot::Mutex;

use super::client::call;
use super::error::CallError;
use super::key::Key;
use super::revisions::{LABEL, label_of};
use crate::api::EscalationPolicy;
use crate::connectors::template;
use crate::document::{self, Paper};
use crate::domain::policy::{OpenItem, Surroundings, ValidPolicy};
use crate::domain::selection::PolicyIndex;
use crate::domain::telling::delivery::hex32;
use crate::simulation::timetables;

/// The key of the document in its `ConfigMap`.
pub const FILE: &str = "document.md";
/// Most bytes of the text: the API server takes 1 MiB of data, the key included.
pub const MOST: usize = 1024 * 1024 - 1024;
/// A `ConfigMap` that was as it should be is not asked for again before.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// What is written where a text was cut.
const CUT: &str = "\n\n---\n\nThis document was cut here: a ConfigMap holds 1 MiB. \
                   `kubectl firebell policy render` prints all of it.\n";

/// How the document of a policy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Kept whole.
    Kept,
    /// Kept, and cut.
    Cut,
    /// A `ConfigMap` of its name is somebody else's.
    NameTaken,
    /// The API server does not let us.
    Refused,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Name of the `ConfigMap`.
    pub config_map: String,
    /// How it stands.
    pub standing: Standing,
}

impl Kept {
    /// Whether the `ConfigMap` holds the whole document.
    pub fn whole(&self) -> bool {
        match self.standing {
            Standing::Kept => true,
            Standing::Cut | Standing::NameTaken | Standing::Refused => false,
        }
    }

    /// Whether there is a document of ours in the `ConfigMap`.
    pub fn there(&self) -> bool {
        match self.standing {
            Standing::Kept | Standing::Cut => true,
            Standing::NameTaken | Standing::Refused => false,
        }
    }

    /// The reason of the condition.
    pub fn reason(&self) -> &'static str {
        match self.standing {
            Standing::Kept => "Kept",
            Standing::Cut => "TooLarge",
            Standing::NameTaken => "NameTaken",
            Standing::Refused => "Refused",
        }
    }

    /// The message of the condition.
    pub fn message(&self) -> String {
        let name = &self.config_map;
        match self.standing {
            Standing::Kept => format!("the support document stands in ConfigMap \"{name}\""),
            Standing::Cut => format!(
                "the support document is larger than a ConfigMap may be; \"{name}\" holds its beginning, and \
                 `kubectl firebell policy render` prints all of it; shorten texts or split the policy"
            ),
            Standing::NameTaken => format!(
                "ConfigMap \"{name}\" exists and is not the operator's, so it is left alone and the document is not \
                 kept; rename or delete it"
            ),
            Standing::Refused => format!(
                "the operator may not keep the support document in ConfigMap \"{name}\"; grant it get, create and \
                 update on ConfigMaps (docs/rbac.md)"
            ),
        }
    }
}

/// What a document is written from: the content in use, and what is open in it.
#[derive(Clone, Debug)]
pub struct Source {
    revision: String,
    valid: Arc<ValidPolicy>,
    open_items: Vec<OpenItem>,
}

impl Source {
    /// That of a policy whose newest edit is valid.
    pub fn new(revision: &str, valid: &ValidPolicy, open_items: &[OpenItem]) -> Self {
        Self {
            revision: revision.to_owned(),
            valid: Arc::new(valid.clone()),
            open_items: open_items.to_vec(),
        }
    }

    /// That of a policy whose newest edit is not: the revision that is still in use.
    pub fn in_use(
        policy: &EscalationPolicy,
        around: &Surroundings,
        index: &PolicyIndex,
    ) -> Option<Self> {
        let revision = policy.status.as_ref()?.revision.clone()?;
        let key = (policy.metadata.namespace.clone()?, revision.clone());
        let valid = index.revisions.get(&key)?.clone();
        let mut open_items = template::open_items(valid.spec());
        open_items.extend(ValidPolicy::check_in(valid.spec().clone(), around).open_items);
        Some(Self {
            revision,
            valid,
            open_items,
        })
    }

    /// Equal words, equal document.
    fn words(&self) -> String {
        let items = self.open_items.iter().map(OpenItem::to_string);
        let all: Vec<String> = std::iter::once(self.revision.clone())
            .chain(items)
            .collect();
        hex32(all.join("\n").as_bytes())
    }
}

/// A document as it was last written, and how it was last seen to stand.
#[derive(Clone, Debug)]
struct Held {
    /// What it is written from.
    from: String,
    text: Arc<str>,
    cut: bool,
    seen: Option<(Timestamp, Kept)>,
}

/// Keeps the documents.
pub struct Documents {
    client: Client,
    held: Mutex<HashMap<Key, Held>>,
}

impl Documents {
    /// None kept yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            held: Mutex::default(),
        }
    }

    /// Forgets a policy that is gone; its `ConfigMap` goes with it.
    pub fn forget(&self, key: &Key) {
        self.held.lock().remove(key);
    }

    /// Makes sure that the document of the content in use stands in its `ConfigMap`. `None` = nothing is in use yet.
    pub async fn keep(
        &self,
        policy: &EscalationPolicy,
        source: Option<&Source>,
        now: Timestamp,
    ) -> Result<Option<Kept>, CallError> {
        let Some(source) = source else {
            return Ok(None);
        };
        let key = Key::of(&policy.metadata);
        let held = self.written(&key, source);
        if let Some((until, kept)) = held.seen
            && now < until
        {
            return Ok(Some(kept));
        }
        let config_map = name_of(&key.name);
        let standing = match self.store(policy, &config_map, &held.text).await {
            Ok(true) if held.cut => Standing::Cut,
            Ok(true) => Standing::Kept,
            Ok(false) => Standing::NameTaken,
            Err(error) if error.status() == Some(403) => {
                tracing::warn!(policy = %key, %error, "the document of a policy cannot be kept");
                Standing::Refused
            }
            Err(error) => return Err(error),
        };
        let kept = Kept {
            config_map,
            standing,
        };
        let until = now.saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
        if let Some(held) = self.held.lock().get_mut(&key) {
            held.seen = Some((until, kept.clone()));
        }
        Ok(Some(kept))
    }

    /// The document; it is written anew only when what it is written from has changed.
    fn written(&self, key: &Key, source: &Source) -> Held {
        let from = source.words();
        if let Some(held) = self.held.lock().get(key)
            && held.from == from
        {
            return held.clone();
        }
        let text = document::policy(&Paper {
            name: &key.name,
            namespace: Some(&key.namespace),
            revision: &source.revision,
            policy: &source.valid,
            timetables: &timetables(&source.valid),
            open_items: &source.open_items,
        });
        let (text, cut) = fitting(text);
        let held = Held {
            from,
            text: text.into(),
            cut,
            seen: None,
        };
        self.held.lock().insert(key.clone(), held.clone());
        held
    }

    /// Writes what differs; false = the name is somebody else's.
    async fn store(
        &self,
        policy: &EscalationPolicy,
        name: &str,
        text: &str,
    ) -> Result<bool, CallError> {
        let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let mut wanted = config_map(policy, name, text);
        let params = PostParams::default();
        let there = match call("get configmaps", api.get(name)).await {
            Ok(there) => there,
            Err(CallError::Gone { .. }) => {
                call("create configmaps", api.create(&params, &wanted)).await?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        if !is_ours(&there, policy) {
            return Ok(false);
        }
        if !same(&there, &wanted) {
            wanted
                .metadata
                .resource_version
                .clone_from(&there.metadata.resource_version);
            call("update configmaps", api.replace(name, &params, &wanted)).await?;
        }
        Ok(true)
    }
}

/// Name of the `ConfigMap` of a policy.
pub fn name_of(policy: &str) -> String {
    format!("{policy}-support-document")
}

fn config_map(policy: &EscalationPolicy, name: &str, text: &str) -> ConfigMap {
    let policy_name = policy.metadata.name.clone().unwrap_or_default();
    let owner = OwnerReference {
        api_version: EscalationPolicy::api_version(&()).into_owned(),
        kind: EscalationPolicy::kind(&()).into_owned(),
        name: policy_name.clone(),
        uid: policy.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: policy.metadata.namespace.clone(),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), label_of(&policy_name))])),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(FILE.to_owned(), text.to_owned())])),
        ..ConfigMap::default()
    }
}

/// Whether a `ConfigMap` is the document of a policy: it carries our label, and belongs to nobody else. One whose owner
/// was an earlier policy of that name, and is about to be collected, counts as ours too.
fn is_ours(there: &ConfigMap, policy: &EscalationPolicy) -> bool {
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    let label = there
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL));
    let kind = EscalationPolicy::kind(&());
    let owned = |owner: &OwnerReference| owner.kind == kind && owner.name == name;
    let owners = there
        .metadata
        .owner_references
        .as_deref()
        .unwrap_or_default();
    label.is_some_and(|label| *label == label_of(name)) || owners.iter().any(owned)
}

/// Whether a `ConfigMap` is as it should be. Labels and annotations that others added are theirs.
fn same(there: &ConfigMap, wanted: &ConfigMap) -> bool {
    let label = |of: &ConfigMap| {
        of.metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(LABEL).cloned())
    };
    there.data == wanted.data
        && there.binary_data.as_ref().is_none_or(BTreeMap::is_empty)
        && there.metadata.owner_references == wanted.metadata.owner_references
        && label(there) == label(wanted)
}

/// As much of a document as a `ConfigMap` holds, and whether it had to be cut for that.
fn fitting(text: String) -> (String, bool) {
    if text.len() <= MOST {
        return (text, false);
    }
    let room = text.floor_char_boundary(MOST - CUT.len());
    let end = text[..room].rfind('\n').unwrap_or(room);
    (format!("{}{CUT}", &text[..end]), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_too_large_is_cut_at_the_end_of_a_line_and_says_so() {
        let line = "| ä | b |\n";
        let text = line.repeat(MOST / line.len() + 10);
        let (kept, cut) = fitting(text);
        assert!(cut && kept.len() <= MOST, "{}", kept.len());
        let (table, notice) = kept.split_at(kept.len() - CUT.len());
        assert!(table.ends_with("| b |"), "{:?}", &table[table.len() - 20..]);
        assert!(notice.contains("policy render"));
        assert!(!fitting("short".to_owned()).1);
    }

    fn policy(name: &str) -> EscalationPolicy {
        let mut policy = EscalationPolicy::new(name, crate::api::EscalationPolicySpec::default());
        policy.metadata.namespace = Some("shop".into());
        policy.metadata.uid = Some("u".into());
        policy
    }

    #[test]
    fn a_config_map_of_somebody_else_is_not_ours_and_one_that_lost_its_label_is() {
        let gold = policy("gold");
        let ours = config_map(&gold, "gold-support-document", "text");
        assert!(is_ours(&ours, &gold));
        let mut unlabelled = ours.clone();
        unlabelled.metadata.labels = None;
        assert!(is_ours(&unlabelled, &gold));
        assert!(!same(&unlabelled, &ours));
        let mut foreign = unlabelled;
        foreign.metadata.owner_references = None;
        assert!(!is_ours(&foreign, &gold));
        assert!(!is_ours(&ours, &policy("silver")));
    }

    #[test]
    fn what_others_add_beside_the_document_is_theirs() {
        let ours = config_map(&policy("gold"), "a", "x");
        let mut there = ours.clone();
        there.metadata.annotations = Some(BTreeMap::from([("a".into(), "b".into())]));
        assert!(same(&there, &ours));
        there.data = Some(BTreeMap::from([(FILE.to_owned(), "y".to_owned())]));
        assert!(!same(&there, &ours));
    }
}

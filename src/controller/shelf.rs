//! Documents in `ConfigMap`s beside what they are about: written only when they differ, restored when somebody edits or
//! deletes them, gone with their owner. A `ConfigMap` of that name that is not ours is left alone.
//!
//! Those that wear our label are watched (`sinks`): an edit by hand is put right within moments, and one that is known
//! to be as it should be is not asked for. What the watch does not show is read by name.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use parking_lot::Mutex;

use super::client::call;
use super::error::CallError;
use super::key::{Key, version};
use crate::api::{EscalationPolicy, Rca};
use crate::domain::followup::rca::DocumentSeen;
use crate::domain::telling::delivery::hex32;

/// The label that our documents wear; its value says what they are about.
pub const LABEL: &str = "firebell.dev/document";
/// The key of the document in its `ConfigMap`.
pub const FILE: &str = "document.md";
/// Most bytes of the text: the API server takes 1 MiB of data, the key included.
pub const MOST: usize = 1024 * 1024 - 1024;
/// What was read by name is not asked for again before.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// The support document of a policy.
    Policy,
    /// An RCA.
    Rca,
}

impl About {
    /// Name of the `ConfigMap` of an object.
    pub fn name_of(self, owner: &str) -> String {
        format!("{owner}{}", self.suffix())
    }

    /// What a `ConfigMap` of this name is the document of, if of anything.
    pub fn of_name(name: &str) -> Option<(Self, &str)> {
        let of = |about: Self| Some((about, name.strip_suffix(about.suffix())?));
        of(Self::Policy).or_else(|| of(Self::Rca))
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Policy => "-support-document",
            Self::Rca => "-root-cause-analysis",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Rca => "rca",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Policy => "the support document",
            Self::Rca => "the document of this RCA",
        }
    }

    fn kind(self) -> String {
        match self {
            Self::Policy => EscalationPolicy::kind(&()).into_owned(),
            Self::Rca => Rca::kind(&()).into_owned(),
        }
    }
}

/// What a document belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    about: About,
    key: Key,
    uid: String,
}

impl Owner {
    /// A policy.
    pub fn policy(policy: &EscalationPolicy) -> Self {
        Self::of(About::Policy, &policy.metadata)
    }

    /// An RCA.
    pub fn rca(rca: &Rca) -> Self {
        Self::of(About::Rca, &rca.metadata)
    }

    fn of(about: About, metadata: &ObjectMeta) -> Self {
        Self {
            about,
            key: Key::of(metadata),
            uid: metadata.uid.clone().unwrap_or_default(),
        }
    }

    /// Where its document stands.
    pub fn config_map(&self) -> Key {
        Key::new(&self.key.namespace, &self.about.name_of(&self.key.name))
    }

    fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: EscalationPolicy::api_version(&()).into_owned(),
            kind: self.about.kind(),
            name: self.key.name.to_string(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}

/// How a document stands.
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
    /// What it is about.
    pub about: About,
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

    /// The same as the decision about an RCA sees it.
    pub fn seen(&self) -> DocumentSeen {
        DocumentSeen {
            config_map: self.there().then(|| self.config_map.clone()),
            whole: self.whole(),
            reason: self.reason(),
            message: self.message(),
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
        let (name, document) = (&self.config_map, self.about.words());
        match self.standing {
            Standing::Kept => format!("{document} stands in ConfigMap \"{name}\""),
            Standing::Cut => format!(
                "{document} is larger than a ConfigMap may be; \"{name}\" holds its beginning, and \
                 `kubectl firebell policy render` prints all of it; shorten texts or split it"
            ),
            Standing::NameTaken => format!(
                "ConfigMap \"{name}\" exists and is not the operator's, so it is left alone and {document} is not \
                 kept; rename or delete it"
            ),
            Standing::Refused => format!(
                "the operator may not keep {document} in ConfigMap \"{name}\"; grant it get, list, watch, create and \
                 update on ConfigMaps (docs/rbac.md)"
            ),
        }
    }
}

/// What is known of a `ConfigMap` of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    version: String,
    order: u64,
    digest: String,
}

impl Leaf {
    fn of(config_map: &ConfigMap) -> Self {
        Self {
            version: config_map
                .metadata
                .resource_version
                .clone()
                .unwrap_or_default(),
            order: version(&config_map.metadata),
            digest: digest(config_map),
        }
    }
}

/// All documents.
pub struct Shelf {
    client: Client,
    there: Mutex<HashMap<Key, Leaf>>,
    /// What was found by asking: until when that counts, of which document, and how it stood.
    asked: Mutex<HashMap<Key, (Timestamp, String, Standing)>>,
}

impl Shelf {
    /// Nothing is known of it yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            there: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Makes sure that a text stands in the `ConfigMap` of its owner.
    pub async fn keep(&self, owner: &Owner, text: &str, now: Timestamp) -> Result<Kept, CallError> {
        let key = owner.config_map();
        let (text, cut) = fitting(text);
        let wanted = config_map(owner, text);
        let kept = |standing| Kept {
            about: owner.about,
            config_map: key.name.to_string(),
            standing,
        };
        let whole = if cut { Standing::Cut } else { Standing::Kept };
        let digest = digest(&wanted);
        if self
            .there
            .lock()
            .get(&key)
            .is_some_and(|leaf| leaf.digest == digest)
        {
            return Ok(kept(whole));
        }
        if let Some((until, of, standing)) = self.asked.lock().get(&key)
            && now < *until
            && *of == digest
        {
            return Ok(kept(*standing));
        }
        let standing = match self.store(owner, wanted).await {
            Ok(true) => whole,
            Ok(false) => Standing::NameTaken,
            Err(error) if error.status() == Some(403) => {
                tracing::warn!(config_map = %key, %error, "a document cannot be kept");
                Standing::Refused
            }
            Err(error) => return Err(error),
        };
        let until = now.saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
        self.asked
            .lock()
            .insert(key.clone(), (until, digest, standing));
        Ok(kept(standing))
    }

    /// Writes what differs; false = the name is somebody else's.
    async fn store(&self, owner: &Owner, mut wanted: ConfigMap) -> Result<bool, CallError> {
        let key = owner.config_map();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PostParams::default();
        let there = match call("get configmaps", api.get(&key.name)).await {
            Ok(there) => there,
            Err(CallError::Gone { .. }) => {
                call("create configmaps", api.create(&params, &wanted)).await?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        if !is_ours(&there, owner) {
            return Ok(false);
        }
        if digest(&there) != digest(&wanted) {
            wanted.metadata.resource_version = there.metadata.resource_version;
            call(
                "update configmaps",
                api.replace(&key.name, &params, &wanted),
            )
            .await?;
        }
        Ok(true)
    }

    /// The watch shows a `ConfigMap` with our label; whether that is news.
    pub fn shown(&self, config_map: &ConfigMap) -> bool {
        let (key, leaf) = (Key::of(&config_map.metadata), Leaf::of(config_map));
        let mut there = self.there.lock();
        let before = there.get(&key);
        if before.is_some_and(|before| before.order > leaf.order) {
            return false;
        }
        let news = before.is_none_or(|before| before.digest != leaf.digest);
        there.insert(key.clone(), leaf);
        if news {
            self.asked.lock().remove(&key);
        }
        news
    }

    /// A `ConfigMap` was deleted, or lost our label.
    pub fn lost(&self, key: &Key) {
        self.there.lock().remove(key);
        self.asked.lock().remove(key);
    }

    /// Those that the watch showed, of a namespace (`None` = everywhere).
    pub fn keys_in(&self, namespace: Option<&str>) -> Vec<Key> {
        let there = self.there.lock();
        let keys = there.keys();
        keys.filter(|key| namespace.is_none_or(|namespace| namespace == &*key.namespace))
            .cloned()
            .collect()
    }
}

fn config_map(owner: &Owner, text: String) -> ConfigMap {
    let (key, label) = (owner.config_map(), owner.about.label());
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(key.name.to_string()),
            namespace: Some(key.namespace.to_string()),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), label.to_owned())])),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(FILE.to_owned(), text)])),
        ..ConfigMap::default()
    }
}

fn label_of(config_map: &ConfigMap) -> Option<&String> {
    config_map.metadata.labels.as_ref()?.get(LABEL)
}

/// Whether a `ConfigMap` is the document of an object: it wears our label, or belongs to it. One whose owner was an
/// earlier object of that name, and is about to be collected, counts as ours too.
fn is_ours(there: &ConfigMap, owner: &Owner) -> bool {
    let (kind, name) = (owner.about.kind(), &*owner.key.name);
    let owns = |known: &OwnerReference| known.kind == kind && known.name == name;
    let owners = there.metadata.owner_references.as_deref();
    label_of(there).is_some_and(|label| label == owner.about.label())
        || owners.unwrap_or_default().iter().any(owns)
}

/// Equal digests, equal documents. Other labels and annotations are those of whoever added them.
fn digest(config_map: &ConfigMap) -> String {
    let binary = config_map
        .binary_data
        .as_ref()
        .is_some_and(|data| !data.is_empty());
    let owners = config_map.metadata.owner_references.iter().flatten();
    let owners: Vec<_> = owners
        .map(|owner| (&owner.kind, &owner.name, &owner.uid))
        .collect();
    let what = (&config_map.data, binary, owners, label_of(config_map));
    hex32(&serde_json::to_vec(&what).unwrap_or_default())
}

/// As much of a document as a `ConfigMap` holds, and whether it had to be cut for that.
fn fitting(text: &str) -> (String, bool) {
    const CUT: &str = "\n\n---\n\nThis document was cut here: a ConfigMap holds 1 MiB. \
                       `kubectl firebell policy render` prints all of it.\n";
    if text.len() <= MOST {
        return (text.to_owned(), false);
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
        let (kept, cut) = fitting(&text);
        assert!(cut && kept.len() <= MOST, "{}", kept.len());
        let (table, notice) = kept.split_once("\n\n---\n\n").unwrap();
        assert!(table.ends_with("| b |"), "{:?}", &table[table.len() - 20..]);
        assert!(notice.contains("policy render"));
        assert!(!fitting("short").1);
    }

    fn owner(about: About, name: &str) -> Owner {
        Owner {
            about,
            key: Key::new("shop", name),
            uid: "u".to_owned(),
        }
    }

    #[test]
    fn a_config_map_of_somebody_else_is_not_ours_and_one_that_lost_its_label_is() {
        let gold = owner(About::Policy, "gold");
        let ours = config_map(&gold, "text".to_owned());
        assert!(is_ours(&ours, &gold));
        let mut unlabelled = ours.clone();
        unlabelled.metadata.labels = None;
        assert!(is_ours(&unlabelled, &gold));
        assert_ne!(digest(&unlabelled), digest(&ours));
        let mut foreign = unlabelled.clone();
        foreign.metadata.owner_references = None;
        assert!(!is_ours(&foreign, &gold));
        assert!(!is_ours(&unlabelled, &owner(About::Policy, "silver")));
        assert!(!is_ours(&ours, &owner(About::Rca, "gold")));
    }

    #[test]
    fn what_others_add_beside_the_document_is_theirs() {
        let ours = config_map(&owner(About::Rca, "a"), "x".to_owned());
        let mut there = ours.clone();
        there.metadata.annotations = Some(BTreeMap::from([("a".into(), "b".into())]));
        assert_eq!(digest(&there), digest(&ours));
        there.data = Some(BTreeMap::from([(FILE.to_owned(), "y".to_owned())]));
        assert_ne!(digest(&there), digest(&ours));
    }

    #[test]
    fn documents_of_policies_and_rcas_of_one_name_do_not_meet() {
        for about in [About::Policy, About::Rca] {
            let name = about.name_of("gold");
            assert_eq!(About::of_name(&name), Some((about, "gold")));
        }
        assert_ne!(About::Policy.name_of("gold"), About::Rca.name_of("gold"));
        assert_eq!(About::of_name("gold"), None);
    }
}

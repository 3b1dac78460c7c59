//! The policies and stored revisions in view, and the one index of them that all decisions share. It is built anew
//! when a policy or revision changes, not for each ticket.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use parking_lot::Mutex;

use super::key::{Key, version};
use super::revisions::{self, Stored};
use super::slim::slim;
use super::versions::{Ended, Held, Origin, Verdict, judge};
use crate::api::EscalationPolicy;
use crate::domain::holds::suspend;
use crate::domain::selection::{LivePolicy, PolicyIndex, PolicyKey};

/// What taking in a policy led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing new.
    Nothing,
    /// New for its own reconciler only.
    Policy,
    /// New for tickets as well.
    Tickets {
        /// Another policy is the namespace's default now, or one more or less is.
        defaults: bool,
    },
    /// Older than it should be: a live GET has to decide.
    Doubtful,
}

/// All policies and revisions in view.
#[derive(Debug)]
pub struct Policies {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared_namespace: Option<String>,
    objects: BTreeMap<PolicyKey, (Arc<EscalationPolicy>, Held)>,
    live: BTreeMap<PolicyKey, LivePolicy>,
    revisions: BTreeMap<PolicyKey, Stored>,
    undecodable: HashMap<PolicyKey, u64>,
    ended: Ended,
    index: Option<Arc<PolicyIndex>>,
}

impl Policies {
    /// None yet; `shared_namespace` is where fallbacks are looked for.
    pub fn new(shared_namespace: Option<String>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                shared_namespace,
                objects: BTreeMap::new(),
                live: BTreeMap::new(),
                revisions: BTreeMap::new(),
                undecodable: HashMap::new(),
                ended: Ended::default(),
                index: None,
            }),
        }
    }

    /// Takes in a version of a policy.
    pub fn put(&self, mut policy: EscalationPolicy, origin: Origin) -> Seen {
        let key = Key::of(&policy.metadata).pair();
        let mut inner = self.inner.lock();
        let now = Instant::now();
        let known = inner.objects.get(&key).map(|(_, held)| *held);
        match judge(known, &inner.ended, &policy.metadata, origin, now) {
            Verdict::Take => {}
            Verdict::Same | Verdict::Older => return Seen::Nothing,
            Verdict::Doubtful => return Seen::Doubtful,
        }
        slim(&mut policy.metadata);
        let held = Held {
            version: version(&policy.metadata),
            since: now,
        };
        let live = live_of(&policy);
        inner.undecodable.remove(&key);
        inner.objects.insert(key.clone(), (Arc::new(policy), held));
        let before = inner.is_default(&key);
        if inner.go_live(&key, live) {
            let defaults = before || inner.is_default(&key);
            Seen::Tickets { defaults }
        } else {
            Seen::Policy
        }
    }

    /// Forgets a policy that was deleted; its revisions stay.
    pub fn remove(&self, key: &Key, uid: Option<&str>) -> bool {
        let key = key.pair();
        let mut inner = self.inner.lock();
        inner.undecodable.remove(&key);
        let held = inner.objects.get(&key).map(|(policy, _)| policy.clone());
        let same =
            |policy: &Arc<EscalationPolicy>| uid.is_none() || policy.metadata.uid.as_deref() == uid;
        let Some(gone) = held.filter(same) else {
            inner.ended.note(uid, Instant::now());
            return false;
        };
        inner
            .ended
            .note(gone.metadata.uid.as_deref(), Instant::now());
        inner.objects.remove(&key);
        inner.live.remove(&key);
        inner.index = None;
        true
    }

    /// Notes that a version of a policy cannot be decoded; what was known of it stays in use. Says whether that is
    /// news.
    pub fn undecodable(&self, key: &Key, version: u64) -> bool {
        let mut inner = self.inner.lock();
        inner.undecodable.insert(key.pair(), version) != Some(version)
    }

    /// How many policies cannot be decoded.
    pub fn undecodable_count(&self) -> usize {
        self.inner.lock().undecodable.len()
    }

    /// Takes in a stored revision; says whether that is new. One that is no valid policy is left out, with the reason.
    pub fn put_revision(
        &self,
        revision: &ControllerRevision,
    ) -> Result<bool, revisions::RevisionError> {
        let key = Key::of(&revision.metadata).pair();
        let mut inner = self.inner.lock();
        if inner
            .revisions
            .get(&key)
            .is_some_and(|stored| stored.uid == revision.metadata.uid)
        {
            return Ok(false);
        }
        let stored = revisions::read(revision)?;
        inner.revisions.insert(key, stored);
        inner.refresh_live();
        Ok(true)
    }

    /// Forgets a revision that was deleted.
    pub fn remove_revision(&self, key: &Key) -> bool {
        let mut inner = self.inner.lock();
        let known = inner.revisions.remove(&key.pair()).is_some();
        if known {
            inner.index = None;
        }
        known
    }

    /// A policy by its key.
    pub fn get(&self, key: &Key) -> Option<Arc<EscalationPolicy>> {
        self.inner
            .lock()
            .objects
            .get(&key.pair())
            .map(|(policy, _)| policy.clone())
    }

    /// Keys of all policies in a namespace (`None` = everywhere).
    pub fn keys(&self, namespace: Option<&str>) -> Vec<Key> {
        let inner = self.inner.lock();
        let wanted = inner
            .objects
            .keys()
            .filter(|(of, _)| namespace.is_none_or(|namespace| namespace == of));
        wanted
            .map(|(namespace, name)| Key::new(namespace, name))
            .collect()
    }

    /// The same, with those that cannot be decoded.
    pub fn stored_keys(&self, namespace: Option<&str>) -> BTreeSet<Key> {
        let known: BTreeSet<Key> = self.keys(namespace).into_iter().collect();
        let inner = self.inner.lock();
        let undecodable = inner
            .undecodable
            .keys()
            .filter(|(of, _)| namespace.is_none_or(|namespace| namespace == of));
        let undecodable = undecodable.map(|(namespace, name)| Key::new(namespace, name));
        known.into_iter().chain(undecodable).collect()
    }

    /// Whether a revision is stored.
    pub fn has_revision(&self, namespace: &str, name: &str) -> bool {
        self.inner
            .lock()
            .revisions
            .contains_key(&(namespace.to_owned(), name.to_owned()))
    }

    /// Keys of all revisions with the policy they belong to and when they were made.
    pub fn revisions(&self) -> Vec<(Key, Option<Timestamp>)> {
        let inner = self.inner.lock();
        inner
            .revisions
            .iter()
            .map(|((namespace, name), stored)| (Key::new(namespace, name), stored.created))
            .collect()
    }

    /// What decisions see, shared until something changes.
    pub fn index(&self) -> Arc<PolicyIndex> {
        let mut inner = self.inner.lock();
        if let Some(index) = &inner.index {
            return index.clone();
        }
        let index = Arc::new(PolicyIndex {
            policies: inner.live.clone(),
            revisions: inner
                .revisions
                .iter()
                .map(|(key, stored)| (key.clone(), stored.valid.clone()))
                .collect(),
            shared_namespace: inner.shared_namespace.clone(),
        });
        inner.index = Some(index.clone());
        index
    }
}

impl Inner {
    /// Takes what tickets see of a policy into use; says whether it changed.
    ///
    /// A status may name a revision before the watch shows it (another operator wrote it): until then the revision
    /// that was in use stays, so that no ticket takes its policy for gone.
    fn go_live(&mut self, key: &PolicyKey, mut live: LivePolicy) -> bool {
        let before = self.live.get(key);
        let stored = |name: &Option<String>| {
            name.as_ref()
                .is_some_and(|name| self.revisions.contains_key(&(key.0.clone(), name.clone())))
        };
        if let Some(before) = before
            && !stored(&live.revision)
            && stored(&before.revision)
        {
            live.revision.clone_from(&before.revision);
            live.generation = before.generation;
        }
        let same = before.is_some_and(|before| same_for_tickets(before, &live));
        if !same {
            self.live.insert(key.clone(), live);
            self.index = None;
        }
        !same
    }

    /// Whether a policy in use is a default.
    fn is_default(&self, key: &PolicyKey) -> bool {
        let revision = self
            .live
            .get(key)
            .and_then(|live| live.revision.as_ref())
            .and_then(|name| self.revisions.get(&(key.0.clone(), name.clone())));
        revision.is_some_and(|stored| stored.valid.spec().default)
    }

    fn refresh_live(&mut self) {
        self.index = None;
        let fresh: Vec<_> = self
            .objects
            .iter()
            .map(|(key, (policy, _))| (key.clone(), live_of(policy)))
            .collect();
        for (key, live) in fresh {
            self.go_live(&key, live);
        }
    }
}

fn live_of(policy: &EscalationPolicy) -> LivePolicy {
    let status = policy.status.as_ref();
    LivePolicy {
        created: policy
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0),
        generation: status
            .and_then(|status| status.generation)
            .unwrap_or_default(),
        revision: status.and_then(|status| status.revision.clone()),
        suspend: policy.spec.suspend.clone(),
        suspend_seen: suspend::known(policy),
    }
}

fn same_for_tickets(one: &LivePolicy, other: &LivePolicy) -> bool {
    let LivePolicy {
        created,
        generation,
        revision,
        suspend,
        suspend_seen,
    } = one;
    *created == other.created
        && *generation == other.generation
        && *revision == other.revision
        && *suspend == other.suspend
        && *suspend_seen == other.suspend_seen
}

//! One look at a policy: check its spec, store it as a revision when valid, say in its status what was found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;

use super::client::call;
use super::commit::{StatusWriter, Wanted};
use super::document::{Documents, Source};
use super::engine::{Look, Place, Turn};
use super::error::{CallError, Class};
use super::events::{Events, reference};
use super::key::Key;
use super::policy_status::{Found, status_of};
use super::revisions;
use super::versions::Origin;
use super::view::View;
use crate::api::EscalationPolicy;
use crate::clock::{Now, OperatorClock};
use crate::connectors::secret::{SecretError, SecretSource};
use crate::connectors::template;
use crate::domain::holds::suspend;
use crate::domain::policy::{ItemCode, Surroundings, ValidPolicy};
use crate::domain::selection::PolicyKey;
use crate::metrics::Kind;

/// How often a Secret that is missing is asked for again.
const MISSING_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// How often what depends on the calendar (reviews, gaps of rotas) is checked again.
const CALENDAR_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// How many open tickets use a policy, and how many of them an older revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Open tickets pinned to it.
    pub open: i64,
    /// Those pinned to another revision than the newest.
    pub outdated: i64,
}

/// Counts of users by policy, as last taken; shared with who takes them.
pub type Tally = Arc<Mutex<HashMap<PolicyKey, Use>>>;

/// Keys of Secrets by name; `None` when the API server did not say.
type SecretKeys = Option<BTreeMap<String, BTreeSet<String>>>;

/// What was last read of the Secrets that a policy names.
#[derive(Clone, Debug)]
pub struct SecretsSeen {
    generation: Option<i64>,
    read: Timestamp,
    until: Timestamp,
    keys: SecretKeys,
}

/// What looks at policies.
pub struct PolicyDesk {
    /// The API server.
    pub client: Client,
    /// What is seen of the cluster.
    pub view: Arc<View>,
    /// Writes statuses.
    pub writer: StatusWriter,
    /// Tells what happened.
    pub events: Events,
    /// The operator's time.
    pub clock: OperatorClock,
    /// Namespaces it was started for; none = all. It counts the tickets of those only.
    pub namespaces: Vec<String>,
    /// How many tickets use each policy.
    pub tally: Tally,
    /// Where Secrets are read. What a page may need later is known from then on.
    pub source: Arc<dyn SecretSource>,
    /// Keeps the support documents.
    pub documents: Documents,
    /// So that a look for another reason reads no Secret.
    pub secrets: Mutex<HashMap<Key, SecretsSeen>>,
}

impl Look for PolicyDesk {
    const KIND: Kind = Kind::EscalationPolicy;

    async fn look(self: Arc<Self>, key: Key, mut place: Place) -> Turn {
        let rest = |until| Turn::Rest {
            until,
            later: SignedDuration::ZERO,
        };
        let Some(policy) = self.view.policies.get(&key) else {
            self.secrets.lock().remove(&key);
            self.documents.forget(&key);
            return rest(None);
        };
        match place.leave_for(Box::pin(self.settle(&key, &policy))).await {
            Ok(until) => rest(Some(until)),
            Err(error) => self.report(&key, &error).await,
        }
    }
}

impl PolicyDesk {
    /// Checks, stores, writes; answers when to check again.
    async fn settle(&self, key: &Key, policy: &EscalationPolicy) -> Result<Timestamp, CallError> {
        let now = self.clock.now();
        let defaults = self.defaults(key);
        let secrets = self.secrets_of(key, policy, now).await;
        let around = Surroundings {
            now: Some(now),
            secrets: secrets.keys.clone(),
            defaults: defaults.clone(),
        };
        let checked = ValidPolicy::check_in(policy.spec.clone(), &around);
        let missing = checked.open_items.iter().any(|item| is_missing(item.code));
        let mut open_items = template::open_items(&policy.spec);
        open_items.extend(checked.open_items);
        let revision = match &checked.policy {
            Ok(_) => Some(self.store(key, policy).await?),
            Err(_) => None,
        };
        let source = match (&checked.policy, &revision) {
            (Ok(valid), Some(revision)) => Some(Source::new(revision, valid, &open_items)),
            (Ok(_), None) | (Err(_), _) => {
                Source::in_use(policy, &around, &self.view.policies.index())
            }
        };
        let kept = self.documents.keep(policy, source.as_ref(), now).await;
        let found = Found {
            document: kept.as_ref().ok().cloned().flatten(),
            revision,
            errors: checked.policy.err().unwrap_or_default(),
            open_items,
            defaults,
            usage: self.usage(key),
        };
        self.write(key, policy, &found, now).await?;
        // What is found is told even where the document cannot be kept now; then it is tried again.
        kept?;
        let again = if missing || secrets.keys.is_none() {
            MISSING_AGAIN
        } else {
            CALENDAR_AGAIN
        };
        let until = secrets.read.saturating_add(again).unwrap_or(Timestamp::MAX);
        let resumes = suspend::resumes(policy, now);
        self.secrets
            .lock()
            .insert(key.clone(), SecretsSeen { until, ..secrets });
        Ok(resumes.map_or(until, |resumes| until.min(resumes)))
    }

    /// Makes sure that the revision of a valid spec is stored, before any status names it.
    async fn store(&self, key: &Key, policy: &EscalationPolicy) -> Result<String, CallError> {
        const CREATE: &str = "create controllerrevisions";
        let wanted = revisions::revision(policy).map_err(|source| CallError::Encoding {
            what: CREATE,
            source,
        })?;
        let name = wanted.metadata.name.clone().unwrap_or_default();
        if self.view.policies.has_revision(&key.namespace, &name) {
            return Ok(name);
        }
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &key.namespace);
        let stored = match call(CREATE, api.create(&PostParams::default(), &wanted)).await {
            Ok(stored) => stored,
            Err(error) if error.already_exists() => {
                let stored = match call("get controllerrevisions", api.get(&name)).await {
                    Ok(stored) => stored,
                    // Deleted meanwhile: made by the next look.
                    Err(CallError::Gone { .. }) => return Err(error),
                    Err(unread) => return Err(unread),
                };
                if !revisions::same_content(&stored, &wanted) {
                    return Err(CallError::Taken { what: CREATE, name });
                }
                stored
            }
            Err(error) => return Err(error),
        };
        self.view.take_revision(&stored);
        Ok(name)
    }

    async fn write(
        &self,
        key: &Key,
        policy: &EscalationPolicy,
        found: &Found,
        now: Timestamp,
    ) -> Result<(), CallError> {
        let (status, transitions) = status_of(policy, found, now);
        let wanted = Wanted {
            key,
            version: policy
                .metadata
                .resource_version
                .as_deref()
                .unwrap_or_default(),
            old: policy.status.as_ref(),
            new: &status,
            rank: now,
        };
        let written = self
            .writer
            .write(
                Kind::EscalationPolicy,
                "patch escalationpolicies/status",
                wanted,
            )
            .await?;
        if let Some(written) = written {
            let changes: Vec<&str> = transitions
                .iter()
                .map(|transition| transition.reason)
                .collect();
            tracing::info!(policy = %key, revision = status.revision, open_items = status.open_items.len(), changes = changes.join(","), "policy checked");
            self.events
                .tell(&reference(&written), None, &transitions, now);
            self.view.take_policy(written, Origin::Written);
        }
        Ok(())
    }

    async fn report(&self, key: &Key, error: &CallError) -> Turn {
        if error.class() == Class::Conflict || matches!(error, CallError::Gone { .. }) {
            self.read_live(key).await;
        } else {
            tracing::warn!(policy = %key, reason = error.reason(), %error, "a policy could not be handled; it is tried again");
        }
        let (class, armed) = (error.class(), None);
        Turn::Failed { class, armed }
    }

    /// Asks the API server itself what a policy is. Says whether it answered.
    pub async fn read_live(&self, key: &Key) -> bool {
        let api: Api<EscalationPolicy> = Api::namespaced(self.client.clone(), &key.namespace);
        match call("get escalationpolicies", api.get(&key.name)).await {
            Ok(policy) => self.view.take_policy(policy, Origin::Live),
            Err(CallError::Gone { .. }) => self.view.lose_policy(key, None),
            Err(error) => {
                tracing::debug!(policy = %key, %error, "no live answer");
                return false;
            }
        }
        true
    }

    /// The default policies of the namespace where this is one of them; the one that counts first.
    fn defaults(&self, key: &Key) -> Vec<String> {
        let index = self.view.policies.index();
        index
            .defaults(&key.namespace)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    /// Users of a policy, where this operator sees all of them: tickets of other namespaces use a shared policy too.
    fn usage(&self, key: &Key) -> Option<Use> {
        let counted =
            self.namespaces.is_empty() || self.namespaces.iter().any(|own| **own == *key.namespace);
        counted.then(|| {
            self.tally
                .lock()
                .get(&key.pair())
                .copied()
                .unwrap_or_default()
        })
    }

    /// The keys of the Secrets that a policy names; each is read by name where that is due.
    async fn secrets_of(
        &self,
        key: &Key,
        policy: &EscalationPolicy,
        now: Timestamp,
    ) -> SecretsSeen {
        let generation = policy.metadata.generation;
        let known = self.secrets.lock().get(key).cloned();
        if let Some(known) =
            known.filter(|known| known.generation == generation && now < known.until)
        {
            return known;
        }
        SecretsSeen {
            generation,
            read: now,
            until: now,
            keys: self.read_secrets(key, policy).await,
        }
    }

    async fn read_secrets(&self, key: &Key, policy: &EscalationPolicy) -> SecretKeys {
        let named: BTreeSet<&str> = policy
            .spec
            .connectors
            .iter()
            .filter_map(|connector| Some(connector.secret_ref.as_ref()?.name.as_str()))
            .collect();
        let mut found = BTreeMap::new();
        for name in named {
            match self.source.get(&key.namespace, name).await {
                Ok(secret) => {
                    let keys = secret.keys().map(str::to_owned).collect();
                    found.insert(name.to_owned(), keys);
                }
                Err(SecretError::Missing { .. }) => {}
                Err(error @ (SecretError::Forbidden { .. } | SecretError::NotText { .. })) => {
                    tracing::warn!(policy = %key, %error, "a Secret of a policy could not be read");
                }
                Err(error @ SecretError::Unreachable { .. }) => {
                    tracing::warn!(policy = %key, %error, "a Secret of a policy could not be read");
                    return None;
                }
            }
        }
        Some(found)
    }
}

fn is_missing(code: ItemCode) -> bool {
    matches!(code, ItemCode::SecretMissing | ItemCode::SecretKeyMissing)
}

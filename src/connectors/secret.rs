//! Secrets by name, at each send (delivery.md section 5): `get` only, never list or watch.
//!
//! Values stay `SecretString`s; errors name the Secret and the key and carry no source, since the text of a decoding
//! error can quote a value. [`KnownSecrets`] lets a thousand pages at one instant make one request, and lets what was
//! read last stand in while the API server does not answer: an armed page leaves on time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use parking_lot::Mutex;
use secrecy::SecretString;
use thiserror::Error;
use tokio::time::Instant;

/// How long one `get` may take.
const GET_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what was read is given out before the API server is asked again.
const MAX_AGE: Duration = Duration::from_secs(3);

/// What is read ahead is asked for anew unless it was answered within that time: so it is still given out when the page
/// is due two seconds later.
const AHEAD_AGE: Duration = Duration::from_millis(500);

/// How long a failure is given out before the API server is asked again, where nothing can stand in.
const MAX_FAILURE_AGE: Duration = Duration::from_millis(500);

/// How long what was read last may stand in while the API server does not answer. It was read at the last send or by
/// the hourly check of its policy, so this is about as long as an outage may last.
const STANDS_IN: Duration = Duration::from_hours(24);

/// How long a refusal has to last before it counts where something can stand in: an API server that has just started
/// refuses everybody until it has read its rules.
const STARTING: Duration = Duration::from_secs(10);

/// How long an answer is waited for where something can stand in: no page is late by more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a Secret or a key of it could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// There is none of that name.
    #[error("Secret {name:?} does not exist; create it in the policy's namespace")]
    Missing {
        /// Name of the Secret.
        name: String,
    },
    /// The operator may not read it.
    #[error("Secret {name:?} may not be read by the operator; grant it `get` on this Secret")]
    Forbidden {
        /// Name of the Secret.
        name: String,
    },
    /// The API server did not answer usefully.
    #[error("Secret {name:?} could not be read from the API server")]
    Unreachable {
        /// Name of the Secret.
        name: String,
    },
    /// A value is no text.
    #[error("key {key:?} of Secret {name:?} must be UTF-8 text")]
    NotText {
        /// Name of the Secret.
        name: String,
        /// Key inside it.
        key: String,
    },
}

/// The values of one Secret. Surrounding white space is dropped: a line break at the end is never meant.
#[derive(Clone, Debug, Default)]
pub struct SecretValues {
    name: String,
    values: BTreeMap<String, Option<SecretString>>,
}

impl SecretValues {
    /// The values of the Secret `name`, as bytes by key.
    pub fn new(name: &str, data: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .ok()
                .map(|text| SecretString::from(text.trim()))
        };
        Self {
            name: name.to_owned(),
            values: data
                .into_iter()
                .map(|(key, bytes)| (key, text(bytes)))
                .collect(),
        }
    }

    /// The keys that the Secret has.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The value of `key`, if the Secret has it and it is not empty.
    pub fn get(&self, key: &str) -> Result<Option<&SecretString>, SecretError> {
        use secrecy::ExposeSecret;
        match self.values.get(key) {
            Some(Some(value)) => Ok(Some(value).filter(|value| !value.expose_secret().is_empty())),
            Some(None) => Err(SecretError::NotText {
                name: self.name.clone(),
                key: key.to_owned(),
            }),
            None => Ok(None),
        }
    }
}

/// Where Secrets come from.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// Reads one Secret by name.
    async fn get(&self, namespace: &str, name: &str) -> Result<Arc<SecretValues>, SecretError>;

    /// Sees to it that [`get`](Self::get) has its answer at hand in two seconds' time. What cannot be read is told then.
    async fn read_ahead(&self, namespace: &str, name: &str) {
        let _told_when_needed = self.get(namespace, name).await;
    }
}

/// The API server.
#[derive(Clone)]
pub struct ClusterSecrets {
    client: Client,
}

impl ClusterSecrets {
    /// Secrets as `client` may read them.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl SecretSource for ClusterSecrets {
    async fn get(&self, namespace: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let name_of = || name.to_owned();
        match tokio::time::timeout(GET_TIMEOUT, secrets.get(name)).await {
            Ok(Ok(secret)) => {
                let data = secret
                    .data
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(key, value)| (key, value.0));
                Ok(Arc::new(SecretValues::new(name, data)))
            }
            // By the API server's own word: whatever stands between may answer 404 too, and knows of no Secret.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
                Err(SecretError::Missing { name: name_of() })
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                Err(SecretError::Forbidden { name: name_of() })
            }
            Ok(Err(_)) | Err(_) => Err(SecretError::Unreachable { name: name_of() }),
        }
    }
}

/// Secrets as they are known: asked for again after 3 s (failures 0.5 s), one request in flight per Secret. While the
/// API server does not answer, what was read last stands in, for 24 h at most; never after it said that there is no
/// such Secret, or for 10 s that the operator may not read it. Whoever reads ahead holds up nobody.
pub struct KnownSecrets<S> {
    source: S,
    slots: Mutex<HashMap<(String, String), Slot>>,
}

type Slot = Arc<Kept>;

/// One Secret: what is known of it, and who asks for it.
#[derive(Default)]
struct Kept {
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
}

/// What is known of one Secret.
#[derive(Default)]
struct Known {
    /// The last answer.
    answer: Option<Answer>,
    /// What was read last, and when.
    read: Option<(Instant, Arc<SecretValues>)>,
    /// Since when the operator may not read it.
    forbidden_since: Option<Instant>,
    /// Whether what was read last stands in.
    stands_in: bool,
}

struct Answer {
    came: Instant,
    /// How long it is given out.
    age: Duration,
    given: Result<Arc<SecretValues>, SecretError>,
}

impl Known {
    /// The last answer, where it is given out still and came less than `most` ago.
    fn young(&self, most: Duration) -> Option<Result<Arc<SecretValues>, SecretError>> {
        let answer = self.answer.as_ref()?;
        (answer.came.elapsed() < answer.age.min(most)).then(|| answer.given.clone())
    }

    /// What may stand in for an answer.
    fn stand_in(&self) -> Option<Arc<SecretValues>> {
        let (read, values) = self.read.as_ref()?;
        (read.elapsed() < STANDS_IN).then(|| Arc::clone(values))
    }

    /// Whether what the API server said is a failure that may pass by itself.
    fn refusal_may_pass(
        &mut self,
        said: &Result<Arc<SecretValues>, SecretError>,
        now: Instant,
    ) -> bool {
        match said {
            Err(SecretError::Unreachable { .. }) => true,
            Err(SecretError::Forbidden { .. }) => {
                let since = *self.forbidden_since.get_or_insert(now);
                now.saturating_duration_since(since) < STARTING
            }
            Ok(_) | Err(SecretError::Missing { .. } | SecretError::NotText { .. }) => {
                self.forbidden_since = None;
                false
            }
        }
    }

    /// Takes in what the API server said, and says what is given out and whether it begins to stand in.
    fn take(
        &mut self,
        said: Result<Arc<SecretValues>, SecretError>,
    ) -> (Result<Arc<SecretValues>, SecretError>, bool) {
        let now = Instant::now();
        let waits = self.refusal_may_pass(&said, now);
        let (age, given, stands_in) = match said {
            Ok(values) => {
                self.read = Some((now, Arc::clone(&values)));
                (MAX_AGE, Ok(values), false)
            }
            Err(error) if waits => match self.stand_in() {
                Some(values) => (MAX_AGE, Ok(values), true),
                None => (MAX_FAILURE_AGE, Err(error), false),
            },
            Err(error) => {
                self.read = None;
                (MAX_FAILURE_AGE, Err(error), false)
            }
        };
        let stood_in = std::mem::replace(&mut self.stands_in, stands_in);
        self.answer = Some(Answer {
            came: now,
            age,
            given: given.clone(),
        });
        (given, stands_in && !stood_in)
    }
}

impl<S: SecretSource> KnownSecrets<S> {
    /// Keeps what `source` gives.
    pub fn new(source: S) -> Self {
        Self {
            source,
            slots: Mutex::default(),
        }
    }

    /// The slot of a Secret; drops the slots nobody uses and whose content is too old, so that values do not linger.
    fn slot(&self, namespace: &str, name: &str) -> Slot {
        let mut slots = self.slots.lock();
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || {
                let known = slot.known.lock();
                known.young(MAX_AGE).is_some() || known.stand_in().is_some()
            }
        });
        Arc::clone(
            slots
                .entry((namespace.to_owned(), name.to_owned()))
                .or_default(),
        )
    }

    /// Asks; where something `can_stand_in`, not for long.
    async fn ask(
        &self,
        namespace: &str,
        name: &str,
        can_stand_in: bool,
    ) -> Result<Arc<SecretValues>, SecretError> {
        let asked = self.source.get(namespace, name);
        if !can_stand_in {
            return asked.await;
        }
        let late = || SecretError::Unreachable {
            name: name.to_owned(),
        };
        let answered = tokio::time::timeout(PATIENCE, asked).await;
        answered.unwrap_or_else(|_| Err(late()))
    }

    /// An answer that came less than `most` ago: the one that is known, or a new one.
    async fn read(
        &self,
        namespace: &str,
        name: &str,
        most: Duration,
    ) -> Result<Arc<SecretValues>, SecretError> {
        let slot = self.slot(namespace, name);
        let young = || slot.known.lock().young(most);
        if let Some(young) = young() {
            return young;
        }
        let _alone = slot.asking.lock().await;
        if let Some(young) = young() {
            return young;
        }
        let can_stand_in = slot.known.lock().stand_in().is_some();
        let said = self.ask(namespace, name, can_stand_in).await;
        let (given, stands_in_now) = slot.known.lock().take(said);
        if stands_in_now {
            tracing::warn!(
                namespace,
                secret = name,
                "the API server does not answer: what was last read of this Secret stands in, for 24 h at most"
            );
        }
        given
    }
}

#[async_trait]
impl<S: SecretSource> SecretSource for KnownSecrets<S> {
    async fn get(&self, namespace: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        self.read(namespace, name, MAX_AGE).await
    }

    async fn read_ahead(&self, namespace: &str, name: &str) {
        let _told_when_needed = self.read(namespace, name, AHEAD_AGE).await;
    }
}

#[cfg(test)]
mod tests;

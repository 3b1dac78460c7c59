//! Secrets by name, at each send (delivery.md section 5): `get` only, never list or watch.
//!
//! Values stay `SecretString`s; errors name the Secret and the key and carry no source, since the text of a decoding
//! error can quote a value. [`BriefSecrets`] lets a thousand pages at one instant make one request.

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

/// How old a value may be that [`BriefSecrets`] gives out.
const MAX_AGE: Duration = Duration::from_secs(2);

/// How long a failure is given out before the API server is asked again.
const MAX_FAILURE_AGE: Duration = Duration::from_millis(500);

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
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                Err(SecretError::Missing { name: name_of() })
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                Err(SecretError::Forbidden { name: name_of() })
            }
            Ok(Err(_)) | Err(_) => Err(SecretError::Unreachable { name: name_of() }),
        }
    }
}

/// Secrets kept for a moment: at most 2 s (failures 0.5 s), and one request in flight per Secret.
pub struct BriefSecrets<S> {
    source: S,
    slots: Mutex<HashMap<(String, String), Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<Arc<SecretValues>, SecretError>)>>>;

impl<S: SecretSource> BriefSecrets<S> {
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
            Arc::strong_count(slot) > 1
                || slot
                    .try_lock()
                    .is_ok_and(|content| content.as_ref().is_some_and(is_young))
        });
        Arc::clone(
            slots
                .entry((namespace.to_owned(), name.to_owned()))
                .or_default(),
        )
    }
}

fn is_young((since, result): &(Instant, Result<Arc<SecretValues>, SecretError>)) -> bool {
    since.elapsed()
        < if result.is_ok() {
            MAX_AGE
        } else {
            MAX_FAILURE_AGE
        }
}

#[async_trait]
impl<S: SecretSource> SecretSource for BriefSecrets<S> {
    async fn get(&self, namespace: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        let slot = self.slot(namespace, name);
        let mut content = slot.lock().await;
        if let Some(young) = content.as_ref().filter(|content| is_young(content)) {
            return young.1.clone();
        }
        let result = self.source.get(namespace, name).await;
        *content = Some((Instant::now(), result.clone()));
        result
    }
}

#[cfg(test)]
mod tests;

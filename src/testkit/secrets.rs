//! Secrets of a test, in memory: what the connectors read instead of the API server.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::connectors::secret::{SecretError, SecretSource, SecretValues};

/// Values by namespace and name.
type ByName = HashMap<(String, String), Arc<SecretValues>>;

/// Secrets by namespace and name. Clones are the same Secrets.
#[derive(Clone, Debug, Default)]
pub struct MemorySecrets {
    secrets: Arc<Mutex<ByName>>,
    reads: Arc<Mutex<usize>>,
}

impl MemorySecrets {
    /// No Secrets at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates or replaces a Secret.
    pub fn put(&self, namespace: &str, name: &str, values: &[(&str, &str)]) {
        let values = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        let values = Arc::new(SecretValues::new(name, values));
        let key = (namespace.to_owned(), name.to_owned());
        self.secrets.lock().insert(key, values);
    }

    /// Deletes a Secret.
    pub fn delete(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.secrets.lock().remove(&key);
    }

    /// How often any Secret was read.
    pub fn reads(&self) -> usize {
        *self.reads.lock()
    }
}

#[async_trait]
impl SecretSource for MemorySecrets {
    async fn get(&self, namespace: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        *self.reads.lock() += 1;
        let key = (namespace.to_owned(), name.to_owned());
        let found = self.secrets.lock().get(&key).cloned();
        found.ok_or_else(|| SecretError::Missing {
            name: name.to_owned(),
        })
    }
}

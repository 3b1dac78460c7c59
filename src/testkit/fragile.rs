//! A fault for tests of the real binary: whoever reads a Secret that has the key `panics` panics while it holds the
//! values, with all of them in the words of the panic. A Secret without that key is read as ever.

use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::ExposeSecret;

use crate::connectors::secret::{SecretError, SecretSource, SecretValues};

/// The key that makes a Secret fragile.
pub const KEY: &str = "panics";

struct Fragile(Arc<dyn SecretSource>);

/// The same Secrets; those with [`KEY`] break whoever reads them.
pub fn fragile(secrets: Arc<dyn SecretSource>) -> Arc<dyn SecretSource> {
    Arc::new(Fragile(secrets))
}

#[async_trait]
impl SecretSource for Fragile {
    async fn get(&self, namespace: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        let values = self.0.get(namespace, name).await?;
        assert!(values.get(KEY)?.is_none(), "{}", quoted(&values));
        Ok(values)
    }

    async fn read_ahead(&self, namespace: &str, name: &str) {
        self.0.read_ahead(namespace, name).await;
    }
}

/// All values of a Secret, as careless code might put them into an error.
fn quoted(values: &SecretValues) -> String {
    let mut words = String::from("these values are not expected:");
    for key in values.keys() {
        if let Ok(Some(value)) = values.get(key) {
            let _ = write!(words, " {key}={:?}", value.expose_secret());
        }
    }
    words
}

//! How a person or program reaches the API server of a run: its address, its authority, a client certificate,
//! as a client configuration and as a kubeconfig file.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use serde_json::{Value, json};

use super::ControlPlaneError;
use crate::testkit::certificates::{CertifiedKey, TestCa};

/// Address and authority of one API server.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) ca: TestCa,
    pub(super) port: u16,
}

impl Access {
    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(super) fn config(&self, identity: &CertifiedKey) -> Result<Config, ControlPlaneError> {
        let url = self.url();
        let uri = url.parse().map_err(|error| {
            ControlPlaneError::Kubeconfig(format!("'{url}' is no address: {error}"))
        })?;
        let mut config = Config::new(uri);
        config.root_cert = Some(vec![self.ca.der()]);
        config.auth_info.client_certificate_data = Some(STANDARD.encode(&identity.cert_pem));
        config.auth_info.client_key_data = Some(STANDARD.encode(&identity.key_pem).into());
        Ok(config)
    }

    /// Writes a kubeconfig (JSON, which is YAML) that only the owner can read.
    pub(super) fn write_kubeconfig(
        &self,
        user: &str,
        identity: &CertifiedKey,
        path: &Path,
    ) -> Result<(), ControlPlaneError> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "firebell",
            "clusters": [{"name": "firebell", "cluster": {
                "server": self.url(),
                "certificate-authority-data": STANDARD.encode(self.ca.pem()),
            }}],
            "users": [{"name": user, "user": {
                "client-certificate-data": STANDARD.encode(&identity.cert_pem),
                "client-key-data": STANDARD.encode(&identity.key_pem),
            }}],
            "contexts": [{"name": "firebell", "context": {
                "cluster": "firebell", "user": user, "namespace": "default",
            }}],
        });
        write_private(path, &config)
    }
}

/// Writes a JSON document to a file that only its owner can read.
pub(super) fn write_private(path: &Path, document: &Value) -> Result<(), ControlPlaneError> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(format!("{document:#}\n").as_bytes())
    };
    write().map_err(ControlPlaneError::io(format!(
        "writing '{}'",
        path.display()
    )))
}

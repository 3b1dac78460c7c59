//! Somebody's own cluster in place of a launched one: the current kubeconfig is the administrator, other users are
//! impersonated, and nothing of the cluster itself can be stopped or restarted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::Config;
use kube::config::Kubeconfig;
use serde_json::Value;

use super::access::write_private;
use super::{ControlPlaneError, Kubectl};
use crate::testkit::process::RunFolder;

/// The cluster of the current kubeconfig.
#[derive(Debug)]
pub(super) struct ExistingCluster {
    admin: Config,
    kubeconfig: Value,
    kubeconfig_path: PathBuf,
    written: AtomicUsize,
    folder: RunFolder,
}

impl ExistingCluster {
    pub(super) async fn connect() -> Result<Self, ControlPlaneError> {
        let unusable =
            |error: &dyn std::fmt::Display| ControlPlaneError::Kubeconfig(error.to_string());
        let read = Kubeconfig::read().map_err(|error| unusable(&error))?;
        let admin = Config::from_custom_kubeconfig(
            read.clone(),
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .map_err(|error| unusable(&error))?;
        let kubeconfig = serde_json::to_value(&read).map_err(|error| unusable(&error))?;
        let folder = RunFolder::new("firebell-existing-cluster-", false)
            .map_err(ControlPlaneError::io("making a folder for the run"))?;
        let kubeconfig_path = folder.path().join("admin.kubeconfig");
        write_private(&kubeconfig_path, &kubeconfig)?;
        Ok(Self {
            admin,
            kubeconfig,
            kubeconfig_path,
            written: AtomicUsize::new(0),
            folder,
        })
    }

    pub(super) fn admin_config(&self) -> Config {
        self.admin.clone()
    }

    pub(super) fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig_path
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn user(&self, name: &str, groups: &[&str]) -> Config {
        let mut config = self.admin.clone();
        config.auth_info.impersonate = Some(name.to_owned());
        config.auth_info.impersonate_groups =
            Some(groups.iter().map(|group| (*group).to_owned()).collect());
        config
    }

    pub(super) fn user_kubeconfig(
        &self,
        name: &str,
        groups: &[&str],
    ) -> Result<PathBuf, ControlPlaneError> {
        let mut document = self.kubeconfig.clone();
        let users = document.get_mut("users").and_then(Value::as_array_mut);
        for user in users
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get_mut("user"))
        {
            user["as"] = Value::from(name);
            user["as-groups"] = Value::from(groups);
        }
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("user-{number}.kubeconfig"));
        write_private(&path, &document)?;
        Ok(path)
    }

    pub(super) fn kubectl<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Kubectl {
        let cache = self.folder.path().join("kubectl-cache");
        Kubectl::new(PathBuf::from("kubectl"), &self.kubeconfig_path, cache, args)
    }
}

//! Where the control plane's programs are: an existing cluster, the folder of the ecosystem's convention, or the
//! user's cache folder. Only `tests/controlplane/build.sh` knows the last one's name; it is asked, never guessed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::ControlPlaneError;

/// Knows the cache folder (and honours `KUBEBUILDER_ASSETS`); fills it when run without arguments.
const BUILD_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/controlplane/build.sh");

/// Where a control plane comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// `USE_EXISTING_CLUSTER=true`: the current kubeconfig.
    ExistingCluster,
    /// A folder with the programs.
    Folder(Binaries),
}

/// A folder that has `etcd`, `kube-apiserver` and `kubectl`.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Looks in the order `USE_EXISTING_CLUSTER`, `KUBEBUILDER_ASSETS`, cache folder.
    pub fn locate() -> Result<Source, ControlPlaneError> {
        if std::env::var("USE_EXISTING_CLUSTER").is_ok_and(|value| value == "true") {
            return Ok(Source::ExistingCluster);
        }
        let answer = Command::new("bash")
            .args([BUILD_SCRIPT, "--print-folder"])
            .output()
            .map_err(ControlPlaneError::io(format!("running '{BUILD_SCRIPT}'")))?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(ControlPlaneError::NoFolder(said));
        }
        let folder = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
        Self::in_folder(folder).map(Source::Folder)
    }

    /// Accepts a folder that has what is needed.
    pub fn in_folder(folder: PathBuf) -> Result<Self, ControlPlaneError> {
        for binary in ["etcd", "kube-apiserver", "kubectl"] {
            if !folder.join(binary).is_file() {
                return Err(ControlPlaneError::Missing { binary, folder });
            }
        }
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a program in the folder.
    pub fn path(&self, name: &'static str) -> Result<PathBuf, ControlPlaneError> {
        let path = self.folder.join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(ControlPlaneError::Missing {
                binary: name,
                folder: self.folder.clone(),
            })
        }
    }

    /// The path of a program in the folder, else on the search path (`KUBEBUILDER_ASSETS` has no Helm).
    pub fn find(&self, name: &'static str) -> Result<PathBuf, ControlPlaneError> {
        self.path(name)
            .or_else(|missing| on_search_path(name).map_err(|_| missing))
    }
}

/// Looks for a program in the folders of `PATH`.
pub(super) fn on_search_path(name: &'static str) -> Result<PathBuf, ControlPlaneError> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| ControlPlaneError::Missing {
            binary: name,
            folder: PathBuf::from("PATH"),
        })
}

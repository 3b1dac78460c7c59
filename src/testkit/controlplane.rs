//! A real control plane for tests and demo: etcd and kube-apiserver on loopback, a folder and a certificate
//! authority per run, users by client certificate, an audit log. Up in seconds, gone with the process that started
//! it, whatever ends that process. `USE_EXISTING_CLUSTER=true` takes the current kubeconfig's cluster instead.

mod access;
mod binaries;
mod error;
mod existing;
mod kubectl;
mod launch;

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Config};
use tokio::sync::OnceCell;

pub use binaries::{Binaries, Source};
pub use error::ControlPlaneError;
pub use kubectl::Kubectl;

use crate::testkit::audit::AuditEvent;
use existing::ExistingCluster;
use launch::Launched;

/// What a control plane is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Write an audit log (who called what, without bodies). Default: yes.
    pub audit: bool,
    /// Run kube-controller-manager with garbage collection and namespace deletion only. Default: no.
    pub controllers: bool,
    /// Leave the run's folder (logs, certificates, data) behind. Default: no.
    pub keep: bool,
    /// Further flags of kube-apiserver, such as `--emulated-version=1.36`.
    pub apiserver_flags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            audit: true,
            controllers: false,
            keep: false,
            apiserver_flags: Vec::new(),
        }
    }
}

/// A running control plane. Dropping it ends it.
#[derive(Debug)]
pub struct ControlPlane {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Launched(Box<Launched>),
    Existing(Box<ExistingCluster>),
}

/// The control plane that all tests of one test binary share: started by the first, ended with the process. Tests
/// keep apart by [`namespace`]; whoever stops the API server starts a control plane of his own.
pub async fn shared() -> Result<&'static ControlPlane, &'static ControlPlaneError> {
    static SHARED: OnceCell<Result<ControlPlane, ControlPlaneError>> = OnceCell::const_new();
    SHARED
        .get_or_init(|| ControlPlane::start(Options::default()))
        .await
        .as_ref()
}

/// Creates a namespace of its own for a test and returns its name: `prefix`, a dash and what the API server adds.
pub async fn namespace(client: &Client, prefix: &str) -> Result<String, ControlPlaneError> {
    let fresh = Namespace {
        metadata: ObjectMeta {
            generate_name: Some(format!("{prefix}-")),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let api: Api<Namespace> = Api::all(client.clone());
    let created = api.create(&PostParams::default(), &fresh).await?;
    Ok(created.metadata.name.unwrap_or_default())
}

impl ControlPlane {
    /// Starts a control plane and returns when it serves: about 7 s. Nothing is ever built here: binaries that are
    /// missing are an error that says what to run.
    pub async fn start(options: Options) -> Result<Self, ControlPlaneError> {
        crate::testkit::crypto();
        let kind = match Binaries::locate()? {
            Source::ExistingCluster => Kind::Existing(Box::new(ExistingCluster::connect().await?)),
            Source::Folder(binaries) => {
                Kind::Launched(Box::new(Launched::start(binaries, options).await?))
            }
        };
        Ok(Self { kind })
    }

    /// How the administrator (group `system:masters`) reaches the API server.
    pub fn admin_config(&self) -> Config {
        match &self.kind {
            Kind::Launched(own) => own.admin_config(),
            Kind::Existing(cluster) => cluster.admin_config(),
        }
    }

    /// A new client of the administrator. A client belongs to the runtime that made it: each test makes its own.
    pub fn admin(&self) -> Result<Client, ControlPlaneError> {
        Ok(Client::try_from(self.admin_config())?)
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig_path(&self) -> &Path {
        match &self.kind {
            Kind::Launched(own) => own.kubeconfig_path(),
            Kind::Existing(cluster) => cluster.kubeconfig_path(),
        }
    }

    /// The API server's address, `https://127.0.0.1:PORT` for one that was started here.
    pub fn url(&self) -> String {
        self.admin_config().cluster_url.to_string()
    }

    /// How a user with that name and at most two groups reaches the API server: by a client certificate, in an
    /// existing cluster by impersonation. Rights come by RBAC only.
    pub fn user(&self, name: &str, groups: &[&str]) -> Result<Config, ControlPlaneError> {
        match &self.kind {
            Kind::Launched(own) => own.user(name, groups),
            Kind::Existing(cluster) => Ok(cluster.user(name, groups)),
        }
    }

    /// A kubeconfig file for a user as in [`ControlPlane::user`].
    pub fn user_kubeconfig(
        &self,
        name: &str,
        groups: &[&str],
    ) -> Result<PathBuf, ControlPlaneError> {
        match &self.kind {
            Kind::Launched(own) => own.user_kubeconfig(name, groups),
            Kind::Existing(cluster) => cluster.user_kubeconfig(name, groups),
        }
    }

    /// A kubectl call as the administrator, to be completed with arguments and input.
    pub fn kubectl<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Kubectl {
        match &self.kind {
            Kind::Launched(own) => own.kubectl(args),
            Kind::Existing(cluster) => cluster.kubectl(args),
        }
    }

    /// Where the binary `name` is (`helm`, `kubectl`): in the control plane's folder, else on the search path.
    pub fn binary(&self, name: &'static str) -> Result<PathBuf, ControlPlaneError> {
        match &self.kind {
            Kind::Launched(own) => own.binaries().find(name),
            Kind::Existing(_) => binaries::on_search_path(name),
        }
    }

    /// The folder of this run: for files of the test, removed with the control plane.
    pub fn folder(&self) -> &Path {
        match &self.kind {
            Kind::Launched(own) => own.folder(),
            Kind::Existing(cluster) => cluster.folder(),
        }
    }

    /// The audit events so far that `filter` lets pass, oldest first.
    pub fn audit_events(
        &self,
        filter: impl Fn(&AuditEvent) -> bool,
    ) -> Result<Vec<AuditEvent>, ControlPlaneError> {
        self.launched("the audit log")?.audit_events(filter)
    }

    /// Waits until the audit events that `filter` lets pass satisfy `enough`. An event reaches the log after its
    /// answer reached the caller, so a test that expects one waits for it.
    pub async fn wait_for_audit(
        &self,
        filter: impl Fn(&AuditEvent) -> bool,
        enough: impl Fn(&[AuditEvent]) -> bool,
        limit: std::time::Duration,
    ) -> Result<Vec<AuditEvent>, ControlPlaneError> {
        self.launched("the audit log")?
            .wait_for_audit(filter, enough, limit)
            .await
    }

    /// Kills the API server (SIGKILL). etcd and what is stored stay.
    pub fn kill_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.launched("stopping the API server")?.kill_apiserver();
        Ok(())
    }

    /// Starts the API server again after [`ControlPlane::kill_apiserver`], at the same address.
    pub async fn start_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.launched("starting the API server")?
            .start_apiserver()
            .await
    }

    /// Kills the API server and starts it again at the same address.
    pub async fn restart_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.kill_apiserver()?;
        self.start_apiserver().await
    }

    /// Kills etcd (SIGKILL). What is stored stays.
    pub fn kill_etcd(&self) -> Result<(), ControlPlaneError> {
        self.launched("stopping etcd")?.kill_etcd();
        Ok(())
    }

    /// Starts etcd again after [`ControlPlane::kill_etcd`], with what was stored.
    pub async fn start_etcd(&self) -> Result<(), ControlPlaneError> {
        self.launched("starting etcd")?.start_etcd().await
    }

    /// Keeps a copy of what is stored; etcd must have been killed.
    pub fn keep_store(&self) -> Result<(), ControlPlaneError> {
        self.launched("copying what is stored")?
            .copy_store("etcd", "kept")
    }

    /// Puts what is stored back to what was kept, its versions too; etcd must have been killed.
    pub fn put_store_back(&self) -> Result<(), ControlPlaneError> {
        self.launched("restoring what was stored")?
            .copy_store("kept", "etcd")
    }

    /// Stops the API server in its tracks (SIGSTOP): connections stay open and go silent.
    pub fn pause_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.launched("pausing the API server")?.pause_apiserver()
    }

    /// Lets a paused API server go on.
    pub fn resume_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.launched("resuming the API server")?.resume_apiserver()
    }

    /// Process ids of what was started here, by name: `etcd`, `kube-apiserver`, `kube-controller-manager`.
    pub fn processes(&self) -> Vec<(String, u32)> {
        match &self.kind {
            Kind::Launched(own) => own.processes(),
            Kind::Existing(_) => Vec::new(),
        }
    }

    /// Ends everything and removes the run's folder (unless it is kept). Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    fn launched(&self, what: &'static str) -> Result<&Launched, ControlPlaneError> {
        match &self.kind {
            Kind::Launched(own) => Ok(own),
            Kind::Existing(_) => Err(ControlPlaneError::NotWithExistingCluster { what }),
        }
    }
}

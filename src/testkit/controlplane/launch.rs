//! Starts etcd and kube-apiserver (and the controller manager when asked), waits until they serve, and holds them.
//! Ports come from below the range of outgoing connections; one that is taken meanwhile costs a retry, not a test.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio::net::UnixStream;

use super::access::Access;
use super::{Binaries, ControlPlaneError, Kubectl, Options};
use crate::testkit::audit::{self, AuditEvent};
use crate::testkit::certificates::{CertifiedKey, TestCa, signing_key_pair};
use crate::testkit::process::{Process, RunFolder};

/// How long a server may take until it serves; generous, because a machine may be busy with a build.
const START_LIMIT: Duration = Duration::from_mins(2);
const PORT_TRIES: u32 = 5;
const POLL: Duration = Duration::from_millis(50);
const LOG_LINES: usize = 20;
const ETCD_SOCKET: &str = "etcd.sock";
const IN_USE: &str = "address already in use";

/// A control plane that was started here. Fields are dropped in this order: servers first, then their folder.
#[derive(Debug)]
pub(super) struct Launched {
    controllers: Option<Process>,
    apiserver: Mutex<Option<Process>>,
    etcd: Mutex<Option<Process>>,
    options: Options,
    binaries: Binaries,
    access: Access,
    admin: Config,
    kubeconfig: PathBuf,
    users: AtomicUsize,
    folder: RunFolder,
}

impl Launched {
    pub(super) async fn start(
        binaries: Binaries,
        options: Options,
    ) -> Result<Self, ControlPlaneError> {
        let began = Instant::now();
        let folder = RunFolder::new("firebell-controlplane-", options.keep)
            .map_err(ControlPlaneError::io("making a folder for the run"))?;
        let ca = TestCa::new("firebell test control plane")?;
        let admin = ca.client("admin", &["system:masters"])?;
        write_certificates(&ca, folder.path())?;

        let etcd = start_etcd(&binaries, folder.path()).await?;
        let (apiserver, access, admin_config) =
            start_first_apiserver(&binaries, &options, folder.path(), ca, &admin, free_port)
                .await?;
        let kubeconfig = folder.path().join("admin.kubeconfig");
        access.write_kubeconfig("admin", &admin, &kubeconfig)?;

        let mut launched = Self {
            controllers: None,
            apiserver: Mutex::new(Some(apiserver)),
            etcd: Mutex::new(Some(etcd)),
            options,
            binaries,
            access,
            admin: admin_config,
            kubeconfig,
            users: AtomicUsize::new(0),
            folder,
        };
        if launched.options.controllers {
            launched.controllers = Some(launched.start_controllers()?);
        }
        tracing::info!(
            seconds = began.elapsed().as_secs_f32(),
            url = launched.access.url(),
            folder = %launched.folder.path().display(),
            "control plane is up"
        );
        Ok(launched)
    }

    pub(super) fn admin_config(&self) -> Config {
        self.admin.clone()
    }

    pub(super) fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    pub(super) fn user(&self, name: &str, groups: &[&str]) -> Result<Config, ControlPlaneError> {
        self.access.config(&self.access.ca.client(name, groups)?)
    }

    pub(super) fn user_kubeconfig(
        &self,
        name: &str,
        groups: &[&str],
    ) -> Result<PathBuf, ControlPlaneError> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("user-{number}.kubeconfig"));
        let identity = self.access.ca.client(name, groups)?;
        self.access.write_kubeconfig(name, &identity, &path)?;
        Ok(path)
    }

    pub(super) fn kubectl<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Kubectl {
        let program = self.binaries.folder().join("kubectl");
        Kubectl::new(
            program,
            &self.kubeconfig,
            self.folder.path().join("kubectl-cache"),
            args,
        )
    }

    pub(super) fn audit_events(
        &self,
        filter: impl Fn(&AuditEvent) -> bool,
    ) -> Result<Vec<AuditEvent>, ControlPlaneError> {
        audit::read(&self.folder.path().join("audit.log"), filter)
            .map_err(ControlPlaneError::io("reading the audit log"))
    }

    pub(super) async fn wait_for_audit(
        &self,
        filter: impl Fn(&AuditEvent) -> bool,
        enough: impl Fn(&[AuditEvent]) -> bool,
        limit: Duration,
    ) -> Result<Vec<AuditEvent>, ControlPlaneError> {
        let began = Instant::now();
        loop {
            let events = self.audit_events(&filter)?;
            if enough(&events) {
                return Ok(events);
            }
            if began.elapsed() > limit {
                return Err(ControlPlaneError::AuditTimeout {
                    limit,
                    seen: events.len(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) fn kill_apiserver(&self) {
        *self.apiserver.lock() = None;
    }

    pub(super) async fn start_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.kill_apiserver();
        let mut process = spawn_apiserver(
            &self.binaries,
            &self.options,
            self.folder.path(),
            self.access.port,
        )?;
        wait_until_serving(&mut process, &self.admin).await?;
        *self.apiserver.lock() = Some(process);
        Ok(())
    }

    pub(super) fn kill_etcd(&self) {
        *self.etcd.lock() = None;
    }

    pub(super) async fn start_etcd(&self) -> Result<(), ControlPlaneError> {
        let process = start_etcd(&self.binaries, self.folder.path()).await?;
        *self.etcd.lock() = Some(process);
        Ok(())
    }

    /// Puts a copy of one folder of the run in the place of another.
    pub(super) fn copy_store(&self, from: &str, to: &str) -> Result<(), ControlPlaneError> {
        let (from, to) = (self.folder.path().join(from), self.folder.path().join(to));
        if to.exists() {
            fs::remove_dir_all(&to).map_err(ControlPlaneError::io("removing a store"))?;
        }
        copy_folder(&from, &to).map_err(ControlPlaneError::io("copying a store"))
    }

    pub(super) fn pause_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.signal_apiserver(Signal::SIGSTOP)
    }

    pub(super) fn resume_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.signal_apiserver(Signal::SIGCONT)
    }

    fn signal_apiserver(&self, signal: Signal) -> Result<(), ControlPlaneError> {
        match &*self.apiserver.lock() {
            Some(process) => process
                .signal(signal)
                .map_err(ControlPlaneError::io("signalling kube-apiserver")),
            None => Ok(()),
        }
    }

    pub(super) fn processes(&self) -> Vec<(String, u32)> {
        let (etcd, apiserver) = (self.etcd.lock(), self.apiserver.lock());
        [etcd.as_ref(), apiserver.as_ref(), self.controllers.as_ref()]
            .into_iter()
            .flatten()
            .map(|process| (process.name().to_owned(), process.pid()))
            .collect()
    }

    fn start_controllers(&self) -> Result<Process, ControlPlaneError> {
        let name = "kube-controller-manager";
        let args = [
            format!("--kubeconfig={}", self.kubeconfig.display()),
            "--controllers=garbage-collector-controller,namespace-controller".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        let log = self.folder.path().join("kube-controller-manager.log");
        Process::spawn(name, &self.binaries.path(name)?, &args, &[], &log)
            .map_err(ControlPlaneError::io("starting kube-controller-manager"))
    }
}

fn write_certificates(ca: &TestCa, folder: &Path) -> Result<(), ControlPlaneError> {
    let server = ca.server(&["127.0.0.1", "localhost", "kubernetes.default.svc"])?;
    let (tokens_private, tokens_public) = signing_key_pair()?;
    let files = [
        ("ca.crt", ca.pem()),
        ("apiserver.crt", server.cert_pem),
        ("apiserver.key", server.key_pem),
        ("service-account.key", tokens_private),
        ("service-account.pub", tokens_public),
        ("audit-policy.yaml", audit::POLICY.to_owned()),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content)
            .map_err(ControlPlaneError::io(format!("writing '{name}'")))?;
    }
    Ok(())
}

/// A port that nobody listens on now: from 20000 to 31999, which the kernel hands to no outgoing connection.
fn free_port() -> Result<u16, ControlPlaneError> {
    for round in 0..200_u64 {
        let random = RandomState::new().hash_one(round) % 12_000;
        let port = 20_000 + u16::try_from(random).unwrap_or(0);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(ControlPlaneError::NoFreePort { tries: 200 })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// etcd serves on a socket in the run's folder: no port to race for, and nobody else's etcd to mistake for ours.
async fn start_etcd(binaries: &Binaries, folder: &Path) -> Result<Process, ControlPlaneError> {
    let args = [
        "--unsafe-no-fsync".to_owned(),
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={}", etcd_url(folder)),
        format!("--advertise-client-urls={}", etcd_url(folder)),
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let log = folder.join("etcd.log");
    let mut process = Process::spawn("etcd", &binaries.path("etcd")?, &args, &[], &log)
        .map_err(ControlPlaneError::io("starting etcd"))?;
    let began = Instant::now();
    loop {
        match UnixStream::connect(folder.join(ETCD_SOCKET)).await {
            Ok(_) => return Ok(process),
            Err(error) => wait_a_little(&mut process, began, error.to_string()).await?,
        }
    }
}

fn etcd_url(folder: &Path) -> String {
    format!("unix://{}", folder.join(ETCD_SOCKET).display())
}

/// Starts the API server for the first time, with another port if the one chosen is taken meanwhile.
async fn start_first_apiserver(
    binaries: &Binaries,
    options: &Options,
    folder: &Path,
    ca: TestCa,
    admin: &CertifiedKey,
    mut next_port: impl FnMut() -> Result<u16, ControlPlaneError>,
) -> Result<(Process, Access, Config), ControlPlaneError> {
    let mut access = Access { ca, port: 0 };
    for _ in 0..PORT_TRIES {
        access.port = next_port()?;
        let config = access.config(admin)?;
        let mut process = spawn_apiserver(binaries, options, folder, access.port)?;
        match wait_until_serving(&mut process, &config).await {
            Ok(()) => return Ok((process, access, config)),
            Err(ControlPlaneError::Exited { .. }) if process.log().contains(IN_USE) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ControlPlaneError::NoFreePort { tries: PORT_TRIES })
}

fn spawn_apiserver(
    binaries: &Binaries,
    options: &Options,
    folder: &Path,
    port: u16,
) -> Result<Process, ControlPlaneError> {
    let name = "kube-apiserver";
    let file = |name: &str| folder.join(name).display().to_string();
    let mut args = vec![
        format!("--etcd-servers={}", etcd_url(folder)),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("service-account.pub")),
        format!(
            "--service-account-signing-key-file={}",
            file("service-account.key")
        ),
        "--authorization-mode=RBAC".to_owned(),
        // Without controllers nobody makes the accounts that this plugin waits for.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
    ];
    if options.audit {
        args.push(format!("--audit-policy-file={}", file("audit-policy.yaml")));
        args.push(format!("--audit-log-path={}", file("audit.log")));
    }
    args.extend(options.apiserver_flags.iter().cloned());
    Process::spawn(
        name,
        &binaries.path(name)?,
        &args,
        &[],
        &folder.join("kube-apiserver.log"),
    )
    .map_err(ControlPlaneError::io("starting kube-apiserver"))
}

/// Ready means: `/readyz` says so and the namespace `default`, made after that, is there.
async fn wait_until_serving(
    process: &mut Process,
    config: &Config,
) -> Result<(), ControlPlaneError> {
    let began = Instant::now();
    let mut config = config.clone();
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(2));
    config.read_timeout = Some(Duration::from_secs(5));
    loop {
        let last = match serves(&config).await {
            Ok(()) => {
                fail_if_exited(process)?;
                return Ok(());
            }
            Err(why) => why,
        };
        wait_a_little(process, began, last).await?;
    }
}

async fn serves(config: &Config) -> Result<(), String> {
    let say = |error: kube::Error| error.to_string();
    // A new client each time: connections to a server that is just starting are not worth keeping.
    let client = Client::try_from(config.clone()).map_err(say)?;
    let request = http::Request::get("/readyz")
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    client.request_text(request).await.map_err(say)?;
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.get("default").await.map_err(say)?;
    Ok(())
}

async fn wait_a_little(
    process: &mut Process,
    began: Instant,
    last: String,
) -> Result<(), ControlPlaneError> {
    fail_if_exited(process)?;
    if began.elapsed() > START_LIMIT {
        return Err(ControlPlaneError::NotReady {
            name: process.name().to_owned(),
            limit: START_LIMIT,
            last,
            log: process.log_tail(LOG_LINES),
        });
    }
    tokio::time::sleep(POLL).await;
    Ok(())
}

fn fail_if_exited(process: &mut Process) -> Result<(), ControlPlaneError> {
    match process.exited() {
        Ok(None) => Ok(()),
        Ok(Some(status)) => Err(ControlPlaneError::Exited {
            name: process.name().to_owned(),
            status: status.to_string(),
            log: process.log_tail(LOG_LINES),
        }),
        Err(source) => Err(ControlPlaneError::Io {
            what: format!("watching {}", process.name()),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_meanwhile_costs_a_retry_only() {
        crate::testkit::crypto();
        let super::super::Source::Folder(binaries) = Binaries::locate().unwrap() else {
            panic!("this test starts its own servers; unset USE_EXISTING_CLUSTER");
        };
        let folder = RunFolder::new("firebell-port-", false).unwrap();
        let ca = TestCa::new("ports").unwrap();
        let admin = ca.client("admin", &["system:masters"]).unwrap();
        write_certificates(&ca, folder.path()).unwrap();
        let _etcd = start_etcd(&binaries, folder.path()).await.unwrap();

        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken_port = taken.local_addr().unwrap().port();
        let mut offered = Vec::new();
        let next_port = || {
            let port = if offered.is_empty() {
                taken_port
            } else {
                free_port()?
            };
            offered.push(port);
            Ok(port)
        };
        let options = Options {
            audit: false,
            ..Options::default()
        };
        let (_process, access, _config) =
            start_first_apiserver(&binaries, &options, folder.path(), ca, &admin, next_port)
                .await
                .unwrap();
        assert!(offered.len() >= 2, "{offered:?}");
        assert_ne!(access.port, taken_port);
        assert_eq!(Some(&access.port), offered.last());
    }
}

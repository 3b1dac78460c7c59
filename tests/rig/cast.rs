//! Who plays in a point: a namespace, a receiver, an operator with its rights, and the proxy between it and the API
//! server. Each point has its own; all share one control plane.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options};
use firebell::testkit::proxy::Proxy;
use firebell::testkit::stage::{LIMIT, ROLE, Stage};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

/// Finds libfaketime.
const FAKETIME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rig/faketime.sh");

/// The players of one point.
pub struct Cast<'a> {
    /// Namespace, receiver, and what people do.
    pub stage: Stage<'a>,
    /// Between the operator and the API server.
    pub proxy: Proxy,
    /// The operator.
    pub crew: Crew,
}

/// The operator, and how it is started again.
pub struct Crew {
    /// The process, once it was started.
    pub operator: Option<Operator>,
    /// How often one was killed.
    pub crashes: usize,
    options: Options,
}

impl Cast<'static> {
    /// Gathers everybody on the control plane that all points share; nothing runs yet.
    pub async fn gather() -> Self {
        Self::on(Stage::set("rig").await).await
    }
}

impl<'a> Cast<'a> {
    /// Gathers everybody on a stage; nothing runs yet.
    pub async fn on(stage: Stage<'a>) -> Self {
        let user = stage.operator_user();
        admit(&stage, &user).await;
        let proxy = Proxy::start(stage.plane.user(&user, &[]).unwrap())
            .await
            .unwrap();
        let file = |name: &str| {
            stage
                .plane
                .folder()
                .join(format!("{}-{name}", stage.namespace))
        };
        let (log, kubeconfig) = (file("operator.log"), file("proxy.kubeconfig"));
        proxy.write_kubeconfig(&kubeconfig).unwrap();
        let options = Options {
            binary: PathBuf::from(env!("CARGO_BIN_EXE_firebell")),
            kubeconfig,
            namespaces: vec![stage.namespace.clone()],
            flags: stage.flags.clone(),
            log,
        };
        let crew = Crew {
            operator: None,
            crashes: 0,
            options,
        };
        Self { stage, proxy, crew }
    }

    /// Waits until the operator has called for no change for `calm`; false if it never rests.
    pub async fn rests(&self, calm: Duration) -> bool {
        let rests = async || {
            let calls = self.proxy.calls();
            let last = calls.iter().rev().find(|seen| seen.call.is_write());
            let since = last.map(|seen| Timestamp::now().duration_since(seen.time));
            since
                .is_none_or(|since| since.unsigned_abs() >= calm)
                .then_some(())
        };
        eventually("the operator to rest", LIMIT, rests)
            .await
            .is_ok()
    }
}

impl Crew {
    /// Lets the operator watch one more namespace.
    pub fn watch_too(&mut self, namespace: &str) {
        self.options.namespaces.push(namespace.to_owned());
    }

    /// Runs the operator under a wall clock of its own, whose offset in seconds stands in a file. By a program in place
    /// of the binary, since only the operator may be deceived.
    pub fn deceive(&mut self, offset: &Path) {
        let library = faketime().expect("libfaketime, which was there a moment ago");
        let (offset, binary) = (offset.display(), self.options.binary.display());
        let program = format!(
            "#!/bin/sh\nexport LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={offset} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\nexec {binary} \"$@\"\n"
        );
        let path = self.options.log.with_extension("sh");
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        self.options.binary = path;
    }

    /// A file of this point.
    pub fn file(&self, extension: &str) -> PathBuf {
        self.options.log.with_extension(extension)
    }

    /// Starts an operator and waits until it is ready.
    pub async fn start(&mut self) {
        let mut operator = Operator::spawn(&self.options).unwrap();
        let ready = operator.ready(LIMIT).await;
        self.operator = Some(operator);
        assert!(ready.is_ok(), "{ready:?}");
    }

    /// SIGKILL, and an operator in its place at once. How long nobody was ready.
    pub async fn crash(&mut self) -> Duration {
        let began = Instant::now();
        self.operator.as_mut().unwrap().kill();
        self.crashes += 1;
        self.start().await;
        began.elapsed()
    }

    /// What all operators of this point logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.options.log).unwrap_or_default()).into_owned()
    }
}

/// Whether an operator can be deceived about the time.
pub fn deceives() -> bool {
    faketime().is_some()
}

fn faketime() -> Option<String> {
    let found = Command::new(FAKETIME).output().ok()?;
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    found.status.success().then_some(path)
}

/// Gives the operator its Role, and waits until it counts. By the API and not by kubectl: there are many points.
pub async fn admit(stage: &Stage<'_>, user: &str) {
    let role: Role = serde_saphyr::from_str(ROLE).unwrap();
    let name = role.metadata.name.clone().unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }))
    .unwrap();
    let params = PostParams::default();
    let roles: Api<Role> = Api::namespaced(stage.client.clone(), &stage.namespace);
    roles.create(&params, &role).await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(stage.client.clone(), &stage.namespace);
    bindings.create(&params, &binding).await.unwrap();
    let tickets = "firebell.dev/tickets";
    let counts = async || {
        let may = stage.may(user, "list", tickets, &stage.namespace).await;
        may.then_some(())
    };
    eventually("the rights count", LIMIT, counts).await.unwrap();
}

//! Who plays in a point: a namespace, a receiver, an operator with its rights, and the proxy between it and the API
//! server. Each point has its own; all share one control plane.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options};
use firebell::testkit::proxy::{Proxy, Seen};
use firebell::testkit::stage::{LEASE_ROLE, LIMIT, ROLE, Stage};
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
    /// One that follows it, where they elect a leader.
    pub follower: Option<Operator>,
    /// How often one was killed, or stood still beyond its lease.
    pub crashes: usize,
    elects: bool,
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
            follower: None,
            crashes: 0,
            elects: false,
            options,
        };
        Self { stage, proxy, crew }
    }

    /// The operator that runs.
    pub fn operator(&self) -> &Operator {
        self.crew.operator.as_ref().unwrap()
    }

    /// Waits until the operator has called for no change for `calm`, and waits for the answer to none; false if it
    /// never rests.
    pub async fn rests(&self, calm: Duration) -> bool {
        let rests = async || {
            let calls = self.proxy.calls();
            let writes = |seen: &&Seen| seen.call.is_write() && seen.call.resource != "leases";
            let now = Timestamp::now();
            let over = |seen: &Seen| {
                let since = seen.over.map(|over| now.duration_since(over));
                since.is_some_and(|since| since.unsigned_abs() >= calm)
            };
            calls.iter().filter(writes).all(over).then_some(())
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

    /// From now on operators take part in an election, and there is one that follows.
    pub fn elect(&mut self, namespace: &str) {
        self.elects = true;
        let flags = ["--leader-elect", "--lease-namespace", namespace];
        self.options.flags.extend(flags.map(str::to_owned));
    }

    /// Starts an operator, or two, and waits until they are ready.
    pub async fn start(&mut self) {
        let operator = self.one().await;
        if self.elects {
            leads(&operator).await;
            self.follower = Some(self.one().await);
        }
        self.operator = Some(operator);
    }

    async fn one(&self) -> Operator {
        let mut operator = Operator::spawn(&self.options).unwrap();
        let ready = operator.ready(LIMIT).await;
        assert!(ready.is_ok(), "{ready:?}");
        operator
    }

    /// The leader stands still until the follower leads, and for `more` after that; then it wakes and has to end. How
    /// long nobody led.
    pub async fn stand_still(&mut self, more: Duration) -> Duration {
        let (mut sleeper, next) = (self.operator.take().unwrap(), self.follower.take().unwrap());
        let began = Instant::now();
        sleeper.pause().unwrap();
        self.crashes += 1;
        leads(&next).await;
        let down = began.elapsed();
        tokio::time::sleep(more).await;
        sleeper.resume().unwrap();
        let ended = sleeper.ended(LIMIT).await;
        assert!(
            ended.is_ok(),
            "a leader that lost its lease must end: {ended:?}"
        );
        self.operator = Some(next);
        down
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

/// Waits until an operator says that it leads.
async fn leads(operator: &Operator) {
    let says = async || {
        let (_, text) = operator.readiness().await?;
        text.contains("leadership: leads").then_some(())
    };
    eventually("a leader", LIMIT, says).await.unwrap();
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

/// Gives the operator its Roles, and waits until they count. By the API and not by kubectl: there are many points.
pub async fn admit(stage: &Stage<'_>, user: &str) {
    let params = PostParams::default();
    let roles: Api<Role> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(stage.client.clone(), &stage.namespace);
    for rights in [LEASE_ROLE, ROLE] {
        let role: Role = serde_saphyr::from_str(rights).unwrap();
        let name = role.metadata.name.clone().unwrap();
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }))
        .unwrap();
        roles.create(&params, &role).await.unwrap();
        bindings.create(&params, &binding).await.unwrap();
    }
    let tickets = "firebell.dev/tickets";
    let counts = async || {
        let may = stage.may(user, "list", tickets, &stage.namespace).await;
        may.then_some(())
    };
    eventually("the rights count", LIMIT, counts).await.unwrap();
}

//! A namespace, a receiver and an operator for one test.

use std::path::PathBuf;
use std::time::Duration;

use firebell::api::{EscalationPolicy, Ticket, TicketStatus};
use firebell::testkit::controlplane::{ControlPlane, namespace, shared};
use firebell::testkit::operator::{Operator, Options};
use firebell::testkit::receiver::{Received, Receiver};
use firebell::testkit::{crypto, eventually};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

pub const KEY: &str = "whsec_c2NlbmFyaW8tc2lnbmluZy1rZXktMDAwMDAwMDE=";
pub const LIMIT: Duration = Duration::from_secs(30);

pub struct Stage {
    pub plane: &'static ControlPlane,
    pub client: kube::Client,
    pub namespace: String,
    pub receiver: Receiver,
    pub operator: Option<Operator>,
}

impl Stage {
    /// A namespace with the CRDs served, the signing Secret there, and nothing running yet.
    pub async fn set(prefix: &str) -> Self {
        crypto();
        let plane = shared().await.expect("run `make controlplane`");
        install_crds(plane).await;
        let client = plane.admin().unwrap();
        let namespace = namespace(&client, prefix).await.unwrap();
        let receiver = Receiver::start().await.unwrap();
        let stage = Self {
            plane,
            client,
            namespace,
            receiver,
            operator: None,
        };
        stage.secret("pager", json!({"signingKey": KEY})).await;
        stage
    }

    /// The same with an operator that is ready.
    pub async fn running(prefix: &str) -> Self {
        let mut stage = Self::set(prefix).await;
        stage.start().await;
        stage
    }

    /// Starts an operator and waits until it is ready.
    pub async fn start(&mut self) {
        let options = Options {
            binary: PathBuf::from(env!("CARGO_BIN_EXE_firebell")),
            kubeconfig: self.plane.kubeconfig_path().to_owned(),
            namespaces: vec![self.namespace.clone()],
            flags: Vec::new(),
            log: self.plane.folder().join(format!("{}.log", self.namespace)),
        };
        let mut operator = Operator::spawn(&options).unwrap();
        if let Err(error) = operator.ready(LIMIT).await {
            panic!("{error}\n{}", operator.log());
        }
        self.operator = Some(operator);
    }

    /// SIGKILL to the operator.
    pub fn kill(&mut self) {
        self.operator.take().unwrap().kill();
    }

    pub async fn secret(&self, name: &str, data: Value) {
        let secrets: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let secret = json!({"metadata": {"name": name}, "stringData": data});
        secrets
            .create(
                &PostParams::default(),
                &serde_json::from_value(secret).unwrap(),
            )
            .await
            .unwrap();
    }

    /// A default policy: alice at once, bob after `second`, carol after 3 s more while unresolved.
    pub fn policy(&self, second: &str) -> Value {
        json!({
            "default": true,
            "severities": [{"level": "High", "responseTarget": "15m"}],
            "connectors": [{"name": "pager", "type": "Webhook", "address": self.receiver.url("/pager"), "secretRef": {"name": "pager"}}],
            "contacts": [
                {"name": "alice", "user": "alice", "reach": [{"connector": "pager", "address": self.receiver.url("/alice")}]},
                {"name": "bob", "reach": [{"connector": "pager", "address": self.receiver.url("/bob")}]},
                {"name": "carol", "reach": [{"connector": "pager", "address": self.receiver.url("/carol")}]},
            ],
            "steps": [
                {"name": "on-call", "notify": [{"contact": "alice"}]},
                {"name": "manager", "after": second, "notify": [{"contact": "bob"}]},
                {"name": "director", "after": "3s", "condition": "NotResolved", "notify": [{"contact": "carol"}]},
            ],
        })
    }

    pub async fn apply_policy(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "EscalationPolicy",
            "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        self.policies()
            .patch(name, &params, &Patch::Apply(object))
            .await
            .unwrap();
    }

    pub fn policies(&self) -> Api<EscalationPolicy> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn tickets(&self) -> Api<Ticket> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn create_ticket(&self, name: &str) -> Ticket {
        let object = json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket", "metadata": {"name": name},
            "spec": {"title": "Checkout returns 5xx", "severity": "High", "service": "checkout"},
        });
        let ticket = serde_json::from_value(object).unwrap();
        self.tickets()
            .create(&PostParams::default(), &ticket)
            .await
            .unwrap()
    }

    /// Declares a fact as its own field manager.
    pub async fn fact(&self, ticket: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.tickets()
            .patch(ticket, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Waits until the ticket's status satisfies a condition.
    pub async fn until(
        &self,
        ticket: &str,
        what: &str,
        holds: impl Fn(&TicketStatus) -> bool,
    ) -> TicketStatus {
        let reached = eventually(what, LIMIT, async || {
            let status = self.tickets().get(ticket).await.ok()?.status?;
            holds(&status).then_some(status)
        });
        let reached = reached.await;
        if reached.is_err() {
            let status = self.tickets().get(ticket).await.unwrap().status;
            let log = self
                .operator
                .as_ref()
                .map(Operator::log)
                .unwrap_or_default();
            panic!("{what}: {status:#?}\n{log}");
        }
        reached.unwrap()
    }

    /// Waits for a page at a path and verifies its signature.
    pub async fn page(&self, path: &str) -> Received {
        let got = self
            .receiver
            .wait_for(|ledger| ledger.count(path) > 0, LIMIT)
            .await;
        if let Err(error) = &got {
            let log = self
                .operator
                .as_ref()
                .map(Operator::log)
                .unwrap_or_default();
            panic!("no page at {path}: {error}\n{log}");
        }
        let page = self.receiver.pages_for(path).remove(0);
        page.verify(KEY).unwrap();
        page
    }
}

/// Installs the CRDs once per control plane and waits until they are served.
async fn install_crds(plane: &ControlPlane) {
    static INSTALLED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let install = async {
        let yaml = firebell::api::crd::yaml();
        plane
            .kubectl(["apply", "--server-side", "-f", "-"])
            .input(yaml)
            .run()
            .await
            .unwrap();
        plane
            .kubectl(["wait", "--for=condition=Established", "crd", "--all"])
            .run()
            .await
            .unwrap();
    };
    INSTALLED.get_or_init(|| install).await;
}

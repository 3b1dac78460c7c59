//! What each scenario needs: a namespace with the CRDs, an operator with its Role, a receiver, short words for what a
//! person does.

use std::path::PathBuf;
use std::time::Duration;

use firebell::api::{EscalationPolicy, Phase, Ticket};
use firebell::controller::patch::status_patch;
use firebell::testkit::controlplane::{ControlPlane, namespace, shared};
use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options};
use firebell::testkit::receiver::{Received, Receiver};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_crd_established;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The longest wait for anything that must come.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A namespace of its own, with all that plays in it.
pub struct Stage {
    /// The API server.
    pub control_plane: &'static ControlPlane,
    /// The administrator.
    pub admin: Client,
    /// The namespace.
    pub place: String,
    /// Where pages arrive.
    pub receiver: Receiver,
    operator: Option<Operator>,
}

impl Stage {
    /// A stage without an operator.
    pub async fn new(prefix: &str) -> Self {
        let control_plane = shared().await.unwrap();
        let admin = control_plane.admin().unwrap();
        install_crds(&admin).await;
        let place = namespace(&admin, prefix).await.unwrap();
        let receiver = Receiver::start().await.unwrap();
        Self {
            control_plane,
            admin,
            place,
            receiver,
            operator: None,
        }
    }

    /// A stage with an operator of its namespace that has exactly the rights it needs.
    pub async fn with_operator(prefix: &str) -> Self {
        let mut stage = Self::new(prefix).await;
        stage.grant("operator").await;
        stage.start_as("operator");
        let ready = stage.operator.as_mut().unwrap().ready(LIMIT).await;
        assert!(ready.is_ok(), "{ready:?}\n{}", stage.log());
        stage
    }

    /// Starts an operator as a user, without waiting for it.
    pub fn start_as(&mut self, user: &str) {
        let user = if user == "operator" {
            format!("operator-{}", self.place)
        } else {
            user.to_owned()
        };
        let options = Options {
            binary: PathBuf::from(env!("CARGO_BIN_EXE_firebell")),
            kubeconfig: self.control_plane.user_kubeconfig(&user, &[]).unwrap(),
            namespaces: vec![self.place.clone()],
            flags: vec!["--log-level".into(), "info,firebell=debug".into()],
            log: self
                .control_plane
                .folder()
                .join(format!("operator-{}.log", self.place)),
        };
        self.operator = Some(Operator::spawn(&options).unwrap());
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.operator.as_ref().unwrap().terminate().unwrap();
    }

    /// What the operator logged.
    pub fn log(&self) -> String {
        self.operator
            .as_ref()
            .map(Operator::log)
            .unwrap_or_default()
    }

    /// The operator's `/metrics`.
    pub async fn metrics(&self) -> String {
        self.operator.as_ref().unwrap().metrics().await.unwrap()
    }

    /// Waits until the operator has ended by itself: its exit code and its log.
    pub async fn operator_ended(&mut self) -> (Option<i32>, String) {
        let code = self.operator.as_mut().unwrap().ended(LIMIT).await;
        (code.unwrap(), self.log())
    }

    async fn grant(&self, user: &str) {
        let rights = include_str!("role.yaml");
        let user = format!("{user}-{}", self.place);
        let binding = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: firebell}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: firebell}}\n\
             subjects: [{{kind: User, name: {user}, apiGroup: rbac.authorization.k8s.io}}]\n"
        );
        self.apply(&format!("{rights}---\n{binding}")).await;
        let question = [
            "auth",
            "can-i",
            "list",
            "tickets",
            "-n",
            &self.place,
            "--as",
            &user,
        ];
        eventually("the operator's role counts", LIMIT, async || {
            self.control_plane.kubectl(question).run().await.ok()
        })
        .await
        .unwrap();
    }

    /// A policy with three steps that page `/on-call`, `/manager` and `/director`; `more` is added to its spec.
    pub fn policy(&self, name: &str, more: &str) -> String {
        let contact = |who: &str| {
            format!(
                "  - {{name: {who}, reach: [{{connector: hook, address: \"{}\"}}]}}\n",
                self.receiver.url(&format!("/{who}"))
            )
        };
        let contacts = ["on-call", "manager", "director"].map(contact).concat();
        format!(
            "apiVersion: firebell.dev/v1alpha1
kind: EscalationPolicy
metadata: {{name: {name}}}
spec:
  default: true
  defaultSeverity: High
  connectors:
  - {{name: hook, type: Webhook}}
  contacts:
{contacts}  severities:
  - {{level: Critical, responseTarget: 15m}}
  - {{level: High, responseTarget: 1h}}
  steps:
  - {{name: on-call, notify: [{{contact: on-call}}]}}
  - {{name: manager, after: 2s, notify: [{{contact: manager}}]}}
  - {{name: director, after: 1h, notify: [{{contact: director}}]}}
{more}"
        )
    }

    /// A ticket; `more` is added to its spec.
    #[allow(clippy::unused_self)] // reads as the sibling of `policy`
    pub fn ticket(&self, name: &str, more: &str) -> String {
        format!(
            "apiVersion: firebell.dev/v1alpha1\nkind: Ticket\nmetadata: {{name: {name}}}\n\
             spec:\n  title: Checkout returns 5xx\n  severity: High\n{more}"
        )
    }

    /// `kubectl apply` in the stage's namespace.
    pub async fn apply(&self, yaml: &str) {
        let applied = self
            .control_plane
            .kubectl(["apply", "-n", &self.place, "-f", "-"])
            .input(yaml)
            .run()
            .await;
        assert!(applied.is_ok(), "{applied:?}\n{yaml}");
    }

    /// `kubectl describe` in the stage's namespace.
    pub async fn describe(&self, kind: &str, name: &str) -> String {
        self.control_plane
            .kubectl(["describe", kind, name, "-n", &self.place])
            .run()
            .await
            .unwrap()
    }

    fn tickets(&self) -> Api<Ticket> {
        Api::namespaced(self.admin.clone(), &self.place)
    }

    /// What a person changes.
    pub async fn patch_ticket(&self, name: &str, patch: &Value) {
        self.tickets()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// A ticket as it is stored.
    pub async fn ticket_object(&self, name: &str) -> Ticket {
        self.tickets().get(name).await.unwrap()
    }

    /// A policy as it is stored.
    pub async fn policy_object(&self, name: &str) -> EscalationPolicy {
        Api::namespaced(self.admin.clone(), &self.place)
            .get(name)
            .await
            .unwrap()
    }

    /// Waits for a ticket that fulfils a condition.
    pub async fn wait_for_ticket(
        &self,
        what: &str,
        name: &str,
        wanted: impl Fn(&Ticket) -> bool,
    ) -> Ticket {
        let found = eventually(what, LIMIT, async || {
            let ticket = self.tickets().get(name).await.ok()?;
            wanted(&ticket).then_some(ticket)
        });
        match found.await {
            Ok(ticket) => ticket,
            Err(error) => panic!(
                "{error}\n{:?}\n{}",
                self.ticket_object(name).await.status,
                self.log()
            ),
        }
    }

    /// Waits for a ticket's phase.
    pub async fn wait_for_phase(&self, name: &str, phase: Phase) -> Ticket {
        let at =
            |ticket: &Ticket| ticket.status.as_ref().and_then(|status| status.phase) == Some(phase);
        self.wait_for_ticket(&format!("\"{name}\" is {phase:?}"), name, at)
            .await
    }

    /// Waits until so many pages arrived on a path and returns the newest.
    pub async fn wait_for_page(&self, path: &str, count: usize) -> Received {
        let arrived = self
            .receiver
            .wait_for(|ledger| ledger.count(path) >= count, LIMIT)
            .await;
        assert!(arrived.is_ok(), "{:?}\n{}", arrived.err(), self.log());
        self.receiver.pages_for(path).pop().unwrap()
    }

    /// How many pages arrived on a path.
    pub fn pages(&self, path: &str) -> usize {
        self.receiver.pages_for(path).len()
    }

    /// Writes a status as the operator does, under the resourceVersion of `seen`; the answer's HTTP status.
    pub async fn write_status_as_of(&self, seen: &Ticket) -> u16 {
        let version = seen.metadata.resource_version.clone().unwrap();
        let operations = status_patch(&version, None, &json!({"phase": "Submitted"})).unwrap();
        let patch = serde_json::from_value(Value::Array(operations)).unwrap();
        let name = seen.metadata.name.as_deref().unwrap();
        match self
            .tickets()
            .patch_status(name, &PatchParams::default(), &Patch::Json::<()>(patch))
            .await
        {
            Ok(_) => 200,
            Err(kube::Error::Api(status)) => status.code,
            Err(other) => panic!("{other}"),
        }
    }
}

async fn install_crds(admin: &Client) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let api: Api<CustomResourceDefinition> = Api::all(admin.clone());
            for crd in firebell::api::crds() {
                let name = crd.metadata.name.clone().unwrap();
                api.create(&PostParams::default(), &crd).await.unwrap();
                let served = await_condition(api.clone(), &name, is_crd_established());
                tokio::time::timeout(LIMIT, served).await.unwrap().unwrap();
            }
        })
        .await;
}

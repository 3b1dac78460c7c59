//! What each scenario needs: a namespace with the CRDs, an operator with its Role, a receiver, short words for what a
//! person does.

use std::path::PathBuf;
use std::time::Duration;

use firebell::api::{EscalationPolicy, EscalationPolicyStatus, Phase, Ticket};
use firebell::controller::patch::status_patch;
use firebell::testkit::audit::AuditEvent;
use firebell::testkit::controlplane::{ControlPlane, namespace, shared};
use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options};
use firebell::testkit::receiver::{Received, Receiver};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_crd_established;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The longest wait for anything that must come.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A namespace of its own, with all that plays in it.
pub struct Stage<'a> {
    /// The API server.
    pub control_plane: &'a ControlPlane,
    /// The administrator.
    pub admin: Client,
    /// The namespace.
    pub place: String,
    /// Where pages arrive.
    pub receiver: Receiver,
    operator: Option<Operator>,
}

impl Stage<'static> {
    /// A stage without an operator, on the control plane that all tests share.
    pub async fn new(prefix: &str) -> Self {
        let stage = Self::on(shared().await.unwrap(), prefix).await;
        install_crds(&stage.admin).await;
        stage
    }

    /// A stage with an operator of its namespace that has exactly the rights it needs.
    pub async fn with_operator(prefix: &str) -> Self {
        let mut stage = Self::new(prefix).await;
        stage.grant("operator").await;
        stage.start_as("operator");
        assert!(stage.is_ready().await, "{}", stage.log());
        stage
    }
}

impl<'a> Stage<'a> {
    /// A stage without CRDs and operator.
    pub async fn on(control_plane: &'a ControlPlane, prefix: &str) -> Self {
        let admin = control_plane.admin().unwrap();
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

    /// Installs the CRDs.
    pub async fn install_crds(&self) {
        create_crds(&self.admin, firebell::api::crds()).await;
    }

    /// Installs the CRDs as looser rules might have had them: a ticket may hold anything.
    pub async fn install_loose_crds(&self) {
        let mut crds = firebell::api::crds();
        for crd in crds
            .iter_mut()
            .filter(|crd| crd.spec.names.kind == "Ticket")
        {
            let version = &mut crd.spec.versions[0];
            version
                .selectable_fields
                .as_mut()
                .unwrap()
                .retain(|field| field.json_path == ".status.archived");
            let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            let mut status = anything.clone();
            status["properties"] = json!({"archived": {"type": "boolean"}});
            let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": status}}});
            version.schema = Some(serde_json::from_value(schema).unwrap());
        }
        create_crds(&self.admin, crds).await;
    }

    /// Starts an operator of the whole cluster with all rights.
    pub fn start_as_admin(&mut self) {
        let kubeconfig = self.control_plane.kubeconfig_path().to_owned();
        self.spawn(kubeconfig, Vec::new());
    }

    /// Waits until the operator is ready.
    pub async fn is_ready(&mut self) -> bool {
        self.operator.as_mut().unwrap().ready(LIMIT).await.is_ok()
    }

    fn spawn(&mut self, kubeconfig: PathBuf, namespaces: Vec<String>) {
        let options = Options {
            binary: PathBuf::from(env!("CARGO_BIN_EXE_firebell")),
            kubeconfig,
            namespaces,
            flags: vec!["--log-level".into(), "info,firebell=debug".into()],
            log: self
                .control_plane
                .folder()
                .join(format!("operator-{}.log", self.place)),
        };
        self.operator = Some(Operator::spawn(&options).unwrap());
    }

    /// Starts an operator as a user, without waiting for it.
    pub fn start_as(&mut self, user: &str) {
        let user = if user == "operator" {
            format!("operator-{}", self.place)
        } else {
            user.to_owned()
        };
        let kubeconfig = self.control_plane.user_kubeconfig(&user, &[]).unwrap();
        self.spawn(kubeconfig, vec![self.place.clone()]);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.operator.as_mut().unwrap().kill();
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

    /// The acknowledgement of a person.
    pub async fn acknowledge(&self, name: &str) {
        self.patch_ticket(name, &json!({"spec": {"acknowledgement": {"by": "alice"}}}))
            .await;
    }

    /// Waits until the log holds a text.
    pub async fn wait_for_log(&self, text: &str) {
        let found = eventually(text, LIMIT, async || {
            self.log().contains(text).then_some(())
        })
        .await;
        assert!(found.is_ok(), "{found:?}\n{}", self.log());
    }

    /// Waits for Events about a ticket; their reasons in the order of their names, which is that of `kubectl`.
    pub async fn wait_for_events(
        &self,
        name: &str,
        enough: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.admin.clone(), &self.place);
        let about = |event: &Event| {
            event
                .regarding
                .as_ref()
                .is_some_and(|object| object.name.as_deref() == Some(name))
        };
        eventually("the Events are written", LIMIT, async || {
            let listed = api.list(&ListParams::default()).await.ok()?;
            let told: Vec<String> = listed
                .items
                .into_iter()
                .filter(about)
                .filter_map(|event| event.reason)
                .collect();
            enough(&told).then_some(told)
        })
        .await
        .unwrap()
    }

    /// All stored revisions.
    pub async fn revisions(&self) -> Vec<ControllerRevision> {
        let api: Api<ControllerRevision> = Api::namespaced(self.admin.clone(), &self.place);
        api.list(&ListParams::default()).await.unwrap().items
    }

    /// Waits for a policy whose status fulfils a condition.
    pub async fn wait_for_policy(
        &self,
        what: &str,
        name: &str,
        wanted: impl Fn(&EscalationPolicyStatus) -> bool,
    ) -> EscalationPolicyStatus {
        let found = eventually(what, LIMIT, async || {
            let status = self.policy_object(name).await.status?;
            wanted(&status).then_some(status)
        });
        match found.await {
            Ok(status) => status,
            Err(error) => panic!(
                "{error}\n{:?}\n{}",
                self.policy_object(name).await.status,
                self.log()
            ),
        }
    }

    /// How many writes of this operator the API server has seen.
    pub async fn writes(&self) -> usize {
        // What was answered before this request is in the log once this request is.
        let marker = format!("marker-{}", unheard());
        let _ = self.tickets().get_opt(&marker).await;
        let of_marker = |event: &AuditEvent| event.uri.contains(&marker);
        self.control_plane
            .wait_for_audit(of_marker, |found| !found.is_empty(), LIMIT)
            .await
            .unwrap();
        let user = format!("operator-{}", self.place);
        let written = |event: &AuditEvent| {
            event.user == user && !["get", "list", "watch"].contains(&event.verb.as_str())
        };
        self.control_plane.audit_events(written).unwrap().len()
    }

    /// The number of writes once it has not grown for a few seconds.
    pub async fn writes_after_they_settled(&self) -> usize {
        let mut last = self.writes().await;
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let now = self.writes().await;
            if now == last {
                return now;
            }
            last = now;
        }
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
        .get_or_init(|| create_crds(admin, firebell::api::crds()))
        .await;
}

async fn create_crds(admin: &Client, crds: Vec<CustomResourceDefinition>) {
    let api: Api<CustomResourceDefinition> = Api::all(admin.clone());
    for crd in crds {
        let name = crd.metadata.name.clone().unwrap();
        api.create(&PostParams::default(), &crd).await.unwrap();
        let served = await_condition(api.clone(), &name, is_crd_established());
        tokio::time::timeout(LIMIT, served).await.unwrap().unwrap();
    }
}

/// A word that no other request holds.
fn unheard() -> String {
    jiff::Timestamp::now().as_nanosecond().to_string()
}

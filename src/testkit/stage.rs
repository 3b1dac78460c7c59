//! The stage of every test on a real API server: a namespace with our kinds served, a receiver, and the operator as a
//! process that may do exactly what `role.yaml` says. What people do stands in `objects`, what is waited for in
//! `waits` and `follow`. It ends the test where something fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests stand on it, and a test ends where it fails"
)]

mod follow;
mod intake;
mod objects;
mod waits;

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub use follow::Followed;
pub use intake::{GRAFANA, INTAKE_ROLE, LINK, PAGERDUTY, TOKEN};

use super::controlplane::{ControlPlane, namespace, shared};
use super::operator::{Operator, Options, built_binary};
use super::receiver::Receiver;
use super::{crypto, eventually};

/// The longest wait for anything that must come: only a test that fails waits that long.
pub const LIMIT: Duration = Duration::from_mins(1);
/// The operator's rights in a namespace of its own: all that it uses, and no more.
pub const ROLE: &str = include_str!("stage/role.yaml");
/// What it may do besides, in the namespace of its lease, where it is one of several replicas.
pub const LEASE_ROLE: &str = include_str!("stage/lease-role.yaml");
/// The signing key in the Secret `pager` of each stage.
pub const KEY: &str = "whsec_c2NlbmFyaW8tc2lnbmluZy1rZXktMDAwMDAwMDE=";

/// A namespace of its own, with all that plays in it.
pub struct Stage<'a> {
    /// The API server.
    pub plane: &'a ControlPlane,
    /// The administrator.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// Where pages arrive.
    pub receiver: Receiver,
    /// Further flags of the operator.
    pub flags: Vec<String>,
    /// The operator, once it was started.
    pub operator: Option<Operator>,
}

impl Stage<'static> {
    /// A stage with our kinds served and nothing running, on the control plane that all tests of a file share.
    pub async fn set(prefix: &str) -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let plane = shared().await.expect("run `make controlplane`");
        let stage = Self::on(plane, prefix).await;
        INSTALLED
            .get_or_init(|| stage.install(crate::api::crds()))
            .await;
        stage
    }

    /// The same with an operator that is ready.
    pub async fn running(prefix: &str) -> Self {
        let mut stage = Self::set(prefix).await;
        stage.start().await;
        stage
    }
}

impl<'a> Stage<'a> {
    /// A stage without our kinds, on a control plane of the test's own. Secret `pager` is there.
    pub async fn on(plane: &'a ControlPlane, prefix: &str) -> Self {
        crypto();
        let client = plane.admin().unwrap();
        let stage = Self {
            plane,
            namespace: namespace(&client, prefix).await.unwrap(),
            client,
            receiver: Receiver::start().await.unwrap(),
            flags: Vec::new(),
            operator: None,
        };
        stage.secret("pager", json!({"signingKey": KEY})).await;
        stage
    }

    /// Installs kinds and waits until they are served.
    pub async fn install(&self, crds: Vec<CustomResourceDefinition>) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for crd in &crds {
            let ours = PatchParams::apply("test").force();
            let (name, crd) = (crd.name_any(), Patch::Apply(crd));
            api.patch(&name, &ours, &crd).await.unwrap();
        }
        for crd in &crds {
            let path = format!("/apis/firebell.dev/v1alpha1/{}", crd.spec.names.plural);
            eventually("all kinds are served", LIMIT, async || {
                let request = http::Request::get(&path).body(Vec::new()).unwrap();
                self.client.request::<Value>(request).await.ok()
            })
            .await
            .unwrap();
        }
        self.until_discovered(&crds).await;
    }

    /// Waits until discovery lists kinds, which is where `kubectl` looks them up. The API server makes its list for
    /// itself, and may serve a kind before.
    async fn until_discovered(&self, crds: &[CustomResourceDefinition]) {
        eventually("all kinds are listed", LIMIT, async || {
            let groups = self.client.list_api_groups_aggregated().await.ok()?;
            let versions = groups.items.into_iter().flat_map(|group| group.versions);
            let listed: Vec<_> = versions
                .flat_map(|version| version.resources)
                .filter_map(|resource| resource.resource)
                .collect();
            let is_listed =
                |crd: &CustomResourceDefinition| listed.contains(&crd.spec.names.plural);
            crds.iter().all(is_listed).then_some(())
        })
        .await
        .unwrap();
    }

    /// Our kinds as looser rules might have had them: a ticket may hold anything.
    pub async fn install_loose(&self) {
        let mut crds = crate::api::crds();
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
        self.install(crds).await;
    }

    /// The user that the operator is.
    pub fn operator_user(&self) -> String {
        format!("operator-{}", self.namespace)
    }

    /// Gives a user the rights of a Role (YAML) named `role` in the stage's namespace, and waits until they count.
    pub async fn grant(&self, user: &str, role: &str, rights: &str) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        self.apply(rights).await;
        self.apply(&binding.to_string()).await;
        eventually("the rights count", LIMIT, async || {
            let tickets = "firebell.dev/tickets";
            self.may(user, "list", tickets, &self.namespace)
                .await
                .then_some(())
        })
        .await
        .unwrap();
    }

    /// Whether a user may do that to `group/resource` or `group/resource/subresource`.
    pub async fn may(&self, user: &str, verb: &str, resource: &str, namespace: &str) -> bool {
        let (group, rest) = resource.split_once('/').unwrap();
        let (resource, subresource) = rest.split_once('/').unwrap_or((rest, ""));
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.to_owned()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(group.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource: Some(subresource.to_owned()),
                    verb: Some(verb.to_owned()),
                    namespace: Some(namespace.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await.unwrap();
        answer.status.unwrap().allowed
    }

    /// Starts an operator with its Role and waits until it is ready.
    pub async fn start(&mut self) {
        let user = self.operator_user();
        if self.operator.is_none() {
            self.grant(&user, "firebell", ROLE).await;
        }
        self.spawn(&user);
        self.ready().await;
    }

    /// Starts an operator as a user, without waiting for it.
    pub fn spawn(&mut self, user: &str) {
        let log = format!("operator-{}.log", self.namespace);
        let logged = vec!["--log-level".into(), "info,firebell=debug".into()];
        let options = Options {
            binary: binary(),
            kubeconfig: self.plane.user_kubeconfig(user, &[]).unwrap(),
            namespaces: vec![self.namespace.clone()],
            flags: [logged, self.flags.clone()].concat(),
            log: self.plane.folder().join(log),
        };
        self.operator = Some(Operator::spawn(&options).unwrap());
    }

    /// Waits until the operator is ready.
    pub async fn ready(&mut self) {
        let ready = self.operator.as_mut().unwrap().ready(LIMIT).await;
        assert!(ready.is_ok(), "{ready:?}\n{}", self.log());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.operator.as_mut().unwrap().kill();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.operator.as_ref().unwrap().terminate().unwrap();
    }

    /// Waits until the operator has ended by itself: its exit code and its log.
    pub async fn ended(&mut self) -> (Option<i32>, String) {
        let code = self.operator.as_mut().unwrap().ended(LIMIT).await;
        (code.unwrap(), self.log())
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
}

fn binary() -> PathBuf {
    built_binary("firebell").expect("run `cargo build --features testkit --bins`")
}

//! What people apply and declare: policies, tickets, Secrets, facts.

use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Stage;
use crate::api::{EscalationPolicy, Ticket};
use crate::controller::patch::status_patch;

impl Stage<'_> {
    /// The tickets of the namespace.
    pub fn tickets(&self) -> Api<Ticket> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The policies of the namespace.
    pub fn policies(&self) -> Api<EscalationPolicy> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// `kubectl apply` in the stage's namespace, with unknown fields refused.
    pub async fn apply(&self, text: &str) {
        let args = [
            "apply",
            "--validate=strict",
            "-n",
            &self.namespace,
            "-f",
            "-",
        ];
        let applied = self.plane.kubectl(args).input(text).run().await;
        assert!(applied.is_ok(), "{applied:?}\n{text}");
    }

    /// Creates a Secret.
    pub async fn secret(&self, name: &str, data: Value) {
        let secrets: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let secret = json!({"metadata": {"name": name}, "stringData": data});
        let secret = serde_json::from_value(secret).unwrap();
        secrets
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
    }

    /// The spec of a default policy: alice at once, bob after `second`, carol after 3 s more while unresolved, at
    /// `/alice`, `/bob` and `/carol` of the receiver, signed with [`super::KEY`].
    pub fn policy(&self, second: &str) -> Value {
        let url = |path: &str| self.receiver.url(path);
        json!({
            "default": true,
            "severities": [{"level": "High", "responseTarget": "15m"}],
            "connectors": [{"name": "pager", "type": "Webhook", "address": url("/pager"), "secretRef": {"name": "pager"}}],
            "contacts": [
                {"name": "alice", "user": "alice", "reach": [{"connector": "pager", "address": url("/alice")}]},
                {"name": "bob", "reach": [{"connector": "pager", "address": url("/bob")}]},
                {"name": "carol", "reach": [{"connector": "pager", "address": url("/carol")}]},
            ],
            "steps": [
                {"name": "on-call", "notify": [{"contact": "alice"}]},
                {"name": "manager", "after": second, "notify": [{"contact": "bob"}]},
                {"name": "director", "after": "3s", "condition": "NotResolved", "notify": [{"contact": "carol"}]},
            ],
        })
    }

    /// The same with its first `steps` steps only.
    pub fn short_policy(&self, second: &str, steps: usize) -> Value {
        let mut spec = self.policy(second);
        spec["steps"].as_array_mut().unwrap().truncate(steps);
        spec
    }

    /// Applies a policy.
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

    /// A policy as it is stored.
    pub async fn policy_object(&self, name: &str) -> EscalationPolicy {
        self.policies().get(name).await.unwrap()
    }

    /// Creates a High ticket.
    pub async fn create_ticket(&self, name: &str) -> Ticket {
        self.create_ticket_with(name, json!({})).await
    }

    /// Creates a High ticket with more in its spec.
    pub async fn create_ticket_with(&self, name: &str, more: Value) -> Ticket {
        let mut object = json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket", "metadata": {"name": name},
            "spec": {"title": "Checkout returns 5xx", "severity": "High", "service": "checkout"},
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            object["spec"][field] = value.clone();
        }
        let ticket = serde_json::from_value(object).unwrap();
        self.tickets()
            .create(&PostParams::default(), &ticket)
            .await
            .unwrap()
    }

    /// A ticket as it is stored.
    pub async fn ticket_object(&self, name: &str) -> Ticket {
        self.tickets().get(name).await.unwrap()
    }

    /// Changes the spec of a ticket, as a person does.
    pub async fn fact(&self, ticket: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.tickets()
            .patch(ticket, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Alice acknowledges.
    pub async fn acknowledge(&self, ticket: &str) {
        self.fact(ticket, json!({"acknowledgement": {"by": "alice"}}))
            .await;
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

    /// `kubectl describe` in the stage's namespace.
    pub async fn describe(&self, kind: &str, name: &str) -> String {
        let args = ["describe", kind, name, "-n", &self.namespace];
        self.plane.kubectl(args).run().await.unwrap()
    }
}

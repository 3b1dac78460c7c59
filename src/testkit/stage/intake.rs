//! The intake on a stage: its ConfigMap, its Secret, and an account that may do exactly what `intake-role.yaml` says.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::{LIMIT, Stage, binary};
use crate::api::Ticket;
use crate::testkit::intake::{Intake, Options};

/// The intake's rights in a namespace of its own: all that it uses, and no more.
pub const INTAKE_ROLE: &str = include_str!("intake-role.yaml");
/// The token in the Secret `intake`.
pub const TOKEN: &str = "an-intake-token-of-tests";
/// `grafanaSecret` in it.
pub const GRAFANA: &str = "a-signing-key-of-grafana";
/// `webhookSecret` in it.
pub const PAGERDUTY: &str = "a-signing-key-of-pagerduty";
/// `linkKey` in it.
pub const LINK: &str = "a-signing-key-of-links-of-tests-only";

impl Stage<'_> {
    /// Starts an intake that is ready. What is in `more` is added to a configuration that leads to the stage's
    /// namespace.
    pub async fn intake(&self, more: &str) -> Intake {
        let keys = json!({"token": TOKEN, "grafanaSecret": GRAFANA, "webhookSecret": PAGERDUTY, "linkKey": LINK});
        self.secret("intake", keys).await;
        self.configure(more).await;
        let user = self.intake_user();
        self.grant(&user, "intake", INTAKE_ROLE).await;
        let intake = self.another_intake("");
        self.intake_ready(&intake).await;
        intake
    }

    /// The user that the intake is.
    pub fn intake_user(&self) -> String {
        format!("intake-{}", self.namespace)
    }

    /// One more intake, not waited for.
    pub fn another_intake(&self, suffix: &str) -> Intake {
        let user = self.intake_user();
        let kubeconfig = self.plane.user_kubeconfig(&user, &[]).unwrap();
        self.intake_by(kubeconfig, suffix)
    }

    /// One more intake, not waited for, that finds its API server by this kubeconfig.
    pub fn intake_by(&self, kubeconfig: PathBuf, suffix: &str) -> Intake {
        let log = format!("{}{suffix}.log", self.intake_user());
        let options = Options {
            binary: binary(),
            kubeconfig,
            namespace: self.namespace.clone(),
            log: self.plane.folder().join(log),
        };
        Intake::spawn(options).unwrap()
    }

    /// Waits until an intake is ready.
    pub async fn intake_ready(&self, intake: &Intake) {
        let ready = intake.ready(LIMIT).await;
        assert!(ready.is_ok(), "{ready:?}\n{}", intake.log());
    }

    /// Writes the intake's configuration: the stage's namespace as default, and `more`.
    pub async fn configure(&self, more: &str) {
        let text = format!("defaultNamespace: {}\n{more}", self.namespace);
        self.configure_as(&text).await;
    }

    /// Writes the intake's configuration.
    pub async fn configure_as(&self, text: &str) {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "intake"}, "data": {"intake.yaml": text},
        });
        let params = PatchParams::apply("test").force();
        maps.patch("intake", &params, &Patch::Apply(map))
            .await
            .unwrap();
    }

    /// All tickets of the namespace, oldest first.
    pub async fn all_tickets(&self) -> Vec<Ticket> {
        let mut tickets = self
            .tickets()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items;
        tickets.sort_by_key(|ticket| ticket.metadata.creation_timestamp.clone());
        tickets
    }
}

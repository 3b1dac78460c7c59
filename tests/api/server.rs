//! The API server under test, with the CRDs installed once.

use std::time::Duration;

use firebell::api::crds;
use firebell::testkit::controlplane::{self, ControlPlane};
use firebell::testkit::{crypto, eventually};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Error, ResourceExt};
use serde_json::Value;

/// A client in a namespace of its own.
pub struct Server {
    /// The control plane that all tests of this file share.
    pub plane: &'static ControlPlane,
    /// The administrator.
    pub client: Client,
    /// A namespace of this test's own.
    pub namespace: String,
}

impl Server {
    /// Waits until all kinds are served.
    pub async fn ready() -> Self {
        crypto();
        let plane = controlplane::shared().await.unwrap();
        let client = plane.admin().unwrap();
        install(&client).await;
        let namespace = controlplane::namespace(&client, "api").await.unwrap();
        Self {
            plane,
            client,
            namespace,
        }
    }

    /// Creates an object for show. The stored object, or the refusal.
    pub async fn create(&self, plural: &str, object: &Value) -> Result<Value, String> {
        self.ask(
            "POST",
            &format!("{plural}?dryRun=All&fieldValidation=Strict"),
            object,
        )
        .await
    }

    /// Creates an object to stay.
    pub async fn keep(&self, plural: &str, object: &Value) -> Value {
        self.ask("POST", &format!("{plural}?fieldValidation=Strict"), object)
            .await
            .unwrap()
    }

    /// Changes an object for show by a merge patch. The changed object, or the refusal.
    pub async fn change(&self, plural: &str, name: &str, patch: &Value) -> Result<Value, String> {
        self.ask(
            "PATCH",
            &format!("{plural}/{name}?dryRun=All&fieldValidation=Strict"),
            patch,
        )
        .await
    }

    /// Changes the status of an object by a merge patch, to stay.
    pub async fn status(&self, plural: &str, name: &str, status: &Value) -> Result<Value, String> {
        let patch = serde_json::json!({"status": status});
        self.ask(
            "PATCH",
            &format!("{plural}/{name}/status?fieldValidation=Strict"),
            &patch,
        )
        .await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let content = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = http::Request::builder()
            .method(method)
            .uri(format!(
                "/apis/firebell.dev/v1alpha1/namespaces/{}/{path}",
                self.namespace
            ))
            .header("content-type", content)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        match self.client.request::<Value>(request).await {
            Ok(object) => Ok(object),
            Err(Error::Api(status)) => Err(status.message),
            Err(other) => panic!("{method} {path}: {other}"),
        }
    }
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds() {
        let name = crd.name_any();
        api.patch(
            &name,
            &PatchParams::apply("test").force(),
            &Patch::Apply(&crd),
        )
        .await
        .unwrap();
    }
    for crd in crds() {
        let path = format!("/apis/firebell.dev/v1alpha1/{}", crd.spec.names.plural);
        eventually(
            "all kinds are served",
            Duration::from_secs(20),
            async || {
                let request = http::Request::get(&path).body(Vec::new()).unwrap();
                client.request::<Value>(request).await.is_ok().then_some(())
            },
        )
        .await
        .unwrap();
    }
}

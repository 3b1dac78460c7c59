//! The API server under test, with the CRDs installed once.

use firebell::testkit::controlplane::ControlPlane;
use firebell::testkit::stage::Stage;
use kube::{Client, Error};
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
        let stage = Stage::set("api").await;
        Self {
            plane: stage.plane,
            client: stage.client,
            namespace: stage.namespace,
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

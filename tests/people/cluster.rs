//! A control plane with the CRDs and a namespace of the test's own.

use std::time::Duration;

use firebell::api::crds;
use firebell::testkit::controlplane::{self, ControlPlane};
use firebell::testkit::{crypto, eventually};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

/// The API server under test.
pub struct Cluster {
    /// The control plane that all tests of one file share.
    pub plane: &'static ControlPlane,
    /// The administrator.
    #[allow(dead_code, reason = "not every test asks by itself")]
    pub client: Client,
    /// A namespace of this test's own.
    pub namespace: String,
}

/// Waits until all kinds are served.
pub async fn ready(prefix: &str) -> Cluster {
    crypto();
    let plane = controlplane::shared().await.unwrap();
    let client = plane.admin().unwrap();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds() {
        let name = crd.name_any();
        let ours = PatchParams::apply("test").force();
        api.patch(&name, &ours, &Patch::Apply(&crd)).await.unwrap();
    }
    for crd in crds() {
        let path = format!("/apis/firebell.dev/v1alpha1/{}", crd.spec.names.plural);
        let limit = Duration::from_secs(20);
        eventually("all kinds are served", limit, async || {
            let request = http::Request::get(&path).body(Vec::new()).unwrap();
            client.request::<Value>(request).await.is_ok().then_some(())
        })
        .await
        .unwrap();
    }
    let namespace = controlplane::namespace(&client, prefix).await.unwrap();
    Cluster {
        plane,
        client,
        namespace,
    }
}

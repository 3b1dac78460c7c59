//! The CustomResourceDefinitions of all kinds, and their YAML for `crds/` and `firebell crds`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::policy::EscalationPolicy;
use super::rca::Rca;
use super::ticket::Ticket;

/// The definitions of all kinds.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![Ticket::crd(), EscalationPolicy::crd(), Rca::crd()]
}

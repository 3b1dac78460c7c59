//! The calls that this tool makes, with the rights of whoever runs it.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, Patch, PatchParams, PostParams, ValidationDirective};
use kube::core::DeserializeGuard;
use kube::{Api, Client, Config};
use serde_json::Value;

use super::error::CliError;
use crate::api::{EscalationPolicy, Ticket};

/// Archived tickets are history: not listed. Matches tickets without a status too.
const NOT_ARCHIVED: &str = "status.archived!=true";

/// A cluster and the namespace that is meant.
pub struct Cluster {
    client: Client,
    namespace: String,
}

/// Tickets as they came; one that cannot be read is told beside those that can.
#[derive(Debug, Default)]
pub struct Listed {
    /// Those that decode.
    pub tickets: Vec<Ticket>,
    /// `namespace/name` and the error of those that do not.
    pub unreadable: Vec<(String, String)>,
}

/// Policies as they came; one that cannot be read is told beside those that can.
#[derive(Debug, Default)]
pub struct Policies {
    /// Those that decode.
    pub policies: Vec<EscalationPolicy>,
    /// Name and error of those that do not.
    pub unreadable: Vec<(String, String)>,
}

impl Cluster {
    /// Takes the current context, and its namespace unless one is given.
    pub async fn connect(namespace: Option<String>) -> Result<Self, CliError> {
        // Err means that a TLS provider stands already, which is all that is wanted.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let config = Config::infer()
            .await
            .map_err(|error| CliError::NoCluster(error.to_string()))?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client =
            Client::try_from(config).map_err(|error| CliError::NoCluster(error.to_string()))?;
        Ok(Self { client, namespace })
    }

    /// The namespace that is meant.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The open tickets of the namespace, or of all.
    pub async fn list(&self, all_namespaces: bool) -> Result<Listed, CliError> {
        let api: Api<DeserializeGuard<Ticket>> = if all_namespaces {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.namespace)
        };
        let found = api
            .list(&ListParams::default().fields(NOT_ARCHIVED))
            .await
            .map_err(|error| CliError::of(&error, "", &self.namespace))?;
        let mut listed = Listed::default();
        for guarded in found.items {
            match guarded.0 {
                Ok(ticket) => listed.tickets.push(ticket),
                Err(bad) => {
                    let namespace = bad.metadata.namespace.unwrap_or_default();
                    let name = bad.metadata.name.unwrap_or_default();
                    listed
                        .unreadable
                        .push((format!("{namespace}/{name}"), bad.error));
                }
            }
        }
        Ok(listed)
    }

    /// One ticket.
    pub async fn get(&self, name: &str) -> Result<Ticket, CliError> {
        let api: Api<Ticket> = Api::namespaced(self.client.clone(), &self.namespace);
        api.get(name)
            .await
            .map_err(|error| CliError::of(&error, name, &self.namespace))
    }

    /// One policy of the namespace.
    pub async fn policy(&self, name: &str) -> Result<EscalationPolicy, CliError> {
        let api: Api<EscalationPolicy> = Api::namespaced(self.client.clone(), &self.namespace);
        api.get(name)
            .await
            .map_err(|error| CliError::of_policy(&error, name, &self.namespace))
    }

    /// The policies of the namespace.
    pub async fn policies(&self) -> Result<Policies, CliError> {
        let api: Api<DeserializeGuard<EscalationPolicy>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let found = api
            .list(&ListParams::default())
            .await
            .map_err(|error| CliError::of_policy(&error, "", &self.namespace))?;
        let mut listed = Policies::default();
        for guarded in found.items {
            match guarded.0 {
                Ok(policy) => listed.policies.push(policy),
                Err(bad) => {
                    let name = bad.metadata.name.unwrap_or_default();
                    listed.unreadable.push((name, bad.error));
                }
            }
        }
        Ok(listed)
    }

    /// The user name by which the API server knows whoever runs this.
    pub async fn user(&self) -> Result<String, CliError> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = api
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .map_err(|error| CliError::of(&error, "", &self.namespace))?;
        review
            .status
            .and_then(|status| status.user_info)
            .and_then(|user| user.username)
            .filter(|name| !name.is_empty())
            .ok_or_else(|| CliError::Unauthorized("it gave no user name".to_owned()))
    }

    /// Writes a block under its field manager.
    pub async fn write(
        &self,
        name: &str,
        manager: &str,
        patch: &Value,
    ) -> Result<Ticket, CliError> {
        let api: Api<Ticket> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        api.patch(name, &params, &Patch::Merge(patch))
            .await
            .map_err(|error| CliError::of(&error, name, &self.namespace))
    }
}

//! What goes wrong between a person and the cluster, in words that say what to do.

use thiserror::Error;

use super::policy::Failure;

/// Why a call failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// What was asked of files cannot be answered.
    #[error(transparent)]
    Offline(#[from] Failure),
    /// No usable kubeconfig.
    #[error(
        "no cluster to talk to: {0}; set KUBECONFIG or choose a context with `kubectl config use-context`"
    )]
    NoCluster(String),
    /// The ticket is not there.
    #[error(
        "there is no ticket \"{name}\" in namespace \"{namespace}\"; `kubectl firebell list -A` shows all"
    )]
    NoSuchTicket {
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The policy is not there.
    #[error(
        "there is no policy \"{name}\" in namespace \"{namespace}\"; `kubectl get escalationpolicies -A` shows all"
    )]
    NoSuchPolicy {
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The policy has errors.
    #[error(
        "policy \"{name}\" in namespace \"{namespace}\" is not valid, so it cannot say who is on call:\n{findings}{running}"
    )]
    InvalidPolicy {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// What is wrong, a line each.
        findings: String,
        /// What tickets run on meanwhile.
        running: String,
    },
    /// The kinds of Firebell are not installed.
    #[error("this cluster does not know the kinds of Firebell: install its CRDs first")]
    NotInstalled,
    /// RBAC says no.
    #[error("you may not do that: {0}; ask for a Role that allows it")]
    Forbidden(String),
    /// The API server knows nobody by these credentials.
    #[error("the API server does not accept your credentials: {0}; log in again")]
    Unauthorized(String),
    /// The rules of the API say no.
    #[error("the API server refuses it: {0}")]
    Refused(String),
    /// No answer.
    #[error("no answer from the API server: {0}")]
    Unreachable(String),
}

impl CliError {
    /// How the command ends: 2 where files cannot be read or used, so that it differs from what a check found.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Offline(_) => 2,
            Self::NoCluster(_)
            | Self::NoSuchTicket { .. }
            | Self::NoSuchPolicy { .. }
            | Self::InvalidPolicy { .. }
            | Self::NotInstalled
            | Self::Forbidden(_)
            | Self::Unauthorized(_)
            | Self::Refused(_)
            | Self::Unreachable(_) => 1,
        }
    }

    /// Sorts an error of a call about the policy `name` (empty for a list).
    pub fn of_policy(error: &kube::Error, name: &str, namespace: &str) -> Self {
        match Self::of(error, name, namespace) {
            Self::NoSuchTicket { name, namespace } => Self::NoSuchPolicy { name, namespace },
            other => other,
        }
    }

    /// Sorts an error of a call about the ticket `name` (empty for a list).
    pub fn of(error: &kube::Error, name: &str, namespace: &str) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unreachable(chain(error));
        };
        let says = status.message.clone();
        match status.code {
            401 => Self::Unauthorized(says),
            403 => Self::Forbidden(says),
            404 if names_an_object(status) => Self::NoSuchTicket {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
            },
            404 => Self::NotInstalled,
            _other => Self::Refused(says),
        }
    }
}

/// A path that the server does not know is answered 404 too, without naming an object.
fn names_an_object(status: &kube::core::Status) -> bool {
    status
        .details
        .as_ref()
        .is_some_and(|details| !details.name.is_empty())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !said.contains(&more) {
            said.push_str(": ");
            said.push_str(&more);
        }
        source = cause.source();
    }
    said
}

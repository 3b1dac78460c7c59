//! What can go wrong with a control plane, said so that the reader knows what to run or where to look.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::testkit::certificates::CertificateError;

/// A control plane could not be started or used.
#[derive(Debug, Error)]
pub enum ControlPlaneError {
    /// The script that knows the binaries' folder failed.
    #[error("the control plane's folder is unknown: {0}")]
    NoFolder(String),
    /// A binary is not there; it is never built from here.
    #[error("'{binary}' is missing in '{}'; run `make controlplane` (the first build takes about 10 minutes)", folder.display())]
    Missing {
        /// The program's name.
        binary: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file or process operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Every free port that was tried was taken by somebody else before the server could bind it.
    #[error("no free port on loopback after {tries} tries; end other servers and try again")]
    NoFreePort {
        /// How many times the server was started.
        tries: u32,
    },
    /// A server ended by itself.
    #[error("{name} ended by itself ({status}); the end of its log:\n{log}")]
    Exited {
        /// The program's name.
        name: String,
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// A server runs and does not serve.
    #[error("{name} did not serve within {} s ({last}); the end of its log:\n{log}", limit.as_secs())]
    NotReady {
        /// The program's name.
        name: String,
        /// How long was waited.
        limit: Duration,
        /// The last answer or error.
        last: String,
        /// The last lines of its log.
        log: String,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A kubeconfig could not be read or is not usable.
    #[error("the kubeconfig is not usable: {0}")]
    Kubeconfig(String),
    /// The API server refused or did not answer.
    #[error("the API server: {0}")]
    Kube(#[source] Box<kube::Error>),
    /// A command line tool failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The command with its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// What was expected of the audit log did not come.
    #[error("the audit log did not show what was expected within {} s; {seen} events match so far", limit.as_secs())]
    AuditTimeout {
        /// How long was waited.
        limit: Duration,
        /// How many events passed the filter.
        seen: usize,
    },
    /// Only a control plane of our own can do that.
    #[error("{what} is not available with USE_EXISTING_CLUSTER=true; unset it for this test")]
    NotWithExistingCluster {
        /// What was asked for.
        what: &'static str,
    },
}

impl From<kube::Error> for ControlPlaneError {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl ControlPlaneError {
    /// Wraps an I/O error with what was being done.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

//! Firebell: a team's support and escalation process as objects in a Kubernetes cluster.
#![warn(missing_docs)]

pub mod api;
pub mod clock;
pub mod connectors;
/// What tickets and policies mean.
pub mod domain {
    pub mod delivery;
}

#[cfg(feature = "testkit")]
pub mod testkit;

//! Firebell: a team's support and escalation process as objects in a Kubernetes cluster.
#![warn(missing_docs)]

pub mod api;
pub mod cli;
pub mod clock;
pub mod connectors;
pub mod controller;
pub mod domain;
pub mod outbox;

#[cfg(feature = "testkit")]
pub mod testkit;

//! Firebell: a team's support and escalation process as objects in a Kubernetes cluster.
#![warn(missing_docs)]

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod connectors;
pub mod controller;
pub mod document;
pub mod domain;
pub mod intake;
pub mod links;
pub mod metrics;
pub mod outbox;
pub mod serve;
pub mod simulation;
pub mod telemetry;

#[cfg(feature = "testkit")]
pub mod testkit;

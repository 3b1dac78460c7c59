//! The operator as a process, on a real API server, with real receivers: what a ticket goes through from YAML to page.
//!
//! Each test has a namespace, a receiver and an operator of its own; all share one control plane.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "scenarios/bad_input.rs"]
mod bad_input;
#[path = "scenarios/bundles.rs"]
mod bundles;
#[path = "scenarios/chain.rs"]
mod chain;
#[path = "scenarios/collection.rs"]
mod collection;
#[path = "scenarios/document.rs"]
mod document;
#[path = "scenarios/faults.rs"]
mod faults;
#[path = "scenarios/followup.rs"]
mod followup;
#[path = "scenarios/holds.rs"]
mod holds;
#[path = "scenarios/lifecycle.rs"]
mod lifecycle;
#[path = "scenarios/notices.rs"]
mod notices;
#[path = "scenarios/policies.rs"]
mod policies;
#[path = "scenarios/rca.rs"]
mod rca;
#[path = "scenarios/recurrence.rs"]
mod recurrence;
#[path = "scenarios/retention.rs"]
mod retention;
#[path = "scenarios/secrets.rs"]
mod secrets;
#[path = "scenarios/timers.rs"]
mod timers;

//! The ways out against real servers on this machine: what may never be reached, what misbehaves, what a reference
//! library of another language says of our signatures, and what happens across ways.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "connectors/hostile.rs"]
mod hostile;
#[path = "connectors/misbehaviour.rs"]
mod misbehaviour;
#[path = "connectors/signatures.rs"]
mod signatures;
#[path = "connectors/ways.rs"]
mod ways;
#[path = "connectors/world.rs"]
mod world;

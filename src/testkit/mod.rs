//! What tests, demo and benches need: a real control plane, a receiver that records what it was sent and can
//! misbehave, certificates of a throwaway CA. Behind the feature `testkit`, never part of the product.

mod address;
pub mod alertmanager;
pub mod audit;
pub mod certificates;
pub mod chromium;
pub mod controlplane;
pub mod deliveries;
mod eventually;
pub mod extremes;
pub mod fragile;
pub mod intake;
pub mod model;
pub mod operator;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod secrets;
pub mod sim;
pub mod smtp;
pub mod stage;

pub use eventually::{TimedOut, eventually};

/// Installs the one TLS provider of this process (ring). Further calls change nothing.
pub fn crypto() {
    // Err means that a provider stands already, which is all that is wanted.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}

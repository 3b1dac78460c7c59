//! The way in: alerts of other tools become tickets, exactly once each, and answers given by a link or a paging service
//! become acknowledgements. A process of its own, since it faces the network.
//!
//! One file per way in (`alertmanager` serves Grafana too, `generic`, `pagerduty`, `pagerduty_webhook`, `page`); `desk`
//! writes, `dedup` finds, `settings` maps, `storm` guards, `server` answers. It keeps nothing that a restart would miss.

pub mod alert;
pub mod alertmanager;
mod answer;
pub mod dedup;
pub mod desk;
mod draft;
pub mod generic;
pub mod keys;
pub mod metrics;
mod page;
pub mod pagerduty;
mod pagerduty_webhook;
mod receive;
pub mod server;
pub mod settings;
pub mod severity;
pub mod storm;
pub mod watching;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;

use desk::Desk;
use keys::Keyring;
use watching::InForce;

/// All that the ways in stand on.
pub struct Intake {
    /// Where alerts become tickets.
    pub desk: Arc<Desk>,
    /// Who may speak.
    pub keys: Keyring,
    /// The configuration in force.
    pub settings: Arc<InForce>,
    /// The ConfigMap with the configuration, for Events.
    pub about: ObjectReference,
}

//! One file per way out, and what they share: the HTTP client, the vetting of addresses, Secrets.
//!
//! [`Connectors`] is the [`Sender`] of the operator: it looks at the type of a way and hands the message to its file.
//! Each try ends in a [`SendOutcome`]; its words name neither URL nor body nor secret, so they may be shown to anyone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::api::ConnectorType;
use crate::clock::Now;
use crate::connectors::http::HttpClient;
use crate::connectors::secret::SecretSource;
use crate::domain::delivery::{Delivery, Way};

pub mod address;
pub mod http;
pub mod secret;
pub mod webhook;

/// One try of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Tries of this delivery so far, this one included, over all its ways.
    pub number: u32,
    /// How long the whole exchange may take.
    pub limit: Duration,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The receiver took it.
    Delivered,
    /// It may have arrived or not; the same id may be tried again.
    Retry {
        /// What happened, for people.
        message: String,
        /// How long the receiver asks to be left alone.
        after: Option<Duration>,
    },
    /// This way will not take it, however often it is tried.
    Refused {
        /// What happened and what to do, for people.
        message: String,
    },
}

impl SendOutcome {
    /// A try worth repeating.
    pub fn retry(message: &(impl ToString + ?Sized)) -> Self {
        Self::Retry {
            message: message.to_string(),
            after: None,
        }
    }

    /// A try that repeating does not mend.
    pub fn refused(message: &(impl ToString + ?Sized)) -> Self {
        Self::Refused {
            message: message.to_string(),
        }
    }
}

/// Carries a delivery over one of its ways.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Tries once.
    async fn send(&self, way: &Way, delivery: &Delivery, attempt: Attempt) -> SendOutcome;
}

/// All ways out that this version speaks.
pub struct Connectors {
    http: HttpClient,
    secrets: Arc<dyn SecretSource>,
    clock: Arc<dyn Now>,
}

impl Connectors {
    /// Sends by `http`, with the Secrets of `secrets`; `clock` dates each try.
    pub fn new(http: HttpClient, secrets: Arc<dyn SecretSource>, clock: Arc<dyn Now>) -> Self {
        Self {
            http,
            secrets,
            clock,
        }
    }
}

#[async_trait]
impl Sender for Connectors {
    async fn send(&self, way: &Way, delivery: &Delivery, attempt: Attempt) -> SendOutcome {
        match way.connector.type_ {
            ConnectorType::Webhook => {
                let now = self.clock.now();
                webhook::send(
                    &self.http,
                    self.secrets.as_ref(),
                    way,
                    delivery,
                    now,
                    attempt.limit,
                )
                .await
            }
            ConnectorType::Slack
            | ConnectorType::MSTeams
            | ConnectorType::PagerDuty
            | ConnectorType::Email => SendOutcome::refused(&format!(
                "`type` is {:?}, but this version of Firebell speaks \"Webhook\" only; use a Webhook connector",
                way.connector.type_
            )),
        }
    }
}

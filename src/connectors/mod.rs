//! One file per way out, and what they share: the HTTP client, the vetting of addresses, Secrets, the words.
//!
//! [`Connectors`] is the [`Sender`] of the operator: it reads the way's Secret, looks at its type and hands the message
//! to its file. Each try ends in a [`SendOutcome`]; its words name neither URL nor body nor secret, so they may be
//! shown to anyone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::api::ConnectorType;
use crate::clock::Now;
use crate::connectors::http::{HttpClient, HttpError};
use crate::connectors::secret::{SecretError, SecretSource, SecretValues};
use crate::connectors::slack::Threads;
use crate::domain::telling::delivery::Way;
use crate::domain::telling::parcel::Parcel;

pub mod address;
mod email;
pub mod http;
pub mod links;
mod msteams;
mod pagerduty;
mod render;
pub mod secret;
mod slack;
pub mod template;
mod verdict;
mod webhook;

/// How soon a try that was held back is made again.
const AGAIN: Duration = Duration::from_secs(1);

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

    /// A try that was held back: nobody was asked, so it is no failure of the receiver, and it is made again soon.
    pub fn held() -> Self {
        Self::Retry {
            message: HttpError::Held.to_string(),
            after: Some(AGAIN),
        }
    }
}

/// Carries a parcel over one of its ways.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Waits until messages may leave at all. Whoever waits here has not been tried, and may still be cancelled.
    async fn ready(&self) {}

    /// Tries once.
    async fn send(&self, way: &Way, parcel: &Parcel, attempt: Attempt) -> SendOutcome;

    /// Reads what a try within the next moments will need of the API server, so that it waits for nothing then.
    async fn prepare(&self, _way: &Way) {}
}

/// All ways out that this version speaks.
pub struct Connectors {
    http: HttpClient,
    secrets: Arc<dyn SecretSource>,
    clock: Arc<dyn Now>,
    threads: Threads,
}

impl Connectors {
    /// Sends by `http`, with the Secrets of `secrets`; `clock` dates each try.
    pub fn new(http: HttpClient, secrets: Arc<dyn SecretSource>, clock: Arc<dyn Now>) -> Self {
        Self {
            http,
            secrets,
            clock,
            threads: Threads::default(),
        }
    }

    /// The way's Secret; an empty one where the way names none.
    async fn secret(&self, way: &Way) -> Result<Arc<SecretValues>, SecretError> {
        match &way.connector.secret_ref {
            Some(secret_ref) => self.secrets.get(&way.namespace, &secret_ref.name).await,
            None => Ok(Arc::default()),
        }
    }
}

/// All that one try needs.
struct Try<'t> {
    http: &'t HttpClient,
    secret: &'t SecretValues,
    way: &'t Way,
    parcel: &'t Parcel,
    now: Timestamp,
    limit: Duration,
}

/// What keeps a try from being made at all: words for people.
type Unsendable = String;

impl Try<'_> {
    /// A value of the Secret.
    fn key(&self, name: &str) -> Result<Option<&secrecy::SecretString>, Unsendable> {
        self.secret
            .get(name)
            .map_err(|error: SecretError| error.to_string())
    }

    /// A value of the Secret without which nothing can be sent.
    fn needed(&self, name: &str) -> Result<&secrecy::SecretString, Unsendable> {
        self.key(name)?.ok_or_else(|| {
            format!("key `{name}` must be set in the connector's Secret (`secretRef`)")
        })
    }
}

#[async_trait]
impl Sender for Connectors {
    async fn send(&self, way: &Way, parcel: &Parcel, attempt: Attempt) -> SendOutcome {
        let secret = match self.secret(way).await {
            Ok(secret) => secret,
            Err(error) => return SendOutcome::retry(&error),
        };
        let one = Try {
            http: &self.http,
            secret: &secret,
            way,
            parcel,
            now: self.clock.now(),
            limit: attempt.limit,
        };
        let sent = match way.connector.type_ {
            ConnectorType::Webhook => webhook::send(&one).await,
            ConnectorType::Slack => slack::send(&one, &self.threads).await,
            ConnectorType::MSTeams => msteams::send(&one).await,
            ConnectorType::PagerDuty => pagerduty::send(&one).await,
            ConnectorType::Email => email::send(&one).await,
        };
        sent.unwrap_or_else(|message| SendOutcome::Refused { message })
    }

    async fn prepare(&self, way: &Way) {
        if let Some(secret_ref) = &way.connector.secret_ref {
            self.secrets
                .read_ahead(&way.namespace, &secret_ref.name)
                .await;
        }
    }
}

#[cfg(test)]
mod tests;

//! Puts a link for an answer into each page for a person, where the message is sent: the key that signs it is a secret,
//! so it stands in no decision, status or Event (`links`). A page waits a moment at most for its link, and never fails for
//! want of one.
//!
//! Only people get links (contacts, on ways that no customer reads): a link is for one person.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::secret::{SecretError, SecretSource};
use super::{Attempt, SendOutcome, Sender};
use crate::api::Audience;
use crate::domain::telling::audience::of_way;
use crate::domain::telling::delivery::{Delivery, Target, Way};
use crate::domain::telling::parcel::Parcel;
use crate::links::{Grant, KEY};

/// How long a page waits for the key at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// Name of the link in `data.links`.
pub const ACKNOWLEDGE: &str = "acknowledge";

/// Where links lead, and the Secret with the key that signs them.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Address of the intake as people's phones reach it.
    pub public_url: Url,
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its name.
    pub secret: String,
}

/// A sender whose pages carry links.
pub struct Linked<S> {
    inner: S,
    issuer: Option<Issuer>,
    secrets: Arc<dyn SecretSource>,
    missing: AtomicBool,
}

impl<S: Sender> Linked<S> {
    /// Sends by `inner`; without an issuer exactly what is handed in.
    pub fn new(inner: S, issuer: Option<Issuer>, secrets: Arc<dyn SecretSource>) -> Self {
        Self {
            inner,
            issuer,
            secrets,
            missing: AtomicBool::new(false),
        }
    }

    /// The parcel with links; `None` where nothing of it gets one.
    async fn linked(&self, way: &Way, parcel: &Parcel) -> Option<Parcel> {
        let issuer = self.issuer.as_ref()?;
        parcel.members().find_map(|member| answerer(member, way))?;
        let key = self.key(issuer).await?;
        Some(parcel.with(|delivery| issuer.link(delivery, way, &key)))
    }

    async fn key(&self, issuer: &Issuer) -> Option<SecretString> {
        let read = self.secrets.get(&issuer.namespace, &issuer.secret);
        let late = || SecretError::Unreachable {
            name: issuer.secret.clone(),
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        let read = read.unwrap_or_else(|_| Err(late()));
        let key = read.and_then(|secret| Ok(secret.get(KEY)?.cloned()));
        let missing = match &key {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!("Secret \"{}\" has no key `{KEY}`", issuer.secret)),
            Err(error) => Some(error.to_string()),
        };
        let known = self.missing.swap(missing.is_some(), Ordering::Relaxed);
        if let Some(why) = missing.filter(|_| !known) {
            tracing::warn!("pages leave without links for an answer: {why}");
        }
        key.ok().flatten()
    }
}

#[async_trait]
impl<S: Sender> Sender for Linked<S> {
    async fn send(&self, way: &Way, parcel: &Parcel, attempt: Attempt) -> SendOutcome {
        match self.linked(way, parcel).await {
            Some(linked) => self.inner.send(way, &linked, attempt).await,
            None => self.inner.send(way, parcel, attempt).await,
        }
    }

    async fn prepare(&self, way: &Way) {
        if let Some(issuer) = &self.issuer {
            self.secrets
                .read_ahead(&issuer.namespace, &issuer.secret)
                .await;
        }
        self.inner.prepare(way).await;
    }
}

/// Who may answer a delivery by a link on this way.
fn answerer<'d>(delivery: &'d Delivery, way: &Way) -> Option<&'d str> {
    let internal = of_way(&delivery.target, way) == Audience::Internal;
    match &delivery.target {
        Target::Contact(_) if internal => delivery.answered_by.as_deref(),
        Target::Contact(_) | Target::Connector(_) | Target::Reporter => None,
    }
}

impl Issuer {
    /// The delivery with its link. The same delivery has the same link in each try and process.
    fn link(&self, delivery: &Delivery, way: &Way, key: &SecretString) -> Option<Delivery> {
        let by = answerer(delivery, way)?;
        let ticket = &delivery.ticket;
        let sent = delivery.message.timestamp;
        let grant = Grant::new(&ticket.namespace, &ticket.name, &ticket.uid, by, sent);
        let token = match grant.sign(key) {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!("a page leaves without its link for an answer: {error}");
                return None;
            }
        };
        let base = self.public_url.as_str().trim_end_matches('/');
        let mut linked = delivery.clone();
        let links = &mut linked.message.data.links;
        links.insert(ACKNOWLEDGE.to_owned(), format!("{base}/a/{token}"));
        Some(linked)
    }
}

#[cfg(test)]
mod tests;

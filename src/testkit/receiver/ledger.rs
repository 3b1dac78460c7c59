//! What a receiver has got, in order of arrival, to the last header.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::signature::{Signature, SignatureError, verify};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query without the question mark.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When its last byte was read, for differences.
    pub at: Instant,
    /// The same instant on the wall clock.
    pub time: Timestamp,
}

impl Received {
    /// The `webhook-id`, empty where there is none.
    pub fn id(&self) -> &str {
        self.header("webhook-id").unwrap_or_default()
    }

    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// Checks the Standard Webhooks signature against `secret` (`whsec_...`) and the time of receipt.
    pub fn verify(&self, secret: &str) -> Result<Signature, SignatureError> {
        verify(&self.headers, &self.body, secret, self.time)
    }
}

/// All requests of a receiver.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Vec<Received>,
    failed_handshakes: usize,
    broken_requests: usize,
}

impl Ledger {
    /// All requests in order of arrival.
    pub fn all(&self) -> &[Received] {
        &self.pages
    }

    /// The requests for one path in order of arrival.
    pub fn for_path<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Received> {
        self.pages.iter().filter(move |page| page.path == path)
    }

    /// How many requests came for one path.
    pub fn count(&self, path: &str) -> usize {
        self.for_path(path).count()
    }

    /// How often a client ended the TLS handshake, for example because it did not trust the certificate.
    pub fn failed_handshakes(&self) -> usize {
        self.failed_handshakes
    }

    /// How many requests ended before their last byte.
    pub fn broken_requests(&self) -> usize {
        self.broken_requests
    }

    pub(super) fn add(&mut self, received: Received) {
        self.pages.push(received);
    }

    pub(super) fn note_failed_handshake(&mut self) {
        self.failed_handshakes += 1;
    }

    pub(super) fn note_broken_request(&mut self) {
        self.broken_requests += 1;
    }
}

/// What was waited for did not come.
#[derive(Debug, Error)]
#[error(
    "what was expected did not come within {} s; received: {received:?}, failed handshakes: {failed_handshakes}",
    limit.as_secs_f32()
)]
pub struct NotReceived {
    /// How long was waited.
    pub limit: Duration,
    /// Requests by path.
    pub received: BTreeMap<String, usize>,
    /// Failed TLS handshakes.
    pub failed_handshakes: usize,
}

impl NotReceived {
    pub(super) fn new(limit: Duration, ledger: &Ledger) -> Self {
        let mut received = BTreeMap::new();
        for page in ledger.all() {
            *received.entry(page.path.clone()).or_insert(0) += 1;
        }
        Self {
            limit,
            received,
            failed_handshakes: ledger.failed_handshakes(),
        }
    }
}

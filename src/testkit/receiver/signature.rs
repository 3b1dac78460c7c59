//! The receiving side of Standard Webhooks, strict: each of the three headers exactly once, a fresh timestamp, and
//! at least one `v1` signature of exactly these bytes. Shares no code with the side that signs.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use thiserror::Error;

/// How far the timestamp may be from the time of receipt, either way.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What a valid signature vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The `webhook-id`.
    pub id: String,
    /// When the sender signed, to the second.
    pub time: Timestamp,
}

/// Why a request is not to be believed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// A header is missing, doubled, empty or no text.
    #[error("the header '{0}' must be there exactly once, not empty and ASCII")]
    Header(&'static str),
    /// The timestamp is no count of seconds.
    #[error("the header 'webhook-timestamp' must be Unix seconds, not '{0}'")]
    NoTimestamp(String),
    /// The timestamp is too far from the time of receipt.
    #[error("the signature's time {0} is more than 5 minutes from the time of receipt")]
    Stale(Timestamp),
    /// An entry of the signature header is not `v1,` and base64 of 32 bytes.
    #[error("the header 'webhook-signature' has an entry that is not 'v1,BASE64': '{0}'")]
    Malformed(String),
    /// No signature is of these bytes by this secret.
    #[error("no signature fits the body, id and timestamp")]
    Mismatch,
    /// The secret itself is not usable.
    #[error("the secret must be 'whsec_' and base64")]
    Secret,
}

/// Checks the headers and body of one request that came at `received`.
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    secret: &str,
    received: Timestamp,
) -> Result<Signature, SignatureError> {
    let id = single(headers, "webhook-id")?;
    let timestamp = single(headers, "webhook-timestamp")?;
    let signatures = single(headers, "webhook-signature")?;

    let seconds = Some(timestamp)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<i64>().ok());
    let time = seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or_else(|| SignatureError::NoTimestamp(timestamp.to_owned()))?;
    if received.duration_since(time).abs() > TOLERANCE {
        return Err(SignatureError::Stale(time));
    }

    let key = secret
        .strip_prefix("whsec_")
        .and_then(|text| STANDARD.decode(text).ok());
    let key = key.ok_or(SignatureError::Secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SignatureError::Secret)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let mut fits = false;
    for entry in signatures.split(' ') {
        let malformed = || SignatureError::Malformed(entry.to_owned());
        let encoded = entry.strip_prefix("v1,").ok_or_else(malformed)?;
        let signature = STANDARD.decode(encoded).map_err(|_| malformed())?;
        if signature.len() != 32 {
            return Err(malformed());
        }
        fits |= mac.clone().verify_slice(&signature).is_ok();
    }
    if !fits {
        return Err(SignatureError::Mismatch);
    }
    Ok(Signature {
        id: id.to_owned(),
        time,
    })
}

fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, SignatureError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .ok()
            .filter(|text| !text.is_empty())
            .ok_or(SignatureError::Header(name)),
        _ => Err(SignatureError::Header(name)),
    }
}

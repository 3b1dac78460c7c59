//! The Webhook connector: a message as JSON, signed by Standard Webhooks (api.md section 6, "Webhook body").
//!
//! Secret keys: `signingKey` (absent = unsigned, malformed = nothing leaves) and, while it is rotated,
//! `previousSigningKey`; `token` (bearer), `address` (if the URL itself is secret). Without a readable Secret nothing
//! leaves; that is tried again like a network error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::connectors::verdict::judge;
use crate::connectors::{SendOutcome, Try, Unsendable, template};
use crate::domain::telling::delivery::DeliveryId;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Tries once to deliver by webhook.
pub(super) async fn send(one: &Try<'_>) -> Result<SendOutcome, Unsendable> {
    let request = Request::compose(one)?;
    let url = request.url.expose_secret();
    let exchange = one
        .http
        .post(url, request.headers, request.body, one.limit)
        .await;
    Ok(judge(exchange, advice))
}

/// What to do about an answer that no retry mends.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "check `token` and `signingKey` in the connector's Secret"
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            "this address is no longer served; correct `address`"
        }
        status if status.is_redirection() => {
            "redirects are not followed; put the final URL into `address`"
        }
        _ => "it does not accept this message; check `address` and the receiver",
    }
}

/// A request ready to leave.
struct Request {
    url: SecretString,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Everything that can be wrong without asking the receiver is found here; the text says what to mend.
    fn compose(one: &Try<'_>) -> Result<Self, Unsendable> {
        let (id, now) = (one.parcel.id(), one.now);
        let url = match (one.key("address")?, &one.way.connector.address) {
            (_, Some(address)) => SecretString::from(address.as_str()),
            (Some(address), None) => address.clone(),
            (None, None) => {
                return Err(
                    "`address` must be set in the connector, the contact's `reach` or the Secret"
                        .to_owned(),
                );
            }
        };
        let body = body(one)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, header(id.as_str())?);
        headers.insert(TIMESTAMP, HeaderValue::from(now.as_second()));
        if let Some(signatures) = signatures(one, &id, &body)? {
            headers.insert(SIGNATURE, header(&signatures)?);
        }
        if let Some(token) = one.key("token")? {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
                .map_err(|_| {
                    "`token` in the connector's Secret must be one line of visible ASCII".to_owned()
                })?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(Self {
            url,
            headers,
            body: body.into(),
        })
    }
}

fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(text).map_err(|_| "the id of the delivery must be ASCII".to_owned())
}

/// A signature by each key in force, so that receivers find one whichever they know; `None` = unsigned.
fn signatures(one: &Try<'_>, id: &DeliveryId, body: &[u8]) -> Result<Option<String>, Unsendable> {
    let mut signatures = Vec::new();
    for name in ["signingKey", "previousSigningKey"] {
        if let Some(key) = one.key(name)? {
            let signature = sign(key, id, one.now.as_second(), body).ok_or_else(|| {
                format!("`{name}` in the connector's Secret must be `whsec_` followed by base64; nothing is sent")
            })?;
            signatures.push(signature);
        }
    }
    Ok(Some(signatures.join(" ")).filter(|signatures| !signatures.is_empty()))
}

/// `v1,` and base64 of the HMAC-SHA256 over id, time and body, as Standard Webhooks has it; `None` = the key is
/// malformed.
fn sign(signing_key: &SecretString, id: &DeliveryId, seconds: i64, body: &[u8]) -> Option<String> {
    let encoded = signing_key.expose_secret().strip_prefix("whsec_")?;
    let key = STANDARD.decode(encoded).ok();
    let key = key.filter(|key| !key.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Some(format!("v1,{signature}"))
}

/// The body: what those whom this way leads to may see (delivery.md section 5), in the connector's own form if it has
/// one.
fn body(one: &Try<'_>) -> Result<Vec<u8>, Unsendable> {
    let body = one.parcel.body(one.way);
    match &one.way.connector.template {
        Some(source) => template::json(source, &body),
        None => serde_json::to_vec(&body)
            .map_err(|_| "the message cannot be written as JSON".to_owned()),
    }
}

#[cfg(test)]
mod tests;

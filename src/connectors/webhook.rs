//! The Webhook connector: a message as JSON, signed by Standard Webhooks (api.md section 6, "Webhook body").
//!
//! Secret keys: `signingKey` (absent = unsigned, malformed = nothing leaves), `token` (bearer), `address` (if the URL
//! itself is secret). Without a readable Secret nothing leaves; that is tried again like a network error.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::connectors::SendOutcome;
use crate::connectors::http::{Answer, HttpClient};
use crate::connectors::secret::{SecretError, SecretSource, SecretValues};
use crate::domain::audience;
use crate::domain::delivery::{Delivery, DeliveryId, Way};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Tries once to deliver by webhook. `now` dates the try; the exchange takes at most `limit`.
pub async fn send(
    http: &HttpClient,
    secrets: &dyn SecretSource,
    way: &Way,
    delivery: &Delivery,
    now: Timestamp,
    limit: Duration,
) -> SendOutcome {
    let secret = match &way.connector.secret_ref {
        Some(secret_ref) => match secrets.get(&way.namespace, &secret_ref.name).await {
            Ok(secret) => secret,
            Err(error) => return SendOutcome::retry(&error),
        },
        None => Arc::default(),
    };
    let request = match Request::compose(way, &secret, delivery, now) {
        Ok(request) => request,
        Err(message) => return SendOutcome::Refused { message },
    };
    match http
        .post(
            request.url.expose_secret(),
            request.headers,
            request.body,
            limit,
        )
        .await
    {
        Ok(answer) => judge(&answer),
        Err(error) if error.is_final() => SendOutcome::refused(&error),
        Err(error) => SendOutcome::retry(&error),
    }
}

/// What a status means (delivery.md section 2).
fn judge(answer: &Answer) -> SendOutcome {
    let status = answer.status;
    let again = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    );
    if status.is_success() {
        SendOutcome::Delivered
    } else if again || status.is_server_error() {
        SendOutcome::Retry {
            message: format!("the receiver answered {}", status.as_u16()),
            after: answer.retry_after,
        }
    } else {
        SendOutcome::refused(&format!(
            "the receiver answered {}: {}",
            status.as_u16(),
            advice(status)
        ))
    }
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
    fn compose(
        way: &Way,
        secret: &SecretValues,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Self, String> {
        let key = |key| {
            secret
                .get(key)
                .map_err(|error: SecretError| error.to_string())
        };
        let url = match (key("address")?, &way.connector.address) {
            (_, Some(address)) => SecretString::from(address.as_str()),
            (Some(address), None) => address.clone(),
            (None, None) => {
                return Err(
                    "`address` must be set in the connector, the contact's `reach` or the Secret"
                        .to_owned(),
                );
            }
        };
        let body = body(delivery, way)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, header(delivery.id.as_str())?);
        headers.insert(TIMESTAMP, HeaderValue::from(now.as_second()));
        if let Some(signing_key) = key("signingKey")? {
            headers.insert(
                SIGNATURE,
                header(&sign(signing_key, &delivery.id, now.as_second(), &body)?)?,
            );
        }
        if let Some(token) = key("token")? {
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

/// `v1,` and base64 of the HMAC-SHA256 over id, time and body, as Standard Webhooks has it.
fn sign(
    signing_key: &SecretString,
    id: &DeliveryId,
    seconds: i64,
    body: &[u8],
) -> Result<String, String> {
    const MALFORMED: &str = "`signingKey` in the connector's Secret must be `whsec_` followed by base64; nothing is sent";
    let encoded = signing_key
        .expose_secret()
        .strip_prefix("whsec_")
        .ok_or(MALFORMED)?;
    let key = STANDARD
        .decode(encoded)
        .ok()
        .filter(|key| !key.is_empty())
        .ok_or(MALFORMED)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| MALFORMED)?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    Ok(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

/// The body: what those whom this way leads to may see (delivery.md section 5).
fn body(delivery: &Delivery, way: &Way) -> Result<Vec<u8>, String> {
    serde_json::to_vec(&audience::shown(delivery, way))
        .map_err(|_| "the message cannot be written as JSON".to_owned())
}

#[cfg(test)]
mod tests;

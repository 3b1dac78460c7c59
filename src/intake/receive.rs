//! What all ways in share: bodies with a limit and a time to arrive, tokens, answers.
//!
//! 202 only after the API server took everything; 503 (never 429, which some senders do not repeat) when it could not,
//! or when nobody knows; 4xx only for what sending again does not mend.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde_json::json;

use super::Intake;
use super::desk::Told;
use super::metrics::Outcome;

/// Largest body.
pub const BODY_MOST: usize = 1024 * 1024;
/// What is taken of a body that is refused.
const FORGOTTEN_MOST: usize = 16 * BODY_MOST;
/// Longest time for a body to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(15);
/// Seconds after which it is worth coming again.
const AGAIN: &str = "5";

/// A request that is not taken.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// What happened and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// Nobody can say now.
    pub fn later(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.message}));
        let mut answer = (self.status, body).into_response();
        let headers = answer.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, http::HeaderValue::from_static(AGAIN));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let asked = http::HeaderValue::from_static("Bearer, Basic realm=\"firebell\"");
            headers.insert(WWW_AUTHENTICATE, asked);
        }
        answer
    }
}

/// Reads a body. What is above the limit is taken and forgotten: a sender that is cut off while it sends never reads
/// why, and comes again for ever.
pub async fn body(body: Body) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY_LIMIT, read(body)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Unreadable::TooLarge)) => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body must be at most 1 MiB; send fewer alerts at once",
        )),
        Ok(Err(Unreadable::Broken)) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the body ended before it was whole",
        )),
        Err(_elapsed) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body must arrive within {} s", BODY_LIMIT.as_secs()),
        )),
    }
}

/// Takes a body that nobody wants, so that its sender reads the answer.
pub async fn forget(body: Body) {
    let mut seen = 0;
    let mut chunks = body.into_data_stream();
    let taken = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            seen += chunk.len();
            if seen > FORGOTTEN_MOST {
                return;
            }
        }
    };
    // Whoever sends on after that is cut off.
    let _late = tokio::time::timeout(BODY_LIMIT, taken).await;
}

enum Unreadable {
    TooLarge,
    Broken,
}

async fn read(body: Body) -> Result<Bytes, Unreadable> {
    let (mut bytes, mut seen) = (BytesMut::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unreadable::Broken)?;
        seen += chunk.len();
        if seen <= BODY_MOST {
            bytes.extend_from_slice(&chunk);
        } else if seen > FORGOTTEN_MOST {
            break;
        }
    }
    if seen > BODY_MOST {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes.freeze())
}

/// The token of a request: bearer, or the password of basic authentication.
pub fn token(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = given.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    decoded
        .split_once(':')
        .map(|(_, password)| password.to_owned())
}

impl Intake {
    /// Reads the body of those whose token is in force.
    pub async fn body_of_known(
        &self,
        headers: &HeaderMap,
        incoming: Body,
    ) -> Result<Bytes, Refusal> {
        if let Err(refused) = self.admit(token(headers).as_deref()).await {
            forget(incoming).await;
            return Err(refused);
        }
        body(incoming).await
    }

    /// Lets those in whose token is in force.
    pub async fn admit(&self, token: Option<&str>) -> Result<(), Refusal> {
        let Some(token) = token else {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "a token must be given: as bearer, as password of basic authentication, or as routing key of an event",
            ));
        };
        match self.keys.admits(token).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "this token is not one of those in the intake's Secret (`token`, `previousToken`)",
            )),
            Err(error) => Err(Refusal::later(format!(
                "tokens cannot be checked now: {error}"
            ))),
        }
    }
}

/// The status that tells a sender what to do about the worst of its alerts: what is worth sending again goes first.
pub fn status(told: &[Told]) -> StatusCode {
    let has = |outcome| told.iter().any(|one| one.result == outcome);
    if has(Outcome::Failed) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if has(Outcome::NotAllowed) {
        StatusCode::UNPROCESSABLE_ENTITY
    } else if has(Outcome::NotUnderstood) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::ACCEPTED
    }
}

/// What became of each alert.
pub fn told(told: &[Told]) -> Response {
    let status = status(told);
    let mut answer = (status, Json(json!({"alerts": told}))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let again = http::HeaderValue::from_static(AGAIN);
        answer.headers_mut().insert(RETRY_AFTER, again);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::http::header::AUTHORIZATION;
    use axum::http::{HeaderMap, HeaderValue, StatusCode};
    use futures::StreamExt;

    use super::{BODY_MOST, Told, body, status, token};
    use crate::intake::metrics::Outcome;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_basic_password() {
        for (given, found) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic dXNlcjphYmM=", Some("abc")),
            ("Basic !", None),
            ("Digest abc", None),
            ("abc", None),
        ] {
            assert_eq!(
                token(&headers(AUTHORIZATION, given)).as_deref(),
                found,
                "{given}"
            );
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_body_above_1_mib_is_refused_and_taken_to_its_end() {
        let refused = body(Body::from(vec![b'x'; BODY_MOST + 1])).await;
        assert_eq!(refused.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        let whole = Body::from(vec![b'x'; BODY_MOST]);
        assert_eq!(body(whole).await.unwrap().len(), BODY_MOST);
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let chunks = futures::stream::iter(0..100).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(vec![b'x'; BODY_MOST])
        });
        assert!(body(Body::from_stream(chunks)).await.is_err());
        assert_eq!(
            taken.load(Ordering::SeqCst),
            17,
            "and what never ends is cut off"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let never =
            Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let refused = body(never).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn the_status_asks_for_the_alerts_again_if_one_of_them_needs_it() {
        let one = |result| Told {
            key: None,
            namespace: None,
            ticket: None,
            result,
            message: None,
        };
        for (outcomes, code) in [
            (
                vec![Outcome::Created, Outcome::Known, Outcome::Swallowed],
                202,
            ),
            (vec![Outcome::Created, Outcome::NotUnderstood], 400),
            (vec![Outcome::NotUnderstood, Outcome::NotAllowed], 422),
            (vec![Outcome::NotAllowed, Outcome::Failed], 503),
            (vec![], 202),
        ] {
            let told: Vec<Told> = outcomes.into_iter().map(one).collect();
            assert_eq!(status(&told).as_u16(), code);
        }
    }
}

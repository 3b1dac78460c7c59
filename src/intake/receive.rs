//! What all ways in share: bodies with a limit and a time to arrive, tokens, answers.
//!
//! 202 only after the API server took everything; 503 (never 429, which some senders do not repeat) when it could not,
//! or when nobody knows; 4xx only for what sending again does not mend.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Intake;
use super::desk::Told;
use super::metrics::Outcome;

/// Largest body.
pub const BODY_MOST: usize = 1024 * 1024;
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

/// Reads a body.
pub async fn body(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body must be at most 1 MiB; send fewer alerts at once",
        )
    };
    let told = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > BODY_MOST) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_LIMIT, to_bytes(body, BODY_MOST)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the body ended before it was whole",
        )),
        Err(_elapsed) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body must arrive within {} s", BODY_LIMIT.as_secs()),
        )),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
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
    use axum::body::Body;
    use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
    use axum::http::{HeaderMap, HeaderValue, StatusCode};

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
    async fn a_body_above_1_mib_is_refused_whether_its_length_is_told_or_not() {
        let big = || Body::from(vec![b'x'; BODY_MOST + 1]);
        let told = headers(CONTENT_LENGTH, &(BODY_MOST + 1).to_string());
        for headers in [HeaderMap::new(), told] {
            let refused = body(&headers, big()).await.unwrap_err();
            assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        }
        let whole = Body::from(vec![b'x'; BODY_MOST]);
        assert_eq!(
            body(&HeaderMap::new(), whole).await.unwrap().len(),
            BODY_MOST
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let never =
            Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let refused = body(&HeaderMap::new(), never).await.unwrap_err();
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

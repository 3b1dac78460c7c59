//! What an HTTP answer means for a delivery (delivery.md section 2). The words name the status, never the body.

use http::StatusCode;

use crate::connectors::SendOutcome;
use crate::connectors::http::{Answer, HttpError};

/// Judges an exchange by its status; `advice` says what to do about one that no retry mends.
pub(super) fn judge(
    exchange: Result<Answer, HttpError>,
    advice: impl Fn(StatusCode) -> &'static str,
) -> SendOutcome {
    let answer = match exchange {
        Ok(answer) => answer,
        Err(error) => return unanswered(&error),
    };
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

/// Judges an exchange, in whatever protocol, that got no answer.
pub(super) fn unanswered(error: &HttpError) -> SendOutcome {
    match error {
        HttpError::Held => SendOutcome::held(),
        error if error.is_final() => SendOutcome::refused(error),
        error => SendOutcome::retry(error),
    }
}

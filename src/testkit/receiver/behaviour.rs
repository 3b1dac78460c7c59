//! How a receiver answers: well, badly, slowly or not at all.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::wire::Wire;

/// What a path does with each request, after writing it down.
#[derive(Clone, Debug, Default)]
pub enum Behaviour {
    /// 200 with a short body.
    #[default]
    Ok,
    /// This status with these headers (`Retry-After` for one).
    Status(u16, Vec<(&'static str, String)>),
    /// No answer, and the connection stays open.
    Hang,
    /// The whole answer, status line included, at one byte per second.
    OneBytePerSecond,
    /// 307 to this address.
    Redirect(String),
    /// This status with a body of so many bytes.
    BigBody(u16, usize),
    /// This status with a body that is no UTF-8.
    NonUtf8Body(u16),
    /// The connection is reset before any answer.
    Reset,
    /// 200 after this time.
    Delay(Duration),
    /// The first `times` requests get `status`, later ones 200.
    FailTimes {
        /// How many requests fail.
        times: u32,
        /// What they get.
        status: u16,
    },
    /// No answer to the `nth` request (counted from one), 200 to all others.
    HangAt {
        /// Which one.
        nth: u32,
    },
    /// The first `times` requests are reset, later ones get 200.
    ResetTimes {
        /// How many connections are reset.
        times: u32,
    },
}

/// A behaviour with the count of requests it has answered.
#[derive(Debug, Default)]
pub(super) struct Script {
    behaviour: Behaviour,
    answered: u32,
}

impl Script {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            answered: 0,
        }
    }

    /// The answer to the next request, decided in order of arrival.
    pub(super) fn next(&mut self) -> Answer {
        let before = self.answered;
        self.answered = self.answered.saturating_add(1);
        match &self.behaviour {
            Behaviour::FailTimes { times, status } if before < *times => {
                Answer(Behaviour::Status(*status, Vec::new()))
            }
            Behaviour::ResetTimes { times } if before < *times => Answer(Behaviour::Reset),
            Behaviour::HangAt { nth } if self.answered == *nth => Answer(Behaviour::Hang),
            Behaviour::FailTimes { .. }
            | Behaviour::ResetTimes { .. }
            | Behaviour::HangAt { .. } => Answer(Behaviour::Ok),
            other => Answer(other.clone()),
        }
    }
}

/// One answer to one request.
#[derive(Debug)]
pub(super) struct Answer(Behaviour);

impl Answer {
    pub(super) async fn give(self, wire: &Wire) -> Response {
        match self.0 {
            Behaviour::Ok
            | Behaviour::FailTimes { .. }
            | Behaviour::ResetTimes { .. }
            | Behaviour::HangAt { .. } => answer(200, Body::from("received")),
            Behaviour::Status(status, headers) => {
                with_headers(answer(status, Body::empty()), headers)
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::OneBytePerSecond => {
                wire.slow_down();
                answer(200, Body::from("received"))
            }
            Behaviour::Redirect(url) => {
                with_headers(answer(307, Body::empty()), vec![("location", url)])
            }
            Behaviour::BigBody(status, bytes) => answer(status, Body::from(vec![b'x'; bytes])),
            Behaviour::NonUtf8Body(status) => {
                answer(status, Body::from(&b"\xff\xfe\x80 no text \xc3"[..]))
            }
            Behaviour::Reset => {
                wire.cut();
                answer(200, Body::empty())
            }
            Behaviour::Delay(time) => {
                tokio::time::sleep(time).await;
                answer(200, Body::from("received"))
            }
        }
    }
}

fn answer(status: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn with_headers(mut response: Response, headers: Vec<(&'static str, String)>) -> Response {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
    }
    response
}

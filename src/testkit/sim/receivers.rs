//! The receivers: how each answers a try, and when.

use std::time::Duration;

use super::moment::{Ms, SECOND};
use crate::connectors::SendOutcome;

/// How many there are.
pub const RECEIVERS: usize = 4;

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes everything at once.
    Takes,
    /// Nobody listens.
    Refuses,
    /// It takes the connection and never answers.
    Hangs,
    /// It takes the message and answers one byte a second.
    Slow,
    /// It takes the message, thinks for two seconds, and says so.
    Thinks,
    /// 500.
    Fails,
    /// 429, with a wish for this many seconds of rest.
    Throttles(u32),
    /// A redirect.
    Redirects,
    /// 410.
    Gone,
    /// It thinks for eight seconds and says 410.
    GoneLate,
    /// Its certificate is another host's.
    WrongCertificate,
    /// It takes the message and answers with 10 MB.
    Chatters,
}

/// How a try goes.
#[derive(Clone, Debug)]
pub struct Course {
    /// The receiver has the message after this long; `None` = never.
    pub arrives: Option<Ms>,
    /// The sender knows after this long.
    pub known: Ms,
    /// What it knows then.
    pub outcome: SendOutcome,
}

impl Mood {
    /// The course of a try that may take `limit` at most.
    pub fn course(self, limit: Ms, rng: &mut fastrand::Rng) -> Course {
        let trip = rng.i64(1..40);
        let course = |arrives, known, outcome| Course {
            arrives,
            known: Ms::min(known, limit),
            outcome,
        };
        match self {
            Self::Takes | Self::Chatters => course(Some(trip), 2 * trip, SendOutcome::Delivered),
            Self::Thinks if 2 * SECOND < limit => {
                course(Some(trip), 2 * SECOND, SendOutcome::Delivered)
            }
            Self::Refuses => course(None, trip, SendOutcome::retry("nobody listens")),
            Self::Hangs => course(None, limit, SendOutcome::retry("no answer")),
            Self::Slow | Self::Thinks => {
                course(Some(trip), limit, SendOutcome::retry("no whole answer"))
            }
            Self::Fails => course(None, 2 * trip, SendOutcome::retry("500")),
            Self::Throttles(seconds) => {
                let after = Some(Duration::from_secs(u64::from(seconds)));
                let message = "429".to_owned();
                course(None, 2 * trip, SendOutcome::Retry { message, after })
            }
            Self::Redirects => course(None, 2 * trip, SendOutcome::refused("a redirect")),
            Self::Gone => course(None, 2 * trip, SendOutcome::refused("410")),
            Self::GoneLate => course(None, 8 * SECOND, SendOutcome::refused("410")),
            Self::WrongCertificate => course(None, trip, SendOutcome::refused("wrong certificate")),
        }
    }

    /// Whether it takes a message and its sender cannot know: the same message may come again.
    pub fn is_unclear(self) -> bool {
        match self {
            Self::Slow | Self::Thinks => true,
            Self::Takes
            | Self::Refuses
            | Self::Hangs
            | Self::Fails
            | Self::Throttles(_)
            | Self::Redirects
            | Self::Gone
            | Self::GoneLate
            | Self::WrongCertificate
            | Self::Chatters => false,
        }
    }

    /// One at random that is not well.
    pub fn any(rng: &mut fastrand::Rng) -> Self {
        match rng.u32(0..10) {
            0 => Self::Refuses,
            1 => Self::Hangs,
            2 => Self::Slow,
            3 => Self::Thinks,
            4 => Self::Fails,
            5 => Self::Throttles(rng.u32(1..40)),
            6 => Self::Redirects,
            7 => Self::Gone,
            8 => Self::WrongCertificate,
            _ => Self::Chatters,
        }
    }

    /// In words.
    pub fn words(self) -> String {
        match self {
            Self::Takes => "is well".to_owned(),
            Self::Refuses => "refuses connections".to_owned(),
            Self::Hangs => "hangs".to_owned(),
            Self::Slow => "answers one byte a second".to_owned(),
            Self::Thinks => "thinks for two seconds".to_owned(),
            Self::Fails => "answers 500".to_owned(),
            Self::Throttles(seconds) => format!("answers 429, Retry-After {seconds} s,"),
            Self::Redirects => "redirects".to_owned(),
            Self::Gone => "answers 410".to_owned(),
            Self::GoneLate => "answers 410 after eight seconds".to_owned(),
            Self::WrongCertificate => "has a wrong certificate".to_owned(),
            Self::Chatters => "answers with 10 MB".to_owned(),
        }
    }
}

/// The address of a receiver.
pub fn address(host: usize) -> String {
    format!("https://receiver-{host}.example.com/")
}

/// The number of the receiver at an address.
pub fn host_of(address: &str) -> Option<usize> {
    let rest = address.strip_prefix("https://receiver-")?;
    rest.split('.').next()?.parse().ok()
}

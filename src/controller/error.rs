//! What can go wrong while an object is handled, by class: what a class asks for next is decided in one place.

use std::time::Duration;

use kube::core::Status;

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It may work later: try again, each time after a longer wait.
    Transient,
    /// Trying again soon is no use: somebody has to change something.
    Terminal,
    /// The object changed since it was read: look again.
    Conflict,
}

/// Why a call to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused, or could not be reached.
    #[error("the API server did not accept `{what}`: {source}")]
    Refused {
        /// The call in words.
        what: &'static str,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer in time; it may have been carried out all the same.
    #[error("the API server did not answer `{what}` within {} s; it is looked at again", limit.as_secs())]
    Late {
        /// The call in words.
        what: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The object is no longer there.
    #[error("the object of `{what}` is gone")]
    Gone {
        /// The call in words.
        what: &'static str,
    },
    /// An object of that name holds something else.
    #[error(
        "`{what}` found that \"{name}\" exists and holds something else; delete it if nobody needs it"
    )]
    Taken {
        /// The call in words.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// One look wanted to write again and again: a fault of the decision.
    #[error("`{what}` was wanted too often in one look; please report this")]
    Restless {
        /// The call in words.
        what: &'static str,
    },
    /// What should be written cannot be put into words of JSON.
    #[error("`{what}` could not be written as JSON: {source}")]
    Encoding {
        /// The call in words.
        what: &'static str,
        /// What JSON says.
        #[source]
        source: serde_json::Error,
    },
}

impl CallError {
    /// Sorts an answer of the API server.
    pub fn of(what: &'static str, source: kube::Error) -> Self {
        match &source {
            kube::Error::Api(status) if status.code == 404 && names_an_object(status) => {
                Self::Gone { what }
            }
            _ => Self::Refused {
                what,
                source: Box::new(source),
            },
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Gone { .. } => Some(404),
            Self::Late { .. }
            | Self::Taken { .. }
            | Self::Restless { .. }
            | Self::Encoding { .. } => None,
        }
    }

    /// Whether an object was not made since one of its name is there. Other refusals are answered 409 too, such as one
    /// about a quota that others write at the same time.
    pub fn already_exists(&self) -> bool {
        match self {
            Self::Refused { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.is_already_exists(),
                _ => false,
            },
            Self::Gone { .. }
            | Self::Late { .. }
            | Self::Taken { .. }
            | Self::Restless { .. }
            | Self::Encoding { .. } => false,
        }
    }

    /// What to do next.
    pub fn class(&self) -> Class {
        match self {
            Self::Late { .. } => Class::Transient,
            Self::Gone { .. }
            | Self::Taken { .. }
            | Self::Restless { .. }
            | Self::Encoding { .. } => Class::Terminal,
            Self::Refused { .. } => match self.status() {
                Some(409) => Class::Conflict,
                Some(400 | 403 | 405 | 422) => Class::Terminal,
                Some(_) | None => Class::Transient,
            },
        }
    }

    /// A bounded word for logs, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Late { .. } => "NoAnswer",
            Self::Gone { .. } => "Gone",
            Self::Taken { .. } => "NameTaken",
            Self::Restless { .. } => "Restless",
            Self::Encoding { .. } => "Encoding",
            Self::Refused { .. } => match self.status() {
                Some(401) => "Unauthorized",
                Some(403) => "Forbidden",
                Some(409) => "Conflict",
                Some(422) => "Invalid",
                Some(429) => "TooManyRequests",
                Some(500..) => "ServerError",
                Some(_) => "Refused",
                None => "Unreachable",
            },
        }
    }
}

/// Whether a refusal is about an object. A path that is not served is answered 404 too, and so is much else by whatever
/// stands between; none of that says that an object is gone.
fn names_an_object(status: &Status) -> bool {
    let details = status.details.as_ref();
    details.is_some_and(|details| !details.name.is_empty())
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::{CallError, Class};

    fn refused(code: u16) -> CallError {
        let status = Status::failure("no", "No").with_code(code);
        CallError::of("patch tickets/status", kube::Error::Api(status.boxed()))
    }

    #[test]
    fn only_a_refusal_that_says_so_tells_that_the_object_is_there() {
        let there = Status::failure("no", "AlreadyExists").with_code(409);
        assert!(CallError::of("create rcas", kube::Error::Api(there.boxed())).already_exists());
        assert!(!refused(409).already_exists(), "of a quota");
    }

    #[test]
    fn only_a_404_that_names_the_object_says_that_it_is_gone() {
        let details = |name: &str| {
            let details = serde_json::from_value(serde_json::json!({"name": name}));
            details.unwrap()
        };
        let said = |status: Status| {
            let status = status.with_code(404);
            CallError::of("get tickets", kube::Error::Api(status.boxed()))
        };
        let status = || Status::failure("no", "NotFound");
        let gone = said(status().with_details(details("checkout")));
        assert!(matches!(gone, CallError::Gone { .. }), "{gone:?}");
        for odd in [status(), status().with_details(details(""))] {
            let refused = said(odd);
            assert!(matches!(refused, CallError::Refused { .. }), "{refused:?}");
            assert_eq!(refused.status(), Some(404));
        }
    }

    #[test]
    fn a_refusal_is_sorted_by_what_it_asks_for_next() {
        for (code, class, reason) in [
            (409, Class::Conflict, "Conflict"),
            (429, Class::Transient, "TooManyRequests"),
            (503, Class::Transient, "ServerError"),
            (403, Class::Terminal, "Forbidden"),
            (422, Class::Terminal, "Invalid"),
            // Not about an object: the path is not served, or not now.
            (404, Class::Transient, "Refused"),
        ] {
            assert_eq!(
                (refused(code).class(), refused(code).reason()),
                (class, reason),
                "{code}"
            );
        }
    }
}

//! What can be broken, and which calls are meant.

use std::time::Duration;

use super::call::{Call, Verb};

/// Which calls are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// Calls of these verbs; none = of any.
    pub verbs: Vec<Verb>,
    /// Calls on this resource, with its subresource; empty = on any.
    pub resource: String,
    /// Calls whose body holds this text; empty = whatever it holds.
    pub text: String,
}

impl Aim {
    /// Calls of a verb on a resource.
    pub fn at(verb: Verb, resource: &str) -> Self {
        Self {
            verbs: vec![verb],
            resource: resource.to_owned(),
            text: String::new(),
        }
    }

    /// Calls that change something, whatever.
    pub fn writes() -> Self {
        Self {
            verbs: vec![Verb::Create, Verb::Update, Verb::Patch, Verb::Delete],
            ..Self::all()
        }
    }

    /// Of these, the calls whose body holds a text.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// Every call.
    pub fn all() -> Self {
        Self {
            verbs: Vec::new(),
            resource: String::new(),
            text: String::new(),
        }
    }

    pub(super) fn fits(&self, call: &Call, body: &[u8]) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&call.verb))
            && (self.resource.is_empty() || self.resource == call.resource)
            && (self.text.is_empty() || String::from_utf8_lossy(body).contains(&self.text))
    }
}

/// Which of the calls that fit, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Only this one.
    Nth(usize),
    /// All of them, until the fault is lifted.
    Every,
}

impl Which {
    pub(super) fn means(self, number: usize) -> bool {
        match self {
            Self::Nth(only) => only == number,
            Self::Every => true,
        }
    }
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is spared what was laid later.
    Spared,
    /// The connection ends before anything is passed on.
    LostRequest,
    /// It is passed on and takes effect; the connection ends without the answer.
    LostAnswer,
    /// It is passed on after this time.
    Late(Duration),
    /// It is passed on once the fault is lifted.
    UntilLifted,
    /// It is not passed on, but answered with this HTTP status.
    Refused {
        /// The status.
        status: u16,
        /// Seconds of `Retry-After`.
        retry_after: Option<u32>,
    },
    /// It takes effect; the answer ends in the middle of its JSON.
    TornAnswer,
    /// It is never passed on and never answered, and its connection stays open: the moment before a commit.
    HeldRequest,
    /// It takes effect and is never answered, and its connection stays open: the moment after a commit.
    HeldAnswer,
}

/// What happens to the watches of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchFault {
    /// Nothing.
    #[default]
    None,
    /// Nothing passes any more, not even their end, and new ones are not answered.
    Frozen,
    /// Each event passes so much later.
    Late(Duration),
    /// Each event passes twice.
    Doubled,
    /// Once: a watch ends without a word.
    Cut,
    /// Once: the next event ends in the middle of its JSON, and the watch with it.
    Torn,
    /// Once: an ERROR event with 410 "Expired" comes, and the watch ends.
    Gone,
}

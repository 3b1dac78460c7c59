//! Status writes whose answer was lost: if the object shows later that one landed, what it made true is told all the
//! same. Best effort, as all Events are; a write that is not seen again is forgotten.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::key::Key;
use crate::api::{Ticket, TicketStatus};
use crate::domain::next::{StatusPatch, Transition};

/// Writes to one ticket that are remembered: tries under one version, of which one may have landed.
const TRIES_MOST: usize = 4;

/// What is not known to have landed, by ticket.
#[derive(Debug, Default)]
pub struct Unanswered {
    writes: Mutex<HashMap<Key, Vec<Write>>>,
}

#[derive(Debug)]
struct Write {
    over: Option<String>,
    status: Box<TicketStatus>,
    transitions: Vec<Transition>,
}

impl Unanswered {
    /// Remembers a write over `seen` that got no answer.
    pub fn keep(&self, key: &Key, seen: &Ticket, patch: StatusPatch) {
        if patch.transitions.is_empty() {
            return;
        }
        let mut writes = self.writes.lock();
        let tries = writes.entry(key.clone()).or_default();
        if tries.len() < TRIES_MOST {
            tries.push(Write {
                over: seen.metadata.resource_version.clone(),
                status: patch.status,
                transitions: patch.transitions,
            });
        }
    }

    /// What has to be told since `now` shows that a write landed. While the object is as it was before the write,
    /// the answer is still open.
    pub fn landed(&self, key: &Key, now: &Ticket) -> Vec<Transition> {
        let mut writes = self.writes.lock();
        let version = &now.metadata.resource_version;
        let open = |tries: &Vec<Write>| tries.iter().all(|tried| tried.over == *version);
        if writes.get(key).is_none_or(open) {
            return Vec::new();
        }
        let tries = writes.remove(key).unwrap_or_default();
        tries
            .into_iter()
            .find(|tried| now.status.as_ref() == Some(&*tried.status))
            .map(|tried| tried.transitions)
            .unwrap_or_default()
    }

    /// A later write was answered, or the ticket is gone: none of the earlier ones counts any more.
    pub fn forget(&self, key: &Key) {
        self.writes.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Phase;

    fn ticket(version: &str, phase: Option<Phase>) -> Ticket {
        let mut ticket = Ticket::new("checkout", crate::api::TicketSpec::default());
        ticket.metadata.resource_version = Some(version.to_owned());
        ticket.status = phase.map(status);
        ticket
    }

    fn status(phase: Phase) -> TicketStatus {
        TicketStatus {
            phase: Some(phase),
            ..TicketStatus::default()
        }
    }

    fn patch(phase: Phase, key: &str) -> StatusPatch {
        StatusPatch {
            status: Box::new(status(phase)),
            transitions: vec![Transition {
                key: key.to_owned(),
                warning: false,
                reason: "Acknowledged",
                action: "Acknowledged".to_owned(),
                note: String::new(),
            }],
        }
    }

    fn keys(told: &[Transition]) -> Vec<&str> {
        told.iter().map(|known| known.key.as_str()).collect()
    }

    #[test]
    fn a_write_that_landed_without_an_answer_is_told_once_when_the_object_shows_it() {
        let (unanswered, key) = (Unanswered::default(), Key::new("shop", "checkout"));
        let seen = ticket("1", None);
        unanswered.keep(&key, &seen, patch(Phase::Submitted, "first"));
        unanswered.keep(&key, &seen, patch(Phase::Acknowledged, "second"));
        assert_eq!(keys(&unanswered.landed(&key, &seen)), [""; 0]);
        let now = ticket("2", Some(Phase::Acknowledged));
        assert_eq!(keys(&unanswered.landed(&key, &now)), ["second"]);
        assert_eq!(keys(&unanswered.landed(&key, &now)), [""; 0]);
    }

    #[test]
    fn a_write_that_did_not_land_is_never_told() {
        let (unanswered, key) = (Unanswered::default(), Key::new("shop", "checkout"));
        let seen = ticket("1", None);
        unanswered.keep(&key, &seen, patch(Phase::Submitted, "lost"));
        let by_a_person = ticket("2", None);
        assert_eq!(keys(&unanswered.landed(&key, &by_a_person)), [""; 0]);
        let later = ticket("3", Some(Phase::Submitted));
        assert_eq!(keys(&unanswered.landed(&key, &later)), [""; 0]);
        unanswered.keep(&key, &seen, patch(Phase::Submitted, "written again"));
        unanswered.forget(&key);
        assert_eq!(keys(&unanswered.landed(&key, &later)), [""; 0]);
    }
}

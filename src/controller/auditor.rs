//! The auditor (delivery.md section 3): looks at every ticket by what is written alone, twice a minute, and tells what
//! was forgotten: by metric, log and condition; the heartbeat is withheld. It asks for a look at each as well, so that
//! what was forgotten is done late and not never.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::commit::Wanted;
use super::key::Key;
use super::observe::observe;
use super::ticket::TicketDesk;
use super::versions::Origin;
use super::view::severity;
use crate::api::Ticket;
use crate::clock::Now;
use crate::domain::audit::{self, Finding};
use crate::domain::observed::Observed;
use crate::metrics::Kind;

/// After so many tickets other work has its turn.
const AT_ONCE: usize = 128;
/// Conditions written in one pass: where everything is late the writes must not be what makes it later.
const MARKS_MOST: usize = 20;
/// How long the writing of them may take.
const MARKS_LIMIT: Duration = Duration::from_secs(5);
/// Tickets named in the log in one pass.
const NAMED_MOST: usize = 5;

/// What an audit found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Tickets that were forgotten.
    pub forgotten: usize,
    /// Tickets that cannot be decoded: nothing can be decided about them, so nobody looks after them.
    pub undecodable: usize,
}

/// Looks at every ticket by what is written.
pub struct Auditor {
    desk: Arc<TicketDesk>,
    /// What was undone in the pass before, by the version that was seen.
    undone: HashMap<Key, Option<String>>,
}

impl Auditor {
    /// Audits the work of `desk`.
    pub fn new(desk: Arc<TicketDesk>) -> Self {
        Self {
            desk,
            undone: HashMap::new(),
        }
    }

    /// Looks at all tickets once; says what nobody looks after. What is undone for the first time is only noted.
    pub async fn pass(&mut self) -> Found {
        let desk = self.desk.clone();
        let moves = self.line_moves();
        let mut forgotten = Vec::new();
        let mut undone = HashMap::new();
        for (number, key) in desk
            .view
            .tickets
            .keys_where(|_| true)
            .into_iter()
            .enumerate()
        {
            if number % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Some(seen) = observe(&desk.view, &desk.outbox, &key) else {
                continue;
            };
            let version = seen.ticket.metadata.resource_version.clone();
            // Our own word on it is no progress: only a decision takes it back.
            let again = audit::is_marked(&seen) || self.undone.get(&key) == Some(&version);
            match audit::look(&seen, &desk.settings, desk.clock.now()) {
                Finding::Waits => {}
                Finding::Undone if !again => {
                    undone.insert(key, version);
                }
                Finding::Unrecorded if !again || moves => {
                    undone.insert(key, version);
                }
                Finding::Undone | Finding::Unrecorded | Finding::Missed => {
                    undone.insert(key.clone(), version);
                    forgotten.push((key, seen));
                }
            }
        }
        self.undone = undone;
        let found = Found {
            forgotten: forgotten.len(),
            undecodable: desk.view.tickets.undecodable_count(),
        };
        desk.metrics.neglected(found.forgotten + found.undecodable);
        for (number, (key, seen)) in forgotten.iter().enumerate() {
            if number < NAMED_MOST {
                tracing::error!(ticket = %key, "the audit found something due that was not done; the ticket is looked at again");
            }
            desk.view.trigger(key, severity(&seen.ticket));
        }
        let marking = async {
            for (key, seen) in forgotten.iter().take(MARKS_MOST) {
                self.mark(key, seen).await;
            }
        };
        // Where the API server does not answer, the heartbeat is what tells, and must not wait for it.
        let _ = tokio::time::timeout(MARKS_LIMIT, marking).await;
        found
    }

    /// Whether something that was undone in the pass before has been written since.
    fn line_moves(&self) -> bool {
        let tickets = &self.desk.view.tickets;
        self.undone.iter().any(|(key, version)| {
            let held = tickets.get(key);
            held.is_none_or(|held| held.ticket.metadata.resource_version != *version)
        })
    }

    /// Says it on the ticket. Best effort: where statuses cannot be written, the heartbeat tells.
    async fn mark(&self, key: &Key, seen: &Observed) {
        let desk = &self.desk;
        let now = desk.clock.now();
        let Some(status) = audit::mark(seen, now).filter(|_| desk.leadership.may_write()) else {
            return;
        };
        let wanted = Wanted {
            key,
            version: seen
                .ticket
                .metadata
                .resource_version
                .as_deref()
                .unwrap_or_default(),
            old: seen.ticket.status.as_ref(),
            new: &status,
            rank: now
                .saturating_add(SignedDuration::from_secs(5))
                .unwrap_or(now),
        };
        match desk
            .writer
            .write::<Ticket, _>(Kind::Ticket, "patch tickets/status", wanted)
            .await
        {
            Ok(Some(ticket)) => desk.view.take_ticket(ticket, Origin::Watch),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(ticket = %key, %error, "the audit's finding could not be written");
            }
        }
    }
}

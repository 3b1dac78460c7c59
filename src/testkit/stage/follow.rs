//! What a ticket goes through, version by version: nothing that its status said for a moment only is missed, however
//! late a busy machine lets the test look.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use kube::api::{WatchEvent, WatchParams};

use super::{LIMIT, Stage};
use crate::api::{EscalationState, Phase, Ticket, TicketStatus};

/// Seconds that a watch lasts: longer than any test, shorter than the API server allows.
const WATCH_SECONDS: u32 = 290;

/// A ticket that is followed from a moment on. Each wait looks only at what came after the wait before it.
pub struct Followed<'s> {
    stage: &'s Stage<'s>,
    name: String,
    now: Option<TicketStatus>,
    events: Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Ticket>>> + 's>>,
}

impl Stage<'_> {
    /// Follows a ticket from its present status on.
    pub async fn follow(&self, ticket: &str) -> Followed<'_> {
        let seen = self.ticket_object(ticket).await;
        let version = seen.metadata.resource_version.unwrap();
        let params = WatchParams::default()
            .fields(&format!("metadata.name={ticket}"))
            .timeout(WATCH_SECONDS);
        let events = self.tickets().watch(&params, &version).await.unwrap();
        Followed {
            stage: self,
            name: ticket.to_owned(),
            now: seen.status,
            events: events.boxed_local(),
        }
    }
}

impl Followed<'_> {
    /// Waits for the next version whose status fulfils a condition.
    pub async fn until(
        &mut self,
        what: &str,
        holds: impl Fn(&TicketStatus) -> bool,
    ) -> TicketStatus {
        let found = tokio::time::timeout(LIMIT, self.next(holds)).await;
        found.unwrap_or_else(|_late| {
            let (name, now, log) = (&self.name, &self.now, self.stage.log());
            panic!("not within {LIMIT:?}: {what} of \"{name}\"\n{now:#?}\n{log}")
        })
    }

    /// Waits for a phase.
    pub async fn until_phase(&mut self, phase: Phase) -> TicketStatus {
        let what = format!("phase {phase:?}");
        self.until(&what, |status| status.phase == Some(phase))
            .await
    }

    /// Waits for a state of the chain.
    pub async fn until_chain(&mut self, state: EscalationState) -> TicketStatus {
        let what = format!("chain {state:?}");
        self.until(&what, |status| {
            let escalation = status.escalation.as_ref();
            escalation.is_some_and(|known| known.state == state)
        })
        .await
    }

    async fn next(&mut self, holds: impl Fn(&TicketStatus) -> bool) -> TicketStatus {
        loop {
            if let Some(status) = self.now.clone().filter(&holds) {
                return status;
            }
            match self.events.next().await {
                Some(Ok(WatchEvent::Added(ticket) | WatchEvent::Modified(ticket))) => {
                    self.now = ticket.status;
                }
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                ended => panic!("\"{}\" can be followed no longer: {ended:?}", self.name),
            }
        }
    }
}

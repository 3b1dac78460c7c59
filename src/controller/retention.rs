//! Deletes archived tickets whose retention is over. Which those are says `domain::lifecycle::retention`; this room asks for them,
//! page by page, and deletes exactly the versions that were judged.
//!
//! The LIST sets no resourceVersion: it is answered from the stored state and honours `limit` (one with `0` may come
//! from a cache that ignores it), and its pages are of one moment. What cannot be done now is tried by the next pass.
//! No RCA goes with a ticket: none has it as owner.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt};

use super::client::{call, scoped};
use super::error::{CallError, Class};
use super::key::Key;
use crate::api::Ticket;
use crate::clock::Now;
use crate::domain::lifecycle::retention;
use crate::domain::selection::PolicyIndex;
use crate::metrics::Metrics;

/// The first pass comes so soon after the start at the latest: a process that never lives for an hour deletes too.
const FIRST: Duration = Duration::from_mins(5);
/// Passes over a namespace whose pages grew too old in between; each has deleted something.
const RESTARTS: usize = 100;
/// So many refusals in a row are about the right to delete, not about single tickets that somebody protects.
const REFUSALS_MOST: usize = 20;

/// Hears of a ticket that was deleted, and its uid.
pub type Deleted = dyn Fn(&Key, &str) + Send + Sync;

/// Looks through the archived tickets and deletes what is over.
pub struct Retention {
    /// The API server.
    pub client: Client,
    /// The namespaces that are watched; `None` = the whole cluster.
    pub scopes: Vec<Option<String>>,
    /// The policies in view.
    pub policies: Box<dyn Fn() -> Arc<PolicyIndex> + Send + Sync>,
    /// The operator's time.
    pub clock: Arc<dyn Now>,
    /// Counts.
    pub metrics: Metrics,
    /// Tickets of one page.
    pub page: u32,
    /// Told of each ticket that was deleted, with its uid.
    pub deleted: Box<Deleted>,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Archived tickets that were looked at.
    pub seen: usize,
    /// Those that were deleted.
    pub deleted: usize,
}

/// Deletions that were refused: one ticket that may not be deleted keeps no other.
#[derive(Default)]
struct Refused {
    first: Option<CallError>,
    in_a_row: usize,
}

impl Refused {
    /// Notes one; an error where it is no use to go on.
    fn one_more(&mut self, error: CallError) -> Result<(), CallError> {
        self.in_a_row += 1;
        if self.in_a_row >= REFUSALS_MOST {
            return Err(error);
        }
        self.first.get_or_insert(error);
        Ok(())
    }
}

impl Retention {
    /// A pass after each `every`, for good.
    pub async fn run(self, every: Duration) {
        tokio::time::sleep(every.min(FIRST)).await;
        loop {
            self.pass().await;
            tokio::time::sleep(every).await;
        }
    }

    /// One pass over all namespaces. One that cannot be worked in is told and left for the next pass.
    pub async fn pass(&self) -> Pass {
        let mut sum = Pass::default();
        if !retention::applies_anywhere(&(self.policies)()) {
            return sum;
        }
        for scope in &self.scopes {
            for _ in 0..RESTARTS {
                let mut done = Pass::default();
                let outcome = self.look_through(scope.as_deref(), &mut done).await;
                sum.seen += done.seen;
                sum.deleted += done.deleted;
                match outcome {
                    Err(error) if error.status() == Some(410) && done.deleted > 0 => {}
                    Err(error) => {
                        tell(scope.as_deref(), &error);
                        break;
                    }
                    Ok(()) => break,
                }
            }
        }
        sum
    }

    async fn look_through(&self, scope: Option<&str>, done: &mut Pass) -> Result<(), CallError> {
        let api: Api<DeserializeGuard<Ticket>> = scoped(&self.client, scope);
        let mut params = ListParams::default()
            .fields("status.archived=true")
            .limit(self.page);
        let mut refused = Refused::default();
        loop {
            let page = call("list archived tickets", api.list(&params)).await?;
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            for guarded in page.items {
                done.seen += 1;
                // One that cannot be read is kept.
                let Ok(ticket) = guarded.0 else { continue };
                match self.judge(&ticket).await {
                    Ok(false) => {}
                    Ok(true) => {
                        done.deleted += 1;
                        refused.in_a_row = 0;
                    }
                    Err(error) if error.class() == Class::Terminal => refused.one_more(error)?,
                    Err(error) => return Err(error),
                }
            }
            match next {
                Some(token) => params = params.continue_token(&token),
                None => return refused.first.map_or(Ok(()), Err),
            }
        }
    }

    /// Deletes a ticket whose retention is over; whether it did.
    async fn judge(&self, ticket: &Ticket) -> Result<bool, CallError> {
        let over = retention::ends(ticket, &(self.policies)())
            .is_some_and(|ends| ends <= self.clock.now());
        if !over {
            return Ok(false);
        }
        let key = Key::of(&ticket.metadata);
        let api: Api<Ticket> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: ticket.uid(),
                resource_version: ticket.resource_version(),
            }),
            ..DeleteParams::default()
        };
        match call("delete tickets", api.delete(&key.name, &params)).await {
            Ok(_) => {
                self.metrics.ticket_deleted();
                (self.deleted)(&key, ticket.uid().as_deref().unwrap_or_default());
                let closed = ticket.status.as_ref().and_then(|status| status.close_time);
                let closed = closed.map(|time| time.to_string());
                tracing::info!(ticket = %key, uid = ticket.uid(), closed, "an archived ticket was deleted: its policy's `retention.closedTickets` is over");
                Ok(true)
            }
            Err(CallError::Gone { .. }) => Ok(false),
            Err(error) if error.status() == Some(409) => {
                tracing::debug!(ticket = %key, "it changed while it was looked at; judged again by the next pass");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn tell(scope: Option<&str>, error: &CallError) {
    let place = scope.map_or_else(
        || "the whole cluster".to_owned(),
        |namespace| format!("namespace \"{namespace}\""),
    );
    if error.status() == Some(403) {
        tracing::warn!(%error, "archived tickets whose retention is over stay in {place}: the operator must be allowed to list and delete tickets there, or the policies must have no `retention`");
    } else {
        tracing::warn!(%error, reason = error.reason(), "archived tickets of {place} could not all be looked through; the next pass goes on");
    }
}

//! Reads the archived tickets of namespaces whose new tickets ask what helped last time: one namespace after the other,
//! page by page, on a task of its own. What fails is tried again; until then the new tickets go on without.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::api::Ticket;
use crate::clock::{Now, OperatorClock};
use crate::controller::client::{call, scoped};
use crate::controller::error::CallError;
use crate::controller::view::View;
use crate::domain::recurrence::earlier;

/// Tickets of one page.
const PAGE: u32 = 500;
/// Pages that are looked at; what is stored beyond them is not shown.
const PAGES_MOST: usize = 100;
/// How long after a failure the next namespace is read.
const REST: Duration = Duration::from_secs(5);

/// Reads namespaces for ever.
pub struct PastReader {
    /// The API server.
    pub client: Client,
    /// Where what was read goes.
    pub view: Arc<View>,
    /// The operator's time.
    pub clock: OperatorClock,
}

impl PastReader {
    /// Reads each namespace that is asked for; one that fails comes last.
    pub async fn run(self, mut wanted: mpsc::UnboundedReceiver<Arc<str>>) {
        let mut waiting = VecDeque::new();
        loop {
            while let Ok(namespace) = wanted.try_recv() {
                waiting.push_back(namespace);
            }
            let Some(namespace) = waiting.pop_front() else {
                match wanted.recv().await {
                    Some(namespace) => waiting.push_back(namespace),
                    None => return,
                }
                continue;
            };
            match self.read(&namespace).await {
                Ok(()) => self.view.past_is_read(&namespace),
                Err(error) => {
                    tracing::debug!(%namespace, reason = error.reason(), %error, "archived tickets could not be read; new tickets go on without those like them, and it is tried again");
                    waiting.push_back(namespace);
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn read(&self, namespace: &str) -> Result<(), CallError> {
        self.view.past_in_view(namespace);
        let api: Api<DeserializeGuard<Ticket>> = scoped(&self.client, Some(namespace));
        let mut params = ListParams::default()
            .fields("status.archived=true")
            .limit(PAGE);
        let now = self.clock.now();
        for _ in 0..PAGES_MOST {
            let page = call("list archived tickets", api.list(&params)).await?;
            let tickets = page.items.into_iter().filter_map(|guarded| guarded.0.ok());
            let recent =
                |ticket: &Ticket| earlier(ticket).is_some_and(|closed| closed.counts_for(now));
            for ticket in tickets.filter(recent) {
                self.view.past.take(&ticket);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
        tracing::info!(%namespace, "there are more archived tickets than are looked through; a policy's `retention` deletes old ones");
        Ok(())
    }
}

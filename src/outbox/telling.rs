//! When results are told. What is written of a page takes the API server's and our own time away from pages that still
//! have to leave, so in a storm the results of pages that arrived wait until the rest has left, for a moment at most.
//! A page that did not arrive is told at once: the next step may be due for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Inner;
use super::observer::Ended;
use crate::domain::telling::delivery::{Progress, TicketKey};

/// How long a result waits at most; the status has it within a second of the hand-over (delivery.md section 1).
const PATIENCE: Duration = Duration::from_millis(500);

impl Inner {
    /// Tells whose ticket has a result, or leaves it to [`Inner::tell_arrivals`].
    pub(super) fn tell(&self, ended: &Ended) {
        let way = match ended.progress {
            Progress::Delivered { .. } => &self.arrivals,
            Progress::InFlight { .. } | Progress::Failed { .. } | Progress::Cancelled { .. } => {
                &self.reports
            }
        };
        // Nobody listens any more only while the process ends.
        let _ = way.send(ended.about.ticket.clone());
    }

    /// Tells of pages that arrived.
    pub(super) async fn tell_arrivals(
        self: Arc<Self>,
        mut arrivals: mpsc::UnboundedReceiver<TicketKey>,
    ) {
        loop {
            let first = tokio::select! {
                biased;
                arrived = arrivals.recv() => arrived,
                () = self.stop.cancelled() => None,
            };
            let Some(first) = first else { return };
            tokio::select! {
                () = self.calm() => {}
                () = tokio::time::sleep(PATIENCE) => {}
                () = self.stop.cancelled() => {}
            }
            let _ = self.reports.send(first);
            while let Ok(next) = arrivals.try_recv() {
                let _ = self.reports.send(next);
            }
        }
    }

    /// Waits until no lane that moves has anything waiting.
    async fn calm(&self) {
        loop {
            let emptied = self.emptied.notified();
            if !self.book.lock().is_rushing(tokio::time::Instant::now()) {
                return;
            }
            emptied.await;
        }
    }
}

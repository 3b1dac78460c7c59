//! What the outside learns of each result: one log line, one call for the metrics.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::ConnectorType;
use crate::domain::telling::delivery::{Delivery, Progress};

/// How a delivery ended, as a closed set for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    /// A receiver took it.
    Delivered,
    /// No way took it.
    Failed,
    /// Withheld, its reason was gone.
    Cancelled,
}

/// One finished delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryResult {
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// Type of the way that was tried last; `None` where there was no way at all.
    pub connector_type: Option<ConnectorType>,
    /// Hand-over minus deadline, zero when early.
    pub handover_lateness: Duration,
    /// The receiver's answer minus hand-over; only for delivered ones.
    pub receipt: Option<Duration>,
}

/// Takes note of finished deliveries. Called outside of any lock; must not block.
pub trait DeliveryObserver: Send + Sync {
    /// One delivery has its result.
    fn observe(&self, result: DeliveryResult);
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl DeliveryObserver for Unobserved {
    fn observe(&self, _: DeliveryResult) {}
}

/// A delivery that has its result.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) delivery: std::sync::Arc<Delivery>,
    pub(super) since: Timestamp,
    pub(super) connector_type: Option<ConnectorType>,
    pub(super) progress: Progress,
}

impl Ended {
    /// The result for metrics; `None` while there is none.
    pub(super) fn result(&self) -> Option<DeliveryResult> {
        let (outcome, receipt) = match &self.progress {
            Progress::InFlight { .. } => return None,
            Progress::Delivered { time, .. } => {
                (DeliveryOutcome::Delivered, Some(between(self.since, *time)))
            }
            Progress::Failed { .. } => (DeliveryOutcome::Failed, None),
            Progress::Cancelled { .. } => (DeliveryOutcome::Cancelled, None),
        };
        Some(DeliveryResult {
            outcome,
            connector_type: self.connector_type,
            handover_lateness: between(self.delivery.due, self.since),
            receipt,
        })
    }

    /// The one log line of a delivery. Its words come from `SendOutcome`, which never holds URL, body or secret.
    pub(super) fn log(&self) {
        let Some(result) = self.result() else { return };
        let (attempts, detail) = match &self.progress {
            Progress::InFlight { .. } | Progress::Cancelled { .. } => (0, ""),
            Progress::Delivered {
                attempts, message, ..
            }
            | Progress::Failed {
                attempts, message, ..
            } => (*attempts, message.as_str()),
        };
        let data = &self.delivery.message.data;
        tracing::info!(
            namespace = %self.delivery.ticket.namespace,
            ticket = %self.delivery.ticket.name,
            step = data.step.as_deref().unwrap_or(&data.kind),
            round = data.round,
            id = %self.delivery.id,
            target = %self.delivery.target,
            outcome = ?result.outcome,
            attempts,
            lateness_ms = u64::try_from(result.handover_lateness.as_millis()).unwrap_or(u64::MAX),
            receipt_ms = result.receipt.and_then(|receipt| u64::try_from(receipt.as_millis()).ok()),
            detail,
            "delivery"
        );
    }
}

/// `later` minus `earlier`, never negative.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

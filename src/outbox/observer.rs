//! What the outside learns of each result: one log line, one call for the metrics.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::ConnectorType;
use crate::domain::telling::delivery::{Delivery, DeliveryId, Progress, Target, TicketKey};

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

/// What is told of a delivery.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) ticket: TicketKey,
    id: DeliveryId,
    target: Target,
    /// Step of the chain, or kind of the notice.
    step: String,
    round: i64,
    due: Timestamp,
}

impl About {
    /// What is told of this one.
    pub(super) fn of(delivery: &Delivery) -> Self {
        let data = &delivery.message.data;
        Self {
            ticket: delivery.ticket.clone(),
            id: delivery.id.clone(),
            target: delivery.target.clone(),
            step: data.step.as_ref().unwrap_or(&data.kind).clone(),
            round: data.round,
            due: delivery.due,
        }
    }
}

/// A delivery that has its result.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) about: About,
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
            handover_lateness: between(self.about.due, self.since),
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
        let about = &self.about;
        tracing::info!(
            namespace = %about.ticket.namespace,
            ticket = %about.ticket.name,
            step = about.step,
            round = about.round,
            id = %about.id,
            target = %about.target,
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

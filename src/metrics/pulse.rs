//! What tells whether the pager itself is well: who leads, what the audit found, what became of heartbeats.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// What became of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Heart {
    /// The dead man's switch took it.
    Sent,
    /// It could not be sent.
    Failed,
    /// Not all is well.
    Withheld,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeartLabels {
    outcome: Heart,
}

/// These metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse {
    leader: Gauge,
    overlapping: Gauge,
    neglected: Gauge,
    heartbeats: Family<HeartLabels, Counter>,
}

impl Pulse {
    /// Puts them among all that is counted.
    pub(super) fn register(&self, to: &mut Registry) {
        to.register(
            "leader",
            "1 = this replica decides and sends",
            self.leader.clone(),
        );
        to.register(
            "overlapping_operators",
            "Other operators that work in the same namespaces",
            self.overlapping.clone(),
        );
        to.register(
            "neglected_tickets",
            "Tickets that the last audit found with something due undone, or unreadable",
            self.neglected.clone(),
        );
        to.register(
            "heartbeats",
            "Heartbeats to the dead man's switch, by what became of them",
            self.heartbeats.clone(),
        );
    }
}

impl Metrics {
    /// Notes whether this replica leads.
    pub fn leader(&self, leads: bool) {
        self.pulse.leader.set(i64::from(leads));
    }

    /// Sets how many tickets the audit found forgotten.
    pub fn neglected(&self, count: usize) {
        self.pulse
            .neglected
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a heartbeat.
    pub fn heart(&self, outcome: Heart) {
        self.pulse
            .heartbeats
            .get_or_create(&HeartLabels { outcome })
            .inc();
    }

    /// Sets how many other operators work in the same namespaces.
    pub fn overlapping(&self, count: usize) {
        self.pulse
            .overlapping
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

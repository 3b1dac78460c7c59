//! What the intake counts. Labels come from closed sets only: ways in, outcomes, HTTP codes.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

use super::alert::Way;
use crate::metrics::Metrics;

/// What became of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue, Serialize)]
pub enum Outcome {
    /// It has a new ticket.
    Created,
    /// Its ticket was told something new.
    Signalled,
    /// Its ticket knew all of it.
    Known,
    /// It ended, and there is no ticket to tell.
    NothingToEnd,
    /// The storm guard put it into an aggregate ticket.
    Swallowed,
    /// Its namespace is not allowed.
    NotAllowed,
    /// It cannot be understood.
    NotUnderstood,
    /// The API server could not take it; send it again.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    way: Way,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    way: Way,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayLabels {
    way: Way,
}

/// The intake's own counts. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct IntakeMetrics {
    alerts: Family<AlertLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    answers: Family<WayLabels, Counter>,
    swallowed: Family<WayLabels, Counter>,
    template_faults: Counter,
    config_good: Gauge,
}

impl IntakeMetrics {
    /// Counts that stand in `metrics`, under the names that are promised.
    pub fn within(metrics: &Metrics) -> Self {
        let new = Self::default();
        metrics.also(|to| {
            to.register(
                "intake_alerts",
                "Alerts, by what became of them",
                new.alerts.clone(),
            );
            to.register(
                "intake_requests",
                "Requests answered",
                new.requests.clone(),
            );
            to.register(
                "intake_acknowledgements",
                "Acknowledgements written for people who answered by a link or a paging service",
                new.answers.clone(),
            );
            to.register(
                "intake_swallowed",
                "Alerts that the storm guard put into an aggregate ticket",
                new.swallowed.clone(),
            );
            to.register(
                "intake_template_faults",
                "Alerts on which a template failed; the usual words stand instead",
                new.template_faults.clone(),
            );
            to.register(
                "intake_configuration_good",
                "1 = the newest configuration is in force; 0 = it has a fault, the last good one is",
                new.config_good.clone(),
            );
        });
        new
    }

    /// Counts an alert.
    pub fn alert(&self, way: Way, outcome: Outcome) {
        let labels = AlertLabels { way, outcome };
        self.alerts.get_or_create(&labels).inc();
        if outcome == Outcome::Swallowed {
            self.swallowed.get_or_create(&WayLabels { way }).inc();
        }
    }

    /// Counts a request by its HTTP answer.
    pub fn request(&self, way: Way, code: u16) {
        self.requests
            .get_or_create(&RequestLabels { way, code })
            .inc();
    }

    /// Counts an acknowledgement that was written.
    pub fn acknowledged(&self, way: Way) {
        self.answers.get_or_create(&WayLabels { way }).inc();
    }

    /// Counts an alert whose template failed.
    pub fn template_failed(&self) {
        self.template_faults.inc();
    }

    /// Notes whether the newest configuration is in force.
    pub fn configuration(&self, good: bool) {
        self.config_good.set(i64::from(good));
    }
}

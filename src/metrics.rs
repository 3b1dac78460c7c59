//! What the operator counts (api.md section 6, "Operator"). Labels come from closed sets only, so that no ticket or
//! policy name can blow up a monitoring system.

mod pulse;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::SignedDuration;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use pulse::Heart;
use pulse::Pulse;

/// The kinds that the operator handles or watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    /// Tickets.
    Ticket,
    /// Escalation policies.
    EscalationPolicy,
    /// Root cause analyses.
    #[allow(clippy::upper_case_acronyms)] // the label's value is the kind's name
    RCA,
    /// Stored revisions of policies.
    ControllerRevision,
    /// Documents that the operator keeps.
    ConfigMap,
    /// Events that tell of tickets and policies.
    Event,
}

impl Kind {
    /// The kind as a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ticket => "Ticket",
            Self::EscalationPolicy => "EscalationPolicy",
            Self::RCA => "RCA",
            Self::ControllerRevision => "ControllerRevision",
            Self::ConfigMap => "ConfigMap",
            Self::Event => "Event",
        }
    }
}

/// What one look at an object came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// All done, the next look is planned.
    Done,
    /// The object had changed meanwhile; looked at again.
    Conflict,
    /// Tried again later.
    Transient,
    /// Somebody has to change something.
    Terminal,
    /// A fault of the operator itself.
    Panic,
}

/// Part of a delivery's way whose lateness is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)] // the label's values are words of api.md
pub enum Stage {
    /// From the deadline to the hand-over to the outbox.
    handover,
    /// From the hand-over to the receiver's answer.
    receipt,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    kind: Kind,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    r#type: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    r#type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TicketLabels {
    phase: String,
    severity: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KnowledgeLabels {
    kind: String,
    state: String,
}

/// Everything that is counted. Clones share it.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    reconciles: Family<OutcomeLabels, Counter>,
    lateness: Family<StageLabels, Histogram>,
    deliveries: Family<DeliveryLabels, Counter>,
    deliveries_aside: Gauge,
    open_breakers: Family<TypeLabels, Gauge>,
    tickets: Family<TicketLabels, Gauge>,
    tickets_without_policy: Gauge,
    tickets_deleted: Counter,
    rcas: Family<PhaseLabels, Gauge>,
    rcas_overdue: Gauge,
    actions: Family<StateLabels, Gauge>,
    actions_overdue: Gauge,
    knowledge: Family<KnowledgeLabels, Gauge>,
    status_writes: Family<OutcomeLabels, Counter>,
    watch_errors: Family<KindLabels, Counter>,
    undecodable: Family<KindLabels, Gauge>,
    events_dropped: Counter,
    wall_ahead: Gauge<f64, AtomicU64>,
    wall_disagrees: Gauge,
    watch_silence: Gauge<f64, AtomicU64>,
    pulse: Pulse,
}

impl Default for Metrics {
    fn default() -> Self {
        let new = Self::unregistered();
        new.register();
        new
    }
}

impl Metrics {
    fn unregistered() -> Self {
        let lateness = || {
            Histogram::new([
                0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
            ])
        };
        let new = Self {
            registry: Arc::new(Mutex::new(Registry::with_prefix("firebell"))),
            reconciles: Family::default(),
            lateness: Family::new_with_constructor(lateness),
            deliveries: Family::default(),
            deliveries_aside: Gauge::default(),
            open_breakers: Family::default(),
            tickets: Family::default(),
            tickets_without_policy: Gauge::default(),
            tickets_deleted: Counter::default(),
            rcas: Family::default(),
            rcas_overdue: Gauge::default(),
            actions: Family::default(),
            actions_overdue: Gauge::default(),
            knowledge: Family::default(),
            status_writes: Family::default(),
            watch_errors: Family::default(),
            undecodable: Family::default(),
            events_dropped: Counter::default(),
            wall_ahead: Gauge::default(),
            wall_disagrees: Gauge::default(),
            watch_silence: Gauge::default(),
            pulse: Pulse::default(),
        };
        new.leader(true);
        new
    }

    /// Those of a process that handles no tickets itself, such as the intake: clock, watches, Events.
    pub fn of_client() -> Self {
        let new = Self::unregistered();
        new.register_health();
        new
    }

    /// Adds what another room counts.
    pub fn also(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock());
    }

    fn register(&self) {
        self.register_work();
        self.register_followups();
        self.register_health();
        self.pulse.register(&mut self.registry.lock());
    }

    fn register_work(&self) {
        let mut to = self.registry.lock();
        to.register(
            "reconciles",
            "Looks at an object, by what they came to",
            self.reconciles.clone(),
        );
        to.register(
            "delivery_lateness_seconds",
            "handover: deadline to outbox; receipt: outbox to the receiver's answer",
            self.lateness.clone(),
        );
        to.register(
            "deliveries",
            "Deliveries with a final result",
            self.deliveries.clone(),
        );
        to.register(
            "deliveries_set_aside",
            "Deliveries that wait outside of the queue of their destination, which is full",
            self.deliveries_aside.clone(),
        );
        to.register(
            "open_breakers",
            "Destinations that failed five times in a row and have not answered since",
            self.open_breakers.clone(),
        );
        to.register(
            "tickets",
            "Tickets that are not archived",
            self.tickets.clone(),
        );
        to.register(
            "tickets_without_policy",
            "Tickets no policy applies to",
            self.tickets_without_policy.clone(),
        );
        to.register(
            "tickets_deleted",
            "Archived tickets deleted because their retention was over",
            self.tickets_deleted.clone(),
        );
        to.register(
            "status_writes",
            "Writes of a status, by what they came to",
            self.status_writes.clone(),
        );
    }

    fn register_followups(&self) {
        let mut to = self.registry.lock();
        to.register("rcas", "Root cause analyses", self.rcas.clone());
        to.register(
            "rcas_overdue",
            "Root cause analyses that were not approved by their due time",
            self.rcas_overdue.clone(),
        );
        to.register(
            "corrective_actions",
            "Corrective actions of root cause analyses",
            self.actions.clone(),
        );
        to.register(
            "corrective_actions_overdue",
            "Corrective actions that were not done by their due time",
            self.actions_overdue.clone(),
        );
        to.register(
            "knowledge_items",
            "What should be written down after a ticket, of tickets that are not archived and of root cause analyses",
            self.knowledge.clone(),
        );
    }

    fn register_health(&self) {
        let mut to = self.registry.lock();
        to.register(
            "watch_errors",
            "Errors of a watch; it starts again by itself",
            self.watch_errors.clone(),
        );
        to.register(
            "undecodable_objects",
            "Stored objects that cannot be read",
            self.undecodable.clone(),
        );
        to.register(
            "events_dropped",
            "Events that could not be written",
            self.events_dropped.clone(),
        );
        to.register(
            "wall_clock_ahead_seconds",
            "This machine's wall clock before the API server's",
            self.wall_ahead.clone(),
        );
        to.register(
            "wall_clock_disagrees",
            "1 = by more than 2 s",
            self.wall_disagrees.clone(),
        );
        to.register(
            "watch_silence_seconds",
            "Since the most silent ticket watch showed life",
            self.watch_silence.clone(),
        );
    }

    /// The text that a monitoring system reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry.lock()) {
            Ok(()) => text,
            Err(error) => format!("# not all could be written: {error}\n# EOF\n"),
        }
    }

    /// Counts a look at an object.
    pub fn reconciled(&self, kind: Kind, outcome: Outcome) {
        self.reconciles
            .get_or_create(&OutcomeLabels { kind, outcome })
            .inc();
    }

    /// Counts a write of a status.
    pub fn wrote_status(&self, kind: Kind, outcome: Outcome) {
        self.status_writes
            .get_or_create(&OutcomeLabels { kind, outcome })
            .inc();
    }

    /// Measures the lateness of one delivery on one part of its way; a negative one counts as none.
    pub fn late(&self, stage: Stage, lateness: SignedDuration) {
        self.lateness
            .get_or_create(&StageLabels { stage })
            .observe(lateness.as_secs_f64().max(0.0));
    }

    /// Counts a final result of a delivery; both words come from closed sets (connector type, outcome).
    pub fn delivered(&self, connector_type: &str, outcome: &str) {
        let labels = DeliveryLabels {
            r#type: connector_type.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.deliveries.get_or_create(&labels).inc();
    }

    /// Sets how many destinations of a type of connector are left alone.
    pub fn open_breakers(&self, connector_type: &str, count: usize) {
        let labels = TypeLabels {
            r#type: connector_type.to_owned(),
        };
        self.open_breakers
            .get_or_create(&labels)
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets how many deliveries wait outside of a full queue.
    pub fn deliveries_aside(&self, count: usize) {
        self.deliveries_aside
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Replaces the counts of tickets by phase and severity.
    pub fn tickets(
        &self,
        counts: impl IntoIterator<Item = ((String, String), i64)>,
        without_policy: i64,
    ) {
        self.tickets.clear();
        for ((phase, severity), count) in counts {
            self.tickets
                .get_or_create(&TicketLabels { phase, severity })
                .set(count);
        }
        self.tickets_without_policy.set(without_policy);
    }

    /// Replaces the counts of root cause analyses by phase.
    pub fn rcas(&self, phases: impl IntoIterator<Item = (String, i64)>, overdue: i64) {
        self.rcas.clear();
        for (phase, count) in phases {
            self.rcas.get_or_create(&PhaseLabels { phase }).set(count);
        }
        self.rcas_overdue.set(overdue);
    }

    /// Replaces the counts of corrective actions by state.
    pub fn actions(&self, states: impl IntoIterator<Item = (String, i64)>, overdue: i64) {
        self.actions.clear();
        for (state, count) in states {
            let labels = StateLabels { state };
            self.actions.get_or_create(&labels).set(count);
        }
        self.actions_overdue.set(overdue);
    }

    /// Replaces the counts of what should be written down, by kind and state.
    pub fn knowledge(&self, counts: impl IntoIterator<Item = ((String, String), i64)>) {
        self.knowledge.clear();
        for ((kind, state), count) in counts {
            let labels = KnowledgeLabels { kind, state };
            self.knowledge.get_or_create(&labels).set(count);
        }
    }

    /// Counts an archived ticket that was deleted.
    pub fn ticket_deleted(&self) {
        self.tickets_deleted.inc();
    }

    /// Counts an error of a watch.
    pub fn watch_failed(&self, kind: Kind) {
        self.watch_errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// Sets how many objects of a kind cannot be read.
    pub fn undecodable(&self, kind: Kind, count: usize) {
        self.undecodable
            .get_or_create(&KindLabels { kind })
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts an Event that was given up.
    pub fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    /// Notes how far the wall clock is off, and says so once each time it starts or stops to matter.
    pub fn wall_clock(&self, ahead: SignedDuration, disagrees: bool) {
        self.wall_ahead.set(ahead.as_secs_f64());
        let before = self.wall_disagrees.set(i64::from(disagrees)) != 0;
        if disagrees && !before {
            tracing::warn!(
                wall_ahead_seconds = ahead.as_secs_f64(),
                "this machine's wall clock disagrees with the API server's; deadlines follow the API server's; mend the time synchronisation"
            );
        } else if before && !disagrees {
            tracing::info!("this machine's wall clock agrees with the API server's again");
        }
    }

    /// Notes the longest silence of a ticket watch.
    pub fn watch_silence(&self, silence: std::time::Duration) {
        self.watch_silence.set(silence.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{Kind, Metrics, Outcome, Stage};

    #[test]
    fn the_metrics_wear_the_names_that_are_promised() {
        let metrics = Metrics::default();
        metrics.reconciled(Kind::Ticket, Outcome::Done);
        metrics.late(Stage::handover, SignedDuration::from_millis(7));
        metrics.delivered("Webhook", "Delivered");
        metrics.tickets([(("Submitted".into(), "High".into()), 2)], 1);
        metrics.open_breakers("Slack", 3);
        metrics.deliveries_aside(4);
        let text = metrics.text();
        for line in [
            r#"firebell_reconciles_total{kind="Ticket",outcome="Done"} 1"#,
            r#"firebell_delivery_lateness_seconds_bucket{le="0.01",stage="handover"} 1"#,
            r#"firebell_deliveries_total{type="Webhook",outcome="Delivered"} 1"#,
            r#"firebell_tickets{phase="Submitted",severity="High"} 2"#,
            "firebell_tickets_without_policy 1",
            r#"firebell_open_breakers{type="Slack"} 3"#,
            "firebell_deliveries_set_aside 4",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}

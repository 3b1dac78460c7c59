//! How far a ticket's escalation and its deliveries have come: the part of its status that timers and the outbox live by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use super::ticket::Severity;
use super::time::Time;

/// How an escalation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum EscalationState {
    /// Not started yet.
    #[default]
    Pending,
    /// Steps fire.
    Running,
    /// Stands still because of a hold, a suspension or maintenance, or until it is sure that the alert is over.
    Held,
    /// Somebody answered, or it is over.
    Stopped,
    /// Every round is through and nobody answered.
    Exhausted,
    /// No policy applies.
    Blocked,
    /// The policy pages nobody for this severity.
    NotPaged,
}

/// Why the chain started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum StartReason {
    /// The ticket was submitted.
    #[default]
    Opened,
    /// Its severity was raised.
    SeverityRaised,
    /// It was reopened.
    Reopened,
    /// Its acknowledgement was taken back.
    Revoked,
    /// Its acknowledgement ran out.
    Expired,
}

/// How far the escalation has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Escalation {
    /// Pending, Running, Held, Stopped, Exhausted, Blocked or NotPaged.
    pub state: EscalationState,
    /// Which start of the chain this is: +1 whenever it starts, for whatever reason.
    #[schemars(transform = schema::count)]
    pub round: i64,
    /// The round the present run of the chain began with; its repeats count from there. Progress, kept for
    /// decisions after a restart.
    #[schemars(transform = schema::count)]
    pub first_round: i64,
    /// The step the chain stands at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(63))]
    pub step: Option<String>,
    /// Nominal time of that step; the next one counts from there. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nominal_time: Option<Time>,
    /// When that step fired; its repeats count from there. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_from: Option<Time>,
    /// The step that is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(63))]
    pub next_step: Option<String>,
    /// Number of the next notification of `nextStep`: 0 is the step itself. Progress, kept for decisions after a
    /// restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub next_repeat: Option<i64>,
    /// When the next step or repeat is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_time: Option<Time>,
    /// Nothing of the chain is due before: the end of a wait for the signal, or a change of row or policy. Progress,
    /// kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before_time: Option<Time>,
    /// When this round started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Why the present run of the chain started: Opened, SeverityRaised, Reopened, Revoked or Expired. Further rounds
    /// of the same run keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_reason: Option<StartReason>,
    /// When the chain will be, or was, exhausted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhaust_time: Option<Time>,
    /// The severity whose steps this round runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The steps of this round that are decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::atomic)]
    pub steps: Vec<StepRecord>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum StepResult {
    /// It notified its targets.
    #[default]
    Fired,
    /// Its time has come, and it waits for its opening hours; later steps go on meanwhile.
    Waiting,
    /// Its condition no longer held.
    Skipped,
    /// It reached nobody.
    SkippedEmpty,
    /// Missed during a downtime; its recipients were paged afterwards in one message.
    CaughtUp,
}

/// A step of this round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StepRecord {
    /// Name of the step.
    #[schemars(transform = schema::told(63))]
    pub name: String,
    /// When it was decided.
    pub time: Time,
    /// Fired, Skipped, SkippedEmpty or CaughtUp.
    pub result: StepResult,
    /// Number of its newest repeat; 0 or absent = the step itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub repeat: Option<i64>,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum DeliveryState {
    /// Written down, about to leave.
    #[default]
    Armed,
    /// On its way.
    Sending,
    /// The receiver took it.
    Delivered,
    /// No way took it.
    Failed,
    /// No longer wanted before it left.
    Cancelled,
    /// Nobody can say any more.
    Unknown,
}

/// What became of a page or notice to one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeliveryRecord {
    /// Identity of the message; receivers drop repeats by it.
    #[schemars(transform = schema::told(64))]
    pub id: String,
    /// Round of the chain.
    #[schemars(transform = schema::count)]
    pub round: i64,
    /// Step of the chain; absent for notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(63))]
    pub step: Option<String>,
    /// Kind of the notice, such as `Acknowledged`; absent for pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(63))]
    pub kind: Option<String>,
    /// Number of the repeat; 0 is the step itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub repeat: Option<i64>,
    /// What caused the notice; part of its id. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(256))]
    pub cause: Option<String>,
    /// Who it is for: `contact/NAME`, `connector/NAME` or `reporter`. Never an address.
    #[schemars(transform = schema::told(128))]
    pub target: String,
    /// Armed, Sending, Delivered, Failed, Cancelled or Unknown.
    pub state: DeliveryState,
    /// How many times it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub attempts: Option<i64>,
    /// When the state last changed.
    pub time: Time,
    /// What happened and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(512))]
    pub message: Option<String>,
    /// How many equal entries this one stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub count: Option<i64>,
}

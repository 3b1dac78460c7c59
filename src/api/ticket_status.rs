//! What the operator says about a ticket: phase, clocks, escalation, deliveries, history.
//!
//! Written by the operator only. Some fields are the progress it needs to decide the same after a crash; they
//! say so. Every field may be absent, so that any older status still decodes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::duration::Duration;
use super::rca::RcaPhase;
use super::schema;
use super::ticket::Severity;
use super::ticket_facts::is_false;
use super::ticket_progress::{DeliveryRecord, Escalation};
use super::time::Time;

/// Where a ticket stands. Derived from the facts, never set.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[schemars(transform = schema::word)]
pub enum Phase {
    /// Nobody has answered.
    #[default]
    Submitted,
    /// Somebody has taken notice.
    Acknowledged,
    /// Severity and category are judged.
    Triaged,
    /// Somebody works on it.
    Assigned,
    /// It is solved.
    Resolved,
    /// It is solved and waits for the customer's word.
    AwaitingValidation,
    /// It is over.
    Closed,
}

/// What the operator says about a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketStatus {
    /// The `metadata.generation` this status was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub observed_generation: Option<i64>,
    /// Submitted, Acknowledged, Triaged, Assigned, Resolved, AwaitingValidation or Closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// true = closed for good: cannot be changed, no longer watched.
    #[serde(default, skip_serializing_if = "is_false")]
    pub archived: bool,
    /// The severity that counts: the spec's, else the highest the signal ever said, else the policy's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The highest severity the signal ever said. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_severity: Option<Severity>,
    /// The policy revision that applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyPin>,
    /// When it was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit_time: Option<Time>,
    /// When the valid acknowledgement was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge_time: Option<Time>,
    /// When the acknowledgement runs out and the chain starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge_expiry_time: Option<Time>,
    /// When it was triaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triage_time: Option<Time>,
    /// When it was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_time: Option<Time>,
    /// When it was resolved for the first time; kept when it is reopened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_resolve_time: Option<Time>,
    /// When it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_time: Option<Time>,
    /// When the customer accepted the resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_time: Option<Time>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_time: Option<Time>,
    /// The clocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// How far the escalation has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// What became of each page and notice: the newest per step or kind and target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::atomic)]
    pub deliveries: Vec<DeliveryRecord>,
    /// What this ticket waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// Status updates: last and next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub communication: Option<Communication>,
    /// Who was on duty in the rotas that this round called, at most 16. Progress, kept for decisions after a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::atomic)]
    pub duties: Vec<Duty>,
    /// Root cause analysis: whether required, and how far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rca: Option<RcaStatusRef>,
    /// The accepted `spec.duplicateOf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<DuplicateVerdict>,
    /// How many tickets were accepted as duplicates of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub duplicates: Option<i64>,
    /// How often it was reopened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub reopen_count: Option<i64>,
    /// Per block of the spec: what was last acted on, and when. Tells an old fact from a new one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub handled: BTreeMap<String, Handled>,
    /// Holds: since when, and how long in total. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holding: Option<Holding>,
    /// Earlier tickets like this one, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), transform = schema::atomic)]
    pub related: Vec<RelatedTicket>,
    /// What happened, newest last, at most 30 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30), transform = schema::atomic)]
    pub timeline: Vec<TimelineEntry>,
    /// How many timeline entries were dropped to make room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub timeline_dropped: Option<i64>,
    /// Observations, one per type. `Ready` = the operator accepted and handles this ticket, not: the incident is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["type"]))]
    pub conditions: Vec<Condition>,
}

/// By which rule a policy was found.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[schemars(transform = schema::word)]
pub enum PinRule {
    /// Named by the ticket, in its namespace.
    PolicyRef,
    /// Named by the ticket, in the shared-policy namespace.
    SharedPolicyRef,
    /// By the policy's selector.
    Selector,
    /// The default of the ticket's namespace.
    #[default]
    Default,
    /// The default of the shared-policy namespace.
    SharedDefault,
}

/// The policy revision a ticket is pinned to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyPin {
    /// Name of the EscalationPolicy.
    #[schemars(transform = schema::told(253))]
    pub name: String,
    /// Its namespace.
    #[schemars(transform = schema::told(63))]
    pub namespace: String,
    /// Name of the ControllerRevision that holds its content as pinned.
    #[schemars(transform = schema::told(253))]
    pub revision: String,
    /// The policy's generation that was pinned.
    #[schemars(transform = schema::count)]
    pub generation: i64,
    /// The policy's newest valid generation.
    #[schemars(transform = schema::count)]
    pub latest_generation: i64,
    /// Hash of the `spec.policyRef` that led to it. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(64))]
    pub ref_hash: Option<String>,
    /// When it was pinned. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_time: Option<Time>,
    /// true = it was moved from a fallback to a better match, which happens once. Progress, kept for decisions after
    /// a restart.
    #[serde(skip_serializing_if = "is_false")]
    pub moved: bool,
    /// By which rule it was found: PolicyRef, SharedPolicyRef, Selector, Default or SharedDefault.
    pub rule: PinRule,
}

/// The clocks of a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Targets {
    /// Until a person first answers.
    pub response: TargetClock,
    /// Until it is solved.
    pub resolution: TargetClock,
}

/// How a clock stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum TargetState {
    /// The policy defines no target.
    #[default]
    Undefined,
    /// It runs.
    Running,
    /// It stands still because of a hold.
    Paused,
    /// Done in time.
    Met,
    /// Not done in time.
    Breached,
}

/// One clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetClock {
    /// The time the policy allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Duration>,
    /// When it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_time: Option<Time>,
    /// When it was met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met_time: Option<Time>,
    /// When it was breached: the true due time, whenever it was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breach_time: Option<Time>,
    /// Undefined, Running, Paused, Met or Breached.
    pub state: TargetState,
    /// How long it stood still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_total: Option<Duration>,
    /// Of the resolution: the verdict on the first one, kept when the ticket is reopened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_state: Option<TargetState>,
    /// Why it stands so, where that needs saying: SeverityRaised (the higher level's time was over already) or
    /// UpperBound (the block that met it may be older than it can be dated).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(256))]
    pub reason: Option<String>,
}

/// What a ticket waits for, in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WaitingFor {
    /// In words.
    #[schemars(transform = schema::told(512))]
    pub what: String,
    /// Until when at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Status updates: last and next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Communication {
    /// When the last update was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
    /// When the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_update_due_time: Option<Time>,
    /// When the reminder before it is due, holds not counted; absent = given. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder_time: Option<Time>,
    /// What the interval counts from: the newest of submission, update and reopening. Progress, kept for decisions
    /// after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_time: Option<Time>,
    /// The interval that counted when the due time was set. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
}

/// Who is on duty in a rota that the escalation called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Duty {
    /// Name of the rota.
    #[schemars(transform = schema::told(63))]
    pub rota: String,
    /// Name of the contact who was called, or to whom the ticket was handed over since.
    #[schemars(transform = schema::told(63))]
    pub member: String,
    /// The moment this was last looked at.
    pub seen_time: Time,
    /// When the duty passes on; absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_time: Option<Time>,
    /// Generation of the policy that this was read from.
    #[schemars(transform = schema::count)]
    pub generation: i64,
}

/// Why and since when an RCA is required. Sticky: a lower severity does not take it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RcaRequired {
    /// Which rule of the policy asks for it.
    #[schemars(transform = schema::told(256))]
    pub reason: String,
    /// Since when.
    pub time: Time,
}

/// The RCA of a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RcaStatusRef {
    /// Set once an RCA is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<RcaRequired>,
    /// Name of the RCA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(253))]
    pub name: Option<String>,
    /// Its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<RcaPhase>,
    /// Since when it is in that phase, as it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_time: Option<Time>,
}

/// The accepted parent of a duplicate. Judged once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DuplicateVerdict {
    /// Name of the parent.
    #[schemars(transform = schema::told(253))]
    pub name: String,
    /// Its uid.
    #[schemars(transform = schema::told(64))]
    pub uid: String,
    /// Name of the ticket at the end of the chain of duplicates.
    #[schemars(transform = schema::told(253))]
    pub root: String,
}

/// What was last acted on in one block of the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Handled {
    /// Hash of the block.
    #[schemars(transform = schema::told(64))]
    pub hash: String,
    /// When it was acted on.
    pub time: Time,
    /// true = the block no longer counts until it changes.
    #[serde(skip_serializing_if = "is_false")]
    pub void: bool,
}

/// How long a ticket has been held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Holding {
    /// Since when it is held now; absent = not held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_time: Option<Time>,
    /// How long it was held before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_total: Option<Duration>,
    /// When it was last released, or reopened. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_time: Option<Time>,
    /// Since when the response clock stands still too: maintenance. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_since_time: Option<Time>,
    /// When the response clock last went on, or the ticket was reopened. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_release_time: Option<Time>,
    /// The holds that are there and what else holds the ticket, and when each was first seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), transform = schema::atomic)]
    pub seen: Vec<HoldSeen>,
}

/// A hold as it was first seen. A suspension of the policy is named `policy/suspend`, its maintenance
/// `policy/maintenance`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HoldSeen {
    /// Name of the hold.
    #[schemars(transform = schema::told(63))]
    pub name: String,
    /// Hash of its content.
    #[schemars(transform = schema::told(64))]
    pub hash: String,
    /// When it was first seen; its limits count from there as long as its name is there.
    pub first_seen_time: Time,
    /// Until when it holds the ticket, unless it is lifted before; absent = it does not. Progress, kept for decisions
    /// after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_time: Option<Time>,
    /// true = it pauses the response clock too. Progress, kept for decisions after a restart.
    #[serde(skip_serializing_if = "is_false")]
    pub maintenance: bool,
}

/// An earlier ticket like this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RelatedTicket {
    /// Name of the ticket.
    #[schemars(transform = schema::told(253))]
    pub ticket: String,
    /// Name of its RCA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(253))]
    pub rca: Option<String>,
    /// Where its runbook stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(2048))]
    pub runbook: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TimelineEntry {
    /// When.
    pub time: Time,
    /// What, one CamelCase word.
    #[serde(rename = "type")]
    #[schemars(transform = schema::told(63))]
    pub kind: String,
    /// By whom; absent = by the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(256))]
    pub actor: Option<String>,
    /// In words, at most 120 bytes.
    #[schemars(transform = schema::told(512))]
    pub message: String,
    /// How many equal entries this one stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub count: Option<i64>,
}

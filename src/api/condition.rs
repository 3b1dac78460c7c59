//! Conditions as all Kubernetes tools read them, and the closed lists of their types and reasons.
//!
//! Types and reasons are constants, so that code, tests and documentation cannot drift apart by a letter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use super::time::Time;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can say.
    #[default]
    Unknown,
}

/// One observation about an object. `Ready` means "the operator accepted and handles this object".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed, CamelCase, such as `Ready`. One entry per type.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// One CamelCase word for why it is so.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What happened and what to do, for people.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When `status` last changed.
    #[serde(default)]
    pub last_transition_time: Time,
    /// The `metadata.generation` this was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub observed_generation: Option<i64>,
}

/// Types of conditions.
pub mod condition_type {
    /// All kinds: the operator accepted and handles the object.
    pub const READY: &str = "Ready";
    /// Policy and RCA: an error that only an edit can mend.
    pub const STALLED: &str = "Stalled";
    /// Ticket: a valid acknowledgement holds.
    pub const ACKNOWLEDGED: &str = "Acknowledged";
    /// Ticket: a policy applies.
    pub const POLICY_RESOLVED: &str = "PolicyResolved";
    /// Ticket: a closure waits; the message names all that is missing.
    pub const CLOSURE_BLOCKED: &str = "ClosureBlocked";
    /// Ticket: its category is within the policy's scope.
    pub const IN_SCOPE: &str = "InScope";
    /// Ticket: the next status update is overdue.
    pub const UPDATE_OVERDUE: &str = "UpdateOverdue";
    /// Ticket: the last page or notice reached its receiver.
    pub const DELIVERED: &str = "Delivered";
    /// Ticket: resolved by a person while its source still fires.
    pub const SOURCE_STILL_FIRING: &str = "SourceStillFiring";
    /// Ticket: `duplicateOf` was not accepted.
    pub const DUPLICATE_INVALID: &str = "DuplicateInvalid";
    /// Ticket: another open ticket has the same deduplication key.
    pub const POSSIBLE_DUPLICATE: &str = "PossibleDuplicate";
    /// Ticket: a hold, a suspension of its policy or maintenance holds it.
    pub const HELD: &str = "Held";
    /// Ticket: a hold is ignored.
    pub const HOLD_INVALID: &str = "HoldInvalid";
    /// Ticket: the pinned revision is gone.
    pub const PIN_LOST: &str = "PinLost";
    /// Ticket: what became of `spec.escalation`.
    pub const ESCALATION_REQUESTED: &str = "EscalationRequested";
    /// Ticket: nobody answered in time. It stays: what was missed is never taken back.
    pub const RESPONSE_BREACHED: &str = "ResponseBreached";
    /// Ticket: it was not resolved in time. It stays: what was missed is never taken back.
    pub const RESOLUTION_BREACHED: &str = "ResolutionBreached";
    /// Ticket: the audit found something due that the operator had not done.
    pub const NEGLECTED: &str = "Neglected";
    /// Policy: more than one default in the namespace.
    pub const DEFAULT_CONFLICT: &str = "DefaultConflict";
    /// Policy: all its tickets are held.
    pub const SUSPENDED: &str = "Suspended";
    /// Policy and RCA: its document stands whole in a ConfigMap.
    pub const DOCUMENT_KEPT: &str = "DocumentKept";
    /// RCA: nothing is missing.
    pub const COMPLETE: &str = "Complete";
    /// RCA: not approved by its due time.
    pub const OVERDUE: &str = "Overdue";
    /// RCA: a corrective action is past its due time.
    pub const ACTIONS_OVERDUE: &str = "ActionsOverdue";
    /// RCA: the tickets it names exist.
    pub const TICKETS_FOUND: &str = "TicketsFound";
}

/// Reasons of conditions, events and timeline entries.
pub mod reason {
    /// The object is accepted and handled.
    pub const ACCEPTED: &str = "Accepted";
    /// The spec has an error; the message says what must be changed.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Withdrawn by a person.
    pub const REVOKED: &str = "Revoked";
    /// Ran out.
    pub const EXPIRED: &str = "Expired";
    /// A raised severity moved a target into the past.
    pub const SEVERITY_RAISED: &str = "SeverityRaised";
    /// The customer did not answer in time.
    pub const NO_RESPONSE: &str = "NoResponse";
    /// It repeats another ticket.
    pub const DUPLICATE: &str = "Duplicate";
    /// No policy applies.
    pub const NO_POLICY: &str = "NoPolicy";
    /// The policy that is named does not exist or never was valid.
    pub const POLICY_NOT_FOUND: &str = "PolicyNotFound";
}

//! The blocks that people add to a ticket during its life. Each says who (`by`) and may say why (`note`).
//!
//! A block is present or absent: its presence is the fact. Rules: `api.md` section 1, rules 1 to 3.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use super::ticket::Audience;
use super::time::Time;

/// The way an acknowledgement came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum Via {
    /// By kubectl or its plugin.
    Kubectl,
    /// By the link in a page.
    Link,
    /// By PagerDuty.
    PagerDuty,
    /// By anything else.
    Other,
}

/// Somebody has taken notice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// User name of whoever acknowledged.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
    /// Any text of at most 64 characters. A fresh one makes an otherwise equal block new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub token: Option<String>,
    /// true = taken back by whoever is in `by`; counts as absent. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
    /// The way it came in: Kubectl, Link, PagerDuty or Other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
}

/// Somebody has judged severity and category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Triage {
    /// User name of whoever triaged.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// Why it was judged so, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
}

/// Who works on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// User name of whoever works on it; update reminders go to the contact with this `user`.
    #[schemars(transform = schema::user)]
    pub assignee: String,
    /// User name of whoever assigned it.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
}

/// Why a ticket waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum HoldReason {
    /// For the customer's answer.
    AwaitingCustomer,
    /// For a vendor.
    AwaitingVendor,
    /// For a change to be made.
    AwaitingChange,
    /// During maintenance; pauses the response clock too.
    Maintenance,
    /// For anything else.
    #[default]
    Other,
}

/// A reason why a ticket waits. Lifted by removing it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Tells this hold apart from others of the ticket.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// AwaitingCustomer, AwaitingVendor, AwaitingChange, Maintenance or Other.
    pub reason: HoldReason,
    /// When it ends by itself. May be absent for AwaitingCustomer and AwaitingVendor only, then 7 days at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_time: Option<Time>,
    /// User name of whoever set it.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
}

/// A person asks for more. It pages whatever the acknowledgement, once for each new value or token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscalationRequest {
    /// Name of the step to go to at once; later steps go on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub at_least: Option<String>,
    /// Any text of at most 64 characters; each new one pages the current step once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub page_again: Option<String>,
    /// User name of whoever asks.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// Why, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
    /// Any text of at most 64 characters. A fresh one makes an otherwise equal block new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub token: Option<String>,
}

/// A status update for those who wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// What to tell, 1 to 2048 characters.
    #[schemars(length(min = 1, max = 2048))]
    pub message: String,
    /// Internal or Customers. Default Internal.
    #[serde(default)]
    pub audience: Audience,
    /// User name of whoever tells it.
    #[schemars(transform = schema::user)]
    pub by: String,
}

/// It is solved, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// User name of whoever resolved it.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
    /// Any text of at most 64 characters. A fresh one makes an otherwise equal block new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub token: Option<String>,
    /// true = taken back by whoever is in `by`; counts as absent and reopens the ticket. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
    /// Who was affected and how, for the resolution summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub impact: Option<String>,
    /// What caused it, for the resolution summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub cause: Option<String>,
    /// What was done, for the resolution summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub fix: Option<String>,
    /// What keeps it from happening again, for the resolution summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub prevention: Option<String>,
    /// true = service is back by a workaround, the cause is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workaround: Option<bool>,
}

/// The customer's word on a resolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ValidationResult {
    /// It is solved.
    #[default]
    Accepted,
    /// It is not solved; the ticket reopens.
    Rejected,
}

/// The customer's word on the resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Accepted or Rejected. Rejected reopens the ticket.
    pub result: ValidationResult,
    /// User name of whoever says so.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
    /// Any text of at most 64 characters. A fresh one makes an otherwise equal block new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub token: Option<String>,
}

/// Why a ticket is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ClosureReason {
    /// Resolved, and validated where the policy asks for it.
    #[default]
    Completed,
    /// The policy does not cover it.
    OutOfScope,
    /// No longer wanted.
    Cancelled,
    /// The customer did not answer.
    NoResponse,
}

/// It is to be closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Closure {
    /// User name of whoever closes it.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// Completed, OutOfScope, Cancelled or NoResponse. Completed needs a resolution.
    pub reason: ClosureReason,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
    /// Any text of at most 64 characters. A fresh one makes an otherwise equal block new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub token: Option<String>,
    /// true = taken back by whoever is in `by`; counts as absent. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
}

/// The ticket that this one repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateRef {
    /// Name of an open ticket of the same namespace.
    #[schemars(transform = schema::object_name)]
    pub name: String,
}

/// For `skip_serializing_if`: a flag that is off is not written.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

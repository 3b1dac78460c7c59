//! RCA: the root cause analysis of one or several tickets, and its corrective actions. It outlives its tickets.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::policy_status::DocumentRef;
use super::schema;
use super::ticket::{Audience, KnowledgeItem};
use super::ticket_progress::DeliveryState;
use super::time::Time;

/// What people write in a root cause analysis.
#[expect(clippy::duplicated_attributes, reason = "columns of a table are alike")]
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "firebell.dev",
    version = "v1alpha1",
    kind = "RCA",
    root = "Rca",
    plural = "rcas",
    singular = "rca",
    namespaced,
    status = "RcaStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A root cause analysis: what happened, why, and what is done about it. The operator creates one where a policy requires it, tells what is missing and tracks the corrective actions.",
    category = "firebell",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.owner"),
    printcolumn(name = "Due", type_ = "string", json_path = ".spec.dueTime"),
    printcolumn(
        name = "Actions",
        type_ = "integer",
        json_path = ".status.actions.total"
    ),
    printcolumn(name = "Open", type_ = "integer", json_path = ".status.actions.open"),
    printcolumn(
        name = "Overdue",
        type_ = "integer",
        json_path = ".status.actions.overdue"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Ticket",
        type_ = "string",
        json_path = ".spec.ticketRefs[0].name",
        priority = 1
    ),
    printcolumn(
        name = "Summary",
        type_ = "string",
        json_path = ".spec.summary",
        priority = 1
    ),
    selectable = ".spec.owner",
    selectable = ".status.phase"
)]
#[serde(rename_all = "camelCase")]
pub struct RcaSpec {
    /// The tickets it is about, at most 32. It stays when they are deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["name"]))]
    pub ticket_refs: Vec<TicketRef>,
    /// User name of whoever writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub owner: Option<String>,
    /// User names of those who review it, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::users)]
    pub reviewers: Vec<String>,
    /// When it must be approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_time: Option<Time>,
    /// What happened, in a few sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub summary: Option<String>,
    /// Who was affected, when and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<RcaImpact>,
    /// How it was noticed, and how it could have been sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub detection: Option<String>,
    /// What set it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub trigger: Option<String>,
    /// Why it could happen, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["id"]))]
    pub root_causes: Vec<RootCause>,
    /// What made it more likely or worse, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::paragraphs)]
    pub contributing_factors: Vec<String>,
    /// What went well, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::paragraphs)]
    pub went_well: Vec<String>,
    /// What went wrong, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::paragraphs)]
    pub went_wrong: Vec<String>,
    /// Where it was luck, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::paragraphs)]
    pub got_lucky: Vec<String>,
    /// What happened when, at most 128 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), transform = schema::atomic)]
    pub timeline: Vec<RcaTimelineEntry>,
    /// What is done about it, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::list_map(&["id"]))]
    pub corrective_actions: Vec<CorrectiveAction>,
    /// What must be written down for the next time, at most 16, told apart by kind and title.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["kind", "title"]))]
    pub knowledge: Vec<KnowledgeItem>,
    /// A reviewer has approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// It is not needed, and why. Ends the requirement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
    /// Internal or Customers: who may read it. Default Internal.
    #[serde(default)]
    pub publication: Audience,
}

/// Names a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketRef {
    /// Name of a ticket of the same namespace.
    #[schemars(transform = schema::object_name)]
    pub name: String,
    /// Its uid; tells a later ticket of the same name apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
}

/// Who was affected, when and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RcaImpact {
    /// Who was affected, such as `2 % of card payments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub users: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// What they noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub detail: Option<String>,
}

/// How a root cause was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum RootCauseMethod {
    /// Asking why five times.
    FiveWhys,
    /// A cause-and-effect diagram.
    Fishbone,
    /// Any other.
    #[default]
    Other,
}

/// Why it could happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootCause {
    /// Name by which corrective actions refer to it.
    #[schemars(transform = schema::name)]
    pub id: String,
    /// The cause, in a sentence or two.
    #[schemars(transform = schema::reason)]
    pub statement: String,
    /// FiveWhys, Fishbone or Other: how it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<RootCauseMethod>,
    /// The answers on the way to it, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), transform = schema::paragraphs)]
    pub whys: Vec<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RcaTimelineEntry {
    /// When.
    pub time: Time,
    /// What.
    #[schemars(transform = schema::reason)]
    pub text: String,
}

/// What a corrective action aims at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ActionType {
    /// That it cannot happen again.
    #[default]
    Prevent,
    /// That it is noticed sooner.
    Detect,
    /// That it does less harm.
    Mitigate,
    /// That people work together better.
    Process,
    /// That it is written down.
    Document,
}

/// How far a corrective action has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ActionState {
    /// Not begun.
    #[default]
    Open,
    /// Begun.
    InProgress,
    /// Done.
    Done,
    /// Done, and shown to work.
    Verified,
    /// Not done; the reason says why.
    Cancelled,
}

/// Something that is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule_at(
    ".reason",
    "self.state != 'Cancelled' || (has(self.reason) && self.reason != '')",
    "must be given when `state` is Cancelled",
))]
pub struct CorrectiveAction {
    /// Tells this action apart from others.
    #[schemars(transform = schema::name)]
    pub id: String,
    /// One line that says what is done.
    #[schemars(transform = schema::title)]
    pub title: String,
    /// Prevent, Detect, Mitigate, Process or Document.
    #[serde(rename = "type")]
    pub type_: ActionType,
    /// User name of whoever does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub owner: Option<String>,
    /// When it must be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_time: Option<Time>,
    /// Number or link in another system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub external_ref: Option<String>,
    /// Open, InProgress, Done, Verified or Cancelled. Default Open.
    #[serde(default)]
    pub state: ActionState,
    /// Why it was cancelled; required then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub reason: Option<String>,
    /// Id of the root cause it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub root_cause: Option<String>,
}

/// A reviewer has approved it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// User name of whoever approved.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// What to know about it, at most 1024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub note: Option<String>,
}

/// It is not needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    /// User name of whoever waives it.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// Why it is not needed.
    #[schemars(transform = schema::reason)]
    pub reason: String,
}

/// Where an RCA stands. Derived, never set.
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
pub enum RcaPhase {
    /// Something is missing.
    #[default]
    Draft,
    /// Nothing is missing; a reviewer must approve.
    InReview,
    /// Approved, and it has no corrective actions to wait for.
    Approved,
    /// Approved; corrective actions are open.
    ActionsPending,
    /// Approved; every corrective action is done.
    Completed,
    /// Not needed.
    Waived,
}

/// What the operator says about an RCA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RcaStatus {
    /// The `metadata.generation` this status was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::count)]
    pub observed_generation: Option<i64>,
    /// Draft, InReview, Approved, ActionsPending, Completed or Waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<RcaPhase>,
    /// What must still be written, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::told_list)]
    pub missing: Vec<String>,
    /// The corrective actions in numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<ActionCounts>,
    /// The policy whose rules and people count, as the first of its tickets was last pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<RcaPolicyPin>,
    /// Where the RCA stands as a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRef>,
    /// What owners were reminded of and is still overdue, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::atomic)]
    pub reminders: Vec<Reminder>,
    /// Observations, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["type"]))]
    pub conditions: Vec<Condition>,
}

/// The policy of an RCA. It stays when the tickets are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RcaPolicyPin {
    /// Its name.
    #[schemars(transform = schema::told(253))]
    pub name: String,
    /// Its namespace.
    #[schemars(transform = schema::told(63))]
    pub namespace: String,
    /// Name of the stored revision that says what the RCA must have.
    #[schemars(transform = schema::told(253))]
    pub revision: String,
}

/// What an owner is reminded of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ReminderKind {
    /// The RCA was not approved by its due time.
    #[default]
    RcaOverdue,
    /// A corrective action was not done by its due time.
    ActionOverdue,
}

/// A reminder. It is written here before it leaves, so that no crash loses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Reminder {
    /// RcaOverdue or ActionOverdue.
    pub kind: ReminderKind,
    /// Id of the corrective action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(63))]
    pub action: Option<String>,
    /// Who is told: `contact/NAME` or `connector/NAME`. Absent = nobody could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(80))]
    pub target: Option<String>,
    /// The due time that passed.
    pub due_time: Time,
    /// Armed, Sending, Delivered, Failed, Cancelled or Unknown.
    pub state: DeliveryState,
    /// When it was delivered or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::told(120))]
    pub message: Option<String>,
}

/// Corrective actions in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionCounts {
    /// All but cancelled ones.
    #[schemars(transform = schema::count)]
    pub total: i64,
    /// Those not done yet.
    #[schemars(transform = schema::count)]
    pub open: i64,
    /// Those past their due time.
    #[schemars(transform = schema::count)]
    pub overdue: i64,
    /// When the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due_time: Option<Time>,
}

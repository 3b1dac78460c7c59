//! Ticket: what people and tools say about one incident or request. Facts in `spec`, never commands.
//!
//! The blocks that people add during its life stand in `ticket_facts`; what the operator makes of them in `ticket_status`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use super::ticket_facts::{
    Acknowledgement, Assignment, Closure, DuplicateRef, EscalationRequest, Hold, Resolution,
    Triage, Update, Validation,
};
use super::ticket_status::TicketStatus;
use super::time::Time;

/// How bad it is. `Critical` is the greatest.
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
pub enum Severity {
    /// The least.
    Low,
    /// Between High and Low.
    Medium,
    /// What an untriaged ticket gets unless its policy says otherwise.
    #[default]
    High,
    /// The greatest.
    Critical,
}

/// Who may see a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum Audience {
    /// The team and its organisation.
    #[default]
    Internal,
    /// Customers too.
    Customers,
}

/// What people and tools declare about a ticket. The operator writes none of it.
#[expect(clippy::duplicated_attributes, reason = "columns of a table are alike")]
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "firebell.dev",
    version = "v1alpha1",
    kind = "Ticket",
    namespaced,
    status = "TicketStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One incident, request or question, from submission to closure. People and tools declare facts in `spec`; the operator pages, keeps the clocks and tells in `status` what it made of them.",
    shortname = "tkt",
    category = "firebell",
    printcolumn(name = "Severity", type_ = "string", json_path = ".status.severity"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Escalation",
        type_ = "string",
        json_path = ".status.escalation.state"
    ),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.escalation.step"),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.escalation.nextTime"
    ),
    printcolumn(
        name = "Assignee",
        type_ = "string",
        json_path = ".spec.assignment.assignee"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Title",
        type_ = "string",
        json_path = ".spec.title",
        priority = 1
    ),
    printcolumn(
        name = "Policy",
        type_ = "string",
        json_path = ".status.policy.name",
        priority = 1
    ),
    printcolumn(
        name = "Response-Due",
        type_ = "string",
        json_path = ".status.targets.response.dueTime",
        priority = 1
    ),
    selectable = ".status.severity",
    selectable = ".spec.service",
    selectable = ".spec.assignment.assignee",
    selectable = ".status.phase",
    selectable = ".status.archived",
    selectable = ".status.policy.name"
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule_at(
    ".source",
    "!has(oldSelf.source) || (has(self.source) && self.source == oldSelf.source)",
    "must be left as it is once set",
))]
pub struct TicketSpec {
    /// One line that says what is wrong, 1 to 200 characters. It stands in every page.
    #[schemars(transform = schema::title)]
    pub title: String,
    /// What is known, as plain text or Markdown; at most 8192 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// The service that is affected, a DNS label such as `checkout`. Policies select tickets by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::dns_label)]
    pub service: Option<String>,
    /// What kind of work this is, such as `Incident`. Checked against the policy's `scope`; policies select by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub category: Option<String>,
    /// Critical, High, Medium or Low. Absent = not triaged yet: the signal's severity counts, else the policy's
    /// `defaultSeverity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Who reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporter: Option<Reporter>,
    /// Where it came from. Cannot be changed once set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Objects that are affected, at most 16. Shown only: the operator never reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::atomic)]
    pub affected: Vec<AffectedObject>,
    /// The policy that applies. Absent = found by the policies' selectors. A changed block pins the ticket anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_ref: Option<PolicyRef>,
    /// Somebody has taken notice and looks after it. Its presence stops the steps that wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// Somebody has judged severity and category; those fields hold the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triage: Option<Triage>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
    /// Reasons why it waits, at most 8, told apart by name. While one is valid, clocks and escalation stand still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), transform = schema::list_map(&["name"]))]
    pub holds: Vec<Hold>,
    /// A person asks for a higher step or another page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<EscalationRequest>,
    /// The newest status update. Changing it posts a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// It is solved. Its presence resolves the ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// The customer's word on the resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// It is to be closed. Counts once every gate of the policy is passed; until then `status.conditions` names
    /// what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closure: Option<Closure>,
    /// The ticket of the same namespace that this one repeats. Accepted, it closes this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<DuplicateRef>,
    /// What must be written down for the next time, at most 16, told apart by kind and title.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["kind", "title"]))]
    pub knowledge: Vec<KnowledgeItem>,
    /// What the alerting source says now. Written by the alert intake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
}

/// Who reported a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reporter {
    /// Name of the person or tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub name: Option<String>,
    /// How the reporter is reached: the name of a contact of the policy. Steps and notices to the reporter use it;
    /// anything else is shown only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub contact: Option<String>,
    /// The customer the reporter speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub customer: Option<String>,
}

/// Where a ticket came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// One of the policy's channels, or `Manual`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub channel: Option<String>,
    /// The number or link the source knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub external_ref: Option<String>,
    /// Alerts with the same key are the same incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub dedup_key: Option<String>,
    /// When it began, as the source says. Shown only; no clock starts from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
}

/// A Kubernetes object that is affected. Data only, never read with the operator's rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AffectedObject {
    /// Group and version, such as `apps/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub api_version: Option<String>,
    /// Kind, such as `Deployment`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Namespace; absent for kinds that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::dns_label)]
    pub namespace: Option<String>,
    /// Name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Names a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// Name of an EscalationPolicy in the ticket's namespace, else in the operator's shared-policy namespace.
    #[schemars(transform = schema::object_name)]
    pub name: String,
    /// Any text of at most 64 characters. A fresh one pins the ticket to the policy's newest revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::token)]
    pub token: Option<String>,
}

/// Where knowledge is kept.
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
pub enum KnowledgeKind {
    /// An article.
    #[default]
    KnowledgeBase,
    /// Instructions for responders.
    Runbook,
    /// An entry of a service's list of common issues.
    CommonIssue,
}

/// How far a piece of knowledge has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum KnowledgeState {
    /// Yet to be written.
    #[default]
    Todo,
    /// Written.
    Done,
    /// Nothing to write; the reason says why.
    NotNeeded,
}

/// Something to write down for the next time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule_at(
    ".reason",
    "self.state != 'NotNeeded' || (has(self.reason) && self.reason != '')",
    "must be given when `state` is NotNeeded",
))]
pub struct KnowledgeItem {
    /// KnowledgeBase, Runbook or CommonIssue.
    pub kind: KnowledgeKind,
    /// One line that says what it is about.
    #[schemars(transform = schema::title)]
    pub title: String,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::url)]
    pub url: Option<String>,
    /// Todo, Done or NotNeeded. Default Todo.
    #[serde(default)]
    pub state: KnowledgeState,
    /// Who writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub owner: Option<String>,
    /// Why it is not needed; required for NotNeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub reason: Option<String>,
}

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum SignalState {
    /// The alert fires.
    #[default]
    Firing,
    /// The alert is over.
    Resolved,
}

/// What the alerting source says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// Firing or Resolved.
    pub state: SignalState,
    /// How bad the source says it is. Counts until a person sets `spec.severity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When the source said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

//! What must follow besides paging: communication, root cause analysis, knowledge, retention, open items.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::policy_rules::NotifyTarget;
use super::schema;
use super::ticket::{KnowledgeKind, Severity};
use super::ticket_facts::is_false;

/// What can be told in a notice.
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
pub enum NotifyOn {
    /// A ticket is submitted.
    #[default]
    Opened,
    /// Somebody has taken notice.
    Acknowledged,
    /// The severity that counts has changed.
    SeverityChanged,
    /// A later step fired.
    Escalated,
    /// A hold is set or lifted.
    Held,
    /// A status update was given.
    Update,
    /// It is solved.
    Resolved,
    /// The customer is asked for a word.
    ValidationRequested,
    /// It is open again.
    Reopened,
    /// It is over.
    Closed,
}

/// A part of the resolution summary.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::word)]
pub enum SummaryPart {
    /// Who was affected and how.
    Impact,
    /// What caused it.
    Cause,
    /// What was done.
    Fix,
    /// What keeps it from happening again.
    Prevention,
}

/// Whether targets are promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum Commitment {
    /// Targets only; no text says "guarantee" or "SLA".
    #[default]
    Unconfirmed,
    /// Agreed with the customer.
    Confirmed,
}

/// What is told to whom besides the pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommunicationPolicy {
    /// Opened, Acknowledged, SeverityChanged, Escalated, Held, Update, Resolved, ValidationRequested, Reopened,
    /// Closed: what is told. Absent = nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), transform = schema::set)]
    pub notify_on: Vec<NotifyOn>,
    /// Who is told, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::atomic)]
    pub notify: Vec<NotifyTarget>,
    /// Who is reminded of a due status update when the ticket has no assignee who can be reached, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::atomic)]
    pub overdue_notify: Vec<NotifyTarget>,
    /// Parts of the resolution summary in their order. Default impact, cause, fix, prevention.
    #[serde(default = "whole_summary")]
    #[schemars(length(max = 4), transform = schema::set)]
    pub resolution_summary: Vec<SummaryPart>,
    /// Unconfirmed or Confirmed: whether texts may say more than "target". Default Unconfirmed.
    #[serde(default)]
    pub commitment: Commitment,
}

fn whole_summary() -> Vec<SummaryPart> {
    vec![
        SummaryPart::Impact,
        SummaryPart::Cause,
        SummaryPart::Fix,
        SummaryPart::Prevention,
    ]
}

impl Default for CommunicationPolicy {
    fn default() -> Self {
        Self {
            notify_on: Vec::new(),
            notify: Vec::new(),
            overdue_notify: Vec::new(),
            resolution_summary: whole_summary(),
            commitment: Commitment::Unconfirmed,
        }
    }
}

/// A section of an RCA: the name of a field of its spec.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::word)]
pub enum RcaSection {
    /// `spec.summary`.
    Summary,
    /// `spec.impact`.
    Impact,
    /// `spec.detection`.
    Detection,
    /// `spec.trigger`.
    Trigger,
    /// `spec.rootCauses`.
    RootCauses,
    /// `spec.contributingFactors`.
    ContributingFactors,
    /// `spec.wentWell`.
    WentWell,
    /// `spec.wentWrong`.
    WentWrong,
    /// `spec.gotLucky`.
    GotLucky,
    /// `spec.timeline`.
    Timeline,
    /// `spec.correctiveActions`.
    CorrectiveActions,
    /// `spec.knowledge`.
    Knowledge,
}

/// When a root cause analysis is required, and what it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RcaPolicy {
    /// Severities whose tickets need one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), transform = schema::set)]
    pub severities: Vec<Severity>,
    /// Tickets that took longer than this to resolve need one. Absent = whatever they took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration)]
    pub resolution_longer_than: Option<Duration>,
    /// true = tickets that missed a target need one. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub on_breach: bool,
    /// Tickets that were reopened this often need one, 1 to 100. Absent = however often.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::between(1, 100))]
    pub reopened_times: Option<i64>,
    /// Time from the moment it is required to its due time. Default 120h.
    #[serde(default = "five_days")]
    #[schemars(transform = schema::duration_at_least_1s)]
    pub due_within: Duration,
    /// Sections that must be filled: summary, impact, detection, trigger, rootCauses, contributingFactors,
    /// wentWell, wentWrong, gotLucky, timeline, correctiveActions, knowledge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12), transform = schema::set)]
    pub sections: Vec<RcaSection>,
    /// true = a ticket that needs one is not closed before it is approved or waived. Default true.
    #[serde(default = "yes")]
    pub gates_closure: bool,
    /// Owner of a new RCA, a user name. Absent = the ticket's assignee.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub owner: Option<String>,
}

fn five_days() -> Duration {
    Duration::from_millis(120 * 3_600_000)
}

fn yes() -> bool {
    true
}

impl Default for RcaPolicy {
    fn default() -> Self {
        Self {
            severities: Vec::new(),
            resolution_longer_than: None,
            on_breach: false,
            reopened_times: None,
            due_within: five_days(),
            sections: Vec::new(),
            gates_closure: true,
            owner: None,
        }
    }
}

/// What must be written down for the next time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnowledgePolicy {
    /// Severities whose tickets need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), transform = schema::set)]
    pub severities: Vec<Severity>,
    /// What is needed: KnowledgeBase, Runbook, CommonIssue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), transform = schema::set)]
    pub kinds: Vec<KnowledgeKind>,
    /// true = a ticket that needs it is not closed before it is Done or NotNeeded. Default true.
    #[serde(default = "yes")]
    pub gates_closure: bool,
    /// What is known already, per service; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::atomic)]
    pub common_issues: Vec<CommonIssue>,
}

impl Default for KnowledgePolicy {
    fn default() -> Self {
        Self {
            severities: Vec::new(),
            kinds: Vec::new(),
            gates_closure: true,
            common_issues: Vec::new(),
        }
    }
}

/// An issue that is known already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonIssue {
    /// The service it belongs to. Absent = any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::dns_label)]
    pub service: Option<String>,
    /// One line that says what it is.
    #[schemars(transform = schema::title)]
    pub title: String,
    /// Where to read about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::url)]
    pub url: Option<String>,
}

/// How long closed tickets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Archived tickets older than this are deleted, such as `2160h`; at least 24h. Absent = kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration_between("24h", "8760h"))]
    pub closed_tickets: Option<Duration>,
}

/// Something that people know is not settled yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredItem {
    /// What is open.
    #[schemars(transform = schema::reason)]
    pub message: String,
    /// Who settles it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub owner: Option<String>,
}

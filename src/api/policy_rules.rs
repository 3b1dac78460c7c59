//! How tickets escalate: a row per severity, the steps of the chain, its rounds and its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::schema;
use super::ticket::Severity;
use super::ticket_facts::is_false;

/// Whether a severity pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum Paging {
    /// The chain runs.
    #[default]
    Page,
    /// Tickets are recorded and nobody is paged.
    RecordOnly,
}

/// Targets and rules of one severity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeverityRow {
    /// Critical, High, Medium or Low.
    pub level: Severity,
    /// What counts as this severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub description: Option<String>,
    /// An example.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub example: Option<String>,
    /// Time to the first answer of a person, such as `15m`. Absent = not formally defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration_at_least_1s)]
    pub response_target: Option<Duration>,
    /// Time to the resolution, such as `4h`. Absent = not formally defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration_at_least_1s)]
    pub resolution_target: Option<Duration>,
    /// Name of the calendar in which the clocks of this level run. Absent = always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub calendar: Option<String>,
    /// A ticket that is acknowledged and not resolved after this time calls again. Absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration_at_least_1s)]
    pub acknowledgement_timeout: Option<Duration>,
    /// How often a status update is due. Absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration_at_least_1s)]
    pub update_interval: Option<Duration>,
    /// Wait before the first step, so that a short disturbance pages nobody. Default 0s.
    #[serde(default)]
    #[schemars(transform = schema::duration)]
    pub initial_delay: Duration,
    /// Page or RecordOnly. Default Page.
    #[serde(default)]
    pub paging: Paging,
    /// Whether the customer must accept the resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationPolicy>,
    /// A resolved ticket closes by itself after this time, once every gate is passed. Absent = people close it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration)]
    pub close_after: Option<Duration>,
}

/// Whether the customer must accept the resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationPolicy {
    /// true = a resolved ticket waits for the customer's word. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Without an answer for this long after the resolution it closes by itself. Absent = it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::duration)]
    pub close_after: Option<Duration>,
}

/// Who stands on a step, for the document and its checks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = schema::word)]
pub enum Tier {
    /// First line.
    Support,
    /// Engineering.
    Engineering,
    /// Management.
    Management,
    /// A vendor.
    Vendor,
}

/// What must hold for a step to notify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum StepCondition {
    /// Nobody has acknowledged.
    #[default]
    NotAcknowledged,
    /// It is not resolved, acknowledged or not.
    NotResolved,
}

/// A step of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name of the step, such as `on-call`. Running tickets are matched by it when the policy changes.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Support, Engineering, Management or Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Time after the step before, or for the first step after the start of the round. Default 0s.
    #[serde(default)]
    #[schemars(transform = schema::duration)]
    pub after: Duration,
    /// NotAcknowledged or NotResolved. Checked when the step is due and before each repeat. Default NotAcknowledged.
    #[serde(default)]
    pub condition: StepCondition,
    /// Name of the calendar in which it notifies; outside, it waits until that opens. Absent = any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub calendar: Option<String>,
    /// Severities it is for. Absent = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), transform = schema::set)]
    pub severities: Vec<Severity>,
    /// Who is notified, at most 16 once groups are expanded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::atomic)]
    pub notify: Vec<NotifyTarget>,
    /// Further notifications while the condition holds. Absent = one notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<StepRepeat>,
    /// What is expected of those who are notified, such as `Joins within 30 minutes`. It stands in the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub expectation: Option<String>,
}

/// Somebody to notify: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule(
    "[has(self.contact), has(self.group), has(self.rota), has(self.connector), has(self.reporter)].filter(x, x).size() == 1",
    "must have exactly one of `contact`, `group`, `rota`, `connector`, `reporter`",
))]
pub struct NotifyTarget {
    /// Name of a contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub contact: Option<String>,
    /// Name of a group: all its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub group: Option<String>,
    /// Name of a rota: whoever is on duty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub rota: Option<String>,
    /// Name of a connector that is told directly, such as a team's room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub connector: Option<String>,
    /// true = whoever reported the ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::rule("self", "must be true or left out"))]
    pub reporter: Option<bool>,
}

/// Repeats of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRepeat {
    /// Time between notifications, at least 1s.
    #[schemars(transform = schema::duration_at_least_1s)]
    pub every: Duration,
    /// Further notifications after the first, 1 to 100.
    #[schemars(transform = schema::between(1, 100))]
    pub times: i32,
}

/// Further rounds of the whole chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainRepeat {
    /// Further rounds after the first, 1 to 100.
    #[schemars(transform = schema::between(1, 100))]
    pub times: i32,
    /// Time from the last notification of a round to the next round, at least 1s.
    #[schemars(transform = schema::duration_at_least_1s)]
    pub interval: Duration,
}

/// What happens when every round is through and nobody answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnExhausted {
    /// Time after the last notification of the last round. Default 5m.
    #[serde(default = "five_minutes")]
    #[schemars(transform = schema::duration)]
    pub after: Duration,
    /// Who is notified, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::atomic)]
    pub notify: Vec<NotifyTarget>,
}

impl Default for OnExhausted {
    fn default() -> Self {
        Self {
            after: five_minutes(),
            notify: Vec::new(),
        }
    }
}

fn five_minutes() -> Duration {
    Duration::from_millis(300_000)
}

/// What the end of an alert does to its ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum OnResolved {
    /// It resolves the ticket.
    #[default]
    Resolve,
    /// Nothing.
    Ignore,
}

/// What the end of an alert means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalPolicy {
    /// Resolve or Ignore. Default Resolve.
    #[serde(default)]
    pub on_resolved: OnResolved,
    /// How long the alert must stay over before the ticket is resolved; steps wait meanwhile. Default 5m.
    #[serde(default = "five_minutes")]
    #[schemars(transform = schema::duration)]
    pub resolve_after: Duration,
}

impl Default for SignalPolicy {
    fn default() -> Self {
        Self {
            on_resolved: OnResolved::Resolve,
            resolve_after: five_minutes(),
        }
    }
}

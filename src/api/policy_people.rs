//! Who is reached, when and how: calendars, connectors, contacts, groups, rotas, overrides, maintenance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::schema;
use super::ticket::Audience;
use super::time::Time;

/// A day of the week.
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
pub enum Weekday {
    /// Monday.
    #[default]
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Working hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// Name by which channels, severities, steps and rotas refer to it.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// IANA time zone, such as `Europe/Berlin`.
    #[schemars(transform = schema::time_zone)]
    pub time_zone: String,
    /// Hours of the week, at most 28; they must not overlap.
    #[schemars(length(min = 1, max = 28), transform = schema::atomic)]
    pub windows: Vec<Window>,
    /// Days without working hours, such as `2026-12-25`; at most 366.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 366), transform = schema::dates)]
    pub holidays: Vec<String>,
}

/// Hours on some days of the week.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Mon, Tue, Wed, Thu, Fri, Sat, Sun: the days on which it begins.
    #[schemars(length(min = 1, max = 7), transform = schema::set)]
    pub days: Vec<Weekday>,
    /// When it begins, local time, such as `09:00`.
    #[schemars(transform = schema::time_of_day)]
    pub from: String,
    /// When it ends, local time, such as `17:30`. At or before `from` = on the next day.
    #[schemars(transform = schema::time_of_day)]
    pub to: String,
}

/// Kinds of services that messages leave by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ConnectorType {
    /// Signed JSON by HTTP POST.
    #[default]
    Webhook,
    /// Slack.
    Slack,
    /// Microsoft Teams.
    MSTeams,
    /// PagerDuty.
    PagerDuty,
    /// E-mail by SMTP.
    Email,
}

impl ConnectorType {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Webhook,
        Self::Slack,
        Self::MSTeams,
        Self::PagerDuty,
        Self::Email,
    ];
}

/// Names a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of a Secret in the policy's namespace.
    #[schemars(transform = schema::object_name)]
    pub name: String,
}

/// A way out for messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// Name by which contacts and steps refer to it.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Webhook, Slack, MSTeams, PagerDuty or Email.
    #[serde(rename = "type")]
    pub type_: ConnectorType,
    /// Base address of the service where it is not the usual one: an API base, or `smtp://` or `smtps://` with
    /// host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub server: Option<String>,
    /// Where it goes: URL, channel or mail address. A contact's own address replaces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub address: Option<String>,
    /// Secret with its keys and passwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Who reads there: Internal or Customers. Default Internal.
    #[serde(default)]
    pub audience: Audience,
    /// How long one try may take, 1s to 60s. Default 15s.
    #[serde(default = "fifteen_seconds")]
    #[schemars(transform = schema::duration_between("1s", "60s"))]
    pub timeout: Duration,
    /// Template of the text, where it differs from the usual one: of a Webhook its whole JSON body, of others the
    /// sentence below the title. Values: those of the webhook body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub template: Option<String>,
}

fn fifteen_seconds() -> Duration {
    Duration::from_millis(15_000)
}

impl Default for Connector {
    fn default() -> Self {
        Self {
            name: String::new(),
            type_: ConnectorType::Webhook,
            server: None,
            address: None,
            secret_ref: None,
            audience: Audience::Internal,
            timeout: fifteen_seconds(),
            template: None,
        }
    }
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Name by which groups, rotas and steps refer to this person.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Name for people to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub display_name: Option<String>,
    /// User name in the cluster: who stands in `by` and `assignee`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub user: Option<String>,
    /// IANA time zone in which this person reads times. Absent = UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::time_zone)]
    pub time_zone: Option<String>,
    /// Ways to reach this person, at most 8. The next one is tried when one fails for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), transform = schema::atomic)]
    pub reach: Vec<Reach>,
}

/// A way to reach a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// Name of the connector.
    #[schemars(transform = schema::name)]
    pub connector: String,
    /// Address at that connector. Absent = the connector's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub address: Option<String>,
}

/// A group of people who are told together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Name by which steps refer to it.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Names of contacts, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::names)]
    pub members: Vec<String>,
}

/// Length of a shift: either days or hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule(
    "has(self.days) != has(self.hours)",
    "must be given in either `days` or `hours`",
))]
pub struct Shift {
    /// In days of the local calendar, 1 to 366.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::between(1, 366))]
    pub days: Option<i64>,
    /// In hours, 1 to 8760.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::between(1, 8760))]
    pub hours: Option<i64>,
}

/// Who is on duty in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rota {
    /// Name by which steps refer to it.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// IANA time zone of the handovers.
    #[schemars(transform = schema::time_zone)]
    pub time_zone: String,
    /// When the first shift begins, local time, such as `2026-01-05T09:00`.
    #[schemars(transform = schema::civil_time)]
    pub start: String,
    /// Length of a shift.
    pub shift: Shift,
    /// Name of the calendar outside of which nobody is on duty. Absent = always somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub calendar: Option<String>,
    /// Names of contacts in their turn, 1 to 64; a name may stand more than once.
    #[schemars(length(min = 1, max = 64), transform = schema::name_list)]
    pub members: Vec<String>,
}

/// Somebody else is on duty for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule_at(".untilTime", "self.untilTime > self.fromTime", "must be later than `fromTime`"))]
pub struct Override {
    /// Tells this override apart from others.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Name of the rota.
    #[schemars(transform = schema::name)]
    pub rota: String,
    /// Name of the contact who takes over.
    #[schemars(transform = schema::name)]
    pub member: String,
    /// When it begins.
    pub from_time: Time,
    /// When it ends.
    pub until_time: Time,
    /// User name of whoever arranged it.
    #[schemars(transform = schema::user)]
    pub by: String,
}

/// A time of planned work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::rule_at(".untilTime", "self.untilTime > self.fromTime", "must be later than `fromTime`"))]
pub struct Maintenance {
    /// Tells this window apart from others.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Services that are worked on, at most 64. Absent = all of this policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::dns_labels)]
    pub services: Vec<String>,
    /// When it begins.
    pub from_time: Time,
    /// When it ends.
    pub until_time: Time,
    /// User name of whoever arranged it.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub reason: Option<String>,
}

//! EscalationPolicy: the support agreement of a team as one object. Here its head; people, rules and follow-up
//! have files of their own.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::policy_followup::{
    CommunicationPolicy, DeclaredItem, KnowledgePolicy, RcaPolicy, Retention,
};
use super::policy_people::{Calendar, Connector, Contact, Group, Maintenance, Override, Rota};
use super::policy_rules::{ChainRepeat, OnExhausted, SeverityRow, SignalPolicy, Step};
use super::policy_status::EscalationPolicyStatus;
use super::schema;
use super::ticket::{Audience, Severity};
use super::ticket_facts::is_false;
use super::time::Time;

/// A team's support agreement: what it covers, how fast it answers, who is paged when, and what must follow.
#[expect(clippy::duplicated_attributes, reason = "columns of a table are alike")]
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "firebell.dev",
    version = "v1alpha1",
    kind = "EscalationPolicy",
    plural = "escalationpolicies",
    namespaced,
    status = "EscalationPolicyStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A team's support agreement as one object: scope, channels, severities and targets, who is paged when, and what must follow. The operator runs tickets by it; the support document is written from it.",
    shortname = "escpol",
    category = "firebell",
    printcolumn(name = "Default", type_ = "boolean", json_path = ".spec.default"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Open", type_ = "integer", json_path = ".status.openTickets"),
    printcolumn(
        name = "Outdated",
        type_ = "integer",
        json_path = ".status.outdatedTickets"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Title",
        type_ = "string",
        json_path = ".spec.document.title",
        priority = 1
    ),
    printcolumn(
        name = "Priority",
        type_ = "integer",
        json_path = ".spec.priority",
        priority = 1
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.revision",
        priority = 1
    ),
    printcolumn(
        name = "Suspended-Until",
        type_ = "string",
        json_path = ".spec.suspend.untilTime",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicySpec {
    /// Head of the support document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentInfo>,
    /// Holds every ticket of this policy for a while, 24 h at most from when it is first seen. Takes effect at
    /// once, even if the rest of an edit is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,
    /// true = used for tickets of this namespace that no other policy selects. One per namespace. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
    /// Which tickets of this namespace it applies to. Absent or empty selects nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Among several policies that select a ticket the highest wins, then the name. Default 100.
    #[serde(default = "default_priority")]
    #[schemars(transform = schema::between(0, 1_000_000))]
    pub priority: i32,
    /// The severity of a ticket that nobody and nothing has judged. Default High.
    #[serde(default)]
    pub default_severity: Severity,
    /// What is covered and what is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// How people reach support, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["name"]))]
    pub channels: Vec<Channel>,
    /// Working hours, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["name"]))]
    pub calendars: Vec<Calendar>,
    /// Targets and rules for each severity, one row per level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), transform = schema::list_map(&["level"]))]
    pub severities: Vec<SeverityRow>,
    /// How messages leave, at most 32. Changes reach running tickets at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["name"]))]
    pub connectors: Vec<Connector>,
    /// People, at most 128. Changes reach running tickets at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), transform = schema::list_map(&["name"]))]
    pub contacts: Vec<Contact>,
    /// Groups of people, at most 32. Changes reach running tickets at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["name"]))]
    pub groups: Vec<Group>,
    /// Who is on duty in turn, at most 16. Changes reach running tickets at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), transform = schema::list_map(&["name"]))]
    pub rotas: Vec<Rota>,
    /// Exceptions from the rotas, at most 64. Changes reach running tickets at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::list_map(&["name"]))]
    pub overrides: Vec<Override>,
    /// Times of planned work, at most 32: tickets are recorded and nobody is paged. Still open at its end, a
    /// ticket starts its chain. Changes reach running tickets at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["name"]))]
    pub maintenance: Vec<Maintenance>,
    /// The escalation chain in its order, at most 32 steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["name"]))]
    pub steps: Vec<Step>,
    /// Further rounds of the whole chain. Absent = one round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<ChainRepeat>,
    /// What happens when every round is through and nobody answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exhausted: Option<OnExhausted>,
    /// What the end of an alert means. Default: resolve after 5m.
    #[serde(default)]
    pub signal: SignalPolicy,
    /// What is told to whom besides the pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub communication: Option<CommunicationPolicy>,
    /// When a root cause analysis is required. Absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rca: Option<RcaPolicy>,
    /// What must be written down for the next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<KnowledgePolicy>,
    /// How long closed tickets are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What this agreement takes for granted, for the document; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::paragraphs)]
    pub assumptions: Vec<String>,
    /// What people know is not settled yet, for the document; at most 32. What the operator finds stands in status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::atomic)]
    pub open_items: Vec<DeclaredItem>,
}

fn default_priority() -> i32 {
    100
}

impl Default for EscalationPolicySpec {
    fn default() -> Self {
        Self {
            document: None,
            suspend: None,
            default: false,
            selector: None,
            priority: default_priority(),
            default_severity: Severity::High,
            scope: None,
            channels: Vec::new(),
            calendars: Vec::new(),
            severities: Vec::new(),
            connectors: Vec::new(),
            contacts: Vec::new(),
            groups: Vec::new(),
            rotas: Vec::new(),
            overrides: Vec::new(),
            maintenance: Vec::new(),
            steps: Vec::new(),
            repeat: None,
            on_exhausted: None,
            signal: SignalPolicy::default(),
            communication: None,
            rca: None,
            knowledge: None,
            retention: None,
            assumptions: Vec::new(),
            open_items: Vec::new(),
        }
    }
}

/// Head of the support document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentInfo {
    /// Number or code of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,
    /// Title of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::title)]
    pub title: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::paragraph)]
    pub purpose: Option<String>,
    /// Who it is written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub audience: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::user)]
    pub owner: Option<String>,
    /// When it was last reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_review_time: Option<Time>,
    /// How often it must be reviewed. Default 4320h (180 days).
    #[serde(default = "half_a_year")]
    #[schemars(transform = schema::duration)]
    pub review_every: Duration,
}

fn half_a_year() -> Duration {
    Duration::from_millis(4320 * 3_600_000)
}

impl Default for DocumentInfo {
    fn default() -> Self {
        Self {
            id: None,
            title: None,
            purpose: None,
            audience: None,
            owner: None,
            last_review_time: None,
            review_every: half_a_year(),
        }
    }
}

/// Holds every ticket of a policy for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspend {
    /// When it ends. It counts for 24 h at most from when it is first seen.
    pub until_time: Time,
    /// User name of whoever suspends.
    #[schemars(transform = schema::user)]
    pub by: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub reason: Option<String>,
}

/// Which tickets a policy applies to: those that fit every part that is given. Empty selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Services, any of them; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = schema::dns_labels)]
    pub services: Vec<String>,
    /// Categories, any of them; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::names)]
    pub categories: Vec<String>,
    /// Severities, any of them, as the ticket or its signal states it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), transform = schema::set)]
    pub severities: Vec<Severity>,
    /// Labels the ticket must carry, all of them; at most 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = schema::labels)]
    pub match_labels: BTreeMap<String, String>,
}

/// What is covered and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Categories that are covered, at most 32. A ticket of another category is flagged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["category"]))]
    pub in_scope: Vec<ScopeItem>,
    /// Categories that are not covered, at most 32. Their tickets are flagged and may be closed as OutOfScope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = schema::list_map(&["category"]))]
    pub out_of_scope: Vec<ScopeItem>,
}

/// A category of work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopeItem {
    /// The word that stands in a ticket's `category`.
    #[schemars(transform = schema::name)]
    pub category: String,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub description: Option<String>,
}

/// Kinds of ways to reach support.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = schema::word)]
pub enum ChannelType {
    /// E-mail.
    Email,
    /// A ticketing system.
    TicketingSystem,
    /// A telephone.
    Phone,
    /// A chat room.
    Chat,
    /// Alerting tools.
    Alerting,
    /// Anything else.
    #[default]
    Other,
}

/// A way for people to reach support.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Stands in a ticket's `source.channel`.
    #[schemars(transform = schema::name)]
    pub name: String,
    /// Email, TicketingSystem, Phone, Chat, Alerting or Other.
    #[serde(rename = "type")]
    pub type_: ChannelType,
    /// Mail address, number or link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub address: Option<String>,
    /// Internal or Customers. Default Internal.
    #[serde(default)]
    pub audience: Audience,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub description: Option<String>,
    /// What to know when using it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::note)]
    pub notes: Option<String>,
    /// Name of the calendar in which it is staffed. Absent = always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = schema::name)]
    pub calendar: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{KnowledgeItem, OnExhausted, Step, TicketSpec, TicketStatus};

    fn default_is_what_is_left_out<T: DeserializeOwned + Default + PartialEq + std::fmt::Debug>() {
        let read: T = serde_json::from_value(json!({})).unwrap();
        assert_eq!(read, T::default());
    }

    #[test]
    fn what_is_left_out_has_its_default_without_an_api_server() {
        default_is_what_is_left_out::<EscalationPolicySpec>();
        default_is_what_is_left_out::<DocumentInfo>();
        default_is_what_is_left_out::<SignalPolicy>();
        default_is_what_is_left_out::<OnExhausted>();
        default_is_what_is_left_out::<CommunicationPolicy>();
        default_is_what_is_left_out::<RcaPolicy>();
        default_is_what_is_left_out::<KnowledgePolicy>();
        let spec = EscalationPolicySpec::default();
        assert_eq!(
            (spec.priority, spec.default_severity),
            (100, Severity::High)
        );
        assert_eq!(spec.signal.resolve_after.as_str(), "5m");
        let connector: Connector =
            serde_json::from_value(json!({"name": "", "type": "Webhook"})).unwrap();
        assert_eq!(connector, Connector::default());
        assert_eq!(connector.timeout.as_str(), "15s");
        let step: Step = serde_json::from_value(json!({"name": ""})).unwrap();
        assert_eq!(step, Step::default());
    }

    #[test]
    fn a_newer_object_with_fields_we_do_not_know_still_decodes() {
        let spec: TicketSpec =
            serde_json::from_value(json!({"title": "t", "mood": "good"})).unwrap();
        assert_eq!(spec.title, "t");
        let spec: EscalationPolicySpec =
            serde_json::from_value(json!({"steps": [{"name": "a", "mood": 1}]})).unwrap();
        assert_eq!(spec.steps[0].name, "a");
    }

    #[test]
    fn an_older_status_decodes_and_an_empty_one_writes_nothing() {
        let status: TicketStatus = serde_json::from_value(json!({
            "policy": {"name": "gold"},
            "targets": {"response": {"state": "Met"}},
            "escalation": {"state": "Running"},
            "deliveries": [{"id": "x"}],
            "handled": {"acknowledgement": {"hash": "h"}},
            "timeline": [{"type": "Opened"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }))
        .unwrap();
        assert_eq!(status.escalation.unwrap().round, 0);
        assert_eq!(
            serde_json::to_value(TicketStatus::default()).unwrap(),
            json!({})
        );
    }

    #[test]
    fn a_malformed_value_is_an_error_that_names_it() {
        for (value, says) in [
            (
                json!({"steps": [{"name": "a", "after": "5m-3m"}]}),
                "duration \"5m-3m\" must be whole numbers",
            ),
            (
                json!({"steps": [{"name": "a", "after": "9999h"}]}),
                "must be at most 8760h",
            ),
            (
                json!({"suspend": {"untilTime": "soon", "by": "a"}}),
                "\"soon\" must be an RFC 3339 time",
            ),
            (
                json!({"defaultSeverity": "Urgent"}),
                "unknown variant `Urgent`",
            ),
        ] {
            let error = serde_json::from_value::<EscalationPolicySpec>(value)
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn names_on_the_wire_are_those_of_the_contract() {
        let item = KnowledgeItem {
            title: "t".into(),
            ..KnowledgeItem::default()
        };
        assert_eq!(
            serde_json::to_value(item).unwrap(),
            json!({"kind": "KnowledgeBase", "title": "t", "state": "Todo"})
        );
        let wire: Value = serde_json::to_value(EscalationPolicySpec::default()).unwrap();
        let signal = json!({"onResolved": "Resolve", "resolveAfter": "5m"});
        assert_eq!(
            wire,
            json!({"priority": 100, "defaultSeverity": "High", "signal": signal})
        );
    }
}

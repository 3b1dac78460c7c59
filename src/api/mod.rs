//! The three kinds of `firebell.dev/v1alpha1` as Rust types, and their CRDs.
//!
//! Types, schemas and defaults; no behaviour. The doc comments of the fields are the text of `kubectl explain`.
//! The contract is `api.md`; `crds/` is generated from here (`crd::yaml`).

#![expect(
    clippy::doc_markdown,
    reason = "kubectl explain shows the docs as they stand: values are written as in YAML"
)]

pub mod condition;
pub mod crd;
pub mod duration;
pub mod policy;
pub mod policy_followup;
pub mod policy_people;
pub mod policy_rules;
pub mod policy_status;
pub mod rca;
pub mod schema;
pub mod ticket;
pub mod ticket_facts;
pub mod ticket_progress;
pub mod ticket_status;
pub mod time;

pub use condition::{Condition, ConditionStatus, condition_type, reason};
pub use crd::crds;
pub use duration::{Duration, DurationError};
pub use policy::{
    Channel, ChannelType, DocumentInfo, EscalationPolicy, EscalationPolicySpec, Scope, ScopeItem,
    Selector, Suspend,
};
pub use policy_followup::{
    Commitment, CommonIssue, CommunicationPolicy, DeclaredItem, KnowledgePolicy, NotifyOn,
    RcaPolicy, RcaSection, Retention, SummaryPart,
};
pub use policy_people::{
    Calendar, Connector, ConnectorType, Contact, Group, Maintenance, Override, Reach, Rota,
    SecretRef, Shift, Weekday, Window,
};
pub use policy_rules::{
    ChainRepeat, NotifyTarget, OnExhausted, OnResolved, Paging, SeverityRow, SignalPolicy, Step,
    StepCondition, StepRepeat, Tier, ValidationPolicy,
};
pub use policy_status::{DocumentRef, EscalationPolicyStatus, OpenItem};
pub use rca::{
    ActionCounts, ActionState, ActionType, Approval, CorrectiveAction, Rca, RcaImpact, RcaPhase,
    RcaPolicyPin, RcaSpec, RcaStatus, RcaTimelineEntry, Reminder, ReminderKind, RootCause,
    RootCauseMethod, TicketRef, Waiver,
};
pub use ticket::{
    AffectedObject, Audience, KnowledgeItem, KnowledgeKind, KnowledgeState, PolicyRef, Reporter,
    Severity, Signal, SignalState, Source, Ticket, TicketSpec,
};
pub use ticket_facts::{
    Acknowledgement, Assignment, Closure, ClosureReason, DuplicateRef, EscalationRequest, Hold,
    HoldReason, Resolution, Triage, Update, Validation, ValidationResult, Via,
};
pub use ticket_progress::{
    DeliveryRecord, DeliveryState, Escalation, EscalationState, StartReason, StepRecord, StepResult,
};
pub use ticket_status::{
    Communication, DuplicateVerdict, Duty, Handled, HoldSeen, Holding, Phase, PinRule, PolicyPin,
    RcaRequired, RcaStatusRef, RelatedTicket, TargetClock, TargetState, Targets, TicketStatus,
    TimelineEntry, WaitingFor,
};
pub use time::Time;

/// The API group of all kinds.
pub const GROUP: &str = "firebell.dev";
/// The version that is served and stored.
pub const VERSION: &str = "v1alpha1";

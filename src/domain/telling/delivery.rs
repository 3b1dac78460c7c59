//! What leaves the house: a delivery, its id that every process computes alike, and how far it has come.
//!
//! A delivery is a value. The decision makes it, the outbox carries it, the status remembers it.
//! Rules: `delivery.md` section 1 (ids, `valid_while`), `api.md` section 6 (webhook body).

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::incident::Incident;
use crate::api::{Audience, Severity};

/// Identity of one delivery: the first 32 hex digits of a SHA-256, the same in every process that computes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// The id of a page or notice: SHA-256 over ticket uid, round, step name (or kind of the notice), repeat
    /// number (or cause of the notice) and target. No time, no randomness.
    pub fn of(
        uid: &str,
        round: i64,
        step_or_kind: &str,
        repeat_or_cause: &str,
        target: &Target,
    ) -> Self {
        let text = format!("{uid}\n{round}\n{step_or_kind}\n{repeat_or_cause}\n{target}");
        Self(hex32(text.as_bytes()))
    }

    /// Reads an id back from a status that stored it.
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// First 32 hex digits of the SHA-256 of `bytes`.
pub fn hex32(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut hex = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        for half in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(u32::from(half), 16));
        }
    }
    hex
}

/// Who a delivery is for, never an address: `contact/NAME`, `connector/NAME` or `reporter`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A person of the policy.
    Contact(String),
    /// A connector that is told directly, such as a team's channel.
    Connector(String),
    /// Whoever reported the ticket.
    Reporter,
}

impl Target {
    /// Reads the form that `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some(("contact", name)) => Some(Self::Contact(name.to_owned())),
            Some(("connector", name)) => Some(Self::Connector(name.to_owned())),
            None if text == "reporter" => Some(Self::Reporter),
            Some(_) | None => None,
        }
    }

    /// The name people know the target by.
    pub fn name(&self) -> &str {
        match self {
            Self::Contact(name) | Self::Connector(name) => name,
            Self::Reporter => "reporter",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contact(name) => write!(f, "contact/{name}"),
            Self::Connector(name) => write!(f, "connector/{name}"),
            Self::Reporter => f.write_str("reporter"),
        }
    }
}

/// As long as this holds a delivery may leave; afterwards it is withheld or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValidWhile {
    /// Nobody has validly acknowledged (nor resolved, closed) the ticket, and nothing holds it.
    NotAcknowledged,
    /// The ticket is not resolved, and nothing holds it.
    NotResolved,
    /// The ticket is not closed.
    Open,
    /// Whatever becomes of the ticket.
    Always,
}

/// How a ticket stands at this moment, as far as deliveries care.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that hold or not, each independent of the others"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// A valid acknowledgement holds.
    pub acknowledged: bool,
    /// A valid resolution holds.
    pub resolved: bool,
    /// Closed (as duplicate too) or deleted.
    pub closed: bool,
    /// A hold, a suspension or maintenance is in force: what the chain sends waits for its end.
    pub held: bool,
}

impl ValidWhile {
    /// Whether a delivery may still leave on a ticket that stands so.
    pub fn holds(self, standing: Standing) -> bool {
        match self {
            Self::NotAcknowledged => !standing.acknowledged && Self::NotResolved.holds(standing),
            Self::NotResolved => !standing.resolved && !standing.closed && !standing.held,
            Self::Open => !standing.closed,
            Self::Always => true,
        }
    }
}

/// One way to a target: a connector (of a policy's namespace) and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// Namespace of the policy: its Secrets are looked up there and nowhere else (api.md section 1, rule 7).
    pub namespace: String,
    /// The connector, as the live policy has it; its own `address` already replaced by the contact's where given.
    pub connector: crate::api::Connector,
}

/// The ticket a delivery belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TicketKey {
    /// Namespace of the ticket.
    pub namespace: String,
    /// Name of the ticket.
    pub name: String,
    /// Uid of the ticket.
    pub uid: String,
}

/// Something to hand to the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Same id, same message: receivers drop repeats by it.
    pub id: DeliveryId,
    /// The ticket it tells of.
    pub ticket: TicketKey,
    /// Who it is for.
    pub target: Target,
    /// Ways in the order they are tried; the next one when one failed for good. Empty = nobody reachable.
    pub ways: Vec<Way>,
    /// What is said.
    pub message: Message,
    /// When it may leave.
    pub valid_while: ValidWhile,
    /// The deadline it answers: lateness is measured from here.
    pub due: Timestamp,
    /// Retries end here at the latest (time of the next step); `None` = the usual budget.
    pub retry_until: Option<Timestamp>,
    /// Effective severity: most severe first.
    pub severity: Severity,
    /// What it means to services that keep incidents of their own.
    pub incident: Incident,
    /// Of a page for a person: the user name an answer by its link is given in.
    pub answered_by: Option<String>,
}

/// What is said, in the form of the webhook body of `api.md` section 6; other channels render from the same value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// `firebell.page.v1` or `firebell.notice.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the decision was made, not when a retry leaves.
    pub timestamp: Timestamp,
    /// The content.
    pub data: MessageData,
}

/// Content of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageData {
    /// Id of the delivery.
    pub id: String,
    /// `Page`, or the kind of the notice.
    pub kind: String,
    /// The ticket as it stands.
    pub ticket: MessageTicket,
    /// Round of the chain.
    pub round: i64,
    /// Step of the chain; absent for notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Repeat number: 0 is the step itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<i64>,
    /// Who it is for.
    pub to: MessageRecipient,
    /// Why this message, one sentence.
    pub why: String,
    /// What happens next, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<MessageNext>,
    /// Links by name.
    pub links: BTreeMap<String, String>,
    /// What people said about it.
    #[serde(flatten)]
    pub said: Said,
}

/// What people said about what a message tells, now or last time: every part is absent where nobody said it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Said {
    /// User name of whoever did what the message tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The note they left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the policy expects of those who are paged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectation: Option<String>,
    /// Of an earlier ticket like this one: its name, its RCA, where its runbook stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// A status update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateText>,
    /// How it was solved: the parts that the policy's `resolutionSummary` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution_summary: Option<ResolutionSummary>,
}

/// A status update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateText {
    /// Its text.
    pub message: String,
    /// Who may see it.
    pub audience: Audience,
}

/// How a ticket was solved, as far as the policy tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResolutionSummary {
    /// Who was affected and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// What caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What keeps it from happening again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevention: Option<String>,
}

/// The ticket inside a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageTicket {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Title as written.
    pub title: String,
    /// Effective severity.
    pub severity: Severity,
    /// Phase.
    pub phase: String,
    /// Service, if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Assignee, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
}

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageRecipient {
    /// Name of the contact or connector.
    pub name: String,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageNext {
    /// In words.
    pub what: String,
    /// When; absent when it waits for a fact instead of a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// How far the outbox has come with a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Handed over at `since`; no final result yet.
    InFlight {
        /// When it was handed over.
        since: Timestamp,
        /// Tries so far.
        attempts: u32,
    },
    /// A receiver took it.
    Delivered {
        /// When it was handed over.
        since: Timestamp,
        /// When the receiver's answer came.
        time: Timestamp,
        /// Tries it took.
        attempts: u32,
        /// What went wrong before, e.g. a first way that failed; empty when nothing.
        message: String,
    },
    /// No way took it.
    Failed {
        /// When it was handed over.
        since: Timestamp,
        /// When the last try ended.
        time: Timestamp,
        /// Tries it took.
        attempts: u32,
        /// What happened and what to do, without URL, body or secret.
        message: String,
        /// Refused for good (4xx, bad TLS, no way at all) or the retry budget ended.
        cause: FailureCause,
    },
    /// Its condition no longer held before it left.
    Cancelled {
        /// When it was withheld.
        time: Timestamp,
    },
}

impl Progress {
    /// When it was handed over; of a cancelled one, when it was withheld.
    pub fn since(&self) -> Timestamp {
        match self {
            Self::InFlight { since, .. }
            | Self::Delivered { since, .. }
            | Self::Failed { since, .. } => *since,
            Self::Cancelled { time } => *time,
        }
    }

    /// Whether this is what came of a delivery that is due then. What ended in vain before that belongs to a life that
    /// is no more: the store was put back since, and the same delivery is due another time.
    pub fn counts_for(&self, due: Timestamp) -> bool {
        match self {
            Self::InFlight { .. } | Self::Delivered { .. } => true,
            Self::Failed { time, .. } | Self::Cancelled { time } => *time >= due,
        }
    }

    /// When its final result came, if it has one.
    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            Self::InFlight { .. } => None,
            Self::Delivered { time, .. } | Self::Failed { time, .. } | Self::Cancelled { time } => {
                Some(*time)
            }
        }
    }
}

/// Why a delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The receiver refused it for good; trying again is no use.
    Refused,
    /// The retry budget ended; the receiver may be back later.
    BudgetEnded,
}

/// The outbox as a decision sees it.
pub type OutboxView = BTreeMap<DeliveryId, Progress>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_what_it_writes() {
        for target in [
            Target::Contact("alice".into()),
            Target::Connector("ops/room".into()),
            Target::Reporter,
        ] {
            assert_eq!(Target::parse(&target.to_string()), Some(target));
        }
        assert_eq!(Target::parse("pager/alice"), None);
        assert_eq!(Target::parse("alice"), None);
    }

    #[test]
    fn an_id_differs_with_each_of_its_parts_and_is_32_hex_digits() {
        let alice = Target::Contact("alice".into());
        let base = DeliveryId::of("u", 1, "on-call", "0", &alice);
        assert_eq!(base.as_str().len(), 32);
        assert_eq!(base, DeliveryId::of("u", 1, "on-call", "0", &alice));
        for other in [
            DeliveryId::of("v", 1, "on-call", "0", &alice),
            DeliveryId::of("u", 2, "on-call", "0", &alice),
            DeliveryId::of("u", 1, "manager", "0", &alice),
            DeliveryId::of("u", 1, "on-call", "1", &alice),
            DeliveryId::of("u", 1, "on-call", "0", &Target::Reporter),
        ] {
            assert_ne!(base, other);
        }
    }
}

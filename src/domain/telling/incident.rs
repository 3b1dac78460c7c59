//! What a message means to a service that keeps incidents of its own, and by which keys it knows them.
//!
//! Rule: delivery.md section 1: one key per ticket, round and step (one for the whole ticket would ring nobody at step
//! 2); acknowledge and resolve go to all keys used. Which were used, `status.deliveries` tells.

use super::delivery::Message;
use crate::api::DeliveryRecord;

/// So many keys are named at most, those of the newest entries first.
const KEYS_MOST: usize = 64;

/// What a message does there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Calls somebody: an incident is opened, or rings again.
    Calls,
    /// Somebody has answered.
    Acknowledges,
    /// It is over.
    Resolves,
    /// News that should ring nobody.
    #[default]
    Tells,
}

/// What a message means to such a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incident {
    /// What it does.
    pub effect: Effect,
    /// The incidents it is about, the newest first.
    pub keys: Vec<String>,
}

/// What a message of a ticket with these deliveries means.
pub fn of(message: &Message, deliveries: &[DeliveryRecord]) -> Incident {
    let data = &message.data;
    let effect = effect(data.step.as_deref(), &data.kind);
    let keys = match effect {
        Effect::Calls => {
            let step_or_kind = data.step.as_deref().unwrap_or(&data.kind);
            vec![key(&data.ticket.uid, data.round, step_or_kind)]
        }
        Effect::Acknowledges | Effect::Resolves => used(&data.ticket.uid, deliveries),
        Effect::Tells => Vec::new(),
    };
    Incident { effect, keys }
}

fn effect(step: Option<&str>, kind: &str) -> Effect {
    match (step, kind) {
        (Some(_), _)
        | (
            None,
            "HandOver" | "Exhausted" | "UpdateReminder" | "UpdateOverdue" | "RcaOverdue"
            | "ActionOverdue",
        ) => Effect::Calls,
        (None, "AcknowledgedBy" | "Acknowledged") => Effect::Acknowledges,
        (None, "Resolved" | "Closed") => Effect::Resolves,
        (None, _news) => Effect::Tells,
    }
}

/// Whether a delivery of a ticket called somebody, so that such a service has an incident for it.
pub fn calls(known: &DeliveryRecord) -> bool {
    let kind = known.kind.as_deref().unwrap_or_default();
    effect(known.step.as_deref(), kind) == Effect::Calls
}

/// The key of an incident: uid of the ticket, round, and step or kind of notice.
fn key(uid: &str, round: i64, step_or_kind: &str) -> String {
    format!("{uid}/{round}/{step_or_kind}")
}

/// All keys that may be in use. An entry stands for the newest round of its step; the earlier rounds had theirs too.
fn used(uid: &str, deliveries: &[DeliveryRecord]) -> Vec<String> {
    let mut keys = Vec::new();
    for known in deliveries.iter().rev().filter(|known| calls(known)) {
        let kind = known.kind.as_deref().unwrap_or_default();
        let step_or_kind = known.step.as_deref().unwrap_or(kind);
        let first = known.round.min(1);
        for round in (first..=known.round).rev() {
            let key = key(uid, round, step_or_kind);
            if keys.len() < KEYS_MOST && !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::api::{DeliveryState, Severity, Time};
    use crate::domain::telling::delivery::{MessageData, MessageRecipient, MessageTicket, Said};

    fn record(round: i64, step: Option<&str>, kind: Option<&str>) -> DeliveryRecord {
        DeliveryRecord {
            id: "x".into(),
            round,
            step: step.map(str::to_owned),
            kind: kind.map(str::to_owned),
            repeat: None,
            cause: None,
            target: "connector/pager".into(),
            state: DeliveryState::Delivered,
            attempts: None,
            time: Time(Timestamp::UNIX_EPOCH),
            message: None,
            count: None,
        }
    }

    fn message(round: i64, step: Option<&str>, kind: &str) -> Message {
        Message {
            kind: "firebell.page.v1".into(),
            timestamp: Timestamp::UNIX_EPOCH,
            data: MessageData {
                id: "x".into(),
                kind: kind.into(),
                ticket: MessageTicket {
                    namespace: "shop".into(),
                    name: "checkout".into(),
                    uid: "u".into(),
                    title: "t".into(),
                    severity: Severity::High,
                    phase: "Submitted".into(),
                    service: None,
                    assignee: None,
                },
                round,
                step: step.map(str::to_owned),
                repeat: None,
                to: MessageRecipient {
                    name: "alice".into(),
                },
                why: String::new(),
                next: None,
                links: BTreeMap::new(),
                said: Said::default(),
            },
        }
    }

    #[test]
    fn each_step_of_each_round_rings_under_a_key_of_its_own() {
        let incident = of(&message(2, Some("manager"), "Page"), &[]);
        assert_eq!(incident.effect, Effect::Calls);
        assert_eq!(incident.keys, ["u/2/manager"]);
        assert_eq!(
            of(&message(1, None, "HandOver"), &[]).keys,
            ["u/1/HandOver"]
        );
    }

    #[test]
    fn acknowledge_and_resolve_go_to_every_key_that_was_used_in_any_round() {
        let deliveries = [
            record(2, Some("on-call"), None),
            record(1, Some("manager"), None),
            record(1, Some("manager"), None),
            record(1, None, Some("Opened")),
            record(2, None, Some("HandOver")),
        ];
        for kind in ["AcknowledgedBy", "Resolved"] {
            let incident = of(&message(2, None, kind), &deliveries);
            assert_eq!(
                incident.keys,
                [
                    "u/2/HandOver",
                    "u/1/HandOver",
                    "u/1/manager",
                    "u/2/on-call",
                    "u/1/on-call"
                ],
                "{kind}"
            );
        }
    }

    #[test]
    fn news_rings_nobody() {
        for kind in ["Opened", "Held", "Update", "SeverityNow", "Escalated"] {
            let incident = of(&message(1, None, kind), &[record(1, Some("on-call"), None)]);
            assert_eq!(incident, Incident::default(), "{kind}");
        }
    }

    #[test]
    fn keys_stay_bounded_however_often_the_chain_started() {
        let incident = of(
            &message(900, None, "Resolved"),
            &[record(900, Some("on-call"), None)],
        );
        assert_eq!(incident.keys.len(), KEYS_MOST);
        assert_eq!(incident.keys[0], "u/900/on-call");
    }
}

//! Who may see what of a message: decided per way, since one person may be reached by ways of different audience.
//!
//! Rule: `delivery.md` section 5: what goes to customers has title, severity, phase, update text and resolution
//! summary, and nothing internal. It is a type of its own that has no other fields, so nothing can slip through. Of the
//! envelope stay the id, which receivers need to drop repeats, the type, the kind and the time.

use jiff::Timestamp;
use serde::Serialize;

use super::delivery::{Delivery, Message, MessageData, ResolutionSummary, Target, Way};
use crate::api::{Audience, Severity};

/// What is shown on one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shown<'m> {
    /// Everything.
    Whole(&'m Message),
    /// What customers may see.
    Customers(Box<CustomerMessage<'m>>),
}

impl<'m> Shown<'m> {
    /// The content without its envelope, as bundles hold it.
    pub fn data(self) -> ShownData<'m> {
        match self {
            Self::Whole(message) => ShownData::Whole(&message.data),
            Self::Customers(message) => ShownData::Customers(Box::new(message.data)),
        }
    }
}

/// The content of what is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ShownData<'m> {
    /// Everything.
    Whole(&'m MessageData),
    /// What customers may see.
    Customers(Box<CustomerData<'m>>),
}

/// A message to customers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerMessage<'m> {
    /// `firebell.page.v1` or `firebell.notice.v1`.
    #[serde(rename = "type")]
    pub kind: &'m str,
    /// When the decision was made.
    pub timestamp: Timestamp,
    /// The content.
    pub data: CustomerData<'m>,
}

/// Content of a message to customers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerData<'m> {
    /// Id of the delivery.
    pub id: &'m str,
    /// `Page`, or the kind of the notice.
    pub kind: &'m str,
    /// The ticket.
    pub ticket: CustomerTicket<'m>,
    /// A status update that was written for customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<CustomerUpdate<'m>>,
    /// How it was solved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution_summary: Option<&'m ResolutionSummary>,
}

/// The ticket as customers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerTicket<'m> {
    /// Title as written.
    pub title: &'m str,
    /// Effective severity.
    pub severity: Severity,
    /// Phase.
    pub phase: &'m str,
}

/// A status update as customers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerUpdate<'m> {
    /// Its text.
    pub message: &'m str,
}

/// Who stands at the end of a way: a reporter is taken for a customer, whatever the connector says.
pub fn of_way(target: &Target, way: &Way) -> Audience {
    match target {
        Target::Reporter => Audience::Customers,
        Target::Contact(_) | Target::Connector(_) => way.connector.audience,
    }
}

/// What of a delivery may be shown on a way.
pub fn shown<'m>(delivery: &'m Delivery, way: &Way) -> Shown<'m> {
    match of_way(&delivery.target, way) {
        Audience::Internal => Shown::Whole(&delivery.message),
        Audience::Customers => Shown::Customers(Box::new(for_customers(&delivery.message))),
    }
}

fn for_customers(message: &Message) -> CustomerMessage<'_> {
    let data = &message.data;
    let update = data.said.update.as_ref();
    CustomerMessage {
        kind: &message.kind,
        timestamp: message.timestamp,
        data: CustomerData {
            id: &data.id,
            kind: &data.kind,
            ticket: CustomerTicket {
                title: &data.ticket.title,
                severity: data.ticket.severity,
                phase: &data.ticket.phase,
            },
            update: update
                .filter(|update| update.audience == Audience::Customers)
                .map(|update| CustomerUpdate {
                    message: &update.message,
                }),
            resolution_summary: data.said.resolution_summary.as_ref(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::Connector;
    use crate::domain::telling::delivery::{
        DeliveryId, MessageNext, MessageRecipient, MessageTicket, Said, TicketKey, UpdateText,
        ValidWhile,
    };
    use crate::domain::telling::incident::Incident;

    /// A message whose every internal text says so.
    fn message(id: &DeliveryId, audience: Audience) -> Message {
        let internal = |what: &str| format!("internal {what}");
        let summary = ResolutionSummary {
            fix: Some("the fix".into()),
            ..ResolutionSummary::default()
        };
        let update = UpdateText {
            message: "the update".into(),
            audience,
        };
        Message {
            kind: "firebell.notice.v1".into(),
            timestamp: Timestamp::UNIX_EPOCH,
            data: MessageData {
                id: id.to_string(),
                kind: "Update".into(),
                ticket: MessageTicket {
                    namespace: internal("namespace"),
                    name: internal("name"),
                    uid: internal("uid"),
                    title: "the title".into(),
                    severity: Severity::High,
                    phase: "Assigned".into(),
                    service: Some(internal("service")),
                    assignee: Some(internal("assignee")),
                },
                round: 7777,
                step: Some(internal("step")),
                repeat: Some(7777),
                to: MessageRecipient {
                    name: internal("contact"),
                },
                why: internal("why"),
                next: Some(MessageNext {
                    what: internal("next"),
                    time: None,
                }),
                links: BTreeMap::from([(internal("link"), internal("url"))]),
                said: Said {
                    by: Some(internal("user")),
                    note: Some(internal("note")),
                    expectation: Some(internal("expectation")),
                    last_time: Some(internal("last time")),
                    update: Some(update),
                    resolution_summary: Some(summary),
                },
            },
        }
    }

    fn delivery(target: Target, audience: Audience) -> Delivery {
        let id = DeliveryId::of("u", 1, "Update", "cause", &target);
        Delivery {
            ticket: TicketKey {
                namespace: "n".into(),
                name: "t".into(),
                uid: "u".into(),
            },
            message: message(&id, audience),
            id,
            target,
            ways: vec![way(Audience::Internal), way(Audience::Customers)],
            valid_while: ValidWhile::Always,
            due: Timestamp::UNIX_EPOCH,
            retry_until: None,
            severity: Severity::High,
            incident: Incident::default(),
            answered_by: None,
        }
    }

    fn way(audience: Audience) -> Way {
        Way {
            namespace: "n".into(),
            connector: Connector {
                audience,
                ..Connector::default()
            },
        }
    }

    fn bodies(delivery: &Delivery) -> Vec<String> {
        let ways = delivery.ways.iter();
        ways.map(|way| serde_json::to_string(&shown(delivery, way)).unwrap())
            .collect()
    }

    #[test]
    fn the_way_to_customers_shows_nothing_internal_and_the_other_way_of_the_same_person_all() {
        let delivery = delivery(Target::Contact("alice".into()), Audience::Customers);
        let [whole, customers] = bodies(&delivery).try_into().unwrap();
        for secret in ["internal", "7777"] {
            assert!(whole.contains(secret), "{whole}");
            assert!(!customers.contains(secret), "{customers}");
        }
        for public in ["the title", "High", "Assigned", "the update", "the fix"] {
            assert!(customers.contains(public), "{public} in {customers}");
        }
        assert!(customers.contains(delivery.id.as_str()), "the id stays");
    }

    #[test]
    fn an_update_that_was_not_written_for_customers_is_not_shown_to_them() {
        let delivery = delivery(Target::Connector("room".into()), Audience::Internal);
        let [whole, customers] = bodies(&delivery).try_into().unwrap();
        assert!(whole.contains("the update") && !customers.contains("the update"));
    }

    #[test]
    fn a_reporter_is_a_customer_on_every_way() {
        let delivery = delivery(Target::Reporter, Audience::Customers);
        for body in bodies(&delivery) {
            assert!(!body.contains("internal"), "{body}");
        }
    }
}

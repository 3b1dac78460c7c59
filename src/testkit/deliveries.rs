//! Deliveries for tests that stand on no decision: a page of step after step to alice, of High tickets that return 5xx,
//! and an outbox that carries them. What a test is about it changes itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::api::Severity;
use crate::clock::WallClock;
use crate::connectors::Connectors;
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, Message, MessageData, MessageRecipient, MessageTicket, Said, Target,
    TicketKey, ValidWhile, Way,
};
use crate::domain::telling::incident::{Effect, Incident};
use crate::outbox::{Outbox, OutboxConfig, Unobserved};

/// A ticket in namespace `shop` whose uid is its name.
pub fn ticket(name: &str) -> TicketKey {
    TicketKey {
        namespace: "shop".into(),
        name: name.into(),
        uid: name.into(),
    }
}

/// A page of the first round of `ticket`, over these ways, decided and due at `due`.
pub fn page(ticket: TicketKey, step: &str, ways: Vec<Way>, due: Timestamp) -> Delivery {
    let target = Target::Contact("alice".into());
    let id = DeliveryId::of(&ticket.uid, 1, step, "0", &target);
    Delivery {
        message: Message {
            kind: "firebell.page.v1".into(),
            timestamp: due,
            data: content(&id, &ticket, step),
        },
        incident: Incident {
            effect: Effect::Calls,
            keys: vec![format!("{}/1/{step}", ticket.uid)],
        },
        id,
        ticket,
        target,
        ways,
        valid_while: ValidWhile::NotAcknowledged,
        due,
        retry_until: None,
        severity: Severity::High,
        answered_by: None,
    }
}

/// An outbox over these connectors, as production has it; nobody hears of its reports.
pub fn outbox(connectors: Connectors) -> Outbox {
    let (reports, _) = mpsc::unbounded_channel();
    Outbox::new(
        OutboxConfig::default(),
        Arc::new(connectors),
        Arc::new(WallClock),
        Arc::new(Unobserved),
        reports,
    )
}

fn content(id: &DeliveryId, ticket: &TicketKey, step: &str) -> MessageData {
    MessageData {
        id: id.to_string(),
        kind: "Page".into(),
        ticket: MessageTicket {
            namespace: ticket.namespace.clone(),
            name: ticket.name.clone(),
            uid: ticket.uid.clone(),
            title: "Checkout returns 5xx".into(),
            severity: Severity::High,
            phase: "Submitted".into(),
            service: None,
            assignee: None,
        },
        round: 1,
        step: Some(step.into()),
        repeat: Some(0),
        to: MessageRecipient {
            name: "alice".into(),
        },
        why: "Nobody acknowledged".into(),
        next: None,
        links: BTreeMap::new(),
        said: Said::default(),
    }
}

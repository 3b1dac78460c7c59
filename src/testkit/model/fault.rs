//! Worlds that are wrong on purpose. Each breaks one promise of `delivery.md`; the tests demand that the sweep over all
//! crash points notices, so that a sweep that finds nothing means something.

use jiff::{SignedDuration, Timestamp};

use super::Model;
use crate::api::{DeliveryState, TicketStatus};
use crate::domain::telling::delivery::{Delivery, DeliveryId};

/// How often the meddler writes.
const MEDDLES_EVERY: SignedDuration = SignedDuration::from_mins(30);

/// What is wrong with a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The outbox's view loses each delivery once after it was handed over.
    OutboxForgets,
    /// The outbox reports pages to bob as delivered that it never sent.
    SaysDeliveredUnsent,
    /// After a restart each message leaves twice.
    SendsTwiceAfterRestart,
    /// The id of a message depends on the process that sends it.
    IdsOfTheProcess,
    /// A status write drops entries that are armed or being sent.
    DropsOpenDeliveries,
    /// A restart overlooks what is armed or being sent.
    RestartIgnoresArmed,
    /// A restart finds only the newest step of the round.
    RestartForgetsSteps,
    /// What people write is noticed this much later.
    SeesLate(SignedDuration),
    /// Somebody else removes `status.waitingFor` each half hour.
    Meddler,
    /// Writes are acknowledged before they are stored: a crash takes back all but the ticket's first one.
    WritesBehind,
}

impl Model {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// How much later what people write is noticed.
    pub(super) fn lag(&self) -> SignedDuration {
        match self.fault {
            Some(Fault::SeesLate(lag)) => lag,
            Some(
                Fault::OutboxForgets
                | Fault::SaysDeliveredUnsent
                | Fault::SendsTwiceAfterRestart
                | Fault::IdsOfTheProcess
                | Fault::DropsOpenDeliveries
                | Fault::RestartIgnoresArmed
                | Fault::RestartForgetsSteps
                | Fault::Meddler
                | Fault::WritesBehind,
            )
            | None => SignedDuration::ZERO,
        }
    }

    /// How often a message that is sent now arrives.
    pub(super) fn copies(&self, delivery: &Delivery) -> usize {
        if self.has(Fault::SaysDeliveredUnsent) && delivery.target.name() == "bob" {
            return 0;
        }
        1 + usize::from(self.has(Fault::SendsTwiceAfterRestart) && self.crashes > 0)
    }

    /// The id that a receiver sees.
    pub(super) fn shown_id(&self, delivery: &Delivery) -> String {
        if self.has(Fault::IdsOfTheProcess) && self.crashes > 0 {
            return format!("{}-{}", delivery.id, self.crashes);
        }
        delivery.id.to_string()
    }

    /// Loses what was just handed over, once.
    pub(super) fn forget(&mut self, ids: &[DeliveryId]) {
        if !self.has(Fault::OutboxForgets) {
            return;
        }
        for id in ids {
            if self.forgotten.insert(id.to_string()) {
                self.outbox.remove(id);
            }
        }
    }

    /// A status as this world stores it.
    pub(super) fn as_stored(&mut self, mut status: TicketStatus) -> TicketStatus {
        if self.has(Fault::DropsOpenDeliveries) {
            drop_open(&mut status);
        }
        if self.has(Fault::WritesBehind) && self.durable.is_none() {
            self.durable = Some(Box::new(status.clone()));
        }
        status
    }

    /// What a restart does not find.
    pub(super) fn lose_armed(&mut self) {
        if self.has(Fault::RestartIgnoresArmed)
            && let Some(status) = &mut self.ticket.status
        {
            drop_open(status);
        }
        if self.has(Fault::RestartForgetsSteps)
            && let Some(escalation) = self
                .ticket
                .status
                .as_mut()
                .and_then(|status| status.escalation.as_mut())
        {
            let older = escalation.steps.len().saturating_sub(1);
            escalation.steps.drain(..older);
        }
        if let Some(durable) = &self.durable {
            self.ticket.status = Some((**durable).clone());
        }
    }

    /// When somebody else writes next.
    pub(super) fn next_meddling(&self) -> Option<Timestamp> {
        let every = MEDDLES_EVERY.as_secs();
        let next = (self.now.as_second() / every + 1) * every;
        self.has(Fault::Meddler)
            .then(|| Timestamp::from_second(next).ok())?
    }

    /// Somebody else writes.
    pub(super) fn meddle(&mut self) {
        let hour = self.now.as_second() % MEDDLES_EVERY.as_secs() == 0;
        if hour
            && self.has(Fault::Meddler)
            && let Some(status) = &mut self.ticket.status
        {
            status.waiting_for = None;
            self.bump();
        }
    }
}

fn drop_open(status: &mut TicketStatus) {
    status.deliveries.retain(|known| match known.state {
        DeliveryState::Armed | DeliveryState::Sending => false,
        DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled
        | DeliveryState::Unknown => true,
    });
}

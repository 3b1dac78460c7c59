//! Worlds that are wrong on purpose: each plants one fault of the kind that a change of the code could bring. The tests
//! demand that the simulator catches each within a stated number of seeds.

use std::sync::Arc;

use crate::api::{DeliveryRecord, DeliveryState, EscalationState, Ticket, TicketStatus};

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// What a status write arms leaves before the write is stored.
    SendsBeforeArm,
    /// The id of a message depends on when it leaves.
    IdHasTime,
    /// A held ticket is not looked at again when its hold ends.
    ForgetsHoldEnd,
    /// After a failed write nobody looks again.
    ForgetsAfterFailure,
    /// An acknowledgement from before a reopening counts.
    HonoursOldAcknowledgement,
    /// A start takes `Sending` for delivered.
    SendingNotResent,
    /// A status write drops what is armed.
    RingDropsArmed,
    /// The outbox loses one try in eight.
    OutboxLosesTries,
    /// Messages to bob are reported as delivered and never sent.
    SaysDeliveredUnsent,
    /// After a crash each message leaves twice.
    SendsTwiceAfterCrash,
    /// A start does not see the step that is armed and due.
    StartIgnoresArmed,
    /// Writes are acknowledged before they are stored: a crash takes the last one back.
    WritesBehind,
    /// Watch events take half a minute, and nobody notices.
    SeesLate,
    /// Somebody else removes `status.waitingFor` each half hour.
    Meddler,
    /// A status write lands whatever version it was decided on.
    NoFencing,
    /// Deadlines are compared with the machine's wall clock.
    TrustsWallClock,
    /// The outbox is not told how tickets stand.
    StandingNotTold,
    /// What a cut watch missed of deletions is never learnt.
    KeepsDeleted,
    /// A bundle wears the id of its first message.
    BundleIdOfFirst,
    /// The outbox forgets results before a status holds them.
    OutboxForgets,
    /// A look that failed rests for its time, though a page falls due meanwhile.
    RestsOverPages,
    /// A write is waited for until its call is given up, whatever the watch shows.
    WaitsForAnswers,
    /// A watch that could not be started goes on from the version it had come to, whatever the store was put back to.
    WatchesFromTheFuture,
    /// Nobody was reached: the next step keeps its time.
    ForgetsFailedStep,
    /// Nobody was reached under a hold: the next step keeps its time after it.
    ForgetsFailedStepInHold,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::SendsBeforeArm,
        Self::IdHasTime,
        Self::ForgetsHoldEnd,
        Self::ForgetsAfterFailure,
        Self::HonoursOldAcknowledgement,
        Self::SendingNotResent,
        Self::RingDropsArmed,
        Self::OutboxLosesTries,
        Self::SaysDeliveredUnsent,
        Self::SendsTwiceAfterCrash,
        Self::StartIgnoresArmed,
        Self::WritesBehind,
        Self::SeesLate,
        Self::Meddler,
        Self::NoFencing,
        Self::TrustsWallClock,
        Self::StandingNotTold,
        Self::KeepsDeleted,
        Self::BundleIdOfFirst,
        Self::OutboxForgets,
        Self::RestsOverPages,
        Self::WaitsForAnswers,
        Self::WatchesFromTheFuture,
        Self::ForgetsFailedStep,
        Self::ForgetsFailedStepInHold,
    ];
}

/// Whether a record has no result yet.
pub(super) fn is_open(record: &DeliveryRecord) -> bool {
    match record.state {
        DeliveryState::Armed | DeliveryState::Sending => true,
        DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled
        | DeliveryState::Unknown => false,
    }
}

/// A ticket as an operator with that fault sees it after its start.
pub(super) fn seen_after_start(plant: Option<Plant>, ticket: Arc<Ticket>) -> Arc<Ticket> {
    let Some(status) = ticket.status.as_ref() else {
        return ticket;
    };
    let mut status = status.clone();
    if plant == Some(Plant::SendingNotResent) {
        for known in &mut status.deliveries {
            if known.state == DeliveryState::Sending {
                known.state = DeliveryState::Delivered;
            }
        }
    } else if plant == Some(Plant::StartIgnoresArmed) {
        status.deliveries.retain(|known| !is_open(known));
        if let Some(escalation) = &mut status.escalation {
            escalation.next_step = None;
            escalation.next_time = None;
            escalation.next_repeat = None;
        }
    } else {
        return ticket;
    }
    Arc::new(Ticket {
        status: Some(status),
        ..(*ticket).clone()
    })
}

/// A ticket as an operator with that fault sees it always.
pub(super) fn seen(plant: Option<Plant>, ticket: Arc<Ticket>) -> Arc<Ticket> {
    if plant != Some(Plant::HonoursOldAcknowledgement) {
        return ticket;
    }
    let mut ticket = (*ticket).clone();
    if let Some(status) = &mut ticket.status {
        let reopened = status.reopen_count.is_some();
        status
            .handled
            .retain(|block, handled| !(reopened && block == "acknowledgement" && handled.void));
    }
    Arc::new(ticket)
}

/// A status as a world with that fault stores it over another.
pub(super) fn stored(
    plant: Option<Plant>,
    before: Option<&TicketStatus>,
    mut status: TicketStatus,
) -> TicketStatus {
    if plant == Some(Plant::RingDropsArmed) {
        status
            .deliveries
            .retain(|known| known.state != DeliveryState::Armed);
    }
    let forgets = match plant {
        Some(Plant::ForgetsFailedStep) => true,
        Some(Plant::ForgetsFailedStepInHold) => is_held(&status),
        Some(_) | None => false,
    };
    if forgets
        && fails(before, &status)
        && let Some(escalation) = &mut status.escalation
    {
        escalation.next_step = None;
        escalation.next_time = None;
    }
    status
}

fn is_held(status: &TicketStatus) -> bool {
    let escalation = status.escalation.as_ref();
    escalation.is_some_and(|known| known.state == EscalationState::Held)
}

/// Whether a page of a step failed between two statuses.
fn fails(before: Option<&TicketStatus>, after: &TicketStatus) -> bool {
    let failed =
        |known: &&DeliveryRecord| known.step.is_some() && known.state == DeliveryState::Failed;
    let old = before.map_or(&[][..], |before| &before.deliveries);
    after.deliveries.iter().filter(failed).any(|known| {
        let mut old = old.iter().filter(failed);
        !old.any(|old| old.id == known.id)
    })
}

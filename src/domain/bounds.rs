//! The bounds of a status: whatever happens to a ticket, what is written of it stays small.
//!
//! Called once, before a status is written. History goes first, in the order of [`Worth`]; what timers live by goes
//! never, and a delivery without a result only where nothing else is left. A status that fits is left as it is, so that
//! what was written once is decided alike the next time. Rule: api.md section 1 rule 6.

use std::io::Write;

use serde::Serialize;

use crate::api::{DeliveryRecord, DeliveryState, Escalation, TicketStatus, TimelineEntry};
use crate::domain::chain::steps;
use crate::domain::telling::deliveries::open;
use crate::domain::{recurrence, timeline};

/// Most bytes of a written status: 16 KiB less what the count of dropped entries may grow by while room is made.
pub const BUDGET: usize = 16 * 1024 - 128;
/// Entries of `status.deliveries`.
const DELIVERIES: usize = 64;
/// Entries of `status.escalation.steps`.
const STEPS: usize = 32;
/// Newest timeline entries that stay longer than older ones.
const NEWEST: usize = 10;
/// Texts of conditions where room is short, then where nothing else is left.
const SHORT: [usize; 2] = [120, 24];
/// Texts of reasons beside clocks and requirements.
const REASON: usize = 120;

/// What an entry of `status.deliveries` is still good for; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Finished, a notice or of an earlier round.
    Past,
    /// Finished, of an earlier step of this round: tells who was paged.
    Paged,
    /// Failed or withheld at the step that paged last.
    Missed,
    /// Delivered at the step that paged last: while no other pages, it reached somebody.
    Reached,
    /// Without a result.
    Unfinished,
}

/// How many bytes a value takes as the API server writes it: JSON in which `<`, `>` and `&` are escaped too.
pub fn written_size<T: Serialize>(value: &T) -> usize {
    let mut size = Size(0);
    // Counting fails never, and what is counted can be written as JSON.
    let _ = serde_json::to_writer(&mut size, value);
    size.0
}

/// Counts the bytes of a JSON text, pieces of which never end inside a character.
struct Size(usize);

impl Write for Size {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let escaped = piece
            .iter()
            .filter(|byte| matches!(byte, b'<' | b'>' | b'&'));
        self.0 += piece.len() + 5 * escaped.count();
        if !piece.is_ascii() {
            let separators = piece
                .windows(3)
                .filter(|at| matches!(at, [0xe2, 0x80, 0xa8 | 0xa9]));
            self.0 += 3 * separators.count();
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Makes a status fit. Returns the deliveries without a result that had to go: nobody follows them any more.
#[must_use]
pub fn fit(status: &mut TicketStatus) -> Vec<DeliveryRecord> {
    let mut forgotten = shorten_lists(status);
    let size = written_size(status);
    if size <= BUDGET {
        return forgotten;
    }
    let mut room = Room {
        status,
        over: size - BUDGET,
    };
    room.drop_receipts();
    room.drop_deliveries(Worth::Past);
    room.drop_entries(NEWEST, |entry| !timeline::is_stage(&entry.kind));
    room.drop_deliveries(Worth::Paged);
    room.shorten_conditions(SHORT[0]);
    room.drop_entries(0, |entry| !timeline::is_stage(&entry.kind));
    room.drop_related();
    room.drop_deliveries(Worth::Missed);
    room.drop_entries(1, |_| true);
    room.drop_deliveries(Worth::Reached);
    room.shorten_conditions(SHORT[1]);
    room.drop_entries(0, |_| true);
    room.drop_duties();
    forgotten.extend(room.drop_deliveries(Worth::Unfinished));
    forgotten
}

/// A status that is too large, and by how many bytes.
struct Room<'s> {
    status: &'s mut TicketStatus,
    over: usize,
}

impl Room<'_> {
    fn freed(&mut self, bytes: usize) {
        self.over = self.over.saturating_sub(bytes);
    }

    /// Receivers' answers to what arrived.
    fn drop_receipts(&mut self) {
        for known in &mut self.status.deliveries {
            if self.over > 0 && !open(known.state) && known.state != DeliveryState::Failed {
                let before = written_size(known);
                known.message = None;
                self.over = self.over.saturating_sub(before - written_size(known));
            }
        }
    }

    /// Deliveries that are worth no more than that, the oldest first.
    fn drop_deliveries(&mut self, worth: Worth) -> Vec<DeliveryRecord> {
        let mut gone = Vec::new();
        let mut at = 0;
        while self.over > 0
            && let Some(known) = self.status.deliveries.get(at)
        {
            if worth_of(known, self.status.escalation.as_ref()) == worth {
                let known = self.status.deliveries.remove(at);
                self.freed(written_size(&known) + 1);
                gone.push(known);
            } else {
                at += 1;
            }
        }
        gone
    }

    /// Timeline entries, the oldest first; the newest `keep` stay.
    fn drop_entries(&mut self, keep: usize, goes: impl Fn(&TimelineEntry) -> bool) {
        let mut at = 0;
        while self.over > 0 && at + keep < self.status.timeline.len() {
            if self.status.timeline.get(at).is_some_and(&goes) {
                let entry = self.status.timeline.remove(at);
                timeline::count_dropped(self.status);
                self.freed(written_size(&entry) + 1);
            } else {
                at += 1;
            }
        }
    }

    fn shorten_conditions(&mut self, limit: usize) {
        for known in &mut self.status.conditions {
            if self.over > 0 {
                let before = written_size(&known.message);
                known.message = timeline::cut(&known.message, limit);
                self.over = self
                    .over
                    .saturating_sub(before.saturating_sub(written_size(&known.message)));
            }
        }
    }

    /// Who was on duty when the chain called: only a hand-over goes untold.
    fn drop_duties(&mut self) {
        while self.over > 0
            && let Some(known) = self.status.duties.pop()
        {
            self.freed(written_size(&known) + 1);
        }
    }

    /// Runbooks of earlier tickets like this one, then those tickets.
    fn drop_related(&mut self) {
        for known in &mut self.status.related {
            if self.over > 0
                && let Some(runbook) = known.runbook.take()
            {
                self.over = self.over.saturating_sub(written_size(&runbook));
            }
        }
        while self.over > 0
            && let Some(known) = self.status.related.pop()
        {
            self.freed(written_size(&known) + 1);
        }
    }
}

/// Lists to the sizes that the API allows, and texts of others' making to a sensible length.
fn shorten_lists(status: &mut TicketStatus) -> Vec<DeliveryRecord> {
    let mut forgotten = Vec::new();
    while status.deliveries.len() > DELIVERIES {
        let escalation = status.escalation.as_ref();
        let least = status
            .deliveries
            .iter()
            .enumerate()
            .min_by_key(|(at, known)| (worth_of(known, escalation), *at))
            .map_or(0, |(at, _)| at);
        let known = status.deliveries.remove(least);
        if open(known.state) {
            forgotten.push(known);
        }
    }
    while status.timeline.len() > timeline::RING {
        status.timeline.remove(0);
        timeline::count_dropped(status);
    }
    if let Some(escalation) = &mut status.escalation {
        let surplus = escalation.steps.len().saturating_sub(STEPS);
        escalation.steps.drain(..surplus);
    }
    status.related.truncate(recurrence::MOST);
    if let Some(targets) = &mut status.targets {
        for clock in [&mut targets.response, &mut targets.resolution] {
            clock.reason = clock.reason.take().map(|text| timeline::cut(&text, REASON));
        }
    }
    if let Some(required) = status.rca.as_mut().and_then(|rca| rca.required.as_mut()) {
        required.reason = timeline::cut(&required.reason, REASON);
    }
    forgotten
}

fn worth_of(known: &DeliveryRecord, escalation: Option<&Escalation>) -> Worth {
    let of_round = escalation.is_some_and(|escalation| escalation.round == known.round);
    let newest = escalation.and_then(steps::newest);
    let of_step = newest.is_some_and(|newest| known.step.as_ref() == Some(&newest.name));
    match known.state {
        DeliveryState::Armed | DeliveryState::Sending => Worth::Unfinished,
        DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled
        | DeliveryState::Unknown
            if known.kind.is_some() || !of_round =>
        {
            Worth::Past
        }
        DeliveryState::Delivered if of_step => Worth::Reached,
        DeliveryState::Failed | DeliveryState::Cancelled | DeliveryState::Unknown if of_step => {
            Worth::Missed
        }
        DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled
        | DeliveryState::Unknown => Worth::Paged,
    }
}

#[cfg(test)]
mod tests;

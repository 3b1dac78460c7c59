//! `status.deliveries`: what is armed or under way outside the chain's own arm, and what became of it.
//!
//! Rules: `delivery.md` section 1 (Sending and Armed are sent again after a start), `api.md` section 5 "Delivery
//! failed for good". One entry per (step or kind, target), the newest; `bounds` says how many.

mod entry;

use jiff::{SignedDuration, Timestamp};

pub use entry::{Entry, Part};

use super::delivery::{
    Delivery, DeliveryId, FailureCause, Message, Progress, Standing, Target, ValidWhile,
};
use super::incident;
use super::message::{self, NoticeOf, PageOf};
use crate::api::{DeliveryRecord, DeliveryState, StepCondition, TicketStatus, Time};
use crate::domain::chain::{escalation, pages, raised, steps};
use crate::domain::draft::{Draft, Tell, after};
use crate::domain::next::Waiting;
use crate::domain::timeline;

/// Results of notices wait this long for the next write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);
/// On the last step a budget that ended is renewed after this time.
const RENEWAL: SignedDuration = SignedDuration::from_mins(1);

/// Cause of a page that was missed during a downtime.
pub const CAUGHT_UP: &str = "CaughtUp";

/// What differs between deliveries.
pub struct Parts {
    /// Id.
    pub id: DeliveryId,
    /// Who it is for.
    pub target: Target,
    /// How long it may leave.
    pub valid_while: ValidWhile,
    /// Its deadline.
    pub due: Timestamp,
    /// What is said.
    pub message: Message,
}

/// A delivery with the ways of its target.
pub fn make(draft: &Draft<'_>, parts: Parts) -> Delivery {
    let Parts {
        id,
        target,
        valid_while,
        due,
        message,
    } = parts;
    let namespace = draft
        .status
        .policy
        .as_ref()
        .map(|pin| pin.namespace.clone())
        .unwrap_or_default();
    let reporter = draft
        .ticket()
        .spec
        .reporter
        .as_ref()
        .and_then(|reporter| reporter.contact.as_deref());
    let ways = draft
        .people()
        .map(|people| people.ways(&target, &namespace, reporter))
        .unwrap_or_default();
    let pages = message.data.step.is_some();
    let retry_until = message
        .data
        .next
        .as_ref()
        .and_then(|next| next.time)
        .filter(|time| pages && *time > draft.now);
    let answered_by = draft
        .people()
        .filter(|_| pages)
        .and_then(|people| people.user_of(&target));
    let incident = incident::of(&message, &draft.status.deliveries);
    Delivery {
        id,
        ticket: draft.key(),
        target,
        ways,
        message,
        incident,
        answered_by,
        valid_while,
        due,
        retry_until,
        severity: draft.severity(),
    }
}

/// Puts an entry in the place of the older one of the same step or kind and target.
pub fn put(status: &mut TicketStatus, record: DeliveryRecord) {
    let same = |known: &DeliveryRecord| {
        known.step == record.step && known.kind == record.kind && known.target == record.target
    };
    status.deliveries.retain(|known| !same(known));
    status.deliveries.push(record);
}

/// Whether a delivery has no result yet.
pub fn open(state: DeliveryState) -> bool {
    match state {
        DeliveryState::Armed | DeliveryState::Sending => true,
        DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled
        | DeliveryState::Unknown => false,
    }
}

/// Whether a delivery has reached its target, or may have, as far as this decision can know: the outbox's word counts
/// before the record, which may not have it yet.
pub fn reached(draft: &Draft<'_>, record: &DeliveryRecord) -> bool {
    match draft.seen.outbox.get(&DeliveryId::from_stored(&record.id)) {
        Some(Progress::InFlight { .. } | Progress::Delivered { .. }) => true,
        Some(Progress::Failed { .. } | Progress::Cancelled { .. }) => false,
        None => match record.state {
            DeliveryState::Sending | DeliveryState::Delivered | DeliveryState::Unknown => true,
            DeliveryState::Armed => may_have_left(draft, record),
            DeliveryState::Failed | DeliveryState::Cancelled => false,
        },
    }
}

/// Whether a process before this one may have sent what is armed: it was due before this one looked.
fn may_have_left(draft: &Draft<'_>, record: &DeliveryRecord) -> bool {
    record.time.0 < draft.seen.first_seen
}

/// Takes the outbox's results into the entries, and notes which have ended by them.
pub fn take_results(draft: &mut Draft<'_>) {
    let mut finished = Vec::new();
    for at in 0..draft.status.deliveries.len() {
        let Some(known) = draft
            .status
            .deliveries
            .get(at)
            .filter(|known| open(known.state))
        else {
            continue;
        };
        let id = DeliveryId::from_stored(&known.id);
        let Some(progress) = draft.progress(&id, known.time.0) else {
            continue;
        };
        let postponed = matches!(progress, Progress::Cancelled { .. }) && postponed(draft, known);
        let Some(known) = draft.status.deliveries.get_mut(at) else {
            continue;
        };
        if postponed {
            known.state = DeliveryState::Armed;
            continue;
        }
        apply_result(known, progress);
        if !open(known.state) {
            finished.push((known.clone(), progress.clone()));
        }
    }
    tell_failures(draft, &finished);
    draft.finished.extend(finished);
}

/// Whether a page waits for the end of a hold, written or decided now: it leaves then, under the same id.
fn postponed(draft: &Draft<'_>, record: &DeliveryRecord) -> bool {
    let written = draft.seen.ticket.status.as_ref();
    let was_held = written
        .and_then(|status| status.holding.as_ref())
        .is_some_and(|holding| holding.since_time.is_some());
    if !(was_held || draft.standing.held) || record.round != draft.escalation_round() {
        return false;
    }
    let standing = |held| Standing {
        held,
        ..draft.standing
    };
    let valid_while = valid_while(draft, record);
    valid_while.holds(standing(false)) && !valid_while.holds(standing(true))
}

fn apply_result(known: &mut DeliveryRecord, progress: &Progress) {
    let (state, time, attempts, message) = match progress {
        Progress::InFlight { .. } => {
            known.state = DeliveryState::Sending;
            return;
        }
        Progress::Delivered {
            time,
            attempts,
            message,
            ..
        } => (DeliveryState::Delivered, time, *attempts, message.as_str()),
        Progress::Failed {
            time,
            attempts,
            message,
            ..
        } => (DeliveryState::Failed, time, *attempts, message.as_str()),
        Progress::Cancelled { time } => (DeliveryState::Cancelled, time, 0, ""),
    };
    known.state = state;
    known.time = Time(*time);
    known.attempts = Some(i64::from(attempts)).filter(|attempts| *attempts > 0);
    known.message =
        Some(timeline::cut(message, timeline::MESSAGE_BYTES)).filter(|message| !message.is_empty());
}

fn tell_failures(draft: &mut Draft<'_>, finished: &[(DeliveryRecord, Progress)]) {
    for (known, progress) in finished {
        match progress {
            Progress::Failed { message, .. } => {
                let what = format!("Delivery to {} failed: {message}", known.target);
                draft.condition("Delivered", false, "DeliveryFailed", &what);
                let now = draft.now;
                draft.tell(Tell {
                    reason: "DeliveryFailed",
                    warning: true,
                    at: now,
                    actor: None,
                    message: &what,
                });
            }
            Progress::Delivered { .. } => {
                draft.clear_failure(known.kind.is_none());
            }
            Progress::Cancelled { .. } | Progress::InFlight { .. } => {}
        }
    }
}

/// Sends what is armed and written, resends what a start left open, takes results, and says how long they may wait.
pub fn settle(draft: &mut Draft<'_>) {
    let armed: Vec<String> = draft
        .status
        .deliveries
        .iter()
        .filter(|known| known.state == DeliveryState::Armed)
        .map(|known| known.id.clone())
        .collect();
    take_results(draft);
    let finished = std::mem::take(&mut draft.finished);
    let mut settled_by: Option<Timestamp> = None;
    for (known, progress) in &finished {
        let by = if known.kind.is_some() {
            after(progress.ended().unwrap_or(draft.now), PATIENCE)
        } else {
            draft.now
        };
        settled_by = Some(settled_by.map_or(by, |earliest| earliest.min(by)));
    }
    still_flying(draft, &armed, &mut settled_by);
    draft.lazy_until = settled_by;
    chain_failures(draft, &finished);
    resend(draft);
}

/// An armed entry in flight is written as Sending after a second, a notice after two.
fn still_flying(draft: &mut Draft<'_>, armed: &[String], settled_by: &mut Option<Timestamp>) {
    for known in &draft.status.deliveries {
        if known.state != DeliveryState::Sending || !armed.contains(&known.id) {
            continue;
        }
        let since = draft
            .seen
            .outbox
            .get(&DeliveryId::from_stored(&known.id))
            .map_or(draft.now, Progress::since);
        let by = after(since, PATIENCE);
        *settled_by = Some(settled_by.map_or(by, |earliest| earliest.min(by)));
    }
}

/// A step none of whose targets was reached: the next step now; where none can fire now, the budget is renewed each
/// minute.
fn chain_failures(draft: &mut Draft<'_>, finished: &[(DeliveryRecord, Progress)]) {
    let round = draft.escalation_round();
    let escalation = draft.status.escalation.as_ref();
    let current = escalation.and_then(|known| Some(steps::newest(known)?.name.clone()));
    for (record, progress) in finished {
        let Progress::Failed { cause, .. } = progress else {
            continue;
        };
        if record.kind.is_some() || record.round != round || record.step != current {
            continue;
        }
        let reached = draft.status.deliveries.iter().any(|known| {
            known.step == record.step
                && known.round == round
                && (open(known.state) || known.state == DeliveryState::Delivered)
        });
        let step = record.step.as_deref().unwrap_or_default();
        let spared = raised::spared(&draft.status, round, step).next().is_some();
        let again = pages::again_under_way(draft, step);
        // A hold only puts off what follows.
        let standing = Standing {
            held: false,
            ..draft.standing
        };
        if reached || spared || again || !valid_while(draft, record).holds(standing) {
            continue;
        }
        let goes_on = escalation::pull_forward(draft);
        match cause {
            FailureCause::BudgetEnded if !goes_on => renew(draft, &record.id),
            FailureCause::BudgetEnded | FailureCause::Refused => {}
        }
    }
}

fn renew(draft: &mut Draft<'_>, id: &str) {
    let again = after(draft.now, RENEWAL);
    if let Some(known) = draft
        .status
        .deliveries
        .iter_mut()
        .find(|known| known.id == id)
    {
        known.state = DeliveryState::Armed;
        known.time = Time(again);
    }
}

/// Hands over what is written as Armed or Sending and not in the outbox; withholds what no longer holds.
fn resend(draft: &mut Draft<'_>) {
    let written = draft
        .seen
        .ticket
        .status
        .as_ref()
        .map(|status| status.deliveries.as_slice())
        .unwrap_or_default();
    let mut out = Vec::new();
    for at in 0..draft.status.deliveries.len() {
        let Some(known) = draft.status.deliveries.get(at).cloned() else {
            break;
        };
        let id = DeliveryId::from_stored(&known.id);
        if !open(known.state) || draft.progress(&id, known.time.0).is_some() {
            continue;
        }
        if postponed(draft, &known) {
            continue;
        }
        let valid_while = valid_while(draft, &known);
        if !valid_while.holds(draft.standing) {
            withhold(draft, at);
            continue;
        }
        if known.time.0 > draft.now {
            draft.wake(known.time.0, Waiting::DeliveryResults);
            continue;
        }
        let durable = written
            .iter()
            .any(|old| old.id == known.id && open(old.state));
        if let (true, Some(target)) = (durable, Target::parse(&known.target)) {
            let message = message_of(draft, &known, &id, &target);
            out.push(make(
                draft,
                Parts {
                    id,
                    target,
                    valid_while,
                    due: known.time.0,
                    message,
                },
            ));
        }
    }
    draft.deliver.extend(out);
}

fn withhold(draft: &mut Draft<'_>, at: usize) {
    let known = draft.status.deliveries.get(at);
    let sent = known.is_some_and(|known| reached(draft, known));
    if let Some(known) = draft.status.deliveries.get_mut(at) {
        known.state = if sent {
            DeliveryState::Unknown
        } else {
            DeliveryState::Cancelled
        };
        draft.lazy_until = Some(draft.now);
    }
}

fn valid_while(draft: &Draft<'_>, record: &DeliveryRecord) -> ValidWhile {
    let Some(step) = &record.step else {
        return match record.kind.as_deref() {
            Some("UpdateReminder" | "UpdateOverdue") => ValidWhile::NotResolved,
            Some("HandOver" | "ValidationRequested") => ValidWhile::Open,
            Some(_) | None => ValidWhile::Always,
        };
    };
    if requested(record.cause.as_deref()) {
        return ValidWhile::Open;
    }
    of_step(draft, step)
}

/// Whether a page with that cause was asked for by a person.
pub fn requested(cause: Option<&str>) -> bool {
    cause.is_some_and(|cause| cause != CAUGHT_UP)
}

/// How long a page of the timetable may leave: as long as its step's condition holds.
pub fn of_step(draft: &Draft<'_>, step: &str) -> ValidWhile {
    let policy = draft.policy.as_deref();
    match policy.and_then(|policy| Some(policy.step(step)?.condition)) {
        Some(StepCondition::NotAcknowledged) => ValidWhile::NotAcknowledged,
        Some(StepCondition::NotResolved) | None => ValidWhile::NotResolved,
    }
}

fn message_of(
    draft: &Draft<'_>,
    record: &DeliveryRecord,
    id: &DeliveryId,
    target: &Target,
) -> Message {
    match (&record.step, &record.kind) {
        (Some(step), _) => {
            let page = PageOf {
                round: record.round,
                step,
                repeat: record.repeat.unwrap_or(0),
                cause: record.cause.as_deref(),
            };
            message::page(draft, id, target, page)
        }
        (None, kind) => {
            let of = NoticeOf {
                kind: kind.as_deref().unwrap_or("Notice"),
                cause: record.cause.as_deref().unwrap_or_default(),
                round: record.round,
            };
            message::notice(draft, id, target, of)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Ticket, TicketSpec};
    use crate::domain::observed::{Observed, Settings};

    #[test]
    fn what_is_armed_may_have_left_only_where_it_was_due_before_this_process_looked() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let seen = Observed {
            ticket: std::sync::Arc::new(Ticket::new("a", TicketSpec::default())),
            policies: std::sync::Arc::default(),
            outbox: std::collections::BTreeMap::new(),
            others: crate::domain::observed::Others::default(),
            first_seen: at(10),
            remembered: None,
        };
        let settings = Settings::default();
        let draft = Draft::new(&seen, &settings, at(20));
        for (due, may) in [(9, true), (10, false), (11, false)] {
            let record = DeliveryRecord {
                state: DeliveryState::Armed,
                time: Time(at(due)),
                ..DeliveryRecord::default()
            };
            assert_eq!(reached(&draft, &record), may, "{due}");
        }
    }
}

//! (1) by the durable record: what a stored status arms leaves at its time, what it holds as under way is never lost from
//! it, and what it calls delivered was received.

use super::{
    Breach, KNOWN, Promise, Story, is_edit, named, only_answers_lost, only_api_away, over, pinned,
    receivers_ill, unanswered,
};
use crate::api::{
    DeliveryRecord, DeliveryState, Escalation, EscalationState, StartReason, TicketStatus,
};
use crate::testkit::sim::ledger::{Broken, Receipt};
use crate::testkit::sim::moment::{MINUTE, Ms, SECOND, clock, ms_of};
use crate::testkit::sim::plant::is_open;
use crate::testkit::sim::run::Outcome;
use crate::testkit::sim::server::Change;

/// When nothing is broken, what is armed is received within that.
const IN_TIME: Ms = 2 * SECOND;
/// The same while the API server is away: a look may ask it first, and a write is given up after a second.
const AWAY: Ms = 4 * SECOND;
/// An operator that failed rests for so long at most before it tries again.
const AGAIN: Ms = 20 * SECOND;

pub(super) fn check(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    for (place, change) in story.changes.iter().enumerate() {
        let next = story.changes.get(place + 1).copied();
        let Some(status) = change.ticket.status.as_ref().filter(|_| !change.deleted) else {
            continue;
        };
        if let Some(escalation) = status
            .escalation
            .as_ref()
            .filter(|known| known.state == EscalationState::Running)
        {
            page_left(outcome, story, (change, next), (status, escalation), found);
        }
        if let Some(next) = next {
            nothing_vanished(story, (change, next), found);
        }
    }
    nothing_forgotten(outcome, story, found);
    delivered_means_received(outcome, story, found);
}

/// No page stands armed in the past at the end.
fn nothing_forgotten(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    let last = story.last(outcome);
    let status = last.as_ref().and_then(|ticket| ticket.status.as_ref());
    let escalation = status.and_then(|status| status.escalation.as_ref());
    let running = escalation.filter(|known| known.state == EscalationState::Running);
    let Some((step, due)) =
        running.and_then(|known| Some((known.next_step.as_ref()?, known.next_time?)))
    else {
        return;
    };
    let due = ms_of(due.0);
    if due < outcome.ended - 5 * MINUTE {
        found.push(Breach {
            promise: Promise::Received,
            at: due,
            words: format!(
                "{}: \"{step}\" still stands armed for {} at the end",
                story.name,
                clock(due)
            ),
        });
    }
}

/// The page that is armed when it falls due leaves.
fn page_left(
    outcome: &Outcome,
    story: &Story<'_>,
    (change, next): (&Change, Option<&Change>),
    (status, escalation): (&TicketStatus, &Escalation),
    found: &mut Vec<Breach>,
) {
    let (Some(step), Some(due)) = (&escalation.next_step, escalation.next_time) else {
        return;
    };
    let due = ms_of(due.0);
    // Decided on an older look at what people wrote.
    let outdated = status.observed_generation != change.ticket.metadata.generation;
    let superseded = next.is_some_and(|next| ms_of(next.at) <= due);
    let written = ms_of(change.at);
    // A version that somebody else made may show an arm that has been acted on; one that was put back is new to all.
    let acted_on = due < written - MINUTE && change.put_back.is_none();
    if outdated || superseded || due > outcome.ended || acted_on {
        return;
    }
    let (armed, due) = (due, due.max(written));
    let clear = over(outcome, due);
    // A write without an answer that the watch shows holds nothing up.
    let rests = clear > due && !only_answers_lost(outcome, due, clear);
    let mut until = clear + if rests { AGAIN } else { IN_TIME };
    if needs_no_write(outcome, story, (change, due)) {
        until = until.min(due + AWAY);
    }
    if is_excused(
        outcome,
        story,
        (status, change.put_back.map(ms_of)),
        (written, due, until),
    ) {
        return;
    }
    let Some(whom) = missed(
        outcome,
        story,
        (status, escalation, step),
        (armed, due, until),
    ) else {
        return;
    };
    let raised = escalation.start_reason == Some(StartReason::SeverityRaised);
    if raised && unanswered(&change.ticket.spec) {
        return;
    }
    let repeat = escalation.next_repeat.unwrap_or(0);
    found.push(Breach {
        promise: Promise::Received,
        at: due,
        words: format!(
            "{}: \"{step}\" repeat {repeat} was armed for {} and not received by {whom} until {}",
            story.name,
            clock(due),
            clock(until)
        ),
    });
}

/// Whether nothing but the API server is away, and an operator knew the arm before: it leaves all the same.
fn needs_no_write(outcome: &Outcome, story: &Story<'_>, (change, due): (&Change, Ms)) -> bool {
    let mut known = outcome.ledger.known.iter();
    let knew = known.any(|((_, _, uid), known)| {
        let mut before = known.iter().rev().skip_while(|(at, _)| *at >= due);
        *uid == story.uid
            && before
                .next()
                .is_some_and(|(_, version)| *version == change.version)
    });
    knew && only_api_away(outcome, due, due + AWAY)
}

/// What people did meanwhile, and receivers that were not well, make it another matter.
fn is_excused(
    outcome: &Outcome,
    story: &Story<'_>,
    (status, since): (&TicketStatus, Option<Ms>),
    (written, due, until): (Ms, Ms, Ms),
) -> bool {
    let expires = status
        .acknowledge_expiry_time
        .is_some_and(|expiry| ms_of(expiry.0) <= until);
    // No policy is put back.
    let (mut policies, since) = (
        outcome.ledger.policy_changes.iter(),
        since.unwrap_or(written),
    );
    story.edited(written + 1, until)
        || story.edited(due - SECOND, until)
        // Or just before, so that the arm was decided on an older look at it.
        || policies.any(|at| over(outcome, *at) + SECOND >= since && *at <= until)
        || receivers_ill(outcome, due - 3 * MINUTE, until)
        || story.put_back(written, until).is_some()
        || expires
        || until > outcome.ended
}

/// Who did not get the armed page in its time.
fn missed(
    outcome: &Outcome,
    story: &Story<'_>,
    (status, escalation, step): (&TicketStatus, &Escalation, &String),
    (armed, due, until): (Ms, Ms, Ms),
) -> Option<String> {
    let repeat = escalation.next_repeat.unwrap_or(0);
    // Whoever led meanwhile may not have known that it left, nor that it was received; nor does a store that was put back.
    let lately = |receipt: &&Receipt| receipt.at >= armed - SECOND;
    let put_back = story.put_back(Ms::MIN, armed);
    let put_back = put_back.map(|at| over(outcome, at) + KNOWN);
    let handed_over = |receipt: &Receipt, by: Ms| {
        let mut all = outcome.ledger.handed_over.iter();
        all.any(|one| one.id == receipt.delivery.id && one.at <= by)
    };
    let not_known = |receipt: &Receipt| {
        let hand_over = |broken: &Broken| *broken == Broken::HandOver;
        outcome.ledger.broken(receipt.at, armed, hand_over)
            || put_back.is_some_and(|known| handed_over(receipt, known))
    };
    let in_time = |receipt: &&Receipt| {
        let ours = receipt.delivery.ticket.uid == story.uid && receipt.at <= until;
        ours && (lately(receipt) || not_known(receipt))
    };
    let got: Vec<&Receipt> = outcome.ledger.receipts.iter().filter(in_time).collect();
    let is_it = |receipt: &&&Receipt| {
        let data = &receipt.delivery.message.data;
        data.step.as_ref() == Some(step)
            && data.repeat.unwrap_or(0) == repeat
            && data.round >= escalation.round
    };
    let late = until > due + IN_TIME;
    let mut new = got.iter().filter(|receipt| lately(receipt));
    if late && new.any(|receipt| receipt.delivery.message.data.step.is_some()) {
        // Caught up.
        return None;
    }
    let raised = escalation.start_reason == Some(StartReason::SeverityRaised);
    let told = |receipt: &&Receipt| receipt.delivery.message.data.kind == "SeverityNow";
    if raised && got.iter().any(told) {
        // Paged just before: whoever was reached is told of the new severity instead.
        return None;
    }
    if !got.iter().any(|receipt| is_it(&receipt)) {
        return Some("anybody".to_owned());
    }
    let policy = pinned(outcome, status).filter(|_| !raised)?;
    let wanted = named(policy, &policy.step(step)?.notify);
    let missing = wanted.into_iter().find(|target| {
        !got.iter()
            .filter(is_it)
            .any(|receipt| receipt.delivery.target == *target)
    });
    missing.map(|target| target.to_string())
}

/// What is armed or on its way stays in the record until it has an end, or a newer one of its kind takes its place.
fn nothing_vanished(
    story: &Story<'_>,
    (change, next): (&Change, &Change),
    found: &mut Vec<Breach>,
) {
    if next.deleted || next.put_back.is_some() {
        return;
    }
    let after = records(next);
    let mut open = records(change).iter().filter(|record| is_open(record));
    let lost = open.find(|record| {
        !after.iter().any(|other| {
            other.id == record.id
                || (other.step == record.step
                    && other.kind == record.kind
                    && other.target == record.target)
        })
    });
    if let Some(lost) = lost {
        found.push(Breach {
            promise: Promise::Received,
            at: ms_of(next.at),
            words: format!(
                "{}: {} for {} was {:?} in the status and is gone from it",
                story.name,
                lost.step
                    .as_deref()
                    .or(lost.kind.as_deref())
                    .unwrap_or_default(),
                lost.target,
                lost.state
            ),
        });
    }
}

fn records(change: &Change) -> &[DeliveryRecord] {
    let status = change.ticket.status.as_ref();
    status.map_or(&[], |status| &status.deliveries)
}

/// What the record calls delivered was received; nothing is armed for ever.
fn delivered_means_received(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    let last = story.last(outcome);
    let Some(status) = last.as_ref().and_then(|ticket| ticket.status.as_ref()) else {
        return;
    };
    let last_edit = story
        .changes
        .iter()
        .rev()
        .find(|change| is_edit(change))
        .map_or(0, |change| ms_of(change.at));
    for record in &status.deliveries {
        let received = outcome
            .ledger
            .receipts
            .iter()
            .any(|receipt| receipt.delivery.id.as_str() == record.id);
        let wrong = match record.state {
            DeliveryState::Delivered if !received => "is called delivered and was never received",
            DeliveryState::Armed | DeliveryState::Sending
                if status.phase.is_some() && !receivers_ill(outcome, last_edit, outcome.ended) =>
            {
                let held = status
                    .holding
                    .as_ref()
                    .is_some_and(|holding| holding.since_time.is_some());
                if held || status.archived {
                    continue;
                }
                "is still under way at the end"
            }
            DeliveryState::Armed
            | DeliveryState::Sending
            | DeliveryState::Delivered
            | DeliveryState::Failed
            | DeliveryState::Cancelled
            | DeliveryState::Unknown => continue,
        };
        found.push(Breach {
            promise: Promise::Received,
            at: ms_of(record.time.0),
            words: format!(
                "{}: {} for {} {wrong}",
                story.name,
                record
                    .step
                    .as_deref()
                    .or(record.kind.as_deref())
                    .unwrap_or_default(),
                record.target
            ),
        });
        return;
    }
}

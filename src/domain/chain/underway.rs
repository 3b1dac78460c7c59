//! A page that left before a fact stopped its step: recorded and told first, then the fact is acted on, so that
//! nothing that people received is missing from the record.
//!
//! Rules: `delivery.md` section 1 ("After a start ... `Unknown`, and it gets the "acknowledged by" follow-up"),
//! `api.md` section 5 "Acknowledged" (queued deliveries are Cancelled, those already paged hear of it).

use jiff::{SignedDuration, Timestamp};

use super::timetable::Upcoming;
use super::{escalation, pages};
use crate::domain::draft::{Draft, after};
use crate::domain::telling::delivery::Progress;
use crate::domain::{lifecycle, pinning};

/// A page may leave for so long after what stops it became readable (`delivery.md` section 4).
const AFTER_A_STOP: SignedDuration = SignedDuration::from_secs(1);

/// How far the page of the written arm has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    /// Handed over at that moment.
    Left(Timestamp),
    /// Handed over, and withheld before it left.
    Withheld,
    /// A process before this one may have sent it.
    Perhaps,
}

/// Whether the finished `draft` gives up a page that left, or may have left, without a word about it.
pub fn forgotten(draft: &Draft<'_>) -> bool {
    let armed = draft.written_escalation().and_then(|known| known.next_time);
    if armed.is_none_or(|due| due.0 > draft.now) {
        return false;
    }
    let mut before = Draft::new(draft.seen, draft.settings, draft.now);
    let Some((next, departure)) = departed(&mut before) else {
        return false;
    };
    let (known, written) = (draft.status.escalation.as_ref(), draft.written_escalation());
    let still_armed = known.zip(written).is_some_and(|(known, written)| {
        known.round == written.round
            && known.next_step == written.next_step
            && known.next_repeat == written.next_repeat
            && known.next_time == written.next_time
    });
    let recorded = || {
        let ids = pages::ids(&before, &next);
        ids.iter().all(|(id, _)| {
            let deliveries = &draft.status.deliveries;
            deliveries.iter().any(|known| known.id == id.as_str())
        })
    };
    // What may have left before a hold leaves after it, under the same id: nobody has answered it yet.
    let never_left = || {
        departure == Departure::Perhaps && (draft.held.is_some() || stopped_before(draft, next.due))
    };
    // Whoever is just being paged is told of an acknowledgement too, though the step goes on in spite of it.
    let told_too = || matches!(departure, Departure::Left(_)) && newly_acknowledged(draft);
    (!still_armed || told_too()) && !recorded() && !never_left()
}

/// Whether this decision takes in an acknowledgement.
fn newly_acknowledged(draft: &Draft<'_>) -> bool {
    let (new, old) = (
        draft.status.acknowledge_time,
        draft.written().acknowledge_time,
    );
    new.is_some() && new != old
}

/// Whether the facts of this decision had stopped the ticket's pages before that moment.
fn stopped_before(draft: &Draft<'_>, due: Timestamp) -> bool {
    let (new, old) = (&draft.status, draft.written());
    let stops = [
        (new.acknowledge_time, old.acknowledge_time),
        (new.resolve_time, old.resolve_time),
        (new.close_time, old.close_time),
    ];
    let earliest = stops
        .into_iter()
        .filter(|(new, old)| new != old)
        .filter_map(|(new, _)| new)
        .min();
    earliest.is_some_and(|stop| after(stop.0, AFTER_A_STOP) < due)
}

/// Records and tells what left under the written arm, as the ticket stood when it left.
pub fn record(draft: &mut Draft<'_>) {
    match departed(draft) {
        None => {}
        Some((next, Departure::Withheld)) => pages::record(draft, &next),
        Some((next, Departure::Left(handed))) => {
            escalation::left(draft, &next, handed);
        }
        Some((next, Departure::Perhaps)) => escalation::may_have_left(draft, &next),
    }
}

/// What is armed in the written status, due, and no longer only planned.
fn departed(draft: &mut Draft<'_>) -> Option<(Upcoming, Departure)> {
    draft.status.escalation.as_ref()?.next_step.as_ref()?;
    pinning::load(draft);
    draft.standing = lifecycle::standing_of(&draft.status);
    if draft.standing.held {
        return None;
    }
    let next = escalation::upcoming(draft).filter(|next| next.due <= draft.now)?;
    if !pages::armed(draft, &next) {
        return None;
    }
    let known: Vec<&Progress> = pages::ids(draft, &next)
        .iter()
        .filter_map(|(id, _)| draft.progress(id, next.due))
        .collect();
    let out = known
        .iter()
        .filter(|known| !matches!(known, Progress::Cancelled { .. }))
        .map(|known| known.since())
        .min();
    let departure = match out {
        Some(handed) => Departure::Left(handed),
        None if !known.is_empty() => Departure::Withheld,
        None if next.due <= draft.seen.first_seen => Departure::Perhaps,
        None => return None,
    };
    Some((next, departure))
}

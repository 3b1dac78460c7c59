//! (3) Nothing of the chain leaves later than a second after its operator could read that it is stopped; nothing at all
//! later than a second plus what was broken meanwhile.

use super::{Breach, Promise, Story, over};
use crate::api::{ClosureReason, StepCondition, Ticket};
use crate::domain::telling::delivery::ValidWhile;
use crate::testkit::sim::ledger::Departure;
use crate::testkit::sim::moment::{Ms, SECOND, clock, ms_of};
use crate::testkit::sim::run::Outcome;
use crate::testkit::sim::server::Change;

/// The promise.
const GRACE: Ms = SECOND;
/// How long a watch event takes at most when nothing is broken, and a look after it.
const TRIP: Ms = 150;
/// How long a silent watch is trusted (`controller::freshness`), and the call that then asks.
const SILENCE: Ms = 11 * SECOND;

pub(super) fn check(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    for departure in outcome
        .ledger
        .departures
        .iter()
        .filter(|left| left.delivery.ticket.uid == story.uid)
    {
        let Some((stop, words)) = stopped(outcome, story, departure) else {
            continue;
        };
        let at = departure.at;
        let stopped_at = ms_of(stop.at);
        let knower = (departure.process, departure.life, story.uid.clone());
        // Versions are no order across a restore.
        let since = story
            .changes
            .iter()
            .skip_while(|change| !std::ptr::eq(**change, stop));
        let since: Vec<u64> = since.map(|change| change.version).collect();
        let known = outcome.ledger.known.get(&knower).and_then(|known| {
            let mut first = known.iter().filter(|(at, version)| {
                *at >= stopped_at && (*version == u64::MAX || since.contains(version))
            });
            first.next().map(|(at, _)| *at)
        });
        let late_for_itself = known.is_some_and(|known| at > known + GRACE + TRIP);
        let excuse = over(outcome, stopped_at)
            .min(stopped_at + SILENCE.max(over(outcome, stopped_at) - stopped_at));
        let late_for_all = at > excuse + GRACE + TRIP;
        if late_for_itself || late_for_all {
            let data = &departure.delivery.message.data;
            found.push(Breach {
                promise: Promise::Stopped,
                at,
                words: format!(
                    "{}: \"{}\" for {} left at {}, though {words} at {}",
                    story.name,
                    data.step.as_deref().unwrap_or(&data.kind),
                    departure.delivery.target,
                    clock(at),
                    clock(stopped_at)
                ),
            });
            return;
        }
    }
}

/// The change that stopped a page before it left, if one did beyond any doubt.
fn stopped<'o>(
    outcome: &Outcome,
    story: &Story<'o>,
    left: &Departure,
) -> Option<(&'o Change, &'static str)> {
    let delivery = &left.delivery;
    let before = story.past(left.at);
    let last = before.last()?;
    if last.deleted {
        // Notices of a closing still go out.
        let stops = delivery.valid_while != ValidWhile::Always;
        return stops.then_some((*last, "the ticket was deleted"));
    }
    delivery.message.data.step.as_ref()?;
    if delivery.valid_while == ValidWhile::Open {
        return None;
    }
    // Whatever people took back or changed since makes it another matter.
    let since = |present: fn(&Ticket) -> bool| {
        let first = before
            .iter()
            .rposition(|change| !present(&change.ticket))
            .map_or(0, |place| place + 1);
        let change = before.get(first)?;
        let untouched = before
            .get(first..)?
            .iter()
            .all(|later| later.ticket.spec == change.ticket.spec);
        untouched.then_some(*change)
    };
    let since_plain = |present| {
        since(present).filter(|change| change.before.as_ref().is_some_and(|before| plain(before)))
    };
    if let Some(change) = since_plain(is_resolved) {
        return Some((change, "it was resolved"));
    }
    if let Some(change) = since_plain(is_closed) {
        return Some((change, "it was closed"));
    }
    acknowledged(outcome, story, left, since)
}

fn is_resolved(ticket: &Ticket) -> bool {
    ticket
        .spec
        .resolution
        .as_ref()
        .is_some_and(|known| !known.revoked)
}

/// Closed for a reason that waits for nothing.
fn is_closed(ticket: &Ticket) -> bool {
    let closure = ticket.spec.closure.as_ref().filter(|known| !known.revoked);
    closure.is_some_and(|known| known.reason != ClosureReason::Completed)
}

fn acknowledged<'o>(
    outcome: &Outcome,
    story: &Story<'o>,
    left: &Departure,
    since: impl Fn(fn(&Ticket) -> bool) -> Option<&'o Change>,
) -> Option<(&'o Change, &'static str)> {
    let step = left.delivery.message.data.step.as_ref()?;
    let ticket = story.at(left.at)?;
    let policy = super::pinned(outcome, ticket.status.as_ref()?)?;
    if policy.step(step)?.condition != StepCondition::NotAcknowledged {
        return None;
    }
    let present = |ticket: &Ticket| {
        ticket
            .spec
            .acknowledgement
            .as_ref()
            .is_some_and(|known| !known.revoked)
    };
    let change = since(present)
        .filter(|change| change.before.as_ref().is_some_and(|before| plain(before)))?;
    let expires = policy
        .row(ticket.status.as_ref()?.severity?)
        .acknowledgement_timeout
        .map(|span| {
            ms_of(change.at) + Ms::try_from(span.as_millis()).unwrap_or(Ms::MAX) - 2 * SECOND
        });
    let stands = expires.is_none_or(|expires| left.at < expires);
    let repinned = outcome
        .ledger
        .policy_changes
        .iter()
        .any(|at| *at <= left.at);
    (stands && !repinned).then_some((change, "it was acknowledged"))
}

/// Nothing had been said about the ticket that makes the next fact a question of its own.
fn plain(before: &Ticket) -> bool {
    let spec = &before.spec;
    let status = before.status.as_ref();
    let never_reopened = status.is_none_or(|status| status.reopen_count.unwrap_or(0) == 0);
    spec.acknowledgement.is_none()
        && spec.resolution.is_none()
        && spec.closure.is_none()
        && spec.duplicate_of.is_none()
        && spec.signal.is_none()
        && spec.validation.is_none()
        && spec.escalation.is_none()
        && never_reopened
}

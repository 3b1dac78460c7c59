//! (2) Each message once plus once per fault that allows it, always under the id that every process computes; and none
//! that did not stand armed in the store before it left.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Breach, KNOWN, Promise, Story, over};
use crate::domain::telling::delivery::{Delivery, DeliveryId, ValidWhile};
use crate::testkit::sim::ledger::{Broken, Receipt};
use crate::testkit::sim::moment::{MINUTE, Ms, SECOND, clock, ms_of};
use crate::testkit::sim::plan::Trouble;
use crate::testkit::sim::run::Outcome;
use crate::testkit::sim::server::Change;

pub(super) fn check(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    let mut by_id: BTreeMap<&str, Vec<&Receipt>> = BTreeMap::new();
    for receipt in outcome
        .ledger
        .receipts
        .iter()
        .filter(|receipt| receipt.delivery.ticket.uid == story.uid)
    {
        if let Some(words) = wrong_id(story, receipt) {
            found.push(breach(story, receipt.at, &words));
        }
        by_id.entry(&receipt.id).or_default().push(receipt);
    }
    for (id, receipts) in &by_id {
        repeats(outcome, story, (id, receipts), found);
    }
    if let Some(change) = story.changes.iter().find(|change| blind(change)) {
        let words = "a status was stored on a spec that it was not decided on";
        found.push(breach(story, ms_of(change.at), words));
    }
    for departure in outcome
        .ledger
        .departures
        .iter()
        .filter(|left| left.delivery.ticket.uid == story.uid)
    {
        let data = &departure.delivery.message.data;
        if !stood_armed(outcome, story, &departure.delivery, departure.at) {
            let what = data.step.clone().unwrap_or_else(|| data.kind.clone());
            let words = format!(
                "\"{what}\" for {} left before it stood armed in the store",
                departure.delivery.target
            );
            found.push(breach(story, departure.at, &words));
            return;
        }
    }
}

/// A bundle wears the id that follows from its members, whoever sends it: computed by hand from api.md section 6.
pub(super) fn bundles(outcome: &Outcome, found: &mut Vec<Breach>) {
    for bundle in &outcome.ledger.bundles {
        let mut ids: Vec<&str> = bundle.members.iter().map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        let digest = Sha256::digest(ids.join("\n"));
        let half = digest.iter().take(16);
        let right = half.fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let right = format!("{right:032x}");
        if bundle.id != right {
            let words = format!(
                "a bundle of {} came as {}, its id is {right}",
                ids.len(),
                bundle.id
            );
            found.push(Breach {
                promise: Promise::Once,
                at: bundle.at,
                words,
            });
            return;
        }
    }
}

/// A status write that landed on another version than it was decided on.
fn blind(change: &Change) -> bool {
    let Some(before) = change
        .before
        .as_ref()
        .filter(|before| !change.deleted && before.spec == change.ticket.spec)
        .filter(|_| change.put_back.is_none())
    else {
        return false;
    };
    let (old, new) = (before.status.as_ref(), change.ticket.status.as_ref());
    let decided =
        new.filter(|new| old.is_none_or(|old| old.observed_generation != new.observed_generation));
    decided.is_some_and(|status| status.observed_generation != change.ticket.metadata.generation)
}

fn breach(story: &Story<'_>, at: Ms, words: &str) -> Breach {
    Breach {
        promise: Promise::Once,
        at,
        words: format!("{}: {words}", story.name),
    }
}

/// The id a receiver saw is the one that any process computes; a person's request has one of its own.
fn wrong_id(story: &Story<'_>, receipt: &Receipt) -> Option<String> {
    let delivery = &receipt.delivery;
    let data = &delivery.message.data;
    let computed = data
        .step
        .as_ref()
        .filter(|_| delivery.valid_while != ValidWhile::Open)
        .map(|step| {
            let repeat = data.repeat.unwrap_or(0).to_string();
            DeliveryId::of(&story.uid, data.round, step, &repeat, &delivery.target)
        });
    let right = computed.unwrap_or_else(|| delivery.id.clone());
    (receipt.id != right.as_str()).then(|| {
        let what = data.step.as_ref().unwrap_or(&data.kind);
        format!(
            "\"{what}\" for {} came as {}, its id is {right}",
            delivery.target, receipt.id
        )
    })
}

fn repeats(
    outcome: &Outcome,
    story: &Story<'_>,
    (id, receipts): (&str, &[&Receipt]),
    found: &mut Vec<Breach>,
) {
    let (Some(first), Some(last)) = (receipts.first(), receipts.last()) else {
        return;
    };
    // A receiver that takes a message and does not say so gets it again.
    let clear = receipts.iter().filter(|receipt| !receipt.unclear).count();
    let (from, until) = (first.at - MINUTE, last.at);
    let faults =
        outcome.ledger.outages.iter().filter(|outage| {
            outage.from <= until && outage.until >= from && may_repeat(&outage.what)
        });
    let allowed = 1 + faults.count();
    if clear > allowed {
        let words = format!(
            "{} came {clear} times, {allowed} allowed: {} for {}, first at {}",
            &id[..8.min(id.len())],
            first
                .delivery
                .message
                .data
                .step
                .as_ref()
                .unwrap_or(&first.delivery.message.data.kind),
            first.delivery.target,
            clock(first.at)
        );
        found.push(breach(story, last.at, &words));
    }
}

/// What may bring a message twice: the end of a process, another one beside it, an older record.
fn may_repeat(broken: &Broken) -> bool {
    match broken {
        Broken::Death(_) | Broken::HandOver => true,
        Broken::Trouble(trouble) => match trouble {
            Trouble::BothLead { .. } | Trouble::Stop { .. } | Trouble::Restore { .. } => true,
            Trouble::Crash { .. }
            | Trouble::ApiDown { .. }
            | Trouble::ApiRefuses { .. }
            | Trouble::Meddle { .. }
            | Trouble::LoseAnswers { .. }
            | Trouble::WatchLags { .. }
            | Trouble::WatchFreezes { .. }
            | Trouble::WatchCut { .. }
            | Trouble::Compact
            | Trouble::WallJumps { .. } => false,
        },
        Broken::Receiver(..) | Broken::LostAnswer | Broken::Leaderless => false,
    }
}

/// Whether a status that was stored by then armed it: as the chain's next, or as an entry of its deliveries. What a
/// restore took back armed what was handed over before everybody could know of that, and is tried since.
fn stood_armed(outcome: &Outcome, story: &Story<'_>, delivery: &Delivery, at: Ms) -> bool {
    let data = &delivery.message.data;
    let mut handed_over = outcome.ledger.handed_over.iter();
    let first = handed_over.find(|one| one.id == delivery.id);
    let first = first.map_or(at, |first| first.at);
    let until = at + SECOND / 1_000;
    let known = |put_back: Ms| over(outcome, put_back) + KNOWN < first;
    let past = if story.put_back(Ms::MIN, first).is_some_and(known) {
        story.past(until)
    } else {
        let changes = story.changes.iter().copied();
        changes
            .take_while(|change| ms_of(change.at) <= until)
            .collect()
    };
    let mut statuses = past
        .iter()
        .filter_map(|change| change.ticket.status.as_ref());
    statuses.any(|status| {
        let chain = status.escalation.as_ref().is_some_and(|known| {
            data.step.is_some()
                && known.next_step == data.step
                && known.next_repeat.unwrap_or(0) == data.repeat.unwrap_or(0)
                && (known.round == data.round || known.round + 1 == data.round)
        });
        chain
            || status
                .deliveries
                .iter()
                .any(|known| known.id == delivery.id.as_str())
    })
}

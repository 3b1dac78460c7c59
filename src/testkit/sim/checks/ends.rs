//! (4) A run ends as the same plan without anything that breaks: the phase wherever no fact was lost; everything, every
//! id included, where what broke should not be noticed by anybody.

use std::collections::BTreeSet;

use super::{Breach, Promise, Story, is_edit};
use crate::api::{Phase, TicketStatus};
use crate::testkit::sim::ledger::Broken;
use crate::testkit::sim::moment::{Ms, SECOND, ms_of};
use crate::testkit::sim::plan::{Plan, What};
use crate::testkit::sim::run::Outcome;
use crate::testkit::sim::server::Change;

/// People's edits closer than that to something due may be seen before or after it.
const CLOSE: Ms = 3 * SECOND;

pub(super) fn check(plan: &Plan, outcome: &Outcome, calm: &Outcome, found: &mut Vec<Breach>) {
    let light = plan.events.iter().all(|event| match &event.what {
        What::Trouble(trouble) => trouble.is_light(),
        What::Receiver { .. } => false,
        What::Open(_) | What::Person { .. } | What::Policy { .. } => true,
    });
    let held_up = outcome
        .ledger
        .outages
        .iter()
        .any(|outage| outage.what == Broken::LostAnswer && outage.until - outage.from > CLOSE);
    let light = light && !held_up;
    let (stories, calm_stories) = (Story::all(outcome), Story::all(calm));
    for story in &stories {
        let Some(other) = calm_stories.iter().find(|other| other.name == story.name) else {
            continue;
        };
        let words = match (story.last(outcome), other.last(calm)) {
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => Some("is there in one run only".to_owned()),
            (Some(here), Some(there)) => {
                let (here, there) = (here.status.as_ref(), there.status.as_ref());
                let (here, there) = (
                    here.cloned().unwrap_or_default(),
                    there.cloned().unwrap_or_default(),
                );
                if light && !close_calls(plan, calm, other) {
                    differs_at_all(outcome, calm, (story, other), (&here, &there))
                } else if facts_in_trouble(plan, outcome, story) {
                    None
                } else {
                    phases(&here, &there)
                }
            }
        };
        if let Some(words) = words {
            found.push(Breach {
                promise: Promise::End,
                at: outcome.ended,
                words: format!("{}: {words}", story.name),
            });
        }
    }
}

fn phases(here: &TicketStatus, there: &TicketStatus) -> Option<String> {
    (here.phase != there.phase).then(|| {
        format!(
            "ended as {:?}, undisturbed as {:?}",
            here.phase.unwrap_or_default(),
            there.phase.unwrap_or_default()
        )
    })
}

/// Whether people, a policy or the clock of an automatic closing acted while something was broken: they may have been
/// seen together, or in another order.
fn facts_in_trouble(plan: &Plan, outcome: &Outcome, story: &Story<'_>) -> bool {
    let hazy: Vec<(Ms, Ms)> = outcome
        .ledger
        .outages
        .iter()
        .filter(|outage| match &outage.what {
            Broken::Receiver(..) => false,
            Broken::Trouble(_)
            | Broken::Death(_)
            | Broken::HandOver
            | Broken::LostAnswer
            | Broken::Leaderless => true,
        })
        .map(|outage| (outage.from - CLOSE, outage.until + 30 * SECOND))
        .collect();
    let within = |at: Ms| hazy.iter().any(|(from, until)| at >= *from && at <= *until);
    let by_itself = story
        .last(outcome)
        .and_then(|ticket| ticket.status.clone())
        .is_some_and(|status| {
            status.phase == Some(Phase::Closed)
                || status
                    .resolve_time
                    .is_some_and(|time| within(ms_of(time.0)))
        });
    let policies = plan
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Policy { .. }))
        .any(|event| within(event.at));
    let past = story.past(Ms::MAX);
    let mut edits = past.iter().filter(|change| is_edit(change));
    edits.any(|change| within(ms_of(change.at))) || policies || by_itself
}

/// Whether it answers a ticket: somebody acknowledges or resolves it.
fn answers(edit: &Change) -> bool {
    let (new, old) = (&edit.ticket.spec, edit.before.as_ref());
    let old = old.map(|before| &before.spec);
    let (word, end) = (&new.acknowledgement, &new.resolution);
    let acknowledges = word.as_ref().is_some_and(|word| !word.revoked);
    let resolves = end.as_ref().is_some_and(|end| !end.revoked);
    old.is_some_and(|old| {
        (acknowledges && *word != old.acknowledgement) || (resolves && *end != old.resolution)
    })
}

/// What people answered last is taken in by the end.
pub(super) fn taken_in(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    let Some(last) = story.last(outcome) else {
        return;
    };
    let past = story.past(Ms::MAX);
    let edit = past.iter().rev().find(|change| is_edit(change));
    // What says nothing new needs no write.
    if !edit.is_some_and(|edit| answers(edit)) {
        return;
    }
    let status = last.status.clone().unwrap_or_default();
    if status.observed_generation != last.metadata.generation {
        found.push(Breach {
            promise: Promise::End,
            at: outcome.ended,
            words: format!(
                "{}: generation {} of its spec was never taken in, {} is the last that was",
                story.name,
                last.metadata.generation.unwrap_or_default(),
                status.observed_generation.unwrap_or_default()
            ),
        });
    }
}

/// Whether an edit of any ticket comes close to something that is received.
fn close_calls(plan: &Plan, calm: &Outcome, story: &Story<'_>) -> bool {
    let edits: Vec<Ms> = plan
        .events
        .iter()
        .filter(|event| event.what.is_calm())
        .map(|event| event.at)
        .collect();
    let troubles = plan
        .events
        .iter()
        .filter(|event| !event.what.is_calm())
        .map(|event| event.at);
    let near = |one: Ms, other: Ms| (one - other).abs() < CLOSE;
    let edits_and_pages = calm.ledger.receipts.iter().any(|receipt| {
        edits
            .iter()
            .any(|edit| *edit != 0 && near(*edit, receipt.at) && !opens(plan, *edit))
    });
    let two_edits = edits
        .iter()
        .enumerate()
        .any(|(place, one)| edits.iter().skip(place + 1).any(|other| near(*one, *other)));
    let troubled_edit = troubles
        .into_iter()
        .any(|trouble| story.edits().any(|edit| near(edit, trouble)));
    edits_and_pages || two_edits || troubled_edit
}

fn opens(plan: &Plan, at: Ms) -> bool {
    plan.events
        .iter()
        .any(|event| event.at == at && matches!(event.what, What::Open(_)))
}

fn differs_at_all(
    outcome: &Outcome,
    calm: &Outcome,
    (story, other): (&Story<'_>, &Story<'_>),
    (here, there): (&TicketStatus, &TicketStatus),
) -> Option<String> {
    // A run that had more to wait for may have gone on longer.
    let common = outcome.ended.min(calm.ended);
    let went_on = [outcome, calm]
        .iter()
        .any(|run| run.ledger.writes.last().is_some_and(|last| *last > common));
    if went_on {
        return None;
    }
    if let Some(words) = phases(here, there) {
        return Some(words);
    }
    let essence = |status: &TicketStatus| {
        let escalation = status.escalation.clone().unwrap_or_default();
        let steps: Vec<_> = escalation
            .steps
            .iter()
            .map(|step| (step.name.clone(), step.result, step.repeat))
            .collect();
        format!(
            "{:?} round {} {steps:?}",
            escalation.state, escalation.round
        )
    };
    let (one, two) = (essence(here), essence(there));
    if one != two {
        return Some(format!("its chain ended as {one}, undisturbed as {two}"));
    }
    let (here, there) = (
        received(outcome, &story.uid, common),
        received(calm, &other.uid, common),
    );
    let more = here
        .difference(&there)
        .next()
        .map(|page| format!("{page:?} came, undisturbed it does not"));
    more.or_else(|| {
        there
            .difference(&here)
            .next()
            .map(|page| format!("{page:?} never came, undisturbed it does"))
    })
}

/// What receivers got of a ticket: round and step or kind, repeat, target.
fn received(outcome: &Outcome, uid: &str, until: Ms) -> BTreeSet<(i64, String, i64, String)> {
    let of = outcome
        .ledger
        .receipts
        .iter()
        .filter(|receipt| receipt.delivery.ticket.uid == uid && receipt.at <= until);
    of.map(|receipt| {
        let data = &receipt.delivery.message.data;
        let what = data.step.clone().unwrap_or_else(|| data.kind.clone());
        (
            data.round,
            what,
            data.repeat.unwrap_or(0),
            receipt.delivery.target.to_string(),
        )
    })
    .collect()
}

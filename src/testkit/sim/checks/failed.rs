//! (1) No target of a step was reached: the next step comes now, under a hold with its end; where the row has none, what
//! ran out of time is tried again each minute (api.md section 5, "Delivery failed for good").
//!
//! Judged from what left, from what outboxes reported as failed, and from what people wrote.

use std::collections::BTreeMap;

use super::{Breach, Promise, Story, over, pinned};
use crate::api::{SignalState, StartReason, StepResult, Ticket, TicketStatus};
use crate::domain::calendar::Calendar;
use crate::testkit::sim::ledger::{Broken, HandedOver};
use crate::testkit::sim::moment::{MINUTE, Ms, SECOND, clock, ms_of};
use crate::testkit::sim::plan::Trouble;
use crate::testkit::sim::run::Outcome;

/// The promise.
const IN_TIME: Ms = 2 * SECOND;
/// From the end of an outage until what it held up is done: a call that hung with it is given up after 10 s, and the rest
/// that follows is 15 s long, give or take a quarter.
const AGAIN: Ms = 30 * SECOND;

/// A step as one operator called it in a round.
struct Called<'o> {
    sender: (usize, u32),
    round: i64,
    step: &'o str,
    pages: Vec<&'o HandedOver>,
}

pub(super) fn check(outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    if outcome.ledger.failures.is_empty() {
        return;
    }
    for called in steps(outcome, story) {
        let Some(words) = not_followed(outcome, story, &called) else {
            continue;
        };
        found.push(Breach {
            promise: Promise::Received,
            at: words.0,
            words: format!(
                "{}: nobody was reached by \"{}\" of round {} at {}, and {}",
                story.name,
                called.step,
                called.round,
                clock(words.0),
                words.1
            ),
        });
        return;
    }
}

/// All pages of a ticket's timetable, as they were handed over.
fn pages<'o>(outcome: &'o Outcome, story: &Story<'_>) -> impl Iterator<Item = &'o HandedOver> {
    let uid = story.uid.clone();
    let all = outcome.ledger.handed_over.iter();
    all.filter(move |page| page.uid == uid && page.step.is_some() && !page.asked_for)
}

/// All steps of a ticket that were called, with all pages of each.
fn steps<'o>(outcome: &'o Outcome, story: &Story<'_>) -> Vec<Called<'o>> {
    let mut all: BTreeMap<((usize, u32), i64, &str), Called<'o>> = BTreeMap::new();
    for page in pages(outcome, story) {
        let step = page.step.as_deref().unwrap_or_default();
        let key = (page.sender, page.round, step);
        let called = all.entry(key).or_insert_with(|| Called {
            sender: page.sender,
            round: page.round,
            step,
            pages: Vec::new(),
        });
        called.pages.push(page);
    }
    all.into_values().collect()
}

/// When the last of all pages of a step that were handed over by then had failed, and whether it ran out of time.
fn failed_at(outcome: &Outcome, called: &Called<'_>) -> Option<(Ms, bool)> {
    let failures = || {
        let all = outcome.ledger.failures.iter();
        all.filter(|failure| {
            let ours = |page: &&HandedOver| page.id == failure.id;
            failure.sender == called.sender && called.pages.iter().any(ours)
        })
    };
    let last = failures().find(|last| {
        let out = called.pages.iter().filter(|page| page.at <= last.at);
        let failed = |page: &HandedOver| {
            failures().any(|failure| failure.id == page.id && failure.at <= last.at)
        };
        out.copied().all(failed)
    })?;
    Some((last.at, last.budget_ended))
}

/// What did not come that should have, and since when it was due.
fn not_followed(outcome: &Outcome, story: &Story<'_>, called: &Called<'_>) -> Option<(Ms, String)> {
    let (failed, budget_ended) = failed_at(outcome, called)?;
    let ticket = story.at(failed)?;
    let status = ticket.status.as_ref()?;
    if !is_plain(ticket, status, called) || was_reached(outcome, story, called, failed) {
        return None;
    }
    let policy = pinned(outcome, status)?;
    let row = policy.steps_for(status.severity?);
    let place = row.iter().position(|step| step.name == called.step)?;
    let ahead = row.get(place + 1..)?;
    // On the last step of the row.
    let renewed = ahead.is_empty();
    let mut hours = ahead.iter().map(|step| &step.calendar);
    let comes = budget_ended && renewed || hours.any(|hours| *hours == Calendar::always());
    if !comes {
        return None;
    }
    // Tried again a minute after the failure could be written.
    let written = over(outcome, failed);
    let written = written + if written > failed { AGAIN } else { 0 };
    let due = free(story, if renewed { written + MINUTE } else { failed })?;
    // Under a hold the hours of a step may end that was open when it was its turn; it waits for them then.
    let waits = ahead
        .first()
        .is_some_and(|step| step.calendar != Calendar::always());
    if due > failed && waits {
        return None;
    }
    let clear = over(outcome, due);
    let until = clear + if clear > due { AGAIN } else { IN_TIME };
    if is_excused(outcome, story, called, until) {
        return None;
    }
    let follows = |page: &HandedOver| {
        let is = |name: &str| page.step.as_deref() == Some(name);
        let later = ahead.iter().any(|step| is(&step.name));
        let again = renewed && is(called.step) && page.at > failed;
        page.round > called.round || page.round == called.round && (later || again)
    };
    let mut by_then = pages(outcome, story).filter(|page| page.at <= until);
    if by_then.any(follows) {
        return None;
    }
    let what = match ahead.first() {
        Some(next) => format!("\"{}\" did not follow", next.name),
        None => "it was not tried again".to_owned(),
    };
    Some((failed, format!("{what} until {}", clock(until))))
}

/// Whether nothing but holds was said of a ticket, and its chain stands in the middle of that round.
fn is_plain(ticket: &Ticket, status: &TicketStatus, called: &Called<'_>) -> bool {
    let spec = &ticket.spec;
    let fires = |state: SignalState| state == SignalState::Firing;
    let unanswered = spec.acknowledgement.is_none()
        && spec.resolution.is_none()
        && spec.closure.is_none()
        && spec.duplicate_of.is_none()
        && spec.escalation.is_none()
        && spec
            .signal
            .as_ref()
            .is_none_or(|signal| fires(signal.state));
    let plain_chain = status.escalation.as_ref().is_none_or(|chain| {
        let caught_up = |result: StepResult| result == StepResult::CaughtUp;
        chain.round <= called.round
            && chain.start_reason != Some(StartReason::SeverityRaised)
            && !chain.steps.iter().any(|known| caught_up(known.result))
    });
    unanswered && plain_chain
}

/// Whether a receiver got any page of that step, whatever its sender knew of it.
fn was_reached(outcome: &Outcome, story: &Story<'_>, called: &Called<'_>, by: Ms) -> bool {
    let mut receipts = outcome.ledger.receipts.iter();
    receipts.any(|receipt| {
        let data = &receipt.delivery.message.data;
        receipt.delivery.ticket.uid == story.uid
            && receipt.at <= by
            && data.round == called.round
            && data.step.as_deref() == Some(called.step)
    })
}

/// The first moment from then on at which no hold stands, nor is set before the next step has left.
fn free(story: &Story<'_>, from: Ms) -> Option<Ms> {
    let mut at = from;
    loop {
        let spec = &story.at(at)?.spec;
        let ends = spec.holds.iter().map(|hold| hold.until_time);
        let ends = ends.map(|until| until.map_or(Ms::MAX, |until| ms_of(until.0)));
        let end = ends.filter(|end| *end > at).max();
        let edit = |until: Ms| story.edits().find(|edit| *edit > at && *edit <= until);
        at = match end {
            Some(end) => edit(end).unwrap_or(end),
            None => match edit(at + IN_TIME) {
                Some(edit) => edit,
                None => return Some(at),
            },
        };
    }
}

/// What people did to the ticket or a policy but holds, and whatever may take the news of the failure from its sender,
/// make it another matter.
fn is_excused(outcome: &Outcome, story: &Story<'_>, called: &Called<'_>, until: Ms) -> bool {
    let Some(first) = called.pages.first() else {
        return true;
    };
    let from = first.at - SECOND;
    let mut edits = story.changes.iter().filter(|change| {
        let at = ms_of(change.at);
        at >= from && at <= until
    });
    let answered = edits.any(|change| {
        let only_holds = change.before.as_ref().is_none_or(|before| {
            let mut spec = before.spec.clone();
            spec.holds.clone_from(&change.ticket.spec.holds);
            spec == change.ticket.spec
        });
        change.deleted || change.put_back.is_some() || !only_holds
    });
    let mut policies = outcome.ledger.policy_changes.iter();
    let late = first.at > ms_of(first.due) + IN_TIME;
    answered
        || late
        || policies.any(|at| *at <= until)
        || outcome.ledger.broken(from, until, loses_news)
        || until > outcome.ended
}

/// Whether what an operator has in memory may be lost, or another decides.
fn loses_news(broken: &Broken) -> bool {
    match broken {
        Broken::Trouble(trouble) => match trouble {
            Trouble::Crash { .. }
            | Trouble::Stop { .. }
            | Trouble::BothLead { .. }
            | Trouble::Restore { .. } => true,
            Trouble::ApiDown { .. }
            | Trouble::ApiRefuses { .. }
            | Trouble::Meddle { .. }
            | Trouble::LoseAnswers { .. }
            | Trouble::WatchLags { .. }
            | Trouble::WatchFreezes { .. }
            | Trouble::WatchCut { .. }
            | Trouble::Compact
            | Trouble::WallJumps { .. } => false,
        },
        Broken::Death(_) | Broken::HandOver | Broken::Leaderless => true,
        Broken::Receiver(..) | Broken::LostAnswer => false,
    }
}

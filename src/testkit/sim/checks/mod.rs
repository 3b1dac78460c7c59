//! What must hold after every run (delivery.md section 4). Every check reads what receivers, store and operators saw,
//! never a decision; what excuses a page is judged from people's edits and from what was broken.

mod arms;
mod ends;
mod failed;
mod ids;
mod stops;
mod timetable;

use std::fmt;
use std::sync::Arc;

use super::ledger::Broken;
use super::moment::{Ms, SECOND, clock, ms_of};
use super::plan::{Plan, Trouble};
use super::run::Outcome;
use super::server::Change;
use crate::api::{NotifyTarget, Ticket, TicketSpec, TicketStatus};
use crate::domain::policy::{Named, ValidPolicy};
use crate::domain::telling::delivery::Target;

/// What a run promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// (1) What is due is received.
    Received,
    /// (2) Repeats only after a fault, under the same id.
    Once,
    /// (3) Nothing leaves that an answer has stopped.
    Stopped,
    /// (4) The end is that of an undisturbed run.
    End,
    /// (5) Then no more writes.
    Stable,
    /// (6) No panic.
    Panic,
    /// Every answer to wait has a deadline or a fact.
    Waits,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub promise: Promise,
    /// When.
    pub at: Ms,
    /// What happened instead.
    pub words: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self.promise {
            Promise::Received => "(1) due and not received",
            Promise::Once => "(2) repeated without a fault, or under another id",
            Promise::Stopped => "(3) sent after it was stopped",
            Promise::End => "(4) ended otherwise than undisturbed",
            Promise::Stable => "(5) still writing",
            Promise::Panic => "(6) panicked",
            Promise::Waits => "waits without a deadline or a fact",
        };
        write!(f, "{number}, at {}: {}", clock(self.at), self.words)
    }
}

/// One ticket's whole life in the store.
pub(super) struct Story<'o> {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its versions.
    pub changes: Vec<&'o Change>,
}

impl<'o> Story<'o> {
    /// All tickets of a run, by the order of their creation.
    pub fn all(outcome: &'o Outcome) -> Vec<Self> {
        let mut stories: Vec<Self> = Vec::new();
        for change in &outcome.server.history {
            let uid = change.ticket.metadata.uid.as_deref().unwrap_or_default();
            match stories.iter_mut().find(|story| story.uid == uid) {
                Some(story) => story.changes.push(change),
                None => stories.push(Self {
                    name: change.ticket.metadata.name.clone().unwrap_or_default(),
                    uid: uid.to_owned(),
                    changes: vec![change],
                }),
            }
        }
        stories
    }

    /// When people changed its spec, or deleted it; what a restore took back included.
    pub fn edits(&self) -> impl Iterator<Item = Ms> {
        self.changes
            .iter()
            .filter(|change| is_edit(change))
            .map(|change| ms_of(change.at))
    }

    /// What led to its state at a moment, in order: what a restore had taken back by then is not in it.
    pub fn past(&self, at: Ms) -> Vec<&'o Change> {
        let mut past: Vec<&Change> = Vec::new();
        for change in self.changes.iter().copied() {
            if ms_of(change.at) > at {
                break;
            }
            if let Some(to) = change.put_back {
                past.retain(|earlier| earlier.at <= to);
            }
            past.push(change);
        }
        past
    }

    /// When it was put back last, later than one moment and not later than another.
    pub fn put_back(&self, after: Ms, until: Ms) -> Option<Ms> {
        let mut newest = self.changes.iter().rev();
        newest
            .find(|change| {
                let at = ms_of(change.at);
                change.put_back.is_some() && at > after && at <= until
            })
            .map(|change| ms_of(change.at))
    }

    /// Whether people changed it in a time.
    pub fn edited(&self, from: Ms, until: Ms) -> bool {
        self.edits().any(|at| at >= from && at <= until)
    }

    /// As it was at a moment; `None` = not there.
    pub fn at(&self, at: Ms) -> Option<&'o Arc<Ticket>> {
        let past = self
            .changes
            .iter()
            .take_while(|change| ms_of(change.at) <= at);
        past.last()
            .filter(|change| !change.deleted)
            .map(|change| &change.ticket)
    }

    /// As it is at the end; a restore may have taken it away.
    pub fn last(&self, outcome: &Outcome) -> Option<Arc<Ticket>> {
        let stored = outcome.server.get(&self.name).ok()?;
        (stored.metadata.uid.as_ref() == Some(&self.uid)).then_some(stored)
    }
}

/// Whether somebody changed the spec, or deleted it. Of a restore nobody is told as of an edit.
fn is_edit(change: &Change) -> bool {
    let differs = |before: &Arc<Ticket>| before.spec != change.ticket.spec;
    change.put_back.is_none() && (change.deleted || change.before.as_ref().is_none_or(differs))
}

/// Checks a run; `calm` is the same plan without anything that breaks.
pub fn check(plan: &Plan, outcome: &Outcome, calm: Option<&Outcome>) -> Option<Breach> {
    let mut found = Vec::new();
    for (at, ticket, words) in &outcome.ledger.bad_waits {
        found.push(Breach {
            promise: Promise::Waits,
            at: *at,
            words: format!("{ticket}: {words}"),
        });
    }
    if !outcome.rested {
        found.push(Breach {
            promise: Promise::Stable,
            at: outcome.ended,
            words: format!("{} writes, and no end of them", outcome.ledger.writes.len()),
        });
    }
    let stories = Story::all(outcome);
    for story in &stories {
        timetable::check(plan, outcome, story, &mut found);
        arms::check(outcome, story, &mut found);
        ids::check(outcome, story, &mut found);
        stops::check(outcome, story, &mut found);
        failed::check(outcome, story, &mut found);
        ends::taken_in(outcome, story, &mut found);
    }
    ids::bundles(outcome, &mut found);
    if let Some(calm) = calm {
        ends::check(plan, outcome, calm, &mut found);
    }
    found
        .into_iter()
        .min_by_key(|breach| (breach.at, breach.promise))
}

/// The content a ticket is pinned to.
fn pinned<'o>(outcome: &'o Outcome, status: &TicketStatus) -> Option<&'o ValidPolicy> {
    outcome
        .policies
        .pinned(status.policy.as_ref()?)
        .map(AsRef::as_ref)
}

/// Whom a step names without a doubt; a rota is somebody on duty, which is not asked here.
fn named(policy: &ValidPolicy, notify: &[NotifyTarget]) -> Vec<Target> {
    let mut targets = Vec::new();
    for target in notify {
        match Named::of(target) {
            Some(Named::Contact(name)) => targets.push(Target::Contact(name.to_owned())),
            Some(Named::Group(name)) => {
                let members = policy.group(name).map(|group| group.members.iter());
                targets.extend(members.into_iter().flatten().cloned().map(Target::Contact));
            }
            Some(Named::Connector(name)) => targets.push(Target::Connector(name.to_owned())),
            Some(Named::Rota(_) | Named::Reporter) | None => {}
        }
    }
    targets
}

/// Everybody knows that the store was put back so long after all that was broken is over.
const KNOWN: Ms = 2 * SECOND;

/// What is broken so close before a moment still counts at it.
const NEAR: Ms = 2 * SECOND;

/// When everything that is broken around a moment is over: the moment itself where nothing is.
fn over(outcome: &Outcome, at: Ms) -> Ms {
    let mut until = at;
    let outages = &outcome.ledger.outages;
    while let Some(outage) = outages.iter().find(|outage| {
        !is_harmless(&outage.what) && outage.from <= until + NEAR && outage.until > until
    }) {
        until = outage.until;
    }
    until
}

/// Whether all that was broken in a time was the API server: it was away, refused, or left writes without an answer.
fn only_api_away(outcome: &Outcome, from: Ms, until: Ms) -> bool {
    let away = |broken: &Broken| match broken {
        Broken::Trouble(trouble) => {
            matches!(
                trouble,
                Trouble::ApiDown { .. } | Trouble::ApiRefuses { .. }
            )
        }
        Broken::LostAnswer => true,
        Broken::Receiver(..) | Broken::Death(_) | Broken::HandOver | Broken::Leaderless => false,
    };
    let other = |broken: &Broken| !is_harmless(broken) && !away(broken);
    !outcome.ledger.broken(from - NEAR, until, other)
}

/// Whether all that was broken from a moment until it was over were answers that did not come.
fn only_answers_lost(outcome: &Outcome, at: Ms, over: Ms) -> bool {
    let other = |broken: &Broken| !is_harmless(broken) && *broken != Broken::LostAnswer;
    !outcome.ledger.broken(at - NEAR, over + NEAR, other)
}

/// What delays nothing.
fn is_harmless(broken: &Broken) -> bool {
    match broken {
        Broken::Trouble(trouble) => match trouble {
            Trouble::Meddle { .. }
            | Trouble::Compact
            | Trouble::WatchCut { .. }
            | Trouble::WallJumps { .. }
            | Trouble::LoseAnswers { .. } => true,
            Trouble::Crash { .. }
            | Trouble::Stop { .. }
            | Trouble::BothLead { .. }
            | Trouble::ApiDown { .. }
            | Trouble::ApiRefuses { .. }
            | Trouble::WatchLags { .. }
            | Trouble::WatchFreezes { .. }
            | Trouble::Restore { .. } => false,
        },
        Broken::Receiver(..) => true,
        Broken::Death(_) | Broken::HandOver | Broken::LostAnswer | Broken::Leaderless => false,
    }
}

/// Whether a receiver was not well in a time.
fn receivers_ill(outcome: &Outcome, from: Ms, until: Ms) -> bool {
    outcome
        .ledger
        .broken(from, until, |broken| matches!(broken, Broken::Receiver(..)))
}

/// Whether nothing in a spec speaks against the chain.
fn unanswered(spec: &TicketSpec) -> bool {
    spec.acknowledgement.is_none()
        && spec.resolution.is_none()
        && spec.closure.is_none()
        && spec.duplicate_of.is_none()
        && spec.holds.is_empty()
}

//! What people are told of holds: Events, timeline, conditions `Held` and `HoldInvalid`, notices to those paged.
//!
//! Rule: `api.md` section 5 "Hold": setting and lifting is told to those already paged; an invalid hold is ignored and
//! says so.

use jiff::Timestamp;

use super::freeze::Stretch;
use super::maintenance;
use super::{Source, Wanted};
use crate::api::HoldSeen;
use crate::domain::conditions;
use crate::domain::draft::{Draft, Tell};
use crate::domain::telling::notices;

/// What was remembered before and after a decision.
pub struct Change<'c> {
    /// What may hold the ticket now.
    pub sources: &'c [Source],
    /// What holds the ticket since when, and did not before.
    pub begun: &'c [(&'c Source, Timestamp)],
    /// What was remembered.
    pub before: &'c [HoldSeen],
    /// What is remembered now.
    pub after: &'c [HoldSeen],
    /// Stretches that are over.
    pub over: &'c [Stretch],
}

/// Tells what began, what ended and what does not count.
pub fn tell(draft: &mut Draft<'_>, change: &Change<'_>) {
    invalid(draft, change.sources);
    let ended: Vec<(&HoldSeen, Timestamp)> = change
        .before
        .iter()
        .filter_map(|known| Some((known, ends(change, known, draft.now)?)))
        .collect();
    for (known, at) in &ended {
        end(draft, &known.name, *at);
    }
    if ended.is_empty() {
        passed(draft, change);
    }
    for (source, at) in change.begun {
        let message = format!("Held: {}", source.words);
        draft.tell(Tell {
            reason: "Held",
            warning: false,
            at: *at,
            actor: Some(&source.by),
            message: &message,
        });
    }
    condition(draft);
    let last = ended
        .iter()
        .map(|(_, at)| *at)
        .chain(change.begun.iter().map(|(_, at)| *at))
        .max();
    if let Some(last) = last {
        notices::held(draft, last);
    }
}

/// A resolved or closed ticket is not held.
pub fn rest(draft: &mut Draft<'_>) {
    const WHY: &str = "A resolved or closed ticket is not held.";
    draft.clear_condition("Held", "Over", WHY);
    draft.clear_condition("HoldInvalid", "Over", WHY);
}

fn of<'s>(list: &'s [HoldSeen], name: &str) -> Option<&'s HoldSeen> {
    list.iter().find(|known| known.name == name)
}

/// When something that held the ticket stopped to, if it did.
fn ends(change: &Change<'_>, known: &HoldSeen, now: Timestamp) -> Option<Timestamp> {
    let until = known.until_time?.0;
    let holds = of(change.after, &known.name).is_some_and(|after| after.until_time.is_some());
    let anew = change
        .begun
        .iter()
        .any(|(source, _)| source.key == known.name);
    (!holds || anew).then(|| until.min(now))
}

fn end(draft: &mut Draft<'_>, name: &str, at: Timestamp) {
    let what = match name.split_once('/') {
        None => format!("hold \"{name}\" is over"),
        Some(_) if name == maintenance::KEY => "maintenance is over".to_owned(),
        Some(_suspension) => "the policy is no longer suspended".to_owned(),
    };
    let (reason, message) = match &draft.held {
        Some(held) => ("HoldEnded", format!("{what}; still held: {}", held.words)),
        None => (
            "Released",
            format!("Released: {what}; everything goes on, put off by the held time"),
        ),
    };
    draft.tell(Tell {
        reason,
        warning: false,
        at,
        actor: None,
        message: &message,
    });
}

/// Holds that came and went while nobody looked.
fn passed(draft: &mut Draft<'_>, change: &Change<'_>) {
    for stretch in change.over {
        let message = format!(
            "Was held from {} until {}; everything is put off by that time",
            stretch.from, stretch.until
        );
        draft.tell(Tell {
            reason: "Released",
            warning: false,
            at: stretch.until,
            actor: None,
            message: &message,
        });
    }
}

fn condition(draft: &mut Draft<'_>) {
    match draft.held.clone() {
        Some(held) => draft.condition("Held", true, "Held", &format!("Held: {}.", held.words)),
        None => draft.clear_condition("Held", "Released", "Nothing holds this ticket."),
    }
}

fn invalid(draft: &mut Draft<'_>, sources: &[Source]) {
    let why: Vec<String> = sources
        .iter()
        .filter_map(|source| match &source.wanted {
            Wanted::Invalid(why) => Some(format!("Hold \"{}\" is ignored: {why}.", source.key)),
            Wanted::Counts { .. } | Wanted::Rests => None,
        })
        .collect();
    if why.is_empty() {
        draft.clear_condition("HoldInvalid", "Valid", "No hold is ignored.");
        return;
    }
    let message = why.join(" ");
    let known = conditions::holds(&draft.status.conditions, "HoldInvalid");
    draft.condition("HoldInvalid", true, "NotValid", &message);
    if !known {
        let now = draft.now;
        draft.tell(Tell {
            reason: "HoldInvalid",
            warning: true,
            at: now,
            actor: None,
            message: &message,
        });
    }
}

//! What must be learnt from a ticket: the RCA that its policy requires, and what holds its closure back until then.
//!
//! The requirement is judged here and is sticky; who writes the RCA, and how it stands, is told by `Observed`. Rules:
//! `api.md` section 2.1 rule 2 (gates) and section 4.

use jiff::{SignedDuration, Timestamp};

use crate::api::{
    Duration, KnowledgeKind, KnowledgeState, RcaPhase, RcaPolicy, RcaRequired, TargetClock, Time,
};
use crate::domain::draft::{Draft, Tell, after};
use crate::domain::lifecycle::opening::word;
use crate::domain::next::Waiting;
use crate::domain::observed::RcaFacts;

pub mod covering;
pub mod opening;
pub mod rca;
pub mod reminders;

mod actions;
mod missing;

/// The name of the RCA that the operator makes for a ticket: the same in every process.
pub fn name_of(ticket: &str, uid: &str) -> String {
    let start: String = uid.chars().take(8).collect();
    format!("{ticket}-{start}")
}

/// Whether an RCA in this phase lets its tickets close.
pub fn passes(phase: RcaPhase) -> bool {
    match phase {
        RcaPhase::Draft | RcaPhase::InReview => false,
        RcaPhase::Approved | RcaPhase::ActionsPending | RcaPhase::Completed | RcaPhase::Waived => {
            true
        }
    }
}

fn policy<'d>(draft: &'d Draft<'_>) -> Option<&'d RcaPolicy> {
    draft.policy.as_deref()?.spec().rca.as_ref()
}

fn required<'d>(draft: &'d Draft<'_>) -> Option<&'d RcaRequired> {
    draft.status.rca.as_ref()?.required.as_ref()
}

/// Writes how the ticket's RCA stands.
pub fn note(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    let facts = seen.others.rca.as_ref();
    let known = draft.status.rca.clone().unwrap_or_default();
    let phase = facts.map(|facts| facts.phase);
    if draft.status.rca.is_none() && facts.is_none() {
        return;
    }
    // An RCA that was deleted after the ticket had closed changes nothing about that.
    if facts.is_none() && draft.status.close_time.is_some() {
        return;
    }
    let now = draft.now;
    let rca = draft.status.rca.get_or_insert_default();
    if let Some(facts) = facts {
        rca.name = Some(facts.name.clone());
    }
    if phase == known.phase {
        return;
    }
    rca.phase = phase;
    rca.phase_time = phase.map(|_| Time(now));
    let passed = phase.filter(|phase| passes(*phase) && !known.phase.is_some_and(passes));
    if let (Some(phase), Some(facts)) = (passed, facts) {
        tell_passed(draft, phase, facts);
    }
}

fn tell_passed(draft: &mut Draft<'_>, phase: RcaPhase, facts: &RcaFacts) {
    let (reason, words) = if phase == RcaPhase::Waived {
        ("RcaWaived", "is waived")
    } else {
        ("RcaApproved", "is approved")
    };
    let message = format!("RCA \"{}\" {words}", facts.name);
    let now = draft.now;
    draft.tell(Tell {
        reason,
        warning: false,
        at: now,
        actor: facts.by.as_deref(),
        message: &message,
    });
}

/// Judges whether the pinned policy requires an RCA by now; once it did, that stays.
pub fn assess(draft: &mut Draft<'_>) {
    let over = draft.status.duplicate_of.is_some() || draft.written().close_time.is_some();
    if required(draft).is_some() || over {
        return;
    }
    let Some((reason, time)) = requirement(draft) else {
        wake_when_too_long(draft);
        return;
    };
    let key = draft.key();
    let due = policy(draft).map(|policy| after(time, policy.due_within.to_signed()));
    let rca = draft.status.rca.get_or_insert_default();
    rca.required = Some(RcaRequired {
        reason: reason.clone(),
        time: Time(time),
    });
    let name = name_of(&key.name, &key.uid);
    let name = rca.name.get_or_insert(name).clone();
    let until = due.map_or_else(String::new, |due| format!("; due {due}"));
    let message = format!("RCA \"{name}\" is required: {reason}{until}");
    draft.tell(Tell {
        reason: "RcaRequired",
        warning: false,
        at: time,
        actor: None,
        message: &message,
    });
}

/// The first rule of the policy that asks for an RCA, in words, and since when it does.
fn requirement(draft: &Draft<'_>) -> Option<(String, Timestamp)> {
    let policy = policy(draft)?;
    let by_severity = || {
        let level = draft.severity();
        let since = since_severity(draft);
        let reason = || format!("severity {}", word(level));
        policy
            .severities
            .contains(&level)
            .then(|| (reason(), since))
    };
    let by_breach = || {
        let breached = if policy.on_breach {
            breached(draft)
        } else {
            None
        };
        breached.map(|(clock, time)| (format!("{clock} target missed"), time))
    };
    let by_reopening = || {
        let count = draft.status.reopen_count.unwrap_or(0);
        let enough = policy.reopened_times.is_some_and(|times| count >= times);
        let words = if count == 1 {
            "once".to_owned()
        } else {
            format!("{count} times")
        };
        enough.then(|| (format!("reopened {words}"), draft.now))
    };
    let by_length = || {
        let most = policy.resolution_longer_than.as_ref()?;
        let over = too_long_at(draft)?;
        let end = draft.status.resolve_time.or(draft.status.close_time);
        let long = over < end.map_or(draft.now, |end| end.0);
        (long && draft.held.is_none()).then(|| (format!("not resolved within {most}"), over))
    };
    by_severity()
        .or_else(by_breach)
        .or_else(by_reopening)
        .or_else(by_length)
}

/// Since when the effective severity is what it is, as far as this decision tells.
fn since_severity(draft: &Draft<'_>) -> Timestamp {
    let submitted = draft.status.submit_time.map(|time| time.0);
    let first = draft.written().policy.is_none();
    match (draft.severity_change, submitted) {
        (Some(change), _) => change.at,
        (None, Some(submitted)) if first => submitted,
        (None, _) => draft.now,
    }
}

/// The first target that was missed, and when; one whose time has passed counts before it is told.
fn breached(draft: &Draft<'_>) -> Option<(&'static str, Timestamp)> {
    let targets = draft.status.targets.as_ref()?;
    let missed = |clock: &TargetClock| {
        let passed = clock.due_time.filter(|due| {
            let end = clock.met_time.map_or(draft.now, |met| met.0);
            draft.held.is_none() && due.0 < end
        });
        clock.breach_time.or(passed).map(|time| time.0)
    };
    let response = missed(&targets.response).map(|time| ("response", time));
    let resolution = missed(&targets.resolution).map(|time| ("resolution", time));
    response
        .into_iter()
        .chain(resolution)
        .min_by_key(|(_, time)| *time)
}

/// When a ticket that is not resolved has taken longer than the policy's `resolutionLongerThan`; the time for which
/// its resolution clock stood still does not count.
fn too_long_at(draft: &Draft<'_>) -> Option<Timestamp> {
    let most = policy(draft)?.resolution_longer_than.as_ref()?.to_signed();
    let targets = draft.status.targets.as_ref();
    let paused = targets.and_then(|targets| targets.resolution.paused_total.as_ref());
    let paused = paused.map_or(SignedDuration::ZERO, Duration::to_signed);
    let most = most.checked_add(paused).unwrap_or(SignedDuration::MAX);
    Some(after(draft.status.submit_time?.0, most))
}

fn wake_when_too_long(draft: &mut Draft<'_>) {
    let runs = draft.held.is_none() && !crate::domain::lifecycle::is_over(&draft.status);
    if let Some(over) = too_long_at(draft).filter(|_| runs) {
        let next = over.checked_add(SignedDuration::from_millis(1));
        draft.wake(next.unwrap_or(over), Waiting::Deadline);
    }
}

/// What of the RCA and the knowledge is missing before the ticket may close.
pub fn missing(draft: &Draft<'_>) -> Vec<String> {
    let mut missing: Vec<String> = rca_missing(draft).into_iter().collect();
    missing.extend(knowledge_missing(draft));
    missing
}

fn rca_gates(draft: &Draft<'_>) -> bool {
    required(draft).is_some() && policy(draft).is_none_or(|policy| policy.gates_closure)
}

fn rca_missing(draft: &Draft<'_>) -> Option<String> {
    let rca = draft.status.rca.as_ref().filter(|_| rca_gates(draft))?;
    let name = rca.name.as_deref().unwrap_or_default();
    match rca.phase {
        None => Some(format!(
            "RCA \"{name}\" must name this ticket and be approved; where there is none of that name, it is made in a moment"
        )),
        Some(RcaPhase::Draft) => Some(format!(
            "RCA \"{name}\" must be completed (its `status.missing` says how) and approved, or waived"
        )),
        Some(RcaPhase::InReview) => Some(format!(
            "RCA \"{name}\" must be approved (`spec.approval`), or waived"
        )),
        Some(
            RcaPhase::Approved | RcaPhase::ActionsPending | RcaPhase::Completed | RcaPhase::Waived,
        ) => None,
    }
}

/// The kinds of knowledge that must be settled before the ticket may close.
fn knowledge_kinds(draft: &Draft<'_>) -> Vec<KnowledgeKind> {
    let policy = draft.policy.as_deref();
    let knowledge = policy.and_then(|policy| policy.spec().knowledge.as_ref());
    knowledge
        .filter(|knowledge| knowledge.gates_closure)
        .filter(|knowledge| knowledge.severities.contains(&draft.severity()))
        .map(|knowledge| knowledge.kinds.clone())
        .unwrap_or_default()
}

/// Each kind needs an item of the ticket or its RCA, and none that is still to do.
fn knowledge_missing(draft: &Draft<'_>) -> Vec<String> {
    let of_rca = draft.seen.others.rca.as_ref();
    let of_rca = of_rca.map_or(&[][..], |facts| &facts.knowledge);
    let own = &draft.ticket().spec.knowledge;
    let judged = |kind: KnowledgeKind| {
        let mut items = own.iter().chain(of_rca).filter(|item| item.kind == kind);
        let todo = items.clone().find(|item| match item.state {
            KnowledgeState::Todo => true,
            KnowledgeState::Done | KnowledgeState::NotNeeded => false,
        });
        match (todo, items.next()) {
            (Some(todo), _) => Some(format!(
                "{kind:?} \"{}\" of `knowledge` must be Done, or NotNeeded with a reason{}",
                todo.title,
                todo.owner
                    .as_ref()
                    .map_or_else(String::new, |owner| format!(" ({owner})"))
            )),
            (None, None) => Some(format!(
                "`spec.knowledge` must have a {kind:?} that is Done, or NotNeeded with a reason"
            )),
            (None, Some(_)) => None,
        }
    };
    knowledge_kinds(draft)
        .into_iter()
        .filter_map(judged)
        .collect()
}

/// When the last of these gates was passed, as far as that was seen; `None` = none stood in the way.
pub fn passed_at(draft: &Draft<'_>) -> Option<Timestamp> {
    let rca = draft.status.rca.as_ref().filter(|_| rca_gates(draft));
    let rca = rca.and_then(|rca| rca.phase_time).map(|time| time.0);
    let asked = !knowledge_kinds(draft).is_empty() && !draft.ticket().spec.knowledge.is_empty();
    let knowledge =
        asked.then(|| crate::domain::facts::written_by(draft.ticket(), "knowledge", draft.now));
    rca.max(knowledge)
}

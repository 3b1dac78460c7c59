//! The words of a notice: what happened, why, who did it and what they said of it, and what comes next.
//!
//! All is read from the ticket as it stands when the notice leaves, so a resend after a restart says the same.

use super::NoticeOf;
use crate::api::{Hold, Resolution, SummaryPart, TimelineEntry};
use crate::domain::draft::Draft;
use crate::domain::telling::delivery::{MessageNext, ResolutionSummary, Said, UpdateText};
use crate::domain::{advice, lifecycle::opening, waiting};

/// What happened, and why it is told.
pub fn why(draft: &Draft<'_>, of: NoticeOf<'_>) -> String {
    let policy = draft
        .status
        .policy
        .as_ref()
        .map_or("", |pin| pin.name.as_str());
    let (subject, time) = of.cause.rsplit_once('@').unwrap_or((of.cause, ""));
    match of.kind {
        "Opened" => format!("Submitted; policy \"{policy}\" applies. {}", response(draft)),
        "AcknowledgedBy" | "Acknowledged" => acknowledged(draft),
        "SeverityChanged" => sentence(draft, "SeverityChanged", || {
            format!("Severity is now {}", opening::word(draft.severity()))
        }),
        "SeverityNow" => format!(
            "Severity is now {}. You were paged a moment ago, so this stands for the first page of the new round.",
            opening::word(draft.severity())
        ),
        "Escalated" => {
            let state = if draft.standing.acknowledged {
                "it is acknowledged but not resolved"
            } else {
                "nobody has acknowledged it"
            };
            format!("Step \"{subject}\" of policy \"{policy}\" was paged: {state}.")
        }
        "Held" => held(draft),
        "Update" => match &draft.ticket().spec.update {
            Some(update) => format!("Status update by {}.", update.by),
            None => "A status update was given and taken back since.".to_owned(),
        },
        "Resolved" => {
            let workaround = resolution(draft).is_some_and(|block| block.workaround == Some(true));
            let resolved = sentence(draft, "Resolved", || "Resolved".to_owned());
            if workaround {
                format!("{resolved} It is a workaround: the cause is still there.")
            } else {
                resolved
            }
        }
        "ValidationRequested" => {
            let resolved = sentence(draft, "Resolved", || "Resolved".to_owned());
            format!(
                "{resolved} Policy \"{policy}\" asks for the reporter's word: write `spec.validation` with result Accepted or Rejected."
            )
        }
        "Reopened" => sentence(draft, "Reopened", || "The ticket is open again".to_owned()),
        "Closed" => sentence(draft, "Closed", || "The ticket is closed".to_owned()),
        "UpdateReminder" => format!(
            "The next status update is due at {time}. Write `spec.update` with what is known."
        ),
        "UpdateOverdue" => format!(
            "No status update was given by {time}. Write `spec.update` with what is known."
        ),
        "Exhausted" => {
            "Nobody acknowledged; every round of the escalation is over. Acknowledge the ticket or call somebody by hand."
                .to_owned()
        }
        "HandOver" => handed_over(draft, subject),
        other => format!("{other}: the ticket changed."),
    }
}

fn handed_over(draft: &Draft<'_>, subject: &str) -> String {
    let rota = subject.split_once('>').map_or(subject, |(rota, _)| rota);
    let answered = if draft.standing.acknowledged {
        acknowledged(draft)
    } else {
        "Nobody has acknowledged it.".to_owned()
    };
    format!(
        "You are on call in rota \"{rota}\" now, and this ticket, whose escalation called that rota, is open. {answered}"
    )
}

/// The newest entry of the story of that kind, as a sentence with who did it.
fn sentence(draft: &Draft<'_>, kind: &str, otherwise: impl Fn() -> String) -> String {
    let entry = newest(draft, kind);
    let message = entry.map_or_else(otherwise, |entry| entry.message.clone());
    let message = message.trim_end_matches('.');
    match entry.and_then(|entry| entry.actor.as_deref()) {
        Some(actor) if !message.contains(actor) => format!("{message} (by {actor})."),
        Some(_) | None => format!("{message}."),
    }
}

fn newest<'d>(draft: &'d Draft<'_>, kind: &str) -> Option<&'d TimelineEntry> {
    let timeline = draft.status.timeline.iter();
    timeline.rev().find(|entry| entry.kind == kind)
}

fn acknowledged(draft: &Draft<'_>) -> String {
    sentence(draft, "Acknowledged", || "Acknowledged".to_owned())
}

fn held(draft: &Draft<'_>) -> String {
    if let Some(held) = &draft.held {
        return format!("Held: {}. Nobody is paged meanwhile.", held.words);
    }
    let changed = || "The holds of the ticket changed".to_owned();
    sentence(draft, "Released", changed)
}

/// The newest hold that holds the ticket; `None` where a suspension or maintenance does alone.
fn hold_in_force<'d>(draft: &'d Draft<'_>) -> Option<&'d Hold> {
    let holding = draft.status.holding.as_ref()?;
    let in_force = |name: &str| {
        let mut seen = holding.seen.iter();
        seen.any(|known| known.name == name && known.until_time.is_some())
    };
    let mut holds = draft.ticket().spec.holds.iter();
    holds.rfind(|hold| in_force(&hold.name))
}

/// How the response clock stands.
fn response(draft: &Draft<'_>) -> String {
    let targets = draft.status.targets.as_ref();
    let clock = targets.map(|targets| &targets.response);
    match clock.and_then(|clock| clock.due_time) {
        Some(due) => format!("An answer is due by {}.", due.0),
        None => format!("{}.", advice::NO_RESPONSE_TARGET),
    }
}

fn resolution<'d>(draft: &'d Draft<'_>) -> Option<&'d Resolution> {
    let block = draft.ticket().spec.resolution.as_ref();
    block.filter(|block| !block.revoked)
}

/// What happens next and when: the one line of truth of `status.waitingFor`.
pub fn next(draft: &Draft<'_>) -> Option<MessageNext> {
    let (what, until) = waiting::line(draft)?;
    Some(MessageNext {
        what: format!("Waits for {what}"),
        time: until.map(|time| time.0),
    })
}

/// Who did it and what they said of it.
pub fn said(draft: &Draft<'_>, of: NoticeOf<'_>) -> Said {
    let spec = &draft.ticket().spec;
    let actor = |kind| newest(draft, kind).and_then(|entry| entry.actor.clone());
    let person = |by: Option<String>, note: Option<&String>| Said {
        by,
        note: note.cloned(),
        ..Said::default()
    };
    match of.kind {
        "Opened" => person(actor("Opened"), None),
        "AcknowledgedBy" | "Acknowledged" => {
            let block = spec.acknowledgement.as_ref();
            let note = block.and_then(|block| block.note.as_ref());
            person(block.map(|block| block.by.clone()), note)
        }
        "SeverityChanged" | "SeverityNow" => {
            let note = spec.triage.as_ref().and_then(|block| block.note.as_ref());
            let by = actor("SeverityChanged");
            let note = note.filter(|_| by.is_some());
            person(by, note)
        }
        "Held" if draft.held.is_none() => Said::default(),
        "Held" => match hold_in_force(draft) {
            Some(hold) => person(Some(hold.by.clone()), hold.note.as_ref()),
            None => person(actor("Held"), None),
        },
        "Update" => {
            let update = spec.update.as_ref();
            let text = update.map(|update| UpdateText {
                message: update.message.clone(),
                audience: update.audience,
            });
            Said {
                by: update.map(|update| update.by.clone()),
                update: text,
                ..Said::default()
            }
        }
        "Resolved" | "ValidationRequested" => said_of_resolution(draft, actor("Resolved")),
        "Reopened" => {
            let note = spec
                .validation
                .as_ref()
                .and_then(|block| block.note.as_ref());
            let by = actor("Reopened");
            let rejected = spec.validation.as_ref().map(|block| &block.by) == by.as_ref();
            person(by, note.filter(|_| rejected))
        }
        "Closed" => {
            let by = actor("Closed");
            let note = spec.closure.as_ref().and_then(|block| block.note.as_ref());
            let note = note.filter(|_| by.is_some());
            person(by, note)
        }
        _unsigned => Said::default(),
    }
}

fn said_of_resolution(draft: &Draft<'_>, by: Option<String>) -> Said {
    let block = resolution(draft);
    Said {
        by,
        note: block.and_then(|block| block.note.clone()),
        resolution_summary: block.and_then(|block| summary(draft, block)),
        ..Said::default()
    }
}

/// The parts of the resolution that the policy tells; without a word about it in the policy, all.
fn summary(draft: &Draft<'_>, block: &Resolution) -> Option<ResolutionSummary> {
    let told = draft
        .policy
        .as_deref()
        .and_then(|policy| policy.spec().communication.as_ref())
        .map_or_else(
            || crate::api::CommunicationPolicy::default().resolution_summary,
            |communication| communication.resolution_summary.clone(),
        );
    let mut summary = ResolutionSummary::default();
    for part in told {
        match part {
            SummaryPart::Impact => summary.impact.clone_from(&block.impact),
            SummaryPart::Cause => summary.cause.clone_from(&block.cause),
            SummaryPart::Fix => summary.fix.clone_from(&block.fix),
            SummaryPart::Prevention => summary.prevention.clone_from(&block.prevention),
        }
    }
    (summary != ResolutionSummary::default()).then_some(summary)
}

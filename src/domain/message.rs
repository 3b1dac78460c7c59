//! What a page or notice says: why it comes, what happens next and when. The form is `api.md` section 6.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::delivery::{
    DeliveryId, Message, MessageData, MessageNext, MessageRecipient, MessageTicket, Target,
};
use super::draft::Draft;
use super::timetable::{Chain, What};
use crate::api::{Escalation, StepRecord, StepResult, Time};

/// Which page of the chain.
#[derive(Clone, Copy, Debug)]
pub struct PageOf<'p> {
    /// Round.
    pub round: i64,
    /// Step.
    pub step: &'p str,
    /// Repeat; 0 is the step itself.
    pub repeat: i64,
}

/// The message of a page.
pub fn page(
    draft: &Draft<'_>,
    id: &DeliveryId,
    target: &Target,
    page: PageOf<'_>,
    due: Timestamp,
) -> Message {
    let policy = draft
        .status
        .policy
        .as_ref()
        .map_or("", |pin| pin.name.as_str());
    let state = if draft.standing.acknowledged {
        "It is acknowledged but not resolved"
    } else {
        "Nobody has acknowledged it"
    };
    let repeat = if page.repeat > 0 {
        format!(", repeat {}", page.repeat)
    } else {
        String::new()
    };
    let why = format!(
        "{state}: step \"{}\" of policy \"{policy}\", round {}{repeat}.",
        page.step, page.round
    );
    let data = MessageData {
        id: id.to_string(),
        kind: "Page".to_owned(),
        ticket: ticket(draft),
        round: page.round,
        step: Some(page.step.to_owned()),
        repeat: Some(page.repeat),
        to: MessageRecipient {
            name: target.name().to_owned(),
        },
        why,
        next: next(draft, page, due),
        links: BTreeMap::new(),
    };
    Message {
        kind: "firebell.page.v1".to_owned(),
        timestamp: draft.now,
        data,
    }
}

/// The message of a notice of some kind.
pub fn notice(draft: &Draft<'_>, id: &DeliveryId, target: &Target, kind: &str) -> Message {
    let spec = &draft.ticket().spec;
    let by = |block: Option<&str>| block.unwrap_or("somebody").to_owned();
    let why = match kind {
        "AcknowledgedBy" | "Acknowledged" => {
            let who = by(spec.acknowledgement.as_ref().map(|block| block.by.as_str()));
            format!("Acknowledged by {who}.")
        }
        "Exhausted" => {
            "Nobody acknowledged; every round of the escalation is over. Please act by hand."
                .to_owned()
        }
        "Resolved" => format!(
            "Resolved by {}.",
            by(spec.resolution.as_ref().map(|block| block.by.as_str()))
        ),
        "Closed" => "The ticket is closed.".to_owned(),
        "Reopened" => "The ticket is open again.".to_owned(),
        "SeverityChanged" | "SeverityNow" => format!(
            "Severity is now {}.",
            super::opening::word(draft.severity())
        ),
        "ValidationRequested" => {
            "Please confirm or reject the resolution (`spec.validation`).".to_owned()
        }
        other => format!("{other}: the ticket changed."),
    };
    let data = MessageData {
        id: id.to_string(),
        kind: kind.to_owned(),
        ticket: ticket(draft),
        round: draft.escalation_round(),
        step: None,
        repeat: None,
        to: MessageRecipient {
            name: target.name().to_owned(),
        },
        why,
        next: None,
        links: BTreeMap::new(),
    };
    Message {
        kind: "firebell.notice.v1".to_owned(),
        timestamp: draft.now,
        data,
    }
}

fn ticket(draft: &Draft<'_>) -> MessageTicket {
    let key = draft.key();
    let spec = &draft.ticket().spec;
    MessageTicket {
        namespace: key.namespace,
        name: key.name,
        uid: key.uid,
        title: spec.title.clone(),
        severity: draft.severity(),
        phase: draft
            .status
            .phase
            .map_or_else(String::new, |phase| format!("{phase:?}")),
        service: spec.service.clone(),
        assignee: spec.assignment.as_ref().map(|block| block.assignee.clone()),
    }
}

/// What the chain does after this page, if nothing changes.
fn next(draft: &Draft<'_>, page: PageOf<'_>, due: Timestamp) -> Option<MessageNext> {
    let policy = draft.policy.as_deref()?;
    let done = advanced(draft.status.escalation.as_ref()?, page, due);
    let chain = Chain {
        policy,
        severity: draft.severity(),
        done: &done,
        standing: draft.standing,
    };
    let upcoming = chain.upcoming()?;
    let what = match upcoming.what {
        What::Page {
            step,
            repeat,
            round,
            ..
        } if repeat > 0 => format!("repeat {repeat} of step \"{step}\", round {round}"),
        What::Page { step, round, .. } => format!("step \"{step}\", round {round}"),
        What::Exhaust => "the chain is exhausted".to_owned(),
    };
    Some(MessageNext {
        what: format!("Unless somebody acknowledges or resolves: {what}"),
        time: Some(upcoming.due),
    })
}

/// The escalation as it stands once this page has left.
fn advanced(now: &Escalation, page: PageOf<'_>, due: Timestamp) -> Escalation {
    let mut done = now.clone();
    done.next_step = None;
    done.next_time = None;
    if done.round < page.round {
        done.round = page.round;
        done.steps.clear();
        done.nominal_time = Some(Time(due));
    }
    if page.repeat > 0 {
        if let Some(known) = done.steps.iter_mut().rfind(|known| known.name == page.step) {
            known.repeat = Some(page.repeat);
        }
    } else if !done.steps.iter().any(|known| known.name == page.step) {
        done.step = Some(page.step.to_owned());
        done.nominal_time = Some(Time(due));
        done.repeat_from = Some(Time(due));
        let record = StepRecord {
            name: page.step.to_owned(),
            time: Time(due),
            result: StepResult::Fired,
            repeat: None,
        };
        done.steps.push(record);
    }
    done
}

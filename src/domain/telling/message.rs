//! What a page or notice says: why it comes, what happens next and when. The form is `api.md` section 6.

use std::collections::BTreeMap;

use super::deliveries::{CAUGHT_UP, requested};
use super::delivery::{
    DeliveryId, Message, MessageData, MessageNext, MessageRecipient, MessageTicket, Said, Target,
};
use crate::api::{Escalation, StartReason, StepResult};
use crate::domain::chain::steps::Row;
use crate::domain::chain::timetable::{Upcoming, What};
use crate::domain::chain::{escalation, place};
use crate::domain::draft::Draft;
use crate::domain::recurrence;

mod notice;

/// Which page of the chain.
#[derive(Clone, Copy, Debug)]
pub struct PageOf<'p> {
    /// Round.
    pub round: i64,
    /// Step.
    pub step: &'p str,
    /// Repeat; 0 is the step itself.
    pub repeat: i64,
    /// What it answers besides the timetable: a person's request, or a downtime.
    pub cause: Option<&'p str>,
}

/// The message of a page.
pub fn page(draft: &Draft<'_>, id: &DeliveryId, target: &Target, page: PageOf<'_>) -> Message {
    let why = why(draft, page);
    let expectation = draft
        .policy
        .as_deref()
        .and_then(|policy| policy.step(page.step))
        .and_then(|step| step.expectation.clone());
    let request = draft.ticket().spec.escalation.as_ref();
    let request = request.filter(|_| requested(page.cause));
    let (last_time, runbook) = recurrence::last_time(&draft.status).unzip();
    let said = Said {
        last_time,
        by: request.map(|request| request.by.clone()),
        note: request.and_then(|request| request.note.clone()),
        expectation,
        ..Said::default()
    };
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
        next: next(draft, page),
        links: links(runbook.flatten()),
        said,
    };
    Message {
        kind: "firebell.page.v1".to_owned(),
        timestamp: draft.now,
        data,
    }
}

/// A runbook's link, where it is one.
fn links(runbook: Option<&str>) -> BTreeMap<String, String> {
    let web = runbook.filter(|at| at.starts_with("https://") || at.starts_with("http://"));
    let link = |at: &str| ("runbook".to_owned(), at.to_owned());
    web.map(link).into_iter().collect()
}

/// Why a page comes, in one sentence or two.
fn why(draft: &Draft<'_>, page: PageOf<'_>) -> String {
    let policy = draft
        .status
        .policy
        .as_ref()
        .map_or("", |pin| pin.name.as_str());
    let state = if requested(page.cause) {
        "A person asked for it"
    } else if draft.standing.acknowledged {
        "It is acknowledged but not resolved"
    } else {
        "Nobody has acknowledged it"
    };
    let repeat = if page.repeat > 0 {
        format!(", repeat {}", page.repeat)
    } else {
        String::new()
    };
    let again = match draft
        .status
        .escalation
        .as_ref()
        .and_then(|known| known.start_reason)
    {
        Some(StartReason::Opened) | None => "",
        Some(StartReason::SeverityRaised) => " The chain started again: the severity was raised.",
        Some(StartReason::Reopened) => " The chain started again: the ticket was reopened.",
        Some(StartReason::Revoked) => {
            " The chain started again: the acknowledgement was taken back."
        }
        Some(StartReason::Expired) => " The chain started again: the acknowledgement ran out.",
    };
    let late = if page.cause == Some(CAUGHT_UP) {
        " It comes late: the operator was down when it was due."
    } else {
        ""
    };
    format!(
        "{state}: step \"{}\" of policy \"{policy}\", round {}{repeat}.{again}{late}",
        page.step, page.round
    )
}

/// Which notice.
#[derive(Clone, Copy, Debug)]
pub struct NoticeOf<'n> {
    /// Its kind.
    pub kind: &'n str,
    /// What caused it, as it stands in `status.deliveries`.
    pub cause: &'n str,
    /// Round of the chain when it was armed.
    pub round: i64,
}

/// The message of a notice of some kind.
pub fn notice(draft: &Draft<'_>, id: &DeliveryId, target: &Target, of: NoticeOf<'_>) -> Message {
    let data = MessageData {
        id: id.to_string(),
        kind: of.kind.to_owned(),
        ticket: ticket(draft),
        round: of.round,
        step: None,
        repeat: None,
        to: MessageRecipient {
            name: target.name().to_owned(),
        },
        why: notice::why(draft, of),
        next: notice::next(draft),
        links: BTreeMap::new(),
        said: notice::said(draft, of),
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
fn next(draft: &Draft<'_>, page: PageOf<'_>) -> Option<MessageNext> {
    let policy = draft.policy.as_deref()?;
    let row = draft.row(policy);
    let now = draft.status.escalation.as_ref()?;
    let done = advanced(now, &row, page);
    let chain = row.chain(&done);
    let upcoming = chain.upcoming()?;
    let what = match upcoming.what {
        What::Page {
            step,
            repeat: 0,
            round,
            ..
        } => format!("step \"{step}\", round {round}"),
        What::Page {
            step,
            repeat,
            round,
            ..
        } => format!("repeat {repeat} of step \"{step}\", round {round}"),
        What::Exhaust => "the chain is exhausted".to_owned(),
    };
    Some(MessageNext {
        what: format!("Unless somebody acknowledges or resolves: {what}"),
        time: Some(upcoming.due),
    })
}

/// The escalation as it stands once this page has left: one of the timetable moves the chain, one that a person asked
/// for, that was missed or that is sent again does not.
fn advanced(now: &Escalation, row: &Row<'_>, page: PageOf<'_>) -> Escalation {
    let mut done = now.clone();
    let upcoming = row.chain(now).upcoming();
    if let Some(next) = upcoming.filter(|next| is(page, next)) {
        place::pass(&mut done, row, &next, next.due, StepResult::Fired);
    }
    escalation::disarm(&mut done);
    done
}

/// Whether a page is what the timetable has next.
fn is(page: PageOf<'_>, next: &Upcoming) -> bool {
    match &next.what {
        What::Page {
            round,
            step,
            repeat,
            ..
        } => {
            page.cause.is_none()
                && (*round, step.as_str(), *repeat) == (page.round, page.step, page.repeat)
        }
        What::Exhaust => false,
    }
}

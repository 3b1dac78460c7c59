//! Reminders of what is overdue in an RCA: armed in its status first, then handed over, then recorded.
//!
//! Ids follow `delivery.md` section 1: uid of the RCA, kind, subject and due time, target; so a process that starts
//! again sends the same id, and another due time or owner makes another reminder.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::rca::RcaDraft;
use super::{actions, passes};
use crate::api::{Audience, DeliveryState, RcaPhase, Reminder, ReminderKind, Severity, Time};
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, Message, MessageData, MessageNext, MessageRecipient, MessageTicket,
    Progress, Said, Target, TicketKey, ValidWhile,
};
use crate::domain::telling::incident::{Effect, Incident};
use crate::domain::timeline::cut;

/// Entries of `status.reminders`: the RCA itself first, then the actions that are overdue longest.
const MOST: usize = 32;
/// Longest text about a failure in bytes.
const MESSAGE: usize = 120;

/// What is overdue, and whose it is.
struct Subject<'a> {
    kind: ReminderKind,
    action: Option<&'a str>,
    title: Option<&'a str>,
    owner: Option<&'a str>,
    due: Timestamp,
}

/// Arms what is due, hands over what is armed, records what came of it; what is settled is forgotten.
pub(super) fn apply(draft: &mut RcaDraft<'_>) {
    let written = draft.status.reminders.clone();
    let mut wanted = Vec::new();
    for subject in subjects(draft) {
        for target in targets(draft, subject.owner) {
            if wanted.len() < MOST {
                wanted.push(settle(draft, &written, &subject, target));
            }
        }
    }
    draft.status.reminders = wanted;
}

fn subjects<'a>(draft: &RcaDraft<'a>) -> Vec<Subject<'a>> {
    let spec = draft.spec();
    let due = spec
        .due_time
        .map(|due| due.0)
        .filter(|due| *due <= draft.now);
    let itself = due.filter(|_| !passes(draft.phase())).map(|due| Subject {
        kind: ReminderKind::RcaOverdue,
        action: None,
        title: None,
        owner: spec.owner.as_deref(),
        due,
    });
    let open = draft.phase() != RcaPhase::Waived;
    let overdue = actions::overdue(spec, draft.now)
        .into_iter()
        .filter(|_| open);
    let of_actions = overdue.map(|(action, due)| Subject {
        kind: ReminderKind::ActionOverdue,
        action: Some(&action.id),
        title: Some(&action.title),
        owner: action.owner.as_deref(),
        due,
    });
    itself.into_iter().chain(of_actions).collect()
}

/// Whom to remind: the owner where they are a contact who can be reached, else those whom the policy names for what is
/// overdue; `None` = nobody. An RCA is the team's matter: nothing of it goes to customers.
fn targets(draft: &RcaDraft<'_>, owner: Option<&str>) -> Vec<Option<Target>> {
    let Some(people) = draft.people() else {
        return vec![None];
    };
    let of_the_team = |target: &Target| {
        people.audience(target) == Audience::Internal && !people.ways(target, "", None).is_empty()
    };
    let owner = owner
        .and_then(|owner| people.contact_of_user(owner))
        .map(Target::Contact);
    if let Some(owner) = owner.filter(of_the_team) {
        return vec![Some(owner)];
    }
    let policy = people.live.unwrap_or(people.pinned);
    let named = policy.spec().communication.as_ref();
    let named = named.map_or(&[][..], |communication| &communication.overdue_notify);
    let mut targets: Vec<Option<Target>> = people
        .expand(named, draft.now)
        .into_iter()
        .filter(of_the_team)
        .map(Some)
        .collect();
    if targets.is_empty() {
        targets.push(None);
    }
    targets
}

/// One reminder as it should stand now.
fn settle(
    draft: &mut RcaDraft<'_>,
    written: &[Reminder],
    subject: &Subject<'_>,
    target: Option<Target>,
) -> Reminder {
    let name = target.as_ref().map(ToString::to_string);
    let known = written.iter().find(|known| {
        known.kind == subject.kind
            && known.action.as_deref() == subject.action
            && known.target == name
            && known.due_time.0 == subject.due
    });
    match (known.cloned(), target) {
        (Some(known), Some(target)) if known.state == DeliveryState::Armed => {
            carry(draft, known, subject, &target)
        }
        (Some(known), _) => known,
        (None, target) => arm(draft, subject, target.as_ref()),
    }
}

fn arm(draft: &mut RcaDraft<'_>, subject: &Subject<'_>, target: Option<&Target>) -> Reminder {
    let now = draft.now;
    if subject.kind == ReminderKind::ActionOverdue {
        draft.tell("ActionOverdue", true, why(draft, subject));
    }
    let unreachable = "no contact of the policy is the owner; tell them by hand";
    Reminder {
        kind: subject.kind,
        action: subject.action.map(str::to_owned),
        target: target.map(ToString::to_string),
        due_time: Time(subject.due),
        state: if target.is_some() {
            DeliveryState::Armed
        } else {
            DeliveryState::Failed
        },
        time: target.is_none().then_some(Time(now)),
        message: target.is_none().then(|| unreachable.to_owned()),
    }
}

/// Hands an armed reminder over, or records what came of it.
fn carry(
    draft: &mut RcaDraft<'_>,
    mut known: Reminder,
    subject: &Subject<'_>,
    target: &Target,
) -> Reminder {
    let id = id_of(draft, &known, target);
    match draft.seen.outbox.get(&id) {
        None => {
            let delivery = delivery(draft, id, subject, target);
            draft.deliver.push(delivery);
        }
        Some(Progress::InFlight { .. }) => {}
        Some(Progress::Delivered { time, .. }) => {
            (known.state, known.time) = (DeliveryState::Delivered, Some(Time(*time)));
        }
        Some(Progress::Failed { time, message, .. }) => {
            (known.state, known.time) = (DeliveryState::Failed, Some(Time(*time)));
            known.message = Some(cut(message, MESSAGE));
            let note = format!("The reminder to {target} was not delivered: {message}");
            draft.tell("ReminderFailed", true, note);
        }
        Some(Progress::Cancelled { time }) => {
            (known.state, known.time) = (DeliveryState::Cancelled, Some(Time(*time)));
        }
    }
    known
}

fn id_of(draft: &RcaDraft<'_>, reminder: &Reminder, target: &Target) -> DeliveryId {
    let uid = draft.seen.rca.metadata.uid.as_deref().unwrap_or_default();
    id(uid, reminder, target)
}

fn id(uid: &str, reminder: &Reminder, target: &Target) -> DeliveryId {
    let kind = kind(reminder.kind);
    let subject = reminder.action.as_deref().unwrap_or("rca");
    let cause = format!("{subject}@{}", reminder.due_time);
    DeliveryId::of(uid, 0, kind, &cause, target)
}

/// The ids of the reminders whose result stands in a status: the outbox need not keep them any more.
pub fn recorded(uid: &str, reminders: &[Reminder]) -> Vec<DeliveryId> {
    let done = reminders.iter().filter(|known| match known.state {
        DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled
        | DeliveryState::Unknown => true,
        DeliveryState::Armed | DeliveryState::Sending => false,
    });
    done.filter_map(|known| Some(id(uid, known, &Target::parse(known.target.as_deref()?)?)))
        .collect()
}

fn kind(kind: ReminderKind) -> &'static str {
    match kind {
        ReminderKind::RcaOverdue => "RcaOverdue",
        ReminderKind::ActionOverdue => "ActionOverdue",
    }
}

fn delivery(
    draft: &RcaDraft<'_>,
    id: DeliveryId,
    subject: &Subject<'_>,
    target: &Target,
) -> Delivery {
    let metadata = &draft.seen.rca.metadata;
    let namespace = draft
        .status
        .policy
        .as_ref()
        .map_or("", |pin| pin.namespace.as_str());
    let ways = draft
        .people()
        .map(|people| people.ways(target, namespace, None));
    let ticket = ticket(draft);
    let severity = ticket.severity;
    // One of its own each, or the second overdue action of an RCA would ring nobody.
    let incident = Incident {
        effect: Effect::Calls,
        keys: vec![id.to_string()],
    };
    let data = MessageData {
        id: id.to_string(),
        kind: kind(subject.kind).to_owned(),
        ticket,
        round: 0,
        step: None,
        repeat: None,
        to: MessageRecipient {
            name: target.name().to_owned(),
        },
        why: why(draft, subject),
        next: Some(MessageNext {
            what: next(subject.kind).to_owned(),
            time: None,
        }),
        links: BTreeMap::new(),
        said: Said::default(),
    };
    Delivery {
        id,
        ticket: TicketKey {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: draft.name().to_owned(),
            uid: metadata.uid.clone().unwrap_or_default(),
        },
        target: target.clone(),
        ways: ways.unwrap_or_default(),
        message: Message {
            kind: "firebell.notice.v1".to_owned(),
            timestamp: draft.now,
            data,
        },
        valid_while: ValidWhile::Always,
        due: subject.due,
        retry_until: None,
        severity,
        incident,
        answered_by: None,
    }
}

/// The first ticket that the RCA names, as far as it is known; without any, the RCA itself.
fn ticket(draft: &RcaDraft<'_>) -> MessageTicket {
    let metadata = &draft.seen.rca.metadata;
    let named = draft.spec().ticket_refs.first();
    let seen = draft.tickets().next();
    let status = seen.and_then(|ticket| ticket.status.as_ref());
    let title = seen.map_or_else(
        || format!("RCA \"{}\"", draft.name()),
        |seen| seen.spec.title.clone(),
    );
    MessageTicket {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: match (seen.and_then(|ticket| ticket.metadata.name.clone()), named) {
            (Some(name), _) => name,
            (None, Some(named)) => named.name.clone(),
            (None, None) => draft.name().to_owned(),
        },
        uid: match (seen.and_then(|ticket| ticket.metadata.uid.clone()), named) {
            (Some(uid), _) => uid,
            (None, named) => named
                .and_then(|named| named.uid.clone())
                .unwrap_or_default(),
        },
        title,
        severity: status
            .and_then(|status| status.severity)
            .unwrap_or(Severity::Low),
        phase: status
            .and_then(|status| status.phase)
            .map_or_else(String::new, |phase| format!("{phase:?}")),
        service: seen.and_then(|ticket| ticket.spec.service.clone()),
        assignee: seen
            .and_then(|ticket| ticket.spec.assignment.as_ref())
            .map(|block| block.assignee.clone()),
    }
}

fn why(draft: &RcaDraft<'_>, subject: &Subject<'_>) -> String {
    let (name, due) = (draft.name(), subject.due);
    let owner = subject.owner.unwrap_or("nobody");
    match (subject.action, subject.title) {
        (Some(action), Some(title)) => format!(
            "Corrective action \"{action}\" ({title}) of RCA \"{name}\" was due at {due} and is not done. Owner: {owner}."
        ),
        (_, _) if draft.status.missing.is_empty() => {
            format!("RCA \"{name}\" was due at {due} and is not approved. Owner: {owner}.")
        }
        (_, _) => format!(
            "RCA \"{name}\" was due at {due} and is not written: {} missing. Owner: {owner}.",
            draft.status.missing.join(", ")
        ),
    }
}

fn next(kind: ReminderKind) -> &'static str {
    match kind {
        ReminderKind::RcaOverdue => {
            "Complete it and have it approved (`spec.approval`), or set another `spec.dueTime`"
        }
        ReminderKind::ActionOverdue => {
            "Set the action's `state` once it is done, or another `dueTime`"
        }
    }
}

//! Notices: what people are told besides pages, armed by the write that makes them true.
//!
//! Rules: `policy.communication.notifyOn`, `api.md` section 5 "Acknowledged", section 6 (kinds of notices),
//! `delivery.md` section 1: a notice's id has its kind in place of the step and, in place of the repeat number, what
//! caused it. Each caller names that cause; it is written with the arm, so every process computes the same id.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::audience;
use super::deliveries::{self, Entry, Part};
use super::delivery::{DeliveryId, Target};
use super::incident;
use crate::api::{Audience, ConnectorType, NotifyOn, NotifyTarget, Phase, TicketStatus, Update};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{Block, hash_of};

/// What caused a notice: the hash of a block and when it was acted on, or a subject and its time. The time makes a
/// block that is taken away and written again in the same words a new cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    /// Caused by a block with this hash that was acted on at `at`.
    pub fn block(hash: &str, at: Timestamp) -> Self {
        Self(format!("{hash}@{at}"))
    }

    /// Caused by a due time (or another fixed moment) and its subject.
    pub fn due(subject: &str, at: Timestamp) -> Self {
        Self(format!("{subject}@{at}"))
    }

    /// Caused by the one of `blocks` that was acted on at `at`; where none was, by `subject` at that time.
    pub fn of(status: &TicketStatus, blocks: &[Block], at: Timestamp, subject: &str) -> Self {
        let acted_on = blocks
            .iter()
            .filter_map(|block| status.handled.get(block.key()))
            .find(|handled| handled.time.0 == at);
        match acted_on {
            Some(handled) => Self::block(&handled.hash, at),
            None => Self::due(subject, at),
        }
    }

    /// As it stands in `status.deliveries` and in the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells those whom the policy names for this word.
pub fn tell_all(draft: &mut Draft<'_>, word: NotifyOn, cause: &Cause) {
    tell_all_but(draft, word, cause, &[]);
}

/// Tells those whom the policy names for this word, save those who know.
pub fn tell_all_but(draft: &mut Draft<'_>, word: NotifyOn, cause: &Cause, except: &[Target]) {
    for target in named(draft, word) {
        if !except.contains(&target) {
            tell(draft, &format!("{word:?}"), cause, &target);
        }
    }
}

/// Those whom the policy names for this word.
fn named(draft: &Draft<'_>, word: NotifyOn) -> Vec<Target> {
    let communication = draft
        .policy
        .as_deref()
        .and_then(|policy| policy.spec().communication.as_ref());
    communication
        .filter(|communication| communication.notify_on.contains(&word))
        .map(|communication| expand(draft, &communication.notify))
        .unwrap_or_default()
}

/// Tells everybody who was paged since the chain last started, save those who know.
pub fn to_paged(draft: &mut Draft<'_>, kind: &str, cause: &Cause, except: &[Target]) {
    for target in paged(draft) {
        if !except.contains(&target) {
            tell(draft, kind, cause, &target);
        }
    }
}

/// Everybody who was paged since the chain last started, or told of a new severity instead; each once.
pub fn paged(draft: &Draft<'_>) -> Vec<Target> {
    let first = draft
        .status
        .escalation
        .as_ref()
        .map_or(0, |escalation| escalation.first_round);
    let mut paged: Vec<Target> = Vec::new();
    for known in &draft.status.deliveries {
        let is_page = known
            .kind
            .as_deref()
            .is_none_or(|kind| kind == "SeverityNow");
        // Behind a repeat that did not leave stands the page before it, which did.
        let reached = deliveries::reached(draft, known) || known.repeat.is_some();
        if !is_page || known.round < first || !reached {
            continue;
        }
        let target = Target::parse(&known.target);
        paged.extend(target.filter(|target| !paged.contains(target)));
    }
    paged
}

/// Tells one target: arms a notice, which leaves once it is written.
pub fn tell(draft: &mut Draft<'_>, kind: &str, cause: &Cause, target: &Target) {
    let round = draft.escalation_round();
    let cause = cause.as_str();
    let id = DeliveryId::of(&draft.key().uid, round, kind, cause, target);
    let entry = Entry {
        id: &id,
        round,
        part: Part::Notice { kind, cause },
        target,
        due: draft.now,
    };
    deliveries::put(&mut draft.status, entry.armed());
}

/// Those behind a list of the policy, now.
pub fn expand(draft: &Draft<'_>, notify: &[NotifyTarget]) -> Vec<Target> {
    draft
        .people()
        .map(|people| people.expand(notify, draft.now))
        .unwrap_or_default()
}

/// Tells of the submission, once: with the first policy that applies, however late it comes.
pub fn opened(draft: &mut Draft<'_>) {
    let pinned_before = draft
        .seen
        .ticket
        .status
        .as_ref()
        .is_some_and(|status| status.policy.is_some());
    let open = draft.status.close_time.is_none();
    let Some(submitted) = draft.status.submit_time else {
        return;
    };
    if draft.policy.is_some() && !pinned_before && open {
        tell_all(draft, NotifyOn::Opened, &Cause::due("Opened", submitted.0));
    }
}

/// Tells that a later step fired, at its first page of the round: the first step is no escalation yet, and those whom
/// the step itself pages know.
pub fn escalated(draft: &mut Draft<'_>, step: &str, nominal: Timestamp, paged: &[Target]) {
    let first = draft.policy.as_deref().and_then(|policy| {
        let steps = policy.steps_for(draft.severity());
        steps.first().map(|first| first.name == step)
    });
    if first == Some(false) {
        tell_all_but(
            draft,
            NotifyOn::Escalated,
            &Cause::due(step, nominal),
            paged,
        );
    }
}

/// Tells that somebody has acknowledged: those whom the policy names, and everybody who was paged but the one who did.
pub fn acknowledged(draft: &mut Draft<'_>, by: &str, at: Timestamp) {
    let cause = Cause::of(&draft.status, &[Block::Acknowledgement], at, by);
    tell_all(draft, NotifyOn::Acknowledged, &cause);
    let own: Vec<Target> = draft
        .people()
        .and_then(|people| people.contact_of_user(by))
        .map(Target::Contact)
        .into_iter()
        .collect();
    to_paged(draft, "AcknowledgedBy", &cause, &own);
    to_incident_services(draft, "AcknowledgedBy", &cause);
}

/// Tells the services that keep incidents of their own and were called for this ticket, in whatever round: they would
/// go on ringing, whatever the policy says of notices and whoever answered.
pub fn to_incident_services(draft: &mut Draft<'_>, kind: &str, cause: &Cause) {
    let Some(people) = draft.people() else {
        return;
    };
    let mut services: Vec<Target> = Vec::new();
    for known in &draft.status.deliveries {
        let called = incident::calls(known);
        let Some(target) = Target::parse(&known.target).filter(|_| called) else {
            continue;
        };
        if !deliveries::reached(draft, known) && known.repeat.is_none() {
            continue;
        }
        let ways = people.ways(&target, "", None).into_iter();
        let ways = ways.filter(|way| way.connector.type_ == ConnectorType::PagerDuty);
        for service in ways.map(|way| Target::Connector(way.connector.name)) {
            if !services.contains(&service) {
                services.push(service);
            }
        }
    }
    for service in services {
        tell(draft, kind, cause, &service);
    }
}

/// Tells those whom the policy names and everybody who was paged that something holds the ticket, or nothing any more,
/// since `at`.
pub fn held(draft: &mut Draft<'_>, at: Timestamp) {
    let words = draft.held.as_ref().map(|held| held.words.as_str());
    let cause = Cause::block(&hash_of(&words), at);
    tell_all(draft, NotifyOn::Held, &cause);
    to_paged(draft, "Held", &cause, &[]);
}

/// Tells those whom the policy names for an exhausted chain.
pub fn exhausted(draft: &mut Draft<'_>, due: Timestamp) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let (_, targets) = policy.on_exhausted();
    let cause = Cause::due("Exhausted", due);
    for target in expand(draft, targets) {
        tell(draft, "Exhausted", &cause, &target);
    }
}

/// Tells a status update: to those whom the policy names and to those who were paged, as far as they are of the team;
/// one that is written for customers to the reporter and to every connector of that audience too.
pub fn updated(draft: &mut Draft<'_>, update: &Update, cause: &Cause) {
    let author = draft
        .people()
        .and_then(|people| people.contact_of_user(&update.by))
        .map(Target::Contact);
    let mut told = named(draft, NotifyOn::Update);
    told.extend(
        paged(draft)
            .into_iter()
            .filter(|target| Some(target) != author.as_ref()),
    );
    match update.audience {
        Audience::Internal => told.retain(|target| of_the_team(draft, target)),
        Audience::Customers => {
            told.extend(
                draft
                    .people()
                    .into_iter()
                    .flat_map(|people| people.to_customers()),
            );
            told.extend(reporter(draft));
        }
    }
    let mut known = BTreeSet::new();
    for target in told {
        if known.insert(target.clone()) {
            tell(draft, "Update", cause, &target);
        }
    }
}

/// Asks the reporter for a word on the resolution, and tells those whom the policy names. Once per resolution.
pub fn validation_asked(draft: &mut Draft<'_>) {
    let Some(resolved) = draft.status.resolve_time else {
        return;
    };
    let written = draft.seen.ticket.status.as_ref();
    let asked_before = written.is_some_and(|status| {
        status.phase == Some(Phase::AwaitingValidation) && status.resolve_time == Some(resolved)
    });
    if draft.status.phase != Some(Phase::AwaitingValidation) || asked_before {
        return;
    }
    let blocks = [Block::Resolution];
    let cause = Cause::of(&draft.status, &blocks, resolved.0, "Resolved");
    tell_all(draft, NotifyOn::ValidationRequested, &cause);
    if let Some(reporter) = reporter(draft) {
        tell(draft, "ValidationRequested", &cause, &reporter);
        return;
    }
    let now = draft.now;
    draft.tell(Tell {
        reason: "ReporterUnreachable",
        warning: true,
        at: now,
        actor: None,
        message: "The reporter could not be asked to validate: `spec.reporter.contact` must name a contact of the policy. Ask in person, or set it.",
    });
}

/// The reporter, where there is a way: `spec.reporter.contact` has to name a contact of the policy.
fn reporter(draft: &Draft<'_>) -> Option<Target> {
    let reporter = draft.ticket().spec.reporter.as_ref();
    let contact = reporter.and_then(|reporter| reporter.contact.as_deref());
    let ways = draft.people()?.ways(&Target::Reporter, "", contact);
    (!ways.is_empty()).then_some(Target::Reporter)
}

/// Whether one way to a target stays within the team.
fn of_the_team(draft: &Draft<'_>, target: &Target) -> bool {
    let ways = draft
        .people()
        .map(|people| people.ways(target, "", None))
        .unwrap_or_default();
    ways.iter()
        .any(|way| audience::of_way(target, way) == Audience::Internal)
}

/// The assignee, if they are a contact of the policy who can be reached.
pub fn assignee(draft: &Draft<'_>) -> Option<Target> {
    let block = draft.ticket().spec.assignment.as_ref()?;
    let people = draft.people()?;
    let target = Target::Contact(people.contact_of_user(&block.assignee)?);
    (!people.ways(&target, "", None).is_empty()).then_some(target)
}

/// Tells those whom the policy names for a due or overdue status update.
pub fn to_overdue(draft: &mut Draft<'_>, kind: &str, cause: &Cause) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let Some(communication) = &policy.spec().communication else {
        return;
    };
    for target in expand(draft, &communication.overdue_notify) {
        tell(draft, kind, cause, &target);
    }
}

//! The one door to every decision about an RCA: its phase, what is missing, what is overdue, who is reminded.
//!
//! Pure and total, like the decision about a ticket: asked again after each thing it asked for. What must leave is
//! written first, so that no crash loses a reminder. Rules: `api.md` section 4.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{actions, missing, passes, reminders};
use crate::api::condition_type::{
    ACTIONS_OVERDUE, COMPLETE, DOCUMENT_KEPT, OVERDUE, READY, STALLED, TICKETS_FOUND,
};
use crate::api::{
    DocumentRef, Rca, RcaPhase, RcaPolicyPin, RcaSection, RcaSpec, RcaStatus, Ticket,
};
use crate::domain::conditions;
use crate::domain::next::Transition;
use crate::domain::people::People;
use crate::domain::policy::ValidPolicy;
use crate::domain::selection::PolicyIndex;
use crate::domain::telling::delivery::{Delivery, OutboxView};

/// Everything about one RCA at one moment.
#[derive(Clone, Debug)]
pub struct RcaSeen {
    /// The RCA as it was read or last written.
    pub rca: Arc<Rca>,
    /// The tickets it names, in their order.
    pub tickets: Vec<Covered>,
    /// All policies and revisions.
    pub policies: Arc<PolicyIndex>,
    /// How far its reminders have come.
    pub outbox: OutboxView,
    /// How its document is kept; `None` while that is not known.
    pub document: Option<DocumentSeen>,
}

/// How the document of an RCA is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSeen {
    /// The ConfigMap that holds it, or its beginning.
    pub config_map: Option<String>,
    /// Whether all of it stands there.
    pub whole: bool,
    /// Why it is so, one CamelCase word.
    pub reason: &'static str,
    /// The same in words.
    pub message: String,
}

/// A ticket that an RCA names.
#[derive(Clone, Debug)]
pub struct Covered {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub found: Found,
    /// Another RCA that means it too; the first by name.
    pub also: Option<String>,
}

/// Whether a ticket is there.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is.
    Here(Arc<Ticket>),
    /// It is, archived, and has been looked at before.
    Archived,
    /// It is not, or another of that name is.
    Gone,
    /// The API server did not say.
    Unknown,
}

/// What to do next about one RCA.
#[derive(Clone, Debug, PartialEq)]
pub enum RcaNext {
    /// Hand these to the outbox.
    Deliver(Vec<Delivery>),
    /// Write this status under the resourceVersion that was seen.
    Commit(Box<RcaStatus>, Vec<Transition>),
    /// Nothing now. Ask again at that moment, or when something that was seen changes.
    Wait(Option<Timestamp>),
}

/// A decision in the making.
pub(super) struct RcaDraft<'a> {
    pub(super) seen: &'a RcaSeen,
    pub(super) now: Timestamp,
    pub(super) status: RcaStatus,
    pub(super) transitions: Vec<Transition>,
    pub(super) deliver: Vec<Delivery>,
    deadline: Option<Timestamp>,
}

impl<'a> RcaDraft<'a> {
    pub(super) fn spec(&self) -> &'a RcaSpec {
        &self.seen.rca.spec
    }

    pub(super) fn name(&self) -> &'a str {
        self.seen.rca.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn phase(&self) -> RcaPhase {
        self.status.phase.unwrap_or_default()
    }

    /// The tickets that are in view.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &'a Arc<Ticket>> {
        self.seen
            .tickets
            .iter()
            .filter_map(|covered| match &covered.found {
                Found::Here(ticket) => Some(ticket),
                Found::Archived | Found::Gone | Found::Unknown => None,
            })
    }

    /// The people to remind: those of the live policy first.
    pub(super) fn people(&self) -> Option<People<'a>> {
        let pin = self.status.policy.as_ref()?;
        let live = self.seen.policies.live(&pin.namespace, &pin.name);
        let live: Option<&ValidPolicy> = live.map(|(_, valid)| valid.as_ref());
        let pinned = stored(&self.seen.policies, &pin.namespace, &pin.revision).or(live)?;
        Some(People { live, pinned })
    }

    pub(super) fn wake(&mut self, at: Timestamp) {
        let known = self.deadline.unwrap_or(at);
        self.deadline = Some(known.min(at));
    }

    /// Tells a transition.
    pub(super) fn tell(&mut self, reason: &'static str, warning: bool, note: String) {
        let number = self.transitions.len();
        self.transitions.push(Transition {
            key: format!("{reason}-{}-{number}", self.now.as_millisecond()),
            warning,
            reason,
            action: reason.to_owned(),
            note,
        });
    }

    /// Sets a condition; whether its status changed.
    fn condition(&mut self, type_: &str, holds: bool, reason: &str, message: &str) -> bool {
        let generation = self.seen.rca.metadata.generation;
        let before = conditions::holds(&self.status.conditions, type_);
        let known = conditions::known(&self.status.conditions, type_);
        let set = (type_, holds, reason);
        conditions::set(
            &mut self.status.conditions,
            generation,
            self.now,
            set,
            message,
        );
        before != holds || !known
    }
}

fn stored<'a>(
    policies: &'a PolicyIndex,
    namespace: &str,
    revision: &str,
) -> Option<&'a ValidPolicy> {
    let key = (namespace.to_owned(), revision.to_owned());
    policies.revisions.get(&key).map(AsRef::as_ref)
}

/// What to do next about the RCA in `seen`, at `now`.
pub fn decide(seen: &RcaSeen, now: Timestamp) -> RcaNext {
    if seen.rca.metadata.deletion_timestamp.is_some() {
        return RcaNext::Wait(None);
    }
    let mut draft = RcaDraft {
        seen,
        now: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
        status: seen.rca.status.clone().unwrap_or_default(),
        transitions: Vec::new(),
        deliver: Vec::new(),
        deadline: None,
    };
    pin(&mut draft);
    accept(&mut draft);
    stand(&mut draft);
    tickets(&mut draft);
    due(&mut draft);
    actions_due(&mut draft);
    reminders::apply(&mut draft);
    document(&mut draft);
    draft.status.observed_generation = seen.rca.metadata.generation;
    if !draft.deliver.is_empty() {
        return RcaNext::Deliver(draft.deliver);
    }
    if seen.rca.status.as_ref() != Some(&draft.status) {
        return RcaNext::Commit(Box::new(draft.status), draft.transitions);
    }
    RcaNext::Wait(draft.deadline)
}

/// The policy of the first ticket that has one; it stays when the tickets are gone.
fn pin(draft: &mut RcaDraft<'_>) {
    let mut pins = draft
        .tickets()
        .filter_map(|ticket| ticket.status.as_ref()?.policy.as_ref());
    let pin = pins.next().cloned();
    drop(pins);
    if let Some(pin) = pin {
        draft.status.policy = Some(RcaPolicyPin {
            name: pin.name,
            namespace: pin.namespace,
            revision: pin.revision,
        });
    }
}

/// The sections that the policies of its tickets ask for.
fn sections(draft: &RcaDraft<'_>) -> BTreeSet<RcaSection> {
    let policies = &draft.seen.policies;
    let of_tickets = draft.tickets().filter_map(|ticket| {
        let pin = ticket.status.as_ref()?.policy.as_ref()?;
        stored(policies, &pin.namespace, &pin.revision)
    });
    let own = draft.people().map(|people| people.pinned);
    let rules = own.into_iter().chain(of_tickets);
    rules
        .filter_map(|policy| policy.spec().rca.as_ref())
        .flat_map(|rules| rules.sections.iter().copied())
        .collect()
}

/// Whether the two words that end an RCA contradict each other: an error that only an edit can mend.
fn contradicts(spec: &RcaSpec) -> bool {
    spec.approval.is_some() && spec.waiver.is_some()
}

fn accept(draft: &mut RcaDraft<'_>) {
    if contradicts(draft.spec()) {
        let message = "`spec.approval` and `spec.waiver` must not both be present: it is either approved or not needed. Neither counts until one is removed.";
        draft.condition(READY, false, "InvalidSpec", message);
        if draft.condition(STALLED, true, "InvalidSpec", message) {
            draft.tell("InvalidSpec", true, message.to_owned());
        }
        return;
    }
    draft.condition(READY, true, "Accepted", "Firebell handles this RCA.");
    if conditions::known(&draft.status.conditions, STALLED) {
        draft.condition(STALLED, false, "Accepted", "Firebell handles this RCA.");
    }
}

/// Sets what is missing, the actions in numbers, and the phase.
fn stand(draft: &mut RcaDraft<'_>) {
    let spec = draft.spec();
    let missing = missing::missing(spec, &sections(draft));
    let counts = actions::counts(spec, draft.now);
    let before = draft.status.phase;
    let phase = phase(spec, missing.is_empty(), counts.total, counts.open);
    let (reason, message) = if missing.is_empty() {
        ("NothingMissing", "Nothing is missing.".to_owned())
    } else if spec.approval.is_some() && !contradicts(spec) {
        let words = missing.join(", ");
        (
            "Missing",
            format!("Approved, but that counts only once this is given: {words}."),
        )
    } else {
        ("Missing", format!("Missing: {}.", missing.join(", ")))
    };
    draft.condition(COMPLETE, missing.is_empty(), reason, &message);
    draft.status.missing = missing;
    draft.status.actions = Some(counts);
    draft.status.phase = Some(phase);
    if before != Some(phase) {
        tell_phase(draft, before, phase, &message);
    }
}

/// Where an RCA stands, by the words of [`RcaPhase`].
fn phase(spec: &RcaSpec, complete: bool, actions: i64, open: i64) -> RcaPhase {
    let valid = !contradicts(spec);
    match (&spec.approval, &spec.waiver) {
        (_, Some(_)) if valid => RcaPhase::Waived,
        _unfinished if !complete => RcaPhase::Draft,
        (Some(_), _) if valid && open > 0 => RcaPhase::ActionsPending,
        (Some(_), _) if valid && actions > 0 => RcaPhase::Completed,
        (Some(_), _) if valid => RcaPhase::Approved,
        (None | Some(_), _) => RcaPhase::InReview,
    }
}

fn tell_phase(draft: &mut RcaDraft<'_>, before: Option<RcaPhase>, phase: RcaPhase, said: &str) {
    let spec = draft.spec();
    let approved = || {
        let by = spec
            .approval
            .as_ref()
            .map_or("", |approval| approval.by.as_str());
        format!("Approved by {by}")
    };
    let open = draft
        .status
        .actions
        .as_ref()
        .map_or(0, |actions| actions.open);
    let (reason, note) = match phase {
        RcaPhase::Draft if before.is_none() => {
            let due = spec
                .due_time
                .map_or_else(String::new, |due| format!(" Due {due}."));
            ("Opened", format!("To be written. {said}{due}"))
        }
        RcaPhase::Draft => ("Draft", format!("A draft again. {said}")),
        RcaPhase::InReview => (
            "InReview",
            "Nothing is missing: a reviewer must approve it (`spec.approval`).".to_owned(),
        ),
        RcaPhase::Approved => ("Approved", approved()),
        RcaPhase::ActionsPending => (
            "Approved",
            format!("{}; corrective actions that are open: {open}", approved()),
        ),
        RcaPhase::Completed => (
            "Completed",
            format!("{}, and every corrective action is done", approved()),
        ),
        RcaPhase::Waived => {
            let waiver = spec.waiver.as_ref();
            let (by, why) = waiver.map_or(("", ""), |waiver| (&waiver.by, &waiver.reason));
            ("Waived", format!("Waived by {by}: {why}"))
        }
    };
    draft.tell(reason, false, note);
}

/// Says whether the tickets it names are there.
fn tickets(draft: &mut RcaDraft<'_>) {
    let covered = &draft.seen.tickets;
    let names = |wanted: &dyn Fn(&Covered) -> bool| -> Vec<String> {
        let found = covered.iter().filter(|covered| wanted(covered));
        found
            .map(|covered| format!("\"{}\"", covered.name))
            .collect()
    };
    let gone = names(&|covered| matches!(covered.found, Found::Gone));
    let unknown = names(&|covered| matches!(covered.found, Found::Unknown));
    let shared = covered
        .iter()
        .find_map(|covered| Some((&covered.name, covered.also.as_ref()?)));
    let (holds, reason, message) = if covered.is_empty() {
        (
            false,
            "NoTickets",
            "`spec.ticketRefs` names no ticket.".to_owned(),
        )
    } else if !gone.is_empty() {
        let gone = gone.join(", ");
        let message = format!(
            "Not found, or deleted meanwhile: {gone}. The RCA stays; correct `spec.ticketRefs` where that is a mistake."
        );
        (false, "NotFound", message)
    } else if !unknown.is_empty() {
        return;
    } else if let Some((ticket, other)) = shared {
        let message = format!(
            "Ticket \"{ticket}\" is not its alone: RCA \"{other}\" names it too. The one that has come furthest counts for its closure. Waive the one that is not needed."
        );
        (true, "Shared", message)
    } else {
        (true, "Found", "Every ticket it names is there.".to_owned())
    };
    let before = conditions::message(&draft.status.conditions, TICKETS_FOUND).map(str::to_owned);
    draft.condition(TICKETS_FOUND, holds, reason, &message);
    let worth = reason == "Shared" || !holds;
    let said = conditions::message(&draft.status.conditions, TICKETS_FOUND);
    if worth && before.as_deref() != said {
        let told = if holds {
            "TicketShared"
        } else {
            "TicketNotFound"
        };
        draft.tell(told, true, message);
    }
}

/// Says how its document is kept; where that is not known now, what was said before stands.
fn document(draft: &mut RcaDraft<'_>) {
    let Some(seen) = &draft.seen.document else {
        return;
    };
    let config_map = seen.config_map.clone();
    draft.status.document = config_map.map(|config_map| DocumentRef { config_map });
    let changed = draft.condition(DOCUMENT_KEPT, seen.whole, seen.reason, &seen.message);
    if changed && !seen.whole {
        draft.tell("DocumentNotKept", true, seen.message.clone());
    }
}

/// Judges the due time of the RCA itself.
fn due(draft: &mut RcaDraft<'_>) {
    let Some(due) = draft.spec().due_time.map(|due| due.0) else {
        let message = "`spec.dueTime` is not set, so nobody is reminded of this RCA.";
        draft.condition(OVERDUE, false, "NoDueTime", message);
        return;
    };
    let phase = draft.phase();
    if passes(phase) {
        draft.condition(OVERDUE, false, "Settled", &format!("It is {phase:?}."));
        return;
    }
    if draft.now < due {
        draft.wake(due);
        draft.condition(OVERDUE, false, "NotDue", &format!("Due {due}."));
        return;
    }
    let created = draft.seen.rca.metadata.creation_timestamp.as_ref();
    let hint = if created.is_some_and(|created| due <= created.0) {
        " `spec.dueTime` was past when the RCA was made: correct it where that is a mistake."
    } else {
        ""
    };
    let owner = draft
        .spec()
        .owner
        .as_deref()
        .unwrap_or("nobody; set `spec.owner`");
    let message = format!("Not approved by {due}; it is {phase:?}. Owner: {owner}.{hint}");
    if draft.condition(OVERDUE, true, "PastDue", &message) {
        draft.tell("RcaOverdue", true, message);
    }
}

/// Judges the due times of its corrective actions; a waived RCA has none.
fn actions_due(draft: &mut RcaDraft<'_>) {
    let next = draft
        .status
        .actions
        .as_ref()
        .and_then(|actions| actions.next_due_time);
    let waived = draft.phase() == RcaPhase::Waived;
    if let Some(next) = next.filter(|_| !waived) {
        draft.wake(next.0);
    }
    let overdue = if waived {
        Vec::new()
    } else {
        actions::overdue(draft.spec(), draft.now)
    };
    if overdue.is_empty() {
        draft.condition(
            ACTIONS_OVERDUE,
            false,
            "NoneOverdue",
            "No corrective action is overdue.",
        );
        return;
    }
    let words = overdue.iter().map(|(action, due)| {
        let owner = action.owner.as_deref().unwrap_or("nobody");
        format!("\"{}\" of {owner} since {due}", action.id)
    });
    let words: Vec<String> = words.collect();
    draft.condition(
        ACTIONS_OVERDUE,
        true,
        "PastDue",
        &format!("Overdue: {}.", words.join(", ")),
    );
}

#[cfg(test)]
mod tests;

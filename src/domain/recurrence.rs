//! What helped last time: earlier tickets like a new one, with their RCA and runbook (`status.related`).
//!
//! Like it is what has the same `source.dedupKey`, or the same service and category. What counts is what was closed
//! within 90 days before the new ticket was created, so that the answer is the same whenever it is asked for. It is
//! asked for at the start of a ticket only and written once: a deletion or an RCA that comes later changes no word of it.
//! A duplicate is left out: what it repeats stands for it.

use jiff::{SignedDuration, Timestamp};

use super::draft::{Draft, after};
use super::facts::created;
use super::observed::RcaFacts;
use crate::api::condition_type::READY;
use crate::api::{
    KnowledgeItem, KnowledgeKind, KnowledgeState, RelatedTicket, Ticket, TicketSpec, TicketStatus,
};

/// Entries of `status.related`.
pub const MOST: usize = 5;
/// What was closed longer before a ticket than this is not like it any more.
const RECENT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long after a ticket was first handled earlier ones are still asked for, where they were not known at once.
const ASKED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Creation times are whole seconds: what was closed within that second was closed before.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// What makes two tickets of a namespace alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Likeness {
    /// The same `source.dedupKey`.
    Key(String),
    /// The same service and the same category, or both without one.
    Kind {
        /// `spec.service`
        service: String,
        /// `spec.category`
        category: Option<String>,
    },
}

/// A closed ticket, as later ones like it see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its name.
    pub ticket: String,
    /// Its uid.
    pub uid: String,
    /// When it was closed.
    pub closed: Timestamp,
    /// What it is like.
    pub likenesses: Vec<Likeness>,
    /// Name of its RCA.
    pub rca: Option<String>,
    /// Where its runbook stands.
    pub runbook: Option<String>,
}

/// By what other tickets are like this one, the closest first.
pub fn likenesses(spec: &TicketSpec) -> Vec<Likeness> {
    let source = spec.source.as_ref();
    let key = source.and_then(|source| source.dedup_key.clone());
    let kind = spec.service.clone().map(|service| Likeness::Kind {
        service,
        category: spec.category.clone(),
    });
    key.map(Likeness::Key).into_iter().chain(kind).collect()
}

/// A ticket as later ones see it; `None` while it is open, and of a duplicate.
pub fn earlier(ticket: &Ticket) -> Option<Earlier> {
    let status = ticket.status.as_ref()?;
    let closed = status.close_time?.0;
    let likenesses = likenesses(&ticket.spec);
    let counts = status.duplicate_of.is_none()
        && ticket.metadata.deletion_timestamp.is_none()
        && !likenesses.is_empty();
    counts.then(|| Earlier {
        ticket: ticket.metadata.name.clone().unwrap_or_default(),
        uid: ticket.metadata.uid.clone().unwrap_or_default(),
        closed,
        likenesses,
        rca: None,
        runbook: runbook(&ticket.spec.knowledge),
    })
}

impl Earlier {
    /// Whether it was closed before a ticket of that creation time, and not too long before.
    pub fn counts_for(&self, created: Timestamp) -> bool {
        self.closed < after(created, SECOND) && created < after(self.closed, RECENT)
    }

    /// The same with the RCA that covers it now, if there is one.
    #[must_use]
    pub fn with(&self, rca: Option<&RcaFacts>) -> Self {
        let own = self.runbook.clone();
        let of_rca = || rca.and_then(|rca| runbook(&rca.knowledge));
        Self {
            rca: rca.map(|rca| rca.name.clone()),
            runbook: own.or_else(of_rca),
            ..self.clone()
        }
    }
}

/// The first runbook that is done: where it stands, else what it is called.
fn runbook(knowledge: &[KnowledgeItem]) -> Option<String> {
    let mut items = knowledge.iter();
    let done = |item: &&KnowledgeItem| {
        (item.kind, item.state) == (KnowledgeKind::Runbook, KnowledgeState::Done)
    };
    let item = items.find(done)?;
    Some(item.url.clone().unwrap_or_else(|| item.title.clone()))
}

/// Whether earlier tickets like this one are still asked for.
pub fn asks(ticket: &Ticket, now: Timestamp) -> bool {
    if likenesses(&ticket.spec).is_empty() || ticket.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let Some(status) = &ticket.status else {
        return true;
    };
    let begins = status.submit_time.is_none() || now < after(handled_since(status), ASKED_FOR);
    begins && status.related.is_empty() && status.close_time.is_none()
}

/// When the ticket was first handled, which after a downtime is later than its creation.
fn handled_since(status: &TicketStatus) -> Timestamp {
    let mut conditions = status.conditions.iter();
    let ready = conditions.find(|known| known.type_ == READY);
    let submitted = status.submit_time;
    let times = submitted
        .into_iter()
        .chain(ready.map(|known| known.last_transition_time));
    times.max().map_or(Timestamp::MIN, |time| time.0)
}

/// Writes which earlier tickets are like this one, once they are known.
pub fn apply(draft: &mut Draft<'_>) {
    if asks(draft.ticket(), draft.now) {
        let created = created(draft.ticket(), draft.now);
        draft.status.related = related(draft.ticket(), created, &draft.seen.others.earlier);
    }
}

/// The earlier tickets that are like this one: those of the same key first, then the newest first.
fn related(ticket: &Ticket, created: Timestamp, earlier: &[Earlier]) -> Vec<RelatedTicket> {
    let own = likenesses(&ticket.spec);
    let itself = |other: &Earlier| ticket.metadata.uid.as_deref() == Some(other.uid.as_str());
    let counts = |other: &&Earlier| other.counts_for(created) && !itself(other);
    let mut alike: Vec<(usize, &Earlier)> = earlier
        .iter()
        .filter(counts)
        .filter_map(|other| {
            let mut mine = own.iter();
            let closest = mine.position(|mine| other.likenesses.contains(mine))?;
            Some((closest, other))
        })
        .collect();
    alike.sort_by(|(rank, one), (other_rank, other)| {
        let newest_first = other.closed.cmp(&one.closed);
        let by_rank = rank.cmp(other_rank).then(newest_first);
        by_rank.then_with(|| one.ticket.cmp(&other.ticket))
    });
    alike.dedup_by(|(_, one), (_, other)| one.uid == other.uid);
    let shown = alike.into_iter().take(MOST);
    shown
        .map(|(_, other)| RelatedTicket {
            ticket: other.ticket.clone(),
            rca: other.rca.clone(),
            runbook: other.runbook.clone(),
        })
        .collect()
}

/// What to tell whoever is paged about last time, and where a runbook stands: of the first earlier ticket that has
/// something to read, else of the first.
pub fn last_time(status: &TicketStatus) -> Option<(String, Option<&str>)> {
    let mut related = status.related.iter();
    let readable = |known: &&RelatedTicket| known.rca.is_some() || known.runbook.is_some();
    let known = related.find(readable).or(status.related.first())?;
    let ticket = format!("ticket \"{}\"", known.ticket);
    let rca = known.rca.as_ref().map(|name| format!("RCA \"{name}\""));
    let runbook = known.runbook.as_ref().map(|at| format!("runbook {at}"));
    let words: Vec<_> = [Some(ticket), rca, runbook].into_iter().flatten().collect();
    Some((words.join(", "), known.runbook.as_deref()))
}

#[cfg(test)]
mod tests;

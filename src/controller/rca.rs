//! One look at an RCA: make it where a ticket requires one, else observe, decide, act (`domain::followup`).

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;

use super::client::call;
use super::commit::{StatusWriter, Wanted};
use super::engine::{Look, Place, Turn};
use super::error::{CallError, Class};
use super::events::{Events, reference};
use super::key::Key;
use super::shelf::{Kept, Owner, Shelf};
use super::versions::Origin;
use super::view::View;
use crate::api::{Rca, RcaStatus, Ticket, TicketRef, condition_type};
use crate::clock::{Now, OperatorClock};
use crate::document;
use crate::domain::conditions;
use crate::domain::followup::covering::means;
use crate::domain::followup::rca::{Covered, Found, RcaNext, RcaSeen, decide};
use crate::domain::followup::{opening, reminders};
use crate::domain::next::Transition;
use crate::metrics::{Kind, Metrics, Stage};
use crate::outbox::Outbox;

/// Commits in one look; more are a fault, and would be a storm.
const COMMITS_MOST: u32 = 16;
/// How soon the API server is asked again about a ticket of which it did not say whether it is there.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How soon a document is tried again that somebody else's name or missing rights keep out.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

const CREATE: &str = "create rcas";
const WRITE: &str = "patch rcas/status";

/// What was last known of a ticket that an RCA names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was in view.
    InView,
    /// It was there, and archived.
    Archived,
    /// It was not there.
    Gone,
}

/// What was last known of the tickets of an RCA, at this generation of it.
pub type Tickets = (Option<i64>, HashMap<String, Known>);

/// What looks at RCAs.
pub struct RcaDesk {
    /// The API server.
    pub client: Client,
    /// What is seen of the cluster.
    pub view: Arc<View>,
    /// What is on its way to people.
    pub outbox: Outbox,
    /// Writes statuses.
    pub writer: StatusWriter,
    /// Tells what happened.
    pub events: Events,
    /// The operator's time.
    pub clock: OperatorClock,
    /// Counts.
    pub metrics: Metrics,
    /// So that a ticket that is not in view is asked for once.
    pub known: Mutex<HashMap<Key, Tickets>>,
    /// Keeps the documents.
    pub shelf: Arc<Shelf>,
    /// How the document of each RCA was last found to stand.
    pub kept: Mutex<HashMap<Key, Kept>>,
}

impl Look for RcaDesk {
    const KIND: Kind = Kind::RCA;

    async fn look(self: Arc<Self>, key: Key, mut place: Place) -> Turn {
        match place.leave_for(Box::pin(self.settle(&key))).await {
            Ok(until) => Turn::Rest {
                until,
                later: SignedDuration::ZERO,
            },
            Err(error) => self.report(&key, &error).await,
        }
    }
}

impl RcaDesk {
    /// Makes it, or decides until there is nothing to do now; answers when to look again.
    async fn settle(&self, key: &Key) -> Result<Option<Timestamp>, CallError> {
        for _ in 0..COMMITS_MOST {
            let Some(rca) = self.view.rcas.get(key) else {
                self.known.lock().remove(key);
                self.kept.lock().remove(key);
                self.make(key).await?;
                return Ok(None);
            };
            let seen = self.observe(key, rca).await;
            let now = self.clock.now();
            match decide(&seen, now) {
                RcaNext::Deliver(deliveries) => {
                    let uid = seen.rca.metadata.uid.as_deref().unwrap_or_default();
                    let ids: Vec<_> = deliveries.iter().map(|each| each.id.clone()).collect();
                    for delivery in &deliveries {
                        let late = now.duration_since(delivery.due);
                        self.metrics.late(Stage::handover, late);
                    }
                    self.outbox.hand_over(deliveries);
                    let taken = self.outbox.view(uid);
                    if ids.iter().any(|id| !taken.contains_key(id)) {
                        return Ok(now.checked_add(SignedDuration::from_secs(1)).ok());
                    }
                }
                RcaNext::Commit(status, transitions) => {
                    self.commit(key, &seen.rca, &status, &transitions).await?;
                }
                RcaNext::Wait(until) => {
                    let (news, shelved) = self.shelve(key, &seen.rca, now).await;
                    if news {
                        continue;
                    }
                    if let Some((ticket, _)) = self.wanted(key) {
                        tracing::warn!(rca = %key, ticket = %ticket, "the ticket requires an RCA of this name, but the one that is there does not name it in `spec.ticketRefs`: add it, or delete the RCA if nobody needs it");
                    }
                    let mut found = seen.tickets.iter().map(|covered| &covered.found);
                    let unknown = found.any(|found| matches!(found, Found::Unknown));
                    let again = now.checked_add(ASK_AGAIN).ok().filter(|_| unknown);
                    return Ok(until.into_iter().chain(again).chain(shelved).min());
                }
            }
        }
        Err(CallError::Restless { what: WRITE })
    }

    /// Keeps the document of an RCA as its status stands. Answers whether how it stands is news, which goes into the
    /// status, and when to try again what did not succeed: an RCA never waits for its document.
    async fn shelve(&self, key: &Key, rca: &Rca, now: Timestamp) -> (bool, Option<Timestamp>) {
        let text = document::rca(rca);
        match self.shelf.keep(&Owner::rca(rca), &text, now).await {
            Ok(kept) => {
                let again = now.checked_add(LOOK_AGAIN).ok().filter(|_| !kept.there());
                let before = self.kept.lock().insert(key.clone(), kept.clone());
                (before.as_ref() != Some(&kept), again)
            }
            Err(error) => {
                tracing::warn!(rca = %key, reason = error.reason(), %error, "the document of an RCA could not be kept; it is tried again");
                (false, now.checked_add(ASK_AGAIN).ok())
            }
        }
    }

    /// The RCA of this name, where a ticket requires it and none covers that yet.
    fn wanted(&self, key: &Key) -> Option<(Key, Rca)> {
        let (ticket, _) = key.name.rsplit_once('-')?;
        let ticket = Key::new(&key.namespace, ticket);
        let held = self.view.tickets.get(&ticket)?;
        let uid = held.ticket.metadata.uid.as_deref().unwrap_or_default();
        let covered = self.view.rcas.covering(&ticket, uid);
        let policies = self.view.policies.index();
        let rca = opening::wanted(&held.ticket, covered.as_ref(), &policies)?;
        (rca.metadata.name.as_deref() == Some(&*key.name)).then_some((ticket, rca))
    }

    /// Makes the RCA of this name, where one is wanted. Its name and content follow from the ticket: whoever comes
    /// second finds it there.
    async fn make(&self, key: &Key) -> Result<(), CallError> {
        let Some((ticket, rca)) = self.wanted(key) else {
            return Ok(());
        };
        let api: Api<Rca> = Api::namespaced(self.client.clone(), &key.namespace);
        let made = match call(CREATE, api.create(&PostParams::default(), &rca)).await {
            Ok(made) => {
                tracing::info!(rca = %key, ticket = %ticket, due = rca.spec.due_time.map(|due| due.to_string()), "an RCA was made");
                made
            }
            Err(error) if error.already_exists() => call("get rcas", api.get(&key.name)).await?,
            Err(error) => return Err(error),
        };
        self.view.take_rca(made, Origin::Live);
        Ok(())
    }

    async fn observe(&self, key: &Key, rca: Arc<Rca>) -> RcaSeen {
        let mut tickets = Vec::new();
        for named in &rca.spec.ticket_refs {
            let ticket = Key::new(&key.namespace, &named.name);
            let found = self.found(key, &rca, named).await;
            let uid = match &found {
                Found::Here(ticket) => ticket.metadata.uid.as_deref(),
                Found::Archived | Found::Gone | Found::Unknown => named.uid.as_deref(),
            };
            let also = uid.and_then(|uid| self.view.rcas.beside(&ticket, uid, key));
            tickets.push(Covered {
                name: named.name.clone(),
                found,
                also,
            });
        }
        let uid = rca.metadata.uid.as_deref().unwrap_or_default();
        RcaSeen {
            tickets,
            policies: self.view.policies.index(),
            outbox: self.outbox.view(uid),
            document: self.kept.lock().get(key).map(Kept::seen),
            rca,
        }
    }

    /// Whether a ticket is there: archived ones are not in view and are asked for, once.
    async fn found(&self, key: &Key, rca: &Rca, named: &TicketRef) -> Found {
        let ticket = Key::new(&key.namespace, &named.name);
        if let Some(held) = self.view.tickets.get(&ticket) {
            self.keep(key, rca, named, Known::InView);
            return of(named, held.ticket);
        }
        match self.known(key, rca, named) {
            Some(Known::Archived) => return Found::Archived,
            Some(Known::Gone) => return Found::Gone,
            Some(Known::InView) | None => {}
        }
        let api: Api<Ticket> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = match call("get tickets", api.get(&named.name)).await {
            Ok(ticket) => of(named, Arc::new(ticket)),
            Err(CallError::Gone { .. }) => Found::Gone,
            Err(error) => {
                tracing::debug!(rca = %key, ticket = %ticket, %error, "no live answer");
                return Found::Unknown;
            }
        };
        let known = match found {
            Found::Here(_) | Found::Archived => Known::Archived,
            Found::Gone | Found::Unknown => Known::Gone,
        };
        self.keep(key, rca, named, known);
        found
    }

    fn known(&self, key: &Key, rca: &Rca, named: &TicketRef) -> Option<Known> {
        let known = self.known.lock();
        let tickets = known
            .get(key)
            .filter(|(at, _)| *at == rca.metadata.generation);
        let known = tickets.and_then(|(_, tickets)| tickets.get(&named.name).copied());
        known.or_else(|| said_found(rca).then_some(Known::Archived))
    }

    fn keep(&self, key: &Key, rca: &Rca, named: &TicketRef, what: Known) {
        let mut known = self.known.lock();
        let (at, tickets) = known.entry(key.clone()).or_default();
        if *at != rca.metadata.generation {
            *at = rca.metadata.generation;
            tickets.clear();
        }
        tickets.insert(named.name.clone(), what);
    }

    /// An archived ticket was deleted: nothing stands in view of it, so whoever remembers it is told.
    pub fn ticket_deleted(&self, ticket: &Key, uid: &str) {
        self.view.past.deleted(&ticket.namespace, uid);
        for key in self.view.rcas.naming(ticket) {
            let Some(rca) = self.view.rcas.get(&key) else {
                continue;
            };
            let mut named = rca.spec.ticket_refs.iter();
            if let Some(named) = named.find(|named| means(named, &ticket.name, uid)) {
                self.keep(&key, &rca, named, Known::Gone);
                self.view.trigger_rca(&key);
            }
        }
    }

    async fn commit(
        &self,
        key: &Key,
        rca: &Rca,
        status: &RcaStatus,
        transitions: &[Transition],
    ) -> Result<(), CallError> {
        let now = self.clock.now();
        let wanted = Wanted {
            key,
            version: rca.metadata.resource_version.as_deref().unwrap_or_default(),
            old: rca.status.as_ref(),
            new: status,
            rank: now,
        };
        let written: Option<Rca> = self.writer.write(Kind::RCA, WRITE, wanted).await?;
        let uid = rca.metadata.uid.as_deref().unwrap_or_default();
        let recorded = reminders::recorded(uid, &status.reminders);
        if !recorded.is_empty() {
            self.outbox.forget(uid, &recorded);
        }
        let Some(written) = written else {
            return Err(CallError::Restless { what: WRITE });
        };
        let changes: Vec<&str> = transitions.iter().map(|each| each.reason).collect();
        tracing::info!(rca = %key, phase = ?status.phase.unwrap_or_default(), changes = changes.join(","), "decided");
        self.events
            .tell(&reference(&written), None, transitions, now);
        self.view.take_rca(written, Origin::Written);
        Ok(())
    }

    async fn report(&self, key: &Key, error: &CallError) -> Turn {
        if error.class() == Class::Conflict || matches!(error, CallError::Gone { .. }) {
            self.read_live(key).await;
        } else {
            tracing::warn!(rca = %key, reason = error.reason(), %error, "an RCA could not be handled; it is tried again");
        }
        let (class, armed) = (error.class(), None);
        Turn::Failed { class, armed }
    }

    /// Asks the API server itself what an RCA is. Says whether it answered.
    pub async fn read_live(&self, key: &Key) -> bool {
        let api: Api<Rca> = Api::namespaced(self.client.clone(), &key.namespace);
        match call("get rcas", api.get(&key.name)).await {
            Ok(rca) => self.view.take_rca(rca, Origin::Live),
            Err(CallError::Gone { .. }) => self.view.lose_rca(key, None),
            Err(error) => {
                tracing::debug!(rca = %key, %error, "no live answer");
                return false;
            }
        }
        true
    }
}

/// Whether an earlier look at this very spec found all of its tickets.
fn said_found(rca: &Rca) -> bool {
    rca.status.as_ref().is_some_and(|status| {
        status.observed_generation == rca.metadata.generation
            && conditions::holds(&status.conditions, condition_type::TICKETS_FOUND)
    })
}

/// A ticket of that name, as an RCA that names it sees it: another of the same name is not the one that was meant.
fn of(named: &TicketRef, ticket: Arc<Ticket>) -> Found {
    let uid = ticket.metadata.uid.as_deref().unwrap_or_default();
    if means(named, &named.name, uid) {
        Found::Here(ticket)
    } else {
        Found::Gone
    }
}

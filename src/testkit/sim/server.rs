//! A model of the API server, as far as the operator depends on it: resourceVersions that grow over all objects, 409 on
//! a version that is no longer the object's, the field selector that leaves archived tickets out, a log that watches are
//! served from and that is compacted, and a store that can be put back to an older state.
//!
//! `tests/conformance.rs` replays one script of requests against it and the real API server.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::Value;

use crate::api::{Ticket, TicketSpec, TicketStatus};
use crate::controller::key::version;
use crate::controller::patch::{status_patch, whole_status};
use crate::controller::slim::slim;
use crate::testkit::model::own;

/// Namespace of all tickets of the model.
pub const NAMESPACE: &str = "sim";
/// Other objects of the cluster are written too: a version is at most so much above the one before.
const GAP: u64 = 5_000;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No object of that name.
    NotFound,
    /// An object of that name is there already.
    AlreadyExists,
    /// The version is not the object's.
    Conflict,
    /// The version is older than what the log holds.
    Expired,
    /// The object may not be changed like that.
    Invalid,
}

impl Refusal {
    /// The HTTP status.
    pub fn code(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Expired => 410,
            Self::Invalid => 422,
        }
    }
}

/// Which tickets a list or watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All.
    All,
    /// `status.archived!=true`.
    NotArchived,
}

impl Selector {
    /// Whether it takes a ticket; one without status is not archived.
    fn takes(self, ticket: &Ticket) -> bool {
        match self {
            Self::All => true,
            Self::NotArchived => !ticket.status.as_ref().is_some_and(|status| status.archived),
        }
    }
}

/// A watch event.
pub type Seen = (Kind, Arc<Ticket>);

/// Kind of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The object came into view.
    Added,
    /// It changed.
    Modified,
    /// It was deleted, or left the view.
    Deleted,
}

/// One change of one ticket.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The version it made.
    pub version: u64,
    /// As it was before; `None` = created.
    pub before: Option<Arc<Ticket>>,
    /// As it is after; of a deleted one, as it last was, with the version of the deletion.
    pub ticket: Arc<Ticket>,
    /// It was deleted.
    pub deleted: bool,
    /// Nobody changed it: the store was put back to what it was at that moment.
    pub put_back: Option<Timestamp>,
}

impl Change {
    /// As a watch with that selector shows it.
    fn event(&self, selector: Selector) -> Option<(Kind, Arc<Ticket>)> {
        let was = self
            .before
            .as_deref()
            .is_some_and(|ticket| selector.takes(ticket));
        let is = !self.deleted && selector.takes(&self.ticket);
        let kind = match (was, is) {
            (false, true) => Kind::Added,
            (true, true) => Kind::Modified,
            // As it was when it was last in view, with the version of what took it out of it.
            (true, false) if !self.deleted => {
                let mut last = Ticket::clone(self.before.as_deref()?);
                last.metadata.resource_version = Some(self.version.to_string());
                return Some((Kind::Deleted, Arc::new(last)));
            }
            (true, false) => Kind::Deleted,
            (false, false) => return None,
        };
        Some((kind, self.ticket.clone()))
    }
}

/// The store behind the API.
#[derive(Debug)]
pub struct Server {
    version: u64,
    created: u64,
    gaps: fastrand::Rng,
    tickets: BTreeMap<String, Arc<Ticket>>,
    log: Vec<Change>,
    compacted: u64,
    /// All that ever happened, what a restore took back included; what it brought back follows as changes of its moment.
    pub history: Vec<Change>,
    /// Statuses travel as the JSON Patch that production sends, and are stored by applying it.
    pub by_patch: bool,
}

impl Server {
    /// An empty store.
    pub fn new(seed: u64) -> Self {
        Self {
            version: 1_000,
            created: 0,
            gaps: fastrand::Rng::with_seed(seed),
            tickets: BTreeMap::new(),
            log: Vec::new(),
            compacted: 0,
            history: Vec::new(),
            by_patch: false,
        }
    }

    /// The version of the newest change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// GET.
    pub fn get(&self, name: &str) -> Result<Arc<Ticket>, Refusal> {
        self.tickets.get(name).cloned().ok_or(Refusal::NotFound)
    }

    /// POST.
    pub fn create(
        &mut self,
        name: &str,
        spec: TicketSpec,
        at: Timestamp,
    ) -> Result<Arc<Ticket>, Refusal> {
        if self.tickets.contains_key(name) {
            return Err(Refusal::AlreadyExists);
        }
        self.created += 1;
        // Creation times are whole seconds.
        let second = Timestamp::from_second(at.as_second()).unwrap_or(at);
        let mut ticket = Ticket {
            metadata: meta::ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(NAMESPACE.to_owned()),
                uid: Some(format!("uid-{}", self.created)),
                generation: Some(0),
                creation_timestamp: Some(meta::Time(second)),
                ..meta::ObjectMeta::default()
            },
            spec,
            status: None,
        };
        own(&mut ticket, "title", second);
        Ok(self.store(None, ticket, at))
    }

    /// PATCH of the spec: `block` names the blocks that the writer owns. What changes nothing makes no version.
    pub fn edit(
        &mut self,
        name: &str,
        block: &str,
        at: Timestamp,
        edit: impl FnOnce(&mut TicketSpec),
    ) -> Result<Arc<Ticket>, Refusal> {
        let before = self.get(name)?;
        let mut ticket = (*before).clone();
        edit(&mut ticket.spec);
        if ticket.spec == before.spec {
            return Ok(before);
        }
        if !Selector::NotArchived.takes(&before) {
            return Err(Refusal::Invalid);
        }
        let second = Timestamp::from_second(at.as_second()).unwrap_or(at);
        own(&mut ticket, block, second);
        Ok(self.store(Some(before), ticket, at))
    }

    /// PATCH of the metadata by somebody who has nothing to do with us. What changes nothing makes no version.
    pub fn annotate(
        &mut self,
        name: &str,
        value: &str,
        at: Timestamp,
    ) -> Result<Arc<Ticket>, Refusal> {
        let before = self.get(name)?;
        let mut ticket = (*before).clone();
        let annotations = ticket.metadata.annotations.get_or_insert_default();
        annotations.insert("example.com/seen".to_owned(), value.to_owned());
        if ticket.metadata == before.metadata {
            return Ok(before);
        }
        Ok(self.store(Some(before), ticket, at))
    }

    /// PATCH of the status under a version; `None` = whatever the version.
    pub fn put_status(
        &mut self,
        name: &str,
        version: Option<&str>,
        status: TicketStatus,
        at: Timestamp,
    ) -> Result<Arc<Ticket>, Refusal> {
        let before = self.get(name)?;
        if version
            .is_some_and(|version| before.metadata.resource_version.as_deref() != Some(version))
        {
            return Err(Refusal::Conflict);
        }
        let status = if self.by_patch {
            patched(before.status.as_ref(), &status).ok_or(Refusal::Invalid)?
        } else {
            status
        };
        if before.status.as_ref() == Some(&status) {
            return Ok(before);
        }
        let ticket = Ticket {
            metadata: before.metadata.clone(),
            spec: before.spec.clone(),
            status: Some(status),
        };
        Ok(self.store(Some(before), ticket, at))
    }

    /// DELETE.
    pub fn delete(&mut self, name: &str, at: Timestamp) -> Result<(), Refusal> {
        let before = self.tickets.remove(name).ok_or(Refusal::NotFound)?;
        let mut last = (*before).clone();
        let version = self.next_version();
        last.metadata.resource_version = Some(version.to_string());
        self.note(Change {
            at,
            version,
            before: Some(before),
            ticket: Arc::new(last),
            deleted: true,
            put_back: None,
        });
        Ok(())
    }

    /// LIST: the version it shows, and the tickets in order of their names.
    pub fn list(&self, selector: Selector) -> (u64, Vec<Arc<Ticket>>) {
        let wanted = self
            .tickets
            .values()
            .filter(|ticket| selector.takes(ticket));
        (self.version, wanted.cloned().collect())
    }

    /// WATCH: what happened after a version, up to a moment; with the version that the watch has come to. From a
    /// version that the store has not come to yet it shows nothing until it has, and tells nobody so.
    pub fn watch(
        &self,
        from: u64,
        selector: Selector,
        until: Timestamp,
    ) -> Result<(u64, Vec<Seen>), Refusal> {
        if from < self.compacted {
            return Err(Refusal::Expired);
        }
        let begin = self.log.partition_point(|change| change.version <= from);
        let news = self.log.get(begin..).unwrap_or_default();
        let seen = news.iter().take_while(|change| change.at <= until);
        let (mut come_to, mut events) = (from, Vec::new());
        for change in seen {
            come_to = change.version;
            events.extend(change.event(selector));
        }
        Ok((come_to, events))
    }

    /// Forgets how it came to the present state: a watch that is behind gets 410.
    pub fn compact(&mut self) {
        self.compacted = self.version;
        self.log.clear();
    }

    /// Puts the store back to what it was at a moment, its versions too, as a restored backup does.
    pub fn restore(&mut self, to: Timestamp, now: Timestamp) {
        let mut tickets = BTreeMap::new();
        let mut version = 1_000;
        for change in self.history.iter().take_while(|change| change.at <= to) {
            let name = change.ticket.metadata.name.clone().unwrap_or_default();
            version = change.version;
            if change.deleted {
                tickets.remove(&name);
            } else {
                tickets.insert(name, change.ticket.clone());
            }
        }
        let before = std::mem::replace(&mut self.tickets, tickets);
        self.version = version;
        self.compacted = version;
        self.log.clear();
        self.note_put_back(&before, to, now);
    }

    /// What a restore did to each ticket. No watch shows it.
    fn note_put_back(
        &mut self,
        before: &BTreeMap<String, Arc<Ticket>>,
        to: Timestamp,
        now: Timestamp,
    ) {
        let gone = before.iter().filter_map(|(name, ticket)| {
            let kept = self.tickets.get(name);
            let kept = kept.is_some_and(|kept| kept.metadata.uid == ticket.metadata.uid);
            (!kept).then_some((ticket, true))
        });
        let there = self.tickets.values().map(|ticket| (ticket, false));
        let changes = gone.chain(there).map(|(ticket, deleted)| Change {
            at: now,
            version: version(&ticket.metadata),
            before: ticket
                .metadata
                .name
                .as_ref()
                .and_then(|name| before.get(name))
                .cloned(),
            ticket: ticket.clone(),
            deleted,
            put_back: Some(to),
        });
        let changes: Vec<Change> = changes.collect();
        self.history.extend(changes);
    }

    /// The last status write was never stored (a planted fault).
    pub fn forget_last_status(&mut self, at: Timestamp) {
        let last = self.history.iter().rev().find(|change| {
            let before = change.before.as_ref().map(|before| &before.status);
            let put_back = change.put_back.is_some();
            let changes = before.is_some_and(|before| *before != change.ticket.status);
            !change.deleted && !put_back && changes
        });
        let Some(Change {
            before: Some(before),
            ticket,
            ..
        }) = last.cloned()
        else {
            return;
        };
        let name = ticket.metadata.name.clone().unwrap_or_default();
        let Ok(stored) = self.get(&name) else {
            return;
        };
        let status = before.status.clone();
        self.store(
            Some(stored.clone()),
            Ticket {
                status,
                ..(*stored).clone()
            },
            at,
        );
    }

    fn next_version(&mut self) -> u64 {
        self.version += self.gaps.u64(1..=GAP);
        self.version
    }

    fn store(
        &mut self,
        before: Option<Arc<Ticket>>,
        mut ticket: Ticket,
        at: Timestamp,
    ) -> Arc<Ticket> {
        let version = self.next_version();
        ticket.metadata.resource_version = Some(version.to_string());
        // As operators hold it.
        slim(&mut ticket.metadata);
        let ticket = Arc::new(ticket);
        let name = ticket.metadata.name.clone().unwrap_or_default();
        self.tickets.insert(name, ticket.clone());
        self.note(Change {
            at,
            version,
            before,
            ticket: ticket.clone(),
            deleted: false,
            put_back: None,
        });
        ticket
    }

    fn note(&mut self, change: Change) {
        self.log.push(change.clone());
        self.history.push(change);
    }
}

/// A status as it is stored when production's patch is applied to the one before.
fn patched(old: Option<&TicketStatus>, new: &TicketStatus) -> Option<TicketStatus> {
    let new = serde_json::to_value(new).ok()?;
    let old = old.map(serde_json::to_value).transpose().ok()?;
    let operations =
        status_patch("1", old.as_ref(), &new).unwrap_or_else(|| whole_status("1", &new));
    let mut object = serde_json::json!({"metadata": {"resourceVersion": "1"}});
    if let Some(old) = old {
        object["status"] = old;
    }
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(operations)).ok()?;
    json_patch::patch(&mut object, &patch).ok()?;
    serde_json::from_value(object["status"].take()).ok()
}

//! The tickets in view: the newest known version of each, and who has to look again when one changes.
//!
//! Answers of our own writes go in as well as what the watch tells, so a decision never stands on a version older
//! than the last write. Questions about other tickets are answered by an index, not by a scan.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::RwLock;

use super::key::{Key, version};
use super::slim::slim;
use super::versions::{Ended, Held, Origin, Verdict, judge};
use crate::api::Ticket;
use crate::domain::observed::{Others, Parent, Remembered};

/// A ticket as it is held.
#[derive(Clone, Debug)]
pub struct HeldTicket {
    /// The object.
    pub ticket: Arc<Ticket>,
    /// When this process saw it first.
    pub first_seen: Timestamp,
    /// The last answer about this version, if it was to wait.
    pub remembered: Option<Arc<Remembered>>,
    held: Held,
}

/// What taking in a version led to.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The version as it is held now, if it is new.
    pub taken: Option<Arc<Ticket>>,
    /// A ticket of the same name that it replaced, deleted meanwhile.
    pub replaced: Option<Arc<Ticket>>,
    /// Other tickets whose facts it changes.
    pub affected: Vec<Key>,
    /// It is older than it should be: a live GET has to decide.
    pub doubtful: bool,
}

/// All tickets in view.
#[derive(Debug, Default)]
pub struct Tickets {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<Key, HeldTicket>,
    same_key: HashMap<(Arc<str>, String), BTreeSet<Key>>,
    children: HashMap<(Arc<str>, String), BTreeSet<Key>>,
    undecodable: HashMap<Key, u64>,
    ended: Ended,
}

impl Tickets {
    /// Takes in a version of a ticket at a moment of the operator's clock (`now`) and of this machine's (`at`). Nobody
    /// sees it before it was `told`, and nobody tells an older one after it.
    pub fn put(
        &self,
        mut ticket: Ticket,
        origin: Origin,
        (now, at): (Timestamp, Instant),
        told: impl FnOnce(&Ticket),
    ) -> Change {
        slim(&mut ticket.metadata);
        self.put_slim(Arc::new(ticket), origin, (now, at), told)
    }

    /// The same with one that is stripped already.
    pub fn put_slim(
        &self,
        ticket: Arc<Ticket>,
        origin: Origin,
        (now, at): (Timestamp, Instant),
        told: impl FnOnce(&Ticket),
    ) -> Change {
        let key = Key::of(&ticket.metadata);
        let mut inner = self.inner.write();
        let before = inner.held.get(&key).cloned();
        // One that cannot be decoded is held by its version only.
        let undecodable = inner.undecodable.get(&key).copied();
        let undecodable = undecodable.map(|version| Held { version, since: at });
        let known = before.as_ref().map(|before| before.held).or(undecodable);
        match judge(known, &inner.ended, &ticket.metadata, origin, at) {
            Verdict::Take => {}
            Verdict::Same | Verdict::Older => return Change::default(),
            Verdict::Doubtful => {
                return Change {
                    doubtful: true,
                    ..Change::default()
                };
            }
        }
        let same = before
            .as_ref()
            .filter(|before| before.ticket.metadata.uid == ticket.metadata.uid);
        let first_seen = same.map_or(now, |before| before.first_seen);
        let replaced = before
            .as_ref()
            .filter(|_| same.is_none())
            .map(|before| before.ticket.clone());
        let held = Held {
            version: version(&ticket.metadata),
            since: at,
        };
        let affected = inner.insert(
            key,
            before,
            HeldTicket {
                ticket: ticket.clone(),
                first_seen,
                remembered: None,
                held,
            },
        );
        told(&ticket);
        Change {
            taken: Some(ticket),
            replaced,
            affected,
            doubtful: false,
        }
    }

    /// Forgets a ticket that was deleted or archived, as was seen at a moment of this machine's clock; only that very
    /// object, not a newer one of its name.
    pub fn remove(&self, key: &Key, uid: Option<&str>, at: Instant) -> Change {
        let mut inner = self.inner.write();
        inner.undecodable.remove(key);
        let held = inner.held.get(key).map(|held| held.ticket.clone());
        let same = |held: &Arc<Ticket>| uid.is_none() || held.metadata.uid.as_deref() == uid;
        let Some(gone) = held.filter(same) else {
            inner.ended.note(uid, at);
            return Change::default();
        };
        inner.ended.note(gone.metadata.uid.as_deref(), at);
        inner.held.remove(key);
        let mut affected = inner.unlink(key, &gone);
        affected.extend(inner.pointing_at(key));
        Change {
            replaced: Some(gone),
            affected,
            ..Change::default()
        }
    }

    /// Keeps the answer to wait that was given about a version, as long as that version is held.
    pub fn remember(&self, key: &Key, answer: Remembered) {
        let mut inner = self.inner.write();
        let held = inner.held.get_mut(key);
        if let Some(held) = held.filter(|held| answer.is_about(&held.ticket)) {
            held.remembered = Some(Arc::new(answer));
        }
    }

    /// From this moment on this process decides: what fell due before may have left already, by another's hand.
    pub fn seen_anew(&self, now: Timestamp) {
        for held in self.inner.write().held.values_mut() {
            held.first_seen = held.first_seen.max(now);
        }
    }

    /// A ticket by its key.
    pub fn get(&self, key: &Key) -> Option<HeldTicket> {
        self.inner.read().held.get(key).cloned()
    }

    /// Notes that a version of a ticket cannot be decoded; nothing is decided about it until one can. Says whether
    /// that is news.
    pub fn undecodable(&self, key: &Key, version: u64) -> bool {
        let mut inner = self.inner.write();
        if let Some(held) = inner.held.remove(key) {
            inner.unlink(key, &held.ticket);
        }
        inner.undecodable.insert(key.clone(), version) != Some(version)
    }

    /// How many tickets cannot be decoded.
    pub fn undecodable_count(&self) -> usize {
        self.inner.read().undecodable.len()
    }

    /// Facts about other tickets, as the decision about `ticket` sees them.
    pub fn others(&self, key: &Key, ticket: &Ticket) -> Others {
        let inner = self.inner.read();
        let parent = ticket.spec.duplicate_of.as_ref().and_then(|named| {
            let parent = &inner
                .held
                .get(&Key::new(&key.namespace, &named.name))?
                .ticket;
            Some(Parent {
                uid: parent.metadata.uid.clone().unwrap_or_default(),
                open: is_open(parent),
                root: root_of(parent),
            })
        });
        let children = inner
            .children
            .get(&(key.namespace.clone(), key.name.to_string()));
        let counted = children
            .into_iter()
            .flatten()
            .filter(|child| inner.accepted(child, ticket))
            .count();
        let same_key = dedup_of(key, ticket).and_then(|dedup| {
            let alike = inner.same_key.get(&dedup)?;
            alike
                .iter()
                .find(|other| *other != key && inner.open(other))
                .map(|other| other.name.to_string())
        });
        Others {
            parent,
            duplicates: i64::try_from(counted).unwrap_or(i64::MAX),
            same_key,
            ..Others::default()
        }
    }

    /// Keys of the tickets that fulfil a condition; a scan, for rare events such as a policy's change.
    pub fn keys_where(&self, wanted: impl Fn(&HeldTicket) -> bool) -> Vec<Key> {
        let inner = self.inner.read();
        inner
            .held
            .iter()
            .filter(|(_, held)| wanted(held))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Keys of all tickets of a namespace (`None` = everywhere), those that cannot be decoded included.
    pub fn keys_in(&self, namespace: Option<&str>) -> Vec<Key> {
        let inner = self.inner.read();
        let keys = inner.held.keys().chain(inner.undecodable.keys());
        keys.filter(|key| namespace.is_none_or(|namespace| namespace == &*key.namespace))
            .cloned()
            .collect()
    }

    /// Calls `with` for each ticket; a scan, for metrics and counts.
    pub fn each(&self, mut with: impl FnMut(&Ticket)) {
        for held in self.inner.read().held.values() {
            with(&held.ticket);
        }
    }
}

impl Inner {
    /// Puts a ticket in, keeps the indexes, and tells whose facts changed.
    fn insert(&mut self, key: Key, before: Option<HeldTicket>, after: HeldTicket) -> Vec<Key> {
        self.undecodable.remove(&key);
        let mut affected = before
            .as_ref()
            .map(|before| self.unlink(&key, &before.ticket))
            .unwrap_or_default();
        if before
            .is_some_and(|before| told_to_others(&before.ticket) == told_to_others(&after.ticket))
        {
            affected.clear();
            self.link(&key, &after.ticket);
        } else {
            affected.extend(self.link(&key, &after.ticket));
            affected.extend(self.pointing_at(&key));
        }
        affected.retain(|other| *other != key);
        self.held.insert(key, after);
        affected
    }

    fn link(&mut self, key: &Key, ticket: &Ticket) -> Vec<Key> {
        let mut affected = Vec::new();
        if let Some(dedup) = dedup_of(key, ticket) {
            let alike = self.same_key.entry(dedup).or_default();
            affected.extend(alike.iter().cloned());
            alike.insert(key.clone());
        }
        if let Some(parent) = parent_of(key, ticket) {
            affected.push(Key::new(&parent.0, &parent.1));
            self.children.entry(parent).or_default().insert(key.clone());
        }
        affected
    }

    fn unlink(&mut self, key: &Key, ticket: &Ticket) -> Vec<Key> {
        let mut affected = Vec::new();
        if let Some(dedup) = dedup_of(key, ticket) {
            affected.extend(take_out(&mut self.same_key, &dedup, key));
        }
        if let Some(parent) = parent_of(key, ticket) {
            affected.push(Key::new(&parent.0, &parent.1));
            take_out(&mut self.children, &parent, key);
        }
        affected
    }

    /// Tickets that name this one as what they repeat.
    fn pointing_at(&self, key: &Key) -> Vec<Key> {
        let children = self
            .children
            .get(&(key.namespace.clone(), key.name.to_string()));
        children.into_iter().flatten().cloned().collect()
    }

    fn accepted(&self, child: &Key, parent: &Ticket) -> bool {
        self.held.get(child).is_some_and(|held| {
            let verdict = held
                .ticket
                .status
                .as_ref()
                .and_then(|status| status.duplicate_of.as_ref());
            verdict.is_some_and(|verdict| Some(&verdict.uid) == parent.metadata.uid.as_ref())
        })
    }

    fn open(&self, key: &Key) -> bool {
        self.held.get(key).is_some_and(|held| is_open(&held.ticket))
    }
}

/// Takes a key out of one list of an index and returns who is left in it.
fn take_out<N: std::hash::Hash + Eq>(
    index: &mut HashMap<N, BTreeSet<Key>>,
    name: &N,
    key: &Key,
) -> Vec<Key> {
    let Some(list) = index.get_mut(name) else {
        return Vec::new();
    };
    list.remove(key);
    let left = list.iter().cloned().collect();
    if list.is_empty() {
        index.remove(name);
    }
    left
}

/// What other tickets' decisions see of one.
fn told_to_others(ticket: &Ticket) -> (Option<&str>, bool, Option<String>, Option<&str>) {
    let verdict = ticket
        .status
        .as_ref()
        .and_then(|status| status.duplicate_of.as_ref());
    (
        ticket.metadata.uid.as_deref(),
        is_open(ticket),
        root_of(ticket),
        verdict.map(|verdict| verdict.uid.as_str()),
    )
}

fn is_open(ticket: &Ticket) -> bool {
    let closed = ticket
        .status
        .as_ref()
        .is_some_and(|status| status.close_time.is_some() || status.archived);
    !closed && ticket.metadata.deletion_timestamp.is_none()
}

fn root_of(ticket: &Ticket) -> Option<String> {
    Some(ticket.status.as_ref()?.duplicate_of.as_ref()?.root.clone())
}

fn dedup_of(key: &Key, ticket: &Ticket) -> Option<(Arc<str>, String)> {
    let dedup = ticket.spec.source.as_ref()?.dedup_key.clone()?;
    Some((key.namespace.clone(), dedup))
}

/// The ticket that this one names, or was accepted, as a repetition of.
fn parent_of(key: &Key, ticket: &Ticket) -> Option<(Arc<str>, String)> {
    let named = ticket
        .spec
        .duplicate_of
        .as_ref()
        .map(|named| named.name.clone());
    let accepted = || Some(ticket.status.as_ref()?.duplicate_of.as_ref()?.name.clone());
    Some((key.namespace.clone(), named.or_else(accepted)?))
}

#[cfg(test)]
mod tests;

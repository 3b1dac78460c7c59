//! Closed tickets by what later ones may have in common with them, for `status.related`: the newest few per key.
//!
//! A namespace is read when the first new ticket there asks, by one paged LIST of its archived tickets; from then on
//! the tickets that close in view are added. Nobody waits for that LIST: who asked looks again once it is done. Memory
//! is bounded, whatever is stored: by the constants below some 20 MB, and usually next to nothing.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::api::Ticket;
use crate::domain::recurrence::{Earlier, Likeness, MOST, earlier, likenesses};

mod reader;

pub use reader::PastReader;

/// Keys of one sort (deduplication keys; services with a category) that are known of a namespace: those of the tickets
/// that closed last.
const KEYS_MOST: usize = 500;
/// Closed tickets that are known of all namespaces together. Over it, the namespace that asked longest ago is forgotten.
const TICKETS_MOST: usize = 50_000;

/// What is known of closed tickets.
#[derive(Debug)]
pub struct Past {
    inner: Mutex<Inner>,
    wanted: mpsc::UnboundedSender<Arc<str>>,
}

#[derive(Debug, Default)]
struct Inner {
    namespaces: HashMap<Arc<str>, Known>,
    asked: u64,
}

/// What is known of one namespace.
#[derive(Debug, Default)]
struct Known {
    /// All of its archived tickets were seen once.
    read: bool,
    /// Grows with each question to any namespace.
    asked: u64,
    /// By likeness, the newest first.
    like: HashMap<Likeness, Vec<Arc<Earlier>>>,
    /// By uid, with the number of lists it stands in, and whether it is archived.
    tickets: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    earlier: Arc<Earlier>,
    lists: usize,
    archived: bool,
}

impl Past {
    /// Nothing is known. The namespaces that have to be read are told there.
    pub fn new(wanted: mpsc::UnboundedSender<Arc<str>>) -> Self {
        let inner = Mutex::default();
        Self { inner, wanted }
    }

    /// Closed tickets that have something in common with one; `None` while its namespace is not read yet.
    pub fn like(&self, namespace: &Arc<str>, ticket: &Ticket) -> Option<Vec<Arc<Earlier>>> {
        let mut inner = self.inner.lock();
        inner.asked += 1;
        let asked = inner.asked;
        let known = inner
            .namespaces
            .entry(namespace.clone())
            .or_insert_with(|| {
                // The receiver ends only with the process.
                let _ = self.wanted.send(namespace.clone());
                Known::default()
            });
        known.asked = asked;
        let lists = likenesses(&ticket.spec).into_iter();
        let lists = lists.filter_map(|likeness| known.like.get(&likeness));
        known.read.then(|| lists.flatten().cloned().collect())
    }

    /// Takes in a version of a ticket, where its namespace has been asked about.
    pub fn take(&self, ticket: &Ticket) {
        let mut inner = self.inner.lock();
        let Some(known) = inner.of(ticket) else {
            return;
        };
        known.forget(ticket.metadata.uid.as_deref().unwrap_or_default());
        if let Some(closed) = earlier(ticket) {
            let archived = ticket.status.as_ref().is_some_and(|status| status.archived);
            known.keep(closed, archived);
            inner.make_room(ticket.metadata.namespace.as_deref().unwrap_or_default());
        }
    }

    /// A ticket is out of view: unless it was archived, it was deleted.
    pub fn lose(&self, namespace: &str, uid: &str) {
        let mut inner = self.inner.lock();
        if let Some(known) = inner.namespaces.get_mut(namespace)
            && known.tickets.get(uid).is_some_and(|entry| !entry.archived)
        {
            known.forget(uid);
        }
    }

    /// An archived ticket was deleted.
    pub fn deleted(&self, namespace: &str, uid: &str) {
        if let Some(known) = self.inner.lock().namespaces.get_mut(namespace) {
            known.forget(uid);
        }
    }

    /// All archived tickets of a namespace were taken in.
    pub fn was_read(&self, namespace: &str) {
        if let Some(known) = self.inner.lock().namespaces.get_mut(namespace) {
            known.read = true;
        }
    }
}

impl Inner {
    fn of(&mut self, ticket: &Ticket) -> Option<&mut Known> {
        self.namespaces
            .get_mut(ticket.metadata.namespace.as_deref()?)
    }

    /// Forgets the namespaces that asked longest ago, but not this one; they are read again when they ask.
    fn make_room(&mut self, keep: &str) {
        let count = |inner: &Self| -> usize {
            let known = inner.namespaces.values();
            known.map(|known| known.tickets.len()).sum()
        };
        while count(self) > TICKETS_MOST {
            let others = self.namespaces.iter().filter(|(name, _)| &***name != keep);
            let oldest = others.min_by_key(|(_, known)| known.asked);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.namespaces.remove(&oldest);
        }
    }
}

impl Known {
    fn keep(&mut self, closed: Earlier, archived: bool) {
        let closed = Arc::new(closed);
        let entry = Entry {
            earlier: closed.clone(),
            lists: closed.likenesses.len(),
            archived,
        };
        self.tickets.insert(closed.uid.clone(), entry);
        for likeness in &closed.likenesses {
            let list = self.like.entry(likeness.clone()).or_default();
            let newer = list.partition_point(|known| known.closed >= closed.closed);
            list.insert(newer, closed.clone());
            let surplus = list.split_off(list.len().min(MOST));
            self.released(&surplus);
            self.make_room(likeness);
        }
    }

    /// Takes a ticket out of all lists.
    fn forget(&mut self, uid: &str) {
        let Some(entry) = self.tickets.remove(uid) else {
            return;
        };
        for likeness in &entry.earlier.likenesses {
            if let Some(list) = self.like.get_mut(likeness) {
                list.retain(|known| known.uid != uid);
                if list.is_empty() {
                    self.like.remove(likeness);
                }
            }
        }
    }

    /// Tickets that were taken out of a list; what stands in none is forgotten.
    fn released(&mut self, gone: &[Arc<Earlier>]) {
        for gone in gone {
            if let Some(entry) = self.tickets.get_mut(&gone.uid) {
                entry.lists -= 1;
                if entry.lists == 0 {
                    self.tickets.remove(&gone.uid);
                }
            }
        }
    }

    /// Forgets the key of this sort whose tickets closed longest ago, where there are too many.
    fn make_room(&mut self, sort: &Likeness) {
        let sort = std::mem::discriminant(sort);
        let of_sort = |key: &&Likeness| std::mem::discriminant(*key) == sort;
        if self.like.keys().filter(of_sort).count() <= KEYS_MOST {
            return;
        }
        let newest = |key: &Likeness| {
            self.like
                .get(key)
                .and_then(|list| Some(list.first()?.closed))
        };
        let oldest = self
            .like
            .keys()
            .filter(of_sort)
            .min_by_key(|key| newest(key));
        if let Some(gone) = oldest.cloned().and_then(|key| self.like.remove(&key)) {
            self.released(&gone);
        }
    }
}

#[cfg(test)]
mod tests;

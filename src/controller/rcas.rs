//! The RCAs in view, and by ticket which of them name it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

use super::key::{Key, version};
use super::slim::slim;
use super::versions::{Ended, Held, Origin, Verdict, judge};
use crate::api::Rca;
use crate::domain::followup::covering::{covering, means};
use crate::domain::observed::RcaFacts;

/// What taking in a version of an RCA led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing new.
    Nothing,
    /// It is new; these tickets are named by it, or were.
    Taken(Vec<Key>),
    /// Older than it should be: a live GET has to decide.
    Doubtful,
}

/// All RCAs in view.
#[derive(Debug, Default)]
pub struct Rcas {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<Key, (Arc<Rca>, Held)>,
    by_ticket: HashMap<Key, BTreeSet<Key>>,
    undecodable: HashMap<Key, u64>,
    ended: Ended,
}

impl Rcas {
    /// Takes in a version of an RCA.
    pub fn put(&self, mut rca: Rca, origin: Origin) -> Seen {
        let key = Key::of(&rca.metadata);
        let now = Instant::now();
        let mut inner = self.inner.write();
        let known = inner.held.get(&key).map(|(_, held)| *held);
        match judge(known, &inner.ended, &rca.metadata, origin, now) {
            Verdict::Take => {}
            Verdict::Same | Verdict::Older => return Seen::Nothing,
            Verdict::Doubtful => return Seen::Doubtful,
        }
        slim(&mut rca.metadata);
        let held = Held {
            version: version(&rca.metadata),
            since: now,
        };
        let mut named = inner.unlink(&key);
        let rca = Arc::new(rca);
        for ticket in tickets_of(&key, &rca) {
            let naming = inner.by_ticket.entry(ticket.clone()).or_default();
            naming.insert(key.clone());
            if !named.contains(&ticket) {
                named.push(ticket);
            }
        }
        inner.undecodable.remove(&key);
        inner.held.insert(key, (rca, held));
        Seen::Taken(named)
    }

    /// Forgets an RCA that was deleted; answers the tickets that it named.
    pub fn remove(&self, key: &Key, uid: Option<&str>) -> Vec<Key> {
        let mut inner = self.inner.write();
        inner.undecodable.remove(key);
        let held = inner.held.get(key).map(|(rca, _)| rca.clone());
        let same = |rca: &Arc<Rca>| uid.is_none() || rca.metadata.uid.as_deref() == uid;
        let Some(gone) = held.filter(same) else {
            inner.ended.note(uid, Instant::now());
            return Vec::new();
        };
        inner
            .ended
            .note(gone.metadata.uid.as_deref(), Instant::now());
        let named = inner.unlink(key);
        inner.held.remove(key);
        named
    }

    /// An RCA by its key.
    pub fn get(&self, key: &Key) -> Option<Arc<Rca>> {
        self.inner.read().held.get(key).map(|(rca, _)| rca.clone())
    }

    /// Notes that a version of an RCA cannot be decoded; what was known of it stays. Says whether that is news.
    pub fn undecodable(&self, key: &Key, version: u64) -> bool {
        let mut inner = self.inner.write();
        inner.undecodable.insert(key.clone(), version) != Some(version)
    }

    /// How many RCAs cannot be decoded.
    pub fn undecodable_count(&self) -> usize {
        self.inner.read().undecodable.len()
    }

    /// Keys of all RCAs of a namespace (`None` = everywhere), those that cannot be decoded included.
    pub fn keys_in(&self, namespace: Option<&str>) -> BTreeSet<Key> {
        let inner = self.inner.read();
        let keys = inner.held.keys().chain(inner.undecodable.keys());
        keys.filter(|key| namespace.is_none_or(|namespace| namespace == &*key.namespace))
            .cloned()
            .collect()
    }

    /// Keys of the RCAs that name a ticket.
    pub fn naming(&self, ticket: &Key) -> Vec<Key> {
        let inner = self.inner.read();
        inner
            .by_ticket
            .get(ticket)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// The RCA that counts for a ticket.
    pub fn covering(&self, ticket: &Key, uid: &str) -> Option<RcaFacts> {
        let inner = self.inner.read();
        let naming = inner.by_ticket.get(ticket)?.iter();
        let rcas = naming.filter_map(|key| inner.held.get(key).map(|(rca, _)| rca.as_ref()));
        covering(rcas, &ticket.name, uid)
    }

    /// The first RCA by name that means a ticket too, besides this one.
    pub fn beside(&self, ticket: &Key, uid: &str, this: &Key) -> Option<String> {
        let inner = self.inner.read();
        let mut others = inner
            .by_ticket
            .get(ticket)?
            .iter()
            .filter(|key| *key != this);
        let same = |key: &&Key| {
            inner.held.get(*key).is_some_and(|(rca, _)| {
                let mut named = rca.spec.ticket_refs.iter();
                named.any(|named| means(named, &ticket.name, uid))
            })
        };
        others.find(same).map(|key| key.name.to_string())
    }

    /// Calls `with` for each RCA; a scan, for metrics.
    pub fn each(&self, mut with: impl FnMut(&Rca)) {
        for (rca, _) in self.inner.read().held.values() {
            with(rca);
        }
    }
}

impl Inner {
    /// Takes an RCA out of the index; answers the tickets that it named.
    fn unlink(&mut self, key: &Key) -> Vec<Key> {
        let Some((rca, _)) = self.held.get(key) else {
            return Vec::new();
        };
        let named = tickets_of(key, &rca.clone());
        for ticket in &named {
            if let Some(naming) = self.by_ticket.get_mut(ticket) {
                naming.remove(key);
                if naming.is_empty() {
                    self.by_ticket.remove(ticket);
                }
            }
        }
        named
    }
}

fn tickets_of(key: &Key, rca: &Rca) -> Vec<Key> {
    let named = rca.spec.ticket_refs.iter();
    named
        .map(|named| Key::new(&key.namespace, &named.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Key, Origin, Rca, Rcas, Seen};

    fn rca(uid: &str, version: u64) -> Rca {
        serde_json::from_value(json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Rca",
            "metadata": {"namespace": "shop", "name": "a", "uid": uid, "resourceVersion": version.to_string()},
            "spec": {"ticketRefs": [{"name": "checkout"}]},
        }))
        .unwrap()
    }

    #[test]
    fn an_answer_that_comes_after_the_end_brings_no_deleted_rca_back() {
        let rcas = Rcas::default();
        let key = Key::new("shop", "a");
        rcas.put(rca("one", 5), Origin::Watch);
        assert_eq!(
            rcas.remove(&key, Some("one")),
            [Key::new("shop", "checkout")]
        );
        for origin in [Origin::Written, Origin::Live] {
            assert_eq!(rcas.put(rca("one", 6), origin), Seen::Nothing);
        }
        assert!(rcas.get(&key).is_none());
        let anew = rcas.put(rca("two", 7), Origin::Watch);
        assert!(matches!(anew, Seen::Taken(_)), "another of the same name");
    }
}

//! One ticket per alert: names that every replica computes alike, and an index of the tickets that alerts have.
//!
//! The name of an alert's next ticket follows from the alert's key and the uid of the newest closed ticket of that key:
//! retries, pairs of Alertmanagers and replicas meet on it. The index only says where to look first: it is fed by a
//! watch, may be behind, and every decision is made on a ticket that was read live.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use parking_lot::Mutex;

use super::alert::{Way, dns_label};
use crate::api::Ticket;
use crate::controller::key::Key;
use crate::controller::streams::Sink;
use crate::controller::versions::Origin;
use crate::domain::alert::closed_at;
use crate::domain::telling::delivery::hex32;
use crate::metrics::Kind;

/// Label of every ticket that an alert has; its value is the hash of the alert's identity.
pub const LABEL: &str = "firebell.dev/alert";
/// Longest readable beginning of a name.
const WORD_MOST: usize = 40;
/// Hex digits of a name: 64 bits.
const DIGITS: usize = 16;
/// Most characters of `spec.source.dedupKey`.
const KEY_MOST: usize = 512;

/// What tells one alert from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Value of the label.
    pub hash: String,
    /// `spec.source.dedupKey`.
    pub key: String,
    word: String,
}

impl Identity {
    /// The identity of what a way in knows by `key`. `word` begins the names and must follow from the key.
    pub fn new(way: Way, key: &str, word: &str) -> Self {
        let whole = format!("{}/{key}", way.word());
        let hash = hex32(whole.as_bytes());
        let fits = whole.chars().count() <= KEY_MOST;
        // A word that is a long number itself says nothing to people.
        let telling = word.len() < 24 || word.bytes().any(|byte| !byte.is_ascii_hexdigit());
        let word = dns_label(word, WORD_MOST).filter(|_| telling);
        Self {
            key: if fits {
                whole
            } else {
                format!("{}/{hash}", way.word())
            },
            word: word.unwrap_or_else(|| "alert".to_owned()),
            hash,
        }
    }

    /// The name of the first ticket, or of the one after the ticket with uid `after`.
    pub fn name(&self, after: Option<&str>) -> String {
        let text = format!("{}\n{}", self.hash, after.unwrap_or_default());
        format!("{}-{}", self.word, &hex32(text.as_bytes())[..DIGITS])
    }
}

/// A ticket of an alert, as far as finding it needs.
#[derive(Clone, Debug)]
struct Known {
    name: Arc<str>,
    created: Timestamp,
    closed: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// Namespace and hash to tickets.
    by_alert: HashMap<(Arc<str>, Arc<str>), Vec<Known>>,
    hashes: HashMap<Key, Arc<str>>,
}

/// The tickets that alerts have.
#[derive(Debug, Default)]
pub struct Index {
    inner: Mutex<Inner>,
}

impl Index {
    /// Where to look first: the newest ticket that is not closed, else the newest.
    pub fn newest(&self, namespace: &str, identity: &Identity) -> Option<String> {
        let inner = self.inner.lock();
        let alert = (namespace.into(), identity.hash.as_str().into());
        let known = inner.by_alert.get(&alert)?.iter();
        known
            .max_by_key(|known| (!known.closed, known.created, known.name.clone()))
            .map(|known| known.name.to_string())
    }

    /// A ticket as it is stored now.
    pub fn take(&self, ticket: &Ticket) {
        let Some(hash) = ticket.labels().get(LABEL) else {
            return self.lose(&Key::of(&ticket.metadata));
        };
        let key = Key::of(&ticket.metadata);
        let created = ticket.metadata.creation_timestamp.as_ref();
        let known = Known {
            name: key.name.clone(),
            created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            closed: closed_at(ticket).is_some(),
        };
        self.keep(key, hash, known);
    }

    fn keep(&self, key: Key, hash: &str, known: Known) {
        self.lose(&key);
        let mut inner = self.inner.lock();
        let hash: Arc<str> = hash.into();
        let alert = (key.namespace.clone(), hash.clone());
        inner.by_alert.entry(alert).or_default().push(known);
        inner.hashes.insert(key, hash);
    }

    fn lose(&self, key: &Key) {
        let mut inner = self.inner.lock();
        let Some(hash) = inner.hashes.remove(key) else {
            return;
        };
        let alert = (key.namespace.clone(), hash);
        if let Some(known) = inner.by_alert.get_mut(&alert) {
            known.retain(|known| known.name != key.name);
            if known.is_empty() {
                inner.by_alert.remove(&alert);
            }
        }
    }

    fn held(&self, namespace: &str) -> Vec<Key> {
        let inner = self.inner.lock();
        let keys = inner.hashes.keys();
        keys.filter(|key| &*key.namespace == namespace)
            .cloned()
            .collect()
    }
}

/// The end of the watch of one namespace.
pub struct IndexSink {
    /// Where tickets go.
    pub index: Arc<Index>,
    /// The namespace.
    pub namespace: String,
}

impl Sink<Ticket> for IndexSink {
    const KIND: Kind = Kind::Ticket;

    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }

    fn take(&self, ticket: Ticket, _origin: Origin) {
        self.index.take(&ticket);
    }

    fn undecodable(&self, metadata: &ObjectMeta, error: &str) {
        let key = Key::of(metadata);
        tracing::error!(ticket = %key, error, "a stored ticket cannot be read; its alert is answered 503 until it is mended");
        let Some(hash) = metadata.labels.as_ref().and_then(|all| all.get(LABEL)) else {
            return;
        };
        let created = metadata.creation_timestamp.as_ref();
        let known = Known {
            name: key.name.clone(),
            created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            closed: false,
        };
        self.index.keep(key, hash, known);
    }

    fn lose(&self, metadata: &ObjectMeta, _last: Option<Ticket>) {
        self.index.lose(&Key::of(metadata));
    }

    fn held(&self) -> Vec<Key> {
        self.index.held(&self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

    use super::*;
    use crate::api::{TicketStatus, Time};

    fn identity(key: &str) -> Identity {
        Identity::new(Way::Alertmanager, key, "HighLatency")
    }

    fn ticket(name: &str, hash: &str, created: i64, closed: bool) -> Ticket {
        let at = Timestamp::from_second(created).unwrap();
        let mut ticket = Ticket::default();
        ticket.metadata.name = Some(name.into());
        ticket.metadata.namespace = Some("shop".into());
        ticket.metadata.creation_timestamp = Some(MetaTime(at));
        ticket.metadata.labels = Some([(LABEL.to_owned(), hash.to_owned())].into());
        ticket.status = Some(TicketStatus {
            close_time: closed.then_some(Time(at)),
            ..TicketStatus::default()
        });
        ticket
    }

    #[test]
    fn a_name_follows_from_the_key_and_the_closed_ticket_before_it_alone() {
        let first = identity("f1").name(None);
        assert!(first.starts_with("highlatency-") && first.len() == 12 + DIGITS);
        assert_eq!(first, identity("f1").name(None));
        for other in [
            identity("f2").name(None),
            identity("f1").name(Some("uid-1")),
            Identity::new(Way::Grafana, "f1", "HighLatency").name(None),
        ] {
            assert_ne!(first, other);
        }
        let number = Identity::new(Way::PagerDutyEvents, &"ab".repeat(32), &"ab".repeat(32));
        assert!(number.name(None).starts_with("alert-"));
    }

    #[test]
    fn a_key_that_is_too_long_for_the_ticket_is_its_hash() {
        let long = identity(&"x".repeat(600));
        assert!(long.key.len() < KEY_MOST && long.key.ends_with(&long.hash));
        assert_eq!(identity("f1").key, "alertmanager/f1");
    }

    #[test]
    fn an_open_ticket_is_looked_at_before_a_newer_closed_one() {
        let (index, identity) = (Index::default(), identity("f1"));
        let newest = || index.newest("shop", &identity);
        assert_eq!(newest(), None);
        index.take(&ticket("a", &identity.hash, 10, true));
        index.take(&ticket("b", &identity.hash, 20, true));
        assert_eq!(newest().as_deref(), Some("b"));
        index.take(&ticket("a", &identity.hash, 10, false));
        assert_eq!(newest().as_deref(), Some("a"), "reopened");
        assert_eq!(index.newest("bank", &identity), None);
        index.lose(&Key::new("shop", "a"));
        assert_eq!(newest().as_deref(), Some("b"));
        index.lose(&Key::new("shop", "b"));
        assert!(index.inner.lock().by_alert.is_empty());
    }
}

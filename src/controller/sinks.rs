//! Where the streams end: objects go into the view, one that cannot be decoded is told on itself.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::api::ObjectMeta;

use super::events::Events;
use super::freshness::{TICKET_WATCH_SECONDS, Watches};
use super::key::Key;
use super::leader::Leadership;
use super::shelf::Shelf;
use super::streams::Sink;
use super::versions::Origin;
use super::view::View;
use crate::api::{EscalationPolicy, GROUP, Rca, Ticket, VERSION};
use crate::clock::{Now, OperatorClock};
use crate::domain::next::Transition;
use crate::metrics::Kind;

/// What all ends of streams need.
#[derive(Clone)]
pub struct Shared {
    /// What is seen of the cluster.
    pub view: Arc<View>,
    /// Tells of objects that cannot be decoded.
    pub events: Events,
    /// Signs of life.
    pub watches: Watches,
    /// The operator's time.
    pub clock: OperatorClock,
    /// Whether this process tells anything.
    pub leadership: Leadership,
    /// The namespace of the stream; `None` = the whole cluster.
    pub namespace: Option<String>,
}

impl Shared {
    fn covers(&self, key: &Key) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|namespace| namespace == &*key.namespace)
    }

    fn tell_undecodable(&self, kind: Kind, metadata: &ObjectMeta, error: &str) {
        let key = Key::of(metadata);
        tracing::error!(?kind, object = %key, error, "a stored object cannot be read; nothing is done for it until it is mended");
        if !self.leadership.may_tell() {
            return;
        }
        let about = ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(kind.word().to_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        let told = Transition {
            key: format!(
                "undecodable/{}",
                metadata.resource_version.as_deref().unwrap_or_default()
            ),
            warning: true,
            reason: "Undecodable",
            action: "Read".to_owned(),
            note: format!(
                "the stored object cannot be read, so nothing is done for it: {error}; write it anew in the form that the CRD allows"
            ),
        };
        self.events.tell(&about, None, &[told], self.clock.now());
    }
}

/// The end of a stream of tickets.
pub struct TicketSink(pub Shared);

impl Sink<Ticket> for TicketSink {
    const KIND: Kind = Kind::Ticket;
    const WATCH_SECONDS: u32 = TICKET_WATCH_SECONDS;

    fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    fn alive(&self) {
        self.0.watches.alive(
            self.0.namespace.as_deref().unwrap_or_default(),
            Instant::now(),
        );
    }

    fn take(&self, ticket: Ticket, origin: Origin) {
        self.0.view.take_ticket(ticket, origin);
    }

    fn undecodable(&self, metadata: &ObjectMeta, error: &str) {
        if self.0.view.undecodable_ticket(metadata) {
            self.0.tell_undecodable(Kind::Ticket, metadata, error);
        }
    }

    fn lose(&self, metadata: &ObjectMeta, _last: Option<Ticket>) {
        self.0
            .view
            .lose_ticket(&Key::of(metadata), metadata.uid.as_deref());
    }

    fn held(&self) -> Vec<Key> {
        self.0.view.tickets.keys_in(self.0.namespace.as_deref())
    }
}

/// The end of a stream of policies.
pub struct PolicySink(pub Shared);

impl Sink<EscalationPolicy> for PolicySink {
    const KIND: Kind = Kind::EscalationPolicy;

    fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    fn take(&self, policy: EscalationPolicy, origin: Origin) {
        self.0.view.take_policy(policy, origin);
    }

    fn undecodable(&self, metadata: &ObjectMeta, error: &str) {
        if self.0.view.undecodable_policy(metadata) {
            self.0
                .tell_undecodable(Kind::EscalationPolicy, metadata, error);
        }
    }

    fn lose(&self, metadata: &ObjectMeta, _last: Option<EscalationPolicy>) {
        self.0
            .view
            .lose_policy(&Key::of(metadata), metadata.uid.as_deref());
    }

    fn held(&self) -> Vec<Key> {
        let namespace = self.0.namespace.as_deref();
        let keys = self.0.view.policies.stored_keys(namespace);
        keys.into_iter().collect()
    }
}

/// The end of a stream of RCAs.
pub struct RcaSink(pub Shared);

impl Sink<Rca> for RcaSink {
    const KIND: Kind = Kind::RCA;

    fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    fn take(&self, rca: Rca, origin: Origin) {
        self.0.view.take_rca(rca, origin);
    }

    fn undecodable(&self, metadata: &ObjectMeta, error: &str) {
        if self.0.view.undecodable_rca(metadata) {
            self.0.tell_undecodable(Kind::RCA, metadata, error);
        }
    }

    fn lose(&self, metadata: &ObjectMeta, _last: Option<Rca>) {
        self.0
            .view
            .lose_rca(&Key::of(metadata), metadata.uid.as_deref());
    }

    fn held(&self) -> Vec<Key> {
        let keys = self.0.view.rcas.keys_in(self.0.namespace.as_deref());
        keys.into_iter().collect()
    }
}

/// The end of a stream of stored revisions.
pub struct RevisionSink(pub Shared);

impl Sink<ControllerRevision> for RevisionSink {
    const KIND: Kind = Kind::ControllerRevision;

    fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    fn take(&self, revision: ControllerRevision, _origin: Origin) {
        self.0.view.take_revision(&revision);
    }

    fn undecodable(&self, metadata: &ObjectMeta, error: &str) {
        tracing::error!(revision = %Key::of(metadata), error, "a stored revision cannot be read; it is not used");
    }

    fn lose(&self, metadata: &ObjectMeta, last: Option<ControllerRevision>) {
        self.0.view.lose_revision(&Key::of(metadata), last.as_ref());
    }

    fn held(&self) -> Vec<Key> {
        self.0
            .view
            .policies
            .revisions()
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| self.0.covers(key))
            .collect()
    }
}

/// The end of a stream of documents that the operator keeps.
pub struct DocumentSink(pub Shared, pub Arc<Shelf>);

impl Sink<ConfigMap> for DocumentSink {
    const KIND: Kind = Kind::ConfigMap;

    fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    fn take(&self, document: ConfigMap, _origin: Origin) {
        if self.1.shown(&document) {
            self.0.view.document_changed(&Key::of(&document.metadata));
        }
    }

    fn undecodable(&self, metadata: &ObjectMeta, error: &str) {
        tracing::error!(config_map = %Key::of(metadata), error, "a document cannot be read");
    }

    fn lose(&self, metadata: &ObjectMeta, _last: Option<ConfigMap>) {
        let key = Key::of(metadata);
        self.1.lost(&key);
        self.0.view.document_changed(&key);
    }

    fn held(&self) -> Vec<Key> {
        self.1.keys_in(self.0.namespace.as_deref())
    }
}

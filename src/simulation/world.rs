//! The world of a simulation: a ticket in memory, receivers that take everything at once, and a clock that is set.

use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use super::{Case, Entry, Fact, Told, What};
use crate::api::{Acknowledgement, Hold, HoldReason, PolicyRef, Resolution, Ticket, TicketSpec};
use crate::controller::drive::World;
use crate::domain::next::StatusPatch;
use crate::domain::observed::{Observed, Others};
use crate::domain::policy::ValidPolicy;
use crate::domain::selection::{LivePolicy, PolicyIndex};
use crate::domain::telling::delivery::{Delivery, OutboxView, Progress};

const NAMESPACE: &str = "simulation";
const POLICY: &str = "policy";
/// Who does what people do.
const SOMEBODY: &str = "somebody";

/// One ticket and all around it.
pub(super) struct OneTicket {
    /// The ticket as it is stored.
    pub(super) ticket: Ticket,
    /// The moment.
    pub(super) now: Timestamp,
    /// What happened.
    pub(super) entries: Vec<Entry>,
    policies: Arc<PolicyIndex>,
    outbox: OutboxView,
    created: Timestamp,
}

impl OneTicket {
    /// The ticket of a case at its creation.
    pub(super) fn new(policy: &Arc<ValidPolicy>, case: &Case) -> Self {
        let ticket = Ticket {
            metadata: meta::ObjectMeta {
                name: Some("ticket".to_owned()),
                namespace: Some(NAMESPACE.to_owned()),
                uid: Some("simulation".to_owned()),
                generation: Some(1),
                creation_timestamp: Some(meta::Time(case.at)),
                ..meta::ObjectMeta::default()
            },
            spec: TicketSpec {
                title: "Simulation".to_owned(),
                severity: Some(case.severity),
                service: case.service.clone(),
                policy_ref: Some(PolicyRef {
                    name: POLICY.to_owned(),
                    token: None,
                }),
                ..TicketSpec::default()
            },
            status: None,
        };
        Self {
            ticket,
            now: case.at,
            entries: Vec::new(),
            policies: Arc::new(index(policy, case.at)),
            outbox: OutboxView::new(),
            created: case.at,
        }
    }

    /// What a decision sees.
    pub(super) fn observe(&self) -> Observed {
        Observed {
            ticket: Arc::new(self.ticket.clone()),
            policies: self.policies.clone(),
            outbox: self.outbox.clone(),
            others: Others::default(),
            first_seen: self.created,
            remembered: None,
        }
    }

    /// Writes a person's fact as the plugin would: a block under a manager of its own.
    pub(super) fn declare(&mut self, time: Timestamp, fact: Fact) {
        let by = SOMEBODY.to_owned();
        let spec = &mut self.ticket.spec;
        let block = match fact {
            Fact::Acknowledged => {
                // A fresh token, so that acknowledging once more counts once more.
                spec.acknowledgement = Some(Acknowledgement {
                    by,
                    token: Some(time.to_string()),
                    ..Acknowledgement::default()
                });
                "acknowledgement"
            }
            Fact::Resolved => {
                spec.resolution = Some(Resolution {
                    by,
                    ..Resolution::default()
                });
                "resolution"
            }
            Fact::Held { until } => {
                spec.holds.push(Hold {
                    name: format!("hold-{}", spec.holds.len() + 1),
                    reason: HoldReason::AwaitingCustomer,
                    until_time: Some(until.into()),
                    by,
                    note: None,
                });
                "holds"
            }
        };
        self.own(block, time);
    }

    fn own(&mut self, block: &str, time: Timestamp) {
        let fields = serde_json::json!({"f:spec": {format!("f:{block}"): {}}});
        let entry = meta::ManagedFieldsEntry {
            manager: Some(format!("firebell-{block}")),
            time: Some(meta::Time(time)),
            fields_v1: Some(meta::FieldsV1(fields)),
            ..meta::ManagedFieldsEntry::default()
        };
        let metadata = &mut self.ticket.metadata;
        let entries = metadata.managed_fields.get_or_insert_default();
        entries.retain(|known| known.manager != entry.manager);
        entries.push(entry);
        metadata.generation = metadata.generation.map(|known| known + 1);
    }

    fn receive(&mut self, delivery: &Delivery) {
        let data = &delivery.message.data;
        let via = delivery.ways.first().map(|way| way.connector.name.clone());
        self.entries.push(Entry {
            time: self.now,
            what: What::Told(Told {
                kind: data.kind.clone(),
                step: data.step.clone(),
                repeat: data.repeat.unwrap_or_default(),
                round: data.round,
                target: delivery.target.clone(),
                via: via.unwrap_or_default(),
                why: data.why.clone(),
            }),
        });
    }
}

fn index(policy: &Arc<ValidPolicy>, created: Timestamp) -> PolicyIndex {
    let of = |name: &str| (NAMESPACE.to_owned(), name.to_owned());
    let live = LivePolicy {
        created: Some(created),
        generation: 1,
        revision: Some(POLICY.to_owned()),
        suspend: None,
        suspend_seen: None,
    };
    let mut index = PolicyIndex::default();
    index.revisions.insert(of(POLICY), policy.clone());
    index.policies.insert(of(POLICY), live);
    index
}

impl World for OneTicket {
    type Error = Infallible;

    fn now(&self) -> Timestamp {
        self.now
    }

    async fn deliver(&mut self, _seen: &Observed, deliveries: Vec<Delivery>) -> OutboxView {
        for delivery in deliveries {
            // A reporter of whom nothing is known, or a contact without a way, hears nothing.
            if !delivery.ways.is_empty() {
                self.receive(&delivery);
            }
            let done = Progress::Delivered {
                since: self.now,
                time: self.now,
                attempts: 1,
                message: String::new(),
            };
            self.outbox.insert(delivery.id, done);
        }
        self.outbox.clone()
    }

    async fn commit(
        &mut self,
        _seen: &Observed,
        patch: StatusPatch,
    ) -> Result<Observed, Infallible> {
        self.ticket.status = Some(*patch.status);
        let happened = patch.transitions.into_iter().map(|transition| Entry {
            time: self.now,
            what: What::Happened {
                reason: transition.reason,
                warning: transition.warning,
                note: transition.note,
            },
        });
        self.entries.extend(happened);
        self.outbox.retain(|_, progress| progress.ended().is_none());
        Ok(self.observe())
    }
}

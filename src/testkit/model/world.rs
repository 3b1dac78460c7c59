//! The model as the loop between decision and world sees it.

use jiff::Timestamp;

use super::{Crashed, Model};
use crate::controller::drive::World;
use crate::controller::world::settled;
use crate::domain::next::StatusPatch;
use crate::domain::observed::Observed;
use crate::domain::telling::delivery::{Delivery, OutboxView, Progress};

impl World for Model {
    type Error = Crashed;

    fn now(&self) -> Timestamp {
        self.now
    }

    async fn deliver(&mut self, _seen: &Observed, deliveries: Vec<Delivery>) -> OutboxView {
        let before = self.crashes_here();
        let ids: Vec<_> = deliveries
            .iter()
            .map(|delivery| delivery.id.clone())
            .collect();
        for delivery in deliveries {
            let known = self.outbox.get(&delivery.id);
            assert!(
                !known.is_some_and(|known| known.counts_for(delivery.due)),
                "handed over twice: {delivery:?}"
            );
            if before {
                let lost = Progress::InFlight {
                    since: self.now,
                    attempts: 0,
                };
                self.outbox.insert(delivery.id, lost);
            } else {
                self.hand_over(delivery);
            }
        }
        self.crashes_here();
        self.forget(&ids);
        self.outbox.clone()
    }

    async fn commit(&mut self, seen: &Observed, patch: StatusPatch) -> Result<Observed, Crashed> {
        if self.crashes_here() {
            return Err(Crashed);
        }
        assert_eq!(
            seen.ticket.metadata.resource_version,
            self.ticket.metadata.resource_version
        );
        let recorded = settled(&self.outbox, &patch.status);
        self.ticket.status = Some(self.as_stored(*patch.status));
        self.told.extend(patch.transitions);
        self.writes += 1;
        self.comes_to_rest();
        self.bump();
        if self.crashes_here() {
            return Err(Crashed);
        }
        self.outbox.retain(|id, _| !recorded.contains(id));
        Ok(self.observe())
    }
}

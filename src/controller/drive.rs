//! The loop between decision and world. Production, the simulator and the tests drive this very loop.

use jiff::{SignedDuration, Timestamp};

use crate::domain::decide::decide;
use crate::domain::next::{Next, StatusPatch, Waiting};
use crate::domain::observed::{Observed, Remembered, Settings};
use crate::domain::telling::delivery::{Delivery, OutboxView};

/// What the loop may ask of the world.
#[allow(async_fn_in_trait)] // driven by generic code only, never as a trait object
pub trait World {
    /// Why a commit failed.
    type Error;

    /// The moment that deadlines are compared with.
    fn now(&self) -> Timestamp;

    /// Hands deliveries over and returns at once with the outbox as it is then.
    async fn deliver(&mut self, seen: &Observed, deliveries: Vec<Delivery>) -> OutboxView;

    /// Writes a status under the resourceVersion of `seen` and returns what is seen afterwards.
    /// A conflict is an error of its class: look again, then ask again.
    async fn commit(
        &mut self,
        seen: &Observed,
        patch: StatusPatch,
    ) -> Result<Observed, Self::Error>;
}

/// What one turn of the loop came to.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Ask again at this moment at the latest.
    pub until: Option<Timestamp>,
    /// What the ticket waits for.
    pub what: Waiting,
    /// The answer to keep until something changes.
    pub remembered: Option<Remembered>,
}

/// The world did not take every delivery (it is shutting down, or its lease is lost): ask again soon.
fn not_taken(now: Timestamp) -> Rest {
    let until = now.checked_add(SignedDuration::from_secs(1)).ok();
    Rest {
        until,
        what: Waiting::DeliveryResults,
        remembered: None,
    }
}

/// Asks for decisions and carries them out until one says to wait.
pub async fn drive<W: World>(
    world: &mut W,
    mut seen: Observed,
    settings: &Settings,
) -> Result<Rest, W::Error> {
    loop {
        let now = world.now();
        match decide(&seen, settings, now) {
            Next::Deliver(deliveries) => {
                let ids: Vec<_> = deliveries
                    .iter()
                    .map(|delivery| delivery.id.clone())
                    .collect();
                seen.outbox = world.deliver(&seen, deliveries).await;
                if ids.iter().any(|id| !seen.outbox.contains_key(id)) {
                    return Ok(not_taken(world.now()));
                }
            }
            Next::Commit(patch) => seen = world.commit(&seen, patch).await?,
            Next::Wait { until, what } => {
                let remembered = Remembered::of(&seen, settings, now, (until, what));
                return Ok(Rest {
                    until,
                    what,
                    remembered,
                });
            }
        }
    }
}

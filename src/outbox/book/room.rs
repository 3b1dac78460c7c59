//! What becomes of a delivery for which its lane has no room: the least urgent takes its next way, or is set aside.
//!
//! Set aside it keeps its place in the order and no more, so that memory stays bounded however many wait for one
//! receiver; its text stands in its ticket's status. Once there is room its ticket is looked at, and hands it over
//! again under the same id. Meanwhile it is cancelled like everything that waits.

use std::sync::Arc;

use super::{Book, Moment, Work};
use crate::domain::telling::delivery::{Delivery, DeliveryId, ValidWhile};
use crate::outbox::job::{Aside, Job};
use crate::outbox::lane::LaneKey;

impl Book {
    /// Deliveries that are set aside.
    pub(in crate::outbox) fn aside(&self) -> usize {
        self.aside
    }

    /// Makes room in a lane that has taken in more than it may hold.
    pub(super) fn make_room(&mut self, key: &LaneKey, now: Moment, work: &mut Work) {
        let most = self.config.lane_most;
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let Some(place) = lane.overflow(most) else {
            return;
        };
        let Some(job) = self.live(&place) else {
            return;
        };
        if job.has_other_way() {
            let after = job.outlast_way(now.instant, "");
            self.go_on(&place.uid, &place.id, after, now, work);
            return;
        }
        let (timer, aside) = (job.timer.take(), job.aside(place.turn));
        if let Some(timer) = timer {
            self.timers.remove(&timer);
        }
        self.keep(&place.uid, place.id.clone(), Job::Aside(Box::new(aside)));
        self.aside += 1;
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.set_aside(place);
        }
    }

    /// Calls back what was set aside, most urgent first, where its lane has room again.
    pub(super) fn recall(&mut self, key: &LaneKey, now: Moment, work: &mut Work) {
        let most = self.config.lane_most;
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        for place in lane.recall(most) {
            let Some(aside) = self.take_aside(&place.uid, &place.id, place.turn) else {
                continue;
            };
            match aside.whole {
                Some(delivery) => self.hand_over(Arc::unwrap_or_clone(delivery), now, work),
                None => work.again.push(aside.about.ticket),
            }
        }
    }

    /// Forgets what was set aside at that turn; nothing if it was cancelled meanwhile.
    fn take_aside(&mut self, uid: &Arc<str>, id: &DeliveryId, turn: u64) -> Option<Aside> {
        let page = self.tickets.get_mut(uid)?;
        match page.jobs.get(id)? {
            Job::Aside(aside) if aside.turn == turn => {}
            Job::Aside(_) | Job::Open(_) | Job::Done(_) => return None,
        }
        let Some(Job::Aside(aside)) = page.jobs.remove(id) else {
            return None;
        };
        self.aside -= 1;
        self.open -= 1;
        self.tidy(uid);
        Some(*aside)
    }
}

/// What is kept of a delivery that is set aside. One that leaves even when its ticket is gone is kept whole: then
/// nobody could hand it over again.
pub(in crate::outbox) fn kept_whole(delivery: &Arc<Delivery>) -> Option<Arc<Delivery>> {
    match delivery.valid_while {
        ValidWhile::Always => Some(Arc::clone(delivery)),
        ValidWhile::NotAcknowledged | ValidWhile::NotResolved | ValidWhile::Open => None,
    }
}

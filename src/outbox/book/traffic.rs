//! The book's traffic: which try comes next in a lane, what becomes of it, when a lane is looked at again.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Book, Member, Moment, Turn, Work};
use crate::connectors::SendOutcome;
use crate::domain::telling::delivery::{DeliveryId, Progress};
use crate::domain::telling::parcel::Parcel;
use crate::outbox::breaker::Admission;
use crate::outbox::job::{After, Job, OpenJob, Stage};
use crate::outbox::lane::{Lane, LaneKey, Place, bundles};

/// What is so late was missed during a downtime; it waits a moment for others of its kind.
const LATE: SignedDuration = SignedDuration::from_secs(10);
/// That moment.
const GATHERING: Duration = Duration::from_millis(200);
/// How often a delivery that has not had its only chance yet is looked at, once its budget is over.
const PATIENCE: Duration = Duration::from_secs(15);
/// A lane keeps quiet no longer than this because its receiver asks; each delivery keeps to its own answer.
const QUIET_MOST: Duration = Duration::from_mins(1);

impl Book {
    /// Where a new delivery begins: what is late gathers first, everything else has a place at once.
    pub(super) fn set_out(
        &mut self,
        uid: &Arc<str>,
        id: &DeliveryId,
        now: Moment,
        work: &mut Work,
    ) {
        let Some((job, _)) = self.open_job(uid, id) else {
            return;
        };
        job.late = now.time.duration_since(job.delivery.due) > LATE;
        let gathers = job.late && job.way().is_some_and(|way| bundles(way.connector.type_));
        if gathers {
            let since = now.instant.saturating_duration_since(self.began(now));
            let into = since.as_millis() % GATHERING.as_millis();
            let into = Duration::from_millis(u64::try_from(into).unwrap_or(0));
            let left = GATHERING.saturating_sub(into);
            self.pause(uid, id, now.instant + left);
        } else {
            self.enqueue(uid, id, now, work);
        }
    }

    /// The next try of a lane. `None` tells the worker to leave.
    pub(in crate::outbox) fn take(
        &mut self,
        key: &LaneKey,
        now: Moment,
        work: &mut Work,
    ) -> Option<Turn> {
        let turn = self.next_turn(key, now.instant);
        self.recall(key, now, work);
        turn
    }

    fn next_turn(&mut self, key: &LaneKey, now: Instant) -> Option<Turn> {
        while let Some(first) = self.next_live(key) {
            let lane = self.lanes.get_mut(key)?;
            let waited = match lane.admit(now) {
                Ok(waited) => waited,
                Err(wait) => {
                    lane.push(first);
                    self.dismiss(key, now, wait);
                    return None;
                }
            };
            lane.moved = Some(now);
            let companions = lane.companions(&first, waited);
            if let Some(turn) = self.begin(key, first, companions, now) {
                return Some(turn);
            }
        }
        self.dismiss(key, now, Admission::Now);
        None
    }

    fn next_live(&mut self, key: &LaneKey) -> Option<Place> {
        loop {
            let place = self.lanes.get_mut(key)?.pop()?;
            if self.live(&place).is_some() {
                return Some(place);
            }
        }
    }

    /// The delivery of a place, if it still waits there.
    pub(super) fn live(&mut self, place: &Place) -> Option<&mut OpenJob> {
        match self.tickets.get_mut(&place.uid)?.jobs.get_mut(&place.id)? {
            Job::Open(job) if job.turn == place.turn && job.stage == Stage::Queued => Some(job),
            Job::Open(_) | Job::Aside(_) | Job::Done(_) => None,
        }
    }

    fn begin(
        &mut self,
        key: &LaneKey,
        first: Place,
        companions: Vec<Place>,
        now: Instant,
    ) -> Option<Turn> {
        let mut members = Vec::new();
        let mut deliveries = Vec::new();
        let mut lead = None;
        for place in std::iter::once(first).chain(companions) {
            let Some(job) = self.live(&place) else {
                continue;
            };
            let Some(try_) = job.begin(now) else {
                continue;
            };
            lead.get_or_insert(try_);
            deliveries.push(Arc::clone(&job.delivery));
            if let Some(timer) = job.timer.take() {
                self.timers.remove(&timer);
            }
            members.push(Member {
                uid: place.uid,
                id: place.id,
                number: place.turn,
            });
        }
        let (way, attempt) = lead?;
        let mut deliveries = deliveries.into_iter();
        Some(Turn {
            lane: key.clone(),
            members,
            parcel: Parcel::of(deliveries.next()?, deliveries.collect()),
            way,
            attempt,
        })
    }

    /// A worker leaves its lane, which is looked at again when it may go on.
    fn dismiss(&mut self, key: &LaneKey, now: Instant, wait: Admission) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.workers = lane.workers.saturating_sub(1);
        match wait {
            Admission::At(at) => {
                lane.shut = true;
                self.wake_lane(key, at);
            }
            Admission::AfterProbe => lane.shut = true,
            Admission::Now => self.forget_lane(key, now),
        }
    }

    /// Forgets an idle lane, now or once nothing of it has to be remembered.
    fn forget_lane(&mut self, key: &LaneKey, now: Instant) {
        match self.lanes.get(key).and_then(|lane| lane.forgettable(now)) {
            Some(at) if at <= now => {
                if let Some(timer) = self.lanes.remove(key).and_then(|lane| lane.wakes) {
                    self.wakes.remove(&timer);
                }
            }
            Some(at) => self.wake_lane(key, at),
            None => {}
        }
    }

    fn wake_lane(&mut self, key: &LaneKey, at: Instant) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if lane.wakes.is_some_and(|(known, _)| known <= at) {
            return;
        }
        self.turns += 1;
        let timer = (at, self.turns);
        if let Some(later) = lane.wakes.replace(timer) {
            self.wakes.remove(&later);
        }
        self.wakes.insert(timer, key.clone());
    }

    /// Gives a lane that may move the workers it can use.
    fn rouse(&mut self, key: &LaneKey, work: &mut Work) {
        let most = key.concurrency(self.config.lane_concurrency);
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.shut = false;
        let more = lane.waiting().min(most.saturating_sub(lane.workers));
        lane.workers += more;
        work.start.extend(std::iter::repeat_n(key.clone(), more));
    }

    /// Takes in how a try ended.
    pub(in crate::outbox) fn settle(
        &mut self,
        turn: &Turn,
        outcome: &SendOutcome,
        now: Moment,
        work: &mut Work,
    ) {
        let opened = self.hear(&turn.lane, outcome, now.instant);
        let id = turn.parcel.id();
        for member in &turn.members {
            let Some((job, _)) = self
                .open_job(&member.uid, &member.id)
                .filter(|(job, _)| job.turn == member.number)
            else {
                continue;
            };
            let after = match outcome {
                SendOutcome::Refused { .. } if turn.parcel.is_bundle() => job.leave_bundle(),
                SendOutcome::Delivered
                | SendOutcome::Retry { .. }
                | SendOutcome::Refused { .. } => job.after(outcome.clone(), now.instant, &id),
            };
            self.go_on(&member.uid, &member.id, after, now, work);
        }
        if opened {
            self.pass_over(&turn.lane, now, work);
        }
        self.rouse(&turn.lane, work);
    }

    /// What an outcome tells of the destination. Says whether it is given up for now.
    fn hear(&mut self, key: &LaneKey, outcome: &SendOutcome, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else {
            return false;
        };
        match outcome {
            SendOutcome::Delivered | SendOutcome::Refused { .. } => {
                lane.breaker.answered();
                false
            }
            SendOutcome::Retry {
                after: Some(after), ..
            } => {
                lane.breaker.answered();
                lane.keep_quiet(now + (*after).min(QUIET_MOST));
                lane.is_quiet(now)
            }
            SendOutcome::Retry { after: None, .. } => lane.breaker.failed(now),
        }
    }

    /// Whoever waits in a lane that is given up for now and has another way takes it.
    fn pass_over(&mut self, key: &LaneKey, now: Moment, work: &mut Work) {
        let Some(lane) = self.lanes.get(key) else {
            return;
        };
        let trouble = lane.trouble(now.instant);
        let places: Vec<Place> = lane.places().cloned().collect();
        for place in places {
            let Some(job) = self.live(&place).filter(|job| job.has_other_way()) else {
                continue;
            };
            let after = job.outlast_way(now.instant, &trouble);
            self.go_on(&place.uid, &place.id, after, now, work);
        }
    }

    /// Wakes what pauses, moves on what waited too long, looks at lanes that may go on.
    pub(in crate::outbox) fn run_timers(&mut self, now: Moment, work: &mut Work) {
        while let Some(entry) = self
            .wakes
            .first_entry()
            .filter(|entry| entry.key().0 <= now.instant)
        {
            let key = entry.remove();
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            lane.wakes = None;
            if lane.waiting() > 0 {
                self.rouse(&key, work);
            } else {
                lane.shut = false;
                self.recall(&key, now, work);
                self.forget_lane(&key, now.instant);
            }
        }
        while let Some(entry) = self
            .timers
            .first_entry()
            .filter(|entry| entry.key().0 <= now.instant)
        {
            let ((_, turn), (uid, id)) = entry.remove_entry();
            let Some((job, _)) = self.open_job(&uid, &id).filter(|(job, _)| job.turn == turn)
            else {
                continue;
            };
            job.timer = None;
            match job.stage {
                Stage::Running => {}
                Stage::Pausing => self.enqueue(&uid, &id, now, work),
                Stage::Queued if job.may_give_up() => {
                    let after = job.outlast_way(now.instant, "");
                    self.go_on(&uid, &id, after, now, work);
                }
                Stage::Queued => self.last_chance(&uid, &id, now, work),
            }
        }
    }

    /// A delivery whose budget is over and that was never tried: it has its one try as soon as its turn comes, unless
    /// others have found out since its hand-over that the receiver cannot be reached.
    fn last_chance(&mut self, uid: &Arc<str>, id: &DeliveryId, now: Moment, work: &mut Work) {
        let Some((job, _)) = self.open_job(uid, id) else {
            return;
        };
        let (since, turn) = (job.started, job.turn);
        let Some(key) = job.way().map(LaneKey::of) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        if lane.is_blocked(now.instant) {
            let tried = lane.breaker.has_failed_since(since) || lane.is_quiet(now.instant);
            let trouble = lane.trouble(now.instant);
            if tried {
                if let Some((job, _)) = self.open_job(uid, id) {
                    let after = job.outlast_way(now.instant, &trouble);
                    self.go_on(uid, id, after, now, work);
                }
                return;
            }
            lane.breaker.cut_short(now.instant);
            self.rouse(&key, work);
        }
        self.set_timer(uid, id, (now.instant + PATIENCE, turn));
    }

    pub(super) fn go_on(
        &mut self,
        uid: &Arc<str>,
        id: &DeliveryId,
        after: After,
        now: Moment,
        work: &mut Work,
    ) {
        let Some((job, standing)) = self.open_job(uid, id) else {
            return;
        };
        let may_leave = job.delivery.valid_while.holds(standing);
        match after {
            After::Delivered => {
                let progress = job.delivered(now.time);
                self.end(uid, id, progress, work);
            }
            After::Failed => {
                let progress = job.failed(now.time);
                self.end(uid, id, progress, work);
            }
            After::Pause(_) | After::NextWay | After::Alone if !may_leave => {
                self.end(uid, id, Progress::Cancelled { time: now.time }, work);
            }
            After::NextWay | After::Alone => self.enqueue(uid, id, now, work),
            After::Pause(until) => self.pause(uid, id, until),
        }
    }

    fn pause(&mut self, uid: &Arc<str>, id: &DeliveryId, until: Instant) {
        self.turns += 1;
        let turn = self.turns;
        if let Some((job, _)) = self.open_job(uid, id) {
            job.stage = Stage::Pausing;
            job.turn = turn;
            self.set_timer(uid, id, (until, turn));
        }
    }

    fn set_timer(&mut self, uid: &Arc<str>, id: &DeliveryId, timer: (Instant, u64)) {
        let Some((job, _)) = self.open_job(uid, id) else {
            return;
        };
        if let Some(older) = job.timer.replace(timer) {
            self.timers.remove(&older);
        }
        self.timers.insert(timer, (Arc::clone(uid), id.clone()));
    }

    /// Gives an open delivery a place in the lane of its way, and the lane a worker if it may have one more. Where the
    /// lane is given up for now, its next way takes over if it has one.
    fn enqueue(&mut self, uid: &Arc<str>, id: &DeliveryId, now: Moment, work: &mut Work) {
        self.turns += 1;
        let turn = self.turns;
        let Some((job, _)) = self.open_job(uid, id) else {
            return;
        };
        let Some(way) = job.way() else {
            return;
        };
        let key = LaneKey::of(way);
        let how = (job.late, job.alone);
        let place = Place::new(&job.delivery, way, Arc::clone(uid), turn, how);
        let (other, patience) = (job.has_other_way(), job.patience());
        let lane = self.lanes.get(&key);
        if let Some(lane) = lane.filter(|lane| other && lane.is_blocked(now.instant)) {
            let trouble = lane.trouble(now.instant);
            if let Some((job, _)) = self.open_job(uid, id) {
                let after = job.outlast_way(now.instant, &trouble);
                self.go_on(uid, id, after, now, work);
            }
            return;
        }
        if let Some((job, _)) = self.open_job(uid, id) {
            job.stage = Stage::Queued;
            job.turn = turn;
        }
        self.set_timer(uid, id, (patience, turn));
        let lane = self
            .lanes
            .entry(key.clone())
            .or_insert_with(|| Lane::new(&key, now.instant));
        lane.push(place);
        if !lane.shut && lane.workers < key.concurrency(self.config.lane_concurrency) {
            lane.workers += 1;
            work.start.push(key.clone());
        }
        self.make_room(&key, now, work);
    }
}

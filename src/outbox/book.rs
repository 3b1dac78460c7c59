//! The book of everything in flight, behind one short lock: tickets, lanes, timers. It does no I/O and reads no clock.
//! What moves in the lanes stands in `traffic`.
//!
//! Each call gives back [`Work`] that the caller does after unlocking: workers to start, results to tell.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::ConnectorType;
use crate::connectors::Attempt;
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, OutboxView, Progress, Standing, TicketKey, Way,
};
use crate::domain::telling::parcel::Parcel;
use crate::outbox::OutboxConfig;
use crate::outbox::job::{Job, OpenJob, Stage};
use crate::outbox::lane::{Lane, LaneKey};
use crate::outbox::observer::Ended;
use crate::outbox::recent::Recent;

mod room;
mod traffic;

pub(super) use room::kept_whole;

/// Nothing speaks against a delivery.
const NOTHING: Standing = Standing {
    acknowledged: false,
    resolved: false,
    closed: false,
    held: false,
};
/// How a ticket stands that is gone.
const GONE: Standing = Standing {
    acknowledged: false,
    resolved: false,
    closed: true,
    held: false,
};
/// So many tickets that are gone are remembered, against deliveries decided on an older look at them.
const GONE_REMEMBERED: usize = 1024;
/// So many delivered ids are remembered after the status has them, for the same reason.
const DELIVERED_REMEMBERED: usize = 16 * 1024;

/// A moment, on both clocks: the timers' and people's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) time: Timestamp,
}

/// What is left to do once the lock is open.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Lanes that need one more worker each.
    pub(super) start: Vec<LaneKey>,
    /// Deliveries that have their result.
    pub(super) ended: Vec<Ended>,
    /// Tickets to be looked at: what was set aside for them has room now.
    pub(super) again: Vec<TicketKey>,
}

/// A try to be made by a worker.
#[derive(Debug)]
pub(super) struct Turn {
    lane: LaneKey,
    members: Vec<Member>,
    pub(super) parcel: Parcel,
    pub(super) way: Way,
    pub(super) attempt: Attempt,
}

/// A delivery of a try.
#[derive(Debug)]
struct Member {
    uid: Arc<str>,
    id: DeliveryId,
    number: u64,
}

#[derive(Debug)]
struct TicketPage {
    uid: Arc<str>,
    standing: Standing,
    jobs: BTreeMap<DeliveryId, Job>,
    gone: bool,
}

/// How much the book remembers.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) tickets: usize,
    pub(super) lanes: usize,
    pub(super) timers: usize,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Book {
    config: OutboxConfig,
    tickets: HashMap<Arc<str>, TicketPage>,
    lanes: HashMap<LaneKey, Lane>,
    timers: BTreeMap<(Instant, u64), (Arc<str>, DeliveryId)>,
    wakes: BTreeMap<(Instant, u64), LaneKey>,
    began: Option<Instant>,
    gone: VecDeque<Arc<str>>,
    delivered: Recent,
    turns: u64,
    open: usize,
    aside: usize,
}

impl Book {
    pub(super) fn new(config: OutboxConfig) -> Self {
        Self {
            config,
            tickets: HashMap::new(),
            lanes: HashMap::new(),
            timers: BTreeMap::new(),
            wakes: BTreeMap::new(),
            began: None,
            gone: VecDeque::new(),
            delivered: Recent::new(DELIVERED_REMEMBERED),
            turns: 0,
            open: 0,
            aside: 0,
        }
    }

    /// Deliveries without a result.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Whose results are kept.
    pub(super) fn unrecorded(&self) -> HashSet<Arc<str>> {
        let done = |page: &&TicketPage| page.jobs.values().any(|job| !job.is_open());
        let pages = self.tickets.values().filter(done);
        pages.map(|page| page.uid.clone()).collect()
    }

    /// How much is remembered.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            tickets: self.tickets.len(),
            lanes: self.lanes.len(),
            timers: self.timers.len() + self.wakes.len(),
        }
    }

    /// How many destinations are left alone, or were when they were tried last, by type.
    pub(super) fn open_breakers(&self) -> HashMap<ConnectorType, usize> {
        let mut counts = HashMap::new();
        let left_alone = self.lanes.iter();
        for (key, _) in left_alone.filter(|(_, lane)| lane.breaker.has_opened()) {
            *counts.entry(key.type_()).or_default() += 1;
        }
        counts
    }

    /// Whether deliveries wait in a lane that moves.
    pub(super) fn is_rushing(&self, now: Instant) -> bool {
        self.lanes.values().any(|lane| lane.is_rushing(now))
    }

    /// When the next timer is due.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let next = [self.timers.keys().next(), self.wakes.keys().next()];
        next.into_iter()
            .flatten()
            .map(|(instant, _)| *instant)
            .min()
    }

    /// When the first delivery came in: moments at which late ones gather are counted from here.
    fn began(&mut self, now: Moment) -> Instant {
        *self.began.get_or_insert(now.instant)
    }

    /// Everything known of a ticket's deliveries.
    pub(super) fn view(&self, uid: &str) -> OutboxView {
        let jobs = self
            .tickets
            .get(uid)
            .map(|page| page.jobs.iter())
            .into_iter()
            .flatten();
        jobs.map(|(id, job)| {
            let progress = match job {
                Job::Open(open) => open.progress(),
                Job::Aside(aside) => aside.progress(),
                Job::Done(progress) => progress.clone(),
            };
            (id.clone(), progress)
        })
        .collect()
    }

    /// Takes a delivery in, unless its id is known for it.
    pub(super) fn hand_over(&mut self, delivery: Delivery, now: Moment, work: &mut Work) {
        let uid: Arc<str> = delivery.ticket.uid.as_str().into();
        let page = self.page(&uid);
        match page.jobs.get(&delivery.id) {
            Some(Job::Open(_) | Job::Aside(_)) => return,
            Some(Job::Done(progress)) if progress.counts_for(delivery.due) => return,
            Some(Job::Done(_)) | None => {}
        }
        let standing = page.standing;
        let id = delivery.id.clone();
        let open = OpenJob::new(delivery, self.config.retry, now.instant, now.time);
        let result = if let Some(progress) = self.delivered.get(&id).cloned() {
            // Decided on a look at the ticket that is older than its status: tell again, do not send again.
            self.keep(&uid, id, Job::Done(progress.clone()));
            work.ended.push(open.ended(progress));
            return;
        } else if !open.delivery.valid_while.holds(standing) {
            Some(Progress::Cancelled { time: now.time })
        } else if open.delivery.ways.is_empty() {
            Some(open.failed(now.time))
        } else {
            None
        };
        self.open += 1;
        self.keep(&uid, id.clone(), Job::Open(Box::new(open)));
        match result {
            Some(progress) => self.end(&uid, &id, progress, work),
            None => self.set_out(&uid, &id, now, work),
        }
    }

    /// Notes how a ticket stands and cancels what may no longer leave. What is being sent right now ends by itself.
    pub(super) fn stand(&mut self, uid: &str, standing: Standing, now: Moment, work: &mut Work) {
        if standing == NOTHING && !self.tickets.contains_key(uid) {
            return;
        }
        let uid: Arc<str> = uid.into();
        let page = self.page(&uid);
        page.standing = standing;
        page.gone = false;
        self.cancel_withheld(&uid, now, work);
        self.tidy(&uid);
    }

    /// Forgets results that the status holds. Delivered ids stay remembered for a while, see `hand_over`.
    pub(super) fn forget<'a>(&mut self, uid: &str, ids: impl IntoIterator<Item = &'a DeliveryId>) {
        let Some(page) = self.tickets.get_mut(uid) else {
            return;
        };
        let uid = Arc::clone(&page.uid);
        for id in ids {
            match page.jobs.remove(id) {
                Some(Job::Done(progress)) => self.delivered.keep(id, progress),
                Some(open @ (Job::Open(_) | Job::Aside(_))) => {
                    page.jobs.insert(id.clone(), open);
                }
                None => {}
            }
        }
        self.tidy(&uid);
    }

    /// The ticket is gone: cancels what may not leave without it, forgets its results, remembers that it is gone.
    pub(super) fn drop_ticket(&mut self, uid: &str, now: Moment, work: &mut Work) {
        let uid: Arc<str> = uid.into();
        let page = self.page(&uid);
        page.standing = GONE;
        let known = std::mem::replace(&mut page.gone, true);
        self.cancel_withheld(&uid, now, work);
        let page = self.page(&uid);
        page.jobs.retain(|_, job| job.is_open());
        if !known {
            self.gone.push_back(uid);
            self.tidy_gone();
        }
    }

    /// Lets the oldest of the tickets that are gone fall into oblivion, unless something of theirs is still on its way.
    fn tidy_gone(&mut self) {
        for _ in GONE_REMEMBERED..self.gone.len() {
            let Some(uid) = self.gone.pop_front() else {
                return;
            };
            let Some(page) = self.tickets.get(&uid).filter(|page| page.gone) else {
                continue;
            };
            if page.jobs.values().any(Job::is_open) {
                self.gone.push_back(uid);
            } else {
                self.tickets.remove(&uid);
            }
        }
    }

    /// A ticket of which nothing is known and against which nothing speaks needs no page.
    fn tidy(&mut self, uid: &Arc<str>) {
        if self
            .tickets
            .get(uid)
            .is_some_and(|page| page.jobs.is_empty() && page.standing == NOTHING)
        {
            self.tickets.remove(uid);
        }
    }

    fn cancel_withheld(&mut self, uid: &Arc<str>, now: Moment, work: &mut Work) {
        let Some(page) = self.tickets.get(uid) else {
            return;
        };
        let standing = page.standing;
        let withheld = |job: &Job| match job {
            Job::Open(open) => {
                open.stage != Stage::Running && !open.delivery.valid_while.holds(standing)
            }
            Job::Aside(aside) => !aside.valid_while.holds(standing),
            Job::Done(_) => false,
        };
        let ids: Vec<_> = page
            .jobs
            .iter()
            .filter(|(_, job)| withheld(job))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.end(uid, &id, Progress::Cancelled { time: now.time }, work);
        }
    }

    fn end(&mut self, uid: &Arc<str>, id: &DeliveryId, progress: Progress, work: &mut Work) {
        let jobs = self.tickets.get_mut(uid).map(|page| &mut page.jobs);
        match jobs.and_then(|jobs| jobs.get_mut(id)) {
            Some(Job::Open(job)) => {
                work.ended.push(job.ended(progress.clone()));
                if let Some(timer) = job.timer.take() {
                    self.timers.remove(&timer);
                }
            }
            Some(Job::Aside(aside)) => {
                work.ended.push(aside.ended(progress.clone()));
                self.aside -= 1;
            }
            Some(Job::Done(_)) | None => return,
        }
        self.open -= 1;
        self.keep(uid, id.clone(), Job::Done(progress));
    }

    fn keep(&mut self, uid: &Arc<str>, id: DeliveryId, job: Job) {
        self.page(uid).jobs.insert(id, job);
    }

    fn page(&mut self, uid: &Arc<str>) -> &mut TicketPage {
        self.tickets
            .entry(Arc::clone(uid))
            .or_insert_with(|| TicketPage {
                uid: Arc::clone(uid),
                standing: NOTHING,
                jobs: BTreeMap::new(),
                gone: false,
            })
    }

    fn open_job(&mut self, uid: &Arc<str>, id: &DeliveryId) -> Option<(&mut OpenJob, Standing)> {
        let page = self.tickets.get_mut(uid)?;
        match page.jobs.get_mut(id)? {
            Job::Open(open) => Some((open, page.standing)),
            Job::Aside(_) | Job::Done(_) => None,
        }
    }
}

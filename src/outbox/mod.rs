//! Deliveries in flight (delivery.md section 2): handed over by a reconcile, which returns at once; carried by workers,
//! one lane per destination; results told back as reconcile triggers.
//!
//! Memory here is an index, never the record: the status holds what must survive. The outbox knows deliveries, not
//! policies or tickets; how a ticket [stands](Standing) is told to it.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::ConnectorType;
use crate::clock::Now;
use crate::domain::telling::delivery::{Delivery, DeliveryId, OutboxView, Standing, TicketKey};

mod book;
mod breaker;
mod budget;
#[cfg(feature = "testkit")]
mod driven;
mod job;
mod lane;
mod observer;
mod pace;
mod recent;
mod telling;

pub use crate::connectors::{Attempt, SendOutcome, Sender};
pub use budget::RetryRule;
#[cfg(feature = "testkit")]
pub use driven::{DrivenOutbox, Follows, Try};
pub use observer::{DeliveryObserver, DeliveryOutcome, DeliveryResult, Unobserved};

use book::{Book, Moment, Turn, Work};
use lane::LaneKey;

/// How the outbox works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Tries that run at once to one destination.
    pub lane_concurrency: usize,
    /// Deliveries that wait for one destination; of more only the place in the order is kept.
    pub lane_most: usize,
    /// How often and how long a delivery is tried.
    pub retry: RetryRule,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            lane_concurrency: 16,
            lane_most: 10_000,
            retry: RetryRule::default(),
        }
    }
}

/// The outbox. Clones are the same outbox.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    book: Mutex<Book>,
    sender: Arc<dyn Sender>,
    clock: Arc<dyn Now>,
    observer: Arc<dyn DeliveryObserver>,
    reports: mpsc::UnboundedSender<TicketKey>,
    /// Tickets with a page that arrived, to be told when there is time.
    arrivals: mpsc::UnboundedSender<TicketKey>,
    /// A worker found nothing left in its lane.
    emptied: Notify,
    /// The timers changed, or something ended.
    changed: Notify,
    /// Nothing is open.
    idle: Notify,
    stop: CancellationToken,
    /// One of its tasks has panicked.
    broken: CancellationToken,
    /// Where its tasks run.
    runtime: Handle,
}

impl Outbox {
    /// An outbox that sends by `sender`, dates results by `clock` and tells on `reports` whose ticket has a new result.
    /// All its tasks run on the tokio runtime that it is made in.
    pub fn new(
        config: OutboxConfig,
        sender: Arc<dyn Sender>,
        clock: Arc<dyn Now>,
        observer: Arc<dyn DeliveryObserver>,
        reports: mpsc::UnboundedSender<TicketKey>,
    ) -> Self {
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            book: Mutex::new(Book::new(config)),
            sender,
            clock,
            observer,
            reports,
            arrivals,
            emptied: Notify::new(),
            changed: Notify::new(),
            idle: Notify::new(),
            stop: CancellationToken::new(),
            broken: CancellationToken::new(),
            runtime: Handle::current(),
        });
        inner.spawn(Arc::clone(&inner).keep_time());
        inner.spawn(Arc::clone(&inner).tell_arrivals(arrived));
        Self { inner }
    }

    /// Takes deliveries in and returns at once. An id that is in flight or has a result is ignored, so handing over
    /// twice sends once, unless it ended in vain before the delivery is due; one whose condition no longer holds is
    /// cancelled.
    pub fn hand_over(&self, deliveries: Vec<Delivery>) {
        self.inner.change(|book, now, work| {
            for delivery in deliveries {
                book.hand_over(delivery, now, work);
            }
        });
    }

    /// Reads ahead what the first tries of deliveries will need that are due in a moment, and returns at once.
    pub fn prepare(&self, deliveries: Vec<Delivery>) {
        let sender = Arc::clone(&self.inner.sender);
        self.inner.runtime.spawn(async move {
            for way in deliveries.iter().filter_map(|it| it.ways.first()) {
                sender.prepare(way).await;
            }
        });
    }

    /// Everything known of the deliveries of the ticket with this uid.
    pub fn view(&self, uid: &str) -> OutboxView {
        self.inner.book.lock().view(uid)
    }

    /// Says how a ticket stands, at every change that is observed: what may no longer leave is cancelled at once, also
    /// while it waits to be tried again, also when it is handed over later. A try that is out ends by itself.
    pub fn standing(&self, uid: &str, standing: Standing) {
        self.inner
            .change(|book, now, work| book.stand(uid, standing, now, work));
    }

    /// Forgets results that the status holds now. Deliveries without a result are kept. A failed or cancelled id that
    /// was forgotten may be handed over again; a delivered one is told again instead of sent again.
    pub fn forget(&self, uid: &str, ids: &[DeliveryId]) {
        self.inner.book.lock().forget(uid, ids);
    }

    /// The ticket is deleted or archived: only what may leave `Always` still does.
    pub fn drop_ticket(&self, uid: &str) {
        self.inner
            .change(|book, now, work| book.drop_ticket(uid, now, work));
    }

    /// Where its tasks run: what must be on time belongs there too, and nothing else.
    pub fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    /// Waits until one of its tasks has panicked: what that one did is done by nobody any more.
    pub async fn broken(self) {
        self.inner.broken.cancelled().await;
    }

    /// Whose results are not forgotten yet: the uids of tickets and RCAs whose status may not hold them. What was
    /// reported of them may still be on its way.
    pub fn unrecorded(&self) -> HashSet<Arc<str>> {
        self.inner.book.lock().unrecorded()
    }

    /// How many deliveries have no result yet.
    pub fn open(&self) -> usize {
        self.inner.book.lock().open()
    }

    /// How many of them are set aside, since their lane is full.
    pub fn aside(&self) -> usize {
        self.inner.book.lock().aside()
    }

    /// How many destinations of each type failed five times in a row and have not answered since; types without any
    /// are left out.
    pub fn open_breakers(&self) -> HashMap<ConnectorType, usize> {
        self.inner.book.lock().open_breakers()
    }

    /// Gives what is in flight up to `limit` to end, then stops everything. Returns how many deliveries are left without
    /// a result: they stay armed in their tickets and leave after the next start, under the same ids.
    pub async fn shutdown(&self, limit: Duration) -> usize {
        let all_ended = async {
            loop {
                let idle = self.inner.idle.notified();
                if self.open() == 0 {
                    return;
                }
                idle.await;
            }
        };
        // Out of time: what is left is counted below.
        let _ = tokio::time::timeout(limit, all_ended).await;
        self.inner.stop.cancel();
        self.open()
    }
}

impl Inner {
    /// Starts a task whose panic is noticed.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let tells = self.broken.clone().drop_guard();
        self.runtime.spawn(async move {
            task.await;
            tells.disarm();
        });
    }

    /// Changes the book under its lock, then does what follows from it.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Book, Moment, &mut Work) -> T) -> T {
        let now = Moment {
            instant: Instant::now(),
            time: self.clock.now(),
        };
        let mut work = Work::default();
        let (result, timer_moved, idle) = {
            let mut book = self.book.lock();
            let before = book.next_timer();
            let result = change(&mut book, now, &mut work);
            (result, book.next_timer() != before, book.open() == 0)
        };
        if timer_moved {
            self.changed.notify_one();
        }
        for lane in work.start {
            self.spawn(Arc::clone(self).serve(lane));
        }
        for ended in work.ended {
            ended.log();
            if let Some(result) = ended.result() {
                self.observer.observe(result);
            }
            self.tell(&ended);
        }
        for ticket in work.again {
            // Nobody listens any more only while the process ends.
            let _ = self.reports.send(ticket);
        }
        if idle {
            self.idle.notify_waiters();
        }
        result
    }

    /// A worker of a lane: tries what is first until nothing waits.
    async fn serve(self: Arc<Self>, lane: LaneKey) {
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.sender.ready() => {}
            }
            let turn = self.change(|book, now, work| book.take(&lane, now, work));
            let Some(turn) = turn else {
                return self.emptied.notify_waiters();
            };
            let outcome = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                outcome = self.try_once(&turn) => outcome,
            };
            self.change(|book, now, work| book.settle(&turn, &outcome, now, work));
        }
    }

    /// One try, ended by its limit whatever the sender does.
    async fn try_once(&self, turn: &Turn) -> SendOutcome {
        let Attempt { limit, .. } = turn.attempt;
        let send = AssertUnwindSafe(self.sender.send(&turn.way, &turn.parcel, turn.attempt))
            .catch_unwind();
        match tokio::time::timeout(limit, send).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => SendOutcome::retry("Firebell failed while sending; see its log"),
            Err(_) => SendOutcome::retry(&format!("no answer within {} s", limit.as_secs_f64())),
        }
    }

    /// The one timer of the outbox.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let next = self.book.lock().next_timer();
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = due => self.change(Book::run_timers),
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Runs looks at objects in the order of their schedule, each at most once at a time. A panic is a failure of that
//! one look (architecture.md, trap 5); an error rests by its class; whoever ends well says when to look again.
//!
//! Looks whose deadline has come have places of their own, and run where the loop runs; all others may run elsewhere.
//! So a flood of changes delays no deadline.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::backoff;
use super::error::Class;
use super::key::Key;
use super::leader::Leadership;
use super::schedule::{Cause, Schedule};
use super::view::Trigger;
use crate::clock::Now;
use crate::metrics::{Kind, Metrics, Outcome};
use crate::serve::Health;

/// Looks of one cause that compute at once; one that waits for the API server gives its place away.
const PLACES: usize = 32;
/// Longest sleep: a clock that was steered is noticed, and the loop shows that it moves.
const NAP: Duration = Duration::from_millis(200);
/// What a look came to.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// Done; look again at that moment, or when something changes.
    Rest {
        /// The next deadline.
        until: Option<Timestamp>,
        /// What the object's urgency adds to its rank.
        later: SignedDuration,
    },
    /// Failed; look again after a rest.
    Failed {
        /// How long the rest is.
        class: Class,
        /// Something is to leave then that needs no write: the rest ends there at the latest.
        armed: Option<Timestamp>,
    },
}

/// Looks at one object. The place is for computing; it is given back while waiting for the API server.
pub trait Look: Send + Sync + 'static {
    /// The kind, for logs and metrics.
    const KIND: Kind;
    /// Looks, decides, acts; answers when to look again.
    fn look(self: Arc<Self>, key: Key, place: Place) -> impl Future<Output = Turn> + Send;
}

/// A place among the looks that compute.
#[derive(Debug)]
pub struct Place {
    places: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Waits for something that is not computing, with the place given away meanwhile.
    pub async fn leave_for<T>(&mut self, other: impl Future<Output = T>) -> T {
        self.held = None;
        let came = other.await;
        self.held = self.places.clone().acquire_owned().await.ok();
        came
    }
}

/// What looks are run with.
#[derive(Clone, Debug)]
pub struct Engine<C> {
    /// The time that deadlines are compared with.
    pub clock: C,
    /// Counts.
    pub metrics: Metrics,
    /// Told that the loop moves.
    pub health: Health,
    /// Whether anything may be looked at. What is triggered meanwhile is looked at once it may.
    pub leadership: Leadership,
    /// Told to halt, the engine waits for no deadline any more: it looks at what has changed so far, looks once more
    /// where somebody else wrote meanwhile, waits for the looks that run, and ends.
    pub halt: CancellationToken,
    /// Where looks run for which no deadline has come.
    pub others: Handle,
}

/// The queues inside a running engine.
struct Loop<L> {
    looker: Arc<L>,
    places: Places,
    others: Handle,
    running: usize,
    ended: mpsc::UnboundedSender<(Key, Option<Turn>)>,
    schedule: Schedule<Key>,
    /// Failures of one class in a row: a rest grows with its own kind only.
    failures: HashMap<Key, (Class, u32)>,
    metrics: Metrics,
}

/// Places by what made an object ready.
struct Places {
    due: Arc<Semaphore>,
    changed: Arc<Semaphore>,
}

impl Places {
    fn of(&self, cause: Cause) -> Arc<Semaphore> {
        match cause {
            Cause::Deadline => self.due.clone(),
            Cause::Change => self.changed.clone(),
        }
    }
}

impl<C: Now> Engine<C> {
    /// Runs looks until told to halt.
    pub async fn run<L: Look>(
        mut self,
        looker: Arc<L>,
        mut triggers: mpsc::UnboundedReceiver<Trigger>,
    ) {
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut work = Loop::new(looker, ended, self.metrics, self.others);
        while !self.halt.is_cancelled() {
            self.health.moves(L::KIND.word());
            work.take_in(&mut triggers, &mut ends, self.clock.now());
            let may = self.leadership.may_send();
            if may && work.start_one(self.clock.now()) {
                continue;
            }
            let now = self.clock.now();
            let mut waits = |cause| may && work.schedule.waiting(cause, now) > 0;
            let (due, changed) = (waits(Cause::Deadline), waits(Cause::Change));
            let (due_place, place) = (
                work.places.of(Cause::Deadline),
                work.places.of(Cause::Change),
            );
            let nap = nap(work.schedule.next_time(), self.clock.now());
            tokio::select! {
                () = self.halt.cancelled() => {}
                Some((key, wanted)) = triggers.recv() => work.schedule.trigger(key, wanted),
                Some((key, turn)) = ends.recv() => work.end(key, turn, self.clock.now()),
                Ok(permit) = due_place.acquire_owned(), if due => drop(permit),
                Ok(permit) = place.acquire_owned(), if changed => drop(permit),
                () = self.leadership.changed() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
        let last = self.clock.now();
        loop {
            work.hear(&mut triggers);
            if self.leadership.may_send() && work.start_one(last) {
                continue;
            }
            if work.running == 0 {
                return;
            }
            let Some((key, turn)) = ends.recv().await else {
                return;
            };
            // Somebody else wrote at the same time; there is no later look that could write what was decided.
            if let Some(Turn::Failed {
                class: Class::Conflict,
                ..
            }) = turn
            {
                work.schedule.trigger(key.clone(), last);
            }
            work.end(key, turn, last);
        }
    }
}

impl<L: Look> Loop<L> {
    fn new(
        looker: Arc<L>,
        ended: mpsc::UnboundedSender<(Key, Option<Turn>)>,
        metrics: Metrics,
        others: Handle,
    ) -> Self {
        Self {
            looker,
            places: Places {
                due: Arc::new(Semaphore::new(PLACES)),
                changed: Arc::new(Semaphore::new(PLACES)),
            },
            others,
            running: 0,
            ended,
            schedule: Schedule::default(),
            failures: HashMap::new(),
            metrics,
        }
    }

    /// Takes in all that waits.
    fn take_in(
        &mut self,
        triggers: &mut mpsc::UnboundedReceiver<Trigger>,
        ends: &mut mpsc::UnboundedReceiver<(Key, Option<Turn>)>,
        now: Timestamp,
    ) {
        self.hear(triggers);
        while let Ok((key, turn)) = ends.try_recv() {
            self.end(key, turn, now);
        }
    }

    /// Takes in what has changed.
    fn hear(&mut self, triggers: &mut mpsc::UnboundedReceiver<Trigger>) {
        while let Ok((key, wanted)) = triggers.try_recv() {
            self.schedule.trigger(key, wanted);
        }
    }

    /// Starts the most urgent look, if there is a place: one whose deadline has come before all others.
    fn start_one(&mut self, now: Timestamp) -> bool {
        self.start_for(Cause::Deadline, now) || self.start_for(Cause::Change, now)
    }

    fn start_for(&mut self, cause: Cause, now: Timestamp) -> bool {
        let places = self.places.of(cause);
        let Ok(permit) = places.clone().try_acquire_owned() else {
            return false;
        };
        let Some(key) = self.schedule.pop_for(cause, now) else {
            return false;
        };
        let place = Place {
            places,
            held: Some(permit),
        };
        let (look, ended) = (
            self.looker.clone().look(key.clone(), place),
            self.ended.clone(),
        );
        self.running += 1;
        let look = async move {
            let turn = AssertUnwindSafe(look).catch_unwind().await.ok();
            // The receiver ends only after all looks, or with the process.
            let _ = ended.send((key, turn));
        };
        match cause {
            Cause::Deadline => tokio::spawn(look),
            Cause::Change => self.others.spawn(look),
        };
        true
    }

    /// Takes in what a look came to. `None` = it panicked.
    fn end(&mut self, key: Key, turn: Option<Turn>, now: Timestamp) {
        self.running -= 1;
        let (outcome, class, armed) = match turn {
            Some(Turn::Rest { until, later }) => {
                self.failures.remove(&key);
                self.metrics.reconciled(L::KIND, Outcome::Done);
                return self.schedule.finish(key, until, later);
            }
            Some(Turn::Failed { class, armed }) => (outcome_of(class), class, armed),
            None => {
                tracing::error!(
                    kind = ?L::KIND,
                    object = %key,
                    "a fault of the operator stopped its work on this object; it is tried again; please report the panic that is logged before this"
                );
                (Outcome::Panic, Class::Transient, None)
            }
        };
        self.metrics.reconciled(L::KIND, outcome);
        let row = backoff::in_a_row(self.failures.get(&key).copied(), class);
        self.failures.insert(key.clone(), row);
        let until = backoff::until(now, backoff::rest(row.0, row.1), armed);
        self.schedule.finish(key, Some(until), SignedDuration::ZERO);
    }
}

fn outcome_of(class: Class) -> Outcome {
    match class {
        Class::Conflict => Outcome::Conflict,
        Class::Transient => Outcome::Transient,
        Class::Terminal => Outcome::Terminal,
    }
}

/// How long to sleep until a deadline.
fn nap(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = next.map(|next| {
        next.duration_since(now)
            .max(SignedDuration::ZERO)
            .unsigned_abs()
    });
    left.unwrap_or(NAP).min(NAP)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use parking_lot::Mutex;
    use tokio::runtime::Handle;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{Class, Engine, Look, Place, Turn};
    use crate::clock::{Now, WallClock};
    use crate::controller::key::Key;
    use crate::controller::leader::{Leadership, Standing};
    use crate::metrics::{Kind, Metrics};
    use crate::serve::Health;

    /// Looks that answer by the object's name and count how often each was looked at.
    #[derive(Default)]
    struct Scripted(Mutex<HashMap<String, Vec<Timestamp>>>);

    impl Look for Scripted {
        const KIND: Kind = Kind::Ticket;

        async fn look(self: Arc<Self>, key: Key, mut place: Place) -> Turn {
            let now = Timestamp::now();
            let looks = {
                let mut looked = self.0.lock();
                let looks = looked.entry(key.name.to_string()).or_default();
                looks.push(now);
                looks.len()
            };
            match &*key.name {
                "panics" => panic!("as written in the script"),
                "fails" => Turn::Failed {
                    class: Class::Transient,
                    armed: None,
                },
                "conflicts once" if looks == 1 => Turn::Failed {
                    class: Class::Conflict,
                    armed: None,
                },
                "hangs" => place.leave_for(std::future::pending()).await,
                "timed" => Turn::Rest {
                    until: Some(now + SignedDuration::from_millis(30)),
                    later: SignedDuration::ZERO,
                },
                _ => Turn::Rest {
                    until: None,
                    later: SignedDuration::ZERO,
                },
            }
        }
    }

    struct Running {
        looks: Arc<Scripted>,
        triggers: mpsc::UnboundedSender<(Key, Timestamp)>,
        metrics: Metrics,
        halt: CancellationToken,
        engine: tokio::task::JoinHandle<()>,
    }

    fn start() -> Running {
        start_as(Leadership::sole())
    }

    fn start_as(leadership: Leadership) -> Running {
        let (triggers, receiver) = mpsc::unbounded_channel();
        let (looks, metrics, halt) = (
            Arc::new(Scripted::default()),
            Metrics::default(),
            CancellationToken::new(),
        );
        let engine = Engine {
            clock: WallClock,
            metrics: metrics.clone(),
            health: Health::default(),
            leadership,
            halt: halt.clone(),
            others: Handle::current(),
        };
        let engine = tokio::spawn(engine.run(looks.clone(), receiver));
        Running {
            looks,
            triggers,
            metrics,
            halt,
            engine,
        }
    }

    impl Running {
        fn trigger(&self, name: &str) {
            self.triggers
                .send((Key::new("shop", name), WallClock.now()))
                .unwrap();
        }

        async fn looked_at(&self, name: &str, times: usize) -> Vec<Timestamp> {
            let looked = async {
                loop {
                    let so_far = self.looks.0.lock().get(name).cloned().unwrap_or_default();
                    if so_far.len() >= times {
                        return so_far;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), looked)
                .await
                .expect("looked at so often within 10 s")
        }
    }

    #[tokio::test]
    async fn a_panic_in_one_look_stops_no_other_and_is_tried_again() {
        let running = start();
        running.trigger("panics");
        running.trigger("plain");
        running.looked_at("plain", 1).await;
        running.looked_at("panics", 2).await;
        assert!(running.metrics.text().contains(r#"outcome="Panic""#));
    }

    #[tokio::test]
    async fn an_error_is_tried_again_after_a_rest() {
        let running = start();
        running.trigger("fails");
        let times = running.looked_at("fails", 2).await;
        assert!(times[1].duration_since(times[0]) >= SignedDuration::from_millis(250));
    }

    #[tokio::test]
    async fn a_deadline_is_kept_and_never_met_early() {
        let running = start();
        running.trigger("timed");
        let times = running.looked_at("timed", 5).await;
        for pair in times.windows(2) {
            assert!(pair[1].duration_since(pair[0]) >= SignedDuration::from_millis(30));
        }
    }

    #[tokio::test]
    async fn looks_that_wait_for_the_api_server_hold_up_no_other() {
        let running = start();
        for number in 0..200 {
            let key = Key::new(&format!("namespace-{number}"), "hangs");
            running.triggers.send((key, WallClock.now())).unwrap();
        }
        running.looked_at("hangs", 200).await;
        running.trigger("plain");
        running.looked_at("plain", 1).await;
    }

    #[tokio::test]
    async fn a_halt_looks_at_what_has_changed_and_waits_for_no_deadline() {
        let running = start();
        running.trigger("timed");
        running.looked_at("timed", 1).await;
        running.trigger("plain");
        running.halt.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), running.engine).await;
        assert!(
            ended.is_ok(),
            "the engine ended although \"timed\" has a deadline"
        );
        assert_eq!(running.looks.0.lock().get("plain").map(Vec::len), Some(1));
    }

    #[tokio::test]
    async fn a_halt_looks_again_where_somebody_else_wrote_meanwhile() {
        let running = start();
        running.trigger("conflicts once");
        running.halt.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), running.engine).await;
        assert!(ended.is_ok(), "the engine ended");
        let looks = &running.looks.0.lock()["conflicts once"];
        assert_eq!(looks.len(), 2, "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_looks_at_nothing_and_at_everything_at_once_when_it_leads() {
        let (post, leadership) = Leadership::elected();
        let running = start_as(leadership);
        running.trigger("plain");
        running.trigger("other");
        // The time of timers only: the loop has gone round several times after it.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(running.looks.0.lock().is_empty());
        let until = std::time::Instant::now() + Duration::from_mins(1);
        post.tell(Standing::Leads { until });
        running.looked_at("plain", 1).await;
        running.looked_at("other", 1).await;
    }
}

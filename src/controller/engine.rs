//! Runs looks at objects in the order of their schedule, each at most once at a time. A panic is a failure of that
//! one look (architecture.md, trap 5); an error rests by its class; whoever ends well says when to look again.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backoff;
use super::error::Class;
use super::key::Key;
use super::schedule::Schedule;
use super::view::Trigger;
use crate::clock::Now;
use crate::metrics::{Kind, Metrics, Outcome};
use crate::serve::Health;

/// Looks that compute at once; one that waits for the API server gives its place away.
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
    Failed(Class),
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

/// Runs looks until stopped; those that run then are waited for.
pub async fn run<L: Look>(
    looker: Arc<L>,
    mut triggers: mpsc::UnboundedReceiver<Trigger>,
    clock: impl Now,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(PLACES));
    let running = TaskTracker::new();
    let (ended, mut ends) = mpsc::unbounded_channel::<(Key, Option<Turn>)>();
    let mut schedule = Schedule::default();
    let mut failures = Failures::default();
    while !stop.is_cancelled() {
        health.moves(L::KIND.word());
        while let Ok((key, wanted)) = triggers.try_recv() {
            schedule.trigger(key, wanted);
        }
        while let Ok((key, turn)) = ends.try_recv() {
            end::<L>(
                &mut schedule,
                &mut failures,
                key,
                turn,
                clock.now(),
                &metrics,
            );
        }
        if let Ok(permit) = places.clone().try_acquire_owned()
            && let Some(key) = schedule.pop(clock.now())
        {
            let place = Place {
                places: places.clone(),
                held: Some(permit),
            };
            let (look, ended) = (looker.clone().look(key.clone(), place), ended.clone());
            running.spawn(async move {
                let turn = AssertUnwindSafe(look).catch_unwind().await.ok();
                // The receiver ends only after all looks.
                let _ = ended.send((key, turn));
            });
            continue;
        }
        let waiting = schedule.waiting(clock.now()) > 0;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            trigger = triggers.recv() => match trigger {
                Some((key, wanted)) => schedule.trigger(key, wanted),
                None => break,
            },
            Some((key, turn)) = ends.recv() => end::<L>(&mut schedule, &mut failures, key, turn, clock.now(), &metrics),
            Ok(permit) = places.clone().acquire_owned(), if waiting => drop(permit),
            () = tokio::time::sleep(nap(schedule.next_time(), clock.now())) => {}
        }
    }
    running.close();
    running.wait().await;
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

/// Failures in a row, by object.
#[derive(Debug, Default)]
struct Failures(HashMap<Key, u32>);

fn end<L: Look>(
    schedule: &mut Schedule<Key>,
    failures: &mut Failures,
    key: Key,
    turn: Option<Turn>,
    now: Timestamp,
    metrics: &Metrics,
) {
    let (outcome, class) = match turn {
        Some(Turn::Rest { until, later }) => {
            failures.0.remove(&key);
            metrics.reconciled(L::KIND, Outcome::Done);
            return schedule.finish(key, until, later);
        }
        Some(Turn::Failed(Class::Conflict)) => (Outcome::Conflict, Class::Conflict),
        Some(Turn::Failed(Class::Transient)) => (Outcome::Transient, Class::Transient),
        Some(Turn::Failed(Class::Terminal)) => (Outcome::Terminal, Class::Terminal),
        None => {
            tracing::error!(kind = ?L::KIND, object = %key, "a fault of the operator stopped its work on this object; it is tried again; please report the panic above");
            (Outcome::Panic, Class::Transient)
        }
    };
    metrics.reconciled(L::KIND, outcome);
    let row = failures.0.entry(key.clone()).or_default();
    *row += 1;
    let until = now
        .saturating_add(backoff::rest(class, *row))
        .unwrap_or(Timestamp::MAX);
    schedule.finish(key, Some(until), SignedDuration::ZERO);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use parking_lot::Mutex;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{Class, Look, Place, Turn, run};
    use crate::clock::{Now, WallClock};
    use crate::controller::key::Key;
    use crate::metrics::{Kind, Metrics};
    use crate::serve::Health;

    /// Looks that answer by the object's name and count how often each was looked at.
    #[derive(Default)]
    struct Scripted(Mutex<HashMap<String, Vec<Timestamp>>>);

    impl Look for Scripted {
        const KIND: Kind = Kind::Ticket;

        async fn look(self: Arc<Self>, key: Key, mut place: Place) -> Turn {
            let now = Timestamp::now();
            self.0
                .lock()
                .entry(key.name.to_string())
                .or_default()
                .push(now);
            match &*key.name {
                "panics" => panic!("as written in the script"),
                "fails" => Turn::Failed(Class::Transient),
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
    }

    fn start() -> Running {
        let (triggers, receiver) = mpsc::unbounded_channel();
        let (looks, metrics) = (Arc::new(Scripted::default()), Metrics::default());
        tokio::spawn(run(
            looks.clone(),
            receiver,
            WallClock,
            metrics.clone(),
            Health::default(),
            CancellationToken::new(),
        ));
        Running {
            looks,
            triggers,
            metrics,
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
}

//! How many writes are on their way to the API server at once, and who goes first.
//!
//! Unbounded writes of one account are answered 429 in a storm (architecture.md, trap 12). A place is given to the
//! most urgent who waits; no page waits here, only what is written about pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A bounded number of places, given out by urgency.
#[derive(Clone, Debug)]
pub struct Gate {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    arrivals: u64,
    waiting: BTreeMap<(Timestamp, u64), oneshot::Sender<Permit>>,
}

/// A place at the gate, given back when dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Permit {
    gate: Option<Gate>,
}

impl Gate {
    /// A gate with so many places.
    pub fn new(places: usize) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                free: places,
                arrivals: 0,
                waiting: BTreeMap::new(),
            })),
        }
    }

    /// Waits for a place; the earliest `rank` goes first, equal ones in order of arrival.
    pub async fn pass(&self, rank: Timestamp) -> Permit {
        let waiter = {
            let mut inner = self.inner.lock();
            if inner.free > 0 {
                inner.free -= 1;
                return self.permit();
            }
            let (sender, receiver) = oneshot::channel();
            inner.arrivals += 1;
            let arrival = inner.arrivals;
            inner.waiting.insert((rank, arrival), sender);
            receiver
        };
        // The sender is never dropped unused while the gate lives, and this borrow keeps it alive.
        match waiter.await {
            Ok(permit) => permit,
            Err(_closed) => Permit { gate: None },
        }
    }

    /// How many wait for a place.
    pub fn waiting(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    fn permit(&self) -> Permit {
        Permit {
            gate: Some(self.clone()),
        }
    }

    /// Hands a place on to the most urgent who still waits.
    fn release(&self) {
        loop {
            let next = {
                let mut inner = self.inner.lock();
                let Some((_, next)) = inner.waiting.pop_first() else {
                    inner.free += 1;
                    return;
                };
                next
            };
            match next.send(self.permit()) {
                Ok(()) => return,
                // Who waited has gone: the place must not be given back twice, so this permit is disarmed.
                Err(mut unused) => unused.gate = None,
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use jiff::Timestamp;
    use parking_lot::Mutex;

    use super::Gate;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test]
    async fn the_most_urgent_goes_first_and_never_more_than_the_places() {
        let gate = Gate::new(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = gate.pass(at(0)).await;
        let mut tasks = Vec::new();
        for (name, rank) in [("low", 9), ("first", 5), ("second", 5), ("critical", 1)] {
            let (gate_of_task, order_of_task) = (gate.clone(), order.clone());
            let before = gate.waiting();
            tasks.push(tokio::spawn(async move {
                let permit = gate_of_task.pass(at(rank)).await;
                order_of_task.lock().push(name);
                drop(permit);
            }));
            while gate.waiting() == before {
                tokio::task::yield_now().await;
            }
        }
        assert!(order.lock().is_empty());
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), ["critical", "first", "second", "low"]);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_costs_no_place() {
        let gate = Gate::new(1);
        let held = gate.pass(at(0)).await;
        {
            let mut waits = Box::pin(gate.pass(at(1)));
            assert!(waits.as_mut().now_or_never().is_none());
        }
        drop(held);
        let second = gate.pass(at(2)).now_or_never();
        assert!(second.is_some());
    }
}

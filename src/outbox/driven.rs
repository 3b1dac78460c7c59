//! The book of the outbox driven from outside: whoever holds it makes the tries and brings the time. The simulator
//! does, so that retries, budgets, ways and cancellations are those of production, in virtual time.

use std::time::Instant;

use jiff::Timestamp;

use super::OutboxConfig;
use super::book::{Book, Moment, Turn, Work};
use super::lane::LaneKey;
use crate::connectors::{Attempt, SendOutcome};
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, OutboxView, Standing, TicketKey, Way,
};
use crate::domain::telling::parcel::Parcel;

/// A try that its holder has to make, and to settle.
#[derive(Debug)]
pub struct Try {
    lane: LaneKey,
    turn: Turn,
}

impl Try {
    /// What is to be sent: one delivery, or a bundle.
    pub fn parcel(&self) -> &Parcel {
        &self.turn.parcel
    }

    /// Over which way.
    pub fn way(&self) -> &Way {
        &self.turn.way
    }

    /// Its number and limit.
    pub fn attempt(&self) -> Attempt {
        self.turn.attempt
    }
}

/// What follows from a change of the book.
#[derive(Debug, Default)]
pub struct Follows {
    /// Tries to be made now.
    pub tries: Vec<Try>,
    /// Tickets that have a result now, or room for what was set aside.
    pub told: Vec<TicketKey>,
}

/// The book, and the two clocks it is asked with.
#[derive(Debug)]
pub struct DrivenOutbox {
    book: Book,
}

impl DrivenOutbox {
    /// An empty one.
    pub fn new(config: OutboxConfig) -> Self {
        Self {
            book: Book::new(config),
        }
    }

    /// Takes deliveries in.
    pub fn hand_over(&mut self, deliveries: Vec<Delivery>, at: (Instant, Timestamp)) -> Follows {
        self.change(at, |book, now, work| {
            for delivery in deliveries {
                book.hand_over(delivery, now, work);
            }
        })
    }

    /// Everything known of the deliveries of a ticket.
    pub fn view(&self, uid: &str) -> OutboxView {
        self.book.view(uid)
    }

    /// Says how a ticket stands.
    pub fn standing(&mut self, uid: &str, stands: Standing, at: (Instant, Timestamp)) -> Follows {
        self.change(at, |book, now, work| book.stand(uid, stands, now, work))
    }

    /// Forgets results that the status holds now.
    pub fn forget(&mut self, uid: &str, ids: &[DeliveryId]) {
        self.book.forget(uid, ids);
    }

    /// The ticket is gone.
    pub fn drop_ticket(&mut self, uid: &str, at: (Instant, Timestamp)) -> Follows {
        self.change(at, |book, now, work| book.drop_ticket(uid, now, work))
    }

    /// When it wants to be asked again.
    pub fn next_timer(&self) -> Option<Instant> {
        self.book.next_timer().map(tokio::time::Instant::into_std)
    }

    /// Wakes what pauses.
    pub fn run_timers(&mut self, at: (Instant, Timestamp)) -> Follows {
        self.change(at, Book::run_timers)
    }

    /// A try ended; its worker goes on with the next of its lane.
    pub fn settle(
        &mut self,
        made: &Try,
        outcome: &SendOutcome,
        at: (Instant, Timestamp),
    ) -> Follows {
        self.change(at, |book, now, work| {
            book.settle(&made.turn, outcome, now, work);
            work.start.push(made.lane.clone());
        })
    }

    /// How many deliveries have no result yet.
    pub fn open(&self) -> usize {
        self.book.open()
    }

    fn change(
        &mut self,
        (instant, time): (Instant, Timestamp),
        change: impl FnOnce(&mut Book, Moment, &mut Work),
    ) -> Follows {
        let now = Moment {
            instant: instant.into(),
            time,
        };
        let mut work = Work::default();
        change(&mut self.book, now, &mut work);
        let mut tries = Vec::new();
        let mut begun = 0;
        // A lane that is taken from may call back what another worker can begin with.
        while let Some(lane) = work.start.get(begun).cloned() {
            begun += 1;
            let turn = self.book.take(&lane, now, &mut work);
            tries.extend(turn.map(|turn| Try { lane, turn }));
        }
        let ended = work.ended.into_iter().map(|ended| ended.about.ticket);
        Follows {
            tries,
            told: ended.chain(work.again).collect(),
        }
    }
}

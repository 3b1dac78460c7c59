//! One operator: production's view of tickets, schedule, outbox book, watch freshness and clock, glued together as
//! `controller::view` and `controller::engine` do it, without their tasks and timers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::moment::{HOUR, Ms, SECOND, at, instant};
use super::plan::Trap;
use super::server::NAMESPACE;
use crate::api::Ticket;
use crate::clock::OperatorClock;
use crate::controller::freshness::Watches;
use crate::controller::key::{Key, version};
use crate::controller::schedule::Schedule;
use crate::controller::tickets::{Change, Tickets};
use crate::controller::versions::Origin;
use crate::controller::view::{rank, severity};
use crate::domain::lifecycle;
use crate::domain::selection::PolicyIndex;
use crate::outbox::{DrivenOutbox, Follows, OutboxConfig, Try};

/// How an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does not run.
    Gone,
    /// It runs.
    Up,
}

/// A watch that is not as it should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchTrouble {
    /// Events come so late.
    pub lag: Ms,
    /// As long as that.
    pub lags_until: Ms,
    /// Silent since then.
    pub frozen_from: Option<Ms>,
    /// It could not be started while the API server was away: it begins with a list (`controller::streams`).
    pub begins_anew: bool,
}

/// One operator.
pub struct Process {
    /// Its number.
    pub number: usize,
    /// Which start of it this is.
    pub life: u32,
    /// How it is.
    pub is: Life,
    /// Whether it decides.
    pub leads: bool,
    /// SIGSTOP until then.
    pub stopped_until: Ms,
    /// How far its machine's wall clock is off.
    pub wall_off: Ms,
    /// Its clock.
    pub clock: OperatorClock,
    /// What it sees.
    pub tickets: Tickets,
    /// What it sees of policies.
    pub policies: Arc<PolicyIndex>,
    /// When it looks at what.
    pub schedule: Schedule<Key>,
    /// Failures in a row.
    pub failures: HashMap<Key, u32>,
    /// What is on its way.
    pub outbox: DrivenOutbox,
    /// Tries that are out, by number.
    pub flying: BTreeMap<u64, Try>,
    /// Signs of life of its watch.
    pub watches: Watches,
    /// Version that its watch has come to.
    pub heard: u64,
    /// What ails its watch.
    pub watch: WatchTrouble,
    /// Where it dies next.
    pub trap: Option<Trap>,
    /// For how long nothing runs after it died.
    pub gone_for: Ms,
    /// It died and was not taken away yet.
    pub dead: bool,
    /// When it took the lead over.
    pub took_over: Ms,
}

impl Process {
    /// One that does not run yet.
    pub fn new(number: usize) -> Self {
        Self {
            number,
            life: 0,
            is: Life::Gone,
            leads: false,
            stopped_until: 0,
            wall_off: 0,
            clock: OperatorClock::start_at(instant(0), at(0)),
            tickets: Tickets::default(),
            policies: Arc::default(),
            schedule: Schedule::default(),
            failures: HashMap::new(),
            outbox: DrivenOutbox::new(OutboxConfig::default()),
            flying: BTreeMap::new(),
            watches: Watches::default(),
            heard: 0,
            watch: WatchTrouble::default(),
            trap: None,
            gone_for: 0,
            dead: false,
            took_over: -HOUR,
        }
    }

    /// Everything in memory is lost.
    pub fn lose_memory(&mut self) {
        self.tickets = Tickets::default();
        self.schedule = Schedule::default();
        self.failures.clear();
        self.outbox = DrivenOutbox::new(OutboxConfig::default());
        self.flying.clear();
        self.watches = Watches::default();
        self.trap = None;
        self.dead = false;
        self.took_over = -HOUR;
    }

    /// A fresh clock: anchored to the wall clock, steered by answers that carry whole seconds.
    pub fn set_clock(&mut self, now: Ms) {
        let began = now - 2 * SECOND;
        self.clock = OperatorClock::start_at(instant(began), at(began + self.wall_off));
        for turn in 0..12 {
            self.hear_date(began + turn * 170);
        }
    }

    /// An answer of the API server tells the time.
    pub fn hear_date(&self, now: Ms) {
        let date = Timestamp::from_second(at(now).as_second()).unwrap_or(at(now));
        self.clock
            .take_in(instant(now), instant(now + 2), date, instant(now + 2));
    }

    /// Both clocks at a moment.
    pub fn clocks(&self, now: Ms) -> (std::time::Instant, Timestamp) {
        (instant(now), self.clock.read_at(instant(now)))
    }

    /// Whether it can do anything.
    pub fn awake(&self, now: Ms) -> bool {
        self.is == Life::Up && !self.dead && self.stopped_until <= now
    }

    /// Asks for a look at a ticket.
    pub fn trigger(&mut self, key: &Key, now: Ms) {
        let held = self.tickets.get(key);
        let level = held.map_or_else(Default::default, |held| severity(&held.ticket));
        let wanted = rank(self.clock.read_at(instant(now)), level);
        self.schedule.trigger(key.clone(), wanted);
    }

    /// Takes in a version of a ticket, as `View::take_ticket` does. Says whether a live GET has to decide.
    pub fn take(
        &mut self,
        ticket: &Arc<Ticket>,
        origin: Origin,
        now: Ms,
        tell_outbox: bool,
    ) -> (bool, Follows) {
        let key = Key::of(&ticket.metadata);
        let uid = ticket.metadata.uid.as_deref().unwrap_or_default();
        if ticket.status.as_ref().is_some_and(|status| status.archived) {
            return (false, self.lose(&key, Some(uid), now));
        }
        let held = self.tickets.get(&key);
        if held.is_some_and(|held| version(&held.ticket.metadata) == version(&ticket.metadata)) {
            return (false, Follows::default());
        }
        let (machine, time) = self.clocks(now);
        let moment = (time, machine);
        let change = self
            .tickets
            .put_slim(ticket.clone(), origin, moment, |_| {});
        let mut follows = Follows::default();
        if change.taken.is_some() {
            if tell_outbox {
                let standing = lifecycle::standing(ticket);
                follows = self.outbox.standing(uid, standing, (machine, time));
            }
            if origin != Origin::Written {
                self.trigger(&key, now);
            }
        }
        self.after(&change, now);
        (change.doubtful, follows)
    }

    /// A ticket is gone, as `View::lose_ticket` does it.
    pub fn lose(&mut self, key: &Key, uid: Option<&str>, now: Ms) -> Follows {
        let clocks = self.clocks(now);
        let change = self.tickets.remove(key, uid, clocks.0);
        let mut follows = Follows::default();
        if let Some(uid) = uid.filter(|_| change.replaced.is_none()) {
            follows = self.outbox.drop_ticket(uid, clocks);
        }
        self.after(&change, now);
        follows
    }

    fn after(&mut self, change: &Change, now: Ms) {
        if let Some(gone) = &change.replaced {
            let clocks = self.clocks(now);
            let uid = gone.metadata.uid.as_deref().unwrap_or_default();
            // What is cancelled here belongs to nobody any more.
            let _nobody_asks = self.outbox.drop_ticket(uid, clocks);
        }
        for key in &change.affected {
            self.trigger(key, now);
        }
    }

    /// Other policies are seen: everybody looks again.
    pub fn take_policies(&mut self, policies: &Arc<PolicyIndex>, now: Ms) {
        if Arc::ptr_eq(&self.policies, policies) {
            return;
        }
        self.policies = policies.clone();
        let mut keys = self.tickets.keys_in(None);
        keys.sort();
        for key in keys {
            self.trigger(&key, now);
        }
    }

    /// Results ask for a look.
    pub fn hear_results(&mut self, follows: &Follows, now: Ms) {
        for ticket in &follows.told {
            self.trigger(&Key::new(NAMESPACE, &ticket.name), now);
        }
    }
}

//! The loop of a run: what comes next in virtual time, until everything is over and nothing is written any more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use jiff::SignedDuration;

use super::calls::Reply;
use super::desk::{Desk, Turn};
use super::inside::{Coming, Inside, Shared};
use super::ledger::Ledger;
use super::moment::{HOUR, MINUTE, Ms, SECOND, instant, ms_of_instant, span_ms};
use super::plan::Plan;
use super::plant::Plant;
use super::server::Server;
use crate::controller::backoff;
use crate::controller::error::Class;
use crate::controller::key::Key;
use crate::controller::versions::Origin;

/// Nothing was written for so long: nothing more will be.
const QUIET: Ms = 65 * MINUTE;
/// Whatever is still written so long after the last event is written for ever.
const PATIENCE: Ms = 30 * HOUR;
/// Things that may happen in a run; more are a loop without rest.
const STEPS_MOST: u64 = 20_000;

struct Look {
    sender: (usize, u32),
    key: Key,
    future: Pin<Box<dyn Future<Output = Turn>>>,
}

/// What is left of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was written down.
    pub ledger: Ledger,
    /// The API server with its history.
    pub server: Server,
    /// All policies and their revisions.
    pub policies: std::sync::Arc<crate::domain::selection::PolicyIndex>,
    /// Whether it came to rest.
    pub rested: bool,
    /// When the last look at it was taken.
    pub ended: Ms,
    /// Things that happened.
    pub steps: u64,
}

struct Run<'p> {
    plan: &'p Plan,
    inside: Shared,
    looks: BTreeMap<u64, Look>,
}

/// Runs a plan.
pub fn run(plan: &Plan, plant: Option<Plant>, story: bool) -> Outcome {
    let inside = Rc::new(RefCell::new(Inside::new(plan, plant, story)));
    let mut run = Run {
        plan,
        inside,
        looks: BTreeMap::new(),
    };
    run.begin();
    let rested = run.until_quiet();
    run.looks.clear();
    let mut inside = run.inside.borrow_mut();
    Outcome {
        ledger: std::mem::take(&mut inside.ledger),
        server: std::mem::replace(&mut inside.server, Server::new(0)),
        policies: inside.policies.clone(),
        rested,
        ended: inside.now,
        steps: inside.steps,
    }
}

impl Run<'_> {
    fn begin(&mut self) {
        let mut inside = self.inside.borrow_mut();
        for (number, agreement) in self.plan.policies.iter().enumerate() {
            inside.store_policy(number, agreement);
        }
        for (number, event) in self.plan.events.iter().enumerate() {
            inside.comes(event.at, Coming::Planned(number));
        }
        for process in 0..self.plan.processes {
            inside.comes(0, Coming::Starts(process, 0));
        }
        if inside.plant == Some(Plant::Meddler) {
            inside.comes(30 * MINUTE, Coming::Meddles);
        }
    }

    /// Whether it came to rest.
    fn until_quiet(&mut self) -> bool {
        let end = self.plan.end();
        loop {
            self.work();
            let inside = self.inside.borrow();
            let last = inside.ledger.writes.last().copied().unwrap_or(0).max(end);
            let Some(next) = Self::next(&inside) else {
                return true;
            };
            if next > last + QUIET {
                return true;
            }
            if next > end + PATIENCE || inside.steps > STEPS_MOST {
                return false;
            }
            drop(inside);
            self.go_on(next);
        }
    }

    /// When something happens next.
    fn next(inside: &Inside) -> Option<Ms> {
        let now = inside.now;
        let mut next = inside.agenda.keys().next().map(|(at, _)| *at);
        for process in &inside.processes {
            if process.is == super::process::Life::Gone {
                continue;
            }
            let timer = process.outbox.next_timer().map(ms_of_instant);
            let read = process.clock.read_at(instant(now));
            let look = process.schedule.next_time().filter(|_| process.leads);
            let look = look.map(|due| now + span_ms(due.duration_since(read)).max(1));
            for at in [timer, look].into_iter().flatten() {
                let at = at.max(now).max(process.stopped_until);
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        next
    }

    /// Time passes.
    fn go_on(&mut self, to: Ms) {
        {
            let mut inside = self.inside.borrow_mut();
            inside.now = to.max(inside.now);
        }
        while let Some(coming) = self.due() {
            self.inside.borrow_mut().steps += 1;
            self.happens(coming);
            self.bury();
        }
        let mut inside = self.inside.borrow_mut();
        let now = inside.now;
        for number in 0..inside.processes.len() {
            let Some(process) = inside
                .processes
                .get_mut(number)
                .filter(|process| process.awake(now))
            else {
                continue;
            };
            if process
                .outbox
                .next_timer()
                .is_some_and(|timer| ms_of_instant(timer) <= now)
            {
                let clocks = process.clocks(now);
                let follows = process.outbox.run_timers(clocks);
                inside.steps += 1;
                inside.follow(number, follows);
            }
        }
    }

    fn due(&self) -> Option<Coming> {
        let mut inside = self.inside.borrow_mut();
        let now = inside.now;
        let first = inside
            .agenda
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// Everything that is ready is looked at.
    fn work(&mut self) {
        loop {
            let started = (0..self.plan.processes).any(|process| self.start_one(process));
            self.bury();
            if !started {
                return;
            }
        }
    }

    fn start_one(&mut self, process: usize) -> bool {
        let (key, look, sender) = {
            let mut inside = self.inside.borrow_mut();
            let (now, restless) = (inside.now, inside.steps > STEPS_MOST);
            let Some(seer) = inside.processes.get_mut(process) else {
                return false;
            };
            if !seer.awake(now) || !seer.leads || restless {
                return false;
            }
            let time = seer.clock.read_at(instant(now));
            let Some(key) = seer.schedule.pop(time) else {
                return false;
            };
            let sender = (process, seer.life);
            inside.steps += 1;
            (key, inside.number(), sender)
        };
        let desk = Desk {
            inside: Rc::clone(&self.inside),
            sender,
            key: key.clone(),
            look,
            commits: 0,
        };
        let future = Box::pin(desk.look());
        self.looks.insert(
            look,
            Look {
                sender,
                key,
                future,
            },
        );
        self.poll(look);
        true
    }

    fn poll(&mut self, number: u64) {
        let Some(look) = self.looks.get_mut(&number) else {
            return;
        };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(turn) = look.future.as_mut().poll(&mut context) else {
            return;
        };
        if let Some(Look { sender, key, .. }) = self.looks.remove(&number) {
            self.end(sender, key, &turn);
        }
    }

    /// A look ended, as `controller::engine` takes it in.
    fn end(&mut self, sender: (usize, u32), key: Key, turn: &Turn) {
        let mut inside = self.inside.borrow_mut();
        let (now, plant) = (inside.now, inside.plant);
        let jitter = inside.rng.i32(0..256);
        let Some(seer) = inside.processes.get_mut(sender.0) else {
            return;
        };
        let (class, armed) = match turn {
            Turn::Rest { until, later } => {
                seer.failures.remove(&key);
                return seer.schedule.finish(key, *until, *later);
            }
            Turn::Failed { class, armed } => (*class, *armed),
        };
        let row = seer.failures.entry(key.clone()).or_default();
        *row += 1;
        let rest = backoff::jittered(class, *row, jitter);
        let until = backoff::until(seer.clock.read_at(instant(now)), rest, armed);
        let forgets = plant == Some(Plant::ForgetsAfterFailure) && class == Class::Transient;
        let until = Some(until).filter(|_| !forgets);
        seer.schedule.finish(key, until, SignedDuration::ZERO);
    }

    /// Whoever died is taken away, with all its looks.
    fn bury(&mut self) {
        let mut inside = self.inside.borrow_mut();
        for number in 0..inside.processes.len() {
            if inside
                .processes
                .get(number)
                .is_some_and(|process| process.dead)
            {
                inside.kill(number);
            }
        }
        let goes_on = |look: &Look| {
            let process = inside.processes.get(look.sender.0);
            process.is_some_and(|process| process.life == look.sender.1 && process.leads)
        };
        self.looks.retain(|_, look| goes_on(look));
    }

    fn happens(&mut self, coming: Coming) {
        let Some(coming) = self.inside.borrow_mut().unless_stopped(coming) else {
            return;
        };
        let look = {
            let mut inside = self.inside.borrow_mut();
            match coming {
                Coming::Planned(number) => {
                    if let Some(event) = self.plan.events.get(number) {
                        inside.carry_out(&event.what);
                    }
                    None
                }
                Coming::Answers(number) => inside.answered(number),
                Coming::Shown(number, now) => inside.go_on_without(number, now),
                other => {
                    inside.comes_about(other);
                    None
                }
            }
        };
        if let Some(look) = look {
            self.poll(look);
        }
    }
}

impl Inside {
    /// The answer to a call arrived: the look that waits for it, or a doubt that is cleared.
    fn answered(&mut self, number: u64) -> Option<u64> {
        let call = self.calls.remove(&number)?;
        let (process, life) = call.sender;
        let now = self.now;
        let seer = self
            .processes
            .get_mut(process)
            .filter(|seer| seer.life == life)?;
        if !self.weather.down(now) {
            seer.hear_date(now - 2);
        }
        if call.look.is_some() {
            return call.look;
        }
        let reply = call.slot.borrow_mut().take();
        match reply {
            Some(Reply::Ticket(ticket)) => {
                self.take(process, &ticket, Origin::Live);
            }
            Some(Reply::Gone) => {
                let seer = self.processes.get(process)?;
                let held = seer.tickets.get(&call.key)?;
                let uid = held.ticket.metadata.uid.clone();
                self.lose(process, &call.key, uid.as_deref());
            }
            // Asked again later, as the desk of doubts does.
            Some(Reply::Failed(_)) => {
                self.comes(SECOND, Coming::Doubts(process, call.key));
            }
            None => {}
        }
        None
    }
}

//! Everything in the world of a run but the looks that are under way: the store, the operators, what is on the wire, and
//! what is broken now.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::calls::{Call, Weather};
use super::ledger::{Broken, Departure, Ledger, Outage, Receipt};
use super::moment::{Ms, SECOND, at, instant};
use super::plan::{Plan, Trap};
use super::plant::Plant;
use super::process::{Life, Process};
use super::receivers::{Mood, RECEIVERS, host_of};
use super::server::{Kind, Selector, Server};
use crate::api::Ticket;
use crate::connectors::SendOutcome;
use crate::controller::key::{Key, version};
use crate::controller::versions::Origin;
use crate::domain::selection::PolicyIndex;
use crate::domain::telling::delivery::Delivery;
use crate::outbox::{Follows, Try};

/// Shared by the loop of the run and the looks.
pub type Shared = Rc<RefCell<Inside>>;

/// What comes about by itself at its time.
pub enum Coming {
    /// The planned event of that number.
    Planned(usize),
    /// A call reaches the API server.
    Lands(u64),
    /// Its answer reaches the operator.
    Answers(u64),
    /// The answer to a write that a watch has shown has not come.
    Shown(u64, Arc<Ticket>),
    /// A message reaches its receiver.
    Arrives {
        /// Of which operator and life.
        sender: (usize, u32),
        /// Which receiver.
        host: usize,
        /// The message.
        delivery: Arc<Delivery>,
        /// It answers late or never.
        unclear: bool,
    },
    /// The sender knows how a try ended.
    Known {
        /// Of which operator and life.
        sender: (usize, u32),
        /// Number of the try.
        number: u64,
        /// How.
        outcome: SendOutcome,
    },
    /// A doubt that could not be cleared is asked about again.
    Doubts(usize, Key),
    /// A watch has news.
    Hears(usize),
    /// A silent watch is given up, or speaks again.
    Thaws(usize, Ms),
    /// An operator starts.
    Starts(usize, u32),
    /// It has its first lists.
    Ready(usize, u32),
    /// An operator continues after SIGSTOP.
    Continues(usize),
    /// The lease of the leader ran out.
    LeaseEnds(usize),
    /// Somebody finds out that it no longer leads.
    StepsDown(usize),
    /// The meddler's half hour.
    Meddles,
}

/// The world.
pub struct Inside {
    /// Now.
    pub now: Ms,
    /// Latencies and coins.
    pub rng: fastrand::Rng,
    /// The API server.
    pub server: Server,
    /// All policies as they are stored.
    pub policies: Arc<PolicyIndex>,
    /// The operators.
    pub processes: Vec<Process>,
    /// What is broken at the API server.
    pub weather: Weather,
    /// Calls on the wire.
    pub calls: BTreeMap<u64, Call>,
    /// What comes.
    pub agenda: BTreeMap<(Ms, u64), Coming>,
    /// How receivers are, and until when.
    pub moods: [(Mood, Ms); RECEIVERS],
    /// What is written down.
    pub ledger: Ledger,
    /// What is wrong with this world.
    pub plant: Option<Plant>,
    /// Whether anybody ever crashed.
    pub crashed: bool,
    /// Things that happened.
    pub steps: u64,
    /// Closed tickets are archived after that.
    pub archive_after: Ms,
    numbers: u64,
}

impl Inside {
    /// The world of a plan, before anything happened.
    pub fn new(plan: &Plan, plant: Option<Plant>, story: bool) -> Self {
        let mut server = Server::new(plan.seed);
        server.by_patch = plan.by_patch;
        Self {
            now: 0,
            rng: fastrand::Rng::with_seed(plan.seed ^ 0x5eed),
            server,
            policies: Arc::default(),
            processes: (0..plan.processes).map(Process::new).collect(),
            weather: Weather::default(),
            calls: BTreeMap::new(),
            agenda: BTreeMap::new(),
            moods: [(Mood::Takes, 0); RECEIVERS],
            ledger: Ledger {
                story: story.then(Vec::new),
                ..Ledger::default()
            },
            plant,
            crashed: false,
            steps: 0,
            archive_after: plan.archive_after,
            numbers: 0,
        }
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Something comes after a while.
    pub fn comes(&mut self, after: Ms, what: Coming) {
        let number = self.number();
        self.agenda.insert((self.now + after.max(0), number), what);
    }

    /// Adds a line to the story.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        self.ledger.tell(self.now, line);
    }

    /// Notes that something is broken for a while.
    pub fn broken(&mut self, span: Ms, what: Broken) {
        let (from, until) = (self.now, self.now + span);
        self.ledger.outages.push(Outage { from, until, what });
    }

    /// Makes the tries that follow from a change of an outbox, and asks for looks at what has results.
    pub fn follow(&mut self, process: usize, follows: Follows) {
        let now = self.now;
        if let Some(seer) = self.processes.get_mut(process) {
            seer.hear_results(&follows, now);
            for ticket in &follows.told {
                let view = seer.outbox.view(&ticket.uid);
                self.ledger.failed(now, (process, seer.life), &view);
            }
        }
        for made in follows.tries {
            self.send(process, made);
        }
    }

    /// A try begins.
    fn send(&mut self, process: usize, made: Try) {
        let host = made
            .way()
            .connector
            .address
            .as_deref()
            .and_then(host_of)
            .unwrap_or(0);
        let members: Vec<Arc<Delivery>> = made.parcel().members().cloned().map(Arc::new).collect();
        let limit = Ms::try_from(made.attempt().limit.as_millis()).unwrap_or(15 * SECOND);
        let mood = self.mood(host);
        let course = mood.course(limit, &mut self.rng);
        let number = self.number();
        let Some(sender) = self.processes.get_mut(process) else {
            return;
        };
        let life = sender.life;
        if made.parcel().is_bundle() {
            let id = match self.plant {
                Some(Plant::BundleIdOfFirst) => made.parcel().first().id.to_string(),
                Some(_) | None => made.parcel().id().to_string(),
            };
            self.ledger.bundled(self.now, id, &members);
        }
        sender.flying.insert(number, made);
        for delivery in &members {
            let (at, delivery) = (self.now, delivery.clone());
            let departure = Departure {
                at,
                process,
                life,
                delivery,
            };
            self.ledger.departures.push(departure);
        }
        if self.plant == Some(Plant::OutboxLosesTries) && number.is_multiple_of(8) {
            return;
        }
        let sender = (process, life);
        let to_bob = members
            .iter()
            .any(|delivery| delivery.target.name() == "bob");
        let unsent = self.plant == Some(Plant::SaysDeliveredUnsent) && to_bob;
        let outcome = if unsent {
            SendOutcome::Delivered
        } else {
            course.outcome
        };
        self.comes(
            course.known,
            Coming::Known {
                sender,
                number,
                outcome,
            },
        );
        if let Some(arrives) = course.arrives.filter(|_| !unsent) {
            self.carry(sender, (host, mood), arrives, members);
        }
    }

    /// A parcel is on its way to a receiver that will have it.
    fn carry(
        &mut self,
        sender: (usize, u32),
        (host, mood): (usize, Mood),
        arrives: Ms,
        members: Vec<Arc<Delivery>>,
    ) {
        let unclear = mood.is_unclear();
        let twice = self.plant == Some(Plant::SendsTwiceAfterCrash) && self.crashed;
        for delivery in members {
            for _ in 0..=usize::from(twice) {
                let delivery = delivery.clone();
                self.comes(
                    arrives,
                    Coming::Arrives {
                        sender,
                        host,
                        delivery,
                        unclear,
                    },
                );
            }
        }
    }

    /// A message reaches its receiver; one of a dead sender may have been lost with it.
    pub fn arrive(
        &mut self,
        sender: (usize, u32),
        host: usize,
        delivery: Arc<Delivery>,
        unclear: bool,
    ) {
        let dead = self
            .processes
            .get(sender.0)
            .is_none_or(|process| process.life != sender.1);
        if dead && self.rng.bool() {
            return;
        }
        let mut id = delivery.id.to_string();
        if self.plant == Some(Plant::IdHasTime) {
            id = format!("{id}-{}", self.now / SECOND);
        }
        let unclear = unclear || dead;
        self.tell(|| {
            let data = &delivery.message.data;
            let what = match &data.step {
                Some(step) => format!(
                    "page \"{step}\" repeat {} of round {}",
                    data.repeat.unwrap_or(0),
                    data.round
                ),
                None => format!("notice {}", data.kind),
            };
            format!(
                "{}: {} gets {what} ({})",
                delivery.ticket.name,
                delivery.target,
                &id[..8]
            )
        });
        self.ledger.receipts.push(Receipt {
            at: self.now,
            host,
            id,
            delivery,
            unclear,
        });
        self.spring(sender.0, Trap::AfterArrival);
    }

    /// Kills an operator if its trap is here. Says whether it died.
    pub fn spring(&mut self, process: usize, here: Trap) -> bool {
        let Some(process) = self.processes.get_mut(process) else {
            return false;
        };
        if process.trap == Some(here) {
            process.trap = None;
            process.dead = true;
        }
        process.dead
    }

    /// A try ended.
    pub fn settle(&mut self, sender: (usize, u32), number: u64, outcome: &SendOutcome) {
        let now = self.now;
        let Some(process) = self
            .processes
            .get_mut(sender.0)
            .filter(|process| process.life == sender.1)
        else {
            return;
        };
        let Some(made) = process.flying.remove(&number) else {
            return;
        };
        let clocks = process.clocks(now);
        let follows = process.outbox.settle(&made, outcome, clocks);
        self.follow(sender.0, follows);
    }

    /// Takes a version of a ticket into an operator's view. Says whether a live GET has to decide.
    pub fn take(&mut self, process: usize, ticket: &Arc<Ticket>, origin: Origin) -> bool {
        let (now, tell_outbox) = (self.now, self.plant != Some(Plant::StandingNotTold));
        let Some(seer) = self.processes.get_mut(process) else {
            return false;
        };
        let life = seer.life;
        let (doubtful, follows) = seer.take(ticket, origin, now, tell_outbox);
        let uid = ticket.metadata.uid.as_deref().unwrap_or_default();
        self.ledger
            .knows((process, life), uid, now, version(&ticket.metadata));
        self.follow(process, follows);
        if origin != Origin::Written {
            self.show((process, life), ticket);
        }
        doubtful
    }

    /// A ticket is gone for an operator.
    pub fn lose(&mut self, process: usize, key: &Key, uid: Option<&str>) {
        let now = self.now;
        if let Some(seer) = self.processes.get_mut(process) {
            let life = seer.life;
            let follows = seer.lose(key, uid, now);
            if let Some(uid) = uid {
                self.ledger.knows((process, life), uid, now, u64::MAX);
            }
            self.follow(process, follows);
        }
    }

    /// Lists everything for an operator, as a watch that starts does. Returns what a live GET has to decide.
    pub fn relist(&mut self, process: usize) -> Vec<Key> {
        let (version, tickets) = self.server.list(Selector::NotArchived);
        let mut doubts = Vec::new();
        for ticket in &tickets {
            if self.take(process, ticket, Origin::Relist) {
                doubts.push(Key::of(&ticket.metadata));
            }
        }
        let held = self
            .processes
            .get(process)
            .map(|seer| seer.tickets.keys_in(None));
        let mut held = held.unwrap_or_default();
        held.sort();
        let listed: Vec<Key> = tickets
            .iter()
            .map(|ticket| Key::of(&ticket.metadata))
            .collect();
        for key in held.iter().filter(|key| !listed.contains(key)) {
            if self.plant == Some(Plant::KeepsDeleted) {
                break;
            }
            let known = self
                .processes
                .get(process)
                .and_then(|seer| seer.tickets.get(key));
            let uid = known.and_then(|held| held.ticket.metadata.uid.clone());
            self.lose(process, key, uid.as_deref());
        }
        let (now, policies) = (self.now, self.policies.clone());
        if let Some(seer) = self.processes.get_mut(process) {
            seer.heard = version;
            seer.watch.begins_anew = false;
            seer.take_policies(&policies, now);
        }
        doubts
    }

    /// What an operator's watch tells by now. Returns what a live GET has to decide.
    pub fn hear(&mut self, process: usize) -> Vec<Key> {
        let now = self.now;
        let Some(seer) = self.processes.get(process) else {
            return Vec::new();
        };
        if seer.is == Life::Gone || seer.watch.frozen_from.is_some() || self.weather.down(now) {
            return Vec::new();
        }
        if seer.watch.begins_anew {
            self.tell(|| format!("operator {process} starts its watch anew and lists again"));
            return self.relist(process);
        }
        let mut lag = if seer.watch.lags_until > now {
            seer.watch.lag
        } else {
            0
        };
        if self.plant == Some(Plant::SeesLate) {
            lag = 30 * SECOND;
        }
        let Ok((come_to, events)) =
            self.server
                .watch(seer.heard, Selector::NotArchived, at(now - lag))
        else {
            self.tell(|| format!("operator {process} gets 410 and lists again"));
            return self.relist(process);
        };
        let policies = self.policies.clone();
        if let Some(seer) = self.processes.get_mut(process) {
            seer.heard = come_to;
            if lag == 0 {
                seer.take_policies(&policies, now);
            }
        }
        let mut doubts = Vec::new();
        for (kind, ticket) in events {
            match kind {
                Kind::Added | Kind::Modified => {
                    if self.take(process, &ticket, Origin::Watch) {
                        doubts.push(Key::of(&ticket.metadata));
                    }
                }
                Kind::Deleted => {
                    let uid = ticket.metadata.uid.clone();
                    self.lose(process, &Key::of(&ticket.metadata), uid.as_deref());
                }
            }
        }
        doubts
    }

    /// Something in the store changed: every watch hears of it soon.
    pub fn spread(&mut self) {
        for process in 0..self.processes.len() {
            let lag = match self.processes.get(process) {
                Some(seer) if seer.watch.lags_until > self.now => seer.watch.lag,
                Some(_) | None => 0,
            };
            let late = if self.plant == Some(Plant::SeesLate) {
                30 * SECOND
            } else {
                lag
            };
            let trip = self.rng.i64(2..30);
            self.comes(late + trip, Coming::Hears(process));
        }
    }

    /// A sign of life of each watch that lives.
    pub fn show_life(&mut self, process: usize) {
        let (now, down) = (self.now, self.weather.down(self.now));
        if let Some(seer) = self.processes.get(process)
            && !down
        {
            let alive = seer.watch.frozen_from.unwrap_or(now);
            seer.watches.alive("", instant(alive));
        }
    }
}

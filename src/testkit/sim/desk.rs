//! One look at a ticket, as `controller::ticket` makes it: check a silent watch, observe, let the decisions drive, carry
//! out. The loop between decision and world is production's own.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::calls::{Answered, Ask, CALL_LIMIT, Call, Reply, Slot};
use super::inside::Shared;
use super::moment::{Ms, SECOND, at, clock, instant, ms_of, ms_of_span, span_ms};
use super::plan::Trap;
use super::plant::{self, Plant};
use crate::api::{EscalationState, TicketStatus};
use crate::controller::drive::{Rest, World, drive};
use crate::controller::error::Class;
use crate::controller::key::Key;
use crate::controller::leader::TOOK_OVER_LATELY as LATELY;
use crate::controller::ticket::CHECK_LIMIT as LIMIT;
use crate::controller::versions::Origin;
use crate::controller::view::{later, severity};
use crate::controller::world::{COMMITS_MOST, patience, settled};
use crate::domain::chain::timetable::armed;
use crate::domain::decide::decide;
use crate::domain::next::{Next, StatusPatch, Transition, Waiting};
use crate::domain::observed::{Observed, Settings};
use crate::domain::telling::delivery::{Delivery, OutboxView};

/// A page waits for a live GET that long.
const CHECK_LIMIT: Ms = ms_of_span(LIMIT);
/// What would be sent is checked for so long after a hand-over.
const TOOK_OVER_LATELY: Ms = ms_of_span(LATELY);

/// What a look came to.
pub enum Turn {
    /// Look again then.
    Rest {
        /// The next deadline.
        until: Option<Timestamp>,
        /// What its urgency adds.
        later: SignedDuration,
    },
    /// It failed.
    Failed {
        /// How.
        class: Class,
        /// When what stands armed leaves.
        armed: Option<Timestamp>,
    },
}

/// Who looks at what.
pub struct Desk {
    /// The world.
    pub inside: Shared,
    /// The operator and its life.
    pub sender: (usize, u32),
    /// The ticket.
    pub key: Key,
    /// Number of the look.
    pub look: u64,
    /// Writes so far.
    pub commits: u32,
}

impl Desk {
    /// Looks, decides, acts.
    pub async fn look(mut self) -> Turn {
        if !self.is_fresh() {
            self.check_live().await;
        }
        let settings = Settings {
            archive_after: SignedDuration::from_millis(self.inside.borrow().archive_after),
        };
        let Some(seen) = self.observe_surely(&settings).await else {
            return Turn::Rest {
                until: None,
                later: SignedDuration::ZERO,
            };
        };
        let later = later(severity(&seen.ticket));
        match drive(&mut self, seen, &settings).await {
            Ok(rest) => self.rest(rest, later),
            Err(class) => {
                // A conflict, and an object that is gone, are looked at anew (`TicketDesk::report`).
                match class {
                    Class::Conflict | Class::Terminal => self.read_live(CALL_LIMIT).await,
                    Class::Transient => false,
                };
                let armed = self.armed(&settings);
                Turn::Failed { class, armed }
            }
        }
    }

    /// When a page is to leave that needs no write (`TicketDesk::armed`).
    fn armed(&self, settings: &Settings) -> Option<Timestamp> {
        let (seen, now) = (self.observe()?, self.now());
        if self.inside.borrow().plant == Some(Plant::RestsOverPages) {
            return None;
        }
        match decide(&seen, settings, now) {
            Next::Deliver(_) => Some(now),
            Next::Commit(_) | Next::Wait { .. } => {
                armed(seen.ticket.status.as_ref()?).filter(|armed| *armed > now)
            }
        }
    }

    fn rest(&self, rest: Rest, later: SignedDuration) -> Turn {
        self.judge(&rest);
        let Rest {
            mut until,
            what,
            remembered,
        } = rest;
        let mut inside = self.inside.borrow_mut();
        if inside.plant == Some(Plant::ForgetsHoldEnd) && what == Waiting::HoldEnd {
            until = None;
        }
        if let (Some(answer), Some(seer)) = (remembered, inside.processes.get_mut(self.sender.0)) {
            seer.tickets.remember(&self.key, answer);
        }
        Turn::Rest { until, later }
    }

    /// Every answer to wait has a deadline or names a fact (delivery.md section 3, auditor).
    fn judge(&self, rest: &Rest) {
        let mut inside = self.inside.borrow_mut();
        let now = inside.now;
        let Some(seer) = inside.processes.get(self.sender.0) else {
            return;
        };
        let held = seer.tickets.get(&self.key);
        let status = held.as_ref().and_then(|held| held.ticket.status.as_ref());
        let armed = status
            .and_then(|status| status.escalation.as_ref())
            .is_some_and(|known| {
                known.state == EscalationState::Running && known.next_time.is_some()
            });
        let wrong = match (rest.until, rest.what) {
            (Some(until), _) if until < at(now - 30 * SECOND) => {
                Some("waits for a moment in the past")
            }
            (None, Waiting::Person | Waiting::Policy) if armed => {
                Some("waits for a fact though a page is armed")
            }
            (
                None,
                Waiting::NextPage | Waiting::HoldEnd | Waiting::Deadline | Waiting::Archiving,
            ) => Some("waits for a moment and names none"),
            (None, Waiting::DeliveryResults) if seer.outbox.open() == 0 => {
                Some("waits for results and nothing is under way")
            }
            (None, Waiting::Nothing) if held.is_some() => {
                Some("waits for nothing though it is there")
            }
            (Some(_), _)
            | (
                None,
                Waiting::Person | Waiting::Policy | Waiting::DeliveryResults | Waiting::Nothing,
            ) => None,
        };
        if let Some(wrong) = wrong {
            let words = format!("operator {} {wrong}: {:?}", self.sender.0, rest.what);
            inside
                .ledger
                .bad_waits
                .push((now, self.key.name.to_string(), words));
        }
    }

    fn is_fresh(&self) -> bool {
        let mut inside = self.inside.borrow_mut();
        inside.show_life(self.sender.0);
        let now = instant(inside.now);
        let seer = inside.processes.get(self.sender.0);
        seer.is_some_and(|seer| seer.watches.fresh(&self.key.namespace, now))
    }

    async fn check_live(&self) {
        let out = {
            let inside = self.inside.borrow();
            let now = instant(inside.now);
            inside
                .processes
                .get(self.sender.0)
                .is_none_or(|seer| seer.watches.outage(now))
        };
        if !out && !self.read_live(CHECK_LIMIT).await {
            let inside = self.inside.borrow();
            if let Some(seer) = inside.processes.get(self.sender.0) {
                seer.watches.unanswered(instant(inside.now));
            }
        }
    }

    async fn read_live(&self, limit: Ms) -> bool {
        match self.ask(Ask::Get, limit).await {
            Reply::Ticket(ticket) => {
                self.inside
                    .borrow_mut()
                    .take(self.sender.0, &ticket, Origin::Live);
                true
            }
            Reply::Gone => {
                let mut inside = self.inside.borrow_mut();
                let seer = inside.processes.get(self.sender.0);
                let held = seer.and_then(|seer| seer.tickets.get(&self.key));
                let uid = held.and_then(|held| held.ticket.metadata.uid.clone());
                inside.lose(self.sender.0, &self.key, uid.as_deref());
                true
            }
            Reply::Failed(_) => false,
        }
    }

    async fn ask(&self, ask: Ask, limit: Ms) -> Reply {
        let slot = Slot::default();
        self.inside.borrow_mut().call(Call {
            sender: self.sender,
            look: Some(self.look),
            key: self.key.clone(),
            ask,
            limit,
            slot: Rc::clone(&slot),
        });
        Answered(slot).await
    }

    /// Just after a hand-over what would be sent is checked by a live GET first (`TicketDesk::observe_surely`).
    async fn observe_surely(&self, settings: &Settings) -> Option<Observed> {
        let seen = self.observe()?;
        let lately = {
            let inside = self.inside.borrow();
            let now = inside.now;
            let process = inside.processes.get(self.sender.0);
            process.is_some_and(|process| now - process.took_over <= TOOK_OVER_LATELY)
        };
        let sends = || matches!(decide(&seen, settings, self.now()), Next::Deliver(_));
        if !lately || !sends() {
            return Some(seen);
        }
        self.check_live().await;
        self.observe()
    }

    fn observe(&self) -> Option<Observed> {
        let inside = self.inside.borrow();
        let seer = inside.processes.get(self.sender.0)?;
        let held = seer.tickets.get(&self.key)?;
        let uid = held.ticket.metadata.uid.as_deref().unwrap_or_default();
        let outbox = seer.outbox.view(uid);
        Some(Observed {
            policies: seer.policies.clone(),
            outbox,
            others: seer.tickets.others(&self.key, &held.ticket),
            first_seen: held.first_seen,
            remembered: held.remembered,
            ticket: plant::seen(inside.plant, held.ticket),
        })
    }

    /// What a world that sends before it has written does.
    fn send_before_arm(&self, seen: &Observed, patch: &StatusPatch) {
        let mut inside = self.inside.borrow_mut();
        let process = self.sender.0;
        let now = inside.now;
        let mut ahead = seen.clone();
        let mut ticket = (*ahead.ticket).clone();
        ticket.status = Some((*patch.status).clone());
        ahead.ticket = ticket.into();
        ahead.remembered = None;
        let settings = Settings::default();
        let Next::Deliver(deliveries) = decide(&ahead, &settings, at(now)) else {
            return;
        };
        if let Some(seer) = inside.processes.get_mut(process) {
            let clocks = seer.clocks(now);
            let follows = seer.outbox.hand_over(deliveries, clocks);
            inside.follow(process, follows);
        }
    }

    /// Results that a status holds need no room in memory any more.
    fn forget_settled(&self, seen: &Observed, status: &TicketStatus) {
        let uid = seen.ticket.metadata.uid.as_deref().unwrap_or_default();
        let done = settled(&seen.outbox, status);
        let mut inside = self.inside.borrow_mut();
        if let Some(seer) = inside.processes.get_mut(self.sender.0) {
            seer.outbox.forget(uid, &done);
        }
    }

    async fn die(&self) -> ! {
        pending::<()>().await;
        unreachable!("a dead operator goes on with nothing")
    }
}

impl World for Desk {
    type Error = Class;

    fn now(&self) -> Timestamp {
        let inside = self.inside.borrow();
        let now: Ms = inside.now;
        match inside.processes.get(self.sender.0) {
            Some(seer) if inside.plant == Some(Plant::TrustsWallClock) => at(now + seer.wall_off),
            Some(seer) => seer.clock.read_at(instant(now)),
            None => at(now),
        }
    }

    async fn deliver(&mut self, seen: &Observed, deliveries: Vec<Delivery>) -> OutboxView {
        let process = self.sender.0;
        if self
            .inside
            .borrow_mut()
            .spring(process, Trap::BeforeHandOver)
        {
            self.die().await;
        }
        {
            let mut inside = self.inside.borrow_mut();
            inside.steps += 1;
            let now = inside.now;
            inside.ledger.hands_over(now, self.sender, &deliveries);
            if let Some(seer) = inside.processes.get_mut(process) {
                let clocks = seer.clocks(now);
                let follows = seer.outbox.hand_over(deliveries, clocks);
                inside.follow(process, follows);
            }
        }
        if self
            .inside
            .borrow_mut()
            .spring(process, Trap::AfterHandOver)
        {
            self.die().await;
        }
        let inside = self.inside.borrow();
        let uid = seen.ticket.metadata.uid.as_deref().unwrap_or_default();
        inside
            .processes
            .get(process)
            .map(|seer| seer.outbox.view(uid))
            .unwrap_or_default()
    }

    async fn commit(&mut self, seen: &Observed, patch: StatusPatch) -> Result<Observed, Class> {
        self.commits += 1;
        let process = self.sender.0;
        {
            let mut inside = self.inside.borrow_mut();
            inside.steps += 1;
            if self.commits > COMMITS_MOST {
                let (now, name) = (inside.now, self.key.name.to_string());
                let words = "wanted to write again and again".to_owned();
                inside.ledger.bad_waits.push((now, name, words));
                return Err(Class::Terminal);
            }
        }
        if self.inside.borrow_mut().spring(process, Trap::BeforeCommit) {
            self.die().await;
        }
        if self.inside.borrow().plant == Some(Plant::SendsBeforeArm) {
            self.send_before_arm(seen, &patch);
        }
        let StatusPatch {
            status,
            transitions,
        } = patch;
        let status: Arc<TicketStatus> = Arc::from(status);
        if self.inside.borrow().plant == Some(Plant::OutboxForgets) {
            self.forget_settled(seen, &status);
        }
        let ask = Ask::Status {
            seen: seen.ticket.clone(),
            status: status.clone(),
        };
        let limit = patience(&seen.ticket, self.now()).map_or(CALL_LIMIT, span_ms);
        let written = match self.ask(ask, limit.min(CALL_LIMIT)).await {
            Reply::Ticket(ticket) => ticket,
            Reply::Gone => return Err(Class::Terminal),
            Reply::Failed(class) => return Err(class),
        };
        let archived = {
            self.forget_settled(seen, &status);
            let mut inside = self.inside.borrow_mut();
            inside.tell(|| told(&self.key, process, &status, &transitions));
            inside.take(process, &written, Origin::Written);
            status.archived
        };
        if archived {
            return Ok(Observed {
                ticket: written,
                ..seen.clone()
            });
        }
        self.observe().ok_or(Class::Terminal)
    }
}

/// A write as the story tells it.
fn told(key: &Key, process: usize, status: &TicketStatus, transitions: &[Transition]) -> String {
    let reasons: Vec<_> = transitions.iter().map(|told| told.reason).collect();
    let escalation = status.escalation.as_ref();
    let next = escalation.and_then(|known| {
        let (step, at) = (
            known.next_step.as_deref()?,
            clock(ms_of(known.next_time?.0)),
        );
        Some(format!("; armed: \"{step}\" at {at}"))
    });
    let (reasons, next) = (reasons.join(", "), next.unwrap_or_default());
    format!("{}: operator {process} writes [{reasons}]{next}", key.name)
}

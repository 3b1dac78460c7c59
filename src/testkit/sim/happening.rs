//! What each planned event, and each thing that comes about by itself, does to the world.

use std::sync::Arc;

use kube::runtime::watcher;

use super::agreement::Agreement;
use super::calls::Weather;
use super::inside::{Coming, Inside};
use super::ledger::Broken;
use super::moment::{HOUR, MINUTE, Ms, SECOND, at};
use super::people::Edit;
use super::plan::{Opening, PolicyEdit, Trap, Trouble, What};
use super::plant::{self, Plant};
use super::process::{Life, WatchTrouble};
use super::receivers::Mood;
use super::server::NAMESPACE;
use crate::api::{Signal, SignalState, Suspend, TicketSpec, Time};
use crate::controller::freshness::TICKET_WATCH_SECONDS;
use crate::controller::key::Key;
use crate::controller::streams::was_away;
use crate::controller::versions::Origin;
use crate::domain::selection::LivePolicy;

/// A lease that is not renewed ends after that.
pub(super) const LEASE: Ms = 15 * SECOND;
/// A silent watch is given up after that: 5 s after the end that was asked for (`controller::freshness`).
const WATCH_LIMIT: Ms = (TICKET_WATCH_SECONDS as Ms + 5) * SECOND;

/// The API server is away for so long when its store is put back.
const PUTS_BACK: Ms = 3 * SECOND;

/// Whether production lists anew after a watch that nobody answered when it was to be started.
fn begins_anew() -> bool {
    let nobody = kube::Error::Service("connection refused".into());
    was_away(&watcher::Error::WatchStartFailed(nobody))
}

impl Inside {
    /// A planned event.
    pub fn carry_out(&mut self, what: &What) {
        self.tell(|| format!("* {what}"));
        match what {
            What::Open(opening) => self.open(*opening),
            What::Person { ticket, edit } => self.edit(&format!("ticket-{ticket}"), edit),
            What::Policy { policy, edit } => self.edit_policy(*policy, edit),
            What::Receiver { host, mood, span } => {
                if let Some(place) = self.moods.get_mut(*host) {
                    *place = (*mood, self.now + span);
                }
                self.broken(*span, Broken::Receiver(*host, *mood));
            }
            What::Trouble(trouble) => {
                self.broken(trouble.span(), Broken::Trouble(trouble.clone()));
                self.trouble(trouble);
            }
        }
    }

    fn open(&mut self, opening: Opening) {
        let signal = opening.alert.then(|| Signal {
            state: SignalState::Firing,
            severity: None,
            time: Some(Time(at(self.now))),
        });
        let spec = TicketSpec {
            title: format!("Incident {}", opening.ticket),
            severity: opening.severity,
            policy_ref: opening.policy.map(|number| crate::api::PolicyRef {
                name: format!("policy-{number}"),
                token: None,
            }),
            signal,
            ..TicketSpec::default()
        };
        // A name that is taken stays as it is.
        let _ = self
            .server
            .create(&format!("ticket-{}", opening.ticket), spec, at(self.now));
        self.spread();
    }

    fn edit(&mut self, name: &str, edit: &Edit) {
        let (now, time) = (self.now, at(self.now));
        // People are told when their edit is refused; nothing else comes of it.
        if *edit == Edit::Delete {
            let _ = self.server.delete(name, time);
        } else {
            let _ = self
                .server
                .edit(name, edit.block(), time, |spec| edit.apply(spec, now));
        }
        self.spread();
    }

    /// Stores a policy and its first, or next, revision.
    pub fn store_policy(&mut self, number: usize, agreement: &Agreement) {
        let mut index = (*self.policies).clone();
        let name = format!("policy-{number}");
        let key = (NAMESPACE.to_owned(), name.clone());
        let generation = index
            .policies
            .get(&key)
            .map_or(1, |live| live.generation + 1);
        let revision = format!("{name}-{generation}");
        index.revisions.insert(
            (NAMESPACE.to_owned(), revision.clone()),
            agreement.valid.clone(),
        );
        let live = index.policies.entry(key).or_insert_with(|| LivePolicy {
            created: Some(at(-HOUR)),
            generation,
            revision: None,
            suspend: None,
            suspend_seen: None,
        });
        live.generation = generation;
        live.revision = Some(revision);
        self.policies = Arc::new(index);
    }

    fn edit_policy(&mut self, number: usize, edit: &PolicyEdit) {
        let key = (NAMESPACE.to_owned(), format!("policy-{number}"));
        match edit {
            PolicyEdit::Valid(agreement) => self.store_policy(number, agreement),
            // No revision is made of it; tickets see nothing.
            PolicyEdit::Invalid => {}
            PolicyEdit::Suspend(span) => {
                let mut index = (*self.policies).clone();
                if let Some(live) = index.policies.get_mut(&key) {
                    live.suspend = Some(Suspend {
                        until_time: Time(at(self.now + span)),
                        by: "carol".to_owned(),
                        reason: None,
                    });
                    live.suspend_seen = Some(at(self.now));
                }
                self.policies = Arc::new(index);
            }
            PolicyEdit::Delete => {
                let mut index = (*self.policies).clone();
                index.policies.remove(&key);
                self.policies = Arc::new(index);
            }
        }
        self.ledger.policy_changes.push(self.now);
        self.spread();
    }

    fn trouble(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::Crash {
                process,
                trap,
                gone,
            } => self.set_trap(*process, *trap, *gone),
            Trouble::Stop { process, span } => self.stop(*process, *span),
            Trouble::BothLead { span } => {
                let led = self.processes.iter().any(|process| process.leads);
                let follower = self
                    .processes
                    .iter()
                    .position(|process| !process.leads && process.is == Life::Up);
                if let Some(follower) = follower.filter(|_| led) {
                    self.take_up(follower);
                    self.comes(*span, Coming::StepsDown(follower));
                }
            }
            Trouble::ApiDown { span, hangs } => {
                self.goes_away(*span, *hangs);
            }
            Trouble::ApiRefuses { code, span } => {
                self.weather.refuses_until = self.now + span;
                self.weather.code = *code;
            }
            Trouble::Meddle { writes } => self.weather.meddles = *writes,
            Trouble::LoseAnswers { writes } => self.weather.loses = *writes,
            Trouble::WatchLags { .. } | Trouble::WatchFreezes { .. } | Trouble::WatchCut { .. } => {
                self.trouble_watch(trouble);
            }
            Trouble::Compact => self.server.compact(),
            Trouble::Restore { back } => {
                // Nobody puts a store back under a running API server.
                self.goes_away(PUTS_BACK, false);
                let now = at(self.now);
                self.server.restore(at(self.now - back), now);
            }
            Trouble::WallJumps { process, by } => {
                if let Some(seer) = self.processes.get_mut(*process) {
                    seer.wall_off += by;
                }
            }
        }
    }

    /// The API server is away for a while. Watches end, and cannot be started again until it is back.
    fn goes_away(&mut self, span: Ms, hangs: bool) {
        let weather = self.weather;
        self.weather = Weather {
            down_until: weather.down_until.max(self.now + span),
            hangs,
            ..weather
        };
        let ends = !hangs || span > WATCH_LIMIT;
        let anew = ends && self.plant != Some(Plant::WatchesFromTheFuture) && begins_anew();
        for process in 0..self.processes.len() {
            if let Some(seer) = self.processes.get_mut(process) {
                seer.watch.begins_anew |= anew;
            }
            self.comes(span + SECOND, Coming::Hears(process));
        }
    }

    fn trouble_watch(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::WatchLags { process, lag, span } => {
                if let Some(seer) = self.processes.get_mut(*process) {
                    seer.watch.lag = *lag;
                    seer.watch.lags_until = self.now + span;
                    self.comes(span + 1, Coming::Hears(*process));
                }
            }
            Trouble::WatchFreezes { process, span } => {
                let now = self.now;
                if let Some(seer) = self.processes.get_mut(*process) {
                    seer.watch.frozen_from = Some(now);
                    self.comes((*span).min(WATCH_LIMIT), Coming::Thaws(*process, now));
                }
            }
            Trouble::WatchCut { process } => {
                if self
                    .processes
                    .get(*process)
                    .is_some_and(|seer| seer.is == Life::Up)
                    && !self.weather.down(self.now)
                {
                    let doubts = self.relist(*process);
                    self.clear(*process, doubts);
                }
            }
            Trouble::Crash { .. }
            | Trouble::Stop { .. }
            | Trouble::BothLead { .. }
            | Trouble::ApiDown { .. }
            | Trouble::ApiRefuses { .. }
            | Trouble::Meddle { .. }
            | Trouble::LoseAnswers { .. }
            | Trouble::Compact
            | Trouble::Restore { .. }
            | Trouble::WallJumps { .. } => {}
        }
    }

    fn set_trap(&mut self, process: usize, trap: Trap, gone: Ms) {
        let Some(victim) = self
            .processes
            .get_mut(process)
            .filter(|victim| victim.is == Life::Up)
        else {
            return;
        };
        victim.gone_for = gone;
        if trap == Trap::Now {
            victim.dead = true;
        } else {
            victim.trap = Some(trap);
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self, process: usize) {
        let Some(victim) = self.processes.get_mut(process) else {
            return;
        };
        let gone = victim.gone_for;
        let led = std::mem::replace(&mut victim.leads, false);
        victim.life += 1;
        victim.is = Life::Gone;
        victim.stopped_until = 0;
        victim.watch = WatchTrouble::default();
        victim.lose_memory();
        let life = victim.life;
        self.crashed = true;
        self.tell(|| format!("operator {process} dies"));
        if self.plant == Some(Plant::WritesBehind) {
            self.server.forget_last_status(at(self.now));
        }
        self.broken(gone + 5 * SECOND, Broken::Death(process));
        self.comes(gone, Coming::Starts(process, life));
        if led && self.processes.len() > 1 {
            self.broken(LEASE + 3 * SECOND, Broken::Leaderless);
            self.comes(LEASE, Coming::LeaseEnds(process));
        }
    }

    /// Something that came about by itself.
    pub fn comes_about(&mut self, coming: Coming) {
        match coming {
            Coming::Planned(_) | Coming::Answers(_) | Coming::Shown(..) => {}
            Coming::Lands(number) => self.land(number),
            Coming::Arrives {
                sender,
                host,
                delivery,
                unclear,
            } => self.arrive(sender, host, delivery, unclear),
            Coming::Known {
                sender,
                number,
                outcome,
            } => self.settle(sender, number, &outcome),
            Coming::Doubts(process, key) => self.clear(process, vec![key]),
            Coming::Hears(process) => {
                let doubts = self.hear(process);
                self.clear(process, doubts);
            }
            Coming::Thaws(process, since) => {
                if let Some(seer) = self
                    .processes
                    .get_mut(process)
                    .filter(|seer| seer.watch.frozen_from == Some(since))
                {
                    seer.watch.frozen_from = None;
                    self.comes(10, Coming::Hears(process));
                }
            }
            Coming::Starts(process, life) => self.start(process, life),
            Coming::Ready(process, life) => self.ready(process, life),
            Coming::Continues(process) => self.go_on_after_stop(process),
            Coming::LeaseEnds(process) => self.lease_ends(process),
            Coming::StepsDown(process) => self.step_down(process),
            Coming::Meddles => self.meddle(),
        }
    }

    fn start(&mut self, process: usize, life: u32) {
        let trip = self.rng.i64(100..1_200);
        self.comes(trip, Coming::Ready(process, life));
    }

    fn ready(&mut self, process: usize, life: u32) {
        let (now, down) = (
            self.now,
            self.weather.down(self.now) || self.now < self.weather.refuses_until,
        );
        if self
            .processes
            .get(process)
            .is_none_or(|seer| seer.life != life || seer.is == Life::Up)
        {
            return;
        }
        if down {
            return self.comes(SECOND, Coming::Ready(process, life));
        }
        let nobody_leads = self.processes.iter().all(|other| !other.leads);
        // The lease of a leader that died is held until it ends.
        let first = life == 0 && process == 0;
        let alone = self.processes.len() == 1;
        if let Some(seer) = self.processes.get_mut(process) {
            seer.is = Life::Up;
            seer.set_clock(now);
            seer.leads = nobody_leads && (first || alone);
        }
        self.tell(|| format!("operator {process} is ready"));
        self.relist(process);
        self.see_as_after_a_start(process);
        let since = self.ledger.outages.iter_mut().rev();
        let mut since = since.filter(|outage| outage.what == Broken::Death(process));
        if let Some(outage) = since.next() {
            outage.until = now + 3 * SECOND;
        }
    }

    /// What a faulty operator sees after its start.
    fn see_as_after_a_start(&mut self, process: usize) {
        if !matches!(
            self.plant,
            Some(Plant::SendingNotResent | Plant::StartIgnoresArmed)
        ) || !self.crashed
        {
            return;
        }
        let held = self
            .processes
            .get(process)
            .map(|seer| seer.tickets.keys_in(None));
        for key in held.unwrap_or_default() {
            if let Ok(stored) = self.server.get(&key.name) {
                let faulty = plant::seen_after_start(self.plant, stored);
                let now = self.now;
                if let Some(seer) = self.processes.get_mut(process) {
                    let uid = faulty.metadata.uid.clone();
                    seer.lose(&key, uid.as_deref(), now);
                    seer.take(&faulty, Origin::Live, now, true);
                }
            }
        }
    }

    fn meddle(&mut self) {
        let time = at(self.now);
        let (_, tickets) = self.server.list(super::server::Selector::NotArchived);
        for ticket in tickets {
            let key = Key::of(&ticket.metadata);
            if let Some(mut status) = ticket.status.clone() {
                status.waiting_for = None;
                // Whoever meddles does not care for an answer.
                let _ = self.server.put_status(&key.name, None, status, time);
            }
        }
        self.spread();
        self.comes(30 * MINUTE, Coming::Meddles);
    }

    /// A stopped operator gets nothing until it continues.
    pub fn unless_stopped(&mut self, coming: Coming) -> Option<Coming> {
        let process = match &coming {
            Coming::Answers(number) | Coming::Shown(number, _) => {
                self.calls.get(number).map(|call| call.sender.0)
            }
            Coming::Known { sender, .. } => Some(sender.0),
            Coming::Hears(process) | Coming::Doubts(process, _) => Some(*process),
            Coming::Planned(_)
            | Coming::Lands(_)
            | Coming::Arrives { .. }
            | Coming::Thaws(..)
            | Coming::Starts(..)
            | Coming::Ready(..)
            | Coming::Continues(_)
            | Coming::LeaseEnds(_)
            | Coming::StepsDown(_)
            | Coming::Meddles => None,
        };
        let until = process
            .and_then(|process| self.processes.get(process))
            .map(|seer| seer.stopped_until);
        match until.filter(|until| *until > self.now) {
            Some(until) => {
                self.comes(until - self.now, coming);
                None
            }
            None => Some(coming),
        }
    }

    /// How a receiver is now.
    pub fn mood(&self, host: usize) -> Mood {
        match self.moods.get(host) {
            Some((mood, until)) if *until > self.now => *mood,
            Some(_) | None => Mood::Takes,
        }
    }
}

//! Who leads: a lease that ends when its holder is gone or stopped, and the moment in which two hold it.

use super::happening::LEASE;
use super::inside::{Coming, Inside};
use super::ledger::Broken;
use super::moment::{Ms, SECOND};
use super::process::Life;
use crate::controller::schedule::Schedule;
use crate::outbox::{DrivenOutbox, OutboxConfig};

impl Inside {
    /// SIGSTOP.
    pub fn stop(&mut self, process: usize, span: Ms) {
        let until = self.now + span;
        let others = self.processes.len() > 1;
        let Some(victim) = self
            .processes
            .get_mut(process)
            .filter(|victim| victim.is == Life::Up)
        else {
            return;
        };
        victim.stopped_until = until;
        let leads = victim.leads;
        self.comes(span, Coming::Continues(process));
        if leads && others && span > LEASE {
            self.comes(LEASE, Coming::LeaseEnds(process));
        }
    }

    /// An operator begins to decide: it looks at everything as after a start.
    pub fn take_up(&mut self, process: usize) {
        let now = self.now;
        let Some(seer) = self
            .processes
            .get_mut(process)
            .filter(|seer| seer.is == Life::Up)
        else {
            return;
        };
        seer.leads = true;
        seer.lose_memory();
        seer.took_over = now;
        let heard = self.server.version();
        let doubts = self.relist(process);
        if let Some(seer) = self.processes.get_mut(process) {
            seer.heard = heard;
            seer.policies = self.policies.clone();
        }
        self.broken(5 * SECOND, Broken::HandOver);
        self.ledger
            .tell(now, || format!("operator {process} leads"));
        self.clear(process, doubts);
    }

    /// SIGCONT.
    pub fn go_on_after_stop(&mut self, process: usize) {
        let led_by_another = self
            .processes
            .iter()
            .enumerate()
            .any(|(other, seer)| other != process && seer.leads);
        let span = self.rng.i64(20..300);
        if led_by_another {
            self.comes(span, Coming::StepsDown(process));
        }
        self.comes(5, Coming::Hears(process));
    }

    /// The lease of a leader that is gone or stopped ends: another takes the lead.
    pub fn lease_ends(&mut self, of: usize) {
        let now = self.now;
        if self
            .processes
            .get(of)
            .is_some_and(|seer| seer.leads && seer.awake(now))
        {
            return;
        }
        let next = self
            .processes
            .iter()
            .position(|seer| seer.number != of && seer.awake(now));
        let next = next.or_else(|| self.processes.iter().position(|seer| seer.awake(now)));
        match next {
            Some(next)
                if self
                    .processes
                    .iter()
                    .all(|seer| !seer.leads || seer.number == of) =>
            {
                self.take_up(next);
            }
            Some(_) => {}
            None => self.comes(SECOND, Coming::LeaseEnds(of)),
        }
    }

    /// It finds out that another leads.
    pub fn step_down(&mut self, process: usize) {
        let others = self
            .processes
            .iter()
            .enumerate()
            .any(|(other, seer)| other != process && seer.leads);
        if let Some(seer) = self.processes.get_mut(process).filter(|_| others) {
            seer.leads = false;
            seer.schedule = Schedule::default();
            seer.outbox = DrivenOutbox::new(OutboxConfig::default());
            seer.flying.clear();
            self.broken(5 * SECOND, Broken::HandOver);
            self.tell(|| format!("operator {process} no longer leads"));
        }
    }
}

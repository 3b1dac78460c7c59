//! What is written down about a run, for the checks: what receivers got, what left when, what each operator knew when,
//! and what was broken when. Nothing in it comes from a decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::moment::{Ms, clock};
use super::plan::Trouble;
use super::receivers::Mood;
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, FailureCause, OutboxView, Progress, ValidWhile,
};

/// A message that a receiver got.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// When.
    pub at: Ms,
    /// Which receiver.
    pub host: usize,
    /// The id it wore.
    pub id: String,
    /// The whole.
    pub delivery: Arc<Delivery>,
    /// Its sender could not know that it arrived.
    pub unclear: bool,
}

/// A try that began.
#[derive(Clone, Debug)]
pub struct Departure {
    /// When.
    pub at: Ms,
    /// Of which operator.
    pub process: usize,
    /// Of which life of it.
    pub life: u32,
    /// What left.
    pub delivery: Arc<Delivery>,
}

/// A message that an operator handed to its outbox.
#[derive(Clone, Debug)]
pub struct HandedOver {
    /// When.
    pub at: Ms,
    /// Operator and life of it.
    pub sender: (usize, u32),
    /// Of which ticket.
    pub uid: String,
    /// Its id.
    pub id: DeliveryId,
    /// When it was due.
    pub due: Timestamp,
    /// Its round.
    pub round: i64,
    /// Its step; `None` = a notice.
    pub step: Option<String>,
    /// A person asked for it.
    pub asked_for: bool,
}

/// A message that no receiver took, as its outbox said.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When.
    pub at: Ms,
    /// Operator and life of it.
    pub sender: (usize, u32),
    /// The id of the message.
    pub id: DeliveryId,
    /// When its last try ended, by its sender's clock.
    pub ended: Timestamp,
    /// Whether it was tried until its time was up; else it was refused for good.
    pub budget_ended: bool,
}

/// Several messages that left as one.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// When.
    pub at: Ms,
    /// The id it wore.
    pub id: String,
    /// Its messages.
    pub members: Vec<Arc<Delivery>>,
}

/// A time in which something was broken.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Since when.
    pub from: Ms,
    /// Until when its effects may last.
    pub until: Ms,
    /// What.
    pub what: Broken,
}

/// What was broken.
#[derive(Clone, Debug, PartialEq)]
pub enum Broken {
    /// A receiver.
    Receiver(usize, Mood),
    /// Anything else.
    Trouble(Trouble),
    /// An operator had died and was not at work yet.
    Death(usize),
    /// An operator took the lead over, or lost it.
    HandOver,
    /// The answer to a status write did not come.
    LostAnswer,
    /// The leader died and its lease had not ended.
    Leaderless,
}

/// Whose knowledge: operator, its life, uid of the ticket.
type Knower = (usize, u32, String);

/// What is written down.
#[derive(Debug, Default)]
pub struct Ledger {
    /// In order of time.
    pub receipts: Vec<Receipt>,
    /// In order of time.
    pub departures: Vec<Departure>,
    /// In order of time.
    pub handed_over: Vec<HandedOver>,
    /// In order of time.
    pub failures: Vec<Failure>,
    /// In order of time.
    pub bundles: Vec<Bundle>,
    /// As they were planned and as they came.
    pub outages: Vec<Outage>,
    /// Which version of a ticket an operator had when.
    pub known: BTreeMap<Knower, Vec<(Ms, u64)>>,
    /// Which policies an operator's decisions could change with: moments at which any policy changed.
    pub policy_changes: Vec<Ms>,
    /// When stored statuses changed.
    pub writes: Vec<Ms>,
    /// Answers to wait that no answer may be.
    pub bad_waits: Vec<(Ms, String, String)>,
    /// Told only when somebody listens.
    pub story: Option<Vec<(Ms, String)>>,
}

impl Ledger {
    /// Adds a line to the story, if somebody listens.
    pub fn tell(&mut self, at: Ms, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push((at, line()));
        }
    }

    /// Notes what an operator hands to its outbox.
    pub fn hands_over(&mut self, at: Ms, sender: (usize, u32), deliveries: &[Delivery]) {
        let messages = deliveries.iter().map(|delivery| {
            let data = &delivery.message.data;
            HandedOver {
                at,
                sender,
                uid: delivery.ticket.uid.clone(),
                id: delivery.id.clone(),
                due: delivery.due,
                asked_for: delivery.valid_while == ValidWhile::Open,
                round: data.round,
                step: data.step.clone(),
            }
        });
        self.handed_over.extend(messages);
    }

    /// Notes what has failed lately, by what an outbox shows.
    pub fn failed(&mut self, at: Ms, sender: (usize, u32), view: &OutboxView) {
        for (id, progress) in view {
            let Progress::Failed { time, cause, .. } = progress else {
                continue;
            };
            let known = |failure: &Failure| {
                failure.id == *id && failure.sender == sender && failure.ended == *time
            };
            if !self.failures.iter().any(known) {
                self.failures.push(Failure {
                    at,
                    sender,
                    id: id.clone(),
                    ended: *time,
                    budget_ended: *cause == FailureCause::BudgetEnded,
                });
            }
        }
    }

    /// Notes that messages left as one.
    pub fn bundled(&mut self, at: Ms, id: String, members: &[Arc<Delivery>]) {
        let members = members.to_vec();
        self.bundles.push(Bundle { at, id, members });
    }

    /// Notes that an operator has a version of a ticket.
    pub fn knows(&mut self, (process, life): (usize, u32), uid: &str, at: Ms, version: u64) {
        let known = self
            .known
            .entry((process, life, uid.to_owned()))
            .or_default();
        if known.last().is_none_or(|(_, last)| *last != version) {
            known.push((at, version));
        }
    }

    /// The story as lines.
    pub fn lines(&self) -> Vec<String> {
        let story = self.story.iter().flatten();
        story
            .map(|(at, line)| format!("{}  {line}", clock(*at)))
            .collect()
    }

    /// Whether anything that fits was broken in a time.
    pub fn broken(&self, from: Ms, until: Ms, fits: impl Fn(&Broken) -> bool) -> bool {
        let mut within = self
            .outages
            .iter()
            .filter(|outage| outage.from <= until && outage.until >= from);
        within.any(|outage| fits(&outage.what))
    }
}

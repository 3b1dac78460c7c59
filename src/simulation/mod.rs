//! What would become of a ticket: one ticket, one policy and everybody reachable, in memory, at the speed of thought.
//!
//! It drives the production loop (`controller::drive`) and so the very decisions that the operator makes; nothing about
//! steps, holds or targets is computed here. The document, `simulate` and `diff` show what it finds.

mod timetable;
mod world;

use std::sync::Arc;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};

use crate::api::{Severity, TicketStatus};
use crate::controller::drive::drive;
use crate::domain::observed::Settings;
use crate::domain::policy::ValidPolicy;
use crate::domain::telling::delivery::Target;

pub use timetable::{Line, Timetable, timetables};

use world::OneTicket;

/// The reason by which Events tell that nobody acknowledged to the end.
pub const EXHAUSTED: &str = "Exhausted";
/// Looks at the ticket without any progress after which a simulation ends: decisions always come to rest, so this is
/// never reached.
const TURNS_MOST: usize = 1_000_000;

/// What to suppose about a ticket.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its severity.
    pub severity: Severity,
    /// When it is created.
    pub at: Timestamp,
    /// Its service, where maintenance tells services apart.
    pub service: Option<String>,
    /// What people do, and when.
    pub facts: Vec<(Timestamp, Fact)>,
    /// The simulation ends here.
    pub until: Timestamp,
    /// It ends after so many entries too.
    pub most: usize,
}

impl Case {
    /// A ticket that nobody touches, followed for a week.
    pub fn untouched(severity: Severity, at: Timestamp) -> Self {
        let week = SignedDuration::from_hours(7 * 24);
        Self {
            severity,
            at,
            service: None,
            facts: Vec::new(),
            until: at.saturating_add(week).unwrap_or(Timestamp::MAX),
            most: 2000,
        }
    }
}

/// Something a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Acknowledges.
    Acknowledged,
    /// Resolves.
    Resolved,
    /// Holds it until then, waiting for the customer.
    Held {
        /// When the hold ends by itself.
        until: Timestamp,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Course {
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// The ticket's status at the end.
    pub status: TicketStatus,
    /// There would be more: the limit of entries was reached.
    pub cut: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// What.
    pub what: What,
}

impl Entry {
    /// Whether it is what Events call by this reason.
    pub fn is(&self, word: &str) -> bool {
        match &self.what {
            What::Happened { reason, .. } => *reason == word,
            What::Told(_) => false,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody was told.
    Told(Told),
    /// Something became of the ticket.
    Happened {
        /// One CamelCase word, as Events have it.
        reason: &'static str,
        /// Whether it asks for a person's attention.
        warning: bool,
        /// In words.
        note: String,
    },
}

/// A message that reached somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `Page`, or the kind of the notice.
    pub kind: String,
    /// The step of a page.
    pub step: Option<String>,
    /// 0 is the step itself.
    pub repeat: i64,
    /// Round of the chain.
    pub round: i64,
    /// Whom.
    pub target: Target,
    /// Name of the connector by which.
    pub via: String,
    /// Why, in a sentence.
    pub why: String,
}

/// Runs a case to its end.
pub fn run(policy: &Arc<ValidPolicy>, case: &Case) -> Course {
    let mut world = OneTicket::new(policy, case);
    let settings = Settings::default();
    let mut facts = case.facts.clone();
    facts.sort_by_key(|(time, _)| *time);
    let mut facts = facts.into_iter().peekable();
    let mut cut = false;
    for _ in 0..TURNS_MOST {
        while let Some((time, fact)) = facts.next_if(|(time, _)| *time <= world.now) {
            world.declare(time, fact);
        }
        let seen = world.observe();
        // Nothing in this world is waited for, so the loop comes to rest at once.
        let Some(Ok(rest)) = drive(&mut world, seen, &settings).now_or_never() else {
            break;
        };
        if world.entries.len() >= case.most {
            cut = true;
            break;
        }
        let fact = facts.peek().map(|(time, _)| *time);
        let next = [rest.until, fact].into_iter().flatten().min();
        match next.filter(|next| *next <= case.until) {
            Some(next) => world.now = world.now.max(next),
            None => break,
        }
    }
    Course {
        entries: world.entries,
        status: world.ticket.status.unwrap_or_default(),
        cut,
    }
}

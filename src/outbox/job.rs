//! One delivery in the outbox: where it stands, on which way, and what went wrong so far.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::api::ConnectorType;
use crate::connectors::{Attempt, SendOutcome};
use crate::domain::telling::delivery::{
    Delivery, DeliveryId, FailureCause, Progress, ValidWhile, Way,
};
use crate::outbox::book::kept_whole;
use crate::outbox::budget::{Budget, RetryRule};
use crate::outbox::observer::{About, Ended};

/// Longest text about failures that a result carries.
const MESSAGE_BYTES: usize = 1024;

/// A delivery the outbox knows.
#[derive(Debug)]
pub(super) enum Job {
    /// It has no result yet.
    Open(Box<OpenJob>),
    /// Nor has this one, for which its lane has no room.
    Aside(Box<Aside>),
    /// It has one, kept until the status has it too.
    Done(Progress),
}

impl Job {
    /// Whether it has no result yet.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Open(_) | Self::Aside(_) => true,
            Self::Done(_) => false,
        }
    }
}

/// What is kept of a delivery that is set aside.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) about: About,
    pub(super) valid_while: ValidWhile,
    /// The turn of its place.
    pub(super) turn: u64,
    /// All of it, where its ticket may not be there to hand it over again.
    pub(super) whole: Option<Arc<Delivery>>,
    since: Timestamp,
    connector_type: Option<ConnectorType>,
}

impl Aside {
    /// As a decision sees it.
    pub(super) fn progress(&self) -> Progress {
        Progress::InFlight {
            since: self.since,
            attempts: 0,
        }
    }

    /// For log and metrics, with its result.
    pub(super) fn ended(&self, progress: Progress) -> Ended {
        Ended {
            about: self.about.clone(),
            since: self.since,
            connector_type: self.connector_type,
            progress,
        }
    }
}

/// What an open delivery is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Has a place in its lane.
    Queued,
    /// A worker is trying it.
    Running,
    /// Pauses before it is tried again.
    Pausing,
}

/// What becomes of a delivery after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The receiver took it.
    Delivered,
    /// Tried again on the same way at this instant.
    Pause(Instant),
    /// The next way takes over.
    NextWay,
    /// Tried again at once on the same way, by itself: the receiver did not take the bundle it was in.
    Alone,
    /// No way took it.
    Failed,
}

/// A delivery on its way.
#[derive(Debug)]
pub(super) struct OpenJob {
    pub(super) delivery: Arc<Delivery>,
    pub(super) since: Timestamp,
    pub(super) stage: Stage,
    /// Changes with each change of stage; whoever holds an older one speaks of the past.
    pub(super) turn: u64,
    pub(super) attempts: u32,
    /// When it was handed over.
    pub(super) started: Instant,
    /// It was missed during a downtime.
    pub(super) late: bool,
    /// It must not be bundled.
    pub(super) alone: bool,
    /// Its timer.
    pub(super) timer: Option<(Instant, u64)>,
    way: usize,
    budget: Budget,
    /// The latest trouble on the present way.
    trouble: String,
    /// The troubles of the ways given up.
    given_up: String,
    all_refused: bool,
}

impl OpenJob {
    /// A delivery handed over at `now` (`time` on the clock).
    pub(super) fn new(delivery: Delivery, rule: RetryRule, now: Instant, time: Timestamp) -> Self {
        let until = delivery.retry_until.map(|until| {
            std::time::Duration::try_from(until.duration_since(time)).unwrap_or_default()
        });
        Self {
            budget: Budget::new(rule, now, until, delivery.ways.len()),
            delivery: Arc::new(delivery),
            since: time,
            stage: Stage::Queued,
            turn: 0,
            attempts: 0,
            started: now,
            late: false,
            alone: false,
            timer: None,
            way: 0,
            trouble: String::new(),
            given_up: String::new(),
            all_refused: true,
        }
    }

    /// The way it is on; `None` when it has none.
    pub(super) fn way(&self) -> Option<&Way> {
        self.delivery.ways.get(self.way)
    }

    /// When its present way's share is over.
    pub(super) fn patience(&self) -> Instant {
        self.budget.way_ends()
    }

    /// Whether another way is left.
    pub(super) fn has_other_way(&self) -> bool {
        self.way + 1 < self.delivery.ways.len()
    }

    /// Whether waiting for its turn may end without a try: another way is left, or it has been tried already.
    pub(super) fn may_give_up(&self) -> bool {
        self.has_other_way() || !self.budget.way_is_fresh()
    }

    /// The receiver did not take the bundle it was in; it may take this message.
    pub(super) fn leave_bundle(&mut self) -> After {
        self.alone = true;
        After::Alone
    }

    /// Counts a try.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(Way, Attempt)> {
        let way = self.delivery.ways.get(self.way)?.clone();
        let timeout = u64::try_from(way.connector.timeout.as_millis()).unwrap_or(0);
        let timeout = match timeout {
            0 => crate::connectors::http::DEFAULT_TIMEOUT,
            millis => std::time::Duration::from_millis(millis),
        };
        self.stage = Stage::Running;
        self.attempts += 1;
        let limit = self.budget.spend(now, timeout);
        Some((
            way,
            Attempt {
                number: self.attempts,
                limit,
            },
        ))
    }

    /// Judges how a try ended that went out under `id`, its own or that of a bundle, whose members stay together so.
    pub(super) fn after(&mut self, outcome: SendOutcome, now: Instant, id: &DeliveryId) -> After {
        match outcome {
            SendOutcome::Delivered => After::Delivered,
            SendOutcome::Refused { message } => {
                self.trouble = message;
                self.give_up_way(now)
            }
            SendOutcome::Retry { message, after } => {
                self.trouble = message;
                match self.budget.pause(now, after, id) {
                    Some(pause) => After::Pause(now + pause),
                    None => self.outlast_way(now, ""),
                }
            }
        }
    }

    /// The present way's share is used up, or is not worth waiting for because of `trouble`.
    pub(super) fn outlast_way(&mut self, now: Instant, trouble: &str) -> After {
        self.all_refused = false;
        if self.trouble.is_empty() {
            trouble.clone_into(&mut self.trouble);
        }
        if self.trouble.is_empty() {
            "too many deliveries wait for this receiver".clone_into(&mut self.trouble);
        }
        self.give_up_way(now)
    }

    fn give_up_way(&mut self, now: Instant) -> After {
        let name = self
            .way()
            .map(|way| way.connector.name.clone())
            .unwrap_or_default();
        if !self.given_up.is_empty() {
            self.given_up.push_str("; ");
        }
        let trouble = std::mem::take(&mut self.trouble);
        let text = format!("connector {name:?}: {trouble}");
        self.given_up.push_str(&text);
        cut(&mut self.given_up);
        if self.way + 1 >= self.delivery.ways.len() {
            return After::Failed;
        }
        self.way += 1;
        self.budget.next_way(now);
        After::NextWay
    }

    /// The result "delivered", with what went wrong before.
    pub(super) fn delivered(&self, time: Timestamp) -> Progress {
        Progress::Delivered {
            since: self.since,
            time,
            attempts: self.attempts,
            message: self.given_up.clone(),
        }
    }

    /// The result "failed".
    pub(super) fn failed(&self, time: Timestamp) -> Progress {
        if self.delivery.ways.is_empty() {
            let message = format!(
                "{} has no way to be reached; add one to `reach`",
                self.delivery.target
            );
            return Progress::Failed {
                since: self.since,
                time,
                attempts: 0,
                message,
                cause: FailureCause::Refused,
            };
        }
        let cause = if self.all_refused {
            FailureCause::Refused
        } else {
            FailureCause::BudgetEnded
        };
        Progress::Failed {
            since: self.since,
            time,
            attempts: self.attempts,
            message: self.given_up.clone(),
            cause,
        }
    }

    /// As a decision sees it.
    pub(super) fn progress(&self) -> Progress {
        Progress::InFlight {
            since: self.since,
            attempts: self.attempts,
        }
    }

    /// For log and metrics, with its result.
    pub(super) fn ended(&self, progress: Progress) -> Ended {
        Ended {
            about: About::of(&self.delivery),
            since: self.since,
            connector_type: self.connector_type(),
            progress,
        }
    }

    /// What is kept of it while it is set aside.
    pub(super) fn aside(&self, turn: u64) -> Aside {
        Aside {
            about: About::of(&self.delivery),
            valid_while: self.delivery.valid_while,
            turn,
            whole: kept_whole(&self.delivery),
            since: self.since,
            connector_type: self.connector_type(),
        }
    }

    /// The type of its present way, or of its last one.
    fn connector_type(&self) -> Option<ConnectorType> {
        let last = self.delivery.ways.len().checked_sub(1)?;
        let way = self.delivery.ways.get(self.way.min(last))?;
        Some(way.connector.type_)
    }
}

/// Cuts on a character.
fn cut(text: &mut String) {
    if text.len() > MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES));
    }
}

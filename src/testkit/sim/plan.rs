//! What happens in a run, as a list of values: the same list is always the same run, and a failing one is shortened by
//! leaving things out.

use std::fmt;

use super::agreement::Agreement;
use super::moment::{MINUTE, Ms, SECOND, clock};
use super::people::Edit;
use super::receivers::Mood;
use crate::api::Severity;

/// A run before it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where it came from; decides latencies too.
    pub seed: u64,
    /// The policies as people wrote them; the first is the default.
    pub policies: Vec<Agreement>,
    /// How many operators there are; the first leads.
    pub processes: usize,
    /// Statuses travel as JSON Patches.
    pub by_patch: bool,
    /// Closed tickets are archived after that.
    pub archive_after: Ms,
    /// What happens, in order of time.
    pub events: Vec<Event>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Ms,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A ticket is created.
    Open(Opening),
    /// A person or tool edits a ticket.
    Person {
        /// Number of the ticket.
        ticket: usize,
        /// The edit.
        edit: Edit,
    },
    /// A person edits a policy.
    Policy {
        /// Number of the policy.
        policy: usize,
        /// The edit.
        edit: PolicyEdit,
    },
    /// A receiver misbehaves for a while.
    Receiver {
        /// Number of the receiver.
        host: usize,
        /// How.
        mood: Mood,
        /// How long.
        span: Ms,
    },
    /// Something breaks.
    Trouble(Trouble),
}

/// A new ticket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opening {
    /// Its number.
    pub ticket: usize,
    /// Its severity; `None` = untriaged.
    pub severity: Option<Severity>,
    /// The policy it names; `None` = found by rule.
    pub policy: Option<usize>,
    /// An alert made it: it has a signal that fires.
    pub alert: bool,
}

/// An edit of a policy.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyEdit {
    /// Another valid content.
    Valid(Agreement),
    /// A content that no revision is made of.
    Invalid,
    /// Everything is held for so long.
    Suspend(Ms),
    /// It is deleted; its revisions stay.
    Delete,
}

/// Where a crash waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// At once.
    Now,
    /// Before the next status write is asked for.
    BeforeCommit,
    /// After the next status write is stored, before its answer arrives.
    AfterCommit,
    /// Before the next hand-over.
    BeforeHandOver,
    /// After the next hand-over: sends are on their way.
    AfterHandOver,
    /// After the next send arrived, before its answer does.
    AfterArrival,
}

impl Trap {
    fn words(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::BeforeCommit => "before its next status write",
            Self::AfterCommit => "after its next status write is stored",
            Self::BeforeHandOver => "before its next hand-over",
            Self::AfterHandOver => "after its next hand-over",
            Self::AfterArrival => "after its next page arrived",
        }
    }
}

/// Something that breaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// `kill -9`; started again after `gone`.
    Crash {
        /// Which operator.
        process: usize,
        /// Where.
        trap: Trap,
        /// For how long nothing runs.
        gone: Ms,
    },
    /// SIGSTOP, and SIGCONT after a while.
    Stop {
        /// Which operator.
        process: usize,
        /// How long.
        span: Ms,
    },
    /// Two operators decide at once.
    BothLead {
        /// How long.
        span: Ms,
    },
    /// The API server is gone.
    ApiDown {
        /// How long.
        span: Ms,
        /// Calls hang instead of being refused.
        hangs: bool,
    },
    /// The API server answers calls with an error.
    ApiRefuses {
        /// 429, 500, 503 or 504.
        code: u16,
        /// How long.
        span: Ms,
    },
    /// Somebody else writes just before each of the next status writes lands: 409.
    Meddle {
        /// How many.
        writes: u32,
    },
    /// The answers of the next status writes are lost; they landed.
    LoseAnswers {
        /// How many.
        writes: u32,
    },
    /// The watch is late.
    WatchLags {
        /// Whose.
        process: usize,
        /// By how much.
        lag: Ms,
        /// How long.
        span: Ms,
    },
    /// The watch falls silent.
    WatchFreezes {
        /// Whose.
        process: usize,
        /// How long.
        span: Ms,
    },
    /// The watch is cut and starts with a list.
    WatchCut {
        /// Whose.
        process: usize,
    },
    /// The log of the API server is compacted: a watch that is behind gets 410.
    Compact,
    /// The store is put back to an older state.
    Restore {
        /// How far back.
        back: Ms,
    },
    /// The wall clock of an operator's machine jumps.
    WallJumps {
        /// Whose.
        process: usize,
        /// By how much.
        by: Ms,
    },
}

impl Trouble {
    /// How long its effects may last by themselves.
    pub fn span(&self) -> Ms {
        match self {
            Self::Crash { gone, .. } => gone + 5 * SECOND,
            Self::Stop { span, .. }
            | Self::BothLead { span }
            | Self::ApiDown { span, .. }
            | Self::ApiRefuses { span, .. }
            | Self::WatchFreezes { span, .. } => *span,
            Self::WatchLags { span, lag, .. } => span + lag,
            Self::Meddle { .. }
            | Self::LoseAnswers { .. }
            | Self::WatchCut { .. }
            | Self::Compact
            | Self::Restore { .. }
            | Self::WallJumps { .. } => 5 * SECOND,
        }
    }

    /// Whether it should change nothing that anybody notices: neither time nor facts are lost.
    pub fn is_light(&self) -> bool {
        match self {
            Self::Meddle { .. }
            | Self::LoseAnswers { .. }
            | Self::WatchCut { .. }
            | Self::Compact
            | Self::WallJumps { .. } => true,
            Self::WatchLags { lag, .. } => *lag <= SECOND / 2,
            Self::Crash { .. }
            | Self::Stop { .. }
            | Self::BothLead { .. }
            | Self::ApiDown { .. }
            | Self::ApiRefuses { .. }
            | Self::WatchFreezes { .. }
            | Self::Restore { .. } => false,
        }
    }
}

impl What {
    /// Whether a run without faults has it too.
    pub fn is_calm(&self) -> bool {
        match self {
            Self::Open(_) | Self::Person { .. } | Self::Policy { .. } => true,
            Self::Receiver { .. } | Self::Trouble(_) => false,
        }
    }
}

impl Plan {
    /// The same without anything that breaks, nor what people did to tickets in a time that a restore took back.
    #[must_use]
    pub fn calm(&self) -> Self {
        let events = self.events.iter().enumerate();
        let events = events.filter(|(place, event)| event.what.is_calm() && !self.undoes(*place));
        Self {
            events: events.map(|(_, event)| event.clone()).collect(),
            processes: 1,
            by_patch: false,
            ..self.clone()
        }
    }

    /// Whether a restore takes back what happened in the event of that place.
    fn undoes(&self, place: usize) -> bool {
        let Some(event) = self.events.get(place).filter(|event| match event.what {
            What::Open(_) | What::Person { .. } => true,
            What::Policy { .. } | What::Receiver { .. } | What::Trouble(_) => false,
        }) else {
            return false;
        };
        let mut after = self.events.iter().skip(place);
        after.any(|later| match later.what {
            What::Trouble(Trouble::Restore { back }) => event.at > later.at - back,
            What::Open(_)
            | What::Person { .. }
            | What::Policy { .. }
            | What::Receiver { .. }
            | What::Trouble(_) => false,
        })
    }

    /// When the last thing happens and is over.
    pub fn end(&self) -> Ms {
        let ends = self.events.iter().map(|event| {
            event.at
                + match &event.what {
                    What::Receiver { span, .. } => *span,
                    What::Trouble(trouble) => trouble.span(),
                    What::Open(_) | What::Person { .. } | What::Policy { .. } => 0,
                }
        });
        ends.max().unwrap_or(0) + MINUTE
    }
}

/// `7m30s`.
pub fn spell(ms: Ms) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.abs();
    let (minutes, rest) = (ms / MINUTE, ms % MINUTE);
    let (seconds, millis) = (rest / SECOND, rest % SECOND);
    match (minutes, seconds, millis) {
        (0, 0, millis) => format!("{sign}{millis}ms"),
        (minutes, 0, 0) => format!("{sign}{minutes}m"),
        (0, seconds, 0) => format!("{sign}{seconds}s"),
        (0, seconds, millis) => format!("{sign}{seconds}.{millis:03}s"),
        (minutes, seconds, _) => format!("{sign}{minutes}m{seconds}s"),
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", clock(self.at), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(opening) => {
                write!(f, "ticket-{} is opened", opening.ticket)?;
                match opening.severity {
                    Some(severity) => write!(f, ", {severity:?}")?,
                    None => f.write_str(", untriaged")?,
                }
                if let Some(policy) = opening.policy {
                    write!(f, ", on policy-{policy}")?;
                }
                if opening.alert {
                    f.write_str(", by an alert that fires")
                } else {
                    Ok(())
                }
            }
            Self::Person { ticket, edit } => write!(f, "ticket-{ticket}: {edit}"),
            Self::Policy { policy, edit } => match edit {
                PolicyEdit::Valid(agreement) => {
                    write!(f, "policy-{policy} is edited to\n{}", agreement.text)
                }
                PolicyEdit::Invalid => write!(f, "policy-{policy} is edited to something invalid"),
                PolicyEdit::Suspend(span) => {
                    write!(f, "policy-{policy} is suspended for {}", spell(*span))
                }
                PolicyEdit::Delete => write!(f, "policy-{policy} is deleted"),
            },
            Self::Receiver { host, mood, span } => {
                write!(f, "receiver {host} {} for {}", mood.words(), spell(*span))
            }
            Self::Trouble(trouble) => trouble.fmt(f),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash {
                process,
                trap,
                gone,
            } => {
                let place = trap.words();
                write!(
                    f,
                    "operator {process} is killed {place} and gone for {}",
                    spell(*gone)
                )
            }
            Self::Stop { process, span } => {
                write!(f, "operator {process} is stopped for {}", spell(*span))
            }
            Self::BothLead { span } => write!(f, "both operators lead for {}", spell(*span)),
            Self::ApiDown { span, hangs } => {
                let how = if *hangs { "does not answer" } else { "is down" };
                write!(f, "the API server {how} for {}", spell(*span))
            }
            Self::ApiRefuses { code, span } => {
                write!(f, "the API server answers {code} for {}", spell(*span))
            }
            Self::Meddle { writes } => write!(
                f,
                "the next {writes} status writes meet somebody else's write"
            ),
            Self::LoseAnswers { writes } => {
                write!(f, "the answers of the next {writes} status writes are lost")
            }
            Self::WatchLags { process, lag, span } => write!(
                f,
                "the watch of operator {process} is {} late for {}",
                spell(*lag),
                spell(*span)
            ),
            Self::WatchFreezes { process, span } => {
                write!(
                    f,
                    "the watch of operator {process} is silent for {}",
                    spell(*span)
                )
            }
            Self::WatchCut { process } => write!(f, "the watch of operator {process} is cut"),
            Self::Compact => f.write_str("the API server's log is compacted"),
            Self::Restore { back } => write!(f, "the API server is put back by {}", spell(*back)),
            Self::WallJumps { process, by } => {
                write!(
                    f,
                    "the wall clock of operator {process} jumps by {}",
                    spell(*by)
                )
            }
        }
    }
}

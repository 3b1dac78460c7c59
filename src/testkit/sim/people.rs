//! What people and tools do to a ticket: each edit as a value, and how it changes the spec.

use std::fmt;

use super::moment::{Ms, at};
use super::plan::spell;
use crate::api::{
    Acknowledgement, Assignment, Audience, Closure, ClosureReason, DuplicateRef, EscalationRequest,
    Hold, HoldReason, Resolution, Severity, Signal, SignalState, TicketSpec, Time, Triage, Update,
    Validation, ValidationResult,
};

/// One edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Somebody answers.
    Acknowledge,
    /// The answer is taken back.
    RevokeAcknowledgement,
    /// Its block is removed.
    RemoveAcknowledgement,
    /// Severity is judged.
    Triage(Severity),
    /// Severity is changed, nothing else.
    Severity(Severity),
    /// Somebody works on it.
    Assign,
    /// A hold of that number is set for so long.
    Hold(usize, HoldReason, Ms),
    /// It is lifted.
    Lift(usize),
    /// At least that step.
    AtLeast(&'static str),
    /// Page again.
    PageAgain,
    /// A status update.
    Update,
    /// It is solved.
    Resolve,
    /// It is not: the block is removed.
    Unresolve,
    /// The customer says so.
    Validate(ValidationResult),
    /// It is closed.
    Close(ClosureReason),
    /// It is not: the block is removed.
    Reopen,
    /// It repeats the ticket of that number.
    Duplicate(usize),
    /// It does not.
    Unduplicate,
    /// The source of an alert speaks.
    Signal(SignalState),
    /// It is deleted.
    Delete,
}

impl Edit {
    /// The blocks that it owns.
    pub fn block(&self) -> &'static str {
        match self {
            Self::Acknowledge | Self::RevokeAcknowledgement | Self::RemoveAcknowledgement => {
                "acknowledgement"
            }
            Self::Triage(_) => "triage+severity",
            Self::Severity(_) => "severity",
            Self::Assign => "assignment",
            Self::Hold(..) | Self::Lift(_) => "holds",
            Self::AtLeast(_) | Self::PageAgain => "escalation",
            Self::Update => "update",
            Self::Resolve | Self::Unresolve => "resolution",
            Self::Validate(_) => "validation",
            Self::Close(_) | Self::Reopen => "closure",
            Self::Duplicate(_) | Self::Unduplicate => "duplicateOf",
            Self::Signal(_) => "signal",
            Self::Delete => "",
        }
    }

    /// Changes the spec. `now` tells one fact from another of the same words.
    pub fn apply(&self, spec: &mut TicketSpec, now: Ms) {
        match self {
            Self::RevokeAcknowledgement => {
                if let Some(known) = &mut spec.acknowledgement {
                    known.revoked = true;
                }
            }
            Self::RemoveAcknowledgement => spec.acknowledgement = None,
            Self::Triage(severity) => {
                let by = by();
                spec.severity = Some(*severity);
                spec.triage = Some(Triage { by, note: None });
            }
            Self::Severity(severity) => spec.severity = Some(*severity),
            Self::Hold(number, reason, span) => hold(spec, *number, *reason, now + span),
            Self::Lift(number) => {
                let name = format!("hold-{number}");
                spec.holds.retain(|known| known.name != name);
            }
            Self::Unresolve => spec.resolution = None,
            Self::Reopen => spec.closure = None,
            Self::Unduplicate => spec.duplicate_of = None,
            Self::Acknowledge
            | Self::Assign
            | Self::AtLeast(_)
            | Self::PageAgain
            | Self::Update
            | Self::Resolve
            | Self::Validate(_)
            | Self::Close(_)
            | Self::Duplicate(_)
            | Self::Signal(_)
            | Self::Delete => self.add(spec, now),
        }
    }

    /// Adds a block.
    fn add(&self, spec: &mut TicketSpec, now: Ms) {
        let token = Some(format!("t{now}"));
        let (by, note) = (by(), None);
        match self {
            Self::Acknowledge => {
                let known = Acknowledgement::default();
                spec.acknowledgement = Some(Acknowledgement { by, token, ..known });
            }
            Self::Assign => {
                let assignee = "bob".to_owned();
                spec.assignment = Some(Assignment { assignee, by, note });
            }
            Self::AtLeast(step) => spec.escalation = Some(request(Some(step), None, now)),
            Self::PageAgain => spec.escalation = Some(request(None, token, now)),
            Self::Update => spec.update = Some(update(by, now)),
            Self::Resolve => {
                let known = Resolution::default();
                spec.resolution = Some(Resolution { by, token, ..known });
            }
            Self::Validate(result) => spec.validation = Some(validation(*result, by, token)),
            Self::Close(reason) => spec.closure = Some(closure(*reason, by, token)),
            Self::Duplicate(of) => {
                let name = format!("ticket-{of}");
                spec.duplicate_of = Some(DuplicateRef { name });
            }
            Self::Signal(state) => spec.signal = Some(signal(*state, now)),
            Self::RevokeAcknowledgement
            | Self::RemoveAcknowledgement
            | Self::Triage(_)
            | Self::Severity(_)
            | Self::Hold(..)
            | Self::Lift(_)
            | Self::Unresolve
            | Self::Reopen
            | Self::Unduplicate
            | Self::Delete => {}
        }
    }
}

fn update(by: String, now: Ms) -> Update {
    Update {
        message: format!("still at it at {now}"),
        audience: Audience::Internal,
        by,
    }
}

fn validation(result: ValidationResult, by: String, token: Option<String>) -> Validation {
    let note = None;
    Validation {
        result,
        by,
        note,
        token,
    }
}

fn closure(reason: ClosureReason, by: String, token: Option<String>) -> Closure {
    let (note, revoked) = (None, false);
    Closure {
        by,
        reason,
        note,
        token,
        revoked,
    }
}

fn signal(state: SignalState, now: Ms) -> Signal {
    let (severity, time) = (None, Some(Time(at(now))));
    Signal {
        state,
        severity,
        time,
    }
}

fn by() -> String {
    "alice@example.com".to_owned()
}

fn hold(spec: &mut TicketSpec, number: usize, reason: HoldReason, until: Ms) {
    let name = format!("hold-{number}");
    spec.holds.retain(|known| known.name != name);
    spec.holds.push(Hold {
        name,
        reason,
        until_time: Some(Time(at(until))),
        by: "bob".to_owned(),
        note: None,
    });
}

fn request(step: Option<&&'static str>, page_again: Option<String>, now: Ms) -> EscalationRequest {
    EscalationRequest {
        at_least: step.map(|step| (*step).to_owned()),
        page_again,
        by: "carol".to_owned(),
        note: None,
        token: Some(format!("t{now}")),
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledge => f.write_str("alice acknowledges"),
            Self::RevokeAcknowledgement => f.write_str("the acknowledgement is revoked"),
            Self::RemoveAcknowledgement => f.write_str("the acknowledgement is removed"),
            Self::Triage(severity) => write!(f, "alice triages it as {severity:?}"),
            Self::Severity(severity) => write!(f, "its severity is set to {severity:?}"),
            Self::Assign => f.write_str("it is assigned to bob"),
            Self::Hold(number, reason, span) => {
                write!(
                    f,
                    "bob sets hold-{number} ({reason:?}) for {}",
                    spell(*span)
                )
            }
            Self::Lift(number) => write!(f, "hold-{number} is lifted"),
            Self::AtLeast(step) => write!(f, "carol asks for at least step \"{step}\""),
            Self::PageAgain => f.write_str("carol asks to page again"),
            Self::Update => f.write_str("alice posts an update"),
            Self::Resolve => f.write_str("alice resolves it"),
            Self::Unresolve => f.write_str("the resolution is removed"),
            Self::Validate(result) => write!(f, "the customer says {result:?}"),
            Self::Close(reason) => write!(f, "alice closes it ({reason:?})"),
            Self::Reopen => f.write_str("the closure is removed"),
            Self::Duplicate(of) => write!(f, "it is said to repeat ticket-{of}"),
            Self::Unduplicate => f.write_str("it is no duplicate after all"),
            Self::Signal(state) => write!(f, "its source says {state:?}"),
            Self::Delete => f.write_str("it is deleted"),
        }
    }
}

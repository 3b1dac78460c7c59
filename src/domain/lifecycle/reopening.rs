//! A ticket comes back: what was handled before is void until it changes, the clocks go on, a new round starts.
//!
//! Rule: `api.md` section 5 "Reopened".

use jiff::Timestamp;

use super::acknowledgement;
use crate::api::{NotifyOn, StartReason};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block};
use crate::domain::telling::notices::{self, Cause};
use crate::domain::{signal, targets};

/// What reopens a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopening {
    /// The resolution was revoked or removed.
    ResolutionTakenBack,
    /// The customer rejected the resolution.
    Rejected,
    /// The source fires again.
    SignalFires,
    /// The closure of an unresolved ticket was taken back.
    ClosureTakenBack,
    /// `duplicateOf` was removed, or names a ticket that it cannot be a duplicate of.
    NoDuplicate,
}

impl Reopening {
    fn words(self) -> &'static str {
        match self {
            Self::ResolutionTakenBack => "the resolution was taken back",
            Self::Rejected => "the resolution was rejected",
            Self::SignalFires => "the source fires again",
            Self::ClosureTakenBack => "the closure was taken back",
            Self::NoDuplicate => "it is no duplicate any more",
        }
    }

    /// Whether the resolution handled before is void until it changes.
    fn voids_resolution(self) -> bool {
        match self {
            Self::Rejected | Self::SignalFires => true,
            Self::ResolutionTakenBack | Self::ClosureTakenBack | Self::NoDuplicate => false,
        }
    }
}

/// Reopens a ticket at `at`. One that was resolved before it was called a duplicate is resolved again.
pub fn reopen(draft: &mut Draft<'_>, why: Reopening, at: Timestamp, actor: Option<&str>) {
    let status = &mut draft.status;
    status.reopen_count = Some(status.reopen_count.unwrap_or(0) + 1);
    let still_resolved = why == Reopening::NoDuplicate && status.resolve_time.is_some();
    if !still_resolved {
        targets::resume(draft, at);
        draft.status.resolve_time = None;
        // People say that it is not solved: the source must report the end anew.
        if signal::reported_end(draft) {
            facts::void(&mut draft.status, Block::Signal);
        }
    }
    let status = &mut draft.status;
    status.validate_time = None;
    status.close_time = None;
    status.duplicate_of = None;
    facts::void(status, Block::Validation);
    facts::void(status, Block::Closure);
    if why.voids_resolution() {
        facts::void(status, Block::Resolution);
    }
    acknowledgement::reopened(draft);
    tell(draft, why, at, actor, still_resolved);
    if !still_resolved {
        draft.reopened = Some(at);
        draft.start_again(StartReason::Reopened, at);
    }
}

fn tell(
    draft: &mut Draft<'_>,
    why: Reopening,
    at: Timestamp,
    actor: Option<&str>,
    still_resolved: bool,
) {
    let then = if still_resolved {
        "it is resolved as before"
    } else {
        "a new round of the chain starts"
    };
    let message = format!("Reopened: {}; {then}", why.words());
    draft.tell(Tell {
        reason: "Reopened",
        warning: false,
        at,
        actor,
        message: &message,
    });
    let reopenings = draft.status.reopen_count.unwrap_or(0);
    let cause = Cause::due(&format!("Reopened/{reopenings}"), at);
    notices::tell_all(draft, NotifyOn::Reopened, &cause);
}

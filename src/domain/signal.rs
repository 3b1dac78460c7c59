//! What the source of the alert says: it waits a while with the source, resolves with it, and comes back with it.
//!
//! `status.handled.signal` is the state last acted on: its word, since when, and void where people said afterwards
//! that it is not solved. Rule: `api.md` section 5 "Signal".

use jiff::Timestamp;

use crate::api::{Handled, OnResolved, SignalState};
use crate::domain::draft::{Draft, Tell, after};
use crate::domain::facts::{self, Block, Dated, Fresh};
use crate::domain::lifecycle::is_over;
use crate::domain::lifecycle::reopening::{Reopening, reopen};
use crate::domain::lifecycle::resolution;
use crate::domain::targets;

/// Whether the policy listens to the source; without a policy there is no rule yet.
pub fn counts(draft: &Draft<'_>) -> bool {
    let policy = draft.policy.as_deref();
    policy.is_some_and(|policy| match policy.signal().on_resolved {
        OnResolved::Resolve => true,
        OnResolved::Ignore => false,
    })
}

fn known<'d>(draft: &'d Draft<'_>) -> Option<&'d Handled> {
    draft.status.handled.get(Block::Signal.key())
}

/// Whether the end is what the source was last heard to say.
pub fn reported_end(draft: &Draft<'_>) -> bool {
    known(draft).is_some_and(|known| known.hash == facts::RESOLVED)
}

/// The state changed, or was said for the first time. A resend is no change.
pub fn declared(draft: &mut Draft<'_>, fresh: Fresh) {
    let Some(signal) = &draft.ticket().spec.signal else {
        return;
    };
    let waited = resolves_at(draft).is_some();
    let was_over = reported_end(draft);
    let readable = facts::written_by(draft.ticket(), "signal", draft.now);
    let earliest = known(draft).map_or(facts::created(draft.ticket(), draft.now), |known| {
        known.time.0
    });
    let since = match signal.state {
        SignalState::Firing => readable,
        SignalState::Resolved => {
            let said = signal.time.map_or(fresh.dated.time, |time| time.0);
            said.min(readable).max(earliest)
        }
    };
    facts::remember(&mut draft.status, Block::Signal, fresh.hash, since, false);
    if draft.status.close_time.is_some() {
        return;
    }
    match signal.state {
        SignalState::Resolved => over(draft, since),
        SignalState::Firing if was_over => fires_again(draft, since, waited),
        SignalState::Firing => {}
    }
}

fn over(draft: &mut Draft<'_>, since: Timestamp) {
    let Some(due) = resolves_at(draft) else {
        return;
    };
    if due <= draft.now {
        return;
    }
    let message = format!("The source reports the end; pages wait, resolved at {due}");
    draft.tell(Tell {
        reason: "SignalResolved",
        warning: false,
        at: since,
        actor: None,
        message: &message,
    });
}

/// A resolved ticket comes back; on one not yet resolved it only ends the wait.
fn fires_again(draft: &mut Draft<'_>, at: Timestamp, waited: bool) {
    if let Some(resolved) = draft.status.resolve_time {
        reopen(draft, Reopening::SignalFires, at.max(resolved.0), None);
    } else if waited {
        draft.wait_ended = Some(at);
        draft.tell(Tell {
            reason: "SignalFiring",
            warning: false,
            at,
            actor: None,
            message: "The source fires again; the chain goes on",
        });
    }
}

/// When the source's word resolves an open ticket.
pub fn resolves_at(draft: &Draft<'_>) -> Option<Timestamp> {
    let known = known(draft).filter(|known| known.hash == facts::RESOLVED && !known.void)?;
    if !counts(draft) || is_over(&draft.status) || draft.ticket().spec.signal.is_none() {
        return None;
    }
    let wait = draft.policy.as_deref()?.signal().resolve_after.to_signed();
    Some(after(known.time.0, wait))
}

/// The source stayed quiet: resolved, acknowledged or not.
pub fn resolve(draft: &mut Draft<'_>, at: Timestamp) {
    let since = known(draft).map_or(at, |known| known.time.0);
    let dated = Dated {
        time: at,
        exact: true,
        at_creation: false,
    };
    targets::resolved(draft, dated);
    let message = format!("Resolved by the signal: over since {since}");
    resolution::resolve(draft, at, None, &message);
}

/// Says when people resolved what the source still reports, and forgets a source that is gone.
pub fn check_source(draft: &mut Draft<'_>) {
    let Some(signal) = &draft.ticket().spec.signal else {
        return facts::forget(&mut draft.status, Block::Signal);
    };
    let firing = signal.state == SignalState::Firing && counts(draft);
    let resolved = draft.status.resolve_time.is_some() && draft.status.duplicate_of.is_none();
    if firing && resolved {
        let message = "Resolved while the source still reports it. If it is not solved, take `spec.resolution` back; else this clears once the source reports the end.";
        draft.condition("SourceStillFiring", true, "Firing", message);
    } else if firing {
        draft.clear_condition("SourceStillFiring", "Open", "The ticket is open.");
    } else {
        let message = "The source reports the end.";
        draft.clear_condition("SourceStillFiring", "SourceResolved", message);
    }
}

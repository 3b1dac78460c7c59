//! Somebody has taken notice: given, renewed by a changed block, revoked, expired.
//!
//! Rules: `api.md` section 5 "Acknowledged", "Acknowledgement revoked or expired".

use jiff::{SignedDuration, Timestamp};

use super::{ignore, is_over, over_since};
use crate::api::{Severity, StartReason, Time};
use crate::domain::draft::{Draft, Tell, after};
use crate::domain::facts::{self, Block, Fresh};
use crate::domain::next::Waiting;
use crate::domain::telling::notices;
use crate::domain::{conditions, targets};

/// A new or changed block: it counts from its date, or must change to count where nobody waits for it any more.
pub fn declared(draft: &mut Draft<'_>, fresh: Fresh) {
    let block = draft.ticket().spec.acknowledgement.as_ref();
    let by = block.map(|block| block.by.as_str()).unwrap_or_default();
    let at = fresh.dated.time;
    if let Some(since) = over_since(&draft.status) {
        if since < at {
            let why = "the ticket is resolved or closed; write a fresh `token` once it is reopened";
            ignore(draft, Block::Acknowledgement, fresh, by, why);
        } else {
            let (status, hash) = (&mut draft.status, fresh.hash);
            facts::remember(status, Block::Acknowledgement, hash, at, true);
        }
        return;
    }
    facts::remember(
        &mut draft.status,
        Block::Acknowledgement,
        fresh.hash,
        at,
        false,
    );
    targets::answered(draft, fresh.dated);
    acknowledge(draft, at, by);
}

fn acknowledge(draft: &mut Draft<'_>, at: Timestamp, by: &str) {
    draft.status.acknowledge_time = Some(Time(at));
    let timeout = timeout(draft, draft.severity());
    draft.status.acknowledge_expiry_time = timeout.map(|timeout| Time(after(at, timeout)));
    let message = match draft.status.acknowledge_expiry_time {
        Some(expiry) => format!(
            "Acknowledged by {by}; expires at {} unless resolved",
            expiry.0
        ),
        None => format!("Acknowledged by {by}"),
    };
    draft.condition("Acknowledged", true, "Acknowledged", &message);
    draft.tell(Tell {
        reason: "Acknowledged",
        warning: false,
        at,
        actor: Some(by),
        message: &message,
    });
    notices::acknowledged(draft, by, at);
}

fn timeout(draft: &Draft<'_>, severity: Severity) -> Option<SignedDuration> {
    let policy = draft.policy.as_ref()?;
    policy.row(severity).acknowledgement_timeout
}

/// The severity changed: the acknowledgement runs by the new row from when it was given, never out before the change.
pub fn row_changed(draft: &mut Draft<'_>, before: Severity, at: Timestamp) {
    let Some(given) = draft.status.acknowledge_time else {
        return;
    };
    let (old, new) = (timeout(draft, before), timeout(draft, draft.severity()));
    if old == new {
        return;
    }
    let held = match (draft.status.acknowledge_expiry_time, old) {
        (Some(expiry), Some(old)) => expiry.0.duration_since(after(given.0, old)),
        (Some(_) | None, _) => SignedDuration::ZERO,
    };
    let expiry = new.map(|new| after(after(given.0, new), held).max(at));
    draft.status.acknowledge_expiry_time = expiry.map(Time);
}

/// Ends an acknowledgement that was taken back, or whose time is over without a resolution.
pub fn lapse(draft: &mut Draft<'_>) {
    if !facts::present(&draft.ticket().spec, Block::Acknowledgement) {
        revoked(draft);
    } else if draft.status.acknowledge_time.is_some() && !is_over(&draft.status) {
        expire(draft);
    }
}

fn revoked(draft: &mut Draft<'_>) {
    let was = draft.status.acknowledge_time.take();
    draft.status.acknowledge_expiry_time = None;
    facts::forget(&mut draft.status, Block::Acknowledgement);
    if was.is_none() || is_over(&draft.status) {
        return;
    }
    let block = draft.ticket().spec.acknowledgement.as_ref();
    let by = block.map(|block| block.by.as_str());
    let now = draft.now;
    let message = "Acknowledgement revoked; the chain starts again";
    draft.condition("Acknowledged", false, "Revoked", message);
    draft.tell(Tell {
        reason: "Revoked",
        warning: true,
        at: now,
        actor: by,
        message,
    });
    draft.start_again(StartReason::Revoked, now);
}

/// An acknowledgement whose time is over is void and the chain starts again.
fn expire(draft: &mut Draft<'_>) {
    let Some(expiry) = draft.status.acknowledge_expiry_time else {
        return;
    };
    if draft.work_clock() < expiry.0 {
        if draft.held.is_none() {
            draft.wake(expiry.0, Waiting::Deadline);
        }
        return;
    }
    facts::void(&mut draft.status, Block::Acknowledgement);
    draft.status.acknowledge_time = None;
    draft.status.acknowledge_expiry_time = None;
    let message = "Acknowledgement expired without a resolution; the chain starts again";
    draft.condition("Acknowledged", false, "Expired", message);
    draft.tell(Tell {
        reason: "Expired",
        warning: true,
        at: expiry.0,
        actor: None,
        message,
    });
    draft.start_again(StartReason::Expired, expiry.0);
}

/// A reopening voids the acknowledgement: whoever works on the ticket says so again.
pub fn reopened(draft: &mut Draft<'_>) {
    draft.status.acknowledge_time = None;
    draft.status.acknowledge_expiry_time = None;
    facts::void(&mut draft.status, Block::Acknowledgement);
    if conditions::known(&draft.status.conditions, "Acknowledged") {
        draft.condition(
            "Acknowledged",
            false,
            "Reopened",
            "The ticket was reopened; acknowledge it again.",
        );
    }
}

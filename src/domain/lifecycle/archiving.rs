//! Closed for good: a closed ticket is archived once its time is over and its notices are out (api.md section 2.1).
//!
//! A duplicate is archived no sooner than the ticket it repeats: an archived ticket is no longer watched, and the
//! count of duplicates on an open ticket must fall only when a person takes one back.

use crate::domain::draft::{Draft, after};
use crate::domain::next::Waiting;
use crate::domain::telling::deliveries::open;

/// Archives, or asks to be asked again when it is time.
pub fn apply(draft: &mut Draft<'_>) {
    let Some(closed) = draft.status.close_time else {
        return;
    };
    let due = after(closed.0, draft.settings.archive_after);
    if draft.now < due {
        draft.wake(due, Waiting::Archiving);
        return;
    }
    if waits_for_parent(draft) {
        return;
    }
    let mut deliveries = draft.status.deliveries.iter();
    let pending = deliveries.any(|known| open(known.state));
    if !pending {
        draft.status.archived = true;
    }
}

/// Whether the ticket that this one repeats is still in view; its archiving or deletion is told to this one.
pub fn waits_for_parent(draft: &Draft<'_>) -> bool {
    let verdict = draft.status.duplicate_of.as_ref();
    let parent = draft.seen.others.parent.as_ref();
    verdict
        .zip(parent)
        .is_some_and(|(verdict, parent)| verdict.uid == parent.uid)
}

//! Closed for good: a closed ticket is archived once its time is over and its notices are out (api.md section 2.1).

use super::draft::{Draft, after};
use super::next::Waiting;
use crate::api::DeliveryState;

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
    let pending = draft
        .status
        .deliveries
        .iter()
        .any(|known| match known.state {
            DeliveryState::Armed | DeliveryState::Sending => true,
            DeliveryState::Delivered
            | DeliveryState::Failed
            | DeliveryState::Cancelled
            | DeliveryState::Unknown => false,
        });
    if !pending {
        draft.status.archived = true;
    }
}

//! A raised severity calls everybody of the new round again, save those who were reached just before: they hear that
//! the severity is another now.
//!
//! Rule: `api.md` section 5 "Severity raised".

use jiff::SignedDuration;

use super::timetable::What;
use super::{escalation, pages};
use crate::api::{DeliveryRecord, DeliveryState, TicketStatus};
use crate::domain::draft::Draft;
use crate::domain::telling::deliveries;
use crate::domain::telling::notices::{self, Cause};

/// Who was paged within this time counts as reached.
const JUST_BEFORE: SignedDuration = SignedDuration::from_mins(2);
/// Kind of the notice.
const KIND: &str = "SeverityNow";

/// Tells those of the round's first step who were reached just before; written with the round, so that each process
/// spares the same.
pub fn spare_the_reached(draft: &mut Draft<'_>) {
    deliveries::take_results(draft);
    let Some(next) = escalation::upcoming(draft) else {
        return;
    };
    let What::Page { step, .. } = &next.what else {
        return;
    };
    let leaves = next.due.max(draft.now);
    let Ok(since) = leaves.checked_sub(JUST_BEFORE) else {
        return;
    };
    for target in pages::targets(draft, &next) {
        let name = target.to_string();
        let reached = draft.status.deliveries.iter().any(|known| {
            known.kind.is_none()
                && known.target == name
                && known.state == DeliveryState::Delivered
                && known.time.0 >= since
        });
        if reached {
            notices::tell(draft, KIND, &Cause::due(step, next.due), &target);
        }
    }
}

/// Targets whom a step of a round spares.
pub fn spared<'s>(
    status: &'s TicketStatus,
    round: i64,
    step: &'s str,
) -> impl Iterator<Item = &'s str> {
    let of_step = move |known: &&DeliveryRecord| {
        let cause = known
            .cause
            .as_deref()
            .and_then(|cause| cause.split_once('@'));
        known.kind.as_deref() == Some(KIND)
            && known.round == round
            && cause.is_some_and(|(subject, _)| subject == step)
    };
    status
        .deliveries
        .iter()
        .filter(of_step)
        .map(|known| known.target.as_str())
}

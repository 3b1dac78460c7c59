//! A chain that is held: rounds may begin, nothing leaves.
//!
//! Rule: `api.md` section 5 "Hold": chain and repeats freeze while one valid hold exists.

use super::escalation;
use super::place;
use super::requests::{self, Refusal};
use super::timetable::{Upcoming, What};
use crate::api::EscalationState;
use crate::domain::draft::Draft;

/// The chain is held: nothing leaves, and nothing is armed but a step that was pulled forward, since its time follows
/// from nothing else.
pub fn apply(draft: &mut Draft<'_>) {
    requests::refuse_all(draft, Refusal::Held);
    // A source that fires again ends its wait, not the hold: what fell due before the hold leaves with its end.
    if let Some(ended) = draft.wait_ended {
        let before = ended.min(draft.work_clock());
        place::go_on(draft, before);
    }
    let escalation = draft.escalation();
    if escalation.state == EscalationState::Exhausted {
        return;
    }
    let armed = (escalation.next_step.clone(), escalation.next_time);
    escalation::rest(draft, EscalationState::Held);
    let next = escalation::upcoming(draft);
    if let (
        (Some(step), Some(time)),
        Some(Upcoming {
            due,
            what:
                What::Page {
                    step: next,
                    repeat: 0,
                    ..
                },
        }),
    ) = (armed, next)
        && step == next
        && time.0 < due
    {
        let escalation = draft.escalation();
        (escalation.next_step, escalation.next_time) = (Some(step), Some(time));
    }
}

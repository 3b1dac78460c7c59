//! A chain that is held: rounds may begin, nothing leaves.
//!
//! Rule: `api.md` section 5 "Hold": chain and repeats freeze while one valid hold exists.

use super::escalation;
use super::place;
use super::requests::{self, Refusal};
use crate::api::EscalationState;
use crate::domain::draft::Draft;

/// The chain is held: nothing leaves, and requests are refused.
pub fn apply(draft: &mut Draft<'_>) {
    requests::refuse_all(draft, Refusal::Held);
    // A source that fires again ends its wait, not the hold: what fell due before the hold leaves with its end.
    if let Some(ended) = draft.wait_ended {
        let before = ended.min(draft.work_clock());
        place::go_on(draft, before);
    }
    if draft.escalation().state != EscalationState::Exhausted {
        escalation::stand_still(draft);
    }
}

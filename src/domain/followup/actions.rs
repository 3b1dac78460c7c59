//! The corrective actions of an RCA: which are open, overdue, and due next.

use jiff::Timestamp;

use crate::api::{ActionCounts, ActionState, CorrectiveAction, RcaSpec};

/// Whether an action is still to be done.
pub fn is_open(state: ActionState) -> bool {
    match state {
        ActionState::Open | ActionState::InProgress => true,
        ActionState::Done | ActionState::Verified | ActionState::Cancelled => false,
    }
}

/// The open actions whose due time has come, the longest overdue first.
pub fn overdue(spec: &RcaSpec, now: Timestamp) -> Vec<(&CorrectiveAction, Timestamp)> {
    let open = spec
        .corrective_actions
        .iter()
        .filter(|action| is_open(action.state));
    let due = open.filter_map(|action| Some((action, action.due_time?.0)));
    let mut overdue: Vec<_> = due.filter(|(_, due)| *due <= now).collect();
    overdue.sort_by_key(|(_, due)| *due);
    overdue
}

/// The actions in numbers.
pub fn counts(spec: &RcaSpec, now: Timestamp) -> ActionCounts {
    let count = |wanted: &dyn Fn(ActionState) -> bool| {
        let counted = spec
            .corrective_actions
            .iter()
            .filter(|action| wanted(action.state));
        i64::try_from(counted.count()).unwrap_or(i64::MAX)
    };
    let open = spec
        .corrective_actions
        .iter()
        .filter(|action| is_open(action.state));
    let ahead = open.filter_map(|action| action.due_time.filter(|due| due.0 > now));
    ActionCounts {
        total: count(&|state| state != ActionState::Cancelled),
        open: count(&is_open),
        overdue: i64::try_from(overdue(spec, now).len()).unwrap_or(i64::MAX),
        next_due_time: ahead.min(),
    }
}

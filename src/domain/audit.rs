//! What the auditor asks of each ticket, from its written state alone: does it wait for something, and for what is
//! ahead? (`delivery.md` section 3.) What it finds undone twice in a row was forgotten, whatever the reason: the ticket
//! says so until the next decision about it is made.

use jiff::{SignedDuration, Timestamp};

use crate::api::condition_type::NEGLECTED;
use crate::api::{DeliveryState, TicketStatus};
use crate::domain::decide::decide;
use crate::domain::draft::{Draft, after};
use crate::domain::next::{Next, Waiting};
use crate::domain::observed::{Observed, Settings};
use crate::domain::telling::delivery::{Delivery, OutboxView};
use crate::domain::{bounds, conditions};

/// A deadline so far in the past was missed.
const LATE: SignedDuration = SignedDuration::from_secs(30);
/// A delivery is under way for so long at most: its tries end within two minutes once it has its turn.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(5);

/// What the written state of a ticket asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It waits for a deadline ahead, for a fact, or for receivers' answers.
    Waits,
    /// Something is to be done now. Found again at the same state half a minute later, it was forgotten.
    Undone,
    /// All that is due has been handed over by this process, and only the record of it is missing: in a storm many
    /// stand in line to be written. Where nothing in the line moves it was forgotten too.
    Unrecorded,
    /// It waits for a deadline that has passed, or for one that it does not have.
    Missed,
}

/// Looks at the written state of the ticket in `seen`, as a process would that knows nothing else. What this process
/// knows besides tells only what is late from what has left and is not written yet.
pub fn look(seen: &Observed, settings: &Settings, now: Timestamp) -> Finding {
    let written = Observed {
        outbox: OutboxView::default(),
        remembered: None,
        ..seen.clone()
    };
    judge(&decide(&written, settings, now), seen, now)
}

/// What an answer about a ticket's written state shows.
fn judge(answer: &Next, seen: &Observed, now: Timestamp) -> Finding {
    match answer {
        Next::Deliver(deliveries)
            if deliveries
                .iter()
                .all(|delivery| is_out(seen, delivery, now)) =>
        {
            Finding::Waits
        }
        Next::Deliver(deliveries)
            if deliveries
                .iter()
                .all(|delivery| is_out(seen, delivery, now) || has_left(seen, delivery, now)) =>
        {
            Finding::Unrecorded
        }
        Next::Deliver(_) | Next::Commit(_) => Finding::Undone,
        Next::Wait {
            until: Some(until), ..
        } if after(*until, LATE) < now => Finding::Missed,
        Next::Wait { until: Some(_), .. } => Finding::Waits,
        Next::Wait { until: None, what } => match what {
            Waiting::Policy | Waiting::Person | Waiting::Archiving | Waiting::Nothing => {
                Finding::Waits
            }
            Waiting::NextPage | Waiting::DeliveryResults | Waiting::HoldEnd | Waiting::Deadline => {
                Finding::Missed
            }
        },
    }
}

/// Whether a delivery is written as being sent, and not for too long.
fn is_out(seen: &Observed, delivery: &Delivery, now: Timestamp) -> bool {
    let status = seen.ticket.status.as_ref();
    let mut records = status.iter().flat_map(|status| &status.deliveries);
    records.any(|known| {
        known.id == delivery.id.as_str()
            && known.state == DeliveryState::Sending
            && now < after(known.time.0, UNDER_WAY)
    })
}

/// Whether a delivery that was due not too long ago was handed over, and only the record of it is missing: what is
/// written as being sent is judged by that.
fn has_left(seen: &Observed, delivery: &Delivery, now: Timestamp) -> bool {
    let status = seen.ticket.status.as_ref();
    let mut records = status.iter().flat_map(|status| &status.deliveries);
    let is_written = records
        .any(|known| known.id == delivery.id.as_str() && known.state == DeliveryState::Sending);
    !is_written && seen.outbox.contains_key(&delivery.id) && now < after(delivery.due, UNDER_WAY)
}

/// The status that says of a ticket that it was forgotten; `None` where it says so already.
pub fn mark(seen: &Observed, now: Timestamp) -> Option<TicketStatus> {
    let mut status = seen.ticket.status.clone().unwrap_or_default();
    conditions::set(
        &mut status.conditions,
        seen.ticket.metadata.generation,
        now,
        (NEGLECTED, true, "Overdue"),
        "The audit found something due that the operator had not done. It was told to look again; this goes when it has. Please report it if it comes back.",
    );
    // Where something would have to go for it there is no room.
    if !bounds::fit(&mut status).is_empty() {
        return None;
    }
    (seen.ticket.status.as_ref() != Some(&status)).then_some(status)
}

/// Whether a ticket says that it was forgotten: no decision about it was made since.
pub fn is_marked(seen: &Observed) -> bool {
    let status = seen.ticket.status.as_ref();
    status.is_some_and(|status| conditions::holds(&status.conditions, NEGLECTED))
}

/// A decision is made: whatever was forgotten is no longer.
pub fn apply(draft: &mut Draft<'_>) {
    if conditions::holds(&draft.status.conditions, NEGLECTED) {
        draft.clear_condition(NEGLECTED, "Handled", "The operator has looked at it again.");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};
    use rstest::rstest;

    use super::{Finding, apply, judge, mark};
    use crate::api::condition_type::NEGLECTED;
    use crate::api::{ConditionStatus, Ticket, TicketSpec};
    use crate::domain::draft::Draft;
    use crate::domain::next::{Next, Waiting};
    use crate::domain::observed::{Observed, Settings};

    fn now() -> Timestamp {
        "2026-03-02T10:00:00Z".parse().unwrap()
    }

    fn seen() -> Observed {
        Observed {
            ticket: Arc::new(Ticket::new("a", TicketSpec::default())),
            policies: Arc::default(),
            outbox: crate::domain::telling::delivery::OutboxView::default(),
            others: crate::domain::observed::Others::default(),
            first_seen: now(),
            remembered: None,
        }
    }

    #[rstest]
    #[case::ahead(Some(60), Waiting::NextPage, Finding::Waits)]
    #[case::just_passed(Some(-30), Waiting::NextPage, Finding::Waits)]
    #[case::in_the_past(Some(-31), Waiting::NextPage, Finding::Missed)]
    #[case::a_page_that_never_comes(None, Waiting::NextPage, Finding::Missed)]
    #[case::a_hold_that_never_ends(None, Waiting::HoldEnd, Finding::Missed)]
    #[case::results_that_nobody_waits_for(None, Waiting::DeliveryResults, Finding::Missed)]
    #[case::a_deadline_that_is_none(None, Waiting::Deadline, Finding::Missed)]
    #[case::a_person(None, Waiting::Person, Finding::Waits)]
    #[case::a_policy(None, Waiting::Policy, Finding::Waits)]
    #[case::its_parent(None, Waiting::Archiving, Finding::Waits)]
    #[case::nothing(None, Waiting::Nothing, Finding::Waits)]
    fn what_a_ticket_may_wait_for(
        #[case] seconds: Option<i64>,
        #[case] what: Waiting,
        #[case] wanted: Finding,
    ) {
        let until = seconds.map(|seconds| now() + SignedDuration::from_secs(seconds));
        let answer = Next::Wait { until, what };
        assert_eq!(judge(&answer, &seen(), now()), wanted);
    }

    #[test]
    fn a_ticket_says_once_that_it_was_forgotten_and_the_next_decision_takes_it_back() {
        let mut seen = seen();
        let marked = mark(&seen, now()).unwrap();
        let mut ticket = (*seen.ticket).clone();
        ticket.status = Some(marked);
        seen.ticket = Arc::new(ticket);
        assert_eq!(mark(&seen, now()), None);
        let settings = Settings::default();
        let mut draft = Draft::new(&seen, &settings, now());
        apply(&mut draft);
        let condition = &draft.status.conditions[0];
        assert_eq!(
            (condition.type_.as_str(), condition.status),
            (NEGLECTED, ConditionStatus::False)
        );
    }
}

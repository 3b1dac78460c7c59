//! What the chain does next: the next step, repeat, round or exhaustion, computed from how far it has come.
//!
//! Rule: `api.md` section 3.1. Nominal times add up whether or not earlier steps fired, were skipped or wait for
//! their hours; a step without its condition is passed over, one that waits holds nobody up.

use jiff::{SignedDuration, Timestamp};

use super::steps;
use crate::api::{Escalation, EscalationState, Severity, StepCondition, StepResult, TicketStatus};
use crate::domain::draft::after;
use crate::domain::policy::{StepPlan, ValidPolicy};
use crate::domain::telling::delivery::Standing;

/// When the page that stands armed in a status leaves. It needs no write any more: whoever cannot write looks again then.
pub fn armed(status: &TicketStatus) -> Option<Timestamp> {
    let chain = status.escalation.as_ref()?;
    match chain.state {
        EscalationState::Running => chain.next_time.map(|time| time.0),
        EscalationState::Pending
        | EscalationState::Held
        | EscalationState::Stopped
        | EscalationState::Exhausted
        | EscalationState::Blocked
        | EscalationState::NotPaged => None,
    }
}

/// The chain at a moment.
#[derive(Clone, Copy)]
pub struct Chain<'c> {
    /// The pinned policy.
    pub policy: &'c ValidPolicy,
    /// The row: the effective severity.
    pub severity: Severity,
    /// How far it has come.
    pub done: &'c Escalation,
    /// Which conditions hold.
    pub standing: Standing,
}

/// The next thing the chain does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// When.
    pub due: Timestamp,
    /// What.
    pub what: What,
}

/// What the chain does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A page of a step: `repeat` 0 is the step itself.
    Page {
        /// Round it belongs to.
        round: i64,
        /// Index of the step in the policy.
        index: usize,
        /// Name of the step.
        step: String,
        /// Repeat number.
        repeat: i64,
        /// Nominal time of the step; later steps count from it.
        nominal: Timestamp,
        /// Set where a new round begins with it: the start of that round.
        new_round: Option<Timestamp>,
    },
    /// Nobody acknowledged through the last round.
    Exhaust,
}

impl Chain<'_> {
    /// Whether a step's condition holds now.
    pub fn holds(&self, condition: StepCondition) -> bool {
        match condition {
            StepCondition::NotAcknowledged => {
                !self.standing.acknowledged && !self.standing.resolved
            }
            StepCondition::NotResolved => !self.standing.resolved,
        }
    }

    /// What the chain does next; `None` = nothing any more.
    pub fn upcoming(&self) -> Option<Upcoming> {
        let step = self.next_step(
            self.position(),
            self.done.nominal_time?.0,
            self.done.round,
            None,
        );
        let repeat = self.next_repeat();
        match (step, repeat) {
            // What was pulled forward comes in the place of the repeats of a step that reached nobody.
            (Some(step), Some(repeat)) if repeat.due < step.due && !self.pulled_forward() => {
                Some(repeat)
            }
            (Some(step), _) => Some(step),
            (None, Some(repeat)) => Some(repeat),
            (None, None) => self.after_round(),
        }
    }

    /// Steps of the row behind the present position that were not decided in this round, with their nominal times.
    pub fn remaining(&self) -> impl Iterator<Item = (&StepPlan, Timestamp)> {
        let from = self.done.nominal_time.map_or(Timestamp::MAX, |time| time.0);
        let decided = |name: &str| self.done.steps.iter().any(|known| known.name == name);
        self.behind(self.position(), from)
            .filter(move |(step, _)| !decided(&step.name))
    }

    /// Steps of the row whose time has come while they wait for their hours, with their nominal times.
    pub fn waiting(&self) -> impl Iterator<Item = (&StepPlan, Timestamp)> {
        let steps = self.done.steps.iter();
        steps
            .filter(|known| steps::waits(known.result))
            .filter_map(|known| Some((self.step_of_row(&known.name)?, known.time.0)))
    }

    /// When a step fires by its nominal time and its hours; `None` = never.
    pub fn due(&self, step: &StepPlan, nominal: Timestamp) -> Option<Timestamp> {
        step.calendar.next_open(nominal.max(self.floor()))
    }

    /// The first step of this round that is not handled, may fire by its condition, and is overdue or else open at
    /// `now`; with the moment it fires at.
    pub fn open_at(&self, now: Timestamp) -> Option<(&StepPlan, Timestamp)> {
        let ahead = self.waiting().chain(self.remaining());
        let mut may = ahead.filter(|(step, _)| self.holds(step.condition));
        may.find_map(|(step, nominal)| {
            let overdue = self.due(step, nominal).filter(|due| *due <= now);
            let open = step.calendar.next_open(now).filter(|open| *open == now);
            Some((step, overdue.or(open)?))
        })
    }

    /// Whether a step stands armed before its own time: it was pulled forward, and its time follows from nothing else.
    pub fn pulled_forward(&self) -> bool {
        let (Some(name), Some(time)) = (&self.done.next_step, self.done.next_time) else {
            return false;
        };
        let mut ahead = self.waiting().chain(self.remaining());
        ahead.any(|(step, nominal)| {
            step.name == *name
                && self.holds(step.condition)
                && step.calendar.next_open(nominal) > Some(time.0)
        })
    }

    /// Nothing is due before.
    fn floor(&self) -> Timestamp {
        self.done
            .not_before_time
            .map_or(Timestamp::MIN, |time| time.0)
    }

    /// A step by its name, where it belongs to the row.
    fn step_of_row(&self, name: &str) -> Option<&StepPlan> {
        let step = self.policy.step(name)?;
        step.applies_to(self.severity).then_some(step)
    }

    fn behind(
        &self,
        position: Option<usize>,
        from: Timestamp,
    ) -> impl Iterator<Item = (&StepPlan, Timestamp)> {
        self.policy
            .steps()
            .iter()
            .filter(move |step| step.applies_to(self.severity))
            .filter(move |step| position.is_none_or(|position| step.index > position))
            .scan(from, |nominal, step| {
                *nominal = after(*nominal, step.after);
                Some((step, *nominal))
            })
    }

    /// The step that is due first, of those that wait and those ahead; of two at once the earlier of the row.
    fn next_step(
        &self,
        position: Option<usize>,
        from: Timestamp,
        round: i64,
        new_round: Option<Timestamp>,
    ) -> Option<Upcoming> {
        let present = new_round.is_none();
        let decided =
            |name: &str| present && self.done.steps.iter().any(|known| known.name == name);
        let waiting = self.waiting().filter(|_| present);
        let ahead = self
            .behind(position, from)
            .filter(|(step, _)| !decided(&step.name));
        let pulled = |step: &StepPlan| {
            present
                && self.done.next_step.as_deref() == Some(step.name.as_str())
                && self.done.next_repeat.unwrap_or(0) == 0
        };
        let mut first: Option<(Timestamp, &StepPlan, Timestamp)> = None;
        for (step, nominal) in waiting.chain(ahead) {
            let beaten = first.is_some_and(|(due, ..)| nominal >= due);
            if !self.holds(step.condition) || (beaten && !pulled(step)) {
                continue;
            }
            let floor = if present { self.floor() } else { nominal };
            let Some(mut due) = step.calendar.next_open(nominal.max(floor)) else {
                continue;
            };
            if let (true, Some(armed)) = (pulled(step), self.done.next_time) {
                let early = step.calendar.next_open(armed.0.max(floor));
                due = due.min(early.unwrap_or(due));
            }
            if first.is_none_or(|(earliest, ..)| due < earliest) {
                first = Some((due, step, nominal));
            }
        }
        first.map(|(due, step, nominal)| Upcoming {
            due,
            what: What::Page {
                round,
                index: step.index,
                step: step.name.clone(),
                repeat: 0,
                nominal,
                new_round,
            },
        })
    }

    fn next_repeat(&self) -> Option<Upcoming> {
        let last = steps::newest(self.done)?;
        let step = self.step_of_row(&last.name)?;
        let (every, times) = step.repeat?;
        let number = last.repeat.unwrap_or(0) + 1;
        if number > i64::from(times) || !self.holds(step.condition) {
            return None;
        }
        let due = after(self.done.repeat_from?.0, times_span(every, number)).max(self.floor());
        let nominal = self.done.nominal_time?.0;
        let page = What::Page {
            round: self.done.round,
            index: step.index,
            step: step.name.clone(),
            repeat: number,
            nominal,
            new_round: None,
        };
        Some(Upcoming { due, what: page })
    }

    fn after_round(&self) -> Option<Upcoming> {
        let steps = self.done.steps.iter();
        let nobody = !self.done.steps.is_empty()
            && steps
                .clone()
                .all(|known| known.result == StepResult::SkippedEmpty);
        let end = if nobody {
            steps.map(|known| known.time.0).max()?
        } else {
            self.last_planned()?
        };
        if let Some((times, interval)) = self.policy.chain_repeat().filter(|_| !nobody) {
            let used = self.done.round - self.done.first_round;
            if used < i64::from(times) {
                let start = after(end, interval);
                let next = self.next_step(None, start, self.done.round + 1, Some(start));
                if next.is_some() {
                    return next;
                }
            }
        }
        let unanswered = !self.standing.acknowledged && !self.standing.resolved;
        let (wait, _) = self.policy.on_exhausted();
        unanswered.then(|| Upcoming {
            due: after(end, wait).max(self.floor()),
            what: What::Exhaust,
        })
    }

    /// The last notification planned in this round, sent or not.
    fn last_planned(&self) -> Option<Timestamp> {
        let start = self.done.nominal_time?.0;
        let ahead = self
            .remaining()
            .map(|(step, nominal)| after(nominal, repeats_span(step)))
            .max();
        let repeats = steps::newest(self.done).and_then(|known| {
            let span = self
                .step_of_row(&known.name)
                .map_or(SignedDuration::ZERO, repeats_span);
            Some(after(self.done.repeat_from?.0, span))
        });
        // A skipped step stands at its nominal time, which a hold puts off.
        let last = self.done.steps.last();
        let skipped = last
            .filter(|known| known.result == StepResult::Skipped)
            .map(|known| {
                let step = self.policy.step(&known.name);
                after(start, step.map_or(SignedDuration::ZERO, repeats_span))
            });
        let left = self.done.steps.iter().filter_map(|known| {
            let left = match known.result {
                StepResult::Fired | StepResult::SkippedEmpty | StepResult::CaughtUp => true,
                StepResult::Skipped | StepResult::Waiting => false,
            };
            left.then_some(known.time.0)
        });
        [Some(start), ahead, repeats, skipped, left.max()]
            .into_iter()
            .flatten()
            .max()
    }

    /// Index in the policy of the last step that was handled in this round; by name, and where the name is gone from
    /// the policy, by how many were handled.
    fn position(&self) -> Option<usize> {
        let name = self.done.step.as_deref()?;
        let by_name = self.policy.step(name).map(|step| step.index);
        by_name.or_else(|| self.done.steps.len().checked_sub(1))
    }
}

/// Whether a step counts as fired: its repeats follow.
pub fn fired(result: StepResult) -> bool {
    match result {
        StepResult::Fired | StepResult::CaughtUp => true,
        StepResult::Skipped | StepResult::SkippedEmpty | StepResult::Waiting => false,
    }
}

fn repeats_span(step: &StepPlan) -> SignedDuration {
    step.repeat.map_or(SignedDuration::ZERO, |(every, times)| {
        times_span(every, i64::from(times))
    })
}

fn times_span(every: SignedDuration, times: i64) -> SignedDuration {
    every
        .checked_mul(i32::try_from(times).unwrap_or(i32::MAX))
        .unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StepRecord, Time};

    #[test]
    fn a_step_that_was_pulled_forward_comes_before_a_repeat_that_is_overdue() {
        let spec = serde_json::json!({
            "connectors": [{"name": "hook", "type": "Webhook", "address": "https://pager.example.com/"}],
            "severities": [{"level": "High", "responseTarget": "15m"}],
            "steps": [
                {"name": "on-call", "notify": [{"connector": "hook"}], "repeat": {"every": "5m", "times": 2}},
                {"name": "manager", "after": "15m", "notify": [{"connector": "hook"}]},
            ],
        });
        let checked = ValidPolicy::check(serde_json::from_value(spec).unwrap());
        let policy = checked.policy.unwrap();
        let at = |minute: i64| Timestamp::from_second(1_800_000_000 + minute * 60).unwrap();
        let mut done = Escalation {
            round: 1,
            start_time: Some(Time(at(0))),
            nominal_time: Some(Time(at(0))),
            repeat_from: Some(Time(at(0))),
            step: Some("on-call".into()),
            steps: vec![StepRecord {
                name: "on-call".into(),
                time: Time(at(0)),
                result: StepResult::Fired,
                repeat: None,
            }],
            ..Escalation::default()
        };
        let upcoming = |done: &Escalation| {
            let chain = Chain {
                policy: &policy,
                severity: Severity::High,
                done,
                standing: Standing {
                    acknowledged: false,
                    resolved: false,
                    closed: false,
                    held: false,
                },
            };
            let next = chain.upcoming().unwrap();
            let What::Page { step, repeat, .. } = next.what else {
                panic!("{next:?}")
            };
            (step, repeat, next.due)
        };
        assert_eq!(upcoming(&done), ("on-call".into(), 1, at(5)));
        (done.next_step, done.next_time) = (Some("manager".into()), Some(Time(at(7))));
        assert_eq!(upcoming(&done), ("manager".into(), 0, at(7)));
    }

    #[test]
    fn a_page_is_armed_where_the_chain_runs_and_not_where_it_is_held() {
        let next = Timestamp::from_second(1_800_000_000).unwrap();
        let in_state = |state| {
            let chain = Escalation {
                state,
                next_time: Some(Time(next)),
                ..Escalation::default()
            };
            armed(&TicketStatus {
                escalation: Some(chain),
                ..TicketStatus::default()
            })
        };
        assert_eq!(in_state(EscalationState::Running), Some(next));
        assert_eq!(in_state(EscalationState::Held), None);
        assert_eq!(armed(&TicketStatus::default()), None);
    }
}

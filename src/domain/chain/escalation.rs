//! The chain: starts, arms its next page, fires it at its deadline, catches up what was missed, stops, exhausts.
//!
//! Rules: `api.md` section 3.1, section 5 "Downtime", "Nobody reachable in a step", "Delivery failed for good".
//! A page leaves only under an arm that is written; results and the next arm share one write.

use jiff::{SignedDuration, Timestamp};

use super::pages::{self, Stage};
use super::requests::{self, Refusal};
use super::steps::{self, handled, repeated};
use super::timetable::{Upcoming, What, fired};
use super::{place, raised, standstill, starting};
use crate::api::condition_type::DELIVERED;
use crate::api::{Escalation, EscalationState, Paging, StartReason, StepRecord, StepResult, Time};
use crate::domain::draft::{Draft, REACHES_NOBODY, Restart, Tell, after};
use crate::domain::next::Waiting;
use crate::domain::telling::delivery::{DeliveryId, Target};
use crate::domain::telling::notices;

/// First decided later than this after its time = missed (api.md section 5, "Downtime").
const MISSED: SignedDuration = SignedDuration::from_secs(2);

/// Moves the chain as far as it goes now.
pub fn apply(draft: &mut Draft<'_>) {
    let Some(policy) = draft.policy.clone() else {
        blocked(draft);
        return;
    };
    if draft.standing.resolved || draft.standing.closed {
        requests::refuse_all(draft, Refusal::Over);
        rest(draft, EscalationState::Stopped);
        return;
    }
    let row = policy.row(draft.severity());
    match row.paging {
        Paging::RecordOnly => {
            requests::refuse_all(draft, Refusal::NotPaged);
            return rest(draft, EscalationState::NotPaged);
        }
        Paging::Page => {}
    }
    let was_recorded_only = draft.escalation().state == EscalationState::NotPaged;
    if draft.escalation().round == 0 && draft.held.is_some() {
        requests::refuse_all(draft, Refusal::Held);
        return rest(draft, EscalationState::Held);
    }
    if draft.escalation().round == 0 {
        let first = starting::first(draft, row.initial_delay);
        start(draft, first);
    } else if let Some(restart) = draft.restart {
        let restart = starting::again(draft, restart, row.initial_delay);
        start(draft, restart);
    } else if was_recorded_only {
        let base = starting::changed_at(draft);
        let reason = StartReason::SeverityRaised;
        start(draft, Restart { reason, base });
    } else if draft.severity_change.is_some() || draft.repinned {
        let at = starting::changed_at(draft).min(draft.work_clock());
        place::keep(draft, at);
    }
    if draft.held.is_some() {
        return standstill::apply(draft);
    }
    requests::apply(draft);
    if !place::waits_for_signal(draft) {
        run(draft);
    }
}

fn blocked(draft: &mut Draft<'_>) {
    let told = crate::domain::conditions::known(&draft.status.conditions, "PolicyResolved");
    if told {
        if let Some(restart) = draft.restart {
            start(draft, restart);
        }
        rest(draft, EscalationState::Blocked);
    }
}

/// The chain stands still and nothing is armed.
pub fn rest(draft: &mut Draft<'_>, state: EscalationState) {
    let escalation = draft.escalation();
    escalation.state = state;
    disarm(escalation);
}

/// The chain stands still for a while: nothing is armed but a step that was pulled forward, which is due with its end.
pub fn stand_still(draft: &mut Draft<'_>) {
    let pulled = draft.chain().is_some_and(|chain| chain.pulled_forward());
    let escalation = draft.escalation();
    escalation.state = EscalationState::Held;
    if !pulled {
        disarm(escalation);
    }
}

/// Nothing is armed any more.
pub fn disarm(escalation: &mut Escalation) {
    escalation.next_step = None;
    escalation.next_repeat = None;
    escalation.next_time = None;
    escalation.exhaust_time = None;
}

fn start(draft: &mut Draft<'_>, restart: Restart) {
    let severity = draft.severity();
    let escalation = draft.escalation();
    escalation.first_round = escalation.round + 1;
    open_round(escalation, restart.base);
    escalation.start_reason = Some(restart.reason);
    escalation.severity = Some(severity);
    // Held, the round calls at the end of the hold: nobody was reached just before that.
    if restart.reason == StartReason::SeverityRaised && draft.held.is_none() {
        raised::spare_the_reached(draft);
    }
}

/// A new round begins at `start`.
pub fn open_round(escalation: &mut Escalation, start: Timestamp) {
    disarm(escalation);
    escalation.state = EscalationState::Running;
    escalation.round += 1;
    escalation.start_time = Some(Time(start));
    escalation.nominal_time = Some(Time(start));
    escalation.repeat_from = None;
    escalation.not_before_time = None;
    escalation.step = None;
    escalation.steps.clear();
}

/// What the chain does next.
pub fn upcoming(draft: &Draft<'_>) -> Option<Upcoming> {
    draft.chain()?.upcoming()
}

/// Arms what comes next, or fires it when it is due and its arm is written.
fn run(draft: &mut Draft<'_>) {
    if draft.escalation().state == EscalationState::Exhausted {
        if !draft.standing.acknowledged {
            return;
        }
        return rest(draft, EscalationState::Stopped);
    }
    // Bounded: each turn handles one event of the chain, and a chain has at most a few dozen per round.
    for _turn in 0..256 {
        let Some(next) = upcoming(draft) else {
            return rest(draft, EscalationState::Stopped);
        };
        arm(draft, &next);
        if next.due > draft.now {
            draft.wake(next.due, Waiting::NextPage);
            return;
        }
        let What::Page { new_round, .. } = &next.what else {
            return exhaust(draft, next.due);
        };
        match pages::stage(draft, &next) {
            Stage::Unarmed => return,
            Stage::Hand(deliveries) => {
                draft.deliver.extend(deliveries);
                return;
            }
            Stage::Answering(until) => {
                draft.wake(until, Waiting::DeliveryResults);
                return;
            }
            Stage::Fired(handed) => {
                left(draft, &next, handed);
                if late(&next, handed) {
                    catch_up(draft, handed);
                }
            }
            Stage::Nobody => {
                if let Some(start) = *new_round {
                    open_round(draft.escalation(), start);
                }
                skip_empty(draft, &next);
            }
        }
    }
}

fn arm(draft: &mut Draft<'_>, next: &Upcoming) {
    let escalation = draft.escalation();
    disarm(escalation);
    escalation.state = EscalationState::Running;
    match &next.what {
        What::Page { step, repeat, .. } => {
            escalation.next_step = Some(step.clone());
            escalation.next_repeat = Some(*repeat).filter(|repeat| *repeat > 0);
            escalation.next_time = Some(Time(next.due));
        }
        What::Exhaust => escalation.exhaust_time = Some(Time(next.due)),
    }
}

/// Whether a page that left at `handed` was missed first.
fn late(next: &Upcoming, handed: Timestamp) -> bool {
    handed > after(next.due, MISSED)
}

/// Records a page that left at `handed`, and tells it.
pub fn left(draft: &mut Draft<'_>, next: &Upcoming, handed: Timestamp) {
    let late = late(next, handed);
    let lateness = if late {
        format!(", {} s late", handed.duration_since(next.due).as_secs())
    } else {
        String::new()
    };
    let time = if late { handed } else { next.due };
    fire(draft, next, time, |what, names| {
        (false, format!("{what} paged {names}{lateness}"))
    });
}

/// Records a page that a process before this one may have sent, and tells it; it is not sent again.
pub fn may_have_left(draft: &mut Draft<'_>, next: &Upcoming) {
    fire(draft, next, next.due, |what, names| {
        let message = format!(
            "{what} may have paged {names}: the operator was stopped at that moment, and the page is no longer due"
        );
        (true, message)
    });
    pages::unknown(draft, next);
}

/// Records a page with its time in the chain, and tells what `told` makes of its name and its recipients.
fn fire(
    draft: &mut Draft<'_>,
    next: &Upcoming,
    time: Timestamp,
    told: impl Fn(&str, &str) -> (bool, String),
) {
    let What::Page {
        round,
        index,
        step,
        repeat,
        nominal,
        new_round,
    } = &next.what
    else {
        return;
    };
    if let Some(start) = new_round {
        open_round(draft.escalation(), *start);
    }
    pass_before(draft, *index);
    pages::record(draft, next);
    let escalation = draft.escalation();
    if *repeat == 0 {
        handled(escalation, step, *nominal, time, StepResult::Fired);
    } else {
        repeated(escalation, step, *repeat);
    }
    disarm(escalation);
    let (what, reason) = if *repeat == 0 {
        ("Step".to_owned(), "Escalated")
    } else {
        (format!("Repeat {repeat} of step"), "PagedAgain")
    };
    if *repeat == 0 {
        notices::escalated(draft, step, *nominal, &pages::targets(draft, next));
    }
    let names = pages::names(draft, next);
    let (warning, message) = told(&format!("{what} \"{step}\" of round {round}"), &names);
    draft.tell(Tell {
        reason,
        warning,
        at: time,
        actor: None,
        message: &message,
    });
}

/// Marks what was missed, and pages once whoever was missed; later steps count from the catch-up time.
fn catch_up(draft: &mut Draft<'_>, handed: Timestamp) {
    let mut missed: Vec<(DeliveryId, Target, String)> = Vec::new();
    let now = draft.now;
    while let Some(next) = upcoming(draft) {
        if after(next.due, MISSED) >= now || !pass_over(draft, &next, &mut missed) {
            break;
        }
    }
    let escalation = draft.escalation();
    escalation.nominal_time = Some(Time(handed.max(now)));
    let caught_up = |known: &&StepRecord| known.result == StepResult::CaughtUp;
    let steps = escalation.steps.iter().filter(caught_up).count();
    pages::arm_missed(draft, missed);
    if steps > 0 {
        let message = format!(
            "Caught up {steps} missed step(s) in one message to each who was not paged yet"
        );
        draft.tell(Tell {
            reason: "CaughtUp",
            warning: true,
            at: now,
            actor: None,
            message: &message,
        });
    }
}

/// Takes one missed page as over and notes whom it would have reached; false where the round is through.
fn pass_over(
    draft: &mut Draft<'_>,
    next: &Upcoming,
    missed: &mut Vec<(DeliveryId, Target, String)>,
) -> bool {
    let What::Page {
        round,
        index,
        step,
        repeat,
        nominal,
        new_round: None,
    } = &next.what
    else {
        return false;
    };
    let now = draft.now;
    if *repeat > 0 {
        repeated(draft.escalation(), step, *repeat);
        return true;
    }
    for target in pages::targets(draft, next) {
        missed.retain(|(_, known, _)| *known != target);
        let id = DeliveryId::of(&draft.key().uid, *round, step, "0", &target);
        missed.push((id, target, step.clone()));
    }
    pass_before(draft, *index);
    let escalation = draft.escalation();
    handled(escalation, step, *nominal, now, StepResult::CaughtUp);
    true
}

/// Steps before the one at `index` wait for their hours or are skipped; the chain moves past them.
fn pass_before(draft: &mut Draft<'_>, index: usize) {
    if let Some(policy) = draft.policy.clone() {
        let row = draft.row(&policy);
        steps::pass_before(draft.escalation(), &row, index);
    }
}

fn skip_empty(draft: &mut Draft<'_>, next: &Upcoming) {
    let What::Page {
        index,
        step,
        repeat,
        nominal,
        ..
    } = &next.what
    else {
        return;
    };
    let now = draft.now;
    pass_before(draft, *index);
    let escalation = draft.escalation();
    if *repeat > 0 {
        repeated(escalation, step, *repeat);
        return;
    }
    handled(escalation, step, *nominal, now, StepResult::SkippedEmpty);
    disarm(escalation);
    let message = format!(
        "Step \"{step}\" reaches nobody; the next open step follows at once. Give it a contact, group or rota."
    );
    draft.tell(Tell {
        reason: "SkippedEmpty",
        warning: true,
        at: now,
        actor: None,
        message: &message,
    });
    pull_forward(draft);
    let chain = draft.chain();
    let empty = chain.is_some_and(|chain| {
        let mut steps = chain.done.steps.iter();
        chain.remaining().next().is_none()
            && steps.all(|known| known.result == StepResult::SkippedEmpty)
    });
    if empty {
        let message = "No step of the chain reaches anybody, so nobody is paged. Give its steps contacts, groups or rotas, or call somebody by hand.";
        draft.condition(DELIVERED, false, REACHES_NOBODY, message);
    }
}

/// Nobody was reached: the next step that is overdue or open now is due, under a hold as soon as that is over; nominal
/// times of later ones stay, and one that waits for its hours goes on waiting. False where no step can fire now.
pub fn pull_forward(draft: &mut Draft<'_>) -> bool {
    let now = draft.work_clock();
    let chain = draft.chain();
    let step = chain.and_then(|chain| {
        let (step, time) = chain.open_at(now)?;
        Some((step.name.clone(), time))
    });
    let found = step.is_some();
    if let Some((step, time)) = step {
        let escalation = draft.escalation();
        escalation.next_step = Some(step);
        escalation.next_repeat = None;
        escalation.next_time = Some(Time(time));
    }
    found
}

/// Records with a write what time has decided about steps.
pub fn settle_steps(draft: &mut Draft<'_>) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let (now, row) = (draft.now, draft.row(&policy));
    let escalation = draft.escalation();
    match escalation.state {
        EscalationState::Running | EscalationState::Stopped => {
            steps::settle(escalation, &row, now);
        }
        EscalationState::Pending
        | EscalationState::Held
        | EscalationState::Exhausted
        | EscalationState::Blocked
        | EscalationState::NotPaged => {}
    }
}

fn exhaust(draft: &mut Draft<'_>, due: Timestamp) {
    let escalation = draft.escalation();
    disarm(escalation);
    escalation.state = EscalationState::Exhausted;
    let rounds = escalation.round - escalation.first_round + 1;
    let paged = escalation.steps.iter().any(|known| fired(known.result));
    let message = if paged {
        format!(
            "Nobody acknowledged in {rounds} round(s); the chain is exhausted. Acknowledge the ticket or page by hand."
        )
    } else {
        "No step of the chain reaches anybody; the chain is exhausted. Give its steps contacts."
            .to_owned()
    };
    draft.tell(Tell {
        reason: "Exhausted",
        warning: true,
        at: due,
        actor: None,
        message: &message,
    });
    notices::exhausted(draft, due);
}

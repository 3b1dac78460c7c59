//! (1) by the policy alone: the first round of a ticket that nobody touched, computed by hand from api.md 3.1.

use super::{Breach, Promise, Story, named, pinned};
use crate::api::{Paging, SignalState};
use crate::domain::calendar::Calendar;
use crate::domain::policy::ValidPolicy;
use crate::domain::telling::delivery::DeliveryId;
use crate::testkit::sim::ledger::Broken;
use crate::testkit::sim::moment::{MINUTE, Ms, SECOND, clock, ms_of};
use crate::testkit::sim::plan::{Plan, Trouble, What};
use crate::testkit::sim::run::Outcome;

/// A page is received within that of its due time when nothing is broken.
const IN_TIME: Ms = 1_500;
/// Clocks of operators are known to a tenth of a second.
const CLOCKS: Ms = 150;

/// What was broken so long before a ticket was opened moves none of its pages.
const RECOVERY: Ms = 3 * MINUTE;

/// One planned notification.
struct Planned {
    at: Ms,
    step: usize,
    repeat: i32,
}

pub(super) fn check(plan: &Plan, outcome: &Outcome, story: &Story<'_>, found: &mut Vec<Breach>) {
    let Some(first) = story.changes.first() else {
        return;
    };
    let spec = &first.ticket.spec;
    // Before the operator is up, and with what people change, the timetable is another.
    let opened = ms_of(first.at);
    let undisturbed_until = undisturbed(plan, outcome, story, opened);
    if opened < 10 * SECOND
        || spec
            .signal
            .as_ref()
            .is_some_and(|signal| signal.state != SignalState::Firing)
    {
        return;
    }
    let (Some(severity), Some(last)) = (spec.severity, story.at(undisturbed_until)) else {
        return;
    };
    let Some(policy) = last
        .status
        .as_ref()
        .and_then(|status| pinned(outcome, status))
    else {
        return;
    };
    let created = first
        .ticket
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(opened, |time| ms_of(time.0));
    for due in planned(policy, severity, created) {
        if due.at + IN_TIME >= undisturbed_until {
            return;
        }
        let Some(step) = policy.step_at(due.step) else {
            continue;
        };
        for target in named(policy, &step.notify) {
            let id = DeliveryId::of(&story.uid, 1, &step.name, &due.repeat.to_string(), &target);
            let Some(words) = not_in_time(outcome, &id, due.at) else {
                continue;
            };
            let (step, at) = (&step.name, clock(due.at));
            found.push(Breach {
                promise: Promise::Received,
                at: due.at,
                words: format!(
                    "{}: by the timetable \"{step}\" repeat {} was due for {target} at {at}; it {words}",
                    story.name, due.repeat
                ),
            });
            return;
        }
    }
}

fn not_in_time(outcome: &Outcome, id: &DeliveryId, due: Ms) -> Option<String> {
    let got = outcome
        .ledger
        .receipts
        .iter()
        .find(|receipt| receipt.delivery.id == *id);
    match got {
        None => Some("never came".to_owned()),
        Some(got) if got.at < due - CLOCKS || got.at > due + IN_TIME => {
            Some(format!("came at {}", clock(got.at)))
        }
        Some(_) => None,
    }
}

/// Until when nobody touched the ticket or a policy, and nothing that matters was broken.
fn undisturbed(plan: &Plan, outcome: &Outcome, story: &Story<'_>, opened: Ms) -> Ms {
    let edits = story.edits().skip(1);
    let policies = plan
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Policy { .. }));
    let policies = policies.map(|event| event.at);
    let outages = outcome
        .ledger
        .outages
        .iter()
        .filter(|outage| !changes_nothing(&outage.what) && outage.until + RECOVERY >= opened);
    let outages = outages.map(|outage| outage.from);
    edits
        .chain(policies)
        .chain(outages)
        .min()
        .unwrap_or(outcome.ended)
}

/// What may not move a page by a second.
fn changes_nothing(broken: &Broken) -> bool {
    match broken {
        Broken::Trouble(trouble) => match trouble {
            Trouble::Compact
            | Trouble::WatchCut { .. }
            | Trouble::WallJumps { .. }
            | Trouble::Meddle { .. } => true,
            Trouble::Crash { .. }
            | Trouble::Stop { .. }
            | Trouble::BothLead { .. }
            | Trouble::ApiDown { .. }
            | Trouble::ApiRefuses { .. }
            | Trouble::LoseAnswers { .. }
            | Trouble::WatchLags { .. }
            | Trouble::WatchFreezes { .. }
            | Trouble::Restore { .. } => false,
        },
        Broken::Receiver(..)
        | Broken::Death(_)
        | Broken::HandOver
        | Broken::LostAnswer
        | Broken::Leaderless => false,
    }
}

/// The notifications of the first round, up to the first step that waits for its hours.
fn planned(policy: &ValidPolicy, severity: crate::api::Severity, created: Ms) -> Vec<Planned> {
    let row = policy.row(severity);
    if row.paging == Paging::RecordOnly {
        return Vec::new();
    }
    let millis = |span: jiff::SignedDuration| Ms::try_from(span.as_millis()).unwrap_or(Ms::MAX);
    let steps = policy.steps_for(severity);
    let mut nominal = created + millis(row.initial_delay);
    let mut all = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        nominal += millis(step.after);
        if step.calendar != Calendar::always() {
            break;
        }
        let next = steps
            .get(place + 1)
            .map(|next| nominal + millis(next.after));
        let (every, times) = step
            .repeat
            .map_or((0, 0), |(every, times)| (millis(every), times));
        let hours = steps
            .get(place + 1)
            .is_some_and(|next| next.calendar != Calendar::always());
        for repeat in 0..=times {
            let at = nominal + Ms::from(repeat) * every;
            // A repeat ends when a later step fires; one that waits for its hours may fire later than its nominal time.
            if repeat > 0 && (hours || next.is_some_and(|next| at >= next)) {
                break;
            }
            all.push(Planned {
                at,
                step: step.index,
                repeat,
            });
        }
    }
    all
}

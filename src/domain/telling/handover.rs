//! The hand-over: whoever comes on duty in a rota that the escalation called hears of the ticket while it is open.
//!
//! Rules: issue of the clocks "hand-over notice to the next person with the open tickets"; kind `HandOver` of `api.md`
//! section 6. One notice per ticket and change of duty, an override is a change too. Nobody hears of a ticket whose
//! rota was not called. Changes missed during a downtime: told once, to whoever is on duty now.

use jiff::Timestamp;

use super::delivery::Target;
use super::notices::{self, Cause};
use crate::api::{Duty, Time};
use crate::domain::chain::timetable::fired;
use crate::domain::draft::Draft;
use crate::domain::next::Waiting;
use crate::domain::policy::Named;

/// Changes of duty looked through at most to find when the present one began.
const MOST_CHANGES: usize = 256;
/// Rotas remembered per ticket; a policy has no more.
const MOST_ROTAS: usize = 16;

/// Hands an open ticket over where duty has passed on.
pub fn apply(draft: &mut Draft<'_>) {
    if draft.policy.is_none() || draft.standing.resolved || draft.standing.closed {
        draft.status.duties.clear();
        return;
    }
    let called = called(draft);
    let before = std::mem::take(&mut draft.status.duties);
    let mut duties = Vec::with_capacity(called.len());
    for (rota, at) in called {
        let known = before.iter().find(|duty| duty.rota == rota).cloned();
        let duty = match known {
            Some(duty) if duty.seen_time.0 >= at => Some(duty),
            Some(_) | None => first_look(draft, &rota, at),
        };
        duties.extend(duty.map(|duty| look(draft, duty)));
    }
    draft.status.duties = duties;
}

/// The rotas that steps of the present round called, with the time of the newest call.
fn called(draft: &Draft<'_>) -> Vec<(String, Timestamp)> {
    let mut called: Vec<(String, Timestamp)> = Vec::new();
    let (Some(policy), Some(escalation)) =
        (draft.policy.as_deref(), draft.status.escalation.as_ref())
    else {
        return called;
    };
    for record in &escalation.steps {
        let paged = fired(record.result);
        let Some(step) = policy.step(&record.name).filter(|_| paged) else {
            continue;
        };
        for target in &step.notify {
            let Some(Named::Rota(rota)) = Named::of(target) else {
                continue;
            };
            match called.iter_mut().find(|(known, _)| known == rota) {
                Some((_, at)) => *at = (*at).max(record.time.0),
                None => called.push((rota.to_owned(), record.time.0)),
            }
        }
    }
    called.truncate(MOST_ROTAS);
    called
}

fn generation(draft: &Draft<'_>) -> i64 {
    let pin = draft.status.policy.as_ref();
    pin.map_or(0, |pin| pin.latest_generation)
}

/// Who was called; `None` = nobody was on call.
fn first_look(draft: &Draft<'_>, rota: &str, at: Timestamp) -> Option<Duty> {
    let people = draft.people()?;
    let member = people.on_call(rota, at)?.to_owned();
    let next = people.next_handover(rota, at);
    Some(Duty {
        rota: rota.to_owned(),
        member,
        seen_time: Time(at),
        next_time: next.map(|next| Time(next.at)),
        generation: generation(draft),
    })
}

/// Looks again once the duty passes on or the policy changed.
fn look(draft: &mut Draft<'_>, mut duty: Duty) -> Duty {
    let passes_on = duty.next_time.is_some_and(|time| time.0 <= draft.now);
    let generation = generation(draft);
    if passes_on || duty.generation != generation {
        let now = draft.now;
        let found = draft.people().map(|people| {
            let member = people.on_call(&duty.rota, now);
            let reached = member.filter(|member| people.contact(member).is_some());
            let next = people.next_handover(&duty.rota, now);
            (reached.map(str::to_owned), next.map(|next| Time(next.at)))
        });
        let (member, next) = found.unwrap_or_default();
        if let Some(member) = member.filter(|member| *member != duty.member) {
            let since = began(draft, &duty).unwrap_or(now);
            let cause = Cause::due(&format!("{}>{member}", duty.rota), since);
            notices::tell(draft, "HandOver", &cause, &Target::Contact(member.clone()));
            duty.member = member;
        }
        duty.next_time = next;
        duty.seen_time = Time(now);
        duty.generation = generation;
    }
    if let Some(next) = duty.next_time {
        draft.wake(next.0, Waiting::Deadline);
    }
    duty
}

/// When the present duty began: the newest change since the last look.
fn began(draft: &Draft<'_>, duty: &Duty) -> Option<Timestamp> {
    let people = draft.people()?;
    let mut newest = None;
    let mut at = duty.seen_time.0;
    for _ in 0..MOST_CHANGES {
        match people.next_handover(&duty.rota, at) {
            Some(change) if change.at <= draft.now => {
                newest = Some(change.at);
                at = change.at;
            }
            Some(_) | None => break,
        }
    }
    newest
}

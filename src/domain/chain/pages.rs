//! The pages of one due step or repeat: who gets them, how far they have come, how they are recorded.
//!
//! Rules: `delivery.md` section 1 (armed, ids, results within 1 s), `api.md` section 5 "Severity raised".

use jiff::{SignedDuration, Timestamp};

use super::timetable::{Upcoming, What};
use super::{escalation, raised};
use crate::api::DeliveryState;
use crate::domain::draft::{Draft, after};
use crate::domain::telling::deliveries::{self, CAUGHT_UP, Entry, Part};
use crate::domain::telling::delivery::{Delivery, DeliveryId, Progress, Target};
use crate::domain::telling::message::{self, PageOf};

/// Results are written at the latest this long after the hand-over.
pub const ANSWERS: SignedDuration = SignedDuration::from_secs(1);

/// How far the pages of a due step are.
pub enum Stage {
    /// The arm is not written yet: write it first.
    Unarmed,
    /// These have to leave now.
    Hand(Vec<Delivery>),
    /// All left; receivers have until then to answer before it is written that they are out.
    Answering(Timestamp),
    /// All left, the first at that moment.
    Fired(Timestamp),
    /// The step names nobody who can be reached.
    Nobody,
}

/// Who a due step pages: asked for its due time, of the live people.
pub fn targets(draft: &Draft<'_>, next: &Upcoming) -> Vec<Target> {
    let What::Page { index, .. } = &next.what else {
        return Vec::new();
    };
    let (Some(policy), Some(people)) = (draft.policy.as_deref(), draft.people()) else {
        return Vec::new();
    };
    policy
        .step_at(*index)
        .map_or_else(Vec::new, |step| people.expand(&step.notify, next.due))
}

/// Those of them who were not reached just before a raised severity began the round.
fn unreached(draft: &Draft<'_>, next: &Upcoming) -> Vec<Target> {
    let mut targets = targets(draft, next);
    if let What::Page {
        round,
        step,
        repeat: 0,
        ..
    } = &next.what
    {
        let spared: Vec<&str> = raised::spared(&draft.status, *round, step).collect();
        targets.retain(|target| !spared.contains(&target.to_string().as_str()));
    }
    targets
}

/// Names of those a step pages, for texts.
pub fn names(draft: &Draft<'_>, next: &Upcoming) -> String {
    let targets = unreached(draft, next);
    if targets.is_empty() {
        return "nobody anew: all were reached just before".to_owned();
    }
    targets
        .iter()
        .map(Target::name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn id(draft: &Draft<'_>, next: &Upcoming, target: &Target) -> Option<DeliveryId> {
    let What::Page {
        round,
        step,
        repeat,
        ..
    } = &next.what
    else {
        return None;
    };
    Some(DeliveryId::of(
        &draft.key().uid,
        *round,
        step,
        &repeat.to_string(),
        target,
    ))
}

/// The ids of the pages of `next` with those they are for.
pub fn ids(draft: &Draft<'_>, next: &Upcoming) -> Vec<(DeliveryId, Target)> {
    let targets = unreached(draft, next).into_iter();
    targets
        .filter_map(|target| Some((id(draft, next, &target)?, target)))
        .collect()
}

/// How far the pages of `next` are, which is due.
pub fn stage(draft: &Draft<'_>, next: &Upcoming) -> Stage {
    if !armed(draft, next) {
        return Stage::Unarmed;
    }
    if targets(draft, next).is_empty() {
        return Stage::Nobody;
    }
    let ids = ids(draft, next);
    let unsent: Vec<_> = ids
        .iter()
        .filter(|(id, _)| draft.progress(id, next.due).is_none())
        .collect();
    if !unsent.is_empty() {
        return Stage::Hand(
            unsent
                .into_iter()
                .map(|(id, target)| delivery(draft, next, id, target))
                .collect(),
        );
    }
    let all: Vec<&Progress> = ids
        .iter()
        .filter_map(|(id, _)| draft.progress(id, next.due))
        .collect();
    let handed = all
        .iter()
        .map(|known| known.since())
        .min()
        .unwrap_or(draft.now);
    let flying = all
        .iter()
        .any(|known| matches!(known, Progress::InFlight { .. }));
    if flying && draft.now < after(handed, ANSWERS) {
        return Stage::Answering(after(handed, ANSWERS));
    }
    Stage::Fired(handed)
}

/// Whether a repeat of the step that paged last has left and did not fail; it is on record once it has an answer.
pub fn again_under_way(draft: &Draft<'_>, step: &str) -> bool {
    let next = escalation::upcoming(draft).filter(|next| match &next.what {
        What::Page { step: again, .. } => again == step,
        What::Exhaust => false,
    });
    next.is_some_and(|next| {
        let mut known = ids(draft, &next)
            .into_iter()
            .filter_map(|(id, _)| draft.progress(&id, next.due));
        armed(draft, &next) && known.any(|known| !matches!(known, Progress::Failed { .. }))
    })
}

/// Whether the written status arms exactly this.
pub fn armed(draft: &Draft<'_>, next: &Upcoming) -> bool {
    let What::Page {
        round,
        step,
        repeat,
        new_round,
        ..
    } = &next.what
    else {
        return false;
    };
    draft.written_escalation().is_some_and(|written| {
        let written_round = written.round + i64::from(new_round.is_some());
        written_round == *round
            && written.next_step.as_ref() == Some(step)
            && written.next_repeat.unwrap_or(0) == *repeat
            && written.next_time.map(|time| time.0) == Some(next.due)
    })
}

fn delivery(draft: &Draft<'_>, next: &Upcoming, id: &DeliveryId, target: &Target) -> Delivery {
    let What::Page {
        round,
        step,
        repeat,
        ..
    } = &next.what
    else {
        unreachable_page()
    };
    let page = PageOf {
        round: *round,
        step,
        repeat: *repeat,
        cause: None,
    };
    let message = message::page(draft, id, target, page);
    deliveries::make(
        draft,
        deliveries::Parts {
            id: id.clone(),
            target: target.clone(),
            valid_while: deliveries::of_step(draft, step),
            due: next.due,
            message,
        },
    )
}

fn unreachable_page() -> ! {
    unreachable!("only pages are delivered; exhaustion is told by notices")
}

/// Writes what became of the pages into the status.
pub fn record(draft: &mut Draft<'_>, next: &Upcoming) {
    let What::Page {
        round,
        step,
        repeat,
        ..
    } = &next.what
    else {
        return;
    };
    for (id, target) in ids(draft, next) {
        let entry = Entry {
            id: &id,
            round: *round,
            part: Part::Page {
                step,
                repeat: *repeat,
                cause: None,
            },
            target: &target,
            due: next.due,
        };
        deliveries::put(&mut draft.status, entry.sending());
    }
    deliveries::take_results(draft);
}

/// What became of the pages of `next` cannot be known any more.
pub fn unknown(draft: &mut Draft<'_>, next: &Upcoming) {
    for (id, _) in ids(draft, next) {
        let deliveries = draft.status.deliveries.iter_mut();
        for known in deliveries.filter(|known| known.id == id.as_str()) {
            known.state = DeliveryState::Unknown;
        }
    }
}

/// Arms one page for each recipient of a missed step who was not paged in this round.
pub fn arm_missed(draft: &mut Draft<'_>, missed: Vec<(DeliveryId, Target, String)>) {
    let round = draft.escalation().round;
    for (id, target, step) in missed {
        let name = target.to_string();
        let paged = draft
            .status
            .deliveries
            .iter()
            .any(|known| known.round == round && known.kind.is_none() && known.target == name);
        if paged {
            continue;
        }
        let entry = Entry {
            id: &id,
            round,
            part: Part::Page {
                step: &step,
                repeat: 0,
                cause: Some(CAUGHT_UP),
            },
            target: &target,
            due: draft.now,
        };
        deliveries::put(&mut draft.status, entry.armed());
    }
}

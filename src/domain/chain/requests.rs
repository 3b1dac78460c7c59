//! A person's requests to the chain: go at least to a step, page again.
//!
//! Rule: `api.md` section 5 "`atLeast`, `pageAgain`": each once per its own value and token, whatever the
//! acknowledgement.

use jiff::Timestamp;

use super::{escalation, steps};
use crate::api::{Escalation, EscalationState, StepResult};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block, Judged};
use crate::domain::policy::{StepPlan, ValidPolicy};
use crate::domain::telling::deliveries::{self, Entry, Part};
use crate::domain::telling::delivery::{DeliveryId, Target};
use crate::domain::telling::notices;

/// Carries out new requests, or says why nothing happened.
pub fn apply(draft: &mut Draft<'_>) {
    let request = draft.ticket().spec.escalation.as_ref();
    let at_least = request.and_then(|block| block.at_least.clone());
    let by = request.map(|block| block.by.clone()).unwrap_or_default();
    if let Some(hash) = fresh(draft, Block::AtLeast)
        && let Some(step) = at_least
    {
        go_to(draft, &step, &hash, &by);
    }
    if let Some(hash) = fresh(draft, Block::PageAgain) {
        page_again(draft, &hash, &by);
    }
}

/// Why a chain takes no requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The ticket is held, suspended or under maintenance.
    Held,
    /// The ticket is resolved or closed.
    Over,
    /// Its severity is recorded, not paged.
    NotPaged,
}

/// Says of new requests why nothing happens. They are handled by that: to ask again takes a fresh `token` or `pageAgain`.
pub fn refuse_all(draft: &mut Draft<'_>, why: Refusal) {
    let (at_least, again) = (fresh(draft, Block::AtLeast), fresh(draft, Block::PageAgain));
    if at_least.is_none() && again.is_none() {
        return;
    }
    let (reason, message) = match why {
        Refusal::Held => {
            let words = draft.held.as_ref().map_or("", |held| held.words.as_str());
            (
                "Held",
                format!(
                    "Nobody was paged on request, since the ticket is held: {words}. Lift that, then ask again with a fresh `token` or `pageAgain`."
                ),
            )
        }
        Refusal::Over => (
            "Over",
            "Nobody was paged on request, since the ticket is resolved or closed. Reopen it, then ask again with a fresh `token` or `pageAgain`.".to_owned(),
        ),
        Refusal::NotPaged => (
            "NotPaged",
            "Nobody was paged on request, since the policy only records this severity. Raise it, then ask again with a fresh `token` or `pageAgain`.".to_owned(),
        ),
    };
    refuse(draft, reason, &message);
}

/// The hash of a request that was not handled yet; handled from now on.
fn fresh(draft: &mut Draft<'_>, block: Block) -> Option<String> {
    let hash = facts::declared(&draft.ticket().spec, block);
    match facts::judge(&draft.status, block, hash.as_deref()) {
        Judged::New => {
            let now = draft.now;
            facts::remember(&mut draft.status, block, hash.clone()?, now, false);
            hash
        }
        Judged::Absent => {
            facts::forget(&mut draft.status, block);
            None
        }
        Judged::Known(_) | Judged::Void => None,
    }
}

fn refuse(draft: &mut Draft<'_>, reason: &str, message: &str) {
    draft.condition("EscalationRequested", false, reason, message);
    let now = draft.now;
    draft.tell(Tell {
        reason: "RequestIgnored",
        warning: true,
        at: now,
        actor: None,
        message,
    });
}

fn go_to(draft: &mut Draft<'_>, step: &str, hash: &str, by: &str) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let Some(plan) = policy.step(step) else {
        let message = format!(
            "`spec.escalation.atLeast` must be a step of policy; it has no step \"{step}\"."
        );
        return refuse(draft, "UnknownStep", &message);
    };
    let escalation = draft.escalation();
    let mut records = escalation.steps.iter();
    let waits = records.any(|known| known.name == step && steps::waits(known.result));
    let position = escalation.step.as_deref();
    let position = position
        .and_then(|name| policy.step(name))
        .map(|known| known.index);
    if !waits && position.is_some_and(|position| position >= plan.index) {
        let message = format!(
            "The chain has already reached step \"{step}\". Use `pageAgain` to page again."
        );
        return refuse(draft, "AlreadyFurther", &message);
    }
    let now = draft.now;
    let targets = draft
        .people()
        .map(|people| people.expand(&plan.notify, now))
        .unwrap_or_default();
    let result = if targets.is_empty() {
        StepResult::SkippedEmpty
    } else {
        StepResult::Fired
    };
    move_to(draft.escalation(), &policy, plan, now, result);
    if targets.is_empty() {
        return reaches_nobody(draft, step);
    }
    page(draft, step, &targets, "0", hash);
    notices::escalated(draft, step, now, &targets);
    done(
        draft,
        by,
        &format!("Escalated to step \"{step}\" on request"),
    );
}

/// The chain stands at the step now: what waited before it is not called any more.
fn move_to(
    escalation: &mut Escalation,
    policy: &ValidPolicy,
    plan: &StepPlan,
    now: Timestamp,
    result: StepResult,
) {
    let before = |name: &str| {
        let step = policy.step(name);
        step.is_some_and(|step| step.index < plan.index)
    };
    for known in &mut escalation.steps {
        if steps::waits(known.result) && before(&known.name) {
            known.result = StepResult::Skipped;
        }
    }
    steps::handled(escalation, &plan.name, now, now, result);
    escalation.state = EscalationState::Running;
}

fn reaches_nobody(draft: &mut Draft<'_>, step: &str) {
    let then = if escalation::pull_forward(draft) {
        "the next open step follows at once"
    } else {
        "no further step can fire now"
    };
    let message = format!(
        "Step \"{step}\" reaches nobody, so nobody was paged by it on request; {then}. Give it a contact, group or rota."
    );
    refuse(draft, "ReachesNobody", &message);
}

fn page_again(draft: &mut Draft<'_>, hash: &str, by: &str) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let newest = steps::newest(draft.escalation()).map(|known| known.name.clone());
    let first = policy
        .steps_for(draft.severity())
        .first()
        .map(|step| step.name.clone());
    let Some(step) = newest.or(first) else {
        return refuse(
            draft,
            "NoStep",
            "The policy has no step for this severity, so nobody can be paged again.",
        );
    };
    let now = draft.now;
    let notify = policy
        .step(&step)
        .map(|plan| plan.notify.clone())
        .unwrap_or_default();
    let targets = draft
        .people()
        .map(|people| people.expand(&notify, now))
        .unwrap_or_default();
    if targets.is_empty() {
        let message = format!(
            "Step \"{step}\" reaches nobody, so nobody was paged again. Give it a contact, group or rota, or use `atLeast` to go to another step."
        );
        return refuse(draft, "ReachesNobody", &message);
    }
    page(draft, &step, &targets, hash, hash);
    done(
        draft,
        by,
        &format!("Step \"{step}\" paged again on request"),
    );
}

fn page(draft: &mut Draft<'_>, step: &str, targets: &[Target], repeat: &str, cause: &str) {
    let uid = draft.key().uid;
    let round = draft.escalation().round;
    for target in targets {
        let id = DeliveryId::of(&uid, round, step, repeat, target);
        let entry = Entry {
            id: &id,
            round,
            part: Part::Page {
                step,
                repeat: 0,
                cause: Some(cause),
            },
            target,
            due: draft.now,
        };
        deliveries::put(&mut draft.status, entry.armed());
    }
}

fn done(draft: &mut Draft<'_>, by: &str, message: &str) {
    draft.condition("EscalationRequested", true, "Done", message);
    let now = draft.now;
    draft.tell(Tell {
        reason: "EscalationRequested",
        warning: false,
        at: now,
        actor: Some(by),
        message,
    });
}

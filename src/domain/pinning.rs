//! Which policy revision a ticket runs on, and what happens when there is none or it is lost.
//!
//! Rules: `api.md` section 3 "Revisions", "Which policy".

use jiff::SignedDuration;

use super::draft::{Draft, Tell, after};
use super::facts::hash_of;
use super::next::Waiting;
use super::opening;
use super::selection::Choice;
use crate::api::{PinRule, PolicyPin, Time};

/// A policy that is applied together with its ticket may need this long to be accepted before its absence is told.
const ARRIVAL: SignedDuration = SignedDuration::from_secs(2);
/// A pin to a fallback moves once to a better match that appears within this time.
const BETTER_MATCH: SignedDuration = SignedDuration::from_secs(60);

/// Finds or keeps the pin, then the severity that follows from it.
pub fn apply(draft: &mut Draft<'_>) {
    match draft.status.policy.clone() {
        None => first_pin(draft),
        Some(pin) => keep_or_move(draft, pin),
    }
    load(draft);
    opening::severity(draft);
}

fn ref_hash(draft: &Draft<'_>) -> Option<String> {
    draft.ticket().spec.policy_ref.as_ref().map(hash_of)
}

fn first_pin(draft: &mut Draft<'_>) {
    match draft.seen.policies.choose(draft.ticket()) {
        Some(choice) => pin(draft, &choice),
        None => unresolved(draft),
    }
}

fn unresolved(draft: &mut Draft<'_>) {
    let submitted = draft.status.submit_time.map_or(draft.now, |time| time.0);
    let patience = after(submitted.max(draft.seen.first_seen.min(draft.now)), ARRIVAL);
    if draft.now < patience {
        draft.wake(patience, Waiting::Policy);
        return;
    }
    let message = match &draft.ticket().spec.policy_ref {
        Some(wanted) => format!(
            "`spec.policyRef` names \"{}\", which has no valid revision in this namespace or the shared one, so nobody is paged. Apply that policy or name another one.",
            wanted.name
        ),
        None => "No policy selects this ticket and there is no default policy, so nobody is paged. Apply a policy whose `selector` fits, or one with `default: true`, or set `spec.policyRef`.".to_owned(),
    };
    if !super::conditions::known(&draft.status.conditions, "PolicyResolved") {
        let now = draft.now;
        draft.tell(Tell {
            reason: "PolicyMissing",
            warning: true,
            at: now,
            actor: None,
            message: &message,
        });
    }
    draft.condition("PolicyResolved", false, "NoPolicy", &message);
}

fn keep_or_move(draft: &mut Draft<'_>, mut known: PolicyPin) {
    let index = &draft.seen.policies;
    let wanted = ref_hash(draft);
    let rewritten = wanted.is_some() && wanted != known.ref_hash;
    if (rewritten || better_match_allowed(draft, &known))
        && let Some(choice) = index.choose(draft.ticket())
    {
        let moved = choice.namespace != known.namespace || choice.name != known.name;
        if rewritten || (moved && rank(choice.rule) < rank(known.rule)) {
            pin(draft, &choice);
            return;
        }
    }
    if index.pinned(&known).is_none() {
        pin_lost(draft, &known);
        return;
    }
    let latest = index
        .live(&known.namespace, &known.name)
        .map(|(policy, _)| policy.generation);
    known.latest_generation = latest
        .unwrap_or(known.latest_generation)
        .max(known.generation);
    draft.status.policy = Some(known);
}

fn better_match_allowed(draft: &Draft<'_>, pin: &PolicyPin) -> bool {
    let young = pin
        .pin_time
        .is_some_and(|time| draft.now < after(time.0, BETTER_MATCH));
    let steps = draft
        .status
        .escalation
        .as_ref()
        .map_or(0, |escalation| escalation.steps.len());
    young && steps < 2 && rank(pin.rule) > 1
}

/// Lower is better; the first two are no fallbacks.
fn rank(rule: PinRule) -> u8 {
    match rule {
        PinRule::PolicyRef => 0,
        PinRule::Selector => 1,
        PinRule::SharedPolicyRef => 2,
        PinRule::Default => 3,
        PinRule::SharedDefault => 4,
    }
}

fn pin_lost(draft: &mut Draft<'_>, lost: &PolicyPin) {
    let index = &draft.seen.policies;
    let newest = index
        .live(&lost.namespace, &lost.name)
        .and_then(|(policy, _)| {
            Some(Choice {
                namespace: lost.namespace.clone(),
                name: lost.name.clone(),
                revision: policy.revision.clone()?,
                generation: policy.generation,
                rule: lost.rule,
            })
        });
    let Some(choice) = newest.or_else(|| index.choose(draft.ticket())) else {
        let message = format!(
            "The stored revision \"{}\" of policy \"{}\" is gone and no other policy applies, so nobody is paged. Apply the policy again.",
            lost.revision, lost.name
        );
        draft.condition("PinLost", true, "RevisionGone", &message);
        draft.condition("PolicyResolved", false, "RevisionGone", &message);
        return;
    };
    let message = format!(
        "The stored revision \"{}\" was deleted; this ticket now runs on \"{}\".",
        lost.revision, choice.revision
    );
    pin(draft, &choice);
    let now = draft.now;
    draft.condition("PinLost", true, "RevisionGone", &message);
    draft.tell(Tell {
        reason: "PinLost",
        warning: true,
        at: now,
        actor: None,
        message: &message,
    });
}

fn pin(draft: &mut Draft<'_>, choice: &Choice) {
    let before = draft.status.policy.replace(PolicyPin {
        name: choice.name.clone(),
        namespace: choice.namespace.clone(),
        revision: choice.revision.clone(),
        generation: choice.generation,
        latest_generation: choice.generation,
        ref_hash: ref_hash(draft),
        pin_time: Some(Time(draft.now)),
        rule: choice.rule,
    });
    let how = match choice.rule {
        PinRule::PolicyRef => "named by `spec.policyRef`",
        PinRule::SharedPolicyRef => "named by `spec.policyRef`, from the shared namespace",
        PinRule::Selector => "its selector fits",
        PinRule::Default => "the namespace's default",
        PinRule::SharedDefault => "the shared namespace's default",
    };
    let message = format!(
        "Runs on policy \"{}\", revision {} ({how})",
        choice.name, choice.revision
    );
    draft.condition("PolicyResolved", true, "Pinned", &message);
    let now = draft.now;
    if before.is_some() {
        draft.tell(Tell {
            reason: "Repinned",
            warning: false,
            at: now,
            actor: None,
            message: &message,
        });
        escalation_forgets_arm(draft);
    }
}

/// The next step is computed anew from the new revision, by step name (api.md section 5, "Policy edited").
fn escalation_forgets_arm(draft: &mut Draft<'_>) {
    if let Some(escalation) = draft.status.escalation.as_mut() {
        escalation.next_step = None;
        escalation.next_repeat = None;
        escalation.next_time = None;
    }
}

/// Takes the pinned policy, and the live one of the same name, from what was seen.
pub fn load(draft: &mut Draft<'_>) {
    let Some(pin) = draft.status.policy.as_ref() else {
        return;
    };
    draft.policy = draft.seen.policies.pinned(pin).cloned();
    draft.live = draft
        .seen
        .policies
        .live(&pin.namespace, &pin.name)
        .map(|(_, valid)| valid.clone());
}

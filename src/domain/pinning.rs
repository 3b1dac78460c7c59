//! Which policy revision a ticket runs on, and what happens when there is none or it is lost.
//!
//! Rules: `api.md` section 3 "Revisions", "Which policy".

use std::sync::Arc;

use jiff::SignedDuration;

use crate::api::{ConditionStatus, EscalationState, PinRule, PolicyPin, Time};
use crate::domain::chain::place;
use crate::domain::chain::steps::{self, Row};
use crate::domain::draft::{Draft, Tell, after};
use crate::domain::facts::hash_of;
use crate::domain::lifecycle;
use crate::domain::lifecycle::opening;
use crate::domain::next::Waiting;
use crate::domain::selection::Choice;

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
    if !crate::domain::conditions::known(&draft.status.conditions, "PolicyResolved") {
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
            if let (false, Some(pin)) = (rewritten, draft.status.policy.as_mut()) {
                pin.moved = true;
            }
            return draft.clear_condition("PinLost", "Repinned", "Another policy was pinned.");
        }
    }
    if index.pinned(&known).is_none() {
        pin_lost(draft, &known);
        return;
    }
    if rewritten {
        unknown_reference(draft, &known);
    } else if !holds(draft, "PolicyResolved") {
        let message = runs_on(&known);
        draft.condition("PolicyResolved", true, "Pinned", &message);
    }
    let latest = draft
        .seen
        .policies
        .live(&known.namespace, &known.name)
        .map(|(policy, _)| policy.generation);
    known.latest_generation = latest
        .unwrap_or(known.latest_generation)
        .max(known.generation);
    draft.status.policy = Some(known);
}

/// A reference that leads nowhere moves nothing; the ticket goes on as it was pinned.
fn unknown_reference(draft: &mut Draft<'_>, known: &PolicyPin) {
    let wanted = draft.ticket().spec.policy_ref.as_ref();
    let wanted = wanted.map_or("", |wanted| wanted.name.as_str());
    let message = format!(
        "`spec.policyRef` names \"{wanted}\", which has no valid revision in this namespace or the shared one; the ticket still runs on \"{}\". Apply that policy or name another one.",
        known.name
    );
    draft.condition("PolicyResolved", false, "UnknownReference", &message);
}

/// Whether a condition stands True.
fn holds(draft: &Draft<'_>, type_: &str) -> bool {
    let mut conditions = draft.status.conditions.iter();
    conditions.any(|known| known.type_ == type_ && known.status == ConditionStatus::True)
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
    young && steps < 2 && !pin.moved && rank(pin.rule) > 1
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
    let same_policy = newest.is_some();
    let Some(choice) = newest.or_else(|| index.choose(draft.ticket())) else {
        let message = format!(
            "The stored revision \"{}\" of policy \"{}\" is gone and no other policy applies, so nobody is paged. Apply the policy again.",
            lost.revision, lost.name
        );
        if !holds(draft, "PinLost") {
            tell_lost(draft, &message);
        }
        draft.condition("PinLost", true, "RevisionGone", &message);
        draft.condition("PolicyResolved", false, "RevisionGone", &message);
        return;
    };
    let message = format!(
        "The stored revision \"{}\" was deleted; this ticket now runs on \"{}\".",
        lost.revision, choice.revision
    );
    pin(draft, &choice);
    if same_policy && let Some(pin) = draft.status.policy.as_mut() {
        // A `policyRef` that leads nowhere so far is followed once its policy comes.
        pin.ref_hash.clone_from(&lost.ref_hash);
    }
    draft.condition("PinLost", true, "RevisionGone", &message);
    tell_lost(draft, &message);
}

fn tell_lost(draft: &mut Draft<'_>, message: &str) {
    let now = draft.now;
    draft.tell(Tell {
        reason: "PinLost",
        warning: true,
        at: now,
        actor: None,
        message,
    });
}

fn pin(draft: &mut Draft<'_>, choice: &Choice) {
    let pin = PolicyPin {
        name: choice.name.clone(),
        namespace: choice.namespace.clone(),
        revision: choice.revision.clone(),
        generation: choice.generation,
        latest_generation: choice.generation,
        ref_hash: ref_hash(draft),
        pin_time: Some(Time(draft.now)),
        moved: false,
        rule: choice.rule,
    };
    let message = runs_on(&pin);
    draft.condition("PolicyResolved", true, "Pinned", &message);
    let index = &draft.seen.policies;
    let new = index.pinned(&pin).cloned();
    let Some(before) = draft.status.policy.replace(pin) else {
        return;
    };
    let now = draft.now;
    draft.tell(Tell {
        reason: "Repinned",
        warning: false,
        at: now,
        actor: None,
        message: &message,
    });
    draft.repinned = true;
    let old = index.pinned(&before).map(Arc::as_ref);
    let severity = draft.severity();
    let standing = lifecycle::standing_of(&draft.status);
    let Some(escalation) = draft.status.escalation.as_mut() else {
        return;
    };
    if let (Some(policy), EscalationState::Running) = (old, escalation.state) {
        let row = Row {
            policy,
            severity,
            standing,
        };
        steps::settle(escalation, &row, now);
    }
    if let Some(new) = new {
        place::map(escalation, old, &new);
    }
}

fn runs_on(pin: &PolicyPin) -> String {
    let how = match pin.rule {
        PinRule::PolicyRef => "named by `spec.policyRef`",
        PinRule::SharedPolicyRef => "named by `spec.policyRef`, from the shared namespace",
        PinRule::Selector => "its selector fits",
        PinRule::Default => "the namespace's default",
        PinRule::SharedDefault => "the shared namespace's default",
    };
    format!(
        "Runs on policy \"{}\", revision {} ({how})",
        pin.name, pin.revision
    )
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

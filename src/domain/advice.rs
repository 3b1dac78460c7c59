//! Conditions that advise people and stop nothing: the ticket's scope, a possible duplicate, a target nobody defined.
//!
//! Rules: `api.md` section 2 (`category`), section 5 "Duplicate" (another open ticket with the same dedupKey), section 3
//! ("Support response targets not formally defined"). A ticket out of scope is escalated all the same until a person
//! closes it as `OutOfScope`: at 03:00 a wrong word in `category` must not silence a page.

use crate::api::condition_type::{IN_SCOPE, POSSIBLE_DUPLICATE};
use crate::api::{Scope, TargetClock, TargetState};
use crate::domain::draft::{Draft, Tell};
use crate::domain::policy::ValidPolicy;

/// What is printed where the policy defines no response target.
pub const NO_RESPONSE_TARGET: &str = "Support response targets not formally defined";
/// What is printed where the policy defines no resolution target.
pub const NO_RESOLUTION_TARGET: &str = "Support resolution targets not formally defined";

/// Sets and clears the conditions.
pub fn apply(draft: &mut Draft<'_>) {
    possible_duplicate(draft);
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    scope(draft, &policy);
    undefined_targets(draft);
}

fn possible_duplicate(draft: &mut Draft<'_>) {
    let other = draft.seen.others.same_key.as_ref();
    match other.filter(|_| !draft.standing.closed) {
        Some(other) => {
            let message = format!(
                "Ticket \"{other}\" is open and has the same `source.dedupKey`. If this one repeats it, set `spec.duplicateOf.name` to \"{other}\"."
            );
            draft.condition(POSSIBLE_DUPLICATE, true, "SameKey", &message);
        }
        None => draft.clear_condition(
            POSSIBLE_DUPLICATE,
            "NoOther",
            "No other open ticket has the same `source.dedupKey`.",
        ),
    }
}

/// How a category stands to a scope; `None` = nothing to say.
fn judged(scope: &Scope, category: &str) -> Option<(bool, &'static str, String)> {
    let of = |items: &[crate::api::ScopeItem]| {
        let mut found = items.iter().filter(|item| item.category == category);
        found.next().map(|item| {
            let said = item.description.as_deref().unwrap_or_default();
            let space = if said.is_empty() { "" } else { ": " };
            format!("{space}{said}")
        })
    };
    if let Some(said) = of(&scope.out_of_scope) {
        return Some((false, "OutOfScope", format!("is out of scope{said}")));
    }
    if let Some(said) = of(&scope.in_scope) {
        return Some((true, "InScope", format!("is in scope{said}")));
    }
    let listed = !scope.in_scope.is_empty();
    listed.then(|| {
        (
            false,
            "NotListed",
            "is not among the categories in scope".to_owned(),
        )
    })
}

fn scope(draft: &mut Draft<'_>, policy: &ValidPolicy) {
    let category = draft.ticket().spec.category.as_deref();
    let judged = category
        .zip(policy.spec().scope.as_ref())
        .and_then(|(category, scope)| Some((category, judged(scope, category)?)));
    let Some((category, (within, reason, words))) = judged else {
        draft
            .status
            .conditions
            .retain(|known| known.type_ != IN_SCOPE);
        return;
    };
    let name = draft
        .status
        .policy
        .as_ref()
        .map_or("", |pin| pin.name.as_str());
    let words = format!("Category \"{category}\" {words} (policy \"{name}\").");
    if within {
        draft.condition(IN_SCOPE, true, reason, &words);
        return;
    }
    let message = format!(
        "{words} Close the ticket with `spec.closure.reason` OutOfScope, or correct `spec.category`; until then it is escalated as any other."
    );
    let known = crate::domain::conditions::message(&draft.status.conditions, IN_SCOPE);
    let news = known != Some(crate::domain::timeline::cut(&message, 512).as_str());
    draft.condition(IN_SCOPE, false, reason, &message);
    if news {
        let now = draft.now;
        draft.tell(Tell {
            reason: "OutOfScope",
            warning: true,
            at: now,
            actor: None,
            message: &message,
        });
    }
}

fn undefined_targets(draft: &mut Draft<'_>) {
    let Some(targets) = draft.status.targets.as_mut() else {
        return;
    };
    say(&mut targets.response, NO_RESPONSE_TARGET);
    say(&mut targets.resolution, NO_RESOLUTION_TARGET);
}

fn say(clock: &mut TargetClock, words: &str) {
    match clock.state {
        TargetState::Undefined => clock.reason = Some(words.to_owned()),
        TargetState::Running | TargetState::Paused | TargetState::Met | TargetState::Breached => {
            if clock.reason.as_deref() == Some(words) {
                clock.reason = None;
            }
        }
    }
}

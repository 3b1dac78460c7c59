//! What was found about a policy, in the words of its status and Events. Pure.

use jiff::Timestamp;

use super::policy::Use;
use super::shelf::Kept;
use crate::api::condition::{condition_type, reason};
use crate::api::{
    Condition, ConditionStatus, DocumentRef, EscalationPolicy, EscalationPolicyStatus, Time,
};
use crate::domain::holds::suspend;
use crate::domain::next::Transition;
use crate::domain::policy::{Finding, OpenItem};

/// Longest message of a condition in bytes.
const MESSAGE_MOST: usize = 1024;
/// Open items that a status holds.
const ITEMS_MOST: usize = 64;

/// What was found about a policy.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The revision that holds its spec; `None` when that is not valid.
    pub revision: Option<String>,
    /// What makes it invalid.
    pub errors: Vec<Finding>,
    /// What people still have to settle.
    pub open_items: Vec<OpenItem>,
    /// The default policies of its namespace, the one that counts first.
    pub defaults: Vec<String>,
    /// How its document is kept; `None` when that is not known now.
    pub document: Option<Kept>,
    /// Its users; `None` when this operator does not see all of them.
    pub usage: Option<Use>,
}

/// The status that follows from what was found, and what to tell.
pub fn status_of(
    policy: &EscalationPolicy,
    found: &Found,
    now: Timestamp,
) -> (EscalationPolicyStatus, Vec<Transition>) {
    let before = policy.status.clone().unwrap_or_default();
    let generation = policy.metadata.generation;
    let mut status = EscalationPolicyStatus {
        observed_generation: generation,
        open_items: found
            .open_items
            .iter()
            .take(ITEMS_MOST)
            .map(OpenItem::to_item)
            .collect(),
        ..before.clone()
    };
    status.suspend_seen_time = suspend::first_seen(policy, now).map(Time);
    if let Some(usage) = found.usage {
        status.open_tickets = Some(usage.open);
        status.outdated_tickets = Some(usage.outdated);
    }
    let mut transitions = Vec::new();
    if let Some(revision) = &found.revision {
        status.revision = Some(revision.clone());
        status.generation = generation;
        if before.revision.as_ref() != Some(revision) {
            transitions.push(stored(revision, generation));
        }
    }
    let mut conditions = Conditions {
        before: &before.conditions,
        now,
        generation,
        list: Vec::new(),
    };
    readiness(&mut conditions, found, before.revision.as_deref());
    default_conflict(&mut conditions, policy, found);
    suspended(&mut conditions, policy, status.suspend_seen_time);
    document(&mut conditions, &mut status, found.document.as_ref());
    status.conditions = conditions.list;
    transitions.extend(told(&before, &status, generation));
    (status, transitions)
}

fn readiness(conditions: &mut Conditions<'_>, found: &Found, in_use: Option<&str>) {
    if found.errors.is_empty() {
        let items = found.open_items.len();
        let message = match items {
            0 => "the policy is valid and in use".to_owned(),
            1 => "the policy is valid and in use; 1 open item stands in `status.openItems`"
                .to_owned(),
            _ => format!(
                "the policy is valid and in use; {items} open items stand in `status.openItems`"
            ),
        };
        conditions.set(
            condition_type::READY,
            ConditionStatus::True,
            reason::ACCEPTED,
            &message,
        );
        conditions.clear(
            condition_type::STALLED,
            reason::ACCEPTED,
            "the policy is valid",
        );
        return;
    }
    let consequence = match in_use {
        Some(revision) => format!("revision \"{revision}\" stays in use until this is mended"),
        None => "no ticket can use it until this is mended".to_owned(),
    };
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let message = format!("{consequence}: {}", errors.join("; "));
    conditions.set(
        condition_type::READY,
        ConditionStatus::False,
        reason::INVALID_SPEC,
        &message,
    );
    conditions.set(
        condition_type::STALLED,
        ConditionStatus::True,
        reason::INVALID_SPEC,
        &message,
    );
}

fn default_conflict(conditions: &mut Conditions<'_>, policy: &EscalationPolicy, found: &Found) {
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    if found.defaults.len() < 2 || !found.defaults.iter().any(|default| default == name) {
        conditions.clear(
            condition_type::DEFAULT_CONFLICT,
            "NoConflict",
            "no other policy stands beside this one as the default of this namespace",
        );
        return;
    }
    let names: Vec<String> = found
        .defaults
        .iter()
        .map(|default| format!("\"{default}\""))
        .collect();
    let message = format!(
        "{} are each the default of this namespace; \"{}\" counts, as it is the oldest; set `spec.default` on one only",
        names.join(", "),
        found.defaults[0]
    );
    conditions.set(
        condition_type::DEFAULT_CONFLICT,
        ConditionStatus::True,
        "SeveralDefaults",
        &message,
    );
}

/// Says who suspended the policy until when, and that a suspension is over.
fn suspended(conditions: &mut Conditions<'_>, policy: &EscalationPolicy, seen: Option<Time>) {
    let words = policy
        .spec
        .suspend
        .as_ref()
        .zip(seen)
        .and_then(|(suspend, seen)| suspend::words(suspend, seen.0, conditions.now));
    match words {
        Some(words) => conditions.set(
            condition_type::SUSPENDED,
            ConditionStatus::True,
            condition_type::SUSPENDED,
            &format!("every ticket of this policy is held: {words}"),
        ),
        None => conditions.clear(
            condition_type::SUSPENDED,
            "NotSuspended",
            "nobody suspends this policy now",
        ),
    }
}

/// Says how the support document is kept; where that is not known now, what was said before stands.
fn document(
    conditions: &mut Conditions<'_>,
    status: &mut EscalationPolicyStatus,
    kept: Option<&Kept>,
) {
    let Some(kept) = kept else {
        let known = |before: &&Condition| before.type_ == condition_type::DOCUMENT_KEPT;
        let before = conditions.before.iter().find(known);
        conditions.list.extend(before.cloned());
        return;
    };
    status.document = kept.there().then(|| DocumentRef {
        config_map: kept.config_map.clone(),
    });
    let holds = if kept.whole() {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    conditions.set(
        condition_type::DOCUMENT_KEPT,
        holds,
        kept.reason(),
        &kept.message(),
    );
}

/// Conditions as they are put together: one that stays as it was keeps its time.
struct Conditions<'a> {
    before: &'a [Condition],
    now: Timestamp,
    generation: Option<i64>,
    list: Vec<Condition>,
}

impl Conditions<'_> {
    /// What was said before holds no longer; what was never said needs no word.
    fn clear(&mut self, type_: &str, reason: &str, message: &str) {
        let mut before = self.before.iter();
        if before.any(|before| before.type_ == type_) {
            self.set(type_, ConditionStatus::False, reason, message);
        }
    }

    fn set(&mut self, type_: &str, status: ConditionStatus, reason: &str, message: &str) {
        let since = self
            .before
            .iter()
            .find(|before| before.type_ == type_ && before.status == status);
        self.list.push(Condition {
            type_: type_.to_owned(),
            status,
            reason: reason.to_owned(),
            message: message[..message.floor_char_boundary(MESSAGE_MOST)].to_owned(),
            last_transition_time: since
                .map_or_else(|| self.now.into(), |since| since.last_transition_time),
            observed_generation: self.generation,
        });
    }
}

fn stored(revision: &str, generation: Option<i64>) -> Transition {
    Transition {
        key: format!("revision/{revision}/{}", generation.unwrap_or_default()),
        warning: false,
        reason: "RevisionStored",
        action: "StoreRevision".to_owned(),
        note: format!(
            "revision \"{revision}\" is in use for new tickets; running tickets keep theirs"
        ),
    }
}

/// Events for conditions that began.
fn told(
    before: &EscalationPolicyStatus,
    after: &EscalationPolicyStatus,
    generation: Option<i64>,
) -> Vec<Transition> {
    let had = |wanted: &Condition| {
        before.conditions.iter().any(|old| {
            old.type_ == wanted.type_
                && old.status == wanted.status
                && old.message == wanted.message
        })
    };
    let begun = after.conditions.iter().filter(|condition| !had(condition));
    begun
        .filter_map(|condition| {
            let holds = condition.status == ConditionStatus::True;
            let reason = match (condition.type_.as_str(), holds) {
                (condition_type::STALLED, true) => reason::INVALID_SPEC,
                (condition_type::DEFAULT_CONFLICT, true) => condition_type::DEFAULT_CONFLICT,
                (condition_type::SUSPENDED, true) => condition_type::SUSPENDED,
                (condition_type::DOCUMENT_KEPT, false) => "DocumentNotKept",
                _ => return None,
            };
            Some(Transition {
                key: format!("{reason}/{}", generation.unwrap_or_default()),
                warning: true,
                reason,
                action: "Check".to_owned(),
                note: condition.message.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::{Found, status_of};
    use crate::api::{ConditionStatus, EscalationPolicy};
    use crate::controller::policy::Use;
    use crate::domain::policy::{Finding, FindingCode};

    fn policy() -> EscalationPolicy {
        serde_json::from_value(json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "EscalationPolicy",
            "metadata": {"name": "gold", "namespace": "shop", "generation": 3}, "spec": {},
        }))
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn valid() -> Found {
        Found {
            revision: Some("gold-1".into()),
            usage: Some(Use {
                open: 2,
                outdated: 1,
            }),
            ..Found::default()
        }
    }

    fn invalid() -> Found {
        let message = "contact \"bob\" does not exist".to_owned();
        let path = "spec.steps[0].notify[0].contact".to_owned();
        Found {
            errors: vec![Finding {
                code: FindingCode::UnknownContact,
                path,
                message,
            }],
            ..Found::default()
        }
    }

    #[test]
    fn a_valid_edit_names_its_revision_and_is_told_once() {
        let mut policy = policy();
        let (status, told) = status_of(&policy, &valid(), at(0));
        assert_eq!(
            (
                status.revision.as_deref(),
                status.generation,
                status.open_tickets
            ),
            (Some("gold-1"), Some(3), Some(2))
        );
        assert_eq!(status.conditions.len(), 1);
        assert_eq!(
            told.iter()
                .map(|transition| transition.reason)
                .collect::<Vec<_>>(),
            ["RevisionStored"]
        );
        policy.status = Some(status.clone());
        assert_eq!(
            status_of(&policy, &valid(), at(60)),
            (status, vec![]),
            "looked at again, nothing changes"
        );
    }

    #[test]
    fn an_invalid_edit_keeps_the_revision_that_is_in_use() {
        let mut policy = policy();
        policy.status = Some(status_of(&policy, &valid(), at(0)).0);
        policy.metadata.generation = Some(4);
        let (status, told) = status_of(&policy, &invalid(), at(60));
        assert_eq!(
            (
                status.revision.as_deref(),
                status.generation,
                status.observed_generation
            ),
            (Some("gold-1"), Some(3), Some(4))
        );
        let of = |type_: &str| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == type_)
                .unwrap()
        };
        assert_eq!(
            (of("Ready").status, of("Stalled").status),
            (ConditionStatus::False, ConditionStatus::True)
        );
        assert!(
            of("Ready")
                .message
                .contains("spec.steps[0].notify[0].contact"),
            "{}",
            of("Ready").message
        );
        assert!(of("Ready").message.contains("\"gold-1\" stays in use"));
        assert!(told[0].warning && told[0].reason == "InvalidSpec");
        policy.status = Some(status);
        let (mended, told) = status_of(&policy, &valid(), at(120));
        let stalled = &mended.conditions[1];
        assert_eq!(
            (stalled.type_.as_str(), stalled.status),
            ("Stalled", ConditionStatus::False)
        );
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(mended.conditions[0].last_transition_time.0, at(120));
    }

    #[test]
    fn each_of_several_defaults_says_which_one_counts() {
        let found = Found {
            defaults: vec!["gold".into(), "silver".into()],
            ..valid()
        };
        let (status, _) = status_of(&policy(), &found, at(0));
        let conflict = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "DefaultConflict")
            .unwrap();
        assert!(
            conflict.message.contains("\"gold\" counts"),
            "{}",
            conflict.message
        );
        let other = Found {
            defaults: vec!["silver".into(), "bronze".into()],
            ..valid()
        };
        assert_eq!(
            status_of(&policy(), &other, at(0)).0.conditions.len(),
            1,
            "no default itself, no conflict"
        );
    }
}

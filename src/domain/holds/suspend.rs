//! `policy.spec.suspend`: holds every ticket of a policy for a while, read from the live object.
//!
//! Rule: `api.md` section 3: `untilTime` required; it counts for 24 h at most from when it was first seen. First seen
//! stands in the policy's status and stays as long as a `suspend` is there, so that an edit does not renew the day:
//! a forgotten suspension ends by itself. To suspend for longer, take it out and put it in again.

use jiff::{SignedDuration, Timestamp};

use super::freeze::whole;
use super::{Source, Wanted, because, mark};
use crate::api::{EscalationPolicy, Suspend};
use crate::domain::draft::{Draft, after};

/// Longest time a suspension counts.
const MOST: SignedDuration = SignedDuration::from_hours(24);
/// Name of the suspension in `status.holding.seen`.
const KEY: &str = "policy/suspend";

/// When the suspension that stands in a policy was first seen, as far as known: what its status says, else when the
/// block was written by the API server's bookkeeping (`api.md` section 5, "Facts seen late").
pub fn known(policy: &EscalationPolicy) -> Option<Timestamp> {
    policy.spec.suspend.as_ref()?;
    let status = policy.status.as_ref();
    if let Some(seen) = status.and_then(|status| status.suspend_seen_time) {
        return Some(seen.0);
    }
    let entries = policy.metadata.managed_fields.iter().flatten();
    entries
        .filter(|entry| {
            let fields = entry.fields_v1.as_ref();
            let spec = fields.and_then(|fields| fields.0.get("f:spec"));
            spec.is_some_and(|spec| spec.get("f:suspend").is_some())
        })
        .filter_map(|entry| Some(entry.time.as_ref()?.0))
        .max()
}

/// What the status of a policy has to remember: when its suspension was first seen, as long as one is there.
pub fn first_seen(policy: &EscalationPolicy, now: Timestamp) -> Option<Timestamp> {
    let present = policy.spec.suspend.is_some();
    present.then(|| known(policy).map_or(now, |seen| seen.min(now)))
}

/// When a suspension ends: at its `untilTime`, 24 h after it was first seen at the latest.
pub fn ends(suspend: &Suspend, first_seen: Timestamp) -> Timestamp {
    whole(suspend.until_time.0).min(after(first_seen, MOST))
}

/// Until when a policy is suspended at `now`, by whom and why, in words; `None` = it is not.
pub fn words(suspend: &Suspend, first_seen: Timestamp, now: Timestamp) -> Option<String> {
    let until = ends(suspend, first_seen);
    if until <= now {
        return None;
    }
    let why = because(suspend.reason.as_ref());
    let cut = if until < suspend.until_time.0 {
        "; `untilTime` is later, but a suspension counts for 24h at most from when it was first seen"
    } else {
        ""
    };
    Some(format!(
        "suspended by {} until {until}{why}{cut}",
        suspend.by
    ))
}

/// When a policy that is suspended at `now` goes on.
pub fn resumes(policy: &EscalationPolicy, now: Timestamp) -> Option<Timestamp> {
    let seen = first_seen(policy, now)?;
    let until = ends(policy.spec.suspend.as_ref()?, seen);
    (until > now).then_some(until)
}

/// The suspension of the ticket's policy as a reason to hold it.
pub fn source(draft: &Draft<'_>) -> Option<Source> {
    let pin = draft.status.policy.as_ref()?;
    let key = (pin.namespace.clone(), pin.name.clone());
    let live = draft.seen.policies.policies.get(&key)?;
    let suspend = live.suspend.as_ref()?;
    let held = draft.status.holding.as_ref().and_then(|known| {
        let entry = known.seen.iter().find(|entry| entry.name == KEY)?;
        Some(entry.first_seen_time.0)
    });
    let first = live
        .suspend_seen
        .or(held)
        .unwrap_or(draft.now)
        .min(draft.now);
    let until = ends(suspend, first);
    let why = because(suspend.reason.as_ref());
    Some(Source {
        key: KEY.to_owned(),
        hash: mark(suspend),
        maintenance: false,
        by: suspend.by.clone(),
        words: format!(
            "policy \"{}\" is suspended by {} until {until}{why}",
            pin.name, suspend.by
        ),
        dated: draft.now,
        first_seen: first,
        wanted: Wanted::Counts {
            from: Some(first),
            until,
        },
        lasts: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Time;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap()
    }

    fn until(hour: i64) -> Suspend {
        Suspend {
            until_time: Time(at(hour)),
            by: "alice".into(),
            reason: None,
        }
    }

    #[test]
    fn a_suspension_counts_for_24_hours_at_most_from_when_it_was_first_seen() {
        assert_eq!(ends(&until(3), at(0)), at(3));
        assert_eq!(ends(&until(72), at(0)), at(24));
        assert!(
            words(&until(72), at(0), at(23))
                .unwrap()
                .contains("24h at most")
        );
        assert_eq!(words(&until(72), at(0), at(24)), None);
    }

    fn policy(
        suspend: Option<Suspend>,
        seen: Option<Timestamp>,
        written: Option<Timestamp>,
    ) -> EscalationPolicy {
        let mut policy: EscalationPolicy = serde_json::from_value(serde_json::json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "EscalationPolicy",
            "metadata": {"name": "gold", "managedFields": written.map(|time| serde_json::json!([{
                "manager": "kubectl", "time": Time(time), "fieldsV1": {"f:spec": {"f:suspend": {}}},
            }]))},
            "spec": {}, "status": {"suspendSeenTime": seen.map(Time)},
        }))
        .unwrap();
        policy.spec.suspend = suspend;
        policy
    }

    #[test]
    fn a_suspension_that_ends_within_the_day_is_not_said_to_be_cut_short() {
        let words = words(&until(3), at(0), at(1)).unwrap();
        assert!(!words.contains("24h at most"), "{words}");
    }

    #[test]
    fn a_suspended_policy_goes_on_at_the_end_of_its_suspension_and_one_that_went_on_has_none() {
        let suspended = policy(Some(until(3)), Some(at(0)), None);
        assert_eq!(resumes(&suspended, at(1)), Some(at(3)));
        assert_eq!(resumes(&suspended, at(3)), None);
        assert_eq!(resumes(&suspended, at(4)), None);
        assert_eq!(resumes(&policy(None, None, None), at(1)), None);
    }

    #[test]
    fn it_is_first_seen_once_and_forgotten_when_it_is_taken_out() {
        assert_eq!(
            first_seen(&policy(Some(until(3)), None, None), at(1)),
            Some(at(1))
        );
        let edited = policy(Some(until(9)), Some(at(1)), Some(at(2)));
        assert_eq!(
            first_seen(&edited, at(2)),
            Some(at(1)),
            "an edit does not renew it"
        );
        assert_eq!(first_seen(&policy(None, Some(at(1)), None), at(2)), None);
    }

    #[test]
    fn one_that_is_seen_late_is_dated_by_who_wrote_it_but_never_in_the_future() {
        let late = |written| first_seen(&policy(Some(until(9)), None, Some(at(written))), at(2));
        assert_eq!((late(1), late(5)), (Some(at(1)), Some(at(2))));
    }
}

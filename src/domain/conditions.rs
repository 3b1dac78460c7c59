//! Conditions of a ticket: set in one place, so that time and generation always follow the same rule.

use jiff::Timestamp;

use crate::api::{Condition, ConditionStatus, Time};
use crate::domain::timeline::{cut, is_cut_of};

/// Sets a condition; its transition time changes only with its status.
pub fn set(
    conditions: &mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
    (type_, holds, reason): (&str, bool, &str),
    message: &str,
) {
    let status = if holds {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    let message = cut(message, 512);
    if let Some(known) = conditions.iter_mut().find(|known| known.type_ == type_) {
        // A text that was shortened to make room stays so, or it would be written anew at each look.
        let says_so = known.message == message || is_cut_of(&known.message, &message);
        let unchanged = known.status == status && known.reason == reason && says_so;
        if unchanged {
            return;
        }
        if known.status != status {
            known.last_transition_time = Time(now);
        }
        known.status = status;
        reason.clone_into(&mut known.reason);
        known.message = message;
        known.observed_generation = generation;
        return;
    }
    conditions.push(Condition {
        type_: type_.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        last_transition_time: Time(now),
        observed_generation: generation,
    });
}

/// Whether a condition was ever set.
pub fn known(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|known| known.type_ == type_)
}

/// The message of a condition.
pub fn message<'c>(conditions: &'c [Condition], type_: &str) -> Option<&'c str> {
    let found = conditions.iter().find(|known| known.type_ == type_);
    found.map(|known| known.message.as_str())
}

/// Whether a condition holds.
pub fn holds(conditions: &[Condition], type_: &str) -> bool {
    let mut found = conditions.iter().filter(|known| known.type_ == type_);
    found.any(|known| known.status == ConditionStatus::True)
}

#[cfg(test)]
mod tests {
    use super::set;
    use crate::api::Condition;

    #[test]
    fn the_time_of_a_condition_changes_with_its_status_alone() {
        let at = |minute: i64| jiff::Timestamp::from_second(60 * minute).unwrap();
        let mut conditions: Vec<Condition> = Vec::new();
        let mut say = |minute, holds, reason, message| {
            set(
                &mut conditions,
                Some(minute),
                at(minute),
                ("Held", holds, reason),
                message,
            );
            let known = &conditions[0];
            (known.last_transition_time.0, known.observed_generation)
        };
        assert_eq!(say(1, true, "Hold", "until 10:00"), (at(1), Some(1)));
        assert_eq!(say(2, true, "Hold", "until 10:00"), (at(1), Some(1)));
        assert_eq!(say(3, true, "Hold", "until 11:00"), (at(1), Some(3)));
        assert_eq!(say(4, true, "Downtime", "until 11:00"), (at(1), Some(4)));
        assert_eq!(say(5, false, "Downtime", "until 11:00"), (at(5), Some(5)));
    }
}

//! How long an object rests after an error: by class, longer with each failure in a row, never for ever.

use std::hash::{BuildHasher, RandomState};

use jiff::{SignedDuration, Timestamp};

use super::error::Class;

/// Longest rest after an error that may pass by itself: an API server that comes back is used soon.
const TRANSIENT_MOST: SignedDuration = SignedDuration::from_secs(15);
/// Longest rest after an error that somebody has to mend; a change of the object ends it at once.
const TERMINAL_MOST: SignedDuration = SignedDuration::from_secs(60);
/// Longest rest after a conflict.
const CONFLICT_MOST: SignedDuration = SignedDuration::from_secs(2);

/// The rest after the `failures`-th failure in a row (from 1), with up to a quarter of jitter on top.
pub fn rest(class: Class, failures: u32) -> SignedDuration {
    jittered(class, failures, jitter())
}

/// The same rest for a jitter that is given, in 1024ths of it: pure, for whoever must be able to run twice alike.
pub fn jittered(class: Class, failures: u32, jitter: i32) -> SignedDuration {
    let base = match class {
        Class::Transient => doubled(SignedDuration::from_millis(250), failures).min(TRANSIENT_MOST),
        // It may pass all the same: an API server that has just started refuses everybody until it has read its rules.
        Class::Terminal => doubled(SignedDuration::from_secs(1), failures).min(TERMINAL_MOST),
        Class::Conflict => doubled(SignedDuration::from_millis(25), failures).min(CONFLICT_MOST),
    };
    base.saturating_add(base.saturating_mul(jitter) / 1024)
}

/// When a rest ends that began at `now`: where something armed is to leave before, it ends then, or at once.
pub fn until(now: Timestamp, rest: SignedDuration, armed: Option<Timestamp>) -> Timestamp {
    let until = now.saturating_add(rest).unwrap_or(Timestamp::MAX);
    armed.map_or(until, |armed| armed.clamp(now, until))
}

/// The class of a failure and how many of that class it makes in a row. A rest grows with its own kind only: after a
/// long outage the first refusal of a server that has just started is the first, not the tenth.
pub fn in_a_row(before: Option<(Class, u32)>, class: Class) -> (Class, u32) {
    match before {
        Some((same, count)) if same == class => (class, count.saturating_add(1)),
        Some(_) | None => (class, 1),
    }
}

fn doubled(first: SignedDuration, failures: u32) -> SignedDuration {
    first.saturating_mul(1_i32 << failures.saturating_sub(1).min(16))
}

/// Between 0 and 255: a quarter of 1024.
fn jitter() -> i32 {
    let hash = RandomState::new().hash_one(0_u8);
    i32::from(hash.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Class, in_a_row, rest, until};

    #[test]
    fn no_rest_outlasts_the_time_of_what_is_armed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let rest = SignedDuration::from_secs(10);
        for (armed, wanted) in [
            (None, 110),
            (Some(103), 103),
            (Some(111), 110),
            (Some(100), 100),
            // It fell due during the look that failed.
            (Some(98), 100),
        ] {
            assert_eq!(until(at(100), rest, armed.map(at)), at(wanted), "{armed:?}");
        }
    }

    #[test]
    fn each_failure_in_a_row_rests_longer_up_to_a_bound() {
        for failures in 1..80 {
            let waited = rest(Class::Transient, failures);
            assert!(waited >= SignedDuration::from_millis(250));
            assert!(waited <= SignedDuration::from_secs(19), "{waited:?}");
        }
        assert!(rest(Class::Transient, 6) > rest(Class::Transient, 1));
        assert!(rest(Class::Conflict, 1) < SignedDuration::from_millis(50));
        assert!(rest(Class::Terminal, 1) < SignedDuration::from_secs(2));
        assert!(rest(Class::Terminal, 7) >= SignedDuration::from_secs(60));
    }

    #[test]
    fn a_refusal_after_an_outage_is_the_first_of_its_kind() {
        let mut row = None;
        for _ in 0..9 {
            row = Some(in_a_row(row, Class::Transient));
        }
        assert_eq!(row, Some((Class::Transient, 9)));
        assert_eq!(in_a_row(row, Class::Terminal), (Class::Terminal, 1));
        assert_eq!(in_a_row(None, Class::Conflict), (Class::Conflict, 1));
    }
}

//! Frozen time: what several overlapping reasons to wait come to, as stretches that count once.
//!
//! Rule: `api.md` section 5 "Hold": overlaps count once. A stretch is over at its true end, whenever that is noticed.

use jiff::{SignedDuration, Timestamp};

/// A stretch of time: from its start up to, not including, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// The first whole millisecond at or after a moment that people wrote: decisions know no shorter time.
pub fn whole(time: Timestamp) -> Timestamp {
    let known = Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
    if known < time {
        known
            .checked_add(SignedDuration::from_millis(1))
            .unwrap_or(time)
    } else {
        known
    }
}

/// What reasons to wait come to at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Stretches that are over, in order; they neither touch nor overlap.
    pub over: Vec<Stretch>,
    /// The one that the moment lies in.
    pub present: Option<Stretch>,
}

/// Joins reasons to wait, as they stand at `now`.
///
/// `since` is the start of the stretch that was still going on when last looked at. Nothing before `floor` counts:
/// what was counted up to there must not count again.
pub fn join(
    since: Option<Timestamp>,
    floor: Timestamp,
    claims: &[Stretch],
    now: Timestamp,
) -> Frozen {
    let mut claims: Vec<Stretch> = claims
        .iter()
        .map(|claim| Stretch {
            from: claim.from.max(floor),
            until: claim.until,
        })
        .filter(|claim| claim.from <= now && claim.from < claim.until)
        .collect();
    claims.sort_by_key(|claim| claim.from);
    let mut frozen = Frozen::default();
    let mut open = since.map(|since| Stretch {
        from: since,
        until: since,
    });
    for claim in claims {
        match &mut open {
            Some(open) if claim.from <= open.until => open.until = open.until.max(claim.until),
            Some(over) => {
                frozen.over.push(*over);
                open = Some(claim);
            }
            None => open = Some(claim),
        }
    }
    match open {
        Some(open) if open.until > now => frozen.present = Some(open),
        Some(open) => frozen.over.push(open),
        None => {}
    }
    frozen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stretch(from: i64, until: i64) -> Stretch {
        Stretch {
            from: at(from),
            until: at(until),
        }
    }

    #[test]
    fn a_moment_between_two_milliseconds_counts_as_the_later_one() {
        let time = |nanos| Timestamp::from_nanosecond(nanos).unwrap();
        assert_eq!(whole(time(2_000_001)), time(3_000_000));
        assert_eq!(whole(time(2_000_000)), time(2_000_000));
    }

    #[test]
    fn overlapping_and_touching_reasons_are_one_stretch() {
        let claims = [
            stretch(30, 40),
            stretch(10, 20),
            stretch(20, 25),
            stretch(12, 18),
        ];
        let frozen = join(None, at(0), &claims, at(100));
        assert_eq!(frozen.over, [stretch(10, 25), stretch(30, 40)]);
        assert_eq!(frozen.present, None);
    }

    #[test]
    fn the_present_stretch_goes_on_from_where_it_was_last_seen() {
        let frozen = join(Some(at(5)), at(0), &[stretch(3, 50)], at(20));
        assert_eq!(frozen.present, Some(stretch(5, 50)));
        assert_eq!(frozen.over, []);
    }

    #[test]
    fn a_stretch_that_ended_unnoticed_is_over_at_its_true_end() {
        let frozen = join(
            Some(at(5)),
            at(0),
            &[stretch(5, 10), stretch(15, 30)],
            at(20),
        );
        assert_eq!(frozen.over, [stretch(5, 10)]);
        assert_eq!(frozen.present, Some(stretch(15, 30)));
    }

    #[test]
    fn what_was_counted_before_does_not_count_again() {
        let frozen = join(None, at(20), &[stretch(5, 15), stretch(10, 30)], at(25));
        assert_eq!(frozen.over, []);
        assert_eq!(frozen.present, Some(stretch(20, 30)));
    }

    proptest! {
        #[test]
        fn frozen_seconds_are_those_that_at_least_one_reason_covers(
            claims in prop::collection::vec((0i64..60, 0i64..30), 0..8),
            floor in 0i64..40,
            now in 0i64..90,
        ) {
            let list: Vec<Stretch> = claims.iter().map(|(from, span)| stretch(*from, from + span)).collect();
            let frozen = join(None, at(floor), &list, at(now));
            let counted = |second: i64| frozen.over.iter().chain(&frozen.present)
                .filter(|known| known.from <= at(second) && at(second) < known.until)
                .count();
            for second in 0..now {
                let covered = second >= floor
                    && claims.iter().any(|(from, span)| (*from..from + span).contains(&second));
                assert_eq!(counted(second), usize::from(covered), "second {second}: {frozen:?}");
            }
        }
    }
}

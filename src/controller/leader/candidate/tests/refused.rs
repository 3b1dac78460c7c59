//! Writes of the lease that are refused: about its version, or about something else.

use std::time::Duration;

use super::{TIMING, by, leader, ms};
use crate::controller::leader::candidate::{Candidate, Stand, Step};

#[test]
fn a_refused_renewal_is_followed_by_a_read() {
    let mut one = leader();
    one.refused(Some(1), ms(1000), ms(1500));
    assert!(matches!(one.step(ms(1000)), Step::Read { .. }));
    assert!(
        !one.read(Some(by("me", 9)), ms(1010)),
        "it was about the version"
    );
    assert!(
        matches!(one.step(ms(1010)), Step::Write { over: Some(9), .. }),
        "an answer was lost"
    );
    assert_eq!(
        one.stand(ms(1010)),
        Stand::Leads { until: ms(2700) },
        "which tells nothing of when it was sent"
    );
}

/// Refuses each write in these milliseconds, and shows the lease as it is; how many calls that took.
fn refused_in(
    one: &mut Candidate,
    lease: &(Option<String>, Duration, u64),
    mut now: u64,
    end: u64,
) -> usize {
    let mut calls = 0;
    while now < end {
        match one.step(ms(now)) {
            Step::Write { over, limit } => one.refused(over, ms(now), limit),
            Step::Read { .. } => {
                one.read(Some(lease.clone()), ms(now));
            }
            Step::Wait { .. } | Step::End => {
                now += 1;
                continue;
            }
        }
        calls += 1;
        assert!(calls < 10_000, "at {now} ms");
    }
    calls
}

#[test]
fn a_refusal_that_is_not_about_the_version_is_a_try_that_came_to_nothing() {
    let mut one = leader();
    one.refused(Some(1), ms(1000), ms(1500));
    assert!(one.read(Some(by("me", 1)), ms(1010)));
    assert_eq!(one.step(ms(1010)), Step::Wait { until: ms(1260) });
    let mut one = leader();
    one.refused(None, ms(1000), ms(1500));
    assert!(one.read(None, ms(1010)), "of a lease that cannot be made");
}

#[test]
fn a_holder_whose_writes_are_refused_for_a_minute_stops_leading_and_sends_what_is_armed() {
    let (mut one, mine) = (leader(), by("me", 1));
    let mut calls = refused_in(&mut one, &mine, 0, 2699);
    assert_eq!(one.stand(ms(2699)), Stand::Leads { until: ms(2700) });
    calls += refused_in(&mut one, &mine, 2699, 3299);
    assert_eq!(one.stand(ms(3299)), Stand::Pauses);
    calls += refused_in(&mut one, &mine, 3299, 3600);
    for now in (3600..60_000).step_by(100) {
        let stand = one.stand(ms(now));
        assert!(
            matches!(stand, Stand::Alone { .. }),
            "at {now} ms: {stand:?}"
        );
        calls += refused_in(&mut one, &mine, now, now + 100);
    }
    assert!(calls < 500, "{calls} calls in a minute");
    let mut back = one.clone();
    back.wrote(ms(60_000), 2, ms(60_001));
    assert_eq!(back.stand(ms(60_001)), Stand::Leads { until: ms(62_700) });
    one.refused(Some(1), ms(60_000), ms(750));
    one.read(Some(by("other", 2)), ms(60_010));
    assert_eq!(one.stand(ms(60_010)), Stand::Lost);
}

#[test]
fn a_follower_whose_writes_are_refused_for_a_minute_follows_and_asks_seldom() {
    let mut one = Candidate::new("me".into(), TIMING);
    let calls = refused_in(&mut one, &by("other", 1), 0, 60_000);
    assert_eq!(one.stand(ms(60_000)), Stand::Follows);
    assert!(calls < 130, "{calls}");
}

//! How long and how often a delivery is tried, and how its ways share that (delivery.md section 2).
//!
//! Default 5 tries within 2 minutes, at most until the next step; each way gets its share of both, so that a first way
//! that hangs leaves time for the next, and each way at least one try.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::telling::delivery::DeliveryId;

/// A try that is not the last way's gets at least so long, however little its share is.
const SHORTEST_TRY: Duration = Duration::from_secs(2);
/// A pause shorter than this is no pause: the share counts as used up.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// Pause after the first try; each further one is four times as long: 1 s, 4 s, 16 s, 64 s.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// No pause of our own is longer.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The retry rule of all deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRule {
    /// Tries over all ways, save that each way has at least one.
    pub attempts: u32,
    /// Time from the hand-over in which tries begin.
    pub within: Duration,
}

impl Default for RetryRule {
    fn default() -> Self {
        Self {
            attempts: 5,
            within: Duration::from_mins(2),
        }
    }
}

/// What is left to one delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    ends: Instant,
    attempts_left: u32,
    ways_behind: u32,
    way_ends: Instant,
    way_attempts_left: u32,
    way_tried: u32,
}

impl Budget {
    /// The budget of a delivery over `ways` ways, handed over at `now` and ending `until` later at most.
    pub(super) fn new(rule: RetryRule, now: Instant, until: Option<Duration>, ways: usize) -> Self {
        let ways = u32::try_from(ways).unwrap_or(u32::MAX).max(1);
        let ends = now + until.map_or(rule.within, |until| until.min(rule.within));
        let attempts_left = rule.attempts.max(ways);
        let mut budget = Self {
            ends,
            attempts_left,
            ways_behind: ways,
            way_ends: ends,
            way_attempts_left: 0,
            way_tried: 0,
        };
        budget.next_way(now);
        budget
    }

    /// Gives the next way its share of what is left.
    pub(super) fn next_way(&mut self, now: Instant) {
        let ways = self.ways_behind.max(1);
        self.way_ends = now + self.ends.saturating_duration_since(now) / ways;
        self.way_attempts_left = self.attempts_left.div_ceil(ways).max(1);
        self.way_tried = 0;
        self.ways_behind = ways - 1;
    }

    /// Whether this way was never tried.
    pub(super) fn way_is_fresh(&self) -> bool {
        self.way_tried == 0
    }

    /// When this way's share ends.
    pub(super) fn way_ends(&self) -> Instant {
        self.way_ends
    }

    /// Counts a try and says how long it may take. The first try of the last way has all the time its connector gives.
    pub(super) fn spend(&mut self, now: Instant, timeout: Duration) -> Duration {
        let only_chance = self.ways_behind == 0 && self.way_is_fresh();
        self.way_tried += 1;
        self.attempts_left = self.attempts_left.saturating_sub(1);
        self.way_attempts_left = self.way_attempts_left.saturating_sub(1);
        if only_chance {
            return timeout;
        }
        self.way_ends
            .saturating_duration_since(now)
            .max(SHORTEST_TRY)
            .min(timeout)
    }

    /// How long to pause before this way is tried again; `None` when its share is used up. The receiver's own wish
    /// (`after`) is never undercut; our own pause is shortened rather than missing the last chance.
    pub(super) fn pause(
        &self,
        now: Instant,
        after: Option<Duration>,
        id: &DeliveryId,
    ) -> Option<Duration> {
        if self.way_attempts_left == 0 {
            return None;
        }
        let left = self.way_ends.saturating_duration_since(now);
        let backoff =
            FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(self.way_tried.saturating_sub(1)));
        let backoff = jittered(backoff.min(LONGEST_PAUSE), id, self.way_tried);
        let pause = backoff.min(left / 2).max(after.unwrap_or_default());
        (pause >= SHORTEST_PAUSE && pause < left).then_some(pause)
    }
}

/// `pause` give or take a quarter, so that receivers do not see all retries at one instant. The spread comes from the
/// id: no randomness, so a test sees what production does.
fn jittered(pause: Duration, id: &DeliveryId, tried: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (id, tried).hash(&mut hasher);
    let permille = u32::try_from(hasher.finish() % 500).unwrap_or(0) + 750;
    pause * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = Duration::from_secs(15);

    fn id() -> DeliveryId {
        DeliveryId::from_stored("0123456789abcdef0123456789abcdef")
    }

    /// Plays tries that each take `took`; gives when each began, in seconds after the hand-over.
    fn starts(budget: &mut Budget, begin: Instant, took: Duration) -> Vec<f64> {
        let mut now = begin;
        let mut starts = Vec::new();
        loop {
            starts.push((now - begin).as_secs_f64());
            now += budget.spend(now, TIMEOUT).min(took);
            match budget.pause(now, None, &id()) {
                Some(pause) => now += pause,
                None => return starts,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn five_tries_begin_within_two_minutes_whether_they_fail_fast_or_hang() {
        for took in [Duration::ZERO, TIMEOUT] {
            let now = Instant::now();
            let starts = starts(
                &mut Budget::new(RetryRule::default(), now, None, 1),
                now,
                took,
            );
            assert_eq!(starts.len(), 5, "{starts:?}");
            assert!(
                starts[4] < 120.0 && starts[4] > 50.0,
                "an outage of a minute is outlived: {starts:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tries_end_with_the_time_to_the_next_step_but_one_is_always_made() {
        let now = Instant::now();
        let within = |until| {
            starts(
                &mut Budget::new(RetryRule::default(), now, Some(until), 1),
                now,
                Duration::ZERO,
            )
        };
        let ten = within(10 * SECOND);
        assert!(
            ten.len() > 2 && ten.iter().all(|start| *start < 10.0),
            "{ten:?}"
        );
        assert_eq!(within(Duration::ZERO), [0.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_way_that_hangs_leaves_half_the_time_and_tries_for_the_next() {
        let begin = Instant::now();
        let mut budget = Budget::new(RetryRule::default(), begin, None, 2);
        let first = starts(&mut budget, begin, TIMEOUT);
        assert!(
            first.len() <= 3 && first.iter().all(|start| *start < 60.0),
            "{first:?}"
        );
        let later = begin + 60 * SECOND;
        budget.next_way(later);
        assert_eq!(starts(&mut budget, later, Duration::ZERO).len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn with_little_time_a_hanging_first_way_is_cut_short_and_the_last_has_its_full_timeout() {
        let now = Instant::now();
        let mut budget = Budget::new(RetryRule::default(), now, Some(6 * SECOND), 2);
        assert_eq!(budget.spend(now, TIMEOUT), 3 * SECOND);
        budget.next_way(now + 3 * SECOND);
        assert_eq!(budget.spend(now + 3 * SECOND, TIMEOUT), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn eight_ways_have_a_try_each() {
        let now = Instant::now();
        let mut budget = Budget::new(RetryRule::default(), now, None, 8);
        for way in 1..=8 {
            budget.spend(now, TIMEOUT);
            assert!(
                budget.pause(now, None, &id()).is_none(),
                "way {way} has one try"
            );
            budget.next_way(now);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_of_the_receiver_is_honoured_and_ends_the_way_when_it_goes_beyond_its_share() {
        let now = Instant::now();
        let mut budget = Budget::new(RetryRule::default(), now, None, 1);
        budget.spend(now, TIMEOUT);
        assert_eq!(
            budget.pause(now, Some(30 * SECOND), &id()),
            Some(30 * SECOND)
        );
        assert_eq!(budget.pause(now, Some(300 * SECOND), &id()), None);
        assert!(
            budget
                .pause(now, Some(Duration::ZERO), &id())
                .is_some_and(|pause| pause >= SECOND * 3 / 4)
        );
    }
}

//! The operator's `now`: monotonic, anchored to the wall clock at start, then disciplined by the API server's
//! `Date` headers (api.md section 5, "Clock"). It never goes backwards, whatever the machine's wall clock does.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Where the present moment comes from.
pub trait Now: Send + Sync + 'static {
    /// The present moment. Never earlier than an answer given before.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock, for programs that serve nobody else's deadlines (tests, tools).
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl Now for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

const SECOND: i64 = 1_000_000_000;
/// Local oscillators drift by less than this, so a bound that was measured is widened by it as it ages.
const DRIFT_PER_MILLION: i64 = 100;
/// Bounds this close (0.1 s either side of the middle) end the search.
const GOOD_WIDTH: i64 = SECOND / 5;
/// So many answers in a row that contradict what was measured mean that the server's clock was set.
const CONTRADICTIONS: u32 = 4;
/// A wall clock further off than this is told (metric and log).
const WALL_TOLERANCE: i64 = 2 * SECOND;

/// Bounds on how far the server's clock is ahead of the local one, from answers that carry whole seconds.
///
/// All values are nanoseconds. `sent` and `received` are local times of one monotonic clock. An answer dated `d` was
/// written at a server time in `[d, d + 1 s)` and at a local time between `sent` and `received`, so the offset lies
/// in `[d - received, d + 1 s - sent]`; many answers intersect to a narrow interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    known: Option<(i64, i64)>,
    aged: i64,
    contradictions: u32,
}

impl Bounds {
    /// Takes in one answer: local times of sending and receiving, the server's date in nanoseconds.
    pub fn observe(&mut self, sent: i64, received: i64, date: i64) {
        let (low, high) = (date - received, date + SECOND - sent);
        self.age(received);
        match self.known {
            Some((old_low, old_high)) if low <= old_high && high >= old_low => {
                self.known = Some((low.max(old_low), high.min(old_high)));
                self.contradictions = 0;
            }
            Some(_) if self.contradictions + 1 < CONTRADICTIONS => self.contradictions += 1,
            Some(_) | None => {
                self.known = Some((low, high));
                self.contradictions = 0;
            }
        }
    }

    /// Width of the interval in nanoseconds; `None` before the first answer.
    pub fn width(&self) -> Option<i64> {
        self.known.map(|(low, high)| high - low)
    }

    /// The offset to use, given the one in use: kept while it is possible, else the middle.
    pub fn offset(&self, current: i64) -> i64 {
        match self.known {
            Some((low, high)) if !(low..=high).contains(&current) => low + (high - low) / 2,
            Some(_) | None => current,
        }
    }

    fn age(&mut self, received: i64) {
        let grown = (received - self.aged).max(0) / 1_000_000 * DRIFT_PER_MILLION;
        self.aged = self.aged.max(received);
        if let Some((low, high)) = &mut self.known {
            *low -= grown;
            *high += grown;
        }
    }
}

/// A clock that is steered without ever going back: corrections forward are steps, corrections backward are walked
/// at half speed. Local nanoseconds in, nanoseconds since the epoch out.
#[derive(Clone, Copy, Debug)]
struct Steered {
    offset: i64,
    slow_from: i64,
    slow_left: i64,
}

impl Steered {
    /// Reading at a local time.
    fn read(&self, local: i64) -> i64 {
        local + self.offset + self.owed(local)
    }

    /// How far the reading is still ahead of where it should be.
    fn owed(&self, local: i64) -> i64 {
        (self.slow_left - (local - self.slow_from).max(0) / 2).max(0)
    }

    /// Steers to a new offset from a local time on.
    fn steer(&mut self, local: i64, offset: i64) {
        let ahead = self.offset + self.owed(local) - offset;
        *self = Self {
            offset,
            slow_from: local,
            slow_left: ahead.max(0),
        };
    }
}

/// The operator's clock. Clones share it.
#[derive(Clone, Debug)]
pub struct OperatorClock {
    start: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    steered: Steered,
    disciplined: bool,
}

/// What an answer of the API server did to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discipline {
    /// How far this machine's wall clock is ahead of the operator's clock.
    pub wall_ahead: SignedDuration,
    /// More than 2 s: people are told, timers go on.
    pub wall_disagrees: bool,
}

impl Default for OperatorClock {
    fn default() -> Self {
        Self::start()
    }
}

impl OperatorClock {
    /// Anchors to the wall clock of this moment.
    pub fn start() -> Self {
        Self::start_at(Instant::now(), Timestamp::now())
    }

    /// Anchors to what the wall clock said at a local moment.
    pub fn start_at(start: Instant, wall: Timestamp) -> Self {
        let steered = Steered {
            offset: nanos(wall),
            slow_from: 0,
            slow_left: 0,
        };
        let inner = Inner {
            bounds: Bounds::default(),
            steered,
            disciplined: false,
        };
        Self {
            start,
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Takes in an answer of the API server: when the request left, when the answer's head came, its `Date`.
    pub fn observe(&self, sent: Instant, received: Instant, date: Timestamp) -> Discipline {
        let ahead = self.take_in(sent, received, date, Instant::now());
        let ahead = nanos(Timestamp::now()) - ahead;
        Discipline {
            wall_ahead: SignedDuration::from_nanos(ahead),
            wall_disagrees: ahead.abs() > WALL_TOLERANCE,
        }
    }

    /// Takes in an answer at a local moment; gives the reading then, in nanoseconds. Asks no clock of the machine.
    pub fn take_in(&self, sent: Instant, received: Instant, date: Timestamp, now: Instant) -> i64 {
        let (sent, received, local) = (self.local(sent), self.local(received), self.local(now));
        let mut inner = self.inner.lock();
        inner.bounds.observe(sent, received, nanos(date));
        let wanted = inner.bounds.offset(inner.steered.offset);
        if inner.disciplined {
            inner.steered.steer(local, wanted);
        } else {
            // Nobody has asked for the time before the first answer: this one may go back.
            inner.steered = Steered {
                offset: wanted,
                slow_from: local,
                slow_left: 0,
            };
            inner.disciplined = true;
        }
        inner.steered.read(local)
    }

    /// What it reads at a local moment.
    pub fn read_at(&self, now: Instant) -> Timestamp {
        let local = self.local(now);
        let read = self.inner.lock().steered.read(local);
        Timestamp::from_nanosecond(i128::from(read)).unwrap_or(Timestamp::MAX)
    }

    /// Whether the API server's clock is known to 0.1 s.
    pub fn is_accurate(&self) -> bool {
        self.inner
            .lock()
            .bounds
            .width()
            .is_some_and(|width| width <= GOOD_WIDTH)
    }

    fn local(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(i64::MAX)
    }
}

impl Now for OperatorClock {
    fn now(&self) -> Timestamp {
        self.read_at(Instant::now())
    }
}

fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::{Bounds, CONTRADICTIONS, GOOD_WIDTH, OperatorClock, SECOND, Steered};

    const MS: i64 = 1_000_000;

    /// The date an honest server writes at a local time, its clock being `offset` ahead.
    fn date(local: i64, offset: i64) -> i64 {
        (local + offset).div_euclid(SECOND) * SECOND
    }

    #[test]
    fn answers_at_different_moments_of_the_second_narrow_the_offset_to_a_tenth() {
        let offset = 3_723 * SECOND + 456 * MS;
        let mut bounds = Bounds::default();
        for turn in 0..12 {
            let sent = turn * 170 * MS;
            bounds.observe(sent, sent + 5 * MS, date(sent + 2 * MS, offset));
        }
        assert!(
            bounds.width().unwrap() <= GOOD_WIDTH,
            "{:?}",
            bounds.width()
        );
        assert!((bounds.offset(0) - offset).abs() <= 100 * MS);
    }

    #[test]
    fn an_offset_that_is_possible_is_kept() {
        let mut bounds = Bounds::default();
        bounds.observe(0, MS, 10 * SECOND);
        assert_eq!(
            bounds.offset(10 * SECOND + 300 * MS),
            10 * SECOND + 300 * MS
        );
        assert_ne!(bounds.offset(12 * SECOND), 12 * SECOND);
    }

    #[test]
    fn one_answer_that_contradicts_is_ignored_and_many_are_believed() {
        let mut bounds = Bounds::default();
        bounds.observe(0, MS, 10 * SECOND);
        for turn in 1..i64::from(CONTRADICTIONS) {
            bounds.observe(turn * MS, turn * MS, 4_000 * SECOND);
            assert_eq!(bounds.offset(10 * SECOND), 10 * SECOND);
        }
        bounds.observe(20 * MS, 20 * MS, 4_000 * SECOND);
        assert!(bounds.offset(0) > 3_990 * SECOND);
    }

    #[test]
    fn an_interval_widens_as_it_ages() {
        let mut bounds = Bounds::default();
        bounds.observe(0, 0, 0);
        bounds.observe(3_600 * SECOND, 3_600 * SECOND + MS, 3_600 * SECOND);
        assert!(bounds.width().unwrap() >= SECOND);
        let narrow = bounds.width().unwrap();
        bounds.age(7_200 * SECOND);
        assert!(bounds.width().unwrap() > narrow + 500 * MS);
    }

    #[test]
    fn a_correction_backward_is_walked_at_half_speed() {
        let mut clock = Steered {
            offset: 10 * SECOND,
            slow_from: 0,
            slow_left: 0,
        };
        clock.steer(0, 8 * SECOND);
        assert_eq!(clock.read(0), 10 * SECOND);
        assert_eq!(clock.read(2 * SECOND), 11 * SECOND);
        assert_eq!(clock.read(4 * SECOND), 12 * SECOND);
        assert_eq!(clock.read(6 * SECOND), 14 * SECOND);
    }

    proptest! {
        #[test]
        fn the_clock_never_goes_back_whatever_it_is_told(steers in prop::collection::vec((0_i64..10_000, -10_000_i64..10_000), 1..40)) {
            let mut clock = Steered { offset: 0, slow_from: 0, slow_left: 0 };
            let (mut local, mut last) = (0, i64::MIN);
            for (wait, offset) in steers {
                local += wait * MS;
                assert!(clock.read(local) >= last);
                last = clock.read(local);
                clock.steer(local, offset * MS);
                assert!(clock.read(local) >= last);
                last = clock.read(local);
            }
        }

        #[test]
        fn the_true_offset_is_never_excluded(offset in -5_000_000_000_i64..5_000_000_000, times in prop::collection::vec((0_i64..400, 0_i64..300, 0_i64..300), 1..60)) {
            let mut bounds = Bounds::default();
            let mut local = 0;
            for (wait, out, back) in times {
                let sent = local + wait * MS;
                let written = sent + out * MS;
                local = written + back * MS;
                bounds.observe(sent, local, date(written, offset));
                let (low, high) = bounds.known.unwrap();
                assert!(low <= offset && offset <= high);
            }
        }
    }

    #[test]
    fn a_server_an_hour_ahead_moves_the_clock_and_is_told() {
        use super::Now;
        let clock = OperatorClock::start();
        let at = std::time::Instant::now();
        let hour = jiff::SignedDuration::from_hours(1);
        let told = clock.observe(at, at, jiff::Timestamp::now() + hour);
        assert!(told.wall_disagrees);
        assert!(clock.now() > jiff::Timestamp::now() + jiff::SignedDuration::from_mins(59));
        assert!(!clock.is_accurate());
    }
}

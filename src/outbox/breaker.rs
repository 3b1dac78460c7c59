//! Whether a destination is worth trying: after repeated failures it is left alone for a while, then one try finds out
//! whether it is back.
//!
//! What waits meanwhile is not lost: it takes another way, or waits for that one try (`book`).

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open the breaker.
const FAILURES: u32 = 5;
/// How long it stays open first; each failed probe doubles that.
const FIRST_REST: Duration = Duration::from_secs(2);
/// It never stays open longer: a receiver that is back should not wait long for its pages.
const LONGEST_REST: Duration = Duration::from_secs(15);

/// Failures of a destination that was left alone for so long do not count any more.
const MEMORY: Duration = Duration::from_mins(1);

/// Whether a try may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Now.
    Now,
    /// Not before this instant.
    At(Instant),
    /// When the probe that is out has its answer.
    AfterProbe,
}

/// The breaker of one destination.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
    failed: Option<Instant>,
}

impl Breaker {
    /// Whether a try may be made now; one that may after a rest is the probe.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.open_until {
            None => Admission::Now,
            Some(_) if self.probing => Admission::AfterProbe,
            Some(until) if until > now => Admission::At(until),
            Some(_) => {
                self.probing = true;
                Admission::Now
            }
        }
    }

    /// Whether it keeps tries back: during a rest, and while the probe is out.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.probing || self.open_until.is_some_and(|until| until > now)
    }

    /// Whether it opened and has had no answer since.
    pub(super) fn has_opened(&self) -> bool {
        self.open_until.is_some()
    }

    /// From when on its failures are too old to count; `None` = there are none.
    pub(super) fn settles(&self) -> Option<Instant> {
        self.failed.map(|failed| failed + MEMORY)
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it has failed since then.
    pub(super) fn has_failed_since(&self, since: Instant) -> bool {
        self.failed.is_some_and(|failed| failed >= since)
    }

    /// The receiver answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It did not. Says whether that opened the breaker.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let was_open = self.open_until.is_some();
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(now);
        if self.failures < FAILURES || (was_open && !self.probing) {
            return false;
        }
        let probes = self.failures - FAILURES;
        let rest = FIRST_REST.saturating_mul(2_u32.saturating_pow(probes.min(8)));
        self.open_until = Some(now + rest.min(LONGEST_REST));
        self.probing = false;
        !was_open
    }

    /// The rest is over for somebody who cannot wait longer.
    pub(super) fn cut_short(&mut self, now: Instant) {
        if let Some(until) = &mut self.open_until {
            *until = now.min(*until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_one_probe_decides() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.failed(now));
        }
        assert_eq!(breaker.admit(now), Admission::Now);
        assert!(breaker.failed(now));
        let later = now + FIRST_REST;
        assert_eq!(breaker.admit(now), Admission::At(later));
        assert_eq!(breaker.admit(later), Admission::Now, "the probe");
        assert_eq!(breaker.admit(later), Admission::AfterProbe, "no second one");
        breaker.answered();
        assert_eq!(breaker.admit(later), Admission::Now);
        assert_eq!(breaker.settles(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_probe_doubles_the_rest_up_to_fifteen_seconds() {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(now);
        }
        let mut rests = Vec::new();
        for _ in 0..5 {
            breaker.failed(now);
            let Admission::At(until) = breaker.admit(now) else {
                panic!("it is open")
            };
            rests.push((until - now).as_secs());
            now = until;
            assert_eq!(breaker.admit(now), Admission::Now);
        }
        assert_eq!(rests, [2, 4, 8, 15, 15]);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_that_were_out_when_it_opened_change_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..16 {
            breaker.failed(now);
        }
        assert_eq!(breaker.admit(now), Admission::At(now + FIRST_REST));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_between_failures_starts_the_count_anew() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 0..4 {
                assert!(!breaker.failed(now));
            }
            breaker.answered();
        }
    }
}

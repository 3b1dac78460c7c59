//! How fast each kind of service may be sent to: a token bucket per destination, after what the services ask for.
//!
//! A bucket that was left alone is full, so a lone page never waits. What had to wait for a token leaves together with
//! all that waits for the same address (`lane`).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::api::ConnectorType;

/// What Slack takes per channel: about one per second, and short bursts.
const SLACK: (Duration, NonZeroU32) = (Duration::from_secs(1), burst(3));
/// What Teams takes per workflow: four per second.
const MSTEAMS: (Duration, NonZeroU32) = (Duration::from_millis(250), burst(4));
/// What an Events API integration takes: 120 events per minute and more in bursts.
const PAGERDUTY: (Duration, NonZeroU32) = (Duration::from_millis(500), burst(60));
/// What a mail server takes from one client without growing suspicious.
const EMAIL: (Duration, NonZeroU32) = (Duration::from_millis(100), burst(20));

const fn burst(most: u32) -> NonZeroU32 {
    match NonZeroU32::new(most) {
        Some(most) => most,
        None => NonZeroU32::MIN,
    }
}

/// The outbox's own time, told to the bucket.
#[derive(Clone, Debug, Default)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// The bucket of one destination.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    told: Told,
    bucket: RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Nanos>>,
    refill: Duration,
    full: Instant,
}

impl Pace {
    /// The bucket of a destination of this kind; `None` = no more than the lane's own concurrency holds it back.
    pub(super) fn of(type_: ConnectorType, now: Instant) -> Option<Self> {
        let (period, burst) = match type_ {
            ConnectorType::Webhook => return None,
            ConnectorType::Slack => SLACK,
            ConnectorType::MSTeams => MSTEAMS,
            ConnectorType::PagerDuty => PAGERDUTY,
            ConnectorType::Email => EMAIL,
        };
        let quota = Quota::with_period(period)?.allow_burst(burst);
        let told = Told::default();
        Some(Self {
            began: now,
            bucket: RateLimiter::direct_with_clock(quota, told.clone()),
            told,
            refill: quota.burst_size_replenished_in(),
            full: now,
        })
    }

    /// Takes a token, or says when there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let since = now.saturating_duration_since(self.began);
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.told.0.store(nanos, Ordering::Relaxed);
        match self.bucket.check() {
            Ok(()) => {
                self.full = now + self.refill;
                Ok(())
            }
            Err(not_yet) => Err(now + not_yet.wait_time_from(self.told.now())),
        }
    }

    /// From when on nothing is to be remembered of it.
    pub(super) fn full(&self) -> Instant {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_one_per_period_and_a_rest_fills_the_bucket() {
        let begin = Instant::now();
        let mut pace = Pace::of(ConnectorType::Slack, begin).unwrap();
        assert!((0..3).all(|_| pace.take(begin).is_ok()));
        assert_eq!(pace.take(begin), Err(begin + Duration::from_secs(1)));
        let later = begin + Duration::from_secs(1);
        assert_eq!(pace.take(later), Ok(()));
        assert_eq!(pace.take(later), Err(later + Duration::from_secs(1)));
        let rested = later + Duration::from_mins(1);
        assert!(rested >= pace.full());
        assert!((0..3).all(|_| pace.take(rested).is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_has_no_bucket() {
        assert!(Pace::of(ConnectorType::Webhook, Instant::now()).is_none());
    }
}

//! Who of several replicas decides and sends (delivery.md section 1, "Before sending"). One Lease, fenced at the write:
//!
//! ```text
//! watch, answers -> election (I/O) -> Candidate (pure) -> Standing -> Leadership: asked before each look, write, send
//! ```
//!
//! A follower is warm: its watches and caches run; it decides nothing, writes nothing, sends nothing.

pub mod candidate;
pub mod election;
pub mod evaluate;
pub mod fence;
pub mod neighbours;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// For so long after it began to lead, a replica checks by a live GET what it is about to send: its own watch may not
/// show yet what the leader before it wrote last.
pub const TOOK_OVER_LATELY: Duration = Duration::from_secs(3);

/// How this process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no election: it is the only one.
    Sole,
    /// Another leads, or nobody yet.
    Follows,
    /// Leads until that moment, unless the lease is renewed before.
    Leads {
        /// The end.
        until: Instant,
    },
    /// Led, could not renew its lease in time, and knows of nobody else who has it.
    Pauses,
    /// The last holder of a lease that nobody can write: sends what is armed.
    Alone {
        /// The end, unless the API server is still away then.
        until: Instant,
    },
    /// Gave the lease up at the end of its work.
    Released,
    /// Another has the lease now.
    Lost,
}

/// Tells how this process stands.
#[derive(Debug)]
pub struct Post {
    standing: watch::Sender<Standing>,
    began: Arc<OnceLock<Instant>>,
}

impl Post {
    /// Tells it.
    pub fn tell(&self, standing: Standing) {
        if matches!(standing, Standing::Leads { .. }) {
            self.began.get_or_init(Instant::now);
        }
        self.standing.send_replace(standing);
    }
}

/// What this process may do now. Clones share it.
#[derive(Clone, Debug)]
pub struct Leadership {
    standing: watch::Receiver<Standing>,
    began: Arc<OnceLock<Instant>>,
}

impl Leadership {
    /// Of a process that is the only one.
    pub fn sole() -> Self {
        Self::starting(Standing::Sole).1
    }

    /// Of a process that takes part in an election.
    pub fn elected() -> (Post, Self) {
        Self::starting(Standing::Follows)
    }

    fn starting(standing: Standing) -> (Post, Self) {
        let (sender, receiver) = watch::channel(standing);
        let began = Arc::new(OnceLock::new());
        let leadership = Self {
            standing: receiver,
            began: began.clone(),
        };
        let post = Post {
            standing: sender,
            began,
        };
        (post, leadership)
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Whether statuses and other objects may be written.
    pub fn may_write(&self) -> bool {
        match *self.standing.borrow() {
            Standing::Sole => true,
            Standing::Leads { until } => Instant::now() < until,
            Standing::Follows
            | Standing::Pauses
            | Standing::Alone { .. }
            | Standing::Released
            | Standing::Lost => false,
        }
    }

    /// Whether tickets may be decided on and messages may leave.
    pub fn may_send(&self) -> bool {
        match *self.standing.borrow() {
            Standing::Sole => true,
            Standing::Leads { until } | Standing::Alone { until } => Instant::now() < until,
            Standing::Follows | Standing::Pauses | Standing::Released | Standing::Lost => false,
        }
    }

    /// Whether Events may be written: also those that tell of the last that was done.
    pub fn may_tell(&self) -> bool {
        *self.standing.borrow() == Standing::Released || self.may_write()
    }

    /// Whether it took over from another just now.
    pub fn took_over_lately(&self) -> bool {
        let began = self.began.get();
        began.is_some_and(|began| began.elapsed() < TOOK_OVER_LATELY)
    }

    /// Waits until it stands differently. Never ends where there is no election.
    pub async fn changed(&mut self) {
        if self.standing.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it leads, or at once where there is no election.
    pub async fn begun(&mut self) {
        while !self.may_write() {
            self.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rstest::rstest;

    use super::{Leadership, Standing};

    fn from_now(seconds: i64) -> Instant {
        let (now, span) = (Instant::now(), Duration::from_secs(seconds.unsigned_abs()));
        if seconds < 0 {
            now.checked_sub(span).unwrap()
        } else {
            now + span
        }
    }

    #[rstest]
    #[case::sole(Standing::Sole, (true, true, true))]
    #[case::follows(Standing::Follows, (false, false, false))]
    #[case::leads(Standing::Leads { until: from_now(9) }, (true, true, true))]
    #[case::woke_after_its_end(Standing::Leads { until: from_now(-1) }, (false, false, false))]
    #[case::pauses(Standing::Pauses, (false, false, false))]
    #[case::alone(Standing::Alone { until: from_now(9) }, (false, true, false))]
    #[case::was_alone_long_ago(Standing::Alone { until: from_now(-1) }, (false, false, false))]
    #[case::released(Standing::Released, (false, false, true))]
    #[case::lost(Standing::Lost, (false, false, false))]
    fn what_each_standing_allows(#[case] standing: Standing, #[case] wanted: (bool, bool, bool)) {
        let (post, leadership) = Leadership::elected();
        post.tell(standing);
        let may = (
            leadership.may_write(),
            leadership.may_send(),
            leadership.may_tell(),
        );
        assert_eq!(may, wanted, "write, send, tell");
    }

    #[tokio::test]
    async fn who_waits_to_lead_is_woken() {
        let (post, mut leadership) = Leadership::elected();
        assert!(!leadership.took_over_lately());
        let waiting = tokio::spawn(async move {
            leadership.begun().await;
            leadership
        });
        let until = from_now(9);
        post.tell(Standing::Leads { until });
        let leadership = waiting.await.unwrap();
        assert!(leadership.took_over_lately());
    }
}

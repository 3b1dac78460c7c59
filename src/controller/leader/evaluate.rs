//! Whose the lease is, judged from what was seen of it and when it was seen here. Pure.
//!
//! The moments on the lease itself are for people: clocks of two machines are never compared. A lease ends when it
//! was not renewed for its duration by the clock of whoever looks at it.

use std::time::Duration;

/// A moment by this process's own monotonic clock: time since some moment of its own.
pub type Moment = Duration;

/// A version of the lease as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; `None` = given up.
    pub holder: Option<String>,
    /// How long it is good after each renewal, as its holder says.
    pub lasts: Duration,
    /// The version.
    pub version: u64,
    /// When this version was first seen here.
    pub since: Moment,
}

/// Whose the lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody's: it does not exist, was given up, or has run out.
    Free,
    /// Mine, as it is written.
    Mine,
    /// Another's, until that moment at least.
    Held {
        /// When it runs out unless it is renewed.
        until: Moment,
    },
}

/// Whose the lease is for `me` at `now`. `None` = there is no lease.
pub fn evaluate(lease: Option<&Seen>, me: &str, now: Moment) -> Verdict {
    let Some(seen) = lease else {
        return Verdict::Free;
    };
    match seen.holder.as_deref() {
        None => Verdict::Free,
        Some(holder) if holder == me => Verdict::Mine,
        Some(_) => {
            let until = seen.since.saturating_add(seen.lasts);
            if now < until {
                Verdict::Held { until }
            } else {
                Verdict::Free
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::{Seen, Verdict, evaluate};

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// A lease of 3 s that was first seen in this version at second 10.
    fn held_by(holder: Option<&str>) -> Seen {
        Seen {
            holder: holder.map(str::to_owned),
            lasts: at(3),
            version: 7,
            since: at(10),
        }
    }

    #[rstest]
    #[case::none_exists(None, 0, Verdict::Free)]
    #[case::given_up(Some(held_by(None)), 10, Verdict::Free)]
    #[case::mine(Some(held_by(Some("me"))), 10, Verdict::Mine)]
    #[case::mine_however_old(Some(held_by(Some("me"))), 99, Verdict::Mine)]
    #[case::another_s(Some(held_by(Some("other"))), 10, Verdict::Held { until: at(13) })]
    #[case::another_s_to_its_end(Some(held_by(Some("other"))), 12, Verdict::Held { until: at(13) })]
    #[case::run_out(Some(held_by(Some("other"))), 13, Verdict::Free)]
    #[case::seen_by_a_clock_that_is_behind(Some(held_by(Some("other"))), 2, Verdict::Held { until: at(13) })]
    fn whose_the_lease_is(#[case] lease: Option<Seen>, #[case] now: u64, #[case] wanted: Verdict) {
        assert_eq!(evaluate(lease.as_ref(), "me", at(now)), wanted);
    }
}

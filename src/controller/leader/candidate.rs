//! One candidate for the lease: when it writes, from when to when it leads, and when it stops. Pure: moments and
//! answers come in, so that two of them can be run against each other in any order (see the tests).
//!
//! A candidate leads at most once: after it has lost the lease to another it ends, and starts anew with nothing in
//! memory.

use std::time::Duration;

use super::evaluate::{Moment, Seen, Verdict, evaluate};

/// How long a lease is good, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lasts: Duration,
}

impl Timing {
    /// No lease is good for less.
    pub const SHORTEST: Duration = Duration::from_secs(2);
    /// Nor for more.
    pub const LONGEST: Duration = Duration::from_mins(1);

    /// A lease that is good for so long after each renewal.
    pub const fn new(lasts: Duration) -> Self {
        Self { lasts }
    }

    /// How long the lease is good after a renewal.
    pub const fn lasts(self) -> Duration {
        self.lasts
    }

    /// How long another's lease is good that says so many seconds of itself: as long as one of ours may be, and as ours
    /// where it says nothing sensible, as one that somebody has edited.
    pub fn of_another(self, seconds: Option<i32>) -> Duration {
        let said = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let said = said.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        said.map_or(self.lasts, |said| said.clamp(Self::SHORTEST, Self::LONGEST))
    }

    /// From one renewal to the next.
    fn renew(self) -> Duration {
        self.lasts / 3
    }

    /// The holder stops so long before the lease ends, and speaks for itself again so long after it: enough for clocks
    /// that run apart by 5 %.
    fn margin(self) -> Duration {
        self.lasts / 10
    }

    /// A holder's pause after a try that came to nothing.
    fn retry(self) -> Duration {
        self.lasts / 12
    }

    /// What a try may take longer than its limit before it counts as one during which this process stood still.
    fn slack(self) -> Duration {
        self.lasts / 4
    }
}

/// How a candidate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Another leads, or nobody yet.
    Follows,
    /// Leads until that moment, unless it renews before.
    Leads {
        /// The end.
        until: Moment,
    },
    /// Its lease could not be renewed in time; nobody else is known to have it.
    Pauses,
    /// The last holder of a lease that cannot be written, since the API server gives no answer or refuses it: it sends
    /// what is armed (delivery.md section 1).
    Alone {
        /// The end, unless the API server is still away then.
        until: Moment,
    },
    /// Led, and another has the lease now.
    Lost,
}

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the lease.
    Read {
        /// How long that may take.
        limit: Duration,
    },
    /// Write the lease with its own name; over that version, or where there is none.
    Write {
        /// The version to be replaced.
        over: Option<u64>,
        /// How long that may take.
        limit: Duration,
    },
    /// Nothing until that moment or until the lease changes.
    Wait {
        /// When to ask again.
        until: Moment,
    },
    /// Nothing any more.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    NotYet,
    Mine {
        /// Renewed by a write that began so long before this.
        ends: Moment,
        /// The API server let nobody renew it lately; believed until then.
        alone_until: Option<Moment>,
    },
    Lost,
}

/// A candidate for the lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    me: String,
    timing: Timing,
    seen: Option<Seen>,
    must_read: bool,
    refused: Option<Refused>,
    next_try: Moment,
    term: Term,
}

/// A write that was refused, as the answer says since the lease is not as it was seen.
#[derive(Clone, Copy, Debug)]
struct Refused {
    over: Option<u64>,
    begun: Moment,
    limit: Duration,
}

impl Candidate {
    /// One that has not seen the lease yet.
    pub fn new(me: String, timing: Timing) -> Self {
        Self {
            me,
            timing,
            seen: None,
            must_read: true,
            refused: None,
            next_try: Moment::ZERO,
            term: Term::NotYet,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// Who holds the lease, as it was last seen.
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.holder.as_deref()
    }

    /// How it stands.
    pub fn stand(&self, now: Moment) -> Stand {
        match self.term {
            Term::NotYet => Stand::Follows,
            Term::Lost => Stand::Lost,
            Term::Mine { ends, alone_until } => {
                let until = self.stops(ends);
                match alone_until {
                    _ if now < until => Stand::Leads { until },
                    Some(until) if now < until => Stand::Alone { until },
                    Some(_) | None => Stand::Pauses,
                }
            }
        }
    }

    /// What to do now.
    pub fn step(&self, now: Moment) -> Step {
        let limit = self.limit(now);
        if self.term == Term::Lost {
            return Step::End;
        }
        if now < self.next_try {
            return Step::Wait {
                until: self.next_try,
            };
        }
        if self.must_read {
            return Step::Read { limit };
        }
        match evaluate(self.seen.as_ref(), &self.me, now) {
            Verdict::Held { until } => Step::Wait { until },
            Verdict::Free | Verdict::Mine => Step::Write {
                over: self.seen.as_ref().map(|seen| seen.version),
                limit,
            },
        }
    }

    /// A watch showed a version; `None` = the lease was deleted. One that is older than what is known is ignored.
    pub fn watched(&mut self, lease: Option<(Option<String>, Duration, u64)>, now: Moment) {
        let known = self.seen.as_ref().map(|seen| seen.version);
        let older = |(_, _, version): &(_, _, u64)| known.is_some_and(|known| *version <= known);
        if !self.must_read && !lease.as_ref().is_some_and(older) {
            self.take_in(lease, now);
        }
    }

    /// The lease was read; `None` = it does not exist. Says whether it is the very one over which a write was refused:
    /// then that was about something else, and the try came to nothing.
    pub fn read(&mut self, lease: Option<(Option<String>, Duration, u64)>, now: Moment) -> bool {
        self.must_read = false;
        self.take_in(lease, now);
        let version = self.seen.as_ref().map(|seen| seen.version);
        let refused = self
            .refused
            .take()
            .filter(|refused| refused.over == version);
        if let Some(Refused { begun, limit, .. }) = refused {
            // Of two calls, one after the other.
            self.failed(begun, limit * 2, now);
        }
        refused.is_some()
    }

    /// A write that began at `begun` was taken and gave this version.
    pub fn wrote(&mut self, begun: Moment, version: u64, now: Moment) {
        self.seen = Some(Seen {
            holder: Some(self.me.clone()),
            lasts: self.timing.lasts,
            version,
            since: now,
        });
        if self.term != Term::Lost {
            self.term = Term::Mine {
                ends: begun + self.timing.lasts,
                alone_until: None,
            };
        }
        self.next_try = begun + self.timing.renew();
    }

    /// A write over that version, begun at `begun`, was refused because the lease is not as it was seen: it has to be
    /// read.
    pub fn refused(&mut self, over: Option<u64>, begun: Moment, limit: Duration) {
        self.must_read = true;
        self.refused = Some(Refused { over, begun, limit });
    }

    /// A read or write that began at `begun` came to nothing: no answer, or one that says "not now".
    pub fn failed(&mut self, begun: Moment, limit: Duration, now: Moment) {
        let timing = self.timing;
        let stops = self.mine_ends().map(|ends| self.stops(ends));
        match (&mut self.term, stops) {
            (Term::Mine { ends, alone_until }, Some(stops)) => {
                // A try during which this process stood still tells nothing about the API server.
                let stood_still = now.saturating_sub(begun) > limit + timing.slack();
                let over = begun >= stops && now >= *ends + timing.margin();
                if over && !stood_still {
                    *alone_until = Some(now + timing.lasts);
                }
                let pause = now + timing.retry();
                // The first try after the end begins at the end: what it shows decides who may send.
                self.next_try = if now < stops { pause.min(stops) } else { pause };
            }
            (Term::Mine { .. } | Term::NotYet | Term::Lost, _) => {
                self.next_try = now + timing.renew();
            }
        }
    }

    fn take_in(&mut self, lease: Option<(Option<String>, Duration, u64)>, now: Moment) {
        self.seen = lease.map(|(holder, lasts, version)| {
            let same = self.seen.as_ref().filter(|seen| seen.version == version);
            Seen {
                holder,
                lasts,
                version,
                since: same.map_or(now, |seen| seen.since),
            }
        });
        let another = self.holder().is_some_and(|holder| holder != self.me);
        if another && matches!(self.term, Term::Mine { .. }) {
            self.term = Term::Lost;
        }
    }

    fn mine_ends(&self) -> Option<Moment> {
        match self.term {
            Term::Mine { ends, .. } => Some(ends),
            Term::NotYet | Term::Lost => None,
        }
    }

    fn stops(&self, ends: Moment) -> Moment {
        ends.saturating_sub(self.timing.margin())
    }

    /// How long a try may take: a holder's ends with its time, so that the next one begins with the end.
    fn limit(&self, now: Moment) -> Duration {
        let (half, quarter) = (self.timing.lasts / 2, self.timing.lasts / 4);
        match self.mine_ends().map(|ends| self.stops(ends)) {
            Some(stops) if now < stops => half.min(stops.saturating_sub(now)),
            Some(_) => quarter,
            None => half,
        }
    }
}

#[cfg(test)]
mod tests;

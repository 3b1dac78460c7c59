//! What holds, suspension and maintenance claim of a ticket's time, given what was remembered of them.
//!
//! Rule: `api.md` section 5 "Hold". Remembered is until when each one holds; since when they do together stands in
//! `status.holding`, so a claim that stood goes back to there.

use jiff::Timestamp;

use super::freeze::{self, Frozen, Stretch};
use super::{Source, Wanted};
use crate::api::{HoldSeen, Time};

/// A stretch that something claims.
#[derive(Clone, Copy, Debug)]
pub enum Claim {
    /// It held the ticket when the status was written, and does until then.
    Stood(Timestamp),
    /// It began after that.
    Began(Stretch),
}

/// Claims of everything, and of what pauses the response clock.
#[derive(Debug, Default)]
pub struct Claims {
    /// Everything.
    pub all: Vec<Claim>,
    /// Maintenance.
    pub maintenance: Vec<Claim>,
}

impl Claims {
    /// Maintenance that is over.
    pub fn maintained(&mut self, over: Stretch) {
        self.add(Claim::Began(over), true);
    }

    /// Something that is not there any more: it held until its end, until now at the latest.
    pub fn lifted(&mut self, known: &HoldSeen, now: Timestamp) {
        if let Some(until) = known.until_time {
            self.add(Claim::Stood(until.0.min(now)), known.maintenance);
        }
    }

    /// Something that is there. Returns what to remember of it, and since when it holds the ticket where it did not
    /// before.
    pub fn count(
        &mut self,
        source: &Source,
        known: Option<&HoldSeen>,
        submitted: Timestamp,
        now: Timestamp,
    ) -> (HoldSeen, Option<Timestamp>) {
        let changed = known.is_none_or(|known| known.hash != source.hash);
        let mut entry = HoldSeen {
            name: source.key.clone(),
            hash: source.hash.clone(),
            first_seen_time: known.map_or(Time(source.first_seen), |known| known.first_seen_time),
            until_time: None,
            maintenance: source.maintenance,
        };
        let Wanted::Counts { from, until } = source.wanted else {
            if let Some(known) = known {
                self.lifted(known, now);
            }
            return (entry, None);
        };
        let old = known.and_then(|known| Some((known, known.until_time?.0)));
        let goes_on = old.filter(|(_, old)| !changed || *old > source.dated);
        let (from, until) = match (goes_on, old) {
            (Some((known, old)), _) => {
                let until = if changed {
                    until.max(source.dated)
                } else {
                    until
                };
                self.go_on(source, known.maintenance, old, until);
                entry.until_time = Some(Time(until)).filter(|until| until.0 > now);
                return (entry, None);
            }
            (None, Some((known, old))) => {
                self.add(Claim::Stood(old), known.maintenance);
                (source.dated, until)
            }
            (None, None) => {
                let since = if changed { source.dated } else { now };
                (from.unwrap_or(since), until)
            }
        };
        let began = Stretch {
            from: from.max(submitted),
            until,
        };
        self.add(Claim::Began(began), source.maintenance);
        let in_force = began.from <= now && until > now;
        entry.until_time = Some(Time(until)).filter(|_| in_force);
        (entry, Some(began.from).filter(|_| in_force))
    }

    /// It goes on; an edit may begin or end the maintenance of it.
    fn go_on(&mut self, source: &Source, was_maintenance: bool, old: Timestamp, until: Timestamp) {
        self.all.push(Claim::Stood(until));
        let from = source.dated;
        match (was_maintenance, source.maintenance) {
            (true, true) => self.maintenance.push(Claim::Stood(until)),
            (true, false) => self.maintenance.push(Claim::Stood(old.min(from))),
            (false, true) => self.maintenance.push(Claim::Began(Stretch { from, until })),
            (false, false) => {}
        }
    }

    fn add(&mut self, claim: Claim, maintenance: bool) {
        self.all.push(claim);
        if maintenance {
            self.maintenance.push(claim);
        }
    }
}

/// Joins claims; those that stood go back to `since`: at the last write they held the ticket together.
pub fn join(since: Option<Time>, floor: Timestamp, claims: &[Claim], now: Timestamp) -> Frozen {
    let since = since.map(|time| time.0);
    let stretch = |claim: &Claim| match *claim {
        Claim::Began(stretch) => Some(stretch),
        Claim::Stood(until) => since.map(|from| Stretch { from, until }),
    };
    let claims: Vec<Stretch> = claims.iter().filter_map(stretch).collect();
    freeze::join(since, floor, &claims, now)
}

//! Who is on call at an instant: members in turn, exceptions, hours, and the gaps between them.
//!
//! Shifts are counted on the wall clock of the rota's zone, days and hours alike, so the hand-over keeps its local hour
//! through the changes of the clock. Shift number `k` since `start` belongs to member `k mod members`: adding or removing
//! a member renumbers the turns from `start` on and keeps the order of the list; to begin anew, move `start`. Before
//! `start` and outside the calendar nobody is on call. An override wins from its start to before its end, hours or not;
//! of several the one latest in the list. Rules: api.md section 3.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::calendar::{Calendar, instant_of};

#[cfg(test)]
mod tests;

/// A compiled rota.
#[derive(Clone, Debug, PartialEq)]
pub struct Rota {
    /// Zone whose wall clock rules the hand-over.
    pub zone: TimeZone,
    /// Local time of the first hand-over.
    pub start: DateTime,
    /// Length of a shift on the wall clock; longer than zero.
    pub shift: SignedDuration,
    /// Hours in which somebody is on call.
    pub calendar: Calendar,
    /// Names of contacts, in turn.
    pub members: Vec<String>,
}

/// An exception from a rota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotaOverride {
    /// Name of the rota.
    pub rota: String,
    /// Name of the contact who is on call instead.
    pub member: String,
    /// From this instant on.
    pub from: Timestamp,
    /// Up to, not including, this instant.
    pub until: Timestamp,
    /// User name of whoever arranged it.
    pub by: String,
}

/// The rotas of a policy with their overrides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RotaSet {
    rotas: BTreeMap<String, Rota>,
    overrides: Vec<RotaOverride>,
}

/// The moment at which duty passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// When.
    pub at: Timestamp,
    /// Who was on call before; `None` = nobody.
    pub from: Option<String>,
    /// Who is on call from then on; `None` = nobody.
    pub to: Option<String>,
}

/// A stretch of time in which nobody is on call: from its start up to, not including, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Start.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
}

/// How many changes [`RotaSet::next_handover`] looks at before it says that there is none.
const MOST_CHANGES: usize = 10_000;

impl RotaSet {
    /// Rotas by name and the overrides in the order of the policy.
    pub fn new(rotas: BTreeMap<String, Rota>, overrides: Vec<RotaOverride>) -> Self {
        Self { rotas, overrides }
    }

    /// Whether a rota of that name exists.
    pub fn contains(&self, rota: &str) -> bool {
        self.rotas.contains_key(rota)
    }

    /// When a rota's first shift begins.
    pub fn start(&self, rota: &str) -> Option<Timestamp> {
        self.rotas.get(rota)?.begins(0)
    }

    /// Name of the contact who is on call; `None` = nobody, or no such rota.
    pub fn on_call(&self, rota: &str, at: Timestamp) -> Option<&str> {
        let found = self.rotas.get(rota)?;
        self.instead(rota, at)
            .map(|known| known.member.as_str())
            .or_else(|| found.on_call(at))
    }

    /// The override that holds at an instant.
    pub fn instead(&self, rota: &str, at: Timestamp) -> Option<&RotaOverride> {
        let holds =
            |known: &&RotaOverride| known.rota == rota && known.from <= at && at < known.until;
        self.overrides.iter().rfind(holds)
    }

    /// The first moment after `after` at which somebody else, or nobody, is on call; `None` = never.
    pub fn next_handover(&self, rota: &str, after: Timestamp) -> Option<Handover> {
        let found = self.rotas.get(rota)?;
        let before = self.on_call(rota, after);
        let mut at = after;
        for _ in 0..MOST_CHANGES {
            at = [
                self.next_override_edge(rota, at),
                found.next_turn(at),
                found.next_hours_edge(at),
            ]
            .into_iter()
            .flatten()
            .min()?;
            let to = self.on_call(rota, at);
            if to != before {
                return Some(Handover {
                    at,
                    from: before.map(str::to_owned),
                    to: to.map(str::to_owned),
                });
            }
        }
        None
    }

    /// The stretches from `from` to before `until` in which nobody is on call.
    pub fn gaps(&self, rota: &str, from: Timestamp, until: Timestamp) -> Vec<Gap> {
        let Some(found) = self.rotas.get(rota) else {
            return Vec::new();
        };
        let mut gaps: Vec<Gap> = Vec::new();
        let mut at = from;
        while at < until {
            let next = [self.next_override_edge(rota, at), found.next_hours_edge(at)];
            let next = next.into_iter().flatten().min().unwrap_or(until).min(until);
            if self.on_call(rota, at).is_none() {
                match gaps.last_mut() {
                    Some(last) if last.until == at => last.until = next,
                    Some(_) | None => gaps.push(Gap {
                        from: at,
                        until: next,
                    }),
                }
            }
            at = next;
        }
        gaps
    }

    fn next_override_edge(&self, rota: &str, after: Timestamp) -> Option<Timestamp> {
        let of_rota = self.overrides.iter().filter(|known| known.rota == rota);
        of_rota
            .flat_map(|known| [known.from, known.until])
            .filter(|edge| *edge > after)
            .min()
    }
}

impl Rota {
    /// Whose turn it is within the hours of the rota.
    fn on_call(&self, at: Timestamp) -> Option<&str> {
        if !self.calendar.is_open(at) {
            return None;
        }
        let turns = i64::try_from(self.members.len()).ok()?;
        let turn = self.turn_at(at)?.checked_rem_euclid(turns)?;
        let member = self.members.get(usize::try_from(turn).ok()?)?;
        Some(member)
    }

    /// Number of the shift that runs, 0 from `start` on; `None` before.
    ///
    /// The count by the wall clock is never too high: a shift begins at the first instant whose local time is its own or
    /// later. It is too low where the clock was put back.
    fn turn_at(&self, at: Timestamp) -> Option<i64> {
        if at < self.begins(0)? || !self.shift.is_positive() {
            return None;
        }
        let passed = self.zone.to_datetime(at).duration_since(self.start);
        let mut turn = i64::try_from(passed.as_nanos().div_euclid(self.shift.as_nanos()))
            .ok()?
            .max(0);
        while self.begins(turn + 1).is_some_and(|begin| begin <= at) {
            turn += 1;
        }
        Some(turn)
    }

    /// When a shift begins.
    fn begins(&self, turn: i64) -> Option<Timestamp> {
        let passed = self.shift.checked_mul(i32::try_from(turn).ok()?)?;
        instant_of(&self.zone, self.start.checked_add(passed).ok()?)
    }

    /// The first moment after `after` at which the turn passes on.
    fn next_turn(&self, after: Timestamp) -> Option<Timestamp> {
        match self.turn_at(after) {
            Some(_)
                if self
                    .members
                    .iter()
                    .all(|member| Some(member) == self.members.first()) =>
            {
                None
            }
            Some(turn) => self.begins(turn + 1),
            None => self.begins(0),
        }
    }

    /// The first moment after `after` at which the rota starts, or its calendar opens or closes.
    fn next_hours_edge(&self, after: Timestamp) -> Option<Timestamp> {
        let start = self.begins(0).filter(|start| *start > after);
        let edge = if self.calendar.is_open(after) {
            self.calendar.next_closed(after)
        } else {
            self.calendar.next_open(after)
        };
        [start, edge].into_iter().flatten().min()
    }
}

//! When each object is looked at again: one entry per object, either timed, ready, or running. Pure: times come in.
//!
//! Why not `kube::runtime::Controller`: it polls every running reconcile on each wake-up (10,000 due at one instant
//! are 10,000 x 10,000 polls), picks waiting objects in hash order, and fires a timed entry early for any other
//! trigger. Here a trigger makes an object ready, readiness is ordered by urgency and then by arrival, and who ends
//! a run must say when the next one is.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

/// Order of readiness: the moment it was wanted plus what lower urgency adds, then order of arrival. As the added
/// time is bounded, nothing waits for ever behind a flood of more urgent work.
type Rank = (Timestamp, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Timed(Rank),
    Ready {
        rank: Rank,
        cause: Cause,
        /// It waits for a deadline too, which still comes.
        timed: Option<Rank>,
    },
    Running {
        again: Option<Timestamp>,
    },
}

/// Why an object is ready. Those whose deadline has come stand in a line of their own: what was armed waits for nothing
/// that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its deadline has come.
    Deadline,
    /// Something about it changed.
    Change,
}

/// The entries of one kind of object.
#[derive(Debug)]
pub struct Schedule<K> {
    places: HashMap<K, Place>,
    timed: BTreeMap<Rank, (K, SignedDuration)>,
    due: BTreeMap<Rank, K>,
    changed: BTreeMap<Rank, K>,
    arrivals: u64,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            timed: BTreeMap::new(),
            due: BTreeMap::new(),
            changed: BTreeMap::new(),
            arrivals: 0,
        }
    }
}

impl<K: Eq + Hash + Clone> Schedule<K> {
    /// Something about an object changed: look at it now, or once more after the run it is in.
    pub fn trigger(&mut self, key: K, wanted: Timestamp) {
        match self.places.get_mut(&key) {
            Some(Place::Running { again }) => {
                *again = Some(again.map_or(wanted, |earlier| earlier.min(wanted)));
            }
            Some(Place::Ready { rank, .. }) if rank.0 <= wanted => {}
            Some(Place::Ready { rank, cause, timed }) => {
                let (old, cause, timed) = (*rank, *cause, *timed);
                self.line(cause).remove(&old);
                self.make_ready(key, wanted, cause, timed);
            }
            Some(Place::Timed(rank)) => {
                let timed = *rank;
                // Its deadline may have come just now.
                if timed.0 <= wanted {
                    self.timed.remove(&timed);
                    self.make_ready(key, wanted, Cause::Deadline, None);
                } else {
                    self.make_ready(key, wanted, Cause::Change, Some(timed));
                }
            }
            None => self.make_ready(key, wanted, Cause::Change, None),
        }
    }

    /// The most urgent object that is ready at `now`, whatever made it so; it counts as running until
    /// [`Schedule::finish`].
    pub fn pop(&mut self, now: Timestamp) -> Option<K> {
        self.ripen(now);
        let first = |line: &BTreeMap<Rank, K>| line.first_key_value().map(|(rank, _)| *rank);
        let cause = match (first(&self.due), first(&self.changed)) {
            (Some(due), Some(changed)) if changed < due => Cause::Change,
            (None, _) => Cause::Change,
            (Some(_), _) => Cause::Deadline,
        };
        self.pop_from(cause)
    }

    /// The most urgent of the objects that are ready at `now` for this cause.
    pub fn pop_for(&mut self, cause: Cause, now: Timestamp) -> Option<K> {
        self.ripen(now);
        self.pop_from(cause)
    }

    fn pop_from(&mut self, cause: Cause) -> Option<K> {
        let (_, key) = self.line(cause).pop_first()?;
        let running = Place::Running { again: None };
        if let Some(Place::Ready { timed, .. }) = self.places.insert(key.clone(), running)
            && let Some(timed) = timed
        {
            self.timed.remove(&timed);
        }
        Some(key)
    }

    fn line(&mut self, cause: Cause) -> &mut BTreeMap<Rank, K> {
        match cause {
            Cause::Deadline => &mut self.due,
            Cause::Change => &mut self.changed,
        }
    }

    /// A run ended: the next is at `until`, or before where something changed meanwhile. `later` is what the object's
    /// urgency adds to its rank.
    pub fn finish(&mut self, key: K, until: Option<Timestamp>, later: SignedDuration) {
        let again = match self.places.remove(&key) {
            Some(Place::Running { again }) => again,
            Some(place @ (Place::Timed(_) | Place::Ready { .. })) => {
                self.places.insert(key, place);
                return;
            }
            None => return,
        };
        let timed = until.map(|until| {
            let rank = self.rank(until);
            self.timed.insert(rank, (key.clone(), later));
            rank
        });
        if let Some(wanted) = again {
            self.make_ready(key, wanted, Cause::Change, timed);
        } else if let Some(timed) = timed {
            self.places.insert(key, Place::Timed(timed));
        }
    }

    /// When the next timed entry falls due.
    pub fn next_time(&self) -> Option<Timestamp> {
        self.timed.first_key_value().map(|((time, _), _)| *time)
    }

    /// How many objects are ready at `now` for this cause and wait for a place.
    pub fn waiting(&mut self, cause: Cause, now: Timestamp) -> usize {
        self.ripen(now);
        self.line(cause).len()
    }

    /// Whose deadline has come leaves the line of changes, if it stands there.
    fn ripen(&mut self, now: Timestamp) {
        while let Some(entry) = self.timed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((due, _), (key, later)) = entry.remove_entry();
            if let Some(Place::Ready { rank, cause, .. }) = self.places.get(&key).copied() {
                self.line(cause).remove(&rank);
            }
            let wanted = due.saturating_add(later).unwrap_or(Timestamp::MAX);
            self.make_ready(key, wanted, Cause::Deadline, None);
        }
    }

    fn make_ready(&mut self, key: K, wanted: Timestamp, cause: Cause, timed: Option<Rank>) {
        let rank = self.rank(wanted);
        self.line(cause).insert(rank, key.clone());
        self.places.insert(key, Place::Ready { rank, cause, timed });
    }

    fn rank(&mut self, time: Timestamp) -> Rank {
        self.arrivals += 1;
        (time, self.arrivals)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Cause, Schedule};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    const NONE: SignedDuration = SignedDuration::ZERO;

    fn run(schedule: &mut Schedule<&'static str>, now: i64) -> Vec<&'static str> {
        std::iter::from_fn(|| schedule.pop(at(now))).collect()
    }

    #[test]
    fn a_timed_object_runs_at_its_time_and_not_before() {
        let mut schedule = Schedule::default();
        schedule.trigger("a", at(0));
        assert_eq!(run(&mut schedule, 0), ["a"]);
        schedule.finish("a", Some(at(20)), NONE);
        assert_eq!(schedule.next_time(), Some(at(20)));
        assert_eq!(run(&mut schedule, 19), [""; 0]);
        assert_eq!(run(&mut schedule, 20), ["a"]);
    }

    #[test]
    fn a_trigger_during_a_run_asks_for_one_more_run_and_loses_no_deadline() {
        let mut schedule = Schedule::default();
        schedule.trigger("a", at(0));
        assert_eq!(run(&mut schedule, 0), ["a"]);
        schedule.trigger("a", at(1));
        schedule.trigger("a", at(2));
        assert_eq!(run(&mut schedule, 3), [""; 0], "one run at a time");
        schedule.finish("a", Some(at(20)), NONE);
        assert_eq!(run(&mut schedule, 3), ["a"]);
        schedule.finish("a", Some(at(20)), NONE);
        assert_eq!(run(&mut schedule, 20), ["a"]);
    }

    #[test]
    fn most_urgent_first_and_else_in_order_of_arrival() {
        let mut schedule = Schedule::default();
        for key in ["low", "first", "second", "critical"] {
            schedule.trigger(key, at(0));
        }
        for key in run(&mut schedule, 0) {
            let later = SignedDuration::from_secs(match key {
                "low" => 6,
                "critical" => 0,
                _ => 2,
            });
            schedule.finish(key, Some(at(10)), later);
        }
        assert_eq!(
            run(&mut schedule, 10),
            ["critical", "first", "second", "low"]
        );
    }

    #[test]
    fn who_has_a_deadline_stands_behind_no_change() {
        let mut schedule = Schedule::default();
        schedule.trigger("armed", at(0));
        assert_eq!(run(&mut schedule, 0), ["armed"]);
        schedule.finish("armed", Some(at(10)), NONE);
        for key in ["new", "newer", "newest"] {
            schedule.trigger(key, at(5));
        }
        let mut pop = |cause| schedule.pop_for(cause, at(10));
        assert_eq!(pop(Cause::Deadline), Some("armed"));
        assert_eq!(pop(Cause::Deadline), None);
        assert_eq!(pop(Cause::Change), Some("new"));
    }

    #[test]
    fn a_change_at_the_very_deadline_does_not_put_it_back_in_line() {
        let mut schedule = Schedule::default();
        schedule.trigger("armed", at(0));
        assert_eq!(run(&mut schedule, 0), ["armed"]);
        schedule.finish("armed", Some(at(10)), NONE);
        schedule.trigger("armed", at(11));
        assert_eq!(schedule.pop_for(Cause::Deadline, at(11)), Some("armed"));
    }

    #[test]
    fn a_change_before_a_deadline_costs_the_deadline_nothing() {
        let mut schedule = Schedule::default();
        for key in ["changed", "changed while it ran"] {
            schedule.trigger(key, at(0));
        }
        assert_eq!(run(&mut schedule, 0).len(), 2);
        schedule.trigger("changed while it ran", at(5));
        for key in ["changed", "changed while it ran"] {
            schedule.finish(key, Some(at(10)), NONE);
        }
        for key in ["new", "newer"] {
            schedule.trigger(key, at(4));
        }
        schedule.trigger("changed", at(5));
        assert_eq!(schedule.next_time(), Some(at(10)));
        let mut pop = |cause, second| schedule.pop_for(cause, at(second));
        assert_eq!(pop(Cause::Deadline, 9), None);
        assert_eq!(pop(Cause::Deadline, 10), Some("changed"));
        assert_eq!(pop(Cause::Deadline, 10), Some("changed while it ran"));
        assert_eq!(pop(Cause::Deadline, 10), None);
        assert_eq!(pop(Cause::Change, 10), Some("new"));
        assert_eq!(pop(Cause::Change, 10), Some("newer"));
        assert_eq!(pop(Cause::Change, 10), None);
    }

    #[test]
    fn who_was_looked_at_for_a_change_has_its_new_deadline_only() {
        let mut schedule = Schedule::default();
        schedule.trigger("a", at(0));
        assert_eq!(run(&mut schedule, 0), ["a"]);
        schedule.finish("a", Some(at(10)), NONE);
        schedule.trigger("a", at(5));
        // More urgent than before, and still with its deadline.
        schedule.trigger("a", at(4));
        assert_eq!(run(&mut schedule, 5), ["a"]);
        schedule.finish("a", Some(at(20)), NONE);
        assert_eq!(schedule.next_time(), Some(at(20)));
        assert_eq!(run(&mut schedule, 19), [""; 0]);
        assert_eq!(run(&mut schedule, 20), ["a"]);
    }

    #[test]
    fn low_urgency_waits_for_a_bounded_time_only() {
        let mut schedule = Schedule::default();
        schedule.trigger("low", at(6));
        schedule.trigger("critical, wanted later", at(7));
        assert_eq!(run(&mut schedule, 9), ["low", "critical, wanted later"]);
    }

    #[test]
    fn no_object_is_starved_however_many_wait() {
        let mut schedule = Schedule::default();
        let mut served = std::collections::HashMap::new();
        for key in 0..200 {
            schedule.trigger(key, at(0));
        }
        for turn in 0..20_000_i64 {
            let key = schedule.pop(at(turn)).unwrap();
            *served.entry(key).or_insert(0) += 1;
            schedule.finish(
                key,
                Some(at(turn + 1)),
                SignedDuration::from_secs(i64::from(key % 4) * 2),
            );
        }
        assert_eq!(served.len(), 200);
        assert!(served.values().all(|count| *count > 80), "{served:?}");
    }

    #[test]
    fn an_object_without_a_deadline_leaves_no_entry() {
        let mut schedule = Schedule::default();
        schedule.trigger("a", at(0));
        assert_eq!(run(&mut schedule, 0), ["a"]);
        schedule.finish("a", None, NONE);
        assert!(schedule.places.is_empty());
    }
}

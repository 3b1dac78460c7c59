//! Working-time addition and difference, exact inverses of each other.
//!
//! Weeks without a holiday and without a change of the clock all have the same working time: such runs are skipped in
//! one go, so a year of working time costs a few dozen look-ups.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::{Hours, days_back_from, instant_of};

impl Hours {
    /// The earliest instant at which `duration` (not negative) has passed since `t`.
    pub(super) fn count_on(&self, t: Timestamp, duration: SignedDuration) -> Option<Timestamp> {
        if duration.is_zero() {
            return Some(t);
        }
        let mut rest = duration;
        let mut day = self.first_day(t);
        // Up to this one they are counted day by day. The day of `t` is: it is no whole one.
        let mut day_by_day = self.day_of(t);
        loop {
            if day > day_by_day {
                day_by_day = self.next_irregular(day);
                let weeks = whole_weeks(day, day_by_day).min(self.weeks_within(rest));
                rest -= self.weeks(weeks)?;
                day = day.checked_add(Span::new().try_weeks(weeks).ok()?).ok()?;
            }
            for stretch in self.stretches_of(day) {
                let start = stretch.start.max(t);
                let length = stretch.end.duration_since(start);
                if length >= rest {
                    return start.checked_add(rest).ok();
                }
                if !length.is_negative() {
                    rest -= length;
                }
            }
            day = day.tomorrow().ok()?;
        }
    }

    /// The latest instant from which `duration` (positive) passes until `t`.
    pub(super) fn count_back(&self, t: Timestamp, duration: SignedDuration) -> Option<Timestamp> {
        let mut rest = duration;
        for day in days_back_from(self.last_day(t)) {
            for stretch in self.stretches_of(day).rev() {
                let end = stretch.end.min(t);
                let length = end.duration_since(stretch.start);
                if length >= rest {
                    return end.checked_sub(rest).ok();
                }
                if !length.is_negative() {
                    rest -= length;
                }
            }
        }
        None
    }

    /// Working time from `a` to a later `b`.
    pub(super) fn between(&self, a: Timestamp, b: Timestamp) -> SignedDuration {
        let mut sum = SignedDuration::ZERO;
        let mut day = self.first_day(a);
        let mut day_by_day = self.day_of(a);
        let (before_last, last) = (self.first_day(b), self.last_day(b));
        while day <= last {
            if day > day_by_day {
                day_by_day = self.next_irregular(day);
                let weeks = whole_weeks(day, day_by_day.min(before_last));
                if let (Some(skipped), Ok(target)) =
                    (self.weeks(weeks), day.checked_add(Span::new().weeks(weeks)))
                {
                    sum += skipped;
                    day = target;
                }
            }
            for stretch in self.stretches_of(day) {
                let (start, end) = (stretch.start.max(a), stretch.end.min(b));
                sum += end.duration_since(start).max(SignedDuration::ZERO);
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        sum
    }

    /// Working time of that many regular weeks.
    fn weeks(&self, weeks: i64) -> Option<SignedDuration> {
        self.week_total.checked_mul(i32::try_from(weeks).ok()?)
    }

    /// How many weeks can be taken from `rest` so that something is left: the end is found within a stretch.
    fn weeks_within(&self, rest: SignedDuration) -> i64 {
        let week = self.week_total.as_nanos();
        i64::try_from((rest.as_nanos() - 1) / week)
            .unwrap_or(i64::MAX)
            .min(i64::from(i32::MAX))
    }

    /// The first local day at or after `day` on which a holiday lies or that the clock's change touches.
    fn next_irregular(&self, day: Date) -> Date {
        let holiday = self
            .holidays
            .range(day..)
            .next()
            .copied()
            .unwrap_or(Date::MAX);
        let change = next_change(&self.zone, day).unwrap_or(Date::MAX);
        holiday.min(change)
    }
}

/// The first local day at or after `day` that a change of the clock touches.
fn next_change(zone: &TimeZone, day: Date) -> Option<Date> {
    let from = instant_of(zone, day.yesterday().ok()?.to_datetime(Time::midnight()))?;
    let mut offset = zone.to_offset(from);
    for transition in zone.following(from) {
        let new = transition.offset();
        if new != offset {
            let at = transition.timestamp();
            let first = offset
                .to_datetime(at)
                .date()
                .min(new.to_datetime(at).date());
            let last = offset
                .to_datetime(at)
                .date()
                .max(new.to_datetime(at).date());
            if last >= day {
                return Some(first.max(day));
            }
        }
        offset = new;
    }
    None
}

/// Whole weeks that start at `day` and end, night windows included, before `limit`.
fn whole_weeks(day: Date, limit: Date) -> i64 {
    let days = limit.duration_since(day).as_hours() / 24 - 1;
    (days / 7).max(0)
}

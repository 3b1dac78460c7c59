//! Working time: when a calendar is open, and deadlines counted in its hours.
//!
//! Built on local times, not minutes: each window of each day becomes one span of instants, so questions cost a few
//! time zone look-ups. Rules: api.md section 5 "Off hours, DST". The edges of a window are local times: one that does
//! not exist moves to the next valid instant, one that occurs twice is its first occurrence. A window that spans such
//! an hour stays open through it, so that a night shift is never closed in its middle. A window over midnight belongs
//! to the day it starts on.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};

mod arithmetic;

/// Days with a local time that may still be open at, or already contain, an instant of a given local date.
const REACH_DAYS: i64 = 1;

/// Opening hours as people declare them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Days on which it opens.
    pub days: Vec<Weekday>,
    /// Local time it opens at.
    pub from: Time,
    /// Local time it closes at; at or before `from` means on the next day.
    pub to: Time,
}

/// Why opening hours make no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// It would never open.
    #[error("has no window that ever opens; at least one window with a day must be given")]
    Empty,
    /// Two windows are open at the same local time.
    #[error(
        "windows overlap: the one from {first} on {day} runs into the one from {second}; they must not overlap"
    )]
    Overlap {
        /// Day of the earlier window.
        day: String,
        /// Start of the earlier window.
        first: Time,
        /// Start of the later window.
        second: Time,
    },
}

/// A compiled working-time calendar. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Absent = open at all times.
    hours: Option<Arc<Hours>>,
}

/// One daily opening, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Opening {
    from: Time,
    to: Time,
}

impl Opening {
    /// Whether it closes on the day after the one it opens on.
    fn over_midnight(self) -> bool {
        self.to <= self.from
    }

    /// Its length on a day without any change of the clock.
    fn nominal(self) -> SignedDuration {
        let length = self.to.duration_since(self.from);
        if self.over_midnight() {
            length + SignedDuration::from_hours(24)
        } else {
            length
        }
    }
}

#[derive(Debug, PartialEq)]
struct Hours {
    zone: TimeZone,
    /// Openings by weekday, Monday first, in order.
    week: [Vec<Opening>; 7],
    holidays: BTreeSet<Date>,
    /// Working time of a week without holidays and without changes of the clock.
    week_total: SignedDuration,
}

/// A stretch of opening: from its start up to, not including, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    start: Timestamp,
    end: Timestamp,
}

/// The zone with that IANA name, from the bundled database: the same on each machine.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The instant of a local time: one that does not exist moves to the next valid instant, one that occurs twice is the
/// first. `None` outside the range of instants.
pub fn instant_of(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.earlier().ok()
        }
        AmbiguousOffset::Gap { .. } => {
            let before_gap = ambiguous.earlier().ok()?;
            let end_of_gap = zone.following(before_gap).next()?;
            Some(end_of_gap.timestamp())
        }
    }
}

impl Calendar {
    /// Open at all times.
    pub fn always() -> Self {
        Self { hours: None }
    }

    /// Compiles opening hours of a zone; `holidays` are local dates on which no window starts.
    ///
    /// # Errors
    /// [`CalendarError`] where the windows never open or overlap.
    pub fn new(
        zone: TimeZone,
        windows: &[Window],
        holidays: impl IntoIterator<Item = Date>,
    ) -> Result<Self, CalendarError> {
        let mut week: [Vec<Opening>; 7] = Default::default();
        for window in windows {
            let days: BTreeSet<i8> = window
                .days
                .iter()
                .map(|day| day.to_monday_zero_offset())
                .collect();
            for (index, openings) in (0i8..).zip(week.iter_mut()) {
                if days.contains(&index) {
                    openings.push(Opening {
                        from: window.from,
                        to: window.to,
                    });
                }
            }
        }
        for openings in &mut week {
            openings.sort_unstable();
        }
        refuse_overlaps(&week)?;
        let week_total = week
            .iter()
            .flatten()
            .map(|opening| opening.nominal())
            .sum::<SignedDuration>();
        if week_total.is_zero() {
            return Err(CalendarError::Empty);
        }
        let holidays = holidays.into_iter().collect();
        Ok(Self {
            hours: Some(Arc::new(Hours {
                zone,
                week,
                holidays,
                week_total,
            })),
        })
    }

    /// Whether it is open at `t`.
    pub fn is_open(&self, t: Timestamp) -> bool {
        self.hours
            .as_ref()
            .is_none_or(|hours| hours.stretch_at(t).is_some())
    }

    /// The first open instant at or after `t`: `t` itself where it is open. `None` past the end of time.
    pub fn next_open(&self, t: Timestamp) -> Option<Timestamp> {
        match &self.hours {
            None => Some(t),
            Some(hours) => hours.stretches_from(t).next().map(|stretch| stretch.start),
        }
    }

    /// The first instant at or after `t` that is closed: `t` itself where it is closed. `None` where it stays open for
    /// good.
    pub fn next_closed(&self, t: Timestamp) -> Option<Timestamp> {
        let hours = self.hours.as_ref()?;
        if hours.stretch_at(t).is_none() {
            return Some(t);
        }
        hours.closing_after(t)
    }

    /// The instant by which `duration` of working time has passed since `t`, the earliest such: work that ends with the
    /// day is due at closing time, not on the next morning. A negative `duration` counts back (then the latest such).
    /// `None` past the end of time.
    pub fn add_working(&self, t: Timestamp, duration: SignedDuration) -> Option<Timestamp> {
        match &self.hours {
            None => t.checked_add(duration).ok(),
            Some(hours) if duration.is_negative() => hours.count_back(t, duration.checked_neg()?),
            Some(hours) => hours.count_on(t, duration),
        }
    }

    /// Working time from `a` to `b`; negative where `b` is before `a`.
    pub fn working_between(&self, a: Timestamp, b: Timestamp) -> SignedDuration {
        match &self.hours {
            None => b.duration_since(a),
            Some(hours) if b < a => -hours.between(b, a),
            Some(hours) => hours.between(a, b),
        }
    }
}

/// Refuses windows that are open at the same local time, over midnight and from Sunday to Monday too.
fn refuse_overlaps(week: &[Vec<Opening>; 7]) -> Result<(), CalendarError> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    for ((openings, next_day), day) in week.iter().zip(week.iter().cycle().skip(1)).zip(DAYS) {
        let overlap = |first: Time, second: Time| {
            Err(CalendarError::Overlap {
                day: day.to_owned(),
                first,
                second,
            })
        };
        for pair in openings.windows(2) {
            if let [first, second] = pair
                && (first.over_midnight() || second.from < first.to)
            {
                return overlap(first.from, second.from);
            }
        }
        if let (Some(last), Some(morning)) = (openings.last(), next_day.first())
            && last.over_midnight()
            && morning.from < last.to
        {
            return overlap(last.from, morning.from);
        }
    }
    Ok(())
}

impl Hours {
    fn openings(&self, day: Date) -> &[Opening] {
        let index = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
        if self.holidays.contains(&day) {
            return &[];
        }
        self.week.get(index).map_or(&[], Vec::as_slice)
    }

    /// The stretches that start on a local day, in order; those the clock's change left empty are missing.
    fn stretches_of(&self, day: Date) -> impl DoubleEndedIterator<Item = Stretch> + '_ {
        self.openings(day).iter().filter_map(move |opening| {
            let last_day = if opening.over_midnight() {
                day.tomorrow().ok()?
            } else {
                day
            };
            let start = instant_of(&self.zone, day.to_datetime(opening.from))?;
            let end = instant_of(&self.zone, last_day.to_datetime(opening.to))?;
            (start < end).then_some(Stretch { start, end })
        })
    }

    fn day_of(&self, t: Timestamp) -> Date {
        self.zone.to_datetime(t).date()
    }

    /// The local day from which on stretches can matter to `t`.
    fn first_day(&self, t: Timestamp) -> Date {
        self.day_of(t).saturating_sub(Span::new().days(REACH_DAYS))
    }

    /// The local day up to which stretches can have begun at `t`.
    fn last_day(&self, t: Timestamp) -> Date {
        self.day_of(t).saturating_add(Span::new().days(REACH_DAYS))
    }

    fn stretch_at(&self, t: Timestamp) -> Option<Stretch> {
        days_from(self.first_day(t))
            .take_while(|day| *day <= self.last_day(t))
            .flat_map(|day| self.stretches_of(day))
            .find(|stretch| stretch.start <= t && t < stretch.end)
    }

    /// What is open from `t` on: the rest of a stretch that runs, then the stretches behind it.
    fn stretches_from(&self, t: Timestamp) -> impl Iterator<Item = Stretch> + '_ {
        days_from(self.first_day(t))
            .flat_map(|day| self.stretches_of(day))
            .filter(move |stretch| stretch.end > t)
            .map(move |stretch| Stretch {
                start: stretch.start.max(t),
                end: stretch.end,
            })
    }

    /// Where the opening that runs at `t` ends. Outside holidays weeks are alike: what has not closed in the two weeks
    /// after the last one never closes.
    fn closing_after(&self, t: Timestamp) -> Option<Timestamp> {
        let holiday = self
            .holidays
            .last()
            .and_then(|day| instant_of(&self.zone, day.to_datetime(Time::midnight())));
        let limit = holiday
            .map_or(t, |last| last.max(t))
            .saturating_add(SignedDuration::from_hours(24 * 15))
            .ok()?;
        let mut end = t;
        for stretch in self.stretches_from(t) {
            if stretch.start > end {
                return Some(end);
            }
            if stretch.start > limit {
                return None;
            }
            end = end.max(stretch.end);
        }
        None
    }
}

/// Days from `first` to the end of the civil calendar.
fn days_from(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
}

/// Days from `last` back to the start of the civil calendar.
fn days_back_from(last: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(last), |day| day.yesterday().ok())
}

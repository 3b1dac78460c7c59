//! A wall clock that is read every minute, and the calendars it is compared with.
//!
//! It knows one rule only: a window opens when the wall clock first shows its start or a later time, and closes when it
//! first shows its end or a later time. It shares no code with the calendar.

use std::ops::Range;

use firebell::domain::calendar::{Calendar, Window, zone};
use jiff::civil::{Date, DateTime, Time, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "America/St_Johns",
];
pub const WORKDAYS: [Weekday; 5] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
];
pub const ALL_DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];
pub const MINUTE: i64 = 60;

/// What a calendar is made from.
#[derive(Clone, Debug)]
pub struct Declared {
    /// IANA name.
    pub zone: &'static str,
    /// Opening hours.
    pub windows: Vec<Window>,
    /// Local dates.
    pub holidays: Vec<Date>,
}

impl Declared {
    pub fn zone(&self) -> TimeZone {
        zone(self.zone).unwrap()
    }

    pub fn calendar(&self) -> Calendar {
        Calendar::new(self.zone(), &self.windows, self.holidays.iter().copied()).unwrap()
    }
}

pub fn window(days: &[Weekday], from: Time, to: Time) -> Window {
    Window {
        days: days.to_vec(),
        from,
        to,
    }
}

/// Business hours, a night shift, around the clock, and short windows in the hours in which clocks change.
pub fn declared(zone: &'static str, holidays: &[Date]) -> Vec<Declared> {
    [
        vec![window(&WORKDAYS, time(9, 0, 0, 0), time(17, 30, 0, 0))],
        vec![window(&ALL_DAYS, time(22, 0, 0, 0), time(6, 0, 0, 0))],
        vec![window(&ALL_DAYS, time(0, 0, 0, 0), time(0, 0, 0, 0))],
        vec![
            window(&ALL_DAYS, time(0, 10, 0, 0), time(1, 45, 0, 0)),
            window(&ALL_DAYS, time(2, 15, 0, 0), time(2, 45, 0, 0)),
            window(&ALL_DAYS, time(2, 50, 0, 0), time(3, 5, 0, 0)),
            window(&ALL_DAYS, time(23, 10, 0, 0), time(23, 50, 0, 0)),
        ],
    ]
    .into_iter()
    .map(|windows| Declared {
        zone,
        windows,
        holidays: holidays.to_vec(),
    })
    .collect()
}

/// Minutes (seconds since the epoch) and whether the calendar is open, by reading the wall clock.
pub fn reference(declared: &Declared, minutes: Range<i64>) -> Vec<(Timestamp, bool)> {
    let zone = declared.zone();
    let mut latest_shown = DateTime::MIN;
    // No clock of these zones was ever set back by more than that in these years.
    let warm_up = minutes.start - 3 * 60 * MINUTE;
    (warm_up..minutes.end)
        .step_by(60)
        .map(|second| {
            let instant = Timestamp::from_second(second).unwrap();
            latest_shown = latest_shown.max(zone.to_datetime(instant));
            (instant, shown_is_open(declared, latest_shown))
        })
        .filter(|(instant, _)| instant.as_second() >= minutes.start)
        .collect()
}

/// Whether a time shown by a wall clock lies in a window of its day or in one that began the day before.
pub fn shown_is_open(declared: &Declared, shown: DateTime) -> bool {
    let today = shown.date();
    let yesterday = today.yesterday().unwrap();
    declared.windows.iter().any(|window| {
        let starts_on =
            |day: Date| window.days.contains(&day.weekday()) && !declared.holidays.contains(&day);
        let now = shown.time();
        if window.from < window.to {
            starts_on(today) && window.from <= now && now < window.to
        } else {
            (starts_on(today) && window.from <= now) || (starts_on(yesterday) && now < window.to)
        }
    })
}

/// Every change of a zone's offset in the 20 years from 2006.
pub fn changes(zone: &TimeZone) -> Vec<Timestamp> {
    let from: Timestamp = "2006-01-01T00:00:00Z".parse().unwrap();
    let until: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    zone.following(from)
        .map(|transition| transition.timestamp())
        .take_while(|instant| *instant < until)
        .collect()
}

pub fn minute_of(instant: Timestamp) -> i64 {
    instant.as_second() / MINUTE * MINUTE
}

pub fn assert_agrees(declared: &Declared, minutes: Range<i64>) {
    let calendar = declared.calendar();
    let read = reference(declared, minutes);
    let mut open_minutes = 0;
    let (first, _) = read[0];
    for (instant, open) in &read {
        assert_eq!(calendar.is_open(*instant), *open, "{instant} {declared:?}");
        if instant.as_second() % (37 * MINUTE) == 0 {
            let worked = SignedDuration::from_mins(open_minutes);
            assert_eq!(
                calendar.working_between(first, *instant),
                worked,
                "{first}..{instant} {declared:?}"
            );
        }
        open_minutes += i64::from(*open);
    }
    let mut next_open = None;
    for (instant, open) in read.iter().rev() {
        if *open {
            next_open = Some(*instant);
        }
        if instant.as_second() % (53 * MINUTE) == 0
            && let Some(expected) = next_open
        {
            assert_eq!(calendar.next_open(*instant), Some(expected), "{declared:?}");
        }
    }
}

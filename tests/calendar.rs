//! Calendars against a slow reference, their edges one by one, and their arithmetic by its properties.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "calendar/reference.rs"]
mod reference;

use firebell::domain::calendar::{Calendar, CalendarError, Window, instant_of, zone};
use jiff::civil::{Time, Weekday, date, time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use rstest::rstest;

use reference::{
    ALL_DAYS, Declared, MINUTE, ZONES, assert_agrees, changes, declared, minute_of, window,
};

#[rstest]
fn around_every_change_of_the_clock_in_20_years_it_is_open_when_the_wall_clock_says_so(
    #[values(0, 1, 2, 3, 4, 5, 6, 7)] zone_index: usize,
) {
    let name = ZONES[zone_index];
    let changes = changes(&zone(name).unwrap());
    assert!(name == "Asia/Kolkata" || changes.len() > 5, "{name}");
    for (turn, change) in changes.iter().enumerate() {
        let from = minute_of(*change) - 6 * 60 * MINUTE;
        let all = declared(name, &[]);
        // Each change with one of the four calendars in turn; spring and autumn alternate, hence the halving.
        let chosen = &all[(turn / 2 + turn) % all.len()];
        assert_agrees(chosen, from..from + 20 * 60 * MINUTE);
    }
}

#[test]
fn in_apia_the_day_that_never_was_has_no_working_time() {
    for declared in declared("Pacific/Apia", &[]) {
        let change: Timestamp = "2011-12-30T10:00:00Z".parse().unwrap();
        let from = minute_of(change) - 3 * 24 * 60 * MINUTE;
        assert_agrees(&declared, from..from + 6 * 24 * 60 * MINUTE);
    }
    let business = &declared("Pacific/Apia", &[])[0];
    // Thursday 29 December, 17:00, to Monday 2 January, 09:30: half an hour on Thursday, no Friday, half an hour.
    let thursday: Timestamp = "2011-12-29T17:00:00-10:00".parse().unwrap();
    let monday: Timestamp = "2012-01-02T09:30:00+14:00".parse().unwrap();
    assert_eq!(
        business.calendar().working_between(thursday, monday),
        SignedDuration::from_hours(1)
    );
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[rstest]
#[case::a_start_that_does_not_exist_moves_to_the_next_valid_instant(
    time(2, 30, 0, 0),
    time(4, 0, 0, 0),
    "2026-03-29T03:00:00+02:00",
    "2026-03-29T04:00:00+02:00"
)]
#[case::an_end_that_does_not_exist_moves_to_the_next_valid_instant(
    time(1, 0, 0, 0),
    time(2, 30, 0, 0),
    "2026-03-29T01:00:00+01:00",
    "2026-03-29T03:00:00+02:00"
)]
#[case::a_start_that_occurs_twice_is_the_first(
    time(2, 30, 0, 0),
    time(4, 0, 0, 0),
    "2026-10-25T02:30:00+02:00",
    "2026-10-25T04:00:00+01:00"
)]
#[case::an_end_that_occurs_twice_is_the_first(
    time(1, 0, 0, 0),
    time(2, 30, 0, 0),
    "2026-10-25T01:00:00+02:00",
    "2026-10-25T02:30:00+02:00"
)]
#[case::a_night_shift_stays_open_through_the_hour_that_occurs_twice(
    time(22, 0, 0, 0),
    time(6, 0, 0, 0),
    "2026-10-24T22:00:00+02:00",
    "2026-10-25T06:00:00+01:00"
)]
fn edges_at_a_change_of_the_clock(
    #[case] from: Time,
    #[case] to: Time,
    #[case] opens: &str,
    #[case] closes: &str,
) {
    let berlin = zone("Europe/Berlin").unwrap();
    let calendar = Calendar::new(berlin, &[window(&ALL_DAYS, from, to)], []).unwrap();
    let (opens, closes) = (at(opens), at(closes));
    let nano = SignedDuration::from_nanos(1);
    assert!(!calendar.is_open(opens - nano));
    assert!(calendar.is_open(opens));
    assert!(calendar.is_open(closes - nano));
    assert!(!calendar.is_open(closes));
    assert_eq!(calendar.next_closed(opens), Some(closes));
    assert_eq!(
        calendar.working_between(opens - nano, closes + nano),
        closes.duration_since(opens)
    );
}

#[test]
fn a_window_wholly_within_the_hour_that_does_not_exist_is_left_out_that_day() {
    let berlin = zone("Europe/Berlin").unwrap();
    let window = window(&ALL_DAYS, time(2, 10, 0, 0), time(2, 50, 0, 0));
    let calendar = Calendar::new(berlin, &[window], []).unwrap();
    assert_eq!(
        calendar.next_open(at("2026-03-28T03:00:00+01:00")),
        Some(at("2026-03-30T02:10:00+02:00"))
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_starts_on() {
    let berlin = zone("Europe/Berlin").unwrap();
    let fridays = [window(
        &[Weekday::Friday],
        time(22, 0, 0, 0),
        time(6, 0, 0, 0),
    )];
    let saturday_night = at("2026-01-03T03:00:00+01:00");
    let open = Calendar::new(berlin.clone(), &fridays, [date(2026, 1, 3)]).unwrap();
    assert!(
        open.is_open(saturday_night),
        "Saturday's holiday leaves Friday's shift alone"
    );
    let closed = Calendar::new(berlin, &fridays, [date(2026, 1, 2)]).unwrap();
    assert!(
        !closed.is_open(saturday_night),
        "Friday's holiday takes its shift away"
    );
}

#[test]
fn work_that_ends_with_the_day_is_due_at_closing_time() {
    let calendar = declared("Europe/Berlin", &[])[0].calendar();
    let morning = at("2026-01-05T09:00:00+01:00");
    let whole_day = SignedDuration::from_mins(510);
    assert_eq!(
        calendar.add_working(morning, whole_day),
        Some(at("2026-01-05T17:30:00+01:00"))
    );
    assert_eq!(
        calendar.add_working(morning, whole_day + SignedDuration::from_secs(1)),
        Some(at("2026-01-06T09:00:01+01:00"))
    );
}

#[test]
fn weeks_of_work_that_end_with_a_week_are_due_at_its_closing_time() {
    let calendar = declared("Europe/Berlin", &[])[0].calendar();
    let saturday = at("2026-01-10T12:00:00+01:00");
    let week = SignedDuration::from_mins(5 * 510);
    for (weeks, due) in [
        (1, "2026-01-16T17:30:00+01:00"),
        (2, "2026-01-23T17:30:00+01:00"),
        (10, "2026-03-20T17:30:00+01:00"),
    ] {
        assert_eq!(
            calendar.add_working(saturday, week * weeks),
            Some(at(due)),
            "{weeks} weeks"
        );
    }
}

#[test]
fn an_opening_that_began_before_the_clock_was_put_back_over_midnight_counts_from_now_on() {
    // At one minute past midnight the clock went back to 23:01: the window of the 7th began on what is the 6th again.
    let nights = [window(&ALL_DAYS, time(0, 0, 0, 0), time(6, 0, 0, 0))];
    let calendar = Calendar::new(zone("America/St_Johns").unwrap(), &nights, []).unwrap();
    let t = at("2010-11-06T23:30:00-03:30");
    let end = at("2010-12-11T05:30:00-03:30");
    let worked = SignedDuration::from_mins(390 + 33 * 360 + 330);
    assert_eq!(calendar.add_working(t, worked), Some(end));
    assert_eq!(calendar.working_between(t, end), worked);
}

#[test]
fn a_calendar_without_declared_hours_is_open_at_all_times() {
    let always = Calendar::always();
    let t = at("2026-01-05T09:00:00Z");
    let day = SignedDuration::from_hours(24);
    assert!(always.is_open(t));
    assert_eq!(always.next_open(t), Some(t));
    assert_eq!(always.next_closed(t), None);
    assert_eq!(always.add_working(t, day), Some(t + day));
    assert_eq!(always.working_between(t + day, t), -day);
}

#[test]
fn around_the_clock_never_closes_but_for_its_holidays() {
    let t = at("2026-01-05T09:00:00Z");
    let open = declared("Europe/Berlin", &[])[2].calendar();
    assert_eq!(open.next_closed(t), None);
    let christmas = declared("Europe/Berlin", &[date(2026, 12, 25)])[2].calendar();
    assert_eq!(
        christmas.next_closed(t),
        Some(at("2026-12-25T00:00:00+01:00"))
    );
    assert_eq!(christmas.next_closed(at("2026-12-26T00:00:00+01:00")), None);
}

#[rstest]
#[case::within_a_day(&[(Weekday::Monday, 9, 12), (Weekday::Monday, 11, 13)])]
#[case::twice_the_same(&[(Weekday::Monday, 9, 12), (Weekday::Monday, 9, 12)])]
#[case::over_midnight(&[(Weekday::Monday, 22, 6), (Weekday::Tuesday, 5, 7)])]
#[case::from_sunday_to_monday(&[(Weekday::Sunday, 22, 6), (Weekday::Monday, 5, 7)])]
#[case::two_nights(&[(Weekday::Monday, 20, 2), (Weekday::Monday, 22, 6)])]
fn windows_that_overlap_make_no_calendar(#[case] windows: &[(Weekday, i8, i8)]) {
    let windows: Vec<Window> = windows
        .iter()
        .map(|(day, from, to)| window(&[*day], time(*from, 0, 0, 0), time(*to, 0, 0, 0)))
        .collect();
    let refused = Calendar::new(TimeZone::UTC, &windows, []);
    assert!(
        matches!(refused, Err(CalendarError::Overlap { .. })),
        "{refused:?}"
    );
}

#[test]
fn windows_that_touch_are_one_opening() {
    let windows = [
        window(&[Weekday::Monday], time(9, 0, 0, 0), time(12, 0, 0, 0)),
        window(&[Weekday::Monday], time(12, 0, 0, 0), time(0, 0, 0, 0)),
        window(&[Weekday::Tuesday], time(0, 0, 0, 0), time(3, 0, 0, 0)),
    ];
    let calendar = Calendar::new(TimeZone::UTC, &windows, []).unwrap();
    assert_eq!(
        calendar.next_closed(at("2026-01-05T09:00:00Z")),
        Some(at("2026-01-06T03:00:00Z"))
    );
}

#[test]
fn what_opens_for_days_on_end_closes_when_the_last_of_them_does() {
    let windows = [
        window(&ALL_DAYS[..6], time(0, 0, 0, 0), time(0, 0, 0, 0)),
        window(&ALL_DAYS[6..], time(0, 0, 0, 0), time(12, 0, 0, 0)),
    ];
    let calendar = Calendar::new(TimeZone::UTC, &windows, []).unwrap();
    assert_eq!(
        calendar.next_closed(at("2026-01-05T09:00:00Z")),
        Some(at("2026-01-11T12:00:00Z"))
    );
}

#[test]
fn a_calendar_that_never_opens_is_refused() {
    let none = window(&[], time(9, 0, 0, 0), time(17, 0, 0, 0));
    assert_eq!(
        Calendar::new(TimeZone::UTC, &[none], []),
        Err(CalendarError::Empty)
    );
    assert_eq!(
        Calendar::new(TimeZone::UTC, &[], []),
        Err(CalendarError::Empty)
    );
}

#[test]
fn a_local_time_becomes_the_first_instant_the_wall_clock_shows_it_or_a_later_one() {
    for name in ZONES {
        let zone = zone(name).unwrap();
        for change in changes(&zone) {
            let around = zone.to_datetime(change);
            for minutes in (-150..150).step_by(15) {
                let local = around.checked_add(minutes.minutes()).unwrap();
                let found = instant_of(&zone, local).unwrap();
                assert!(zone.to_datetime(found) >= local, "{name} {local}");
                let before = found - SignedDuration::from_secs(1);
                assert!(zone.to_datetime(before) < local, "{name} {local}");
            }
        }
    }
}

#[test]
fn in_every_zone_what_a_change_of_the_clock_leaves_out_moves_to_the_moment_of_the_change() {
    let until = at("2040-01-01T00:00:00Z");
    let mut gaps = 0;
    for name in TimeZoneDatabase::bundled().available() {
        let zone = zone(name.as_str()).unwrap();
        let changes = zone.following(at("1970-01-01T00:00:00Z"));
        for change in changes.map(|change| change.timestamp()) {
            if change > until {
                break;
            }
            let shown = zone.to_datetime(change);
            let before = zone.to_datetime(change - SignedDuration::from_nanos(1));
            for local in [before, shown].map(|edge| edge.checked_sub(1.second()).unwrap()) {
                if before < local && local < shown {
                    gaps += 1;
                    assert_eq!(instant_of(&zone, local), Some(change), "{name:?} {local}");
                }
            }
        }
    }
    assert!(gaps > 10_000, "{gaps}");
}

/// Days with at most two openings that cannot overlap: one before noon, one from noon on, maybe over midnight.
/// Weeks that are alike are skipped: without that, 2,000 years would take 20,000 times as long as five weeks.
#[test]
fn a_very_long_time_costs_little_more_than_a_short_one() {
    let hours = [window(&ALL_DAYS[..5], time(9, 0, 0, 0), time(17, 0, 0, 0))];
    let calendar = Calendar::new(zone("UTC").unwrap(), &hours, []).unwrap();
    let start = at("2026-03-02T09:00:00Z");
    let weeks = |count: i64| SignedDuration::from_hours(40 * count);
    let (near, far) = (weeks(5), weeks(52 * 2_000));
    let end = calendar.add_working(start, far).unwrap();
    let quickest = |ask: &dyn Fn()| {
        let times = (0..20).map(|_| {
            let before = std::time::Instant::now();
            ask();
            before.elapsed()
        });
        times.min().unwrap().as_nanos().max(1)
    };
    let short = quickest(&|| assert!(calendar.add_working(start, near).is_some()));
    let added = quickest(&|| assert_eq!(calendar.add_working(start, far), Some(end)));
    let counted = quickest(&|| assert_eq!(calendar.working_between(start, end), far));
    assert!(added < short * 50, "{added} ns beside {short} ns");
    assert!(counted < short * 50, "{counted} ns beside {short} ns");
}

fn any_declared() -> impl Strategy<Value = Declared> {
    let mornings = prop::collection::vec((0_usize..7, 6_i8..9, 9_i8..=12), 0..5);
    let evenings = prop::collection::vec((0_usize..7, 12_i8..23, 0_i8..12), 0..5);
    let holidays = prop::collection::vec((2006_i16..2027, 1_i8..13, 1_i8..29), 0..20);
    (0..ZONES.len(), mornings, evenings, holidays).prop_filter_map(
        "it must open at all",
        |(zone, mornings, evenings, holidays)| {
            let mut windows: Vec<Window> = Vec::new();
            for (day, from, to) in mornings {
                windows.push(window(
                    &[ALL_DAYS[day]],
                    time(from, 0, 0, 0),
                    time(to, 0, 0, 0),
                ));
            }
            for (day, from, to) in evenings {
                let to = if to % 2 == 0 { from + 1 } else { to / 2 };
                windows.push(window(
                    &[ALL_DAYS[day]],
                    time(from, 30, 0, 0),
                    time(to, 15, 0, 0),
                ));
            }
            let declared = Declared {
                zone: ZONES[zone],
                windows,
                holidays: holidays
                    .into_iter()
                    .map(|(y, m, d)| date(y, m, d))
                    .collect(),
            };
            Calendar::new(declared.zone(), &declared.windows, [])
                .ok()
                .map(|_| declared)
        },
    )
}

/// An instant from 2006 to 2026.
fn any_instant() -> impl Strategy<Value = Timestamp> {
    (1_136_073_600_000_i64..1_767_225_600_000)
        .prop_map(|millis| Timestamp::from_millisecond(millis).unwrap())
}

/// From a nanosecond to the longest duration of the API, small ones as likely as large ones.
fn any_duration() -> impl Strategy<Value = SignedDuration> {
    (0_u32..55, any::<u64>())
        .prop_map(|(bits, random)| {
            SignedDuration::from_nanos((random >> 9 >> bits).try_into().unwrap())
        })
        .prop_filter("at most a year", |length| {
            *length <= SignedDuration::from_hours(8760) && length.is_positive()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_any_days_it_is_open_when_the_wall_clock_says_so(
        declared in any_declared(), from in any_instant(), days in 1_i64..6,
    ) {
        let from = minute_of(from);
        assert_agrees(&declared, from..from + days * 24 * 60 * MINUTE);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn addition_and_difference_are_exact_inverses(
        declared in any_declared(), t in any_instant(), length in any_duration(),
    ) {
        let calendar = declared.calendar();
        let end = calendar.add_working(t, length).unwrap();
        prop_assert_eq!(calendar.working_between(t, end), length);
        prop_assert_eq!(calendar.working_between(end, t), -length);
        let nano = SignedDuration::from_nanos(1);
        prop_assert_eq!(calendar.working_between(t, end - nano), length - nano, "the earliest such instant");
        let start = calendar.add_working(end, -length).unwrap();
        prop_assert!(start >= t, "the latest such instant");
        prop_assert_eq!(calendar.working_between(start, end), length);
    }

    #[test]
    fn two_additions_make_one(
        declared in any_declared(), t in any_instant(), lengths in prop::collection::vec(any_duration(), 1..4),
    ) {
        let calendar = declared.calendar();
        let mut step_by_step = t;
        for length in &lengths {
            step_by_step = calendar.add_working(step_by_step, *length).unwrap();
        }
        prop_assert_eq!(calendar.add_working(t, lengths.into_iter().sum()), Some(step_by_step));
    }

    #[test]
    fn a_long_time_is_the_sum_of_its_days(
        declared in any_declared(), t in any_instant(), days in 1_i64..400,
    ) {
        let calendar = declared.calendar();
        let mut sum = SignedDuration::ZERO;
        let mut day = t;
        for _ in 0..days {
            let next = day + SignedDuration::from_hours(24);
            sum += calendar.working_between(day, next);
            day = next;
        }
        prop_assert_eq!(calendar.working_between(t, day), sum);
    }

    #[test]
    fn the_next_opening_is_open_and_nothing_before_it_is(declared in any_declared(), t in any_instant()) {
        let calendar = declared.calendar();
        let open = calendar.next_open(t).unwrap();
        prop_assert!(calendar.is_open(open));
        prop_assert_eq!(calendar.working_between(t, open), SignedDuration::ZERO);
        prop_assert_eq!(calendar.is_open(t), open == t);
        if let Some(closed) = calendar.next_closed(open) {
            prop_assert!(!calendar.is_open(closed));
            prop_assert_eq!(calendar.working_between(open, closed), closed.duration_since(open));
        }
    }

    #[test]
    fn no_instant_and_no_duration_makes_it_panic(
        declared in any_declared(), second in -62_000_000_000_i64..=253_402_207_200,
        seconds in -4_000_000_i64..4_000_000,
    ) {
        let calendar = declared.calendar();
        let t = Timestamp::from_second(second).unwrap();
        let _ = (calendar.is_open(t), calendar.next_open(t), calendar.next_closed(t));
        let end = calendar.add_working(t, SignedDuration::from_secs(seconds));
        if let Some(end) = end {
            prop_assert_eq!(calendar.working_between(t, end), SignedDuration::from_secs(seconds));
        }
    }
}

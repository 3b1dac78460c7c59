//! Rules of rotas, and properties over zones, shifts and changes of the clock.

use jiff::civil::{Time, Weekday, date, time};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::calendar::{Window, zone};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Weekly from Monday 5 January 2026, 09:00 in Berlin: alice, bob, carol.
fn weekly() -> Rota {
    Rota {
        zone: zone("Europe/Berlin").unwrap(),
        start: date(2026, 1, 5).at(9, 0, 0, 0),
        shift: HOUR * (24 * 7),
        calendar: Calendar::always(),
        members: names(&["alice", "bob", "carol"]),
    }
}

fn set(rota: Rota, overrides: &[(&str, &str, &str)]) -> RotaSet {
    let overrides = overrides.iter().map(|(member, from, until)| RotaOverride {
        rota: "first".to_owned(),
        member: (*member).to_owned(),
        from: at(from),
        until: at(until),
        by: "alice".to_owned(),
    });
    RotaSet::new(
        BTreeMap::from([("first".to_owned(), rota)]),
        overrides.collect(),
    )
}

fn business() -> Calendar {
    let days = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
    ];
    let window = Window {
        days: days.to_vec(),
        from: time(9, 0, 0, 0),
        to: time(17, 0, 0, 0),
    };
    Calendar::new(zone("Europe/Berlin").unwrap(), &[window], []).unwrap()
}

#[rstest]
#[case::before_the_start_nobody("2026-01-05T08:59:59+01:00", None)]
#[case::from_the_start_the_first("2026-01-05T09:00:00+01:00", Some("alice"))]
#[case::to_the_end_of_the_shift("2026-01-12T08:59:59+01:00", Some("alice"))]
#[case::then_the_second("2026-01-12T09:00:00+01:00", Some("bob"))]
#[case::after_the_last_the_first_again("2026-01-26T09:00:00+01:00", Some("alice"))]
#[case::in_summer_still_before_nine("2026-03-30T08:59:59+02:00", Some("carol"))]
#[case::in_summer_still_at_nine("2026-03-30T09:00:00+02:00", Some("alice"))]
fn members_take_turns_and_hand_over_at_the_same_local_hour(
    #[case] when: &str,
    #[case] who: Option<&str>,
) {
    assert_eq!(set(weekly(), &[]).on_call("first", at(when)), who);
}

#[test]
fn shifts_of_hours_keep_day_and_night_through_the_changes_of_the_clock() {
    let rota = Rota {
        shift: HOUR * 12,
        members: names(&["day", "night"]),
        ..weekly()
    };
    let rotas = set(rota, &[]);
    for (noon, midnight) in [
        ("2026-01-20T12:00:00+01:00", "2026-01-20T23:59:00+01:00"),
        ("2026-07-20T12:00:00+02:00", "2026-07-20T23:59:00+02:00"),
    ] {
        assert_eq!(rotas.on_call("first", at(noon)), Some("day"));
        assert_eq!(rotas.on_call("first", at(midnight)), Some("night"));
    }
}

#[rstest]
#[case::before_it("2026-01-06T11:59:59Z", "alice")]
#[case::from_its_start("2026-01-06T12:00:00Z", "carol")]
#[case::the_latest_in_the_list_wins("2026-01-06T13:00:00Z", "dave")]
#[case::at_its_end_no_more("2026-01-06T14:00:00Z", "carol")]
#[case::after_all("2026-01-06T15:00:00Z", "alice")]
fn an_override_wins_from_its_start_to_before_its_end(#[case] when: &str, #[case] who: &str) {
    let rotas = set(
        weekly(),
        &[
            ("carol", "2026-01-06T12:00:00Z", "2026-01-06T15:00:00Z"),
            ("dave", "2026-01-06T13:00:00Z", "2026-01-06T14:00:00Z"),
        ],
    );
    assert_eq!(rotas.on_call("first", at(when)), Some(who));
}

#[test]
fn outside_its_calendar_nobody_is_on_call_but_an_override() {
    let rota = Rota {
        calendar: business(),
        ..weekly()
    };
    let rotas = set(
        rota,
        &[("dave", "2026-01-10T00:00:00Z", "2026-01-11T00:00:00Z")],
    );
    assert_eq!(
        rotas.on_call("first", at("2026-01-06T12:00:00+01:00")),
        Some("alice")
    );
    assert_eq!(
        rotas.on_call("first", at("2026-01-06T20:00:00+01:00")),
        None
    );
    assert_eq!(
        rotas.on_call("first", at("2026-01-10T12:00:00+01:00")),
        Some("dave")
    );
}

#[test]
fn the_next_handover_names_who_leaves_and_who_comes() {
    let rotas = set(
        weekly(),
        &[("dave", "2026-01-06T12:00:00Z", "2026-01-06T13:00:00Z")],
    );
    let handover = |after: &str| {
        let found = rotas.next_handover("first", at(after)).unwrap();
        (found.at.to_string(), found.from, found.to)
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(
        handover("2026-01-01T00:00:00Z"),
        ("2026-01-05T08:00:00Z".to_owned(), None, some("alice"))
    );
    assert_eq!(
        handover("2026-01-05T08:00:00Z"),
        (
            "2026-01-06T12:00:00Z".to_owned(),
            some("alice"),
            some("dave")
        )
    );
    assert_eq!(
        handover("2026-01-06T12:00:00Z"),
        (
            "2026-01-06T13:00:00Z".to_owned(),
            some("dave"),
            some("alice")
        )
    );
    assert_eq!(
        handover("2026-01-06T13:00:00Z"),
        (
            "2026-01-12T08:00:00Z".to_owned(),
            some("alice"),
            some("bob")
        )
    );
}

#[test]
fn a_rota_of_one_never_hands_over() {
    let rotas = set(
        Rota {
            members: names(&["alice", "alice"]),
            ..weekly()
        },
        &[],
    );
    assert_eq!(
        rotas.next_handover("first", at("2026-02-01T00:00:00Z")),
        None
    );
    assert_eq!(
        rotas.next_handover("unknown", at("2026-02-01T00:00:00Z")),
        None
    );
}

#[test]
fn gaps_are_the_time_before_the_start_and_outside_the_hours_less_the_overrides() {
    let rota = Rota {
        calendar: business(),
        ..weekly()
    };
    let rotas = set(
        rota,
        &[("dave", "2026-01-05T20:00:00Z", "2026-01-05T21:00:00Z")],
    );
    let gaps = rotas.gaps(
        "first",
        at("2026-01-04T00:00:00Z"),
        at("2026-01-06T12:00:00Z"),
    );
    let expected = [
        ("2026-01-04T00:00:00Z", "2026-01-05T08:00:00Z"),
        ("2026-01-05T16:00:00Z", "2026-01-05T20:00:00Z"),
        ("2026-01-05T21:00:00Z", "2026-01-06T08:00:00Z"),
    ];
    assert_eq!(
        gaps,
        expected.map(|(from, until)| Gap {
            from: at(from),
            until: at(until)
        })
    );
    assert_eq!(
        set(weekly(), &[]).gaps(
            "first",
            at("2026-02-01T00:00:00Z"),
            at("2027-02-01T00:00:00Z")
        ),
        []
    );
}

#[test]
fn a_new_member_at_the_end_keeps_the_order_of_the_list_counted_from_the_start() {
    let before = set(weekly(), &[]);
    let after = set(
        Rota {
            members: names(&["alice", "bob", "carol", "dave"]),
            ..weekly()
        },
        &[],
    );
    let week =
        |number: i64| at("2026-01-06T12:00:00Z") + HOUR * i32::try_from(24 * 7 * number).unwrap();
    let turns = |rotas: &RotaSet| -> Vec<String> {
        (0..5)
            .map(|number| rotas.on_call("first", week(number)).unwrap().to_owned())
            .collect()
    };
    assert_eq!(turns(&before), ["alice", "bob", "carol", "alice", "bob"]);
    assert_eq!(turns(&after), ["alice", "bob", "carol", "dave", "alice"]);
}

#[test]
fn a_member_who_leaves_gives_the_turns_to_the_others_in_the_order_of_the_list_counted_from_the_start()
 {
    let rota = Rota {
        members: names(&["alice", "carol"]),
        ..weekly()
    };
    let rotas = set(rota, &[]);
    let week = |number: i32| at("2026-01-06T12:00:00Z") + HOUR * (24 * 7 * number);
    let turns: Vec<&str> = (0..4)
        .map(|number| rotas.on_call("first", week(number)).unwrap())
        .collect();
    assert_eq!(turns, ["alice", "carol", "alice", "carol"]);
}

const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Sao_Paulo",
];
const MEMBERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn any_rota() -> impl Strategy<Value = Rota> {
    (
        0..ZONES.len(),
        2005_i16..2020,
        1_i8..13,
        1_i8..29,
        0_i8..24,
        1_i64..60,
        any::<bool>(),
        1..=MEMBERS.len(),
    )
        .prop_map(
            |(zone_index, year, month, day, hour, length, days, members)| Rota {
                zone: zone(ZONES[zone_index]).unwrap(),
                start: date(year, month, day).at(hour, 30, 0, 0),
                shift: SignedDuration::from_hours(if days { length * 24 } else { length }),
                calendar: Calendar::always(),
                members: names(&MEMBERS[..members]),
            },
        )
}

/// From 2020, after every start, to 2026.
fn any_instant() -> impl Strategy<Value = Timestamp> {
    (1_577_836_800_i64..1_767_225_600).prop_map(|second| Timestamp::from_second(second).unwrap())
}

/// A rota and an instant after its start, every second time in a week in which the clock of its zone changes.
fn rota_and_instant() -> impl Strategy<Value = (Rota, Timestamp)> {
    (
        any_rota(),
        any_instant(),
        any::<bool>(),
        0_usize..60,
        -10_080_i64..10_080,
    )
        .prop_map(|(rota, random, near_change, number, minutes)| {
            let start = rota.begins(0).unwrap();
            let limit = at("2026-01-01T00:00:00Z");
            let changes: Vec<Timestamp> = rota
                .zone
                .following(start)
                .map(|change| change.timestamp())
                .take_while(|change| *change < limit)
                .collect();
            let change = changes.get(number % changes.len().max(1));
            let near =
                change.map(|change| (*change + SignedDuration::from_mins(minutes)).max(start));
            let instant = near.filter(|_| near_change).unwrap_or(random);
            (rota, instant)
        })
}

/// Hours that the calendar of a rota may have, by the wall clock of any zone.
fn any_hours() -> impl Strategy<Value = Calendar> {
    (0..ZONES.len(), 0_i8..24, 1_i8..24, 1_usize..128).prop_map(|(index, from, length, days)| {
        let week = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ];
        let chosen = week.into_iter().enumerate();
        let chosen = chosen.filter(|(bit, _)| days & (1 << bit) != 0);
        let window = Window {
            days: chosen.map(|(_, day)| day).collect(),
            from: time(from, 0, 0, 0),
            to: time((from + length) % 24, 0, 0, 0),
        };
        Calendar::new(zone(ZONES[index]).unwrap(), &[window], []).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exactly_one_member_is_on_call_at_each_instant((rota, t) in rota_and_instant()) {
        let rotas = set(rota.clone(), &[]);
        let who = rotas.on_call("first", t);
        prop_assert!(who.is_some_and(|who| rota.members.iter().any(|member| member == who)));
        prop_assert!(rotas.gaps("first", t, t + HOUR * 1000).is_empty());
    }

    #[test]
    fn with_hours_it_is_one_member_while_they_are_open_and_nobody_while_they_are_closed(
        (rota, t) in rota_and_instant(), hours in any_hours(),
    ) {
        let around_the_clock = set(rota.clone(), &[]);
        let open = hours.is_open(t);
        let rotas = set(Rota { calendar: hours, ..rota }, &[]);
        let turn = around_the_clock.on_call("first", t);
        prop_assert!(turn.is_some());
        prop_assert_eq!(rotas.on_call("first", t), turn.filter(|_| open), "the turn itself does not depend on the hours");
        let gaps = rotas.gaps("first", t, t + SignedDuration::from_secs(1));
        prop_assert_eq!(gaps.is_empty(), open);
    }

    #[test]
    fn an_override_wins_at_each_of_its_instants_and_nowhere_else(
        (rota, t) in rota_and_instant(), before in 0_i64..200, after in -200_i64..200, hours in any_hours(),
    ) {
        let rota = Rota { calendar: hours, ..rota };
        let instead = |member: &str, from: i64, until: i64| RotaOverride {
            rota: "first".to_owned(),
            member: member.to_owned(),
            from: t - SignedDuration::from_mins(from),
            until: t + SignedDuration::from_mins(until),
            by: "erin".to_owned(),
        };
        let plain = set(rota.clone(), &[]);
        let overrides = vec![instead("erin", 300, 300), instead("frank", before, after)];
        let rotas = RotaSet::new(BTreeMap::from([("first".to_owned(), rota)]), overrides);
        let expected = if after > 0 { "frank" } else { "erin" };
        prop_assert_eq!(rotas.on_call("first", t), Some(expected));
        prop_assert_eq!(rotas.instead("first", t).map(|known| known.member.as_str()), Some(expected));
        for outside in [-301, 301] {
            let then = t + SignedDuration::from_mins(outside);
            prop_assert_eq!(rotas.on_call("first", then), plain.on_call("first", then));
        }
    }

    #[test]
    fn the_turn_is_found_as_by_walking_through_all_shifts((rota, t) in rota_and_instant()) {
        let begin = |turn: i64| {
            let local = rota.start + rota.shift * i32::try_from(turn).unwrap();
            instant_of(&rota.zone, local).unwrap()
        };
        let estimate = (t.as_second() - begin(0).as_second()) / rota.shift.as_secs();
        let first = (estimate - 50).max(0);
        let turn = (first..first + 200).take_while(|turn| begin(*turn) <= t).last().unwrap();
        prop_assert!(turn < first + 199, "the walk was too short");
        let expected = usize::try_from(turn).unwrap() % rota.members.len();
        let rotas = set(rota.clone(), &[]);
        prop_assert_eq!(rotas.on_call("first", t), Some(rota.members[expected].as_str()));
    }

    #[test]
    fn handovers_follow_each_other_in_the_order_of_the_list_at_the_local_time_of_the_start(
        rota in any_rota(), t in any_instant(),
    ) {
        let daily = rota.shift.as_hours() % 24 == 0 && rota.members.len() > 1;
        prop_assume!(daily);
        let rotas = set(rota.clone(), &[]);
        let mut last = rotas.next_handover("first", t).unwrap();
        for _ in 0..60 {
            let next = rotas.next_handover("first", last.at).unwrap();
            let place = |name: &Option<String>| rota.members.iter().position(|member| Some(member) == name.as_ref()).unwrap();
            prop_assert_eq!((place(&next.from) + 1) % rota.members.len(), place(&next.to));
            let shown = rota.zone.to_datetime(next.at);
            let wanted: Time = rota.start.time();
            let exists = rota.zone.to_ambiguous_timestamp(shown.date().to_datetime(wanted)).offset();
            let skipped = matches!(exists, jiff::tz::AmbiguousOffset::Gap { .. });
            // Apia skipped a whole day, so a hand-over may move to the next midnight.
            prop_assert!(shown.time() == wanted || skipped || shown.time() == Time::midnight());
            last = next;
        }
    }

    #[test]
    fn the_next_handover_is_the_first_instant_at_which_somebody_else_is_on_call(
        rota in any_rota(), t in any_instant(), hours in 0_i64..200, length in 1_i64..200,
    ) {
        let start = t + SignedDuration::from_hours(hours);
        let instead = RotaOverride {
            rota: "first".to_owned(),
            member: "erin".to_owned(),
            from: start,
            until: start + SignedDuration::from_hours(length),
            by: "erin".to_owned(),
        };
        let rotas = RotaSet::new(BTreeMap::from([("first".to_owned(), rota)]), vec![instead]);
        let found = rotas.next_handover("first", t).unwrap();
        prop_assert!(found.at > t);
        prop_assert_eq!(rotas.on_call("first", t), found.from.as_deref());
        prop_assert_eq!(rotas.on_call("first", found.at), found.to.as_deref());
        prop_assert_ne!(&found.from, &found.to);
        let span = found.at.duration_since(t);
        for part in 1..40 {
            let between = t + SignedDuration::try_from(span.unsigned_abs() * part / 40).unwrap();
            prop_assert_eq!(rotas.on_call("first", between), found.from.as_deref());
        }
    }
}

//! What holds of every rota, over zones, shifts and changes of the clock.

use std::collections::BTreeMap;

use jiff::civil::{Time, Weekday, date, time};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{HOUR, at, names, set};
use crate::domain::calendar::{Calendar, Window, instant_of, zone};
use crate::domain::people::rota::{Rota, RotaOverride, RotaSet};

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

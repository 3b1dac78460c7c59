//! Rules of rotas, one by one.

use jiff::civil::{Weekday, date, time};
use rstest::rstest;

use super::*;
use crate::domain::calendar::{Window, zone};

mod properties;

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
fn before_its_start_a_rota_has_one_gap_whatever_its_hours() {
    let rota = Rota {
        calendar: business(),
        ..weekly()
    };
    let (from, until) = (at("2025-12-29T00:00:00Z"), at("2026-01-05T12:00:00Z"));
    let start = at("2026-01-05T08:00:00Z");
    assert_eq!(
        set(rota, &[]).gaps("first", from, until),
        [Gap { from, until: start }]
    );
}

#[test]
fn whoever_took_over_in_an_hour_that_occurs_twice_stays_on_call_in_its_second_pass() {
    let rota = Rota {
        start: date(2026, 10, 24).at(2, 30, 0, 0),
        shift: HOUR * 24,
        ..weekly()
    };
    let rotas = set(rota, &[]);
    for (when, who) in [
        ("2026-10-25T02:29:59+02:00", "alice"),
        ("2026-10-25T02:30:00+02:00", "bob"),
        ("2026-10-25T02:10:00+01:00", "bob"),
        ("2026-10-25T02:30:00+01:00", "bob"),
        ("2026-10-26T02:30:00+01:00", "carol"),
    ] {
        assert_eq!(rotas.on_call("first", at(when)), Some(who), "{when}");
    }
}

#[test]
fn an_override_of_a_rota_of_one_is_found_however_far_ahead_it_is() {
    let rota = Rota {
        shift: HOUR,
        members: names(&["alice"]),
        ..weekly()
    };
    let far = "2028-01-01T00:00:00Z";
    let rotas = set(rota, &[("dave", far, "2028-01-02T00:00:00Z")]);
    let next = rotas.next_handover("first", at("2026-02-01T00:00:00Z"));
    assert_eq!(next.map(|next| next.at), Some(at(far)));
}

#[test]
fn nobody_is_on_call_in_a_rota_without_members() {
    let rota = Rota {
        members: Vec::new(),
        ..weekly()
    };
    let rotas = set(rota, &[]);
    assert_eq!(rotas.on_call("first", at("2026-02-01T00:00:00Z")), None);
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

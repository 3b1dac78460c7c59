//! Which holds count, since when and until when (api.md section 5, row "Hold").

use super::holds::state;
use super::holds_clocks::TARGETS;
use super::world::{
    EXAMPLE, acknowledge, at, await_change, await_customer, await_vendor, example, hold, lift,
    pages, standing, with_policy,
};
use firebell::api::{Assignment, EscalationState, HoldReason};
use jiff::SignedDuration;
use proptest::prelude::{prop, proptest};

#[test]
fn on_a_ticket_nobody_answered_a_hold_must_end_within_4_h_of_when_it_was_first_seen() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("14:08"));
    model.run_until(at("10:16"));
    assert_eq!(pages(&model).len(), 4, "it is ignored");
    let message = standing(&model, "HoldInvalid").unwrap();
    assert!(
        message.contains("must be at or before 2026-03-02T14:07:00Z"),
        "{message}"
    );
    acknowledge(&mut model, "10:17");
    model.run_until(at("10:18"));
    assert_eq!(
        standing(&model, "HoldInvalid"),
        None,
        "an answer makes it valid"
    );
    assert_eq!(state(&model), EscalationState::Held);
}

#[test]
fn a_hold_that_ends_exactly_4_h_after_it_was_first_seen_counts() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("14:07"));
    model.run_until(at("10:16"));
    assert_eq!(standing(&model, "HoldInvalid"), None);
    assert_eq!(state(&model), EscalationState::Held);
}

#[test]
fn editing_a_hold_does_not_keep_an_unanswered_ticket_quiet_for_longer() {
    let mut model = example();
    await_vendor(&mut model, "10:01", Some("14:00"));
    await_vendor(&mut model, "13:00", Some("16:00"));
    model.run_until(at("13:05"));
    assert!(
        standing(&model, "HoldInvalid")
            .unwrap()
            .contains("14:01:00Z")
    );
    assert_eq!(
        pages(&model).last().unwrap(),
        "13:04 on-call repeat 1 round 1"
    );
}

#[test]
fn without_until_time_only_awaiting_customer_and_awaiting_vendor_at_most_7_days() {
    let mut model = example();
    acknowledge(&mut model, "10:01");
    await_change(&mut model, "10:05", None);
    model.run_until(at("10:06"));
    assert!(
        standing(&model, "HoldInvalid")
            .unwrap()
            .contains("`untilTime` must be present")
    );
    assert_eq!(state(&model), EscalationState::Running);
    hold(
        &mut model,
        "10:07",
        "change",
        HoldReason::AwaitingVendor,
        None,
    );
    model.run_until(at("10:08"));
    assert_eq!(standing(&model, "HoldInvalid"), None);
    let week = SignedDuration::from_hours(7 * 24);
    model.run_until(at("10:04") + week);
    assert_eq!(state(&model), EscalationState::Held);
    model.run_until(at("10:30") + week);
    assert_eq!(pages(&model).last().unwrap(), "10:29 on-call round 2");
    assert!(standing(&model, "HoldInvalid").unwrap().contains("7 days"));
}

#[test]
fn an_edit_of_a_hold_moves_its_end() {
    let mut model = example();
    acknowledge(&mut model, "10:01");
    await_change(&mut model, "10:05", Some("10:30"));
    await_change(&mut model, "10:20", Some("18:00"));
    await_change(&mut model, "16:00", Some("16:05"));
    model.run_until(at("16:31"));
    assert_eq!(
        pages(&model).last().unwrap(),
        "16:31 on-call round 2",
        "6 h held"
    );
}

#[test]
fn a_hold_that_was_valid_by_an_answer_ends_when_the_answer_is_taken_back() {
    let mut model = example();
    acknowledge(&mut model, "10:01");
    await_vendor(&mut model, "10:07", None);
    model.edit_at(at("12:00"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    model.run_until(at("12:01"));
    assert_eq!(pages(&model)[1..], ["12:00 on-call round 2"]);
}

#[test]
fn an_assignment_is_an_answer_for_a_hold() {
    let mut model = example();
    model.edit_at(at("10:01"), "assignment", |spec| {
        spec.assignment = Some(Assignment {
            assignee: "carol".into(),
            by: "carol".into(),
            note: None,
        });
    });
    await_customer(&mut model, "10:02", None);
    model.run_until(at("10:20"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
}

#[test]
fn a_hold_seen_late_counts_from_when_it_was_written() {
    let mut model = example();
    model.run_until(at("10:01"));
    await_vendor(&mut model, "10:03", Some("11:03"));
    model.now = at("10:50");
    model.run_until(at("11:16"));
    assert_eq!(
        pages(&model)[1..],
        [
            "11:05 on-call repeat 1 round 1",
            "11:10 on-call repeat 2 round 1",
            "11:15 manager round 1"
        ]
    );
}

#[test]
fn a_hold_that_an_edit_seen_late_makes_valid_counts_from_when_it_was_edited() {
    let mut model = example();
    await_change(&mut model, "10:01", None);
    model.run_until(at("10:02"));
    assert!(standing(&model, "HoldInvalid").is_some());
    await_change(&mut model, "10:03", Some("11:03"));
    model.now = at("10:50");
    model.run_until(at("11:06"));
    assert_eq!(pages(&model)[1..], ["11:05 on-call repeat 1 round 1"]);
}

#[test]
fn a_hold_that_ended_during_a_downtime_is_released_at_its_true_end() {
    let mut model = with_policy(TARGETS);
    acknowledge(&mut model, "10:01");
    await_vendor(&mut model, "10:10", Some("10:40"));
    model.run_until(at("10:12"));
    model.now = at("12:00");
    model.run_until(at("12:01"));
    let status = model.status();
    let clock = status.targets.unwrap().resolution;
    assert_eq!(
        clock.breach_time.unwrap().0,
        at("11:30"),
        "one hour after submission, half an hour held"
    );
    assert_eq!(status.holding.unwrap().release_time.unwrap().0, at("10:40"));
    let released = status
        .timeline
        .iter()
        .find(|entry| entry.kind == "Released")
        .unwrap();
    assert_eq!(released.time.0, at("10:40"));
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// The director, due 45 minutes after submission, comes after 45 minutes in which no hold was in force: counted
    /// minute by minute, independently of how stretches are joined.
    #[test]
    fn the_shift_is_the_union_of_the_valid_holds(
        holds in prop::collection::vec((1i64..90, 1i64..240, prop::option::of(1i64..90)), 1..6),
    ) {
        let minute = |minute: i64| at("10:00") + SignedDuration::from_mins(minute);
        let mut model = with_policy(&EXAMPLE.replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 90h"));
        acknowledge(&mut model, "10:00:30");
        for (number, (set, lasts, lifted)) in holds.iter().enumerate() {
            let clock = |time: i64| minute(time).strftime("%H:%M").to_string();
            let name = format!("hold-{number}");
            hold(&mut model, &clock(*set), &name, HoldReason::Other, Some(&clock(set + lasts)));
            if let Some(lifted) = lifted {
                lift(&mut model, &clock(set + lifted), &name);
            }
        }
        let in_force = |time: i64| holds.iter().any(|(set, lasts, lifted)| {
            let end = lifted.map_or(*lasts, |lifted| lifted.min(*lasts));
            (*set..set + end).contains(&time)
        });
        let mut left = 45;
        let mut due = 0;
        while left > 0 || in_force(due) {
            left -= i64::from(!in_force(due));
            due += 1;
        }
        model.run_until(minute(due + 5));
        let director = model.received.iter().find(|got| got.to == "carol" && got.kind == "Page");
        proptest::prop_assert_eq!(director.map(|got| got.time), Some(minute(due)));
    }
}

#[test]
fn a_hold_that_was_prolonged_while_nobody_looked_has_counted_without_a_gap() {
    let mut model = example();
    await_vendor(&mut model, "10:02", Some("10:10"));
    await_vendor(&mut model, "10:08", Some("10:40"));
    model.run_until(at("10:05"));
    model.down_until(at("10:20"));
    model.run_until(at("10:21"));
    let holding = model.status().holding.unwrap();
    assert_eq!(holding.since_time.unwrap().0, at("10:02"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
}

#[test]
fn an_acknowledgement_that_ran_out_before_the_hold_allows_no_long_one() {
    let mut model = example();
    acknowledge(&mut model, "10:05");
    await_vendor(&mut model, "10:40", Some("16:00"));
    model.run_until(at("10:30"));
    model.down_until(at("10:50"));
    model.run_until(at("10:51"));
    let message = standing(&model, "HoldInvalid").unwrap();
    assert!(message.contains("nobody has answered"), "{message}");
}

#[test]
fn only_what_holds_now_is_named() {
    let mut model = example();
    let vendor = HoldReason::AwaitingVendor;
    hold(&mut model, "10:02", "short", vendor, Some("10:10"));
    hold(&mut model, "10:03", "long", vendor, Some("10:40"));
    model.run_until(at("10:20"));
    let message = standing(&model, "Held").unwrap();
    let names = (message.contains("\"long\""), message.contains("\"short\""));
    assert_eq!(names, (true, false), "{message}");
}

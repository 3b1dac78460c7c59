//! Steps that wait for their opening hours, and what goes on meanwhile: api.md section 3.1, a test per sentence.

use super::world::{
    EXAMPLE, acknowledge, ask, at, await_vendor, pages, policy, ticket, with_policy,
};
use firebell::api::{Severity, StepResult};
use firebell::domain::policy::ValidPolicy;
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

/// The example, but the manager works from 10:40 on and the director follows after 15 minutes, at 10:30.
pub fn late_manager() -> String {
    EXAMPLE
        .replace(
            "- {name: manager, after: 15m,",
            "- {name: manager, after: 15m, calendar: late,",
        )
        .replace("- {name: director, after: 30m,", "- {name: director, after: 15m,")
        .replace("connectors:", "calendars:\n- {name: late, timeZone: UTC, windows: [{days: [Mon], from: \"10:40\", to: \"18:00\"}]}\nconnectors:")
}

/// Only the on-call and the manager who works from 10:40 on.
fn only_the_late_manager() -> String {
    let text = late_manager().replace("repeat: {times: 1, interval: 20m}\n", "");
    let director = text
        .lines()
        .find(|line| line.contains("name: director"))
        .unwrap();
    text.replace(director, "")
        .replace(", repeat: {every: 5m, times: 2}", "")
}

fn steps(model: &Model) -> Vec<(String, StepResult, String)> {
    let steps = model.status().escalation.unwrap().steps;
    let clock = |step: &firebell::api::StepRecord| step.time.0.strftime("%H:%M").to_string();
    steps
        .iter()
        .map(|step| (step.name.clone(), step.result, clock(step)))
        .collect()
}

fn step(name: &str, result: StepResult, clock: &str) -> (String, StepResult, String) {
    (name.to_owned(), result, clock.to_owned())
}

#[test]
fn a_later_step_fires_at_its_own_time_while_an_earlier_one_waits_for_its_hours() {
    let mut model = with_policy(&late_manager());
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:30 director round 1", "10:40 manager round 1"]
    );
}

#[test]
fn a_step_that_waits_is_shown_so_and_fires_in_its_place() {
    let mut model = with_policy(&late_manager());
    model.run_until(at("10:35"));
    assert_eq!(
        steps(&model),
        [
            step("on-call", StepResult::Fired, "10:00"),
            step("manager", StepResult::Waiting, "10:15"),
            step("director", StepResult::Fired, "10:30"),
        ]
    );
    let waiting = model.status().waiting_for.unwrap();
    assert_eq!(waiting.what, "acknowledgement; next: manager");
    assert_eq!(waiting.until.unwrap().0, at("10:40"));
    model.run_until(at("10:41"));
    assert_eq!(
        steps(&model)[1..],
        [
            step("manager", StepResult::Fired, "10:40"),
            step("director", StepResult::Fired, "10:30"),
        ]
    );
}

#[test]
fn two_steps_due_at_the_same_instant_fire_in_the_order_of_the_row() {
    let text = late_manager().replace(
        "- {name: director, after: 15m,",
        "- {name: director, after: 25m,",
    );
    let mut model = with_policy(&text);
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:40 manager round 1", "10:40 director round 1"]
    );
}

#[test]
fn a_step_that_waited_is_skipped_where_its_condition_no_longer_holds() {
    let mut model = with_policy(&late_manager());
    acknowledge(&mut model, "10:35");
    model.run_until(at("10:50"));
    assert_eq!(pages(&model).last().unwrap(), "10:30 director round 1");
    assert_eq!(
        steps(&model)[1],
        step("manager", StepResult::Skipped, "10:15")
    );
}

#[test]
fn the_repeats_of_a_later_step_go_on_and_one_that_waited_pages_once() {
    let text = late_manager()
        .replace(
            "notify: [{contact: bob}]}",
            "notify: [{contact: bob}], repeat: {every: 3m, times: 2}}",
        )
        .replace(
            "notify: [{contact: carol}]}",
            "notify: [{contact: carol}], repeat: {every: 6m, times: 3}}",
        );
    let mut model = with_policy(&text);
    model.run_until(at("11:00"));
    assert_eq!(
        pages(&model)[3..],
        [
            "10:30 director round 1",
            "10:36 director repeat 1 round 1",
            "10:40 manager round 1",
            "10:42 director repeat 2 round 1",
            "10:48 director repeat 3 round 1",
        ]
    );
}

#[test]
fn repeats_end_when_a_later_step_fires_not_when_one_is_skipped() {
    let text = late_manager()
        .replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 5h")
        .replace(
            "calendar: late, notify: [{contact: bob}]}",
            "calendar: late, condition: NotResolved, notify: [{contact: bob}], repeat: {every: 3m, times: 2}}",
        )
        .replace("after: 15m, condition: NotResolved, notify: [{contact: carol}]", "after: 15m, notify: [{contact: carol}]");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:12");
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        [
            "10:40 manager round 1",
            "10:43 manager repeat 1 round 1",
            "10:46 manager repeat 2 round 1",
        ]
    );
}

#[test]
fn the_next_round_counts_from_the_last_notification_also_where_a_step_waited_for_it() {
    let mut model = with_policy(&late_manager());
    model.run_until(at("11:21"));
    assert_eq!(
        pages(&model)[4..],
        [
            "10:40 manager round 1",
            "11:00 on-call round 2",
            "11:05 on-call repeat 1 round 2",
            "11:10 on-call repeat 2 round 2",
            "11:15 manager round 2",
        ]
    );
}

#[test]
fn where_nobody_was_reached_the_next_open_step_follows_at_once_and_the_closed_one_still_waits() {
    let mut model = with_policy(&late_manager());
    model.answer = Box::new(|name| match name {
        "alice" => Answer::Refuses,
        _ => Answer::Takes,
    });
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model),
        ["10:00 director round 1", "10:40 manager round 1"]
    );
}

#[test]
fn while_no_later_step_is_open_a_budget_that_ended_is_renewed() {
    let mut model = with_policy(&only_the_late_manager());
    let span = SignedDuration::from_secs(30);
    model.answer = Box::new(move |_| Answer::Dead(span));
    model.run_until(at("10:20"));
    assert_eq!(pages(&model), Vec::<String>::new());
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("10:50"));
    let lines = pages(&model);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("10:2"), "{lines:?}");
    assert_eq!(lines[1], "10:40 manager round 1");
}

#[test]
fn a_request_pages_a_step_that_waits_at_once_and_not_again_when_it_opens() {
    let mut model = with_policy(&late_manager());
    ask(&mut model, "10:35", "manager");
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:30 director round 1", "10:35 manager round 1"]
    );
}

#[test]
fn a_request_to_go_further_leaves_the_one_that_waits_behind() {
    let mut model = with_policy(&late_manager());
    ask(&mut model, "10:20", "director");
    model.run_until(at("10:39"));
    let manager = steps(&model)
        .into_iter()
        .find(|(name, ..)| name == "manager");
    assert!(
        manager.is_none_or(|(_, result, _)| result == StepResult::Skipped),
        "{:?}",
        steps(&model)
    );
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..5],
        ["10:20 director round 1", "10:40 on-call round 2"]
    );
}

#[test]
fn hours_that_begin_during_a_hold_page_with_its_end() {
    let mut model = with_policy(&late_manager());
    await_vendor(&mut model, "10:35", Some("10:50"));
    model.run_until(at("11:00"));
    assert_eq!(pages(&model).last().unwrap(), "10:50 manager round 1");
    let late = model.told.iter().any(|told| told.note.contains("late"));
    assert!(!late, "it was not missed: {:?}", model.told);
}

#[test]
fn hours_that_begin_after_a_hold_are_waited_for_as_before() {
    let mut model = with_policy(&late_manager());
    await_vendor(&mut model, "10:20", Some("10:30"));
    model.run_until(at("10:59"));
    assert_eq!(
        pages(&model)[3..],
        ["10:40 manager round 1", "10:40 director round 1"]
    );
}

#[test]
fn after_a_downtime_those_of_the_step_that_waited_are_told_with_the_others_once() {
    let mut model = with_policy(&late_manager());
    model.run_until(at("10:12"));
    model.down_until(at("10:50"));
    model.run_until(at("10:51"));
    let got: Vec<_> = model.received[3..]
        .iter()
        .map(|got| got.to.as_str())
        .collect();
    assert_eq!(got, ["carol", "bob"]);
    assert!(
        steps(&model)[1..]
            .iter()
            .all(|(_, _, clock)| clock == "10:50")
    );
}

#[test]
fn a_step_keeps_waiting_over_a_lowered_severity_and_later_ones_keep_their_times() {
    let mut model = with_policy(&late_manager());
    model.ticket.spec.severity = Some(Severity::Critical);
    model.edit_at(at("10:20"), "severity", |spec| {
        spec.severity = Some(Severity::High);
    });
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:30 director round 1", "10:40 manager round 1"]
    );
}

#[test]
fn a_step_that_waits_and_is_not_in_the_new_row_fires_no_more() {
    let text = late_manager().replace(
        "- {name: manager, after: 15m,",
        "- {name: manager, severities: [Critical], after: 15m,",
    );
    let mut model = with_policy(&text);
    model.ticket.spec.severity = Some(Severity::Critical);
    model.edit_at(at("10:35"), "severity", |spec| {
        spec.severity = Some(Severity::High);
    });
    model.run_until(at("10:45"));
    assert_eq!(pages(&model).last().unwrap(), "10:30 director round 1");
    assert_eq!(
        steps(&model)[1],
        step("manager", StepResult::Skipped, "10:15")
    );
}

#[test]
fn a_step_that_waits_keeps_waiting_over_an_edit_of_the_policy() {
    let mut model = Model::new(policy(&late_manager()), ticket(), at("10:00"));
    model.run_until(at("10:20"));
    let edited = late_manager().replace("onExhausted: {after: 5m", "onExhausted: {after: 7m");
    let valid = ValidPolicy::check(policy(&edited)).policy.unwrap();
    model.store_policy("gold-2", 2, valid);
    model.ticket.spec.policy_ref = Some(firebell::api::PolicyRef {
        name: "gold".into(),
        token: Some("again".into()),
    });
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:30 director round 1", "10:40 manager round 1"]
    );
}

#[test]
fn a_page_says_which_step_follows_also_where_an_earlier_one_waits() {
    let mut model = with_policy(&late_manager());
    model.run_until(at("10:50"));
    let next = |at: usize| {
        let next = model.received[at].delivery.message.data.next.clone();
        let next = next.unwrap();
        (next.what, next.time.unwrap())
    };
    let (what, time) = next(2);
    assert!(what.ends_with("step \"director\", round 1"), "{what}");
    assert_eq!(time, at("10:30"));
    let (what, time) = next(3);
    assert!(what.ends_with("step \"manager\", round 1"), "{what}");
    assert_eq!(time, at("10:40"));
    let (what, time) = next(4);
    assert!(what.ends_with("step \"on-call\", round 2"), "{what}");
    assert_eq!(time, at("11:00"));
}

#[test]
fn a_step_whose_page_is_under_way_is_not_shown_as_waiting_for_its_hours() {
    let mut model = with_policy(EXAMPLE);
    let late = SignedDuration::from_millis(500);
    model.answer = Box::new(move |_| Answer::AnswersAfter(late));
    // The response target is missed in the same moment, which is a write of its own.
    model.run_until(at("10:15"));
    assert_eq!(steps(&model), [step("on-call", StepResult::Fired, "10:00")]);
}

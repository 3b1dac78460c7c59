//! api.md section 5, row "Downtime".

use super::{escalation, is_true, response, told};
use crate::world::{
    EXAMPLE, acknowledge, at, await_vendor, close, example, notices, pages, resolve, with_policy,
};
use firebell::api::{ClosureReason, DeliveryState, EscalationState, Phase, StepRecord, StepResult};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

/// The example, down from 10:01 on until then, and seen a minute later.
fn down_until(clock: &str) -> Model {
    down(example(), clock)
}

fn down(mut model: Model, clock: &str) -> Model {
    model.run_until(at("10:01"));
    model.down_until(at(clock));
    model.run_until(at(clock) + SignedDuration::from_secs(30));
    model
}

fn results(model: &Model) -> Vec<(String, StepResult)> {
    let steps = escalation(model).steps.into_iter();
    steps
        .map(|StepRecord { name, result, .. }| (name, result))
        .collect()
}

fn recipients(model: &Model) -> Vec<&str> {
    let pages = model.received.iter().filter(|got| got.kind == "Page");
    pages.map(|got| got.to.as_str()).collect()
}

#[test]
fn first_decided_two_seconds_after_its_time_it_was_not_missed_and_later_it_was() {
    let mut in_time = example();
    in_time.run_until(at("10:01"));
    in_time.down_until(at("10:05:02"));
    in_time.run_until(at("10:20"));
    let lines = pages(&in_time);
    assert_eq!(lines[1], "10:05:02 on-call repeat 1 round 1");
    assert_eq!(lines[3], "10:15 manager round 1", "times go on as planned");
    let late = |model: &Model| model.told.iter().any(|told| told.note.contains(" s late"));
    assert!(!late(&in_time));
    let mut missed = example();
    missed.run_until(at("10:01"));
    missed.down_until(at("10:05:03"));
    missed.run_until(at("10:25"));
    assert!(late(&missed));
    assert_eq!(
        pages(&missed).last().unwrap(),
        "10:20:03 manager round 1",
        "later ones count from the catch-up"
    );
}

#[test]
fn facts_come_first_acknowledged_meanwhile_nobody_is_paged() {
    let mut model = example();
    acknowledge(&mut model, "10:03");
    let model = down(model, "10:20");
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
}

#[test]
fn facts_come_first_held_meanwhile_nobody_is_paged() {
    let mut model = example();
    await_vendor(&mut model, "10:03", Some("11:00"));
    let model = down(model, "10:20");
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    assert_eq!(escalation(&model).state, EscalationState::Held);
}

#[test]
fn facts_come_first_closed_meanwhile_nobody_is_paged() {
    let mut model = example();
    close(&mut model, "10:03", ClosureReason::Cancelled);
    let model = down(model, "10:20");
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    assert_eq!(model.status().phase, Some(Phase::Closed));
}

#[test]
fn the_armed_step_leaves_at_once_under_its_id() {
    let mut calm = example();
    calm.run_until(at("10:06"));
    let model = down_until("10:08");
    assert_eq!(pages(&model)[1], "10:08 on-call repeat 1 round 1");
    assert_eq!(model.received[1].id, calm.received[1].id);
}

#[test]
fn one_write_fixes_round_time_and_recipients_before_anybody_else_is_paged() {
    let mut model = example();
    model.run_until(at("10:01"));
    model.down_until(at("10:50"));
    model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_secs(10)));
    model.run_until(at("10:50:05"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    assert_eq!(told(&model, "CaughtUp"), 1, "with one write");
    let status = model.status();
    let fixed: Vec<_> = status
        .deliveries
        .iter()
        .filter(|known| known.cause.as_deref() == Some("CaughtUp"))
        .map(|known| (known.target.as_str(), known.round, known.state))
        .collect();
    assert_eq!(
        fixed,
        [
            ("contact/bob", 1, DeliveryState::Sending),
            ("contact/carol", 1, DeliveryState::Sending)
        ]
    );
    let caught_up = escalation(&model).steps.into_iter().skip(1);
    let mut times: Vec<_> = caught_up.map(|step| step.time.0).collect();
    times.dedup();
    assert_eq!(
        times,
        [at("10:50:01")],
        "when the armed page was written down"
    );
}

#[test]
fn every_recipient_of_a_missed_step_who_was_not_yet_paged_is_paged_once() {
    let text = EXAMPLE.replace(
        "notify: [{contact: carol}]",
        "notify: [{contact: carol}, {contact: alice}, {contact: bob}]",
    );
    let model = down(with_policy(&text), "10:50");
    assert_eq!(
        recipients(&model),
        ["alice", "alice", "carol", "bob"],
        "alice by her own armed repeat alone"
    );
}

#[test]
fn the_id_is_that_of_the_newest_missed_step_that_names_the_recipient() {
    let text = EXAMPLE.replace(
        "notify: [{contact: carol}]",
        "notify: [{contact: carol}, {contact: bob}]",
    );
    let mut calm = with_policy(&text);
    calm.run_until(at("10:46"));
    let of_director = |model: &Model, to: &str| {
        let mut got = model.received.iter();
        got.rfind(|got| got.to == to).unwrap().id.clone()
    };
    let model = down(with_policy(&text), "10:50");
    assert_eq!(of_director(&model, "bob"), of_director(&calm, "bob"));
    assert_eq!(of_director(&model, "carol"), of_director(&calm, "carol"));
}

#[test]
fn missed_steps_are_marked_caught_up_and_later_ones_count_from_the_catch_up_time() {
    let mut model = down_until("10:20");
    let caught_up = ("manager".to_owned(), StepResult::CaughtUp);
    assert_eq!(results(&model)[1], caught_up);
    model.run_until(at("10:51"));
    assert_eq!(pages(&model).last().unwrap(), "10:50 director round 1");
}

#[test]
fn rounds_that_passed_entirely_are_not_counted() {
    let mut model = down_until("13:00");
    assert_eq!(escalation(&model).round, 1);
    assert_eq!(recipients(&model), ["alice", "alice", "bob", "carol"]);
    model.run_until(at("13:21"));
    assert_eq!(pages(&model).last().unwrap(), "13:20 on-call round 2");
}

#[test]
fn of_a_chain_that_is_over_already_the_last_step_is_current() {
    let text = EXAMPLE.replace("repeat: {times: 1, interval: 20m}\n", "");
    let mut model = down(with_policy(&text), "13:00");
    let escalation = escalation(&model);
    assert_eq!(escalation.step.as_deref(), Some("director"));
    assert_eq!(escalation.state, EscalationState::Running);
    model.run_until(at("13:06"));
    assert_eq!(notices(&model), ["13:05 Exhausted hook"]);
}

#[test]
fn an_event_tells_the_lateness_and_how_many_were_caught_up() {
    let model = down_until("10:50");
    let note = |reason: &str| {
        let mut told = model.told.iter();
        told.rfind(|told| told.reason == reason)
            .unwrap()
            .note
            .clone()
    };
    assert!(
        note("PagedAgain").contains("2700 s late"),
        "{}",
        note("PagedAgain")
    );
    assert!(
        note("CaughtUp").contains("2 missed step(s)"),
        "{}",
        note("CaughtUp")
    );
    assert_eq!(told(&model, "CaughtUp"), 1);
}

#[test]
fn a_message_that_comes_late_says_so() {
    let model = down_until("10:50");
    let bob = model.received.iter().find(|got| got.to == "bob").unwrap();
    let why = &bob.delivery.message.data.why;
    assert!(
        why.contains("the operator was down when it was due"),
        "{why}"
    );
}

#[test]
fn breach_times_are_the_true_due_times() {
    let model = down_until("10:50");
    assert_eq!(response(&model).breach_time.unwrap().0, at("10:15"));
    assert_eq!(told(&model, "ResponseBreached"), 1);
}

#[test]
fn a_ticket_resolved_just_before_the_end_of_the_downtime_pages_nobody_and_breaches_at_its_true_time()
 {
    let mut model = example();
    resolve(&mut model, "10:40");
    let model = down(model, "10:50");
    assert_eq!(response(&model).breach_time.unwrap().0, at("10:15"));
    let paged = recipients(&model);
    assert!(
        !paged.contains(&"bob") && !paged.contains(&"carol"),
        "{paged:?}"
    );
    assert!(!is_true(&model, "Held"));
}

//! api.md section 5, row "`atLeast`, `pageAgain`".

use super::{condition, escalation, is_true, told};
use crate::world::{EXAMPLE, acknowledge, at, example, pages, resolve, with_policy};
use firebell::api::{EscalationRequest, StepResult};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

fn ask(model: &mut Model, clock: &str, at_least: Option<&str>, again: Option<&str>) {
    ask_with(model, clock, at_least, again, None);
}

fn ask_with(
    model: &mut Model,
    clock: &str,
    at_least: Option<&str>,
    again: Option<&str>,
    token: Option<&str>,
) {
    let request = EscalationRequest {
        at_least: at_least.map(str::to_owned),
        page_again: again.map(str::to_owned),
        by: "bob".into(),
        note: None,
        token: token.map(str::to_owned),
    };
    model.edit_at(at(clock), "escalation", move |spec| {
        spec.escalation = Some(request.clone());
    });
}

/// The example, but some step notifies a group without members.
fn empty(step: &str) -> Model {
    let notify = match step {
        "on-call" => "alice",
        "manager" => "bob",
        _director => "carol",
    };
    let text = EXAMPLE
        .replace(
            &format!("notify: [{{contact: {notify}}}]"),
            "notify: [{group: empty}]",
        )
        .replace(
            "contacts:",
            "groups:\n- {name: empty, members: []}\ncontacts:",
        );
    with_policy(&text)
}

fn refused(model: &Model) -> (String, String) {
    assert!(!is_true(model, "EscalationRequested"));
    let known = condition(model, "EscalationRequested").unwrap();
    (known.reason, known.message)
}

#[test]
fn they_page_whatever_the_acknowledgement() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    ask(&mut model, "10:04", Some("manager"), None);
    ask(&mut model, "10:06", Some("manager"), Some("t1"));
    model.run_until(at("10:07"));
    assert_eq!(
        pages(&model)[1..],
        ["10:04 manager round 1", "10:06 manager round 1"]
    );
    let ids: Vec<_> = model.received.iter().map(|got| &got.id).collect();
    assert_ne!(ids[1], ids[2]);
}

#[test]
fn each_is_carried_out_once_per_its_own_value_and_token() {
    let mut model = example();
    ask(&mut model, "10:01", Some("director"), None);
    ask(&mut model, "10:02", Some("director"), Some("t1"));
    ask(&mut model, "10:03", Some("director"), Some("t1"));
    ask(&mut model, "10:04", Some("director"), Some("t2"));
    model.run_until(at("10:05"));
    assert_eq!(
        pages(&model)[1..],
        [
            "10:01 director round 1",
            "10:02 director round 1",
            "10:04 director round 1"
        ]
    );
    assert_eq!(
        told(&model, "RequestIgnored"),
        0,
        "an equal value is no new request"
    );
}

#[test]
fn both_in_one_write_page_once() {
    let mut model = example();
    ask(&mut model, "10:01", Some("director"), Some("t1"));
    model.run_until(at("10:02"));
    assert_eq!(pages(&model)[1..], ["10:01 director round 1"]);
    assert!(is_true(&model, "EscalationRequested"));
}

#[test]
fn a_fresh_token_asks_for_the_same_step_anew_and_a_fresh_page_again_is_its_own_token() {
    let mut model = example();
    ask_with(&mut model, "10:16", Some("manager"), Some("t1"), None);
    ask_with(
        &mut model,
        "10:17",
        Some("manager"),
        Some("t1"),
        Some("fresh"),
    );
    model.run_until(at("10:18"));
    assert_eq!(told(&model, "RequestIgnored"), 2, "each was answered");
    let again = pages(&model).into_iter();
    let again = again.filter(|line| line.contains("manager")).count();
    assert_eq!(again, 2, "the step and one page again");
}

#[test]
fn at_least_moves_the_chain_there_and_later_steps_go_on_from_there() {
    let mut model = example();
    ask(&mut model, "10:03", Some("manager"), None);
    model.run_until(at("10:40"));
    assert_eq!(
        pages(&model)[1..],
        ["10:03 manager round 1", "10:33 director round 1"],
        "the on-call's repeats end with the later step"
    );
}

#[test]
fn later_steps_go_on_by_their_own_conditions() {
    let text = EXAMPLE.replace("condition: NotResolved, ", "");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:02");
    ask(&mut model, "10:03", Some("manager"), None);
    model.run_until(at("10:31"));
    assert_eq!(pages(&model)[1..], ["10:03 manager round 1"]);
}

#[test]
fn page_again_pages_those_who_were_paged_last() {
    let text = EXAMPLE.replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 5h");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:07");
    ask(&mut model, "10:20", None, Some("t1"));
    model.run_until(at("10:21"));
    assert_eq!(
        pages(&model).last().unwrap(),
        "10:20 on-call round 1",
        "the manager's step was skipped"
    );
}

#[test]
fn page_again_before_the_first_page_pages_the_first_step() {
    let text = EXAMPLE.replace("level: High,", "level: High, initialDelay: 10m,");
    let mut model = with_policy(&text);
    ask(&mut model, "10:03", None, Some("t1"));
    model.run_until(at("10:11"));
    assert_eq!(
        pages(&model),
        ["10:03 on-call round 1", "10:10 on-call round 1"]
    );
}

#[test]
fn page_again_takes_its_hash_as_repeat_number_of_the_id() {
    let mut model = example();
    ask(&mut model, "10:01", None, Some("t1"));
    ask(&mut model, "10:02", None, Some("t2"));
    model.run_until(at("10:06"));
    let mut ids: Vec<_> = model.received.iter().map(|got| got.id.clone()).collect();
    assert_eq!(ids.len(), 4, "{:?}", pages(&model));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "no id is worn twice");
}

#[test]
fn on_a_chain_that_is_already_further_the_condition_says_why_nothing_happened() {
    let mut model = example();
    ask(&mut model, "10:16", Some("on-call"), None);
    model.run_until(at("10:17"));
    let (reason, message) = refused(&model);
    assert_eq!(reason, "AlreadyFurther");
    assert!(message.contains("`pageAgain`"), "{message}");
    assert_eq!(told(&model, "RequestIgnored"), 1);
}

#[test]
fn on_a_closed_or_resolved_ticket_the_condition_says_why_nothing_happened() {
    let mut model = example();
    resolve(&mut model, "10:01");
    ask(&mut model, "10:02", Some("director"), Some("t1"));
    model.run_until(at("10:03"));
    assert_eq!(refused(&model).0, "Over");
    assert_eq!(pages(&model).len(), 1);
}

#[test]
fn at_least_a_step_that_reaches_nobody_says_so_and_the_next_step_follows_at_once() {
    let mut model = empty("manager");
    ask(&mut model, "10:03", Some("manager"), None);
    model.run_until(at("10:04"));
    let (reason, message) = refused(&model);
    assert_eq!(reason, "ReachesNobody");
    assert!(
        message.contains("the next open step follows at once"),
        "{message}"
    );
    assert!(message.contains("Give it a contact"), "{message}");
    assert_eq!(pages(&model)[1..], ["10:03 director round 1"]);
    let manager = escalation(&model).steps.into_iter().nth(1).unwrap();
    assert_eq!(manager.result, StepResult::SkippedEmpty);
}

#[test]
fn at_least_a_last_step_that_reaches_nobody_says_that_nothing_follows() {
    let mut model = empty("director");
    ask(&mut model, "10:03", Some("director"), None);
    model.run_until(at("10:04"));
    let (reason, message) = refused(&model);
    assert_eq!(reason, "ReachesNobody");
    assert!(
        message.contains("no further step can fire now"),
        "{message}"
    );
    assert_eq!(pages(&model).len(), 1);
}

#[test]
fn page_again_of_a_step_that_reaches_nobody_says_so() {
    let text = EXAMPLE
        .replace("level: High,", "level: High, initialDelay: 10m,")
        .replace("notify: [{contact: alice}]", "notify: [{group: empty}]")
        .replace(
            "contacts:",
            "groups:\n- {name: empty, members: []}\ncontacts:",
        );
    let mut model = with_policy(&text);
    ask(&mut model, "10:03", None, Some("t1"));
    model.run_until(at("10:04"));
    let (reason, message) = refused(&model);
    assert_eq!(reason, "ReachesNobody");
    assert!(message.contains("`atLeast`"), "{message}");
    assert_eq!(pages(&model), Vec::<String>::new());
}

#[test]
fn an_unknown_step_is_refused_with_words_and_the_chain_goes_on() {
    let mut model = example();
    ask(&mut model, "10:01", Some("nobody"), None);
    model.run_until(at("10:05"));
    assert_eq!(refused(&model).0, "UnknownStep");
    assert_eq!(pages(&model).len(), 2);
}

#[test]
fn a_requested_page_whose_budget_ended_is_renewed_though_the_ticket_is_acknowledged() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    ask(&mut model, "10:03", Some("director"), None);
    let span = SignedDuration::from_secs(30);
    model.answer = Box::new(move |name| match name {
        "carol" => Answer::Dead(span),
        _ => Answer::Takes,
    });
    model.run_until(at("10:08"));
    assert_eq!(pages(&model).len(), 1);
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("10:11"));
    assert!(pages(&model).last().unwrap().ends_with("director round 1"));
}

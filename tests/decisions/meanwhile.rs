//! Facts that arrive while a page is on its way: what left is recorded and told, then the fact is acted on.

use super::world::{acknowledge, at, await_vendor, example, notices, pages, resolve};
use firebell::api::{DeliveryState, EscalationState, Severity, StepResult};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

/// Receivers take a page at once and say so half a second later.
fn hesitant() -> Model {
    let mut model = example();
    model.answer = Box::new(|_| Answer::AnswersAfter(SignedDuration::from_millis(500)));
    model
}

fn told(model: &Model) -> Vec<&str> {
    model.told.iter().map(|known| known.reason).collect()
}

fn steps(model: &Model) -> Vec<(String, StepResult)> {
    let escalation = model.status().escalation.unwrap_or_default();
    let steps = escalation.steps.into_iter();
    steps.map(|step| (step.name, step.result)).collect()
}

fn state_of(model: &Model, target: &str) -> Option<DeliveryState> {
    let deliveries = model.status().deliveries;
    let mut known = deliveries.into_iter();
    known
        .find(|known| known.target == target && known.kind.is_none())
        .map(|known| known.state)
}

#[test]
fn a_page_that_left_is_recorded_and_told_though_the_acknowledgement_came_before_its_answer() {
    let mut model = hesitant();
    acknowledge(&mut model, "10:15:00.2");
    model.run_until(at("10:20"));
    assert!(pages(&model).contains(&"10:15 manager round 1".to_owned()));
    assert_eq!(
        steps(&model),
        [
            ("on-call".to_owned(), StepResult::Fired),
            ("manager".to_owned(), StepResult::Fired)
        ]
    );
    assert_eq!(
        state_of(&model, "contact/bob"),
        Some(DeliveryState::Delivered)
    );
    assert_eq!(
        told(&model),
        [
            "Opened",
            "Escalated",
            "PagedAgain",
            "PagedAgain",
            "ResponseBreached",
            "Escalated",
            "Acknowledged"
        ]
    );
    assert_eq!(notices(&model), ["10:15 AcknowledgedBy bob"]);
}

#[test]
fn whoever_is_just_being_paged_hears_of_an_acknowledgement_that_does_not_stop_the_page() {
    let mut model = hesitant();
    acknowledge(&mut model, "10:45:00.2");
    model.run_until(at("10:50"));
    assert!(pages(&model).contains(&"10:45 director round 1".to_owned()));
    assert_eq!(
        notices(&model),
        ["10:45 AcknowledgedBy bob", "10:45 AcknowledgedBy carol"]
    );
}

#[test]
fn a_page_that_left_is_recorded_though_the_resolution_came_before_its_answer() {
    let mut model = hesitant();
    resolve(&mut model, "10:00:00.3");
    model.run_until(at("10:05"));
    assert_eq!(steps(&model), [("on-call".to_owned(), StepResult::Fired)]);
    assert_eq!(told(&model), ["Opened", "Escalated", "Resolved"]);
    assert_eq!(
        model.status().escalation.unwrap().state,
        EscalationState::Stopped
    );
    assert_eq!(
        state_of(&model, "contact/alice"),
        Some(DeliveryState::Delivered)
    );
}

#[test]
fn a_page_that_left_is_told_though_a_raised_severity_starts_a_new_round_before_its_answer() {
    let mut model = hesitant();
    model.edit_at(at("10:15:00.2"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:15:30"));
    let told = told(&model);
    let manager = model
        .told
        .iter()
        .any(|known| known.note.contains("\"manager\" of round 1"));
    assert!(manager, "{told:?}");
    assert_eq!(
        state_of(&model, "contact/bob"),
        Some(DeliveryState::Delivered)
    );
    assert_eq!(model.status().escalation.unwrap().round, 2);
}

#[test]
fn a_page_that_an_acknowledgement_caught_in_its_lane_is_told_as_cancelled_and_its_step_as_skipped()
{
    let mut model = example();
    model.answer = Box::new(|name| match name {
        "bob" => Answer::TakesAfter(SignedDuration::from_millis(500)),
        _ => Answer::Takes,
    });
    acknowledge(&mut model, "10:15:00.2");
    model.run_until(at("10:20"));
    assert!(!pages(&model).iter().any(|page| page.contains("manager")));
    assert_eq!(
        state_of(&model, "contact/bob"),
        Some(DeliveryState::Cancelled)
    );
    assert_eq!(
        model
            .told
            .iter()
            .filter(|known| known.reason == "Escalated")
            .count(),
        1
    );
    assert_eq!(notices(&model), Vec::<String>::new());
}

/// Killed when bob's page had just left and its result was not written; back at 10:16.
fn killed_while_paging(acknowledged: &str) -> Model {
    let mut model = hesitant();
    acknowledge(&mut model, acknowledged);
    model.run_until(at("10:14:59"));
    model.crash_at = Some(model.points + 2);
    model.gone_for = SignedDuration::from_mins(1);
    model.run_until(at("10:20"));
    assert_eq!(model.crashes, 1);
    model
}

#[test]
fn acknowledged_while_the_operator_was_gone_a_page_that_may_have_left_is_unknown_and_not_repeated()
{
    let model = killed_while_paging("10:15:30");
    let sent = pages(&model);
    let manager = sent.iter().filter(|page| page.contains("manager"));
    assert_eq!(manager.count(), 1, "{sent:?}");
    assert_eq!(
        state_of(&model, "contact/bob"),
        Some(DeliveryState::Unknown)
    );
    let words = model
        .told
        .iter()
        .any(|known| known.warning && known.note.contains("may have paged bob"));
    assert!(words, "{:?}", told(&model));
    assert_eq!(notices(&model), ["10:16 AcknowledgedBy bob"]);
}

#[test]
fn not_acknowledged_meanwhile_a_page_that_may_have_left_is_sent_again_under_its_id() {
    let model = killed_while_paging("10:18");
    let managers: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.step == Some(("manager".to_owned(), 0)))
        .collect();
    assert_eq!(managers.len(), 2);
    assert_eq!(managers[0].id, managers[1].id);
    assert_eq!(
        state_of(&model, "contact/bob"),
        Some(DeliveryState::Delivered)
    );
}

#[test]
fn acknowledged_before_the_deadline_that_the_operator_slept_through_the_step_is_no_page() {
    let mut model = example();
    acknowledge(&mut model, "10:14");
    model.run_until(at("10:13"));
    model.crash_at = Some(model.points + 1);
    model.gone_for = SignedDuration::from_mins(5);
    model.run_until(at("10:25"));
    assert_eq!(model.crashes, 1);
    assert_eq!(state_of(&model, "contact/bob"), None);
    assert!(!pages(&model).iter().any(|page| page.contains("manager")));
    assert_eq!(notices(&model), Vec::<String>::new());
}

/// Back at 10:50 after most of an hour: the repeat leaves at once, half a second later whoever was missed is paged.
fn back_after_a_downtime() -> Model {
    let mut model = hesitant();
    model.run_until(at("10:01"));
    model.down_until(at("10:50"));
    model
}

#[test]
fn whoever_was_missed_and_is_just_being_paged_hears_of_an_acknowledgement_before_the_answer() {
    let mut model = back_after_a_downtime();
    acknowledge(&mut model, "10:50:00.7");
    model.run_until(at("10:55"));
    assert_eq!(
        notices(&model),
        ["10:50 AcknowledgedBy bob", "10:50 AcknowledgedBy carol"]
    );
    let delivered = Some(DeliveryState::Delivered);
    assert_eq!(state_of(&model, "contact/bob"), delivered);
}

#[test]
fn whoever_a_stopped_process_may_have_paged_hears_of_an_acknowledgement_and_the_page_is_unknown() {
    let mut model = back_after_a_downtime();
    acknowledge(&mut model, "10:50:30");
    model.run_until(at("10:50:00.7"));
    model.down_until(at("10:51"));
    model.run_until(at("10:55"));
    assert_eq!(
        state_of(&model, "contact/bob"),
        Some(DeliveryState::Unknown)
    );
    assert_eq!(
        notices(&model),
        ["10:51 AcknowledgedBy bob", "10:51 AcknowledgedBy carol"]
    );
}

#[test]
fn a_page_that_left_just_before_a_hold_is_recorded_and_told_and_does_not_come_again_after_it() {
    let mut model = hesitant();
    await_vendor(&mut model, "10:15:00.2", Some("10:30"));
    model.run_until(at("10:16"));
    let escalated = told(&model).into_iter().filter(|told| *told == "Escalated");
    assert_eq!(escalated.count(), 2, "on-call and manager");
    model.run_until(at("10:31"));
    let sent = pages(&model);
    let managers: Vec<_> = sent
        .iter()
        .filter(|page| page.contains("manager"))
        .collect();
    assert_eq!(managers, ["10:15 manager round 1"]);
}

#[test]
fn a_page_that_is_answered_in_the_very_moment_the_severity_is_lowered_does_not_come_again() {
    let mut model = hesitant();
    model.ticket.spec.severity = Some(Severity::Critical);
    model.edit_at(at("10:15:00.5"), "severity", |spec| {
        spec.severity = Some(Severity::High);
    });
    model.run_until(at("10:16"));
    let sent = pages(&model);
    let managers = sent.iter().filter(|page| page.contains("manager"));
    assert_eq!(managers.count(), 1, "{sent:?}");
}

#[test]
fn a_page_that_is_answered_under_a_hold_is_on_record_as_delivered_and_does_not_come_again() {
    let mut model = example();
    model.answer = Box::new(|_| Answer::AnswersAfter(SignedDuration::from_mins(3)));
    await_vendor(&mut model, "10:02", Some("10:10"));
    model.run_until(at("10:04"));
    let delivered = Some(DeliveryState::Delivered);
    assert_eq!(state_of(&model, "contact/alice"), delivered);
    model.run_until(at("10:12"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
}

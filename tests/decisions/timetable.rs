//! api.md section 3.1, word by word.

use super::world::{
    EXAMPLE, acknowledge, at, close, example, notices, pages, resolve, with_policy,
};
use firebell::api::{ClosureReason, EscalationState, Phase, StepResult, TargetState};

#[test]
fn nobody_answers_the_example_runs_two_rounds_and_is_exhausted() {
    let mut model = example();
    model.run_until(at("14:00"));
    let expected = [
        "10:00 on-call round 1",
        "10:05 on-call repeat 1 round 1",
        "10:10 on-call repeat 2 round 1",
        "10:15 manager round 1",
        "10:45 director round 1",
        "11:05 on-call round 2",
        "11:10 on-call repeat 1 round 2",
        "11:15 on-call repeat 2 round 2",
        "11:20 manager round 2",
        "11:50 director round 2",
    ];
    assert_eq!(pages(&model), expected);
    assert_eq!(notices(&model), ["11:55 Exhausted hook"]);
    assert_eq!(
        model.status().escalation.unwrap().state,
        EscalationState::Exhausted
    );
}

#[test]
fn acknowledged_and_never_resolved_the_expiry_starts_the_chain_again() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    model.run_until(at("11:42"));
    let expected = [
        "10:00 on-call round 1",
        "10:05 on-call repeat 1 round 1",
        "10:37 on-call round 2",
        "10:42 on-call repeat 1 round 2",
        "10:47 on-call repeat 2 round 2",
        "10:52 manager round 2",
        "11:22 director round 2",
        "11:42 on-call round 3",
    ];
    assert_eq!(pages(&model), expected);
}

#[test]
fn a_step_without_its_condition_is_skipped_and_one_for_unresolved_tickets_still_fires() {
    let text = EXAMPLE.replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 5h");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:07");
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model),
        [
            "10:00 on-call round 1",
            "10:05 on-call repeat 1 round 1",
            "10:45 director round 1"
        ]
    );
    let steps = model.status().escalation.unwrap().steps;
    let manager = steps.iter().find(|step| step.name == "manager").unwrap();
    assert_eq!(
        (manager.result, manager.time.0),
        (StepResult::Skipped, at("10:15"))
    );
}

#[test]
fn status_writes_are_pages_plus_four() {
    let text = EXAMPLE.replace("responseTarget: 15m, ", "");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:16");
    resolve(&mut model, "10:20");
    close(&mut model, "10:30", ClosureReason::Completed);
    model.run_until(at("10:40"));
    let notices_cost = 1; // the results of "acknowledged by", told to bob and carol in one write
    assert_eq!(pages(&model).len(), 4);
    assert_eq!(
        model.writes,
        pages(&model).len() + 4 + notices_cost,
        "{:#?}",
        model.status().timeline
    );
    assert_eq!(model.status().phase, Some(Phase::Closed));
}

#[test]
fn initial_delay_waits_before_the_first_step() {
    let text = EXAMPLE.replace("level: High,", "level: High, initialDelay: 90s,");
    let mut model = with_policy(&text);
    model.run_until(at("10:02"));
    assert_eq!(pages(&model), ["10:01:30 on-call round 1"]);
}

#[test]
fn a_level_that_is_only_recorded_pages_nobody() {
    let text = EXAMPLE.replace("level: High,", "level: High, paging: RecordOnly,");
    let mut model = with_policy(&text);
    model.run_until(at("12:00"));
    assert_eq!(pages(&model), Vec::<String>::new());
    assert_eq!(
        model.status().escalation.unwrap().state,
        EscalationState::NotPaged
    );
}

#[test]
fn a_step_waits_for_its_calendar_and_later_nominal_times_do_not_move() {
    let text = EXAMPLE
        .replace("- {name: manager,", "- {name: manager, calendar: late,")
        .replace("connectors:", "calendars:\n- {name: late, timeZone: UTC, windows: [{days: [Mon], from: \"10:40\", to: \"18:00\"}]}\nconnectors:");
    let mut model = with_policy(&text);
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:40 manager round 1", "10:45 director round 1"]
    );
}

#[test]
fn the_response_target_is_breached_once_at_its_true_time_and_met_by_a_person() {
    let mut late = example();
    acknowledge(&mut late, "10:20");
    late.run_until(at("10:25"));
    let response = late.status().targets.unwrap().response;
    assert_eq!(response.state, TargetState::Breached);
    assert_eq!(response.breach_time.unwrap().0, at("10:15"));
    assert_eq!(response.met_time.unwrap().0, at("10:20"));
    let breaches = late
        .told
        .iter()
        .filter(|told| told.reason == "ResponseBreached")
        .count();
    assert_eq!(breaches, 1);

    let mut timely = example();
    acknowledge(&mut timely, "10:14");
    timely.run_until(at("10:25"));
    assert_eq!(
        timely.status().targets.unwrap().response.state,
        TargetState::Met
    );
}

#[test]
fn a_target_is_shown_as_it_was_written() {
    let text = EXAMPLE.replace("responseTarget: 15m", "responseTarget: 60m");
    let mut model = with_policy(&text);
    model.run_until(at("10:01"));
    let response = model.status().targets.unwrap().response;
    assert_eq!(response.target.unwrap().as_str(), "60m");
    assert_eq!(response.due_time.unwrap().0, at("11:00"));
}

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

#[test]
fn without_a_repeat_of_the_chain_there_is_one_round() {
    let text = EXAMPLE.replace("repeat: {times: 1, interval: 20m}\n", "");
    let mut model = with_policy(&text);
    model.run_until(at("14:00"));
    assert_eq!(pages(&model).last().unwrap(), "10:45 director round 1");
    assert_eq!(notices(&model), ["10:50 Exhausted hook"]);
}

#[test]
fn a_next_round_starts_only_while_the_condition_of_one_of_its_steps_holds() {
    let text = EXAMPLE
        .replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 5h")
        .replace("condition: NotResolved, ", "");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:50");
    model.run_until(at("12:00"));
    assert_eq!(pages(&model).last().unwrap(), "10:45 director round 1");
    assert_eq!(model.status().escalation.unwrap().round, 1);
}

#[test]
fn a_next_round_of_an_acknowledged_ticket_calls_for_the_unresolved_only() {
    let text = EXAMPLE.replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 5h");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:50");
    model.run_until(at("12:00"));
    assert_eq!(pages(&model)[5..], ["11:50 director round 2"]);
}

#[test]
fn on_an_acknowledged_ticket_the_chain_is_stopped_not_exhausted_and_expiry_starts_it_again() {
    let text = EXAMPLE
        .replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 2h")
        .replace("repeat: {times: 1, interval: 20m}\n", "");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:46");
    model.run_until(at("12:00"));
    let escalation = model.status().escalation.unwrap();
    assert_eq!(escalation.state, EscalationState::Stopped);
    model.run_until(at("12:46"));
    assert_eq!(pages(&model).last().unwrap(), "12:46 on-call round 2");
    assert!(
        !notices(&model)
            .iter()
            .any(|line| line.contains("Exhausted"))
    );
}

#[test]
fn a_revocation_starts_a_stopped_chain_again() {
    let text = EXAMPLE.replace("repeat: {times: 1, interval: 20m}\n", "");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:46");
    model.edit_at(at("10:55"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    model.run_until(at("10:56"));
    assert_eq!(pages(&model).last().unwrap(), "10:55 on-call round 2");
}

#[test]
fn a_restart_has_the_full_number_of_rounds_and_repeats_again() {
    let mut model = example();
    acknowledge(&mut model, "11:51");
    model.run_until(at("15:00"));
    let lines = pages(&model);
    let rounds: Vec<_> = lines[10..]
        .iter()
        .filter(|line| line.contains("on-call round"))
        .collect();
    assert_eq!(rounds, ["12:21 on-call round 3", "13:26 on-call round 4"]);
    let repeats = lines[10..].iter().filter(|line| line.contains("repeat 2"));
    assert_eq!(repeats.count(), 2);
}

#[test]
fn the_start_of_a_round_is_written_once() {
    let mut model = example();
    model.run_until(at("10:40"));
    let escalation = model.status().escalation.unwrap();
    assert_eq!(escalation.start_time.unwrap().0, at("10:00"));
    model.run_until(at("11:21"));
    let escalation = model.status().escalation.unwrap();
    assert_eq!(escalation.start_time.unwrap().0, at("11:05"));
}

#[test]
fn the_row_is_the_steps_that_apply_to_the_severity() {
    let text = EXAMPLE.replace(
        "- {name: manager,",
        "- {name: manager, severities: [Critical],",
    );
    let mut model = with_policy(&text);
    model.run_until(at("10:49"));
    assert_eq!(pages(&model)[3..], ["10:30 director round 1"]);
}

#[test]
fn without_an_acknowledgement_timeout_it_never_expires() {
    let text = EXAMPLE.replace(", acknowledgementTimeout: 30m", "");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:07");
    model.run_until(at("20:00"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(model.status().acknowledge_expiry_time, None);
}

#[test]
fn the_clocks_of_a_level_run_in_its_calendar() {
    let text = EXAMPLE
        .replace("level: High, responseTarget: 15m,", "level: High, calendar: late, responseTarget: 15m, resolutionTarget: 8h,")
        .replace("connectors:", "calendars:\n- {name: late, timeZone: UTC, windows: [{days: [Mon, Tue], from: \"10:40\", to: \"18:00\"}]}\nconnectors:");
    let mut model = with_policy(&text);
    model.run_until(at("10:56"));
    let targets = model.status().targets.unwrap();
    assert_eq!(targets.response.breach_time.unwrap().0, at("10:55"));
    let next_day = at("11:20") + jiff::SignedDuration::from_hours(24);
    assert_eq!(targets.resolution.due_time.unwrap().0, next_day);
}

#[test]
fn a_resolved_ticket_closes_by_itself_after_close_after_and_without_it_by_people_only() {
    let text = EXAMPLE.replace("level: High,", "level: High, closeAfter: 2h,");
    let mut model = with_policy(&text);
    resolve(&mut model, "10:20");
    model.run_until(at("12:19"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    model.run_until(at("12:20"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(model.status().close_time.unwrap().0, at("12:20"));
    let mut by_people = example();
    resolve(&mut by_people, "10:20");
    by_people.run_until(at("10:00") + jiff::SignedDuration::from_hours(24 * 30));
    assert_eq!(by_people.status().phase, Some(Phase::Resolved));
}

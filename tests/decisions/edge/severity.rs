//! api.md section 5, rows "Severity raised" and "Severity lowered".

use super::{down_until, escalation, judge, resolution, response, take_back_resolution, told};
use crate::world::{
    EXAMPLE, acknowledge, at, await_vendor, example, notices, pages, resolve, ticket, with_policy,
};
use firebell::api::{
    EscalationState, Severity, Signal, SignalState, StartReason, StepResult, TargetState,
};
use firebell::testkit::model::{Answer, Model};

/// High is answered within 15 minutes and solved within 4 hours, Critical within 5 minutes and 1 hour.
fn both_targets() -> String {
    EXAMPLE
        .replace(
            "High, responseTarget: 15m",
            "High, responseTarget: 15m, resolutionTarget: 4h",
        )
        .replace(
            "Critical, responseTarget: 5m",
            "Critical, responseTarget: 5m, resolutionTarget: 1h",
        )
}

fn untriaged(text: &str) -> Model {
    let mut spec = ticket();
    spec.severity = None;
    spec.signal = Some(signal(Severity::High));
    Model::new(crate::world::policy(text), spec, at("10:00"))
}

fn signal(severity: Severity) -> Signal {
    Signal {
        state: SignalState::Firing,
        severity: Some(severity),
        time: None,
    }
}

#[test]
fn targets_are_recomputed_from_the_original_submit_time() {
    let mut model = with_policy(&both_targets());
    judge(&mut model, "10:02", Severity::Critical);
    model.run_until(at("10:03"));
    assert_eq!(response(&model).due_time.unwrap().0, at("10:05"));
    assert_eq!(resolution(&model).due_time.unwrap().0, at("11:00"));
}

#[test]
fn past_pauses_are_kept_when_targets_are_recomputed() {
    let mut model = with_policy(&both_targets());
    resolve(&mut model, "10:10");
    take_back_resolution(&mut model, "10:30");
    judge(&mut model, "10:40", Severity::Critical);
    model.run_until(at("10:41"));
    assert_eq!(resolution(&model).due_time.unwrap().0, at("11:20"));
}

#[test]
fn already_past_due_is_breached_once_with_the_reason_severity_raised() {
    let mut model = example();
    judge(&mut model, "10:07", Severity::Critical);
    judge(&mut model, "10:08", Severity::High);
    judge(&mut model, "10:09", Severity::Critical);
    model.run_until(at("10:10"));
    let clock = response(&model);
    assert_eq!(clock.state, TargetState::Breached);
    assert_eq!(clock.breach_time.unwrap().0, at("10:05"));
    assert_eq!(clock.reason.as_deref(), Some("SeverityRaised"));
    assert_eq!(told(&model, "ResponseBreached"), 1);
}

#[test]
fn a_clock_that_was_met_before_the_raise_keeps_its_verdict() {
    let mut model = example();
    acknowledge(&mut model, "10:06");
    judge(&mut model, "10:07", Severity::Critical);
    model.run_until(at("10:20"));
    let clock = response(&model);
    assert_eq!(clock.state, TargetState::Met);
    assert_eq!(clock.due_time.unwrap().0, at("10:15"));
}

#[test]
fn a_raised_severity_starts_a_new_round_of_the_new_row() {
    let text = EXAMPLE.replace(
        "- {name: manager,",
        "- {name: crisis, severities: [Critical], notify: [{contact: carol}]}\n- {name: manager,",
    );
    let mut model = with_policy(&text);
    judge(&mut model, "10:08", Severity::Critical);
    model.run_until(at("10:09"));
    assert_eq!(
        pages(&model)[2..],
        ["10:08 on-call round 2", "10:08 crisis round 2"]
    );
    assert_eq!(
        escalation(&model).start_reason,
        Some(StartReason::SeverityRaised)
    );
}

#[test]
fn who_was_reached_in_the_last_two_minutes_hears_the_new_severity_instead_of_a_page() {
    let mut model = example();
    judge(&mut model, "10:02", Severity::Critical);
    model.run_until(at("10:06"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    assert_eq!(notices(&model), ["10:02 SeverityNow alice"]);
    let steps = escalation(&model).steps;
    assert_eq!(
        (steps[0].result, steps[0].time.0),
        (StepResult::Fired, at("10:02"))
    );
    model.run_until(at("10:08"));
    let last = pages(&model).pop().unwrap();
    assert_eq!(
        last, "10:07 on-call repeat 1 round 2",
        "repeats and later steps are nobody's notice"
    );
}

#[test]
fn who_was_reached_longer_ago_is_paged_again() {
    let mut model = example();
    judge(&mut model, "10:02:01", Severity::Critical);
    model.run_until(at("10:03"));
    assert_eq!(pages(&model).last().unwrap(), "10:02:01 on-call round 2");
    assert_eq!(notices(&model), Vec::<String>::new());
}

#[test]
fn who_was_not_reached_is_paged_beside_one_who_was() {
    let text = EXAMPLE.replace(
        "notify: [{contact: alice}]",
        "notify: [{contact: alice}, {contact: bob}]",
    );
    let mut model = with_policy(&text);
    model.answer = Box::new(|name| match name {
        "bob" => Answer::Refuses,
        _other => Answer::Takes,
    });
    model.run_until(at("10:00:30"));
    model.answer = Box::new(|_| Answer::Takes);
    judge(&mut model, "10:01", Severity::Critical);
    model.run_until(at("10:02"));
    let mut got: Vec<_> = model
        .received
        .iter()
        .map(|got| (got.to.as_str(), got.kind.as_str()))
        .collect();
    got.sort_unstable();
    assert_eq!(
        got,
        [("alice", "Page"), ("alice", "SeverityNow"), ("bob", "Page")]
    );
}

#[test]
fn the_signal_raises_it_mid_chain_to_the_highest_it_ever_said() {
    let mut model = untriaged(EXAMPLE);
    for (clock, level) in [("10:08", Severity::Critical), ("10:09", Severity::Low)] {
        model.edit_at(at(clock), "signal", move |spec| {
            spec.signal = Some(signal(level));
        });
    }
    model.run_until(at("10:10"));
    assert_eq!(model.status().severity, Some(Severity::Critical));
    assert_eq!(pages(&model).last().unwrap(), "10:08 on-call round 2");
}

#[test]
fn a_resend_from_the_source_never_undoes_a_persons_triage() {
    let mut model = untriaged(EXAMPLE);
    judge(&mut model, "10:03", Severity::Low);
    model.edit_at(at("10:07"), "signal", |spec| {
        spec.signal = Some(signal(Severity::Critical));
    });
    model.run_until(at("10:08"));
    assert_eq!(model.status().severity, Some(Severity::Low));
    assert_eq!(escalation(&model).round, 1);
}

#[test]
fn a_raise_while_the_first_step_waits_counts_the_new_levels_initial_delay() {
    let text = EXAMPLE
        .replace("level: High,", "level: High, initialDelay: 30m,")
        .replace("level: Critical,", "level: Critical, initialDelay: 10m,");
    let mut early = with_policy(&text);
    judge(&mut early, "10:02", Severity::Critical);
    early.run_until(at("10:11"));
    assert_eq!(pages(&early), ["10:10 on-call round 2"]);
    let mut late = with_policy(&text);
    judge(&mut late, "10:20", Severity::Critical);
    late.run_until(at("10:21"));
    assert_eq!(pages(&late), ["10:20 on-call round 2"]);
}

#[test]
fn a_raise_seen_late_starts_its_round_when_it_was_written() {
    let mut model = example();
    judge(&mut model, "10:03", Severity::Critical);
    model.run_until(at("10:01"));
    down_until(&mut model, "10:12");
    model.run_until(at("10:12:30"));
    let escalation = escalation(&model);
    assert_eq!(escalation.round, 2);
    assert_eq!(escalation.start_time.unwrap().0, at("10:03:01"));
    assert_eq!(response(&model).breach_time.unwrap().0, at("10:05"));
    assert_eq!(response(&model).reason, None, "it was not due at the raise");
}

#[test]
fn an_acknowledgement_runs_by_the_new_row_from_when_it_was_given() {
    let text = EXAMPLE.replace(
        "level: Critical, responseTarget: 5m, acknowledgementTimeout: 30m",
        "level: Critical, acknowledgementTimeout: 10m",
    );
    let expiry = |clock: &str| {
        let mut model = with_policy(&text);
        acknowledge(&mut model, "10:02");
        judge(&mut model, clock, Severity::Critical);
        model.run_until(at(clock));
        model.status().acknowledge_expiry_time
    };
    assert_eq!(expiry("10:05").unwrap().0, at("10:12"));
    assert_eq!(expiry("10:20"), None, "it was over at the raise");
}

#[test]
fn a_lowered_severity_recomputes_targets_and_past_breaches_stay() {
    let mut model = example();
    judge(&mut model, "10:01", Severity::Critical);
    judge(&mut model, "10:08", Severity::High);
    model.run_until(at("10:09"));
    let clock = response(&model);
    assert_eq!(clock.due_time.unwrap().0, at("10:15"));
    assert_eq!(clock.breach_time.unwrap().0, at("10:05"));
    assert_eq!(clock.state, TargetState::Breached);
}

/// High: on-call, manager, director; Low: on-call, director.
fn shorter_low_row() -> String {
    EXAMPLE
        .replace("severities:\n", "severities:\n- {level: Low}\n")
        .replace(
            "- {name: manager,",
            "- {name: manager, severities: [High, Critical],",
        )
}

#[test]
fn the_chain_keeps_its_place_and_the_next_step_of_the_new_row_counts_from_there() {
    let mut model = with_policy(&shorter_low_row());
    judge(&mut model, "10:11", Severity::Low);
    model.run_until(at("10:31"));
    assert_eq!(
        pages(&model)[2..],
        ["10:10 on-call repeat 2 round 1", "10:30 director round 1"]
    );
    assert_eq!(escalation(&model).severity, Some(Severity::Low));
}

#[test]
fn the_next_step_of_the_new_row_is_never_due_before_the_change() {
    let text = shorter_low_row().replace(
        "- {name: director, after: 30m,",
        "- {name: deputy, after: 5m, severities: [Low], notify: [{contact: bob}]}\n- {name: director, after: 30m,",
    );
    let mut model = with_policy(&text);
    judge(&mut model, "10:14", Severity::Low);
    model.run_until(at("10:45"));
    assert_eq!(
        pages(&model)[3..],
        ["10:14 deputy round 1", "10:44 director round 1"]
    );
    assert_eq!(told(&model, "CaughtUp"), 0);
}

#[test]
fn a_next_round_of_the_new_row_is_never_due_before_the_change() {
    let text = shorter_low_row().replace("condition: NotResolved,", "severities: [High],");
    let mut model = with_policy(&text);
    judge(&mut model, "10:40", Severity::Low);
    model.run_until(at("10:41"));
    assert_eq!(pages(&model)[4..], ["10:40 on-call round 2"]);
}

#[test]
fn repeats_of_a_step_that_is_not_in_the_new_row_end() {
    let text = EXAMPLE
        .replace("severities:\n", "severities:\n- {level: Low}\n")
        .replace("- {name: on-call,", "- {name: on-call, severities: [High],");
    let mut model = with_policy(&text);
    judge(&mut model, "10:07", Severity::Low);
    model.run_until(at("10:16"));
    assert_eq!(pages(&model)[2..], ["10:15 manager round 1"]);
}

#[test]
fn a_level_that_is_only_recorded_stops_the_chain_and_a_raise_from_it_starts_again() {
    let text = EXAMPLE.replace(
        "severities:\n",
        "severities:\n- {level: Low, paging: RecordOnly}\n",
    );
    let mut model = with_policy(&text);
    judge(&mut model, "10:03", Severity::Low);
    judge(&mut model, "11:00", Severity::High);
    model.run_until(at("10:59"));
    assert_eq!(pages(&model).len(), 1);
    assert_eq!(escalation(&model).state, EscalationState::NotPaged);
    model.run_until(at("11:01"));
    assert_eq!(pages(&model)[1..], ["11:00 on-call round 2"]);
}

#[test]
fn the_first_page_of_a_ticket_that_was_only_recorded_counts_from_the_raise() {
    let text = EXAMPLE.replace(
        "severities:\n",
        "severities:\n- {level: Low, paging: RecordOnly}\n",
    );
    let mut spec = ticket();
    spec.severity = Some(Severity::Low);
    let mut model = Model::new(crate::world::policy(&text), spec, at("10:00"));
    judge(&mut model, "11:00", Severity::High);
    model.run_until(at("11:16"));
    assert_eq!(pages(&model)[0], "11:00 on-call round 1");
    assert_eq!(pages(&model).last().unwrap(), "11:15 manager round 1");
    assert_eq!(told(&model, "CaughtUp"), 0);
}

/// A High ticket waits 30 minutes before its first page, a Critical one 20.
fn delayed() -> Model {
    let text = EXAMPLE
        .replace("level: High,", "level: High, initialDelay: 30m,")
        .replace("level: Critical,", "level: Critical, initialDelay: 20m,");
    with_policy(&text)
}

#[test]
fn a_raise_while_a_hold_keeps_the_first_step_waiting_leaves_the_rest_of_the_delay_for_after_it() {
    let mut model = delayed();
    await_vendor(&mut model, "10:05", Some("10:15"));
    judge(&mut model, "10:10", Severity::Critical);
    model.run_until(at("10:31"));
    assert_eq!(pages(&model), ["10:30 on-call round 2"]);
    let mut long = delayed();
    await_vendor(&mut long, "10:05", Some("10:45"));
    judge(&mut long, "10:40", Severity::Critical);
    long.run_until(at("11:01"));
    assert_eq!(pages(&long), ["11:00 on-call round 2"]);
}

#[test]
fn a_raise_after_a_hold_counts_the_new_delay_without_the_held_time() {
    let mut model = delayed();
    await_vendor(&mut model, "10:05", Some("10:15"));
    judge(&mut model, "10:18", Severity::Critical);
    model.run_until(at("10:31"));
    assert_eq!(pages(&model), ["10:30 on-call round 2"]);
}

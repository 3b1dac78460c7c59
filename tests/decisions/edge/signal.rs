//! api.md section 5, row "Signal".

use super::{
    condition, down_until, escalation, is_true, response, take_back_resolution, told, validate,
};
use crate::world::{
    EXAMPLE, acknowledge, at, close, pages, policy, resolve, says, ticket, with_policy,
};
use firebell::api::{
    ClosureReason, EscalationState, Phase, Signal, SignalState, StepResult, TargetState, Time,
    ValidationResult,
};
use firebell::testkit::model::Model;

use SignalState::{Firing, Resolved};

fn waiting(span: &str) -> String {
    format!("{EXAMPLE}signal: {{onResolved: Resolve, resolveAfter: {span}}}\n")
}

fn with_validation() -> String {
    EXAMPLE.replace("level: High,", "level: High, validation: {required: true},")
}

/// A ticket whose source fires from the start.
fn firing(text: &str) -> Model {
    let mut spec = ticket();
    spec.signal = Some(Signal {
        state: Firing,
        severity: None,
        time: Some(Time(at("10:00"))),
    });
    Model::new(policy(text), spec, at("10:00"))
}

#[test]
fn on_a_level_that_pages_nobody_and_under_a_hold_from_the_start_the_end_of_the_source_resolves_in_its_time_too()
 {
    let records = EXAMPLE.replace("level: High,", "level: High, paging: RecordOnly,");
    let suspended = format!(
        "{EXAMPLE}maintenance: [{{name: works, fromTime: 2026-03-02T09:00:00Z, untilTime: 2026-03-02T12:00:00Z, by: bob}}]\n"
    );
    for text in [records, suspended] {
        let mut model = firing(&text);
        says(&mut model, "10:03", Resolved);
        model.run_until(at("10:09"));
        let resolved = model.status().resolve_time.map(|time| time.0);
        assert_eq!(resolved, Some(at("10:08")), "{text}");
    }
}

#[test]
fn until_resolve_after_steps_and_repeats_wait_then_the_ticket_is_resolved() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    model.run_until(at("10:07"));
    assert_eq!(escalation(&model).state, EscalationState::Held);
    assert_eq!(escalation(&model).next_step, None);
    let waits = model.status().waiting_for.unwrap();
    assert_eq!(waits.until.unwrap().0, at("10:08"));
    model.run_until(at("14:00"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    let status = model.status();
    assert_eq!(status.phase, Some(Phase::Resolved));
    assert_eq!(status.resolve_time.unwrap().0, at("10:08"));
    let entry = status
        .timeline
        .iter()
        .find(|entry| entry.kind == "Resolved")
        .unwrap();
    assert_eq!(entry.actor, None);
    assert!(entry.message.contains("by the signal"), "{}", entry.message);
    assert_eq!(escalation(&model).state, EscalationState::Stopped);
}

#[test]
fn then_it_is_resolved_acknowledged_or_not() {
    let mut model = firing(EXAMPLE);
    acknowledge(&mut model, "10:02");
    says(&mut model, "10:03", Resolved);
    model.run_until(at("10:09"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:08"));
}

#[test]
fn a_resolution_by_the_signal_waits_for_the_customer_where_the_policy_asks() {
    let mut model = firing(&with_validation());
    says(&mut model, "10:03", Resolved);
    model.run_until(at("10:09"));
    assert_eq!(model.status().phase, Some(Phase::AwaitingValidation));
}

#[test]
fn fires_again_meanwhile_the_newest_step_due_leaves_at_once_and_later_ones_keep_their_times() {
    let mut model = firing(&waiting("1h"));
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:20", Firing);
    model.run_until(at("10:46"));
    assert_eq!(
        pages(&model),
        [
            "10:00 on-call round 1",
            "10:20 manager round 1",
            "10:45 director round 1"
        ]
    );
    assert_eq!(told(&model, "CaughtUp"), 0);
    let mut later = firing(&waiting("1h"));
    says(&mut later, "10:03", Resolved);
    says(&mut later, "10:50", Firing);
    later.run_until(at("10:51"));
    assert_eq!(pages(&later)[1..], ["10:50 director round 1"]);
    let manager = escalation(&later).steps[1].clone();
    assert_eq!(
        (manager.result, manager.time.0),
        (StepResult::Skipped, at("10:15"))
    );
}

#[test]
fn fires_again_meanwhile_the_newest_repeat_due_leaves_at_once() {
    let mut model = firing(&waiting("1h"));
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:12", Firing);
    model.run_until(at("10:16"));
    assert_eq!(
        pages(&model)[1..],
        ["10:12 on-call repeat 2 round 1", "10:15 manager round 1"]
    );
}

#[test]
fn fires_again_before_anything_was_due_changes_no_time() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:01", Resolved);
    says(&mut model, "10:02", Firing);
    model.run_until(at("10:16"));
    let mut undisturbed = firing(EXAMPLE);
    undisturbed.run_until(at("10:16"));
    assert_eq!(pages(&model), pages(&undisturbed));
}

#[test]
fn a_next_round_due_in_the_wait_leaves_at_once_when_it_fires_again() {
    let mut model = firing(&waiting("2h"));
    says(&mut model, "10:50", Resolved);
    says(&mut model, "11:06", Firing);
    model.run_until(at("11:11"));
    assert_eq!(
        pages(&model)[5..],
        ["11:06 on-call round 2", "11:11 on-call repeat 1 round 2"]
    );
}

#[test]
fn a_resend_changes_nothing() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:01", Firing);
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:05", Resolved);
    model.run_until(at("10:02"));
    let writes = model.writes;
    let mut undisturbed = firing(EXAMPLE);
    undisturbed.run_until(at("10:02"));
    assert_eq!(writes, undisturbed.writes);
    model.run_until(at("10:09"));
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:08"));
}

#[test]
fn fires_again_reopens_a_resolved_ticket() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:30", Firing);
    model.run_until(at("10:31"));
    let status = model.status();
    assert_eq!(status.reopen_count, Some(1));
    assert_eq!(status.first_resolve_time.unwrap().0, at("10:08"));
    assert_eq!(status.phase, Some(Phase::Submitted));
    assert_eq!(pages(&model)[1..], ["10:30 on-call round 2"]);
}

#[test]
fn fires_again_reopens_a_ticket_that_awaits_validation() {
    let mut model = firing(&with_validation());
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:30", Firing);
    model.run_until(at("10:31"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    assert_eq!(pages(&model)[1..], ["10:30 on-call round 2"]);
}

#[test]
fn a_source_that_never_ceased_to_fire_reopens_nothing() {
    let mut model = firing(EXAMPLE);
    resolve(&mut model, "10:05");
    says(&mut model, "10:10", Firing);
    model.run_until(at("10:11"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert_eq!(model.status().reopen_count, None);
}

#[test]
fn with_ignore_the_signal_changes_nothing() {
    let text = format!("{EXAMPLE}signal: {{onResolved: Ignore}}\n");
    let mut model = firing(&text);
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:30", Firing);
    resolve(&mut model, "11:30");
    says(&mut model, "11:40", Resolved);
    says(&mut model, "11:50", Firing);
    let mut unheard = with_policy(&text);
    resolve(&mut unheard, "11:30");
    for one in [&mut model, &mut unheard] {
        one.run_until(at("12:00"));
    }
    assert_eq!(pages(&model), pages(&unheard));
    assert_eq!(model.writes, unheard.writes);
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert_eq!(condition(&model, "SourceStillFiring"), None);
}

#[test]
fn a_person_resolved_while_it_still_fires_a_condition_says_so() {
    let mut model = firing(EXAMPLE);
    resolve(&mut model, "10:05");
    says(&mut model, "10:09", Resolved);
    model.run_until(at("10:06"));
    assert!(is_true(&model, "SourceStillFiring"));
    model.run_until(at("10:10"));
    assert!(!is_true(&model, "SourceStillFiring"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
}

#[test]
fn that_condition_ends_with_a_reopening() {
    let mut model = firing(EXAMPLE);
    resolve(&mut model, "10:05");
    take_back_resolution(&mut model, "10:08");
    model.run_until(at("10:09"));
    assert!(!is_true(&model, "SourceStillFiring"));
    assert_eq!(pages(&model).last().unwrap(), "10:08 on-call round 2");
}

#[test]
fn for_a_closed_ticket_a_firing_reopens_nothing() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    close(&mut model, "10:10", ClosureReason::Completed);
    says(&mut model, "10:30", Firing);
    model.run_until(at("10:40"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(pages(&model).len(), 1);
}

#[test]
fn the_end_is_dated_by_the_source_within_creation_and_now() {
    let resolved_at = |said: &str| {
        let mut model = firing(EXAMPLE);
        let time = Some(Time(at(said)));
        model.edit_at(at("10:04"), "signal", move |spec| {
            let state = Resolved;
            spec.signal = Some(Signal {
                state,
                severity: None,
                time,
            });
        });
        model.run_until(at("10:30"));
        model.status().resolve_time.unwrap().0
    };
    assert_eq!(resolved_at("10:02"), at("10:07"));
    assert_eq!(resolved_at("09:00"), at("10:05"), "never before creation");
    assert_eq!(
        resolved_at("23:00"),
        at("10:09"),
        "never after it was written"
    );
}

#[test]
fn an_end_seen_late_resolves_at_its_own_time_and_pages_nobody_meanwhile() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    model.run_until(at("10:01"));
    down_until(&mut model, "10:40");
    model.run_until(at("10:41"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:08"));
    assert_eq!(
        response(&model).state,
        TargetState::Paused,
        "it ended before it was due"
    );
}

#[test]
fn fires_again_seen_late_after_the_wait_was_over_reopens_at_its_own_time() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:20", Firing);
    model.run_until(at("10:04"));
    down_until(&mut model, "10:25");
    model.run_until(at("10:26"));
    let status = model.status();
    assert_eq!(status.first_resolve_time.unwrap().0, at("10:08"));
    assert_eq!(status.reopen_count, Some(1));
    assert_eq!(escalation(&model).start_time.unwrap().0, at("10:20:01"));
}

#[test]
fn after_people_said_that_it_is_not_solved_the_source_must_report_the_end_anew() {
    let mut model = firing(&with_validation());
    says(&mut model, "10:03", Resolved);
    validate(&mut model, "10:10", ValidationResult::Rejected);
    says(&mut model, "11:00", Firing);
    says(&mut model, "11:01", Resolved);
    model.run_until(at("10:59"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    model.run_until(at("11:07"));
    assert_eq!(model.status().resolve_time.unwrap().0, at("11:06"));
}

#[test]
fn a_policy_that_comes_late_still_hears_the_source() {
    let mut model = firing(EXAMPLE);
    let index = std::mem::take(&mut model.policies);
    says(&mut model, "10:03", Resolved);
    model.run_until(at("10:05"));
    model.policies = index;
    model.run_until(at("10:09"));
    assert_eq!(pages(&model), Vec::<String>::new());
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:08"));
}

#[test]
fn a_signal_that_is_taken_away_ends_the_wait() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    model.edit_at(at("10:06"), "signal", |spec| spec.signal = None);
    model.run_until(at("10:16"));
    assert_eq!(
        pages(&model)[1..],
        [
            "10:06 on-call repeat 1 round 1",
            "10:10 on-call repeat 2 round 1",
            "10:15 manager round 1"
        ]
    );
}

#[test]
fn the_end_is_told_with_the_moment_at_which_it_resolves_and_a_firing_that_was_never_over_reopens_nothing()
 {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    model.run_until(at("10:04"));
    let notes = |model: &Model, reason: &str| -> Vec<String> {
        let told = model.told.iter().filter(|told| told.reason == reason);
        told.map(|told| told.note.clone()).collect()
    };
    let wanted = "The source reports the end; pages wait, resolved at 2026-03-02T10:08:00Z";
    assert_eq!(notes(&model, "SignalResolved"), [wanted]);
    let mut at_once = firing(&waiting("0s"));
    says(&mut at_once, "10:03", Resolved);
    at_once.run_until(at("10:04"));
    assert_eq!(at_once.status().phase, Some(Phase::Resolved));
    assert_eq!(told(&at_once, "SignalResolved"), 0, "nothing waits");

    let mut silent = with_policy(EXAMPLE);
    resolve(&mut silent, "10:02");
    says(&mut silent, "10:05", Firing);
    silent.run_until(at("10:10"));
    assert_eq!(silent.status().phase, Some(Phase::Resolved));
}

#[test]
fn facts_and_the_end_of_the_wait_that_are_seen_late_count_in_their_order() {
    let mut model = firing(EXAMPLE);
    says(&mut model, "10:03", Resolved);
    acknowledge(&mut model, "10:05");
    model.run_until(at("10:02"));
    model.down_until(at("10:20"));
    model.run_until(at("10:30"));
    let status = model.status();
    assert_eq!(status.resolve_time.unwrap().0, at("10:08"));
    assert_eq!(status.acknowledge_time.unwrap().0, at("10:05"));
}

#[test]
fn when_it_fires_again_the_newest_step_leaves_though_an_earlier_one_would_have_repeated_since() {
    let text = waiting("30m").replace("times: 2}", "times: 8}");
    let mut model = firing(&text);
    says(&mut model, "10:12", Resolved);
    says(&mut model, "10:22", Firing);
    model.run_until(at("10:50"));
    assert_eq!(
        pages(&model)[3..],
        ["10:22 manager round 1", "10:45 director round 1"]
    );
}

#[test]
fn of_several_steps_due_in_the_wait_the_newest_leaves_alone() {
    let text = waiting("30m").replace("times: 2}", "times: 8}");
    let mut model = firing(&text.replace("after: 30m", "after: 5m"));
    says(&mut model, "10:12", Resolved);
    says(&mut model, "10:28", Firing);
    model.run_until(at("10:40"));
    assert_eq!(pages(&model)[3..], ["10:28 director round 1"]);
}

//! Where the chain starts and stands after its row or policy changed, and what leaves under which arm (api.md sections
//! 3.1 and 5).

use super::world::{
    EXAMPLE, acknowledge, ask, at, example, notices, pages, policy, ticket, with_policy,
};
use firebell::api::{
    Acknowledgement, Assignment, Escalation, EscalationState, Severity, StartReason, StepResult,
};
use firebell::domain::decide::decide;
use firebell::domain::next::Next;
use firebell::domain::observed::Settings;
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

fn judge(model: &mut Model, clock: &str, level: Severity) {
    model.edit_at(at(clock), "severity", move |spec| {
        spec.severity = Some(level);
    });
}

fn chain(model: &Model) -> Escalation {
    model.status().escalation.unwrap()
}

/// The steps on record and what became of each.
fn results(chain: &Escalation) -> Vec<(&str, StepResult)> {
    let steps = chain.steps.iter();
    steps
        .map(|step| (step.name.as_str(), step.result))
        .collect()
}

fn told<'m>(model: &'m Model, reason: &str) -> Vec<&'m str> {
    let told = model.told.iter().filter(|told| told.reason == reason);
    told.map(|told| told.note.as_str()).collect()
}

fn low(text: &str) -> String {
    text.replace("severities:\n", "severities:\n- {level: Low}\n")
}

/// The example, but a Low ticket has no manager and its director follows 10 minutes after the step before.
fn shorter_low_row() -> String {
    low(EXAMPLE)
        .replace(
            "- {name: manager,",
            "- {name: manager, severities: [High, Critical],",
        )
        .replace(
            "- {name: director, after: 30m,",
            "- {name: director, after: 10m,",
        )
}

#[test]
fn the_end_of_the_chain_says_in_how_many_rounds_nobody_acknowledged() {
    let mut model = example();
    model.run_until(at("13:00"));
    let told = told(&model, "Exhausted");
    assert!(told[0].contains("in 2 round(s)"), "{told:?}");
}

#[test]
fn a_late_page_that_missed_nothing_beside_itself_catches_nothing_up() {
    let mut model = example();
    model.run_until(at("10:14"));
    model.down_until(at("10:16"));
    model.run_until(at("10:17"));
    assert_eq!(pages(&model)[3..], ["10:16 manager round 1"]);
    assert_eq!(told(&model, "CaughtUp"), Vec::<&str>::new());
}

#[test]
fn an_exhausted_chain_stays_as_it_ended_when_the_severity_is_lowered() {
    let mut model = with_policy(&low(EXAMPLE));
    model.run_until(at("13:00"));
    let before = chain(&model);
    assert_eq!(before.state, EscalationState::Exhausted);
    judge(&mut model, "13:01", Severity::Low);
    model.run_until(at("15:00"));
    assert_eq!(chain(&model), before);
}

#[test]
fn a_step_of_the_old_row_whose_time_was_over_keeps_the_chains_place() {
    let text = shorter_low_row();
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:12");
    judge(&mut model, "10:20", Severity::Low);
    model.run_until(at("10:26"));
    assert_eq!(pages(&model).last().unwrap(), "10:25 director round 1");
    let chain = chain(&model);
    assert_eq!(
        results(&chain),
        [
            ("on-call", StepResult::Fired),
            ("manager", StepResult::Skipped),
            ("director", StepResult::Fired)
        ]
    );
}

#[test]
fn all_steps_that_are_due_at_the_change_of_the_row_page_then() {
    let deputies = "- {name: deputy, after: 5m, severities: [Low], notify: [{contact: bob}]}\n- {name: second, severities: [Low], notify: [{contact: carol}]}\n- {name: manager,";
    let text = low(EXAMPLE).replace("- {name: manager,", deputies);
    let mut model = with_policy(&text);
    judge(&mut model, "10:14", Severity::Low);
    model.run_until(at("10:15"));
    assert_eq!(
        pages(&model)[3..],
        ["10:14 deputy round 1", "10:14 second round 1"]
    );
}

/// What a decision says at a moment when the severity was just lowered.
fn lowered(text: &str, acknowledged: bool) -> Next {
    let mut model = with_policy(text);
    if acknowledged {
        acknowledge(&mut model, "10:02");
    }
    model.run_until(at("10:12"));
    model.ticket.spec.severity = Some(Severity::Low);
    decide(&model.observe(), &Settings::default(), model.now)
}

#[test]
fn another_step_or_another_time_needs_an_arm_of_its_own_before_anything_leaves() {
    let deputy = "- {name: deputy, after: 5m, severities: [Low], notify: [{contact: bob}]}\n- {name: manager,";
    let other_step = low(EXAMPLE).replace("- {name: manager,", deputy);
    let next = lowered(&other_step, false);
    assert!(matches!(next, Next::Commit(_)), "{next:?}");
    let next = lowered(&shorter_low_row(), true);
    assert!(matches!(next, Next::Commit(_)), "{next:?}");
}

#[test]
fn who_was_spared_in_one_round_is_paged_in_the_next() {
    let text = EXAMPLE.replace("severities:\n", "severities:\n- {level: Medium}\n");
    let mut spec = ticket();
    spec.severity = Some(Severity::Medium);
    let mut model = Model::new(policy(&text), spec, at("10:00"));
    judge(&mut model, "10:01", Severity::High);
    judge(&mut model, "10:04", Severity::Critical);
    model.run_until(at("10:05"));
    assert_eq!(notices(&model), ["10:01 SeverityNow alice"]);
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:04 on-call round 3"]
    );
}

#[test]
fn only_a_raise_spares_those_who_were_just_reached() {
    let mut model = example();
    acknowledge(&mut model, "10:00:30");
    model.edit_at(at("10:01"), "acknowledgement", |spec| {
        spec.acknowledgement = None::<Acknowledgement>;
    });
    model.run_until(at("10:02"));
    assert_eq!(pages(&model)[1..], ["10:01 on-call round 2"]);
}

#[test]
fn a_recorded_ticket_that_pages_at_last_says_whether_it_was_raised() {
    let text = low(EXAMPLE).replace("{level: Low}", "{level: Low, paging: RecordOnly}");
    let mut spec = ticket();
    spec.severity = Some(Severity::Low);
    let mut model = Model::new(policy(&text), spec, at("10:00"));
    model.run_until(at("10:30"));
    judge(&mut model, "11:00", Severity::High);
    model.down_until(at("11:10"));
    model.run_until(at("11:11"));
    let raised = chain(&model);
    assert_eq!(raised.start_reason, Some(StartReason::SeverityRaised));
    assert_eq!(
        raised.start_time.unwrap().0,
        at("11:00:01"),
        "when it was raised"
    );
    let mut model = example();
    model.run_until(at("10:01"));
    assert_eq!(chain(&model).start_reason, Some(StartReason::Opened));
}

#[test]
fn a_chain_whose_first_page_is_due_at_the_raise_has_started_and_starts_again() {
    let text = EXAMPLE
        .replace("level: High,", "level: High, initialDelay: 30m,")
        .replace("level: Critical,", "level: Critical, initialDelay: 20m,");
    let mut model = with_policy(&text);
    judge(&mut model, "10:30", Severity::Critical);
    model.run_until(at("10:31"));
    let chain = chain(&model);
    assert_eq!(chain.start_reason, Some(StartReason::SeverityRaised));
    assert_eq!(chain.start_time.unwrap().0, at("10:30"));
}

#[test]
fn of_two_steps_that_open_at_once_the_earlier_of_the_row_pages_first() {
    let text = super::hours::late_manager().replace(
        "- {name: director, after: 15m,",
        "- {name: director, after: 5m, calendar: late,",
    );
    let mut model = with_policy(&text);
    model.run_until(at("10:41"));
    assert_eq!(
        pages(&model)[3..],
        ["10:40 manager round 1", "10:40 director round 1"]
    );
}

#[test]
fn a_step_that_is_pulled_forward_overtakes_one_that_waits_for_its_hours() {
    let text = super::hours::late_manager().replace(
        "- {name: director, after: 15m,",
        "- {name: director, after: 40m,",
    );
    let mut model = with_policy(&text);
    model.answer = Box::new(|name| match name {
        "alice" => Answer::Refuses,
        _other => Answer::Takes,
    });
    model.run_until(at("10:41"));
    assert_eq!(
        pages(&model),
        ["10:00 director round 1", "10:40 manager round 1"]
    );
}

#[test]
fn a_next_round_waits_for_the_repeats_that_a_skipped_last_step_had_planned() {
    let text = r#"
default: true
severities: [{level: High}]
connectors: [{name: hook, type: Webhook, address: "https://pager.example.com/"}]
contacts: [{name: alice, reach: [{connector: hook}]}]
steps:
- {name: first, condition: NotResolved, notify: [{contact: alice}]}
- {name: last, after: 15m, notify: [{contact: alice}], repeat: {every: 5m, times: 2}}
repeat: {times: 1, interval: 20m}
"#;
    let mut model = with_policy(text);
    acknowledge(&mut model, "10:10");
    model.edit_at(at("10:20"), "assignment", |spec| {
        let assignee = "carol".to_owned();
        let by = assignee.clone();
        spec.assignment = Some(Assignment {
            assignee,
            by,
            note: None,
        });
    });
    model.run_until(at("10:46"));
    assert_eq!(
        pages(&model),
        ["10:00 first round 1", "10:45 first round 2"]
    );
}

#[test]
fn a_page_that_left_in_the_very_moment_of_the_acknowledgement_is_on_record() {
    let mut model = example();
    model.answer = Box::new(|_| Answer::AnswersAfter(SignedDuration::from_millis(500)));
    model.run_until(at("10:15"));
    acknowledge(&mut model, "10:15");
    model.run_until(at("10:16"));
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    let steps = chain(&model).steps;
    let manager = steps.iter().find(|step| step.name == "manager").unwrap();
    assert_eq!(
        (manager.result, manager.time.0),
        (StepResult::Fired, at("10:15"))
    );
}

#[test]
fn a_page_of_an_acknowledged_ticket_is_written_with_its_result() {
    let mut model = example();
    acknowledge(&mut model, "10:30");
    model.answer = Box::new(|_| Answer::AnswersAfter(SignedDuration::from_millis(500)));
    model.run_until(at("10:44"));
    let writes = model.writes;
    model.run_until(at("10:45"));
    assert_eq!(pages(&model).last().unwrap(), "10:45 director round 1");
    assert_eq!(model.writes, writes, "its result is awaited");
}

#[test]
fn a_step_that_waits_for_its_hours_and_is_asked_for_fires_in_its_place_and_leaves_the_record_of_others()
 {
    let mut model = with_policy(&super::hours::late_manager());
    ask(&mut model, "10:35", "manager");
    model.run_until(at("10:36"));
    let chain = chain(&model);
    assert_eq!(
        results(&chain),
        [
            ("on-call", StepResult::Fired),
            ("manager", StepResult::Fired),
            ("director", StepResult::Fired)
        ]
    );
}

#[test]
fn a_single_request_is_refused_with_a_word_when_the_ticket_is_resolved() {
    let mut model = example();
    super::world::resolve(&mut model, "10:02");
    ask(&mut model, "10:03", "manager");
    model.run_until(at("10:04"));
    let told = told(&model, "RequestIgnored");
    assert!(told[0].contains("resolved or closed"), "{told:?}");
}

#[test]
fn a_chain_that_was_held_from_the_start_opens_with_the_release_also_where_it_was_raised_then() {
    let mut model = example();
    super::world::await_vendor(&mut model, "10:00", Some("10:30"));
    judge(&mut model, "10:30", Severity::Critical);
    model.run_until(at("10:31"));
    assert_eq!(chain(&model).start_reason, Some(StartReason::Opened));
}

#[test]
fn a_page_may_have_left_up_to_a_second_after_what_stops_it() {
    let recorded = |clock: &str| {
        let mut model = example();
        model.run_until(at("10:14"));
        acknowledge(&mut model, clock);
        model.down_until(at("10:20"));
        model.run_until(at("10:21"));
        let steps = chain(&model).steps;
        let mut fired = steps.iter().filter(|step| step.result == StepResult::Fired);
        fired.any(|step| step.name == "manager")
    };
    assert!(recorded("10:14:59"));
    assert!(!recorded("10:14:58"));
}

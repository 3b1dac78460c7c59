//! api.md section 5, row "Facts seen late".

use super::{condition, down_until, escalation, judge, response, told};
use crate::world::{EXAMPLE, acknowledge, at, close, example, pages, resolve, with_policy};
use firebell::api::{
    Acknowledgement, ClosureReason, EscalationState, Phase, Severity, TargetState,
};
use firebell::testkit::model::Model;

/// The operator is down from 10:01 to 10:40.
fn down(mut model: Model) -> Model {
    model.run_until(at("10:01"));
    down_until(&mut model, "10:40");
    model.run_until(at("10:41"));
    model
}

fn acknowledged_in(clock: &str, blocks: &'static str) -> Model {
    let mut model = example();
    model.edit_at(at(clock), blocks, |spec| {
        spec.acknowledgement = Some(Acknowledgement {
            by: "alice@example.com".into(),
            ..Acknowledgement::default()
        });
    });
    model
}

#[test]
fn an_acknowledgement_given_in_time_is_not_a_breach_however_late_it_is_seen() {
    let model = down(acknowledged_in("10:14", "acknowledgement"));
    assert_eq!(response(&model).state, TargetState::Met);
    assert_eq!(response(&model).met_time.unwrap().0, at("10:14"));
    assert_eq!(told(&model, "ResponseBreached"), 0);
    assert_eq!(model.status().acknowledge_time.unwrap().0, at("10:14"));
}

#[test]
fn an_acknowledgement_seen_late_expires_by_its_own_date() {
    let model = down(acknowledged_in("10:05", "acknowledgement"));
    assert_eq!(condition(&model, "Acknowledged").unwrap().reason, "Expired");
    assert_eq!(escalation(&model).start_time.unwrap().0, at("10:35"));
    assert_eq!(pages(&model)[1..], ["10:40 on-call round 2"]);
}

#[test]
fn a_breach_that_rests_on_an_entry_that_owns_more_says_so() {
    let model = down(acknowledged_in("10:20", "acknowledgement+severity"));
    let clock = response(&model);
    assert_eq!(clock.state, TargetState::Breached);
    assert_eq!(clock.reason.as_deref(), Some("UpperBound"));
    let message = condition(&model, "ResponseBreached").unwrap().message;
    assert!(message.contains("upper bound"), "{message}");
    let sure = down(acknowledged_in("10:20", "acknowledgement"));
    assert_eq!(response(&sure).state, TargetState::Breached);
    assert_eq!(response(&sure).reason, None);
}

#[test]
fn a_block_is_dated_never_before_creation_and_never_after_now() {
    let mut early = acknowledged_in("10:02", "acknowledgement");
    early.run_until(at("10:01"));
    early.edits.clear();
    for (written, dated) in [("09:00", "10:00"), ("23:00", "10:03")] {
        let mut model = acknowledged_in("10:02", "severity");
        model.run_until(at("10:02"));
        let entries = model.ticket.metadata.managed_fields.as_mut().unwrap();
        entries[0].time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(
            written,
        )));
        let fields = serde_json::json!({"f:spec": {"f:resolution": {}}});
        entries[0].fields_v1 = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1(
            fields,
        ));
        model.ticket.spec.resolution = Some(firebell::api::Resolution::default());
        model.now = at("10:03");
        model.run_until(at("10:03"));
        assert_eq!(model.status().resolve_time.unwrap().0, at(dated));
    }
}

#[test]
fn a_removal_is_dated_when_it_is_seen() {
    let mut model = example();
    acknowledge(&mut model, "10:00:30");
    model.edit_at(at("10:10"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    let model = down(model);
    assert_eq!(escalation(&model).start_time.unwrap().0, at("10:40"));
}

#[test]
fn facts_seen_together_count_in_the_order_of_their_dates() {
    let mut model = example();
    acknowledge(&mut model, "10:05");
    resolve(&mut model, "10:10");
    close(&mut model, "10:20", ClosureReason::Completed);
    let model = down(model);
    let status = model.status();
    assert_eq!(status.acknowledge_time.unwrap().0, at("10:05"));
    assert_eq!(status.resolve_time.unwrap().0, at("10:10"));
    assert_eq!(status.close_time.unwrap().0, at("10:20"));
    assert_eq!(response(&model).met_time.unwrap().0, at("10:05"));
    assert_eq!(status.phase, Some(Phase::Closed));
}

#[test]
fn a_target_that_was_missed_before_the_end_is_breached_however_late_that_is_seen() {
    let mut model = with_policy(EXAMPLE);
    close(&mut model, "10:20", ClosureReason::Cancelled);
    let closed = down(model);
    assert_eq!(response(&closed).breach_time.unwrap().0, at("10:15"));
    assert_eq!(escalation(&closed).state, EscalationState::Stopped);
}

#[test]
fn an_answer_that_was_in_time_is_judged_by_the_severity_of_its_time() {
    let mut model = example();
    acknowledge(&mut model, "10:06");
    judge(&mut model, "10:08", Severity::Critical);
    model.run_until(at("10:01"));
    model.down_until(at("10:20"));
    model.run_until(at("10:21"));
    let clock = response(&model);
    assert_eq!((clock.state, clock.breach_time), (TargetState::Met, None));
    assert_eq!(clock.due_time.unwrap().0, at("10:15"));
}

#[test]
fn what_comes_at_the_very_moment_of_its_target_is_in_time_and_a_closure_after_it_is_not() {
    let breached = |change: &dyn Fn(&mut Model)| {
        let mut model = example();
        change(&mut model);
        model.run_until(at("10:01"));
        model.down_until(at("10:40"));
        model.run_until(at("10:41"));
        response(&model).breach_time.map(|time| time.0)
    };
    assert_eq!(breached(&|model| acknowledge(model, "10:15")), None);
    let closed = |clock: &'static str| {
        breached(&move |model: &mut Model| close(model, clock, ClosureReason::Cancelled))
    };
    assert_eq!(closed("10:15"), None);
    assert_eq!(closed("10:20"), Some(at("10:15")));
}

#[test]
fn a_missed_target_says_which_and_what_was_missing() {
    let text = EXAMPLE.replace(
        "responseTarget: 15m,",
        "responseTarget: 15m, resolutionTarget: 1h,",
    );
    let mut model = with_policy(&text);
    model.run_until(at("11:30"));
    for (type_, wanted) in [
        (
            "ResponseBreached",
            "Response target missed: nobody had answered by 2026-03-02T10:15:00Z",
        ),
        (
            "ResolutionBreached",
            "Resolution target missed: it was not resolved by 2026-03-02T11:00:00Z",
        ),
    ] {
        assert_eq!(condition(&model, type_).unwrap().message, wanted);
    }
}

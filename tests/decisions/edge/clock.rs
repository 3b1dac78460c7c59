//! api.md section 5, row "Clock".

use crate::world::{EXAMPLE, at, pages, policy, says, ticket};
use firebell::api::SignalState;
use firebell::testkit::model::Model;

/// A ticket that says it was created at 10:05, seen at 10:00.
fn from_the_future() -> Model {
    let mut model = Model::new(policy(EXAMPLE), ticket(), at("10:05"));
    model.down_until(at("10:00"));
    model
}

#[test]
fn a_base_in_the_future_is_clamped_to_now() {
    let mut model = from_the_future();
    model.run_until(at("10:16"));
    assert_eq!(model.status().submit_time.unwrap().0, at("10:00"));
    assert_eq!(pages(&model)[0], "10:00 on-call round 1");
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
}

#[test]
fn a_base_is_written_once_and_later_looks_do_not_move_it() {
    let mut model = from_the_future();
    model.run_until(at("10:01"));
    model.down_until(at("10:04"));
    model.run_until(at("10:04:30"));
    assert_eq!(model.status().submit_time.unwrap().0, at("10:00"));
}

#[test]
fn a_signal_from_the_future_is_clamped_to_now() {
    let mut model = Model::new(policy(EXAMPLE), ticket(), at("10:00"));
    says(&mut model, "10:03", SignalState::Resolved);
    let edit = model.edits.remove(0);
    model.edits.push(firebell::testkit::model::Edit {
        time: at("10:01"),
        ..edit
    });
    model.run_until(at("10:30"));
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:06"));
}

#[test]
fn the_base_of_the_chain_is_the_creation_however_late_it_is_seen() {
    let mut model = Model::new(policy(EXAMPLE), ticket(), at("10:00"));
    model.down_until(at("10:02"));
    model.run_until(at("10:06"));
    assert_eq!(model.status().submit_time.unwrap().0, at("10:00"));
    assert_eq!(
        model.status().escalation.unwrap().start_time.unwrap().0,
        at("10:00")
    );
}

#[test]
fn the_time_that_a_source_says_it_began_moves_no_timer() {
    let mut spec = ticket();
    spec.source = Some(firebell::api::Source {
        start_time: Some(firebell::api::Time(at("08:00"))),
        ..firebell::api::Source::default()
    });
    let mut model = Model::new(policy(EXAMPLE), spec, at("10:00"));
    model.run_until(at("10:16"));
    assert_eq!(pages(&model)[0], "10:00 on-call round 1");
    assert_eq!(super::response(&model).due_time.unwrap().0, at("10:15"));
}

#[test]
fn a_deadline_between_two_milliseconds_is_met_at_once_and_not_asked_about_again_and_again() {
    let created = at("10:00") + jiff::SignedDuration::from_micros(400);
    let mut model = Model::new(policy(EXAMPLE), ticket(), created);
    model.run_until(at("10:06"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:05 on-call repeat 1 round 1"]
    );
}

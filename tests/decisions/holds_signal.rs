//! What a source says while a hold stands: api.md section 5, rows "Hold" and "Signal" together (docs/holds.md).

use super::world::{EXAMPLE, at, await_vendor, pages, policy, says, ticket};
use firebell::api::{Phase, Signal, SignalState, Time};
use firebell::testkit::model::Model;

use SignalState::{Firing, Resolved};

/// A ticket whose source fires from the start, held from then until then; quiet for 20 minutes = resolved.
pub fn held(from: &str, until: &str) -> Model {
    let mut spec = ticket();
    spec.signal = Some(Signal {
        state: Firing,
        severity: None,
        time: Some(Time(at("10:00"))),
    });
    let text = format!("{EXAMPLE}signal: {{onResolved: Resolve, resolveAfter: 20m}}\n");
    let mut model = Model::new(policy(&text), spec, at("10:00"));
    await_vendor(&mut model, from, Some(until));
    model
}

/// It is quiet from 10:03 on, held from 10:11 until 10:25, and fires again at 10:15.
pub fn fires_again() -> Model {
    let mut model = held("10:11", "10:25");
    says(&mut model, "10:03", Resolved);
    says(&mut model, "10:15", Firing);
    model
}

#[test]
fn what_fell_due_in_the_wait_leaves_with_the_end_of_the_hold_the_newest_alone_and_the_rest_shifts()
{
    let mut model = fires_again();
    model.run_until(at("11:00"));
    assert_eq!(
        pages(&model),
        [
            "10:00 on-call round 1",
            "10:25 on-call repeat 2 round 1",
            "10:29 manager round 1",
            "10:59 director round 1",
        ]
    );
}

#[test]
fn a_wait_that_began_and_ended_during_the_hold_moves_nothing_but_the_hold_does() {
    let mut model = held("10:06", "10:20");
    says(&mut model, "10:08", Resolved);
    says(&mut model, "10:12", Firing);
    model.run_until(at("10:30"));
    assert_eq!(
        pages(&model)[1..],
        [
            "10:05 on-call repeat 1 round 1",
            "10:24 on-call repeat 2 round 1",
            "10:29 manager round 1",
        ]
    );
}

#[test]
fn a_source_that_fires_again_after_the_hold_ends_a_wait_that_began_in_it() {
    let mut model = held("10:06", "10:20");
    says(&mut model, "10:08", Resolved);
    says(&mut model, "10:25", Firing);
    model.run_until(at("10:30"));
    assert_eq!(
        pages(&model)[2..],
        ["10:25 on-call repeat 2 round 1", "10:29 manager round 1",]
    );
}

#[test]
fn a_source_that_stays_quiet_resolves_a_held_ticket_in_its_time() {
    let mut model = held("10:06", "10:40");
    says(&mut model, "10:08", Resolved);
    model.run_until(at("10:29"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    assert_eq!(model.status().resolve_time.unwrap().0, at("10:28"));
}

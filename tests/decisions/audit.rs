//! The auditor's question, asked of what is written: nothing is found in a run without faults, and what is planted is.

use firebell::domain::audit::{Finding, look};
use firebell::domain::observed::Settings;
use firebell::testkit::model::Model;
use jiff::SignedDuration;

use crate::world::{acknowledge, at, example};

fn found(model: &Model) -> Finding {
    look(&model.observe(), &Settings::default(), model.now)
}

#[test]
fn every_ticket_waits_for_something_at_every_minute_of_a_run_without_faults() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    let mut moment = at("10:00");
    while moment < at("12:30") {
        moment += SignedDuration::from_secs(60);
        model.run_until(moment);
        assert_eq!(
            found(&model),
            Finding::Waits,
            "at {moment}: {:#?}",
            model.status()
        );
    }
}

#[test]
fn a_ticket_that_nobody_has_looked_at_is_undone() {
    assert_eq!(found(&example()), Finding::Undone);
}

#[test]
fn what_is_armed_in_the_past_is_undone() {
    let mut model = example();
    model.run_until(at("10:03"));
    assert_eq!(found(&model), Finding::Waits);
    model.now = at("10:06");
    assert_eq!(found(&model), Finding::Undone, "the repeat of 10:05");
}

#[test]
fn a_fact_that_nobody_has_acted_on_is_undone() {
    let mut model = example();
    model.run_until(at("10:03"));
    let mut ticket = model.ticket.clone();
    ticket.spec.acknowledgement = Some(firebell::api::Acknowledgement {
        by: "alice@example.com".to_owned(),
        ..firebell::api::Acknowledgement::default()
    });
    model.ticket = ticket;
    assert_eq!(found(&model), Finding::Undone);
}

//! The auditor's question, asked of what is written: nothing is found in a run without faults, and what is planted is.

use std::sync::Arc;

use firebell::api::{DeliveryState, Time};
use firebell::domain::audit::{Finding, is_marked, look, mark};
use firebell::domain::decide::decide;
use firebell::domain::next::{Next, Waiting};
use firebell::domain::observed::{Observed, Remembered, Settings};
use firebell::domain::telling::delivery::{DeliveryId, Progress};
use firebell::testkit::model::Model;
use jiff::{SignedDuration, Timestamp};

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

/// The example at 10:03, whose first page has been on its way since then.
fn being_sent(since: &str) -> Model {
    let mut model = example();
    model.run_until(at("10:03"));
    let status = model.ticket.status.as_mut().unwrap();
    let mut sent = status.deliveries.iter_mut();
    let sent = sent.find(|known| known.state == DeliveryState::Delivered);
    let sent = sent.unwrap();
    sent.state = DeliveryState::Sending;
    sent.time = Time(at(since));
    model
}

#[test]
fn what_is_written_as_being_sent_is_waited_for_for_five_minutes_and_is_then_undone() {
    let mut model = being_sent("09:58:30");
    model.now = at("10:03:29");
    assert_eq!(found(&model), Finding::Waits);
    model.now = at("10:03:30");
    assert_eq!(found(&model), Finding::Undone);
}

#[test]
fn what_only_this_process_knows_excuses_nothing_that_is_written() {
    let settings = Settings::default();
    let model = being_sent("09:58:30");
    let mut seen = model.observe();
    for known in &model.status().deliveries {
        let since = at("10:03");
        let on_its_way = Progress::InFlight { since, attempts: 1 };
        let id = DeliveryId::from_stored(&known.id);
        seen.outbox.insert(id, on_its_way);
    }
    assert_eq!(look(&seen, &settings, at("10:03:30")), Finding::Undone);

    let mut seen = example().observe();
    let answer = (Some(at("11:00")), Waiting::Deadline);
    seen.remembered = Remembered::of(&seen, &settings, at("10:00"), answer).map(Arc::new);
    assert_eq!(look(&seen, &settings, at("10:00")), Finding::Undone);
}

/// A ticket whose repeat of 10:05 has left and stands in no status yet.
fn handed_over(now: Timestamp) -> Observed {
    let mut model = example();
    model.run_until(at("10:03"));
    model.now = now;
    let mut seen = model.observe();
    let Next::Deliver(due) = decide(&seen, &Settings::default(), now) else {
        panic!("a repeat is due")
    };
    let attempts = 0;
    for delivery in due {
        let since = delivery.due;
        seen.outbox
            .insert(delivery.id, Progress::InFlight { since, attempts });
    }
    seen
}

#[test]
fn what_has_left_and_is_not_recorded_yet_stands_in_line() {
    let now = at("10:06");
    let found = look(&handed_over(now), &Settings::default(), now);
    assert_eq!(found, Finding::Unrecorded);
}

#[test]
fn what_stands_in_line_does_so_whatever_else_is_being_sent() {
    let now = at("10:06");
    let mut seen = handed_over(now);
    let status = Arc::make_mut(&mut seen.ticket).status.as_mut().unwrap();
    let first = &mut status.deliveries[0];
    first.state = DeliveryState::Sending;
    first.time = Time(at("10:03"));
    assert_eq!(look(&seen, &Settings::default(), now), Finding::Unrecorded);
}

#[test]
fn what_is_armed_and_has_left_stands_in_line() {
    let mut model = being_sent("10:00");
    let status = model.ticket.status.as_mut().unwrap();
    let first = &mut status.deliveries[0];
    first.state = DeliveryState::Armed;
    let id = DeliveryId::from_stored(&first.id);
    let mut seen = model.observe();
    assert_eq!(
        look(&seen, &Settings::default(), model.now),
        Finding::Undone
    );
    let since = at("10:03");
    seen.outbox
        .insert(id, Progress::InFlight { since, attempts: 0 });
    let found = look(&seen, &Settings::default(), model.now);
    assert_eq!(found, Finding::Unrecorded);
}

#[test]
fn what_has_left_five_minutes_ago_should_have_been_recorded() {
    let now = at("10:05") + SignedDuration::from_mins(5);
    let found = look(&handed_over(now), &Settings::default(), now);
    assert_eq!(found, Finding::Undone);
}

#[test]
fn a_ticket_says_that_it_was_forgotten_until_the_next_decision() {
    let mut model = example();
    model.run_until(at("10:03"));
    assert!(!is_marked(&model.observe()));
    model.ticket.status = mark(&model.observe(), model.now);
    assert!(is_marked(&model.observe()));
    model.run_until(at("10:06"));
    assert!(!is_marked(&model.observe()));
}

//! A decision to wait holds until its deadline: asked earlier about the same, it answers the same. Whoever sleeps until
//! the deadline therefore misses nothing, and an answer may be remembered as long as nothing that was seen changes.

use super::world::{acknowledge, at, close, example, resolve};
use firebell::api::ClosureReason;
use firebell::domain::decide::decide;
use firebell::domain::next::Next;
use firebell::domain::observed::Settings;
use firebell::testkit::model::Model;
use jiff::{SignedDuration, Timestamp};

/// Runs in steps of 90 s and asks, at each, again at moments up to the deadline that was answered.
fn stays_quiet(mut model: Model, end: Timestamp) {
    let settings = Settings::default();
    let mut waits = 0;
    while model.now < end {
        let now = model.now + SignedDuration::from_secs(90);
        model.run_until(now);
        let seen = model.observe();
        let answer = decide(&seen, &settings, now);
        let Next::Wait { until, .. } = &answer else {
            panic!("at {now} it should wait, not {answer:?}");
        };
        let until = until.unwrap_or(now + SignedDuration::from_hours(1000));
        let left = until.duration_since(now).as_millis() - 1;
        for part in 1..=20 {
            let moment = SignedDuration::from_millis_i128(left * part / 20);
            let again = decide(&seen, &settings, now + moment);
            assert_eq!(again, answer, "decided at {now}, asked {moment} later");
        }
        waits += 1;
    }
    assert!(waits > 10);
}

#[test]
fn a_chain_that_nobody_answers_is_quiet_between_its_deadlines() {
    stays_quiet(example(), at("14:00"));
}

#[test]
fn an_acknowledged_ticket_is_quiet_until_the_acknowledgement_expires() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    stays_quiet(model, at("11:42"));
}

#[test]
fn a_resolved_and_a_closed_ticket_are_quiet_until_they_are_archived() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    resolve(&mut model, "10:20");
    close(&mut model, "10:50", ClosureReason::Completed);
    stays_quiet(model, at("11:30"));
}

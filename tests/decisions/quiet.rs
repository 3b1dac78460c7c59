//! A decision to wait holds until its deadline: asked earlier about the same, it answers the same. Whoever sleeps until
//! the deadline therefore misses nothing, and an answer may be remembered as long as nothing that was seen changes.

use std::sync::Arc;

use super::world::{acknowledge, at, await_vendor, close, example, hold, resolve};
use firebell::api::{ClosureReason, HoldReason};
use firebell::domain::decide::decide;
use firebell::domain::next::Next;
use firebell::domain::observed::{Observed, Remembered, Settings};
use firebell::testkit::model::{Answer, Model};
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
fn a_held_ticket_is_quiet_until_its_hold_ends() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    await_vendor(&mut model, "10:10", Some("13:00"));
    hold(&mut model, "10:20", "bad", HoldReason::Other, None);
    stays_quiet(model, at("13:30"));
}

#[test]
fn a_resolved_and_a_closed_ticket_are_quiet_until_they_are_archived() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    resolve(&mut model, "10:20");
    close(&mut model, "10:50", ClosureReason::Completed);
    stays_quiet(model, at("11:30"));
}

/// What changes, and how.
type Change = (&'static str, fn(&mut Observed));

/// A ticket that waits, with the answer remembered, and until when it waits.
fn remembering(now: Timestamp) -> (Observed, Timestamp) {
    let mut model = example();
    model.run_until(now);
    let mut seen = model.observe();
    let settings = Settings::default();
    let answer = decide(&seen, &settings, now);
    let Next::Wait { until, what } = answer else {
        panic!("it should wait, not {answer:?}");
    };
    seen.remembered = Remembered::of(&seen, &settings, now, (until, what)).map(Arc::new);
    (seen, until.unwrap())
}

fn remembered(seen: &Observed, settings: &Settings, now: Timestamp) -> Option<Next> {
    let remembered = seen.remembered.as_ref().unwrap();
    let answer = remembered.answer(seen, settings, now);
    if let Some(answer) = &answer {
        assert_eq!(decide(seen, settings, now), *answer);
    }
    answer
}

#[test]
fn an_answer_to_wait_is_remembered_until_its_deadline_and_not_at_it() {
    let now = at("10:11");
    let (seen, until) = remembering(now);
    let settings = Settings::default();
    let mut fresh = seen.clone();
    fresh.remembered = None;
    let before = until - SignedDuration::from_millis(1);
    for moment in [now, before] {
        let answer = remembered(&seen, &settings, moment);
        assert_eq!(answer, Some(decide(&fresh, &settings, moment)));
    }
    assert_eq!(remembered(&seen, &settings, until), None);
    assert_eq!(
        decide(&seen, &settings, until),
        decide(&fresh, &settings, until)
    );
    let earlier = now - SignedDuration::from_secs(1);
    assert_eq!(
        remembered(&seen, &settings, earlier),
        None,
        "a clock set back"
    );
}

#[test]
fn a_remembered_answer_does_not_stand_once_anything_that_was_seen_is_another() {
    let now = at("10:11");
    let (seen, _) = remembering(now);
    let settings = Settings::default();
    assert!(remembered(&seen, &settings, now).is_some());
    let changes: [Change; 5] = [
        ("the ticket", |seen| {
            seen.ticket = Arc::new((*seen.ticket).clone());
        }),
        ("the policies", |seen| {
            seen.policies = Arc::new((*seen.policies).clone());
        }),
        ("other tickets", |seen| seen.others.duplicates += 1),
        ("the start of the process", |seen| {
            seen.first_seen += SignedDuration::from_secs(1);
        }),
        ("a delivery under way", |seen| {
            let mut model = example();
            model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_secs(9)));
            model.run_until(at("10:00:05"));
            seen.outbox = model.observe().outbox;
            assert!(!seen.outbox.is_empty());
        }),
    ];
    for (what, change) in changes {
        let mut seen = seen.clone();
        change(&mut seen);
        assert_eq!(remembered(&seen, &settings, now), None, "{what}");
    }
    let sooner = Settings {
        archive_after: SignedDuration::from_secs(1),
    };
    assert_eq!(remembered(&seen, &sooner, now), None, "the settings");
}

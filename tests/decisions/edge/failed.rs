//! api.md section 5, row "Delivery failed for good".

use crate::world::{EXAMPLE, at, example, pages, with_policy};
use firebell::testkit::model::Answer;
use jiff::SignedDuration;

#[test]
fn no_target_of_a_step_delivered_the_next_step_follows_at_once() {
    let mut model = example();
    model.answer = Box::new(|name| {
        if name == "alice" {
            Answer::Refuses
        } else {
            Answer::Takes
        }
    });
    model.run_until(at("10:01"));
    assert_eq!(pages(&model), ["10:00 manager round 1"]);
    model.run_until(at("10:46"));
    assert_eq!(
        pages(&model).last().unwrap(),
        "10:45 director round 1",
        "later nominal times stay"
    );
}

#[test]
fn a_slow_receiver_holds_nothing_up_and_its_late_refusal_still_pulls_the_next_step() {
    let mut model = example();
    let minute = SignedDuration::from_mins(1);
    model.answer = Box::new(move |name| {
        if name == "alice" {
            Answer::Dead(minute)
        } else {
            Answer::Takes
        }
    });
    model.run_until(at("10:02"));
    assert_eq!(pages(&model), ["10:01 manager round 1"]);
}

#[test]
fn on_the_last_step_a_budget_that_ended_is_renewed_under_the_same_id() {
    let text = EXAMPLE
        .replace("repeat: {times: 1, interval: 20m}", "")
        .replace("onExhausted: {after: 5m,", "onExhausted: {after: 3h,");
    let mut model = with_policy(&text);
    let until = at("11:00");
    let span = SignedDuration::from_secs(30);
    model.answer = Box::new(move |name| {
        if name == "carol" {
            Answer::Dead(span)
        } else {
            Answer::Takes
        }
    });
    model.run_until(until);
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:03"));
    let carol: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.to == "carol")
        .collect();
    assert_eq!(carol.len(), 1, "{:?}", model.status().deliveries);
    assert!(carol[0].time > until);
}

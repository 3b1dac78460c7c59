//! api.md section 5, row "Delivery failed for good". The contact's next way is the outbox's (`tests/outbox.rs`).

use super::{condition, is_true, told};
use crate::world::{EXAMPLE, acknowledge, at, example, pages, with_policy};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

/// One receiver never answers, the others take what comes.
fn dead(model: &mut Model, who: &'static str, span: SignedDuration) {
    model.answer = Box::new(move |name| {
        if name == who {
            Answer::Dead(span)
        } else {
            Answer::Takes
        }
    });
}

fn refuses(model: &mut Model, who: &'static str) {
    model.answer = Box::new(move |name| {
        if name == who {
            Answer::Refuses
        } else {
            Answer::Takes
        }
    });
}

/// The example with one round, which ends with the director; nobody is told of its end for long.
fn one_round(directors: &str) -> Model {
    let text = EXAMPLE
        .replace("repeat: {times: 1, interval: 20m}", "")
        .replace("notify: [{contact: carol}]", directors)
        .replace("onExhausted: {after: 5m,", "onExhausted: {after: 3h,");
    with_policy(&text)
}

fn of<'m>(model: &'m Model, who: &'m str) -> impl Iterator<Item = String> + 'm {
    let got = model.received.iter().filter(move |got| got.to == who);
    got.map(|got| got.id.clone())
}

#[test]
fn a_condition_and_a_warning_name_the_target_until_one_arrives() {
    let mut model = example();
    refuses(&mut model, "alice");
    model.run_until(at("10:00"));
    let known = model
        .told
        .iter()
        .find(|told| told.reason == "DeliveryFailed");
    let known = known.unwrap();
    assert!(
        known.warning && known.note.contains("contact/alice"),
        "{known:?}"
    );
    model.answer = Box::new(|_| Answer::Refuses);
    model.run_until(at("10:46"));
    assert!(!is_true(&model, "Delivered"));
    let words = condition(&model, "Delivered").unwrap();
    assert_eq!(words.reason, "DeliveryFailed");
    assert!(words.message.contains("contact/carol"), "{words:?}");
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:06"));
    assert!(is_true(&model, "Delivered"));
}

#[test]
fn no_target_of_a_step_delivered_the_next_step_follows_at_once() {
    let mut model = example();
    refuses(&mut model, "alice");
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
fn where_one_target_of_the_step_was_reached_the_next_step_keeps_its_time() {
    let text = EXAMPLE.replace(
        "notify: [{contact: alice}]",
        "notify: [{contact: alice}, {contact: carol}]",
    );
    let mut model = with_policy(&text);
    refuses(&mut model, "alice");
    model.run_until(at("10:14"));
    assert!(pages(&model).iter().all(|line| line.contains("on-call")));
}

#[test]
fn a_slow_receiver_holds_nothing_up_and_its_late_refusal_still_pulls_the_next_step() {
    let mut model = example();
    dead(&mut model, "alice", SignedDuration::from_mins(1));
    model.run_until(at("10:02"));
    assert_eq!(pages(&model), ["10:01 manager round 1"]);
}

#[test]
fn a_page_that_fails_after_the_acknowledgement_calls_nobody_else() {
    let mut model = example();
    dead(&mut model, "alice", SignedDuration::from_mins(1));
    acknowledge(&mut model, "10:00:30");
    model.run_until(at("10:10"));
    assert_eq!(pages(&model), Vec::<String>::new());
}

#[test]
fn on_the_last_step_a_budget_that_ended_is_renewed_each_minute_under_the_same_id_until_it_arrives()
{
    let mut model = one_round("notify: [{contact: carol}]");
    dead(&mut model, "carol", SignedDuration::from_secs(30));
    model.run_until(at("11:00"));
    assert!(
        told(&model, "DeliveryFailed") >= 9,
        "each minute and a half"
    );
    let armed: Vec<_> = model.status().deliveries.into_iter().collect();
    let armed = armed.iter().find(|known| known.target == "contact/carol");
    let id = armed.unwrap().id.clone();
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:03"));
    assert_eq!(of(&model, "carol").collect::<Vec<_>>(), [id]);
    model.run_until(at("12:00"));
    assert_eq!(
        of(&model, "carol").count(),
        1,
        "until one target is reached"
    );
}

#[test]
fn a_refusal_for_good_on_the_last_step_is_not_renewed() {
    let mut model = one_round("notify: [{contact: carol}]");
    refuses(&mut model, "carol");
    model.run_until(at("11:00"));
    assert_eq!(told(&model, "DeliveryFailed"), 1);
}

#[test]
fn one_reached_target_of_the_last_step_is_enough() {
    let mut model = one_round("notify: [{contact: carol}, {contact: bob}]");
    dead(&mut model, "carol", SignedDuration::from_secs(30));
    model.run_until(at("11:00"));
    assert_eq!(told(&model, "DeliveryFailed"), 1);
}

#[test]
fn it_is_renewed_only_while_the_condition_of_the_step_holds() {
    let mut model = one_round("notify: [{contact: carol}]");
    dead(&mut model, "carol", SignedDuration::from_secs(30));
    crate::world::resolve(&mut model, "10:50");
    model.run_until(at("10:52"));
    let failures = told(&model, "DeliveryFailed");
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:30"));
    assert_eq!(told(&model, "DeliveryFailed"), failures);
    let lines = pages(&model);
    assert!(
        !lines.iter().any(|line| line.contains("director")),
        "{lines:?}"
    );
}

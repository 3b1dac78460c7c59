//! api.md section 5, row "Delivery failed for good". The contact's next way is the outbox's (`tests/outbox.rs`).

use super::{condition, escalation, is_true, told};
use crate::hours::late_manager;
use crate::notices::told_everything;
use crate::world::{EXAMPLE, acknowledge, at, example, hold, pages, says, with_policy};
use firebell::api::{Audience, EscalationState, HoldReason, SignalState, Update};
use firebell::domain::next::Transition;
use firebell::domain::telling::delivery::FailureCause;
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

/// One receiver has the message for so long before it fails, whatever happens meanwhile.
fn fails_after(model: &mut Model, who: &'static str, span: SignedDuration, cause: FailureCause) {
    model.answer = Box::new(move |name| {
        if name == who {
            Answer::FailsAfter(span, cause)
        } else {
            Answer::Takes
        }
    });
}

/// A page to alice of 10:00 that fails for good at 10:03.
fn fails_at_three() -> Model {
    let mut model = example();
    let span = SignedDuration::from_mins(3);
    fails_after(&mut model, "alice", span, FailureCause::Refused);
    model
}

fn vendor(model: &mut Model, clock: &str, name: &str, until: &str) {
    hold(model, clock, name, HoldReason::AwaitingVendor, Some(until));
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
    model.run_until(at("10:01:30"));
    assert_eq!(pages(&model), ["10:01 manager round 1"]);
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("10:10"));
    assert_eq!(pages(&model).len(), 1, "another is called, so it is over");
}

#[test]
fn a_page_that_fails_after_the_acknowledgement_calls_nobody_else() {
    for answer in [
        Answer::Dead(SignedDuration::from_mins(1)),
        Answer::FailsAfter(SignedDuration::from_mins(1), FailureCause::Refused),
    ] {
        let mut model = example();
        model.answer = Box::new(move |_| answer);
        acknowledge(&mut model, "10:00:30");
        model.run_until(at("10:10"));
        let escalated = told(&model, "Escalated");
        assert_eq!(escalated, 1, "{answer:?}: {:?}", escalation(&model));
    }
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

#[test]
fn a_failure_under_a_hold_calls_the_next_step_as_soon_as_the_hold_is_over() {
    let mut model = fails_at_three();
    vendor(&mut model, "10:02", "vendor", "10:05");
    model.run_until(at("10:04"));
    let held = escalation(&model);
    assert_eq!(held.state, EscalationState::Held);
    assert_eq!(held.next_step.as_deref(), Some("manager"));
    model.run_until(at("10:06"));
    assert_eq!(pages(&model), ["10:05 manager round 1"]);
    model.run_until(at("10:49"));
    assert_eq!(
        pages(&model)[1..],
        ["10:48 director round 1"],
        "later steps are put off by the held time"
    );
}

#[test]
fn of_holds_that_overlap_the_last_end_calls_the_step_that_a_failure_pulled_forward() {
    for (first, second) in [("10:10", "other"), ("10:10", "vendor"), ("10:06", "other")] {
        let mut model = fails_at_three();
        vendor(&mut model, "10:02", "vendor", first);
        vendor(&mut model, "10:06", second, "10:20");
        model.run_until(at("10:19"));
        assert_eq!(escalation(&model).next_step.as_deref(), Some("manager"));
        model.run_until(at("10:21"));
        assert_eq!(pages(&model), ["10:20 manager round 1"], "{second}");
    }
}

#[test]
fn a_failure_in_the_very_moment_of_a_hold_calls_the_next_step_with_its_end() {
    let mut model = example();
    let span = SignedDuration::from_millis(500);
    fails_after(&mut model, "alice", span, FailureCause::Refused);
    vendor(&mut model, "10:00:00.5", "vendor", "10:05");
    model.run_until(at("10:06"));
    assert_eq!(pages(&model), ["10:05 manager round 1"]);
}

#[test]
fn an_acknowledgement_under_the_hold_calls_nobody_with_its_end() {
    let mut model = fails_at_three();
    vendor(&mut model, "10:02", "vendor", "10:10");
    acknowledge(&mut model, "10:05");
    model.run_until(at("10:06"));
    assert_eq!(escalation(&model).next_step, None);
    model.run_until(at("10:12"));
    assert_eq!(pages(&model), Vec::<String>::new());
}

#[test]
fn a_budget_that_ended_under_a_hold_on_the_last_step_is_renewed_after_it() {
    let mut model = one_round("notify: [{contact: carol}]");
    let span = SignedDuration::from_mins(3);
    fails_after(&mut model, "carol", span, FailureCause::BudgetEnded);
    vendor(&mut model, "10:46", "vendor", "10:55");
    model.run_until(at("10:50"));
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:00"));
    assert_eq!(of(&model, "carol").count(), 1);
}

#[test]
fn a_failure_while_the_source_is_quiet_calls_the_next_step_when_it_fires_again() {
    let mut model = fails_at_three();
    model.edit_at(at("10:00"), "signal", |spec| {
        spec.signal = Some(firebell::api::Signal {
            state: SignalState::Firing,
            severity: None,
            time: None,
        });
    });
    says(&mut model, "10:02", SignalState::Resolved);
    says(&mut model, "10:06", SignalState::Firing);
    model.run_until(at("10:05"));
    assert_eq!(pages(&model), Vec::<String>::new());
    model.run_until(at("10:14"));
    assert_eq!(pages(&model), ["10:06 manager round 1"]);
    assert_eq!(told(&model, "CaughtUp"), 0, "nothing was missed");
}

#[test]
fn a_step_that_a_failure_pulled_forward_is_not_called_outside_its_hours_after_the_hold() {
    let hours = late_manager().replace(
        "from: \"10:40\", to: \"18:00\"",
        "from: \"09:00\", to: \"10:10\"",
    );
    let mut model = with_policy(&hours);
    let span = SignedDuration::from_mins(3);
    fails_after(&mut model, "alice", span, FailureCause::Refused);
    vendor(&mut model, "10:02", "vendor", "10:12");
    model.run_until(at("11:00"));
    // The repeat of 10:15 fails at 10:18 and calls whoever may be called then.
    assert_eq!(pages(&model), ["10:18 director round 1"]);
}

#[test]
fn a_failure_pulls_nothing_before_a_step_that_is_overdue_though_its_hours_are_over() {
    let hours = late_manager()
        .replace(
            "from: \"10:40\", to: \"18:00\"",
            "from: \"09:00\", to: \"10:20\"",
        )
        .replace(", repeat: {every: 5m, times: 2}", "");
    let mut model = with_policy(&hours);
    let span = SignedDuration::from_mins(3);
    fails_after(&mut model, "alice", span, FailureCause::Refused);
    vendor(&mut model, "10:02", "part", "10:05");
    model.run_until(at("10:00"));
    // Asleep over the failure, the hold, the manager's time, which it puts off to 10:18, and the end of his hours.
    model.now = at("10:21");
    let writes = model.writes;
    model.run_until(at("10:21"));
    assert_eq!(pages(&model), ["10:21 manager round 1"]);
    assert_eq!(
        model.writes - writes,
        2,
        "one arms the manager, one records him"
    );
}

#[test]
fn a_failure_of_an_earlier_step_pulls_nothing_forward_once_a_later_one_was_called() {
    let text = EXAMPLE.replace(", repeat: {every: 5m, times: 2}", "");
    let mut model = with_policy(&text);
    let span = SignedDuration::from_mins(20);
    fails_after(&mut model, "alice", span, FailureCause::Refused);
    model.run_until(at("10:44"));
    assert_eq!(pages(&model), ["10:15 manager round 1"]);
}

#[test]
fn a_notice_that_fails_before_the_first_step_pulls_nothing_forward() {
    let text = told_everything().replace("level: High,", "level: High, initialDelay: 5m,");
    let mut model = with_policy(&text);
    refuses(&mut model, "room");
    model.edit_at(at("10:02"), "update", |spec| {
        spec.update = Some(Update {
            message: "looking".into(),
            audience: Audience::Internal,
            by: "bob".into(),
        });
    });
    model.run_until(at("10:06"));
    assert!(told(&model, "DeliveryFailed") > 0);
    assert_eq!(pages(&model), ["10:05 on-call round 1"]);
}

#[test]
fn a_renewal_that_a_hold_comes_before_leaves_after_the_hold() {
    let mut model = one_round("notify: [{contact: carol}]");
    dead(&mut model, "carol", SignedDuration::from_secs(30));
    vendor(&mut model, "10:46", "vendor", "10:55");
    model.run_until(at("10:46"));
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:00"));
    assert_eq!(of(&model, "carol").count(), 1);
}

#[test]
fn a_step_whose_repeat_is_under_way_is_not_given_up() {
    let mut model = example();
    let span = SignedDuration::from_mins(6);
    fails_after(&mut model, "alice", span, FailureCause::BudgetEnded);
    model.run_until(at("10:01"));
    // Asleep beyond the end of the first page and beyond the repeat of 10:05, which is taken.
    model.answer = Box::new(|_| Answer::AnswersAfter(SignedDuration::from_secs(5)));
    model.now = at("10:07");
    model.run_until(at("10:11"));
    let expected = [
        "10:07 on-call repeat 1 round 1",
        "10:10 on-call repeat 2 round 1",
    ];
    assert_eq!(pages(&model), expected);
    let failed = |told: &&Transition| told.reason == "DeliveryFailed";
    assert_eq!(model.told.iter().filter(failed).count(), 1);
}

#[test]
fn a_step_whose_repeat_fails_too_is_followed_by_the_next_one_at_once() {
    let mut model = example();
    let span = SignedDuration::from_mins(6);
    fails_after(&mut model, "alice", span, FailureCause::BudgetEnded);
    model.run_until(at("10:01"));
    let span = SignedDuration::from_secs(5);
    fails_after(&mut model, "alice", span, FailureCause::BudgetEnded);
    model.now = at("10:07");
    model.run_until(at("10:09"));
    assert_eq!(pages(&model), ["10:07:05 manager round 1"]);
}

#[test]
fn what_failed_is_followed_at_once_where_a_hold_was_over_before_it_was_seen() {
    let mut model = fails_at_three();
    vendor(&mut model, "10:00:30", "part", "10:02:30");
    model.run_until(at("10:00"));
    // Asleep over the whole hold and the failure of a page that is not on record yet.
    model.now = at("10:04");
    model.run_until(at("10:12"));
    assert_eq!(pages(&model), ["10:04 manager round 1"]);
}

#[test]
fn what_failed_before_a_hold_was_seen_that_had_begun_is_followed_with_its_release() {
    let mut model = fails_at_three();
    vendor(&mut model, "10:00:30", "part", "10:20");
    model.run_until(at("10:00"));
    // Asleep over the beginning of the hold and the failure of a page that is not on record yet.
    model.now = at("10:04");
    model.run_until(at("10:30"));
    assert_eq!(pages(&model), ["10:20 manager round 1"]);
}

/// A page of the last step, of 10:45, that ends so at 10:48; asleep until 10:49, so that its end is known before it is
/// on record.
fn ended_before_it_was_on_record(cause: FailureCause) -> Model {
    let mut model = one_round("notify: [{contact: carol}]");
    fails_after(&mut model, "carol", SignedDuration::from_mins(3), cause);
    model.run_until(at("10:45"));
    model.answer = Box::new(|_| Answer::Takes);
    model.now = at("10:49");
    model
}

#[test]
fn what_ran_out_of_time_on_the_last_step_before_it_was_on_record_is_tried_again_a_minute_later() {
    let mut model = ended_before_it_was_on_record(FailureCause::BudgetEnded);
    model.run_until(at("11:30"));
    assert_eq!(pages(&model).last().unwrap(), "10:50 director round 1");
    assert_eq!(of(&model, "carol").count(), 1);
}

#[test]
fn what_was_refused_on_the_last_step_before_it_was_on_record_is_not_tried_again() {
    let mut model = ended_before_it_was_on_record(FailureCause::Refused);
    model.run_until(at("11:30"));
    assert_eq!(of(&model, "carol").count(), 0);
    assert_eq!(told(&model, "DeliveryFailed"), 1);
}

#[test]
fn what_failed_in_a_store_that_was_put_back_is_called_at_its_time_all_the_same() {
    let mut model = example();
    model.answer = Box::new(|name| match name {
        "alice" => Answer::FailsAfter(SignedDuration::from_mins(1), FailureCause::Refused),
        _ => Answer::FailsAfter(SignedDuration::from_mins(3), FailureCause::BudgetEnded),
    });
    model.run_until(at("10:00:30"));
    let before = model.ticket.status.clone();
    // The manager is called early and fails at 10:04, of which the store knows nothing any more.
    model.run_until(at("10:02"));
    model.ticket.status = before;
    model.ticket.metadata.resource_version = Some("100".into());
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("10:16"));
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    assert_eq!(of(&model, "bob").count(), 1);
}

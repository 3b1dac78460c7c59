//! What is kept of each delivery in the status, and how long it is tried (delivery.md section 1).

use crate::notices::told_everything;
use crate::world::{EXAMPLE, acknowledge, at, example, with_policy};
use firebell::api::{DeliveryRecord, DeliveryState};
use firebell::testkit::model::{Answer, Model};
use jiff::{SignedDuration, Timestamp};

/// Until when the first message of a kind is tried.
fn tried_until(model: &Model, kind: &str) -> Option<Timestamp> {
    let mut received = model.received.iter();
    let first = received.find(|got| got.kind == kind).unwrap();
    first.delivery.retry_until
}

#[test]
fn a_page_is_tried_until_the_next_one_and_a_notice_as_long_as_its_budget_lasts() {
    let mut model = with_policy(&told_everything());
    acknowledge(&mut model, "10:07");
    model.run_until(at("10:08"));
    assert_eq!(tried_until(&model, "Page"), Some(at("10:05")));
    assert_eq!(tried_until(&model, "Acknowledged"), None);
}

#[test]
fn a_page_whose_next_one_is_due_already_has_the_whole_budget() {
    let mut model = with_policy(&EXAMPLE.replace("after: 15m", "after: 0s"));
    model.run_until(at("10:01"));
    assert_eq!(tried_until(&model, "Page"), None);
}

fn record(model: &Model, target: &str) -> DeliveryRecord {
    let mut known = model.status().deliveries.into_iter();
    known.find(|known| known.target == target).unwrap()
}

#[test]
fn the_record_says_how_often_a_delivery_was_tried_and_what_went_wrong() {
    let mut model = example();
    model.answer = Box::new(|name| match name {
        "alice" => Answer::Takes,
        "bob" => Answer::Refuses,
        _ => Answer::TakesAfter(SignedDuration::from_mins(1)),
    });
    model.edit_at(at("10:15:30"), "resolution", |spec| {
        spec.resolution = Some(firebell::api::Resolution {
            by: "bob".into(),
            ..firebell::api::Resolution::default()
        });
    });
    model.run_until(at("10:20"));
    let told = |target| {
        let record = record(&model, target);
        (record.state, record.attempts, record.message)
    };
    let delivered = (DeliveryState::Delivered, Some(1), None);
    assert_eq!(told("contact/alice"), delivered);
    let failed = (DeliveryState::Failed, Some(1), Some("refused".to_owned()));
    assert_eq!(told("contact/bob"), failed);
    let cancelled = (DeliveryState::Cancelled, None, None);
    assert_eq!(told("contact/carol"), cancelled);
}

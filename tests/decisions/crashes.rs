//! A crash at every point between two decisions, before and after each commit and send, in six scenarios.
//!
//! Invariants of delivery.md section 4: received at least once; at most once more per crash, same id; none later than
//! the stop; the same end as an undisturbed run; then no more writes.

use std::collections::BTreeMap;

use super::world::{acknowledge, at, close, example, resolve};
use firebell::api::{ClosureReason, EscalationRequest, TicketStatus};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

type Scenario = (&'static str, fn() -> Model);

fn scenarios() -> Vec<Scenario> {
    vec![
        ("nobody answers", example),
        ("acknowledged between steps", || {
            let mut model = example();
            acknowledge(&mut model, "10:07");
            model
        }),
        ("resolved and closed", || {
            let mut model = example();
            acknowledge(&mut model, "10:16");
            resolve(&mut model, "10:20");
            close(&mut model, "10:30", ClosureReason::Completed);
            model
        }),
        ("reopened", || {
            let mut model = example();
            resolve(&mut model, "10:07");
            model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
            acknowledge(&mut model, "10:33");
            model
        }),
        ("first receiver refuses", || {
            let mut model = example();
            model.answer = Box::new(|name| {
                if name == "alice" {
                    Answer::Refuses
                } else {
                    Answer::Takes
                }
            });
            model
        }),
        ("escalated on request", || {
            let mut model = example();
            model.edit_at(at("10:04"), "escalation", |spec| {
                let (at_least, page_again) = (Some("manager".to_owned()), Some("t1".to_owned()));
                let by = "bob".to_owned();
                spec.escalation = Some(EscalationRequest {
                    at_least,
                    page_again,
                    by,
                    note: None,
                    token: None,
                });
            });
            model
        }),
        ("slow receiver", || {
            let mut model = example();
            model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_millis(1500)));
            model
        }),
    ]
}

fn end() -> jiff::Timestamp {
    at("16:00")
}

fn counts(model: &Model) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for got in &model.received {
        *counts.entry(got.id.clone()).or_insert(0) += 1;
    }
    counts
}

/// What must be the same after a crash: everything but the bookkeeping of retries.
fn essence(status: TicketStatus) -> String {
    let escalation = status.escalation.unwrap_or_default();
    let steps: Vec<_> = escalation
        .steps
        .iter()
        .map(|step| (&step.name, step.result, step.repeat))
        .collect();
    let deliveries: std::collections::BTreeSet<_> = status
        .deliveries
        .iter()
        .map(|known| (&known.id, &known.target, format!("{:?}", known.state)))
        .collect();
    format!(
        "{:?} {:?} {} {steps:?} {deliveries:#?} {:?} {:?}",
        status.phase,
        escalation.state,
        escalation.round,
        status.acknowledge_time,
        status.resolve_time
    )
}

#[test]
fn a_crash_at_any_point_loses_nothing_and_repeats_at_most_once_under_the_same_id() {
    let mut swept = 0;
    for (name, scenario) in scenarios() {
        let mut clean = scenario();
        clean.run_until(end());
        assert!(
            clean.points > 4,
            "{name}: the clean run must have crash points"
        );
        let wanted = counts(&clean);
        assert!(
            wanted.values().all(|count| *count == 1),
            "{name}: no repeats without a fault"
        );
        for point in 1..=clean.points {
            let mut model = scenario();
            model.crash_at = Some(point);
            model.run_until(end());
            assert_eq!(model.crashes, 1, "{name}: point {point} must crash");
            let got = counts(&model);
            assert_eq!(
                got.keys().collect::<Vec<_>>(),
                wanted.keys().collect::<Vec<_>>(),
                "{name}: point {point}: the same ids, each at least once"
            );
            let repeats: usize = got.values().map(|count| count - 1).sum();
            assert!(
                got.values().all(|count| *count <= 2),
                "{name}: point {point}: {got:?}"
            );
            assert!(repeats <= wanted.len(), "{name}: point {point}");
            assert_eq!(
                essence(model.status()),
                essence(clean.status()),
                "{name}: point {point}: the same end"
            );
            let writes = model.writes;
            model.run_until(end() + SignedDuration::from_hours(2));
            assert_eq!(
                model.writes, writes,
                "{name}: point {point}: eventually stable"
            );
            swept += 1;
        }
    }
    assert!(
        swept > 200,
        "the sweep must be worth its name: {swept} points"
    );
}

#[test]
fn no_page_that_an_acknowledgement_stops_leaves_after_it_wherever_the_crash() {
    let mut clean = example();
    acknowledge(&mut clean, "10:07");
    clean.run_until(end());
    for point in 1..=clean.points {
        let mut model = example();
        acknowledge(&mut model, "10:07");
        model.crash_at = Some(point);
        model.run_until(at("10:36"));
        let late: Vec<_> = model
            .received
            .iter()
            .filter(|got| got.kind == "Page" && got.time > at("10:08"))
            .collect();
        assert!(late.is_empty(), "point {point}: {late:?}");
    }
}

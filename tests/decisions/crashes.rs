//! A crash at every point between two decisions, before and after each commit and send, in each scenario; and worlds
//! with a planted fault, which the very same checks must catch.
//!
//! Invariants of delivery.md section 4: (1) received at least once; (2) at most once more per crash, same id; (3) none
//! later than a second after the stop; (4) the same end as an undisturbed run; (5) then no more writes.

use std::collections::BTreeMap;

use super::world::{
    EXAMPLE, acknowledge, at, await_change, await_customer, await_vendor, close, example, lift,
    resolve, says, with_policy,
};
use firebell::api::{
    ClosureReason, DeliveryState, EscalationRequest, Severity, SignalState, TicketStatus,
};
use firebell::testkit::model::{Answer, Fault, Model};
use jiff::{SignedDuration, Timestamp};

struct Scenario {
    name: &'static str,
    build: fn() -> Model,
    /// From when to when no page may leave that an acknowledgement or resolution stops.
    quiet: Option<(&'static str, &'static str)>,
}

const fn scenario(
    name: &'static str,
    quiet: Option<(&'static str, &'static str)>,
    build: fn() -> Model,
) -> Scenario {
    Scenario { name, build, quiet }
}

const SCENARIOS: [Scenario; 11] = [
    scenario("nobody answers", None, example),
    scenario(
        "acknowledged between steps",
        Some(("10:07", "10:37")),
        || {
            let mut model = example();
            acknowledge(&mut model, "10:07");
            model
        },
    ),
    scenario(
        "acknowledged before the receiver's answer",
        Some(("10:15:01", "10:45")),
        || {
            let mut model = example();
            model.answer = Box::new(|_| Answer::AnswersAfter(SignedDuration::from_millis(500)));
            acknowledge(&mut model, "10:15:00.2");
            model
        },
    ),
    scenario("resolved and closed", Some(("10:16", "16:00")), || {
        let mut model = example();
        acknowledge(&mut model, "10:16");
        resolve(&mut model, "10:20");
        close(&mut model, "10:30", ClosureReason::Completed);
        model
    }),
    scenario("reopened", Some(("10:07", "10:30")), || {
        let mut model = example();
        resolve(&mut model, "10:07");
        model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
        acknowledge(&mut model, "10:33");
        model
    }),
    scenario("first receiver refuses", None, || {
        let mut model = example();
        model.answer = Box::new(|name| match name {
            "alice" => Answer::Refuses,
            _ => Answer::Takes,
        });
        model
    }),
    scenario("escalated on request", None, || {
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
    scenario(
        "notices, updates and a hand-over",
        Some(("11:40", "16:00")),
        super::notices::told_on_the_way,
    ),
    scenario("slow receiver", None, || {
        let mut model = example();
        model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_millis(1500)));
        model
    }),
    scenario("the source is quiet and fires again, twice", None, || {
        let mut model = example();
        for (clock, state) in [
            ("10:01", SignalState::Firing),
            ("10:13", SignalState::Resolved),
            ("10:16", SignalState::Firing),
            ("10:20", SignalState::Resolved),
            ("10:40", SignalState::Firing),
        ] {
            says(&mut model, clock, state);
        }
        model
    }),
    scenario("severity raised, lowered and raised", None, || {
        let mut model = example();
        for (clock, level) in [
            ("10:01", Severity::Critical),
            ("10:08", Severity::High),
            ("10:20", Severity::Critical),
        ] {
            model.edit_at(at(clock), "severity", move |spec| {
                spec.severity = Some(level);
            });
        }
        model
    }),
];

const WAITING: [Scenario; 4] = [
    scenario(
        "a step waits for its hours while a later one fires",
        None,
        || with_policy(&super::hours::late_manager()),
    ),
    scenario(
        "a step waits for its hours and is acknowledged before they begin",
        None,
        || {
            let mut model = with_policy(&super::hours::late_manager());
            acknowledge(&mut model, "10:35");
            model
        },
    ),
    scenario(
        "a step waits for its hours, which begin during a hold",
        None,
        || {
            let mut model = with_policy(&super::hours::late_manager());
            await_vendor(&mut model, "10:35", Some("10:50"));
            model
        },
    ),
    scenario(
        "the source fires again while the ticket is held",
        None,
        super::holds_signal::fires_again,
    ),
];

const HELD: [Scenario; 3] = [
    scenario(
        "held and released, one hold by its end and one by hand",
        None,
        || {
            let mut model = example();
            await_vendor(&mut model, "10:07", Some("10:20"));
            await_customer(&mut model, "10:18", Some("12:00"));
            lift(&mut model, "10:30", "customer");
            acknowledge(&mut model, "10:50");
            await_change(&mut model, "11:00", Some("11:40"));
            model
        },
    ),
    scenario("held while a slow receiver is paged", None, || {
        let mut model = example();
        let span = SignedDuration::from_secs(40);
        model.answer = Box::new(move |_| Answer::TakesAfter(span));
        await_vendor(&mut model, "10:05:20", Some("10:25"));
        model
    }),
    scenario(
        "maintenance before the first page and in the middle of the chain",
        None,
        || {
            let windows = [("09:00", "10:10"), ("10:20", "10:45")];
            let windows = windows.map(|(from, until)| {
                let (from, until) = (at(from), at(until));
                let name = until.as_second();
                format!("{{name: at-{name}, fromTime: '{from}', untilTime: '{until}', by: carol}}")
            });
            with_policy(&format!("{EXAMPLE}maintenance: [{}]\n", windows.join(", ")))
        },
    ),
];

fn end() -> Timestamp {
    at("16:00")
}

fn counts(model: &Model) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for got in &model.received {
        *counts.entry(got.id.clone()).or_insert(0) += 1;
    }
    counts
}

/// What must be the same after a crash: everything but the bookkeeping of retries, and whether a result that died with
/// its process was ever known.
fn essence(status: TicketStatus) -> String {
    let escalation = status.escalation.unwrap_or_default();
    let steps: Vec<_> = escalation
        .steps
        .iter()
        .map(|step| (&step.name, step.result, step.repeat))
        .collect();
    let sent = |state: DeliveryState| match state {
        DeliveryState::Unknown => DeliveryState::Delivered,
        known @ (DeliveryState::Armed
        | DeliveryState::Sending
        | DeliveryState::Delivered
        | DeliveryState::Failed
        | DeliveryState::Cancelled) => known,
    };
    let deliveries: std::collections::BTreeSet<_> = status
        .deliveries
        .iter()
        .map(|known| (&known.id, &known.target, format!("{:?}", sent(known.state))))
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

fn demand(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

/// Runs a disturbed world to its end and checks the invariants against the undisturbed one.
fn check(scenario: &Scenario, calm: &Model, mut model: Model) -> Result<(), String> {
    model.run_until(end());
    let (wanted, got) = (counts(calm), counts(&model));
    for id in wanted.keys() {
        demand(got.contains_key(id), || {
            format!("(1) {id} was never received")
        })?;
    }
    if let Some((from, until)) = scenario.quiet {
        let after = at(from) + SignedDuration::from_secs(1);
        let late = model.received.iter().find(|got| {
            let stopped = got
                .step
                .as_ref()
                .is_some_and(|(step, _)| step != "director");
            stopped && got.time > after && got.time < at(until)
        });
        demand(late.is_none(), || format!("(3) {late:?} was stopped"))?;
    }
    let early = model
        .received
        .iter()
        .find(|got| got.time < got.delivery.due);
    demand(early.is_none(), || {
        format!("{early:?} fired before its deadline")
    })?;
    for (id, count) in &got {
        demand(wanted.contains_key(id), || {
            format!("(2) {id} belongs to no message")
        })?;
        demand(*count <= 1 + model.crashes, || {
            format!("(2) {id} came {count} times")
        })?;
    }
    let (wanted, got) = (essence(calm.status()), essence(model.status()));
    demand(got == wanted, || {
        format!("(4) ended as {got} instead of {wanted}")
    })?;
    let writes = model.writes;
    model.run_until(end() + SignedDuration::from_hours(2));
    demand(model.writes == writes, || {
        format!("(5) {} more writes", model.writes - writes)
    })
}

/// Checks a world without a crash and with one at every point; how many crashes that were.
fn sweep(scenario: &Scenario, fault: Option<Fault>) -> Result<usize, String> {
    let build = || {
        let mut model = (scenario.build)();
        model.fault = fault;
        model
    };
    let mut calm = (scenario.build)();
    calm.run_until(end());
    check(scenario, &calm, build()).map_err(|what| format!("without a crash: {what}"))?;
    let mut whole = build();
    whole.run_until(end());
    for point in 1..=whole.points {
        let mut model = build();
        model.crash_at = Some(point);
        check(scenario, &calm, model).map_err(|what| format!("crash at {point}: {what}"))?;
    }
    Ok(whole.points)
}

#[test]
fn a_crash_at_any_point_loses_nothing_and_repeats_at_most_once_under_the_same_id() {
    let mut swept = 0;
    for scenario in SCENARIOS.iter().chain(&HELD).chain(&WAITING) {
        swept += sweep(scenario, None).unwrap_or_else(|what| panic!("{}: {what}", scenario.name));
    }
    assert!(
        swept > 200,
        "the sweep must be worth its name: {swept} points"
    );
}

/// Each row: what is wrong with the world, and the invariant that it breaks first in some scenario.
const PLANTED: [(Fault, &str); 10] = [
    (Fault::SaysDeliveredUnsent, "(1)"),
    (Fault::DropsOpenDeliveries, "(1)"),
    (Fault::RestartIgnoresArmed, "(1)"),
    (Fault::IdsOfTheProcess, "(1)"),
    (Fault::OutboxForgets, "(2)"),
    (Fault::SendsTwiceAfterRestart, "(2)"),
    (Fault::WritesBehind, "(1)"),
    (Fault::SeesLate(SignedDuration::from_secs(200)), "(3)"),
    (Fault::RestartForgetsSteps, "(4)"),
    (Fault::Meddler, "(5)"),
];

#[test]
fn the_sweep_catches_each_planted_fault_by_the_invariant_that_it_breaks() {
    for (fault, invariant) in PLANTED {
        let mut said = Vec::new();
        let caught = SCENARIOS.iter().any(|scenario| {
            said.push(sweep(scenario, Some(fault)));
            let what = said.last().and_then(|known| known.as_ref().err());
            what.is_some_and(|what| what.contains(invariant))
        });
        assert!(caught, "{fault:?} should break {invariant}: {said:#?}");
    }
}

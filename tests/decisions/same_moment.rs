//! What falls on the very same moment, and when a severity changed (api.md section 5 "Facts seen late", "Severity
//! raised"; section 2.1).

use std::sync::Arc;

use firebell::api::{
    Acknowledgement, ClosureReason, EscalationState, Resolution, Severity, Signal, SignalState,
    TargetState, Time,
};
use firebell::domain::selection::PolicyIndex;
use firebell::testkit::model::Model;
use jiff::Timestamp;

use crate::world::{EXAMPLE, acknowledge, at, close, example, pages, ticket, with_policy};

fn alice() -> Acknowledgement {
    Acknowledgement {
        by: "alice@example.com".into(),
        ..Acknowledgement::default()
    }
}

fn signal(severity: Option<Severity>) -> Signal {
    Signal {
        state: SignalState::Firing,
        severity,
        time: None,
    }
}

/// When the timeline says that the severity changed.
fn changes(model: &Model) -> Vec<(Timestamp, String)> {
    let timeline = model.status().timeline.into_iter();
    let told = timeline.filter(|told| told.kind == "SeverityChanged");
    told.map(|told| (told.time.0, told.message)).collect()
}

#[test]
fn an_acknowledgement_at_the_moment_at_which_the_signal_resolves_still_counts() {
    let text = format!("{EXAMPLE}signal: {{onResolved: Resolve, resolveAfter: 5m}}\n");
    let mut model = with_policy(&text);
    model.edit_at(at("10:05"), "signal", |spec| {
        spec.signal = Some(Signal {
            state: SignalState::Resolved,
            severity: None,
            time: Some(Time(at("10:05"))),
        });
    });
    acknowledge(&mut model, "10:10");
    model.run_until(at("10:11"));
    let status = model.status();
    assert_eq!(status.resolve_time.unwrap().0, at("10:10"));
    assert_eq!(status.acknowledge_time.unwrap().0, at("10:10"));
}

#[test]
fn an_acknowledgement_beside_the_resolution_it_comes_with_is_no_mistake() {
    let mut model = example();
    model.edit_at(at("10:05"), "acknowledgement+resolution", |spec| {
        spec.acknowledgement = Some(alice());
        spec.resolution = Some(Resolution {
            by: "bob".into(),
            ..Resolution::default()
        });
    });
    model.run_until(at("10:06"));
    assert!(model.status().resolve_time.is_some());
    let ignored = |told: &firebell::domain::next::Transition| told.note.contains("ignored");
    assert!(!model.told.iter().any(ignored), "{:?}", model.told);
}

#[test]
fn an_answer_at_the_moment_at_which_the_severity_is_raised_is_judged_by_the_new_level() {
    let mut model = example();
    model.edit_at(at("10:06"), "acknowledgement+severity", |spec| {
        spec.acknowledgement = Some(alice());
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:07"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(clock.due_time.unwrap().0, at("10:05"));
    assert_eq!(clock.state, TargetState::Breached);
}

#[test]
fn a_ticket_closed_unresolved_missed_its_resolution_target_only_where_that_was_over_before() {
    let text = EXAMPLE.replace("level: High,", "level: High, resolutionTarget: 1h,");
    for (closed, missed, state) in [
        ("11:00", None, TargetState::Paused),
        ("11:05", Some(Time(at("11:00"))), TargetState::Breached),
    ] {
        let mut model = with_policy(&text);
        close(&mut model, closed, ClosureReason::Cancelled);
        model.run_until(at("10:50"));
        model.down_until(at("11:30"));
        model.run_until(at("11:31"));
        let clock = model.status().targets.unwrap().resolution;
        assert_eq!((clock.breach_time, clock.state), (missed, state));
    }
}

#[test]
fn a_severity_that_the_source_raised_counts_from_when_the_source_wrote_it() {
    let mut spec = ticket();
    spec.severity = None;
    let mut model = example();
    model.ticket.spec = spec;
    model.ticket.spec.signal = Some(signal(Some(Severity::High)));
    model.edit_at(at("10:02"), "signal", |spec| {
        spec.signal = Some(signal(Some(Severity::Critical)));
    });
    model.run_until(at("10:01"));
    model.down_until(at("10:10"));
    model.run_until(at("10:11"));
    let raised = "Severity raised from High to Critical".to_owned();
    assert_eq!(
        changes(&model),
        [("2026-03-02T10:02:01Z".parse().unwrap(), raised)]
    );
}

#[test]
fn a_severity_that_was_removed_changed_when_that_was_seen_whatever_the_source_wrote_before() {
    let mut model = example();
    model.ticket.spec.severity = Some(Severity::Critical);
    model.edit_at(at("10:02"), "signal", |spec| {
        spec.signal = Some(signal(None));
    });
    model.edit_at(at("10:05"), "severity", |spec| spec.severity = None);
    model.run_until(at("10:06"));
    let changes = changes(&model);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].0, at("10:05"));
}

#[test]
fn a_chain_without_a_policy_does_not_start_because_the_severity_is_raised() {
    let mut model = example();
    let policies = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
    model.edit_at(at("10:05"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:10"));
    let chain = model.status().escalation.unwrap();
    assert_eq!((chain.state, chain.round), (EscalationState::Blocked, 0));
    model.policies = policies;
    model.run_until(at("10:11"));
    assert_eq!(pages(&model), ["10:10 on-call round 1"]);
}

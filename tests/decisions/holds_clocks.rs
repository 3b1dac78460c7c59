//! Response and resolution clock under holds (api.md section 5, row "Hold").

use super::world::{acknowledge, at, await_vendor, hold, resolve, standing, with_policy};
use firebell::api::{HoldReason, TargetState};
use jiff::Timestamp;

pub const TARGETS: &str = r"
default: true
severities:
- {level: High, responseTarget: 15m, resolutionTarget: 1h}
connectors:
- {name: hook, type: Webhook, address: 'https://pager.example.com/'}
contacts:
- {name: alice, user: alice@example.com, reach: [{connector: hook}]}
steps:
- {name: on-call, notify: [{contact: alice}]}
";

#[test]
fn the_resolution_clock_stands_still_and_its_due_time_shifts() {
    let mut model = with_policy(TARGETS);
    acknowledge(&mut model, "10:05");
    await_vendor(&mut model, "10:20", Some("11:20"));
    model.run_until(at("11:10"));
    let clock = model.status().targets.unwrap().resolution;
    assert_eq!(
        (clock.state, clock.breach_time),
        (TargetState::Paused, None)
    );
    model.run_until(at("11:30"));
    let clock = model.status().targets.unwrap().resolution;
    assert_eq!(clock.due_time.unwrap().0, at("12:00"));
    assert_eq!(clock.paused_total.unwrap().as_str(), "1h");
    assert_eq!(clock.state, TargetState::Running);
    model.run_until(at("12:00"));
    let clock = model.status().targets.unwrap().resolution;
    assert_eq!(clock.breach_time.unwrap().0, at("12:00"));
}

#[test]
fn a_ticket_resolved_while_it_is_held_met_its_target() {
    let mut model = with_policy(TARGETS);
    acknowledge(&mut model, "10:05");
    await_vendor(&mut model, "10:20", Some("14:00"));
    resolve(&mut model, "12:00");
    model.run_until(at("15:00"));
    let status = model.status();
    let clock = status.targets.unwrap().resolution;
    assert_eq!((clock.state, clock.breach_time), (TargetState::Met, None));
    assert_eq!(
        status.holding.unwrap().since_time,
        None,
        "a resolved ticket is not held"
    );
    assert_eq!(standing(&model, "Held"), None);
}

#[test]
fn on_release_a_target_shifts_by_the_working_time_that_was_held() {
    let hours = "calendars:\n- {name: business, timeZone: UTC, windows: [{days: [Mon, Tue, Wed, Thu, Fri], from: '09:00', to: '12:00'}]}\n";
    let text = TARGETS.replace(
        "resolutionTarget: 1h",
        "resolutionTarget: 2h, calendar: business",
    );
    let mut model = with_policy(&format!("{hours}{text}"));
    acknowledge(&mut model, "10:05");
    await_vendor(&mut model, "11:30", Some("15:00"));
    model.run_until(at("16:00"));
    let clock = model.status().targets.unwrap().resolution;
    assert_eq!(
        clock.paused_total.unwrap().as_str(),
        "30m",
        "half an hour of the held time was working time"
    );
    let next_day: Timestamp = "2026-03-03T09:30:00Z".parse().unwrap();
    assert_eq!(clock.due_time.unwrap().0, next_day);
}

#[test]
fn the_response_clock_pauses_only_for_maintenance() {
    let mut model = with_policy(TARGETS);
    await_vendor(&mut model, "10:05", Some("11:00"));
    model.run_until(at("10:20"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(clock.breach_time.unwrap().0, at("10:15"));

    let mut model = with_policy(TARGETS);
    hold(
        &mut model,
        "10:05",
        "work",
        HoldReason::Maintenance,
        Some("11:00"),
    );
    model.run_until(at("10:20"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        (clock.state, clock.breach_time),
        (TargetState::Paused, None)
    );
    model.run_until(at("11:05"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        (clock.state, clock.due_time.unwrap().0),
        (TargetState::Running, at("11:10"))
    );
    model.run_until(at("11:11"));
    assert_eq!(
        model
            .status()
            .targets
            .unwrap()
            .response
            .breach_time
            .unwrap()
            .0,
        at("11:10")
    );
}

#[test]
fn an_answer_during_maintenance_meets_the_response_target() {
    let mut model = with_policy(TARGETS);
    hold(
        &mut model,
        "10:05",
        "work",
        HoldReason::Maintenance,
        Some("12:00"),
    );
    acknowledge(&mut model, "11:00");
    model.run_until(at("13:00"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!((clock.state, clock.breach_time), (TargetState::Met, None));
    assert_eq!(clock.paused_total.unwrap().as_str(), "55m");
}

#[test]
fn a_hold_that_becomes_maintenance_pauses_the_response_clock_from_then_on_and_one_that_ceases_to_be_no_longer()
 {
    let mut model = with_policy(TARGETS);
    hold(
        &mut model,
        "10:02",
        "work",
        HoldReason::Other,
        Some("13:00"),
    );
    hold(
        &mut model,
        "10:05",
        "work",
        HoldReason::Maintenance,
        Some("13:00"),
    );
    hold(
        &mut model,
        "10:45",
        "work",
        HoldReason::Other,
        Some("13:00"),
    );
    model.run_until(at("10:50"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        (clock.state, clock.due_time.unwrap().0),
        (TargetState::Running, at("10:55"))
    );
    assert_eq!(clock.paused_total.unwrap().as_str(), "40m");
}

#[test]
fn maintenance_after_the_answer_leaves_the_response_clock_alone() {
    let mut model = with_policy(TARGETS);
    acknowledge(&mut model, "10:05");
    hold(
        &mut model,
        "10:08",
        "work",
        HoldReason::Maintenance,
        Some("10:30"),
    );
    model.run_until(at("10:20"));
    assert_eq!(model.status().holding.unwrap().response_since_time, None);
    model.run_until(at("11:00"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!((clock.state, clock.paused_total), (TargetState::Met, None));
}

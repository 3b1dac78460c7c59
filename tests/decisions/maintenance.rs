//! Maintenance windows (api.md sections 3 and 3.1), in virtual time.

use super::world::{EXAMPLE, acknowledge, at, notices, pages, policy, standing, ticket};
use firebell::api::{EscalationState, TargetState, TicketSpec};
use firebell::domain::policy::ValidPolicy;
use firebell::testkit::model::Model;

fn windows(list: &str) -> String {
    format!("{EXAMPLE}maintenance: [{list}]\n")
        .replace("level: High, ", "level: High, initialDelay: 2m, ")
}

fn window(services: &str, from: &str, until: &str) -> String {
    windows(&format!(
        "{{name: move, services: [{services}], fromTime: '{}', untilTime: '{}', by: carol}}",
        at(from),
        at(until)
    ))
}

fn of_service(text: &str, service: Option<&str>) -> Model {
    let spec = TicketSpec {
        service: service.map(str::to_owned),
        ..ticket()
    };
    Model::new(policy(text), spec, at("10:00"))
}

#[test]
fn a_ticket_in_a_window_is_recorded_not_paged_and_its_chain_starts_at_the_end() {
    let mut model = of_service(&window("checkout", "09:00", "10:30"), Some("checkout"));
    model.run_until(at("10:29"));
    assert_eq!(pages(&model), Vec::<String>::new());
    let status = model.status();
    assert_eq!(status.escalation.unwrap().state, EscalationState::Held);
    assert!(
        status
            .waiting_for
            .unwrap()
            .what
            .contains("maintenance \"move\" by carol")
    );
    model.run_until(at("10:38"));
    assert_eq!(
        pages(&model),
        ["10:32 on-call round 1", "10:37 on-call repeat 1 round 1"]
    );
}

#[test]
fn a_ticket_that_is_over_before_the_window_pages_nobody() {
    let mut model = of_service(&window("checkout", "09:00", "10:30"), Some("checkout"));
    super::world::resolve(&mut model, "10:10");
    model.run_until(at("12:00"));
    assert_eq!(pages(&model), Vec::<String>::new());
}

#[test]
fn a_chain_that_runs_when_a_window_opens_freezes_and_those_paged_hear_of_it() {
    let mut model = of_service(&window("checkout", "10:09", "10:29"), Some("checkout"));
    model.run_until(at("10:38"));
    assert_eq!(
        pages(&model),
        [
            "10:02 on-call round 1",
            "10:07 on-call repeat 1 round 1",
            "10:32 on-call repeat 2 round 1",
            "10:37 manager round 1"
        ]
    );
    assert_eq!(notices(&model), ["10:09 Held alice", "10:29 Held alice"]);
}

#[test]
fn a_window_is_for_its_services_only_and_one_without_services_for_all() {
    let paged = |services: &str, service: Option<&str>| {
        let mut model = of_service(&window(services, "09:00", "10:30"), service);
        model.run_until(at("10:05"));
        !pages(&model).is_empty()
    };
    assert!(paged("checkout", Some("search")));
    assert!(paged("checkout", None));
    assert!(!paged("", Some("search")));
    assert!(!paged("", None));
}

#[test]
fn the_response_clock_pauses_during_a_window() {
    let mut model = of_service(&window("", "10:05", "11:00"), None);
    model.run_until(at("10:30"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        (clock.state, clock.breach_time),
        (TargetState::Paused, None)
    );
    model.run_until(at("11:01"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        (clock.state, clock.due_time.unwrap().0),
        (TargetState::Running, at("11:10"))
    );
}

#[test]
fn a_window_added_to_the_live_policy_reaches_running_tickets_and_one_taken_out_is_over() {
    let mut model = of_service(&windows(""), None);
    model.run_until(at("10:04"));
    let store = |model: &mut Model, generation: i64, text: &str| {
        let valid = ValidPolicy::check(policy(text)).policy.unwrap();
        model.store_policy(&format!("gold-{generation}"), generation, valid);
    };
    store(&mut model, 2, &window("", "10:04", "12:00"));
    model.run_until(at("10:14"));
    assert!(
        standing(&model, "Held")
            .unwrap()
            .contains("maintenance \"move\"")
    );
    store(&mut model, 3, &windows(""));
    model.run_until(at("10:18"));
    assert_eq!(
        pages(&model),
        ["10:02 on-call round 1", "10:17 on-call repeat 1 round 1"]
    );
}

#[test]
fn a_window_and_its_downtime_delay_nothing_twice() {
    let mut model = of_service(&window("", "10:05", "10:25"), None);
    model.run_until(at("10:04"));
    model.now = at("10:26");
    model.run_until(at("10:38"));
    assert_eq!(
        pages(&model)[1..],
        [
            "10:27 on-call repeat 1 round 1",
            "10:32 on-call repeat 2 round 1",
            "10:37 manager round 1"
        ],
        "the operator was down for the whole window: it still counts"
    );
}

#[test]
fn windows_and_holds_that_overlap_count_once() {
    let two = windows(&format!(
        "{{name: one, fromTime: '{}', untilTime: '{}', by: a}}, {{name: two, fromTime: '{}', untilTime: '{}', by: b}}",
        at("10:09"),
        at("10:20"),
        at("10:15"),
        at("10:24")
    ));
    let mut model = of_service(&two, None);
    super::world::hold(
        &mut model,
        "10:12",
        "vendor",
        firebell::api::HoldReason::Other,
        Some("10:29"),
    );
    acknowledge(&mut model, "10:40");
    model.run_until(at("10:38"));
    assert_eq!(
        pages(&model)[2..],
        ["10:32 on-call repeat 2 round 1", "10:37 manager round 1"]
    );
}

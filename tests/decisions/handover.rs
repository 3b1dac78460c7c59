//! The hand-over notice: who comes on duty in a rota that was called hears of the ticket.

use crate::world::{acknowledge, at, notices, pages, policy, resolve, with_policy};
use firebell::domain::policy::ValidPolicy;
use firebell::testkit::model::Model;

/// Shifts of two hours from 09:00 on; the first step calls the rota, the second one another.
const POLICY: &str = r#"
default: true
severities:
- {level: High}
connectors:
- {name: hook, type: Webhook, address: "https://pager.example.com/"}
contacts:
- {name: alice, user: alice@example.com, reach: [{connector: hook}]}
- {name: bob, reach: [{connector: hook}]}
- {name: carol, reach: [{connector: hook}]}
rotas:
- {name: first, timeZone: UTC, start: "2026-03-02T09:00", shift: {hours: 2}, members: [alice, bob]}
- {name: second, timeZone: UTC, start: "2026-03-02T09:00", shift: {hours: 1}, members: [carol, alice]}
steps:
- {name: on-call, notify: [{rota: first}]}
- {name: manager, after: 10h, notify: [{rota: second}]}
"#;

fn model() -> Model {
    with_policy(POLICY)
}

#[test]
fn the_next_member_of_a_called_rota_hears_of_each_open_ticket_at_the_change_of_shift() {
    let mut model = model();
    acknowledge(&mut model, "10:05");
    model.run_until(at("13:30"));
    assert_eq!(pages(&model), ["10:00 on-call round 1"]);
    assert_eq!(
        notices(&model),
        ["11:00 HandOver bob", "13:00 HandOver alice"]
    );
    let got = model
        .received
        .iter()
        .find(|got| got.kind == "HandOver")
        .unwrap();
    let data = &got.delivery.message.data;
    assert!(data.why.contains("rota \"first\""), "{}", data.why);
    assert!(
        data.why.contains("Acknowledged by alice@example.com"),
        "{}",
        data.why
    );
    assert_eq!(data.ticket.phase, "Acknowledged");
    assert!(data.next.is_some());
}

#[test]
fn a_resolved_ticket_is_handed_over_to_nobody() {
    let mut model = model();
    acknowledge(&mut model, "10:05");
    resolve(&mut model, "10:30");
    model.run_until(at("15:00"));
    assert_eq!(notices(&model), Vec::<String>::new());
    assert!(model.status().duties.is_empty());
}

#[test]
fn an_override_is_a_change_of_duty_too() {
    let text = POLICY.to_owned()
        + "overrides: [{name: swap, rota: first, member: carol, fromTime: 2026-03-02T10:30:00Z, untilTime: 2026-03-02T10:45:00Z, by: bob}]\n";
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:05");
    model.run_until(at("10:50"));
    assert_eq!(
        notices(&model),
        ["10:30 HandOver carol", "10:45 HandOver alice"]
    );
}

#[test]
fn an_override_written_while_the_ticket_is_open_hands_over_at_once() {
    let mut model = model();
    acknowledge(&mut model, "10:05");
    model.run_until(at("10:20"));
    let text = POLICY.to_owned()
        + "overrides: [{name: swap, rota: first, member: carol, fromTime: 2026-03-02T10:00:00Z, untilTime: 2026-03-02T12:00:00Z, by: bob}]\n";
    let valid = ValidPolicy::check(policy(&text)).policy.unwrap();
    model.store_policy("gold-2", 2, valid);
    model.run_until(at("10:21"));
    assert_eq!(notices(&model), ["10:20 HandOver carol"]);
}

#[test]
fn after_a_downtime_over_several_changes_only_the_present_member_hears_of_it() {
    let mut model = model();
    acknowledge(&mut model, "10:05");
    model.run_until(at("10:10"));
    model.now = at("15:30");
    model.run_until(at("15:31"));
    assert_eq!(notices(&model), ["15:30 HandOver bob"]);
    let mut records = model.status().deliveries.into_iter();
    let told = records.find(|known| known.kind.as_deref() == Some("HandOver"));
    let began = format!("first>bob@{}", at("15:00"));
    assert_eq!(told.unwrap().cause, Some(began), "when the duty began");
    let mut same = self::model();
    acknowledge(&mut same, "10:05");
    same.run_until(at("10:10"));
    same.now = at("13:30");
    same.run_until(at("13:31"));
    assert_eq!(notices(&same), Vec::<String>::new(), "alice has it already");
}

#[test]
fn whoever_the_next_step_has_just_called_needs_no_hand_over() {
    let text = POLICY.replace(
        "after: 10h, notify: [{rota: second}]",
        "after: 1h, notify: [{rota: first}]",
    );
    let mut model = with_policy(&text);
    model.run_until(at("11:30"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "11:00 manager round 1"]
    );
    assert_eq!(model.received[1].to, "bob");
    assert_eq!(notices(&model), Vec::<String>::new());
    assert_eq!(model.status().duties.len(), 1, "one rota, called twice");
}

//! People are live: a step pages whoever is on call when it is due, by the policy as it stands then (api.md section 3,
//! "Revisions"; delivery.md section 1, "a rota is asked for the step's due time").

use firebell::domain::policy::ValidPolicy;
use firebell::testkit::model::Model;

use super::world::{at, policy, with_policy};

/// Three steps on one rota, which hands over from alice to bob at 10:15 and to alice again at 11:15.
const POLICY: &str = r#"
default: true
connectors: [{name: hook, type: Webhook, address: "https://pager.example.com/"}]
contacts:
- {name: alice, reach: [{connector: hook}]}
- {name: bob, reach: [{connector: hook}]}
- {name: carol, reach: [{connector: hook}]}
rotas: [{name: first, timeZone: UTC, start: 2026-03-02T09:15, shift: {hours: 1}, members: [alice, bob]}]
steps:
- {name: one, notify: [{rota: first}]}
- {name: two, after: 15m, notify: [{rota: first}]}
- {name: three, after: 15m, notify: [{rota: first}]}
"#;

/// Who was paged by which step.
fn paged(model: &Model) -> Vec<String> {
    let pages = model.received.iter().filter(|got| got.kind == "Page");
    pages
        .map(|got| format!("{} {}", got.step.clone().unwrap().0, got.to))
        .collect()
}

fn edited(text: &str) -> ValidPolicy {
    ValidPolicy::check(policy(text)).policy.unwrap()
}

#[test]
fn a_step_that_is_due_at_a_hand_over_pages_whoever_comes() {
    let mut model = with_policy(POLICY);
    model.run_until(at("10:40"));
    assert_eq!(paged(&model), ["one alice", "two bob", "three bob"]);
}

#[test]
fn a_rota_that_is_edited_mid_chain_counts_from_the_next_step_on_although_the_steps_are_pinned() {
    let mut model = with_policy(POLICY);
    model.run_until(at("10:05"));
    let text = POLICY
        .replace("members: [alice, bob]", "members: [alice, carol]")
        .replace("name: two, after: 15m", "name: two, after: 1m");
    model.store_policy("gold-2", 2, edited(&text));
    model.run_until(at("10:14"));
    assert_eq!(paged(&model), ["one alice"], "the timetable is pinned");
    model.run_until(at("10:40"));
    assert_eq!(paged(&model), ["one alice", "two carol", "three carol"]);
    assert_eq!(model.status().policy.unwrap().revision, "gold-1");
}

#[test]
fn an_override_that_is_added_mid_chain_wins_while_it_lasts() {
    let mut model = with_policy(POLICY);
    model.run_until(at("10:05"));
    let text = format!(
        "{POLICY}overrides: [{{name: ill, rota: first, member: carol, fromTime: 2026-03-02T10:10:00Z, untilTime: 2026-03-02T10:30:00Z, by: bob}}]\n"
    );
    model.store_policy("gold-2", 2, edited(&text));
    model.run_until(at("10:40"));
    assert_eq!(paged(&model), ["one alice", "two carol", "three bob"]);
}

#[test]
fn a_rota_that_an_edit_drops_is_asked_as_it_was_pinned_so_that_nobody_is_forgotten() {
    let mut model = with_policy(POLICY);
    model.run_until(at("10:05"));
    let text = POLICY
        .replace("{rota: first}", "{contact: carol}")
        .lines()
        .filter(|line| !line.starts_with("rotas:"))
        .fold(String::new(), |text, line| text + line + "\n");
    model.store_policy("gold-2", 2, edited(&text));
    model.run_until(at("10:40"));
    assert_eq!(paged(&model), ["one alice", "two bob", "three bob"]);
}

#[test]
fn in_a_gap_the_step_reaches_nobody_and_the_next_one_follows_at_once() {
    let mut model = with_policy(POLICY);
    model.run_until(at("10:05"));
    let text = POLICY
        .replace("start: 2026-03-02T09:15", "start: 2026-03-02T11:00")
        .replace("rotas: [{name: first,", "rotas: [{name: second, timeZone: UTC, start: 2026-03-02T09:15, shift: {hours: 1}, members: [carol]}, {name: first,");
    model.store_policy("gold-2", 2, edited(&text));
    model.run_until(at("10:14"));
    let skipped = |model: &Model| {
        let told = model.told.iter();
        told.filter(|told| told.reason == "SkippedEmpty").count()
    };
    assert_eq!(skipped(&model), 0);
    model.run_until(at("10:16"));
    assert_eq!(paged(&model), ["one alice"]);
    assert_eq!(
        skipped(&model),
        2,
        "the second step and, at once, the third"
    );
}

#[test]
fn a_step_that_paged_and_whose_repeat_reaches_nobody_any_more_is_still_the_step_that_paged() {
    let text = POLICY.replace(
        "- {name: one, notify: [{rota: first}]}",
        "- {name: one, notify: [{rota: first}], repeat: {every: 5m, times: 1}}",
    );
    let mut model = with_policy(&text);
    model.run_until(at("10:03"));
    let gap = text
        .replace("start: 2026-03-02T09:15", "start: 2026-03-02T11:00")
        .replace("rotas: [{name: first,", "rotas: [{name: second, timeZone: UTC, start: 2026-03-02T09:15, shift: {hours: 1}, members: [carol]}, {name: first,");
    model.store_policy("gold-2", 2, edited(&gap));
    model.run_until(at("10:06"));
    let told = model.told.iter();
    let skipped = told.filter(|told| told.reason == "SkippedEmpty").count();
    assert_eq!(skipped, 0);
    let steps = model.status().escalation.unwrap().steps;
    assert_eq!((steps.len(), steps[0].repeat), (1, Some(1)));
}

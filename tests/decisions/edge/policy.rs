//! api.md section 5, row "Policy edited, deleted, invalid".

use super::{condition, escalation, is_true, told};
use crate::world::{EXAMPLE, at, example, notices, pages, resolve, with_policy};
use firebell::api::{EscalationState, PinRule, PolicyRef, Reporter, Severity};
use firebell::domain::policy::ValidPolicy;
use firebell::domain::selection::{LivePolicy, PolicyIndex};
use firebell::testkit::model::{Model, NAMESPACE};
use std::sync::Arc;

fn valid(text: &str) -> ValidPolicy {
    ValidPolicy::check(crate::world::policy(text))
        .policy
        .unwrap()
}

/// Stores another policy beside `gold`.
fn add_policy(model: &mut Model, name: &str, text: &str) {
    let mut index = (*model.policies).clone();
    let of = |name: &str| (NAMESPACE.to_owned(), name.to_owned());
    let revision = format!("{name}-1");
    index.revisions.insert(of(&revision), Arc::new(valid(text)));
    let live = LivePolicy {
        created: Some(model.now),
        generation: 1,
        revision: Some(revision),
        suspend: None,
        suspend_seen: None,
    };
    index.policies.insert(of(name), live);
    model.policies = Arc::new(index);
}

fn refer(model: &mut Model, clock: &str, name: &'static str) {
    model.edit_at(at(clock), "policyRef", move |spec| {
        let token = None;
        spec.policy_ref = Some(PolicyRef {
            name: name.into(),
            token,
        });
    });
}

/// Runs until a moment, then writes a reference to a policy with this text.
fn repinned(clock: &str, text: &str) -> Model {
    let mut model = example();
    model.run_until(at(clock));
    add_policy(&mut model, "silver", text);
    refer(&mut model, clock, "silver");
    model
}

#[test]
fn a_ticket_without_any_policy_is_blocked_and_runs_as_soon_as_one_appears() {
    let mut model = example();
    let index = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
    let missing = |model: &Model| model.told.iter().any(|told| told.reason == "PolicyMissing");
    model.run_until(at("10:00:01"));
    assert!(!missing(&model), "policies may come in a moment");
    model.run_until(at("10:00:02"));
    assert!(missing(&model));
    model.run_until(at("10:05"));
    let status = model.status();
    assert_eq!(status.escalation.unwrap().state, EscalationState::Blocked);
    assert!(
        model
            .told
            .iter()
            .any(|told| told.reason == "PolicyMissing" && told.warning)
    );
    model.policies = index;
    model.run_until(at("10:06"));
    assert_eq!(pages(&model), ["10:05 on-call round 1"]);
}

#[test]
fn a_ticket_says_on_which_policy_it_runs_and_why() {
    let message = |model: &Model| condition(model, "PolicyResolved").unwrap().message;
    let mut model = example();
    model.run_until(at("10:01"));
    let wanted = "Runs on policy \"gold\", revision gold-1 (the namespace's default)";
    assert_eq!(message(&model), wanted);
    let model = {
        let mut model = repinned("10:12", EXAMPLE);
        model.run_until(at("10:13"));
        model
    };
    let wanted = "Runs on policy \"silver\", revision silver-1 (named by `spec.policyRef`)";
    assert_eq!(message(&model), wanted);
}

#[test]
fn an_edited_policy_leaves_a_running_ticket_on_its_revision_but_corrects_its_people() {
    let mut model = example();
    model.run_until(at("10:01"));
    let edited = EXAMPLE.replace("after: 15m", "after: 16m").replace(
        "contacts:",
        "contacts:\n- {name: dave, reach: [{connector: hook}]}",
    );
    let valid = ValidPolicy::check(crate::world::policy(&edited))
        .policy
        .unwrap();
    model.store_policy("gold-2", 2, valid);
    model.run_until(at("10:15"));
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    let pin = model.status().policy.unwrap();
    assert_eq!(
        (pin.revision.as_str(), pin.latest_generation),
        ("gold-1", 2)
    );
}

#[test]
fn repinned_mid_way_the_chain_is_mapped_by_step_name_and_no_step_fires_twice_in_a_round() {
    let text = EXAMPLE.replace(
        "- {name: manager, after: 15m,",
        "- {name: lead, after: 20m, notify: [{contact: bob}]}\n- {name: manager, after: 10m,",
    );
    let mut model = repinned("10:12", &text);
    model.run_until(at("11:01"));
    assert_eq!(
        pages(&model)[3..],
        [
            "10:20 lead round 1",
            "10:30 manager round 1",
            "11:00 director round 1"
        ]
    );
    let mut reordered = repinned(
        "10:16",
        &EXAMPLE.replace(
            "- {name: on-call, notify: [{contact: alice}], repeat: {every: 5m, times: 2}}\n- {name: manager, after: 15m, notify: [{contact: bob}]}",
            "- {name: manager, notify: [{contact: bob}]}\n- {name: on-call, after: 5m, notify: [{contact: alice}]}",
        ),
    );
    reordered.run_until(at("11:01"));
    assert_eq!(
        pages(&reordered)[4..],
        ["10:50 director round 1"],
        "on-call and manager fired"
    );
}

#[test]
fn what_comes_next_after_a_repin_is_never_due_before_it() {
    let text = EXAMPLE.replace("after: 15m", "after: 1m");
    let mut model = repinned("10:12", &text);
    model.run_until(at("10:43"));
    assert_eq!(
        pages(&model)[3..],
        ["10:12 manager round 1", "10:42 director round 1"]
    );
    assert_eq!(told(&model, "CaughtUp"), 0);
}

#[test]
fn where_the_step_is_missing_the_next_by_index_follows() {
    let text = EXAMPLE.replace(
        "- {name: manager, after: 15m, notify: [{contact: bob}]}\n",
        "",
    );
    let mut model = repinned("10:16", &text);
    model.run_until(at("10:46"));
    assert_eq!(pages(&model)[4..], ["10:45 director round 1"]);
}

#[test]
fn where_no_step_follows_the_chain_is_exhausted() {
    let text = r#"
severities: [{level: High}]
connectors: [{name: hook, type: Webhook, address: "https://pager.example.com/"}]
contacts: [{name: alice, reach: [{connector: hook}]}]
steps: [{name: other, notify: [{contact: alice}]}]
onExhausted: {after: 5m}
"#;
    let mut model = repinned("10:16", text);
    model.run_until(at("10:30"));
    assert_eq!(pages(&model).len(), 4);
    assert_eq!(escalation(&model).state, EscalationState::Exhausted);
}

#[test]
fn a_reference_that_leads_nowhere_moves_nothing_and_says_so() {
    let mut model = example();
    refer(&mut model, "10:02", "nowhere");
    model.run_until(at("10:16"));
    assert!(!is_true(&model, "PolicyResolved"));
    let message = condition(&model, "PolicyResolved").unwrap().message;
    assert!(
        message.contains("nowhere") && message.contains("gold"),
        "{message}"
    );
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    add_policy(&mut model, "nowhere", EXAMPLE);
    model.run_until(at("10:17"));
    assert!(is_true(&model, "PolicyResolved"));
    assert_eq!(model.status().policy.unwrap().name, "nowhere");
}

/// The example's policy selects by service what `gold`, a default, had.
fn better(service: &str) -> String {
    EXAMPLE.replace(
        "default: true",
        &format!("selector: {{services: [{service}]}}"),
    )
}

#[test]
fn a_fallback_moves_once_to_a_better_match_within_a_minute_and_before_the_second_step() {
    let with_better_at = |clock: &str| {
        let mut model = example();
        model.ticket.spec.service = Some("checkout".into());
        model.run_until(at(clock));
        add_policy(&mut model, "silver", &better("checkout"));
        model.run_until(at(clock) + jiff::SignedDuration::from_secs(1));
        model
    };
    let moved = with_better_at("10:00:30");
    let pin = moved.status().policy.unwrap();
    assert_eq!((pin.name.as_str(), pin.rule), ("silver", PinRule::Selector));
    assert_eq!(
        pages(&moved).len(),
        1,
        "the step that fired is not fired again"
    );
    for late in ["10:01", "10:01:01"] {
        let late = with_better_at(late);
        assert_eq!(late.status().policy.unwrap().name, "gold");
    }
    let mut second = with_policy(&EXAMPLE.replace("after: 15m", "after: 20s"));
    second.ticket.spec.service = Some("checkout".into());
    second.run_until(at("10:00:30"));
    add_policy(&mut second, "silver", &better("checkout"));
    second.run_until(at("10:00:31"));
    assert_eq!(second.status().policy.unwrap().name, "gold");
    let mut again = with_better_at("10:00:30");
    add_policy(
        &mut again,
        "bronze",
        &better("checkout").replace("selector:", "priority: 1000\nselector:"),
    );
    again.run_until(at("10:00:40"));
    assert_eq!(again.status().policy.unwrap().name, "silver");
}

#[test]
fn neither_another_default_nor_its_own_edited_policy_is_a_better_match() {
    let mut other = example();
    other.run_until(at("10:00:10"));
    add_policy(&mut other, "bronze", EXAMPLE);
    let mut index = (*other.policies).clone();
    let known = index.policies.iter_mut();
    for ((_, name), policy) in known {
        policy.created = Some(at(if name == "bronze" { "09:00" } else { "10:00" }));
    }
    other.policies = Arc::new(index);
    let mut edited = example();
    edited.ticket.spec.service = Some("checkout".into());
    edited.run_until(at("10:00:10"));
    edited.store_policy("gold-2", 2, valid(&better("checkout")));
    for model in [&mut other, &mut edited] {
        model.run_until(at("10:00:20"));
        assert_eq!(model.status().policy.unwrap().revision, "gold-1");
    }
}

/// Stores `gold` anew and deletes the revision that the ticket runs on.
fn lose_the_pin(model: &mut Model) {
    model.store_policy("gold-2", 2, valid(EXAMPLE));
    let mut index = (*model.policies).clone();
    index
        .revisions
        .remove(&(NAMESPACE.to_owned(), "gold-1".to_owned()));
    model.policies = Arc::new(index);
}

#[test]
fn a_reference_that_leads_nowhere_is_followed_once_its_policy_comes_although_the_pin_was_lost_meanwhile()
 {
    let mut model = example();
    refer(&mut model, "10:02", "late");
    model.run_until(at("10:03"));
    lose_the_pin(&mut model);
    model.run_until(at("10:06"));
    assert_eq!(model.status().policy.unwrap().revision, "gold-2");
    assert!(!is_true(&model, "PolicyResolved"));
    add_policy(&mut model, "late", EXAMPLE);
    model.run_until(at("10:07"));
    assert_eq!(model.status().policy.unwrap().name, "late");
    assert!(is_true(&model, "PolicyResolved"));
}

#[test]
fn a_lost_pin_moves_to_the_newest_revision_and_says_so() {
    let mut model = example();
    model.run_until(at("10:01"));
    lose_the_pin(&mut model);
    model.run_until(at("10:16"));
    assert!(is_true(&model, "PinLost"));
    assert_eq!(model.status().policy.unwrap().revision, "gold-2");
    assert_eq!(pages(&model).last().unwrap(), "10:15 manager round 1");
    assert_eq!(pages(&model).len(), 4);
}

#[test]
fn a_lost_pin_without_any_policy_is_told_once_and_goes_on_when_one_is_back() {
    let mut model = example();
    model.run_until(at("10:11"));
    let index = std::mem::take(&mut model.policies);
    model.run_until(at("10:20"));
    assert_eq!(escalation(&model).state, EscalationState::Blocked);
    assert_eq!(told(&model, "PinLost"), 1);
    model.policies = index;
    model.run_until(at("10:21"));
    assert!(is_true(&model, "PolicyResolved"));
    assert_eq!(pages(&model).last().unwrap(), "10:20 manager round 1");
}

#[test]
fn a_step_that_another_policy_would_have_had_before_counts_from_the_change() {
    let text = EXAMPLE
        .replace("name: manager, after: 15m", "name: manager, after: 5m")
        .replace("name: director, after: 30m", "name: director, after: 10m");
    let mut model = repinned("10:12", &text);
    crate::world::acknowledge(&mut model, "10:02");
    model.run_until(at("10:23"));
    assert_eq!(pages(&model).last().unwrap(), "10:22 director round 1");
}

#[test]
fn where_policy_and_severity_change_together_nothing_is_due_before_both_are_seen() {
    let mut model = example();
    model.ticket.spec.severity = Some(Severity::Critical);
    add_policy(
        &mut model,
        "silver",
        &EXAMPLE.replace("after: 15m", "after: 1m"),
    );
    model.run_until(at("10:04"));
    model.edit_at(at("10:06"), "severity", |spec| {
        spec.severity = Some(Severity::High);
    });
    refer(&mut model, "10:06", "silver");
    model.down_until(at("10:12"));
    model.run_until(at("10:13"));
    assert_eq!(pages(&model).last().unwrap(), "10:12 manager round 1");
    let manager = model.told.iter().find(|told| told.note.contains("manager"));
    let note = &manager.unwrap().note;
    assert!(!note.contains("late"), "{note}");
}

#[test]
fn a_resolved_ticket_that_gets_a_policy_with_validation_asks_the_reporter() {
    let text = EXAMPLE.replace("level: High,", "level: High, validation: {required: true},");
    let mut model = example();
    model.ticket.spec.reporter = Some(Reporter {
        contact: Some("carol".into()),
        ..Reporter::default()
    });
    resolve(&mut model, "10:07");
    add_policy(&mut model, "silver", &text);
    refer(&mut model, "10:12", "silver");
    model.run_until(at("10:20"));
    assert_eq!(notices(&model), ["10:12 ValidationRequested reporter"]);
}

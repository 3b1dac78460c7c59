//! Rows of api.md section 5, each under its words.

use super::world::{
    EXAMPLE, acknowledge, at, close, example, notices, pages, resolve, ticket, with_policy,
};
use firebell::api::{
    ClosureReason, DuplicateRef, EscalationRequest, EscalationState, Phase, Severity, StartReason,
    StepResult,
};
use firebell::domain::observed::Parent;
use firebell::domain::policy::ValidPolicy;
use firebell::domain::selection::PolicyIndex;
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;
use std::sync::Arc;

fn ids(model: &Model) -> Vec<&str> {
    model.received.iter().map(|got| got.id.as_str()).collect()
}

#[test]
fn those_already_paged_hear_who_acknowledged_but_not_the_one_who_did() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.run_until(at("10:20"));
    assert_eq!(notices(&model), ["10:16 AcknowledgedBy bob"]);
}

#[test]
fn a_revoked_acknowledgement_starts_the_chain_again_with_fresh_ids() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    model.edit_at(at("10:08"), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.revoked = true;
        }
    });
    model.run_until(at("10:09"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:08 on-call round 2"]
    );
    let escalation = model.status().escalation.unwrap();
    assert_eq!(escalation.start_reason, Some(StartReason::Revoked));
    let mut unique = ids(&model);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), model.received.len());
}

#[test]
fn a_raised_severity_starts_a_new_round_of_the_new_row() {
    let mut model = example();
    model.edit_at(at("10:07"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:08"));
    assert_eq!(pages(&model).last().unwrap(), "10:07 on-call round 2");
    assert_eq!(
        model.status().escalation.unwrap().start_reason,
        Some(StartReason::SeverityRaised)
    );
}

#[test]
fn a_resolution_stops_everything_and_taking_it_back_reopens_with_a_new_round() {
    let mut model = example();
    resolve(&mut model, "10:07");
    model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
    model.run_until(at("10:31"));
    assert_eq!(
        pages(&model),
        [
            "10:00 on-call round 1",
            "10:05 on-call repeat 1 round 1",
            "10:30 on-call round 2"
        ]
    );
    let status = model.status();
    assert_eq!(status.reopen_count, Some(1));
    assert_eq!(status.first_resolve_time.unwrap().0, at("10:07"));
    assert_eq!(status.resolve_time, None);
}

#[test]
fn an_acknowledgement_handled_before_a_reopening_is_void_until_it_changes() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:04");
    model.edit_at(at("10:06"), "resolution", |spec| spec.resolution = None);
    model.edit_at(at("10:09"), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.token = Some("again".into());
        }
    });
    model.run_until(at("10:08"));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    model.run_until(at("10:20"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(pages(&model).len(), 2);
}

#[test]
fn resolve_and_acknowledge_in_one_write_resolve_wins() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:02");
    model.run_until(at("10:03"));
    let status = model.status();
    assert_eq!(status.phase, Some(Phase::Resolved));
    assert_eq!(status.acknowledge_time, None);
    assert!(status.handled.get("acknowledgement").unwrap().void);
}

#[test]
fn a_closure_waits_for_its_gates_and_says_which() {
    let mut model = example();
    close(&mut model, "10:01", ClosureReason::Completed);
    resolve(&mut model, "10:03");
    model.run_until(at("10:02"));
    let blocked = |model: &Model| {
        let conditions = model.status().conditions;
        conditions
            .into_iter()
            .find(|known| known.type_ == "ClosureBlocked")
            .unwrap()
    };
    assert_eq!(blocked(&model).status, firebell::api::ConditionStatus::True);
    assert!(blocked(&model).message.contains("`spec.resolution`"));
    model.run_until(at("10:04"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(
        blocked(&model).status,
        firebell::api::ConditionStatus::False
    );
}

#[test]
fn a_closed_ticket_is_archived_after_its_time_and_then_left_alone() {
    let mut model = example();
    close(&mut model, "10:01", ClosureReason::Cancelled);
    model.run_until(at("10:02") + SignedDuration::from_hours(24));
    assert!(model.status().archived);
    let writes = model.writes;
    model.run_until(at("10:02") + SignedDuration::from_hours(48));
    assert_eq!(model.writes, writes);
}

#[test]
fn a_duplicate_is_judged_once_and_reopens_when_taken_back() {
    let mut model = example();
    model.others.parent = Some(Parent {
        uid: "p".into(),
        open: true,
        root: None,
    });
    model.edit_at(at("10:02"), "duplicateOf", |spec| {
        spec.duplicate_of = Some(DuplicateRef {
            name: "other".into(),
        });
    });
    model.edit_at(at("10:10"), "duplicateOf", |spec| spec.duplicate_of = None);
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(model.status().duplicate_of.unwrap().root, "other");
    model.run_until(at("10:11"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:10 on-call round 2"]
    );
}

#[test]
fn a_ticket_without_any_policy_is_blocked_and_runs_as_soon_as_one_appears() {
    let mut model = example();
    let index = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
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
fn an_edited_policy_leaves_a_running_ticket_on_its_revision_but_corrects_its_people() {
    let mut model = example();
    model.run_until(at("10:01"));
    let edited = EXAMPLE.replace("after: 15m", "after: 16m").replace(
        "contacts:",
        "contacts:\n- {name: dave, reach: [{connector: hook}]}",
    );
    let valid = ValidPolicy::check(super::world::policy(&edited))
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
fn no_target_of_a_step_delivered_the_next_step_follows_at_once() {
    let mut model = example();
    model.answer = Box::new(|name| {
        if name == "alice" {
            Answer::Refuses
        } else {
            Answer::Takes
        }
    });
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
fn a_slow_receiver_holds_nothing_up_and_its_late_refusal_still_pulls_the_next_step() {
    let mut model = example();
    let minute = SignedDuration::from_mins(1);
    model.answer = Box::new(move |name| {
        if name == "alice" {
            Answer::Dead(minute)
        } else {
            Answer::Takes
        }
    });
    model.run_until(at("10:02"));
    assert_eq!(pages(&model), ["10:01 manager round 1"]);
}

#[test]
fn on_the_last_step_a_budget_that_ended_is_renewed_under_the_same_id() {
    let text = EXAMPLE
        .replace("repeat: {times: 1, interval: 20m}", "")
        .replace("onExhausted: {after: 5m,", "onExhausted: {after: 3h,");
    let mut model = with_policy(&text);
    let until = at("11:00");
    let span = SignedDuration::from_secs(30);
    model.answer = Box::new(move |name| {
        if name == "carol" {
            Answer::Dead(span)
        } else {
            Answer::Takes
        }
    });
    model.run_until(until);
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("11:03"));
    let carol: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.to == "carol")
        .collect();
    assert_eq!(carol.len(), 1, "{:?}", model.status().deliveries);
    assert!(carol[0].time > until);
}

#[test]
fn a_step_that_reaches_nobody_is_skipped_at_once_and_said() {
    let text = EXAMPLE
        .replace("notify: [{contact: alice}]", "notify: [{group: empty}]")
        .replace(
            "contacts:",
            "groups:\n- {name: empty, members: []}\ncontacts:",
        );
    let mut model = with_policy(&text);
    model.run_until(at("10:01"));
    assert_eq!(pages(&model), ["10:00 manager round 1"]);
    let first = &model.status().escalation.unwrap().steps[0];
    assert_eq!(first.result, StepResult::SkippedEmpty);
}

#[test]
fn after_downtime_the_armed_step_leaves_and_everybody_missed_is_told_once() {
    let mut model = example();
    model.run_until(at("10:01"));
    model.now = at("10:50");
    model.run_until(at("10:51"));
    let got: Vec<_> = model.received[1..]
        .iter()
        .map(|got| got.to.as_str())
        .collect();
    assert_eq!(got, ["alice", "bob", "carol"]);
    let steps = model.status().escalation.unwrap().steps;
    assert!(
        steps
            .iter()
            .filter(|step| step.result == StepResult::CaughtUp)
            .count()
            == 2
    );
}

#[test]
fn at_least_pages_that_step_whatever_the_acknowledgement_and_page_again_pages_the_current_one() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    let request = |at_least: Option<&str>, again: Option<&str>| EscalationRequest {
        at_least: at_least.map(str::to_owned),
        page_again: again.map(str::to_owned),
        by: "bob".into(),
        note: None,
        token: None,
    };
    let go = request(Some("director"), None);
    model.edit_at(at("10:04"), "escalation", move |spec| {
        spec.escalation = Some(go.clone());
    });
    let both = request(Some("director"), Some("t1"));
    model.edit_at(at("10:06"), "escalation", move |spec| {
        spec.escalation = Some(both.clone());
    });
    model.run_until(at("10:07"));
    let carol: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.to == "carol")
        .collect();
    assert_eq!(carol.len(), 2);
    assert_ne!(carol[0].id, carol[1].id);
}

#[test]
fn an_unknown_step_is_refused_with_words_and_the_chain_goes_on() {
    let mut model = example();
    model.edit_at(at("10:01"), "escalation", |spec| {
        spec.escalation = Some(EscalationRequest {
            at_least: Some("nobody".into()),
            page_again: None,
            by: "bob".into(),
            note: None,
            token: None,
        });
    });
    model.run_until(at("10:05"));
    let condition = model
        .status()
        .conditions
        .into_iter()
        .find(|known| known.type_ == "EscalationRequested")
        .unwrap();
    assert_eq!(condition.reason, "UnknownStep");
    assert_eq!(pages(&model).len(), 2);
}

#[test]
fn nothing_is_written_once_nothing_changes() {
    let mut model = Model::new(super::world::policy(EXAMPLE), ticket(), at("10:00"));
    model.run_until(at("14:00"));
    let writes = model.writes;
    model.run_until(at("20:00"));
    assert_eq!(model.writes, writes);
}

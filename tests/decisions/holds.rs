//! api.md section 5, row "Hold", a test per sentence.

use super::holds_clocks::TARGETS;
use super::world::{
    EXAMPLE, acknowledge, at, await_change, await_customer, await_vendor, example, hold, lift,
    notices, pages, policy, resolve, standing, ticket, with_policy,
};
use firebell::api::{EscalationRequest, EscalationState, HoldReason, Phase, Severity};
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;

pub fn state(model: &Model) -> EscalationState {
    model.status().escalation.unwrap().state
}

#[test]
fn chain_and_repeats_freeze_while_a_valid_hold_exists_and_shift_by_the_held_time() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("10:27"));
    model.run_until(at("10:20"));
    assert_eq!(state(&model), EscalationState::Held);
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:05 on-call repeat 1 round 1"]
    );
    model.run_until(at("11:06"));
    assert_eq!(
        pages(&model)[2..],
        [
            "10:30 on-call repeat 2 round 1",
            "10:35 manager round 1",
            "11:05 director round 1",
        ]
    );
    assert_eq!(state(&model), EscalationState::Running);
}

#[test]
fn further_rounds_and_the_exhaustion_shift_too() {
    let mut model = example();
    hold(
        &mut model,
        "10:50",
        "other",
        HoldReason::Other,
        Some("11:00"),
    );
    model.run_until(at("14:00"));
    assert_eq!(pages(&model)[5], "11:15 on-call round 2");
    assert_eq!(notices(&model).last().unwrap(), "12:05 Exhausted hook");
}

#[test]
fn a_hold_lifted_before_its_end_releases_when_that_is_seen() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("12:00"));
    lift(&mut model, "10:10", "vendor");
    model.run_until(at("10:20"));
    assert_eq!(
        pages(&model)[2..],
        ["10:13 on-call repeat 2 round 1", "10:18 manager round 1"]
    );
    assert_eq!(model.status().holding.unwrap().seen, []);
}

#[test]
fn acknowledgement_expiry_freezes() {
    let mut model = example();
    acknowledge(&mut model, "10:07");
    await_customer(&mut model, "10:17", None);
    lift(&mut model, "12:17", "customer");
    model.run_until(at("12:36"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(
        model.status().acknowledge_expiry_time.unwrap().0,
        at("12:37")
    );
    model.run_until(at("12:37"));
    assert_eq!(pages(&model).last().unwrap(), "12:37 on-call round 2");
}

#[test]
fn an_acknowledgement_given_during_a_hold_has_its_whole_time_after_it() {
    let mut model = example();
    await_customer(&mut model, "10:02", Some("13:00"));
    acknowledge(&mut model, "11:00");
    model.run_until(at("13:29"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    model.run_until(at("13:30"));
    assert_eq!(pages(&model).last().unwrap(), "13:30 on-call round 2");
}

#[test]
fn overlaps_count_once() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("10:20"));
    await_customer(&mut model, "10:12", Some("10:27"));
    await_change(&mut model, "10:13", Some("10:15"));
    model.run_until(at("10:40"));
    assert_eq!(
        pages(&model)[2..],
        ["10:30 on-call repeat 2 round 1", "10:35 manager round 1"]
    );
    assert_eq!(
        model.status().holding.unwrap().held_total.unwrap().as_str(),
        "20m"
    );
}

#[test]
fn setting_and_lifting_is_told_to_those_already_paged() {
    let mut model = example();
    await_vendor(&mut model, "10:16", Some("10:30"));
    model.run_until(at("10:31"));
    assert_eq!(
        notices(&model),
        [
            "10:16 Held alice",
            "10:16 Held bob",
            "10:30 Held alice",
            "10:30 Held bob"
        ]
    );
    let mut ids: Vec<_> = model.received.iter().map(|got| &got.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), model.received.len(), "each has an id of its own");
    let told: Vec<_> = model.told.iter().map(|told| told.reason).collect();
    assert!(
        told.contains(&"Held") && told.contains(&"Released"),
        "{told:?}"
    );
}

#[test]
fn those_whom_the_policy_names_hear_of_holds_too() {
    let text =
        format!("{EXAMPLE}communication: {{notifyOn: [Held], notify: [{{contact: carol}}]}}\n");
    let mut model = with_policy(&text);
    await_vendor(&mut model, "10:07", Some("10:30"));
    model.run_until(at("10:08"));
    assert_eq!(notices(&model), ["10:07 Held carol", "10:07 Held alice"]);
}

#[test]
fn a_severity_raised_during_a_hold_starts_its_round_when_the_hold_ends() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("10:27"));
    model.edit_at(at("10:15"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:33"));
    assert_eq!(
        pages(&model)[2..],
        ["10:27 on-call round 2", "10:32 on-call repeat 1 round 2"]
    );
}

#[test]
fn an_acknowledgement_revoked_during_a_hold_starts_its_round_when_the_hold_ends() {
    let mut model = example();
    acknowledge(&mut model, "10:01");
    await_vendor(&mut model, "10:07", Some("10:27"));
    model.edit_at(at("10:15"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    model.run_until(at("10:28"));
    assert_eq!(pages(&model)[1..], ["10:27 on-call round 2"]);
}

#[test]
fn a_page_under_way_when_the_hold_is_set_waits_and_leaves_under_its_id_on_release() {
    let mut model = example();
    let span = SignedDuration::from_mins(1);
    model.answer = Box::new(move |_| Answer::TakesAfter(span));
    await_vendor(&mut model, "10:00:30", Some("10:20"));
    model.run_until(at("10:19"));
    assert_eq!(pages(&model), Vec::<String>::new());
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("10:20"));
    assert_eq!(pages(&model), ["10:20 on-call round 1"]);
    model.run_until(at("10:25"));
    assert_eq!(pages(&model)[1..], ["10:24:30 on-call repeat 1 round 1"]);
}

#[test]
fn a_held_ticket_says_what_it_waits_for_and_until_when() {
    let mut model = example();
    await_vendor(&mut model, "10:07", Some("10:27"));
    model.run_until(at("10:08"));
    let status = model.status();
    let waiting = status.waiting_for.unwrap();
    assert!(
        waiting
            .what
            .contains("hold \"vendor\" (AwaitingVendor) by bob"),
        "{}",
        waiting.what
    );
    assert_eq!(waiting.until.unwrap().0, at("10:27"));
    assert_eq!(
        status.escalation.unwrap().next_time,
        None,
        "nothing is due while it is held"
    );
    assert!(standing(&model, "Held").unwrap().contains("bob"));
}

#[test]
fn a_request_on_a_held_chain_pages_nobody_and_says_why() {
    let mut model = example();
    await_vendor(&mut model, "10:02", Some("12:00"));
    ask(&mut model, "10:04");
    model.run_until(at("10:10"));
    assert_eq!(pages(&model).len(), 1);
    assert!(refused(&model).contains("held: hold \"vendor\""));
    model.run_until(at("13:00"));
    assert!(
        !pages(&model)
            .iter()
            .any(|page| page.starts_with("12:00 manager")),
        "it was handled: it does not come later"
    );
}

#[test]
fn a_request_on_a_resolved_or_closed_ticket_says_why_nothing_happened() {
    let mut model = example();
    resolve(&mut model, "10:02");
    ask(&mut model, "10:04");
    model.run_until(at("10:10"));
    assert_eq!(pages(&model).len(), 1);
    assert!(refused(&model).contains("resolved or closed"));
}

fn ask(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "escalation", |spec| {
        spec.escalation = Some(EscalationRequest {
            at_least: Some("manager".into()),
            page_again: Some("t1".into()),
            by: "bob".into(),
            note: None,
            token: None,
        });
    });
}

fn refused(model: &Model) -> String {
    let conditions = model.status().conditions;
    let known = conditions
        .into_iter()
        .find(|known| known.type_ == "EscalationRequested");
    known.unwrap().message
}

#[test]
fn a_hold_does_not_keep_a_resolved_ticket_from_closing_and_holds_it_again_once_reopened() {
    let text = TARGETS.replace(
        "resolutionTarget: 1h",
        "resolutionTarget: 1h, closeAfter: 3h",
    );
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:01");
    resolve(&mut model, "10:05");
    await_customer(&mut model, "10:10", Some("20:00"));
    model.run_until(at("13:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));

    let mut model = with_policy(TARGETS);
    await_customer(&mut model, "10:02", Some("12:00"));
    resolve(&mut model, "10:20");
    model.edit_at(at("11:00"), "resolution", |spec| spec.resolution = None);
    model.run_until(at("12:01"));
    assert_eq!(pages(&model)[1..], ["12:00 on-call round 2"]);
    let clock = model.status().targets.unwrap().resolution;
    // Held 10:02 to 10:20, resolved until 11:00, held until 12:00.
    assert_eq!(clock.paused_total.unwrap().as_str(), "1h58m");
}

#[test]
fn a_ticket_that_is_reopened_under_a_hold_is_held_by_the_very_write_that_reopens_it() {
    let mut model = with_policy(TARGETS);
    resolve(&mut model, "10:20");
    await_customer(&mut model, "10:30", Some("12:00"));
    model.run_until(at("10:59"));
    let writes = model.writes;
    model.edit_at(at("11:00"), "resolution", |spec| spec.resolution = None);
    model.run_until(at("11:00"));
    assert_eq!(state(&model), EscalationState::Held);
    assert_eq!(model.writes, writes + 1);
    let last = |count: usize| -> Vec<_> {
        let told = model.told.iter().rev().take(count);
        told.map(|told| told.reason).collect()
    };
    assert_eq!(last(2), ["Held", "Reopened"]);
    model.run_until(at("12:00"));
    assert_eq!(pages(&model).last().unwrap(), "12:00 on-call round 2");
}

#[test]
fn maintenance_counts_once_with_the_time_in_which_a_ticket_was_resolved() {
    for (from, until, paused) in [
        // Resolved 10:20 to 11:00, then held until 12:00.
        ("10:40", "12:00", "1h40m"),
        ("10:30", "10:50", "40m"),
    ] {
        let text = format!(
            "{TARGETS}maintenance: [{{name: works, fromTime: 2026-03-02T{from}:00Z, untilTime: 2026-03-02T{until}:00Z, by: bob}}]\n"
        );
        let mut model = with_policy(&text);
        resolve(&mut model, "10:20");
        model.edit_at(at("11:00"), "resolution", |spec| spec.resolution = None);
        model.run_until(at("12:01"));
        let clock = model.status().targets.unwrap().resolution;
        assert_eq!(clock.paused_total.unwrap().as_str(), paused, "{from}");
    }
}

#[test]
fn a_hold_set_at_creation_holds_the_first_page_back() {
    let mut spec = ticket();
    spec.holds = vec![firebell::api::Hold {
        name: "later".into(),
        reason: HoldReason::Other,
        until_time: Some(firebell::api::Time(at("10:30"))),
        by: "bob".into(),
        note: None,
    }];
    let mut model = Model::new(policy(EXAMPLE), spec, at("10:00"));
    model.run_until(at("10:31"));
    assert_eq!(pages(&model), ["10:30 on-call round 1"]);
}

#[test]
fn nothing_is_written_while_a_ticket_is_held_and_nothing_changes() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    await_customer(&mut model, "10:04", None);
    model.run_until(at("10:06"));
    let writes = model.writes;
    model.run_until(at("22:00"));
    assert_eq!(model.writes, writes);
}

#[test]
fn the_update_cadence_freezes_and_goes_on_after_the_hold_with_its_reminder() {
    let row = "responseTarget: 15m, updateInterval: 1h";
    let overdue = "communication: {overdueNotify: [{contact: carol}]}\n";
    let text = EXAMPLE.replacen("responseTarget: 15m", row, 1) + overdue;
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:05");
    await_vendor(&mut model, "10:25", Some("12:25"));
    model.run_until(at("12:20"));
    assert_eq!(standing(&model, "UpdateOverdue"), None);
    model.run_until(at("13:01"));
    let carol: Vec<_> = notices(&model)
        .into_iter()
        .filter(|got| got.contains("Update"))
        .collect();
    assert_eq!(
        carol,
        ["12:48 UpdateReminder carol", "13:00 UpdateOverdue carol"]
    );
}

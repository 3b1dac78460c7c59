//! What must be learnt before a ticket may close: api.md section 2.1 rule 2, section 4.

use firebell::api::{
    ClosureReason, DuplicateRef, KnowledgeItem, KnowledgeKind, KnowledgeState, Phase, RcaPhase,
    Severity,
};
use firebell::domain::next::Transition;
use firebell::domain::observed::{Parent, RcaFacts};
use firebell::domain::policy::ValidPolicy;
use firebell::testkit::model::Model;

use crate::world::{EXAMPLE, acknowledge, at, close, hold, policy, resolve, standing, with_policy};

const BLOCKED: &str = "ClosureBlocked";

/// The example with rules for RCAs or knowledge.
fn with(rules: &str) -> Model {
    with_policy(&format!("{EXAMPLE}{rules}"))
}

/// The RCA that the operator has made, or somebody has changed.
fn stands(model: &mut Model, phase: RcaPhase) {
    model.others.rca = Some(RcaFacts {
        name: "ticket-uid".into(),
        phase,
        by: Some("carol".into()),
        knowledge: Vec::new(),
    });
}

fn required(model: &Model) -> Option<(String, String)> {
    let required = model.status().rca?.required?;
    Some((
        required.reason,
        required.time.0.strftime("%H:%M:%S").to_string(),
    ))
}

fn reason(words: &str, clock: &str) -> (String, String) {
    (words.to_owned(), clock.to_owned())
}

fn told(model: &Model, reason: &str) -> usize {
    let is = |told: &&Transition| told.reason == reason;
    model.told.iter().filter(is).count()
}

#[test]
fn each_rule_of_the_policy_requires_an_rca_from_the_moment_it_holds_and_says_so_once() {
    let mut severity = with("rca: {severities: [High]}\n");
    severity.run_until(at("10:01"));
    assert_eq!(
        required(&severity),
        Some(reason("severity High", "10:00:00"))
    );

    let mut breach = with("rca: {onBreach: true}\n");
    breach.run_until(at("10:14"));
    assert_eq!(required(&breach), None);
    breach.run_until(at("10:16"));
    assert_eq!(
        required(&breach),
        Some(reason("response target missed", "10:15:00"))
    );

    let mut long = with("rca: {resolutionLongerThan: 1h}\n");
    long.run_until(at("11:00"));
    assert_eq!(required(&long), None);
    long.run_until(at("11:01"));
    assert_eq!(
        required(&long),
        Some(reason("not resolved within 1h", "11:00:00"))
    );

    let mut reopened = with("rca: {reopenedTimes: 1}\n");
    resolve(&mut reopened, "10:02");
    reopened.edit_at(at("10:04"), "resolution", |spec| spec.resolution = None);
    reopened.run_until(at("10:05"));
    assert_eq!(
        required(&reopened),
        Some(reason("reopened once", "10:04:00"))
    );

    for model in [&severity, &breach, &long, &reopened] {
        assert_eq!(told(model, "RcaRequired"), 1);
        assert_eq!(model.status().rca.unwrap().name.unwrap(), "ticket-uid");
    }
}

#[test]
fn where_no_rule_holds_none_is_required() {
    let mut model = with(
        "rca: {severities: [Critical], onBreach: true, resolutionLongerThan: 1h, reopenedTimes: 1}\n",
    );
    model.edit_at(at("10:01"), "assignment", |spec| {
        spec.assignment = Some(firebell::api::Assignment {
            assignee: "bob".into(),
            by: "bob".into(),
            note: None,
        });
    });
    resolve(&mut model, "10:30");
    close(&mut model, "10:31", ClosureReason::Completed);
    model.run_until(at("12:00"));
    assert_eq!(required(&model), None);
    assert_eq!(model.status().phase, Some(Phase::Closed));
}

#[test]
fn the_time_that_a_hold_takes_does_not_make_a_resolution_long() {
    let mut model = with("rca: {resolutionLongerThan: 1h}\n");
    let reason = firebell::api::HoldReason::AwaitingVendor;
    hold(&mut model, "10:30", "vendor", reason, Some("11:30"));
    resolve(&mut model, "11:45");
    model.run_until(at("12:00"));
    assert_eq!(required(&model), None);
}

#[test]
fn what_is_reached_at_the_very_end_of_its_time_requires_nothing() {
    let mut breach = with("rca: {onBreach: true}\n");
    acknowledge(&mut breach, "10:15");
    let mut long = with("rca: {resolutionLongerThan: 1h}\n");
    resolve(&mut long, "11:00");
    for model in [&mut breach, &mut long] {
        model.run_until(at("11:10"));
        assert_eq!(required(model), None);
    }
}

#[test]
fn an_operator_that_comes_late_requires_it_from_the_submission_on() {
    let mut model = with("rca: {severities: [High]}\n");
    model.down_until(at("10:05"));
    model.run_until(at("10:06"));
    assert_eq!(required(&model), Some(reason("severity High", "10:00:00")));
}

#[test]
fn a_closed_ticket_is_asked_for_nothing_more() {
    let mut model = with("rca: {severities: [Critical]}\n");
    close(&mut model, "10:02", ClosureReason::Cancelled);
    model.edit_at(at("10:05"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:06"));
    assert_eq!(required(&model), None);
}

#[test]
fn the_requirement_is_sticky_when_the_severity_is_lowered() {
    let mut model = with("rca: {severities: [High]}\n");
    model.edit_at(at("10:02"), "severity", |spec| {
        spec.severity = Some(Severity::Low);
    });
    model.run_until(at("10:03"));
    assert_eq!(model.status().severity, Some(Severity::Low));
    assert_eq!(required(&model), Some(reason("severity High", "10:00:00")));
}

#[test]
fn a_raised_severity_requires_it_from_then_on() {
    let mut model = with("rca: {severities: [Critical]}\n");
    model.edit_at(at("10:02"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:03"));
    let (words, time) = required(&model).unwrap();
    assert_eq!(words, "severity Critical");
    assert!(time.starts_with("10:02"), "{time}");
}

#[test]
fn a_rule_that_comes_with_another_revision_requires_it_from_then_on() {
    let mut model = with("");
    model.run_until(at("10:10"));
    assert_eq!(required(&model), None);
    let edited = policy(&format!("{EXAMPLE}rca: {{severities: [High]}}\n"));
    let valid = ValidPolicy::check(edited).policy.unwrap();
    std::sync::Arc::make_mut(&mut model.policies)
        .revisions
        .clear();
    model.store_policy("gold-2", 2, valid);
    model.run_until(at("10:11"));
    assert_eq!(required(&model), Some(reason("severity High", "10:10:00")));
}

#[test]
fn a_ticket_that_needs_an_rca_is_closed_only_once_it_is_approved_and_says_so() {
    for (phase, said) in [
        (None, "must name this ticket and be approved"),
        (Some(RcaPhase::Draft), "must be completed"),
        (Some(RcaPhase::InReview), "must be approved"),
    ] {
        for wanted in [
            ClosureReason::Completed,
            ClosureReason::Cancelled,
            ClosureReason::NoResponse,
        ] {
            let mut model = with("rca: {severities: [High]}\n");
            if let Some(phase) = phase {
                stands(&mut model, phase);
            }
            resolve(&mut model, "10:02");
            close(&mut model, "10:03", wanted);
            model.run_until(at("10:10"));
            let blocked = standing(&model, BLOCKED).unwrap();
            assert!(
                blocked.contains("RCA \"ticket-uid\"") && blocked.contains(said),
                "{blocked}"
            );
            let waits = model.status().waiting_for.unwrap().what;
            assert!(waits.contains(said), "{waits}");
            assert_eq!(model.status().phase, Some(Phase::Resolved));

            stands(&mut model, RcaPhase::Approved);
            model.run_until(at("10:20"));
            assert_eq!(model.status().phase, Some(Phase::Closed));
            assert_eq!(standing(&model, BLOCKED), None);
            assert_eq!(
                model.status().close_time.unwrap().0,
                at("10:10"),
                "when the gate was passed"
            );
            assert_eq!(told(&model, "RcaApproved"), 1);
        }
    }
}

#[test]
fn whatever_follows_an_approval_and_a_waiver_pass_the_gate() {
    for (phase, word) in [
        (RcaPhase::ActionsPending, "RcaApproved"),
        (RcaPhase::Completed, "RcaApproved"),
        (RcaPhase::Waived, "RcaWaived"),
    ] {
        let mut model = with("rca: {severities: [High]}\n");
        stands(&mut model, phase);
        close(&mut model, "10:02", ClosureReason::Cancelled);
        model.run_until(at("10:03"));
        assert_eq!(model.status().phase, Some(Phase::Closed), "{phase:?}");
        assert_eq!(told(&model, word), 1);
    }
}

#[test]
fn out_of_scope_duplicate_and_a_policy_without_the_gate_close_without_it() {
    let mut scope = with("rca: {severities: [High]}\n");
    close(&mut scope, "10:02", ClosureReason::OutOfScope);
    let mut duplicate = with("rca: {severities: [High]}\n");
    duplicate.others.parent = Some(Parent {
        uid: "p".into(),
        open: true,
        root: None,
    });
    duplicate.edit_at(at("10:02"), "duplicateOf", |spec| {
        let name = "other".into();
        spec.duplicate_of = Some(DuplicateRef { name });
    });
    let mut free = with("rca: {severities: [High], gatesClosure: false}\n");
    close(&mut free, "10:02", ClosureReason::Cancelled);
    for model in [&mut scope, &mut duplicate, &mut free] {
        model.run_until(at("10:03"));
        assert_eq!(model.status().phase, Some(Phase::Closed));
        assert!(required(model).is_some(), "it stays required");
    }
}

#[test]
fn a_breach_seen_together_with_the_closure_still_holds_it_back() {
    let mut model = with("rca: {onBreach: true}\n");
    resolve(&mut model, "10:20");
    close(&mut model, "10:20", ClosureReason::Completed);
    model.run_until(at("10:10"));
    model.down_until(at("10:30"));
    model.run_until(at("10:40"));
    assert_eq!(
        required(&model),
        Some(reason("response target missed", "10:15:00"))
    );
    assert!(standing(&model, BLOCKED).is_some());
}

#[test]
fn a_ticket_closes_by_itself_only_once_its_rca_is_approved_and_says_what_it_waits_for() {
    let rows = EXAMPLE.replace(
        "responseTarget: 15m,",
        "responseTarget: 15m, closeAfter: 10m,",
    );
    let mut model = with_policy(&format!("{rows}rca: {{severities: [High]}}\n"));
    stands(&mut model, RcaPhase::InReview);
    resolve(&mut model, "10:02");
    model.run_until(at("10:30"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    let waits = model.status().waiting_for.unwrap();
    assert!(
        waits.what.contains("must be approved") && waits.what.ends_with("then it closes by itself"),
        "{waits:?}"
    );
    stands(&mut model, RcaPhase::Approved);
    model.run_until(at("10:31"));
    assert_eq!(model.status().close_time.unwrap().0, at("10:30"));
}

#[test]
fn a_draft_again_after_the_closing_opens_nothing_and_a_deleted_rca_neither() {
    let mut model = with("rca: {severities: [High]}\n");
    stands(&mut model, RcaPhase::Approved);
    close(&mut model, "10:02", ClosureReason::Cancelled);
    model.run_until(at("10:03"));
    stands(&mut model, RcaPhase::Draft);
    model.run_until(at("10:04"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(model.status().rca.unwrap().phase, Some(RcaPhase::Draft));
    model.others.rca = None;
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(
        model.status().rca.unwrap().phase,
        Some(RcaPhase::Draft),
        "as last seen"
    );
}

#[test]
fn an_rca_that_somebody_wrote_unasked_is_shown_and_holds_nothing_back() {
    let mut model = with("");
    stands(&mut model, RcaPhase::Draft);
    close(&mut model, "10:02", ClosureReason::Cancelled);
    model.run_until(at("10:03"));
    let rca = model.status().rca.unwrap();
    assert_eq!((rca.required, rca.phase), (None, Some(RcaPhase::Draft)));
    assert_eq!(model.status().phase, Some(Phase::Closed));
}

fn knowledge(model: &mut Model, clock: &str, kind: KnowledgeKind, state: KnowledgeState) {
    model.edit_at(at(clock), "knowledge", move |spec| {
        spec.knowledge = vec![KnowledgeItem {
            kind,
            title: "Expired certificates".into(),
            url: None,
            state,
            owner: Some("bob".into()),
            reason: None,
        }];
    });
}

const RUNBOOK: &str = "knowledge: {severities: [High], kinds: [Runbook]}\n";

#[test]
fn a_ticket_that_needs_a_runbook_is_closed_only_once_it_is_done_or_not_needed() {
    for settled in [KnowledgeState::Done, KnowledgeState::NotNeeded] {
        let mut model = with(RUNBOOK);
        resolve(&mut model, "10:02");
        close(&mut model, "10:03", ClosureReason::Completed);
        knowledge(
            &mut model,
            "10:05",
            KnowledgeKind::CommonIssue,
            KnowledgeState::Done,
        );
        model.run_until(at("10:06"));
        let blocked = standing(&model, BLOCKED).unwrap();
        assert!(blocked.contains("must have a Runbook"), "{blocked}");
        knowledge(
            &mut model,
            "10:07",
            KnowledgeKind::Runbook,
            KnowledgeState::Todo,
        );
        model.run_until(at("10:08"));
        let blocked = standing(&model, BLOCKED).unwrap();
        assert!(
            blocked.contains("Runbook \"Expired certificates\"") && blocked.contains("(bob)"),
            "{blocked}"
        );
        knowledge(&mut model, "10:09", KnowledgeKind::Runbook, settled);
        model.run_until(at("10:10"));
        assert_eq!(model.status().phase, Some(Phase::Closed));
        assert_eq!(
            model.status().close_time.unwrap().0,
            at("10:09"),
            "when the gate was passed"
        );
    }
}

#[test]
fn what_the_rca_has_written_down_counts_and_what_it_still_has_to_holds_back() {
    let mut model = with(RUNBOOK);
    let item = |state| KnowledgeItem {
        kind: KnowledgeKind::Runbook,
        title: "Expired certificates".into(),
        state,
        ..KnowledgeItem::default()
    };
    stands(&mut model, RcaPhase::Draft);
    if let Some(rca) = model.others.rca.as_mut() {
        rca.knowledge = vec![item(KnowledgeState::Todo)];
    }
    close(&mut model, "10:02", ClosureReason::Cancelled);
    model.run_until(at("10:03"));
    assert!(standing(&model, BLOCKED).unwrap().contains("must be Done"));
    if let Some(rca) = model.others.rca.as_mut() {
        rca.knowledge = vec![item(KnowledgeState::Done)];
    }
    model.run_until(at("10:04"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
}

#[test]
fn knowledge_that_nobody_asked_for_does_not_delay_the_closure_beside_which_it_is_seen() {
    let mut model = with("");
    close(&mut model, "10:03", ClosureReason::Cancelled);
    knowledge(
        &mut model,
        "10:06",
        KnowledgeKind::Runbook,
        KnowledgeState::Done,
    );
    model.run_until(at("10:01"));
    model.down_until(at("10:10"));
    model.run_until(at("10:11"));
    assert_eq!(model.status().close_time.unwrap().0, at("10:03"));
}

#[test]
fn other_severities_and_a_policy_without_the_gate_need_no_knowledge() {
    for rules in [
        "knowledge: {severities: [Critical], kinds: [Runbook]}\n",
        "knowledge: {severities: [High], kinds: [Runbook], gatesClosure: false}\n",
        "knowledge: {severities: [High]}\n",
    ] {
        let mut model = with(rules);
        close(&mut model, "10:02", ClosureReason::Cancelled);
        model.run_until(at("10:03"));
        assert_eq!(model.status().phase, Some(Phase::Closed), "{rules}");
    }
}

#[test]
fn nothing_is_written_while_a_closure_waits_for_an_rca() {
    let mut model =
        with("rca: {severities: [High]}\nknowledge: {severities: [High], kinds: [Runbook]}\n");
    stands(&mut model, RcaPhase::Draft);
    resolve(&mut model, "10:02");
    close(&mut model, "10:03", ClosureReason::Completed);
    model.run_until(at("10:10"));
    let writes = model.writes;
    model.run_until(at("20:00"));
    assert_eq!(model.writes, writes);
}

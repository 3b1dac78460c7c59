//! `communication.notifyOn` (api.md section 3), the notices of section 5 and 6, and their ids (delivery.md section 1).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::world::{EXAMPLE, acknowledge, at, close, example, notices, resolve, with_policy};
use firebell::api::{
    Acknowledgement, Audience, ClosureReason, Condition, ConditionStatus, Reporter, Resolution,
    Severity, Update, Validation, ValidationResult,
};
use firebell::domain::selection::PolicyIndex;
use firebell::domain::telling::delivery::{DeliveryId, Target};
use firebell::testkit::model::{Model, NAMESPACE};

/// The example, with all words told to a team's room.
pub fn told_everything() -> String {
    let communication = r"
communication:
  notifyOn: [Opened, Acknowledged, SeverityChanged, Escalated, Held, Update, Resolved, ValidationRequested, Reopened, Closed]
  notify: [{connector: room}]
";
    let room = "connectors:\n- {name: room, type: Webhook, address: \"https://room.example.com/\"}";
    EXAMPLE.replace("connectors:", room) + communication
}

fn to_room(model: &Model) -> Vec<String> {
    let all = notices(model).into_iter();
    all.filter_map(|line| line.strip_suffix(" room").map(str::to_owned))
        .collect()
}

#[test]
fn each_word_of_notify_on_is_told_at_its_transition_and_once() {
    let mut model = with_policy(&told_everything());
    model.edit_at(at("10:02"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    acknowledge(&mut model, "10:20");
    resolve(&mut model, "10:25");
    model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
    resolve(&mut model, "10:40");
    close(&mut model, "10:50", ClosureReason::Completed);
    model.run_until(at("12:00"));
    let expected = [
        "10:00 Opened",
        "10:02 SeverityChanged",
        "10:17 Escalated",
        "10:20 Acknowledged",
        "10:25 Resolved",
        "10:30 Reopened",
        "10:40 Resolved",
        "10:50 Closed",
    ];
    assert_eq!(to_room(&model), expected);
}

#[test]
fn a_word_that_the_policy_does_not_name_is_not_told() {
    let text = told_everything().replace("notifyOn: [Opened, Acknowledged,", "notifyOn: [");
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:02");
    model.run_until(at("10:05"));
    assert_eq!(to_room(&model), Vec::<String>::new());
}

#[test]
fn a_ticket_that_gets_its_policy_late_is_told_as_opened_then_and_once() {
    let mut model = with_policy(&told_everything());
    let index = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
    model.run_until(at("10:05"));
    assert_eq!(to_room(&model), Vec::<String>::new());
    model.policies = index;
    model.run_until(at("10:10"));
    assert_eq!(to_room(&model), ["10:05 Opened"]);
}

#[test]
fn the_id_of_a_notice_is_made_of_ticket_round_kind_cause_and_target() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.run_until(at("10:20"));
    let status = model.status();
    let bob = Target::Contact("bob".into());
    let handled = status.handled.get("acknowledgement").unwrap();
    let cause = format!("{}@{}", handled.hash, at("10:16"));
    let id = DeliveryId::of("uid", 1, "AcknowledgedBy", &cause, &bob);
    let told = model
        .received
        .iter()
        .find(|got| got.kind == "AcknowledgedBy");
    assert_eq!(told.unwrap().id, id.to_string());
    assert_eq!(model.ticket.metadata.namespace.as_deref(), Some(NAMESPACE));
}

#[test]
fn the_same_words_written_again_are_told_again_under_a_fresh_id() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.edit_at(at("10:20"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    acknowledge(&mut model, "10:36");
    model.run_until(at("10:40"));
    let ids: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.kind == "AcknowledgedBy" && got.to == "bob")
        .map(|got| got.id.as_str())
        .collect();
    assert_eq!(ids.len(), 2, "{:?}", notices(&model));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_request_for_validation_goes_to_the_reporter_whatever_the_policy_names() {
    let text = validated();
    let mut model = with_policy(&text);
    report(&mut model, "carol");
    resolve(&mut model, "10:07");
    model.run_until(at("10:08"));
    assert_eq!(notices(&model), ["10:07 ValidationRequested reporter"]);
    reject(&mut model, "10:20");
    model.edit_at(at("10:30"), "resolution", |spec| {
        if let Some(block) = spec.resolution.as_mut() {
            block.token = Some("again".into());
        }
    });
    model.run_until(at("10:40"));
    let asked: Vec<_> = notices(&model)
        .into_iter()
        .filter(|line| line.contains("ValidationRequested"))
        .collect();
    assert_eq!(
        asked,
        [
            "10:07 ValidationRequested reporter",
            "10:30 ValidationRequested reporter"
        ],
        "a resolution after a rejection is asked about again"
    );
}

#[test]
fn a_reporter_who_cannot_be_reached_is_said_and_not_tried() {
    let mut model = with_policy(&validated());
    report(&mut model, "nobody@example.com");
    resolve(&mut model, "10:07");
    model.run_until(at("10:08"));
    assert_eq!(notices(&model), Vec::<String>::new());
    let told = model
        .told
        .iter()
        .any(|told| told.reason == "ReporterUnreachable");
    assert!(told);
}

fn validated() -> String {
    EXAMPLE.replace("level: High,", "level: High, validation: {required: true},")
}

fn report(model: &mut Model, contact: &str) {
    model.ticket.spec.reporter = Some(Reporter {
        contact: Some(contact.to_owned()),
        ..Reporter::default()
    });
}

fn reject(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "validation", |spec| {
        spec.validation = Some(Validation {
            result: ValidationResult::Rejected,
            by: "carol".into(),
            ..Validation::default()
        });
    });
}

#[test]
fn the_resolution_summary_has_the_parts_that_the_policy_names() {
    let text =
        told_everything().replace("notifyOn:", "resolutionSummary: [fix, impact]\n  notifyOn:");
    let mut model = with_policy(&text);
    model.edit_at(at("10:07"), "resolution", |spec| {
        spec.resolution = Some(Resolution {
            by: "bob".into(),
            note: Some("see the log".into()),
            impact: Some("nobody could pay".into()),
            cause: Some("a bad deploy".into()),
            fix: Some("rolled back".into()),
            prevention: Some("a canary".into()),
            ..Resolution::default()
        });
    });
    model.run_until(at("10:08"));
    let got = model
        .received
        .iter()
        .find(|got| got.kind == "Resolved")
        .unwrap();
    let body = serde_json::to_value(&got.delivery.message).unwrap();
    let data = &body["data"];
    assert_eq!(
        data["resolutionSummary"],
        serde_json::json!({"fix": "rolled back", "impact": "nobody could pay"})
    );
    assert_eq!(data["by"], "bob");
    assert_eq!(data["note"], "see the log");
    assert_eq!(data["why"], "Resolved (by bob).");
    assert_eq!(data["next"]["what"], "Waits for closure (`spec.closure`)");
}

#[test]
fn every_notice_says_why_and_what_comes_next() {
    let mut model = with_policy(&told_everything());
    acknowledge(&mut model, "10:20");
    resolve(&mut model, "10:50");
    model.edit_at(at("11:00"), "resolution", |spec| spec.resolution = None);
    close(&mut model, "11:10", ClosureReason::Cancelled);
    model.run_until(at("11:20"));
    let told: Vec<_> = model.received.iter().collect();
    assert!(told.len() > 8, "{told:?}");
    for got in told {
        let data = &got.delivery.message.data;
        assert!(data.why.ends_with('.') && data.why.len() > 12, "{data:?}");
        let next = data.next.as_ref().unwrap_or_else(|| panic!("{data:?}"));
        assert!(!next.what.is_empty(), "{data:?}");
    }
}

#[test]
fn a_category_out_of_scope_is_flagged_and_escalated_all_the_same() {
    let scope = "scope: {inScope: [{category: Incident}], outOfScope: [{category: Training, description: courses}]}\nconnectors:";
    let text = EXAMPLE.replace("connectors:", scope);
    for (category, reason) in [
        ("Incident", "InScope"),
        ("Training", "OutOfScope"),
        ("Other", "NotListed"),
    ] {
        let mut model = with_policy(&text);
        model.ticket.spec.category = Some(category.into());
        model.run_until(at("10:01"));
        let condition = condition(&model, "InScope").unwrap();
        assert_eq!(condition.reason, reason);
        assert_eq!(
            condition.status == ConditionStatus::True,
            category == "Incident"
        );
        assert_eq!(model.received.len(), 1, "{category} is paged");
        let told = model
            .told
            .iter()
            .filter(|told| told.reason == "OutOfScope")
            .count();
        assert_eq!(told, usize::from(category != "Incident"));
    }
}

#[test]
fn another_open_ticket_with_the_same_key_is_named_until_it_is_gone() {
    let mut model = example();
    model.others.same_key = Some("other".into());
    model.run_until(at("10:01"));
    let known = condition(&model, "PossibleDuplicate").unwrap();
    assert_eq!(known.status, ConditionStatus::True);
    assert!(known.message.contains("\"other\"") && known.message.contains("spec.duplicateOf"));
    model.others.same_key = None;
    model.run_until(at("10:02"));
    let known = condition(&model, "PossibleDuplicate").unwrap();
    assert_eq!(known.status, ConditionStatus::False);
}

#[test]
fn a_target_that_nobody_defined_is_printed_as_such() {
    let text = EXAMPLE.replace("responseTarget: 15m, ", "");
    let mut model = with_policy(&text);
    model.run_until(at("10:01"));
    let clock = model.status().targets.unwrap().response;
    assert_eq!(
        clock.reason.as_deref(),
        Some("Support response targets not formally defined")
    );
    let mut defined = example();
    defined.run_until(at("10:01"));
    assert_eq!(defined.status().targets.unwrap().response.reason, None);
}

fn condition(model: &Model, type_: &str) -> Option<Condition> {
    let conditions = model.status().conditions;
    conditions.into_iter().find(|known| known.type_ == type_)
}

/// Every kind of notice that a running ticket knows; the crash sweep runs it too.
pub fn told_on_the_way() -> Model {
    let rota = "rotas:\n- {name: duty, timeZone: UTC, start: \"2026-03-02T08:00\", shift: {hours: 3}, members: [alice, bob]}\nsteps:";
    let text = told_everything()
        .replace(
            "level: High,",
            "level: High, updateInterval: 50m, validation: {required: true},",
        )
        .replace(
            "notify: [{contact: alice}], repeat",
            "notify: [{rota: duty}], repeat",
        )
        .replace("steps:", rota)
        .replace("acknowledgementTimeout: 30m", "acknowledgementTimeout: 3h")
        .replace(
            "notify: [{connector: room}]",
            "notify: [{connector: room}]\n  overdueNotify: [{contact: carol}]",
        );
    let mut model = with_policy(&text);
    model.ticket.spec.reporter = Some(Reporter {
        contact: Some("carol".to_owned()),
        ..Reporter::default()
    });
    acknowledge(&mut model, "10:17");
    model.edit_at(at("11:20"), "update", |spec| {
        let (message, by) = ("found it".to_owned(), "bob".to_owned());
        let audience = Audience::Customers;
        spec.update = Some(Update {
            message,
            audience,
            by,
        });
    });
    resolve(&mut model, "11:40");
    close(&mut model, "11:50", ClosureReason::NoResponse);
    model
}

#[test]
fn a_ticket_on_its_way_tells_every_kind_of_notice() {
    let mut model = told_on_the_way();
    model.run_until(at("16:00"));
    let told: BTreeSet<_> = model.received.iter().map(|got| &*got.kind).collect();
    for kind in [
        "Opened",
        "Acknowledged",
        "AcknowledgedBy",
        "UpdateReminder",
        "UpdateOverdue",
        "HandOver",
        "Update",
        "Resolved",
        "ValidationRequested",
        "Closed",
    ] {
        assert!(told.contains(kind), "{kind} in {told:?}");
    }
}

/// The example, with alice reached by a service that keeps incidents of its own, then by her webhook.
fn with_pagerduty() -> String {
    let pagerduty = "connectors:\n- {name: pd, type: PagerDuty, secretRef: {name: pd}}";
    let reach = "reach: [{connector: pd}, ";
    EXAMPLE
        .replace("connectors:", pagerduty)
        .replacen("reach: [", reach, 1)
}

fn to_pagerduty(model: &Model) -> Vec<String> {
    let all = notices(model).into_iter();
    all.filter_map(|line| line.strip_suffix(" pd").map(str::to_owned))
        .collect()
}

#[test]
fn a_service_with_incidents_of_its_own_hears_of_answer_and_resolution_whoever_gave_them() {
    let mut model = with_policy(&with_pagerduty());
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:25");
    close(&mut model, "10:50", ClosureReason::Completed);
    model.run_until(at("12:00"));
    assert_eq!(
        to_pagerduty(&model),
        ["10:02 AcknowledgedBy", "10:25 Resolved"],
        "alice acknowledged herself, and the policy names no word"
    );
}

#[test]
fn a_service_with_incidents_of_its_own_hears_of_the_closing_of_an_unresolved_ticket() {
    let mut model = with_policy(&with_pagerduty());
    close(&mut model, "10:20", ClosureReason::OutOfScope);
    model.run_until(at("12:00"));
    assert_eq!(to_pagerduty(&model), ["10:20 Closed"]);
}

#[test]
fn whoever_was_paged_in_any_round_since_the_chain_started_hears_of_the_acknowledgement() {
    let mut model = example();
    model.edit_at(at("11:06"), "acknowledgement", |spec| {
        spec.acknowledgement = Some(Acknowledgement {
            by: "bob".into(),
            ..Acknowledgement::default()
        });
    });
    model.run_until(at("11:07"));
    let mut told = notices(&model);
    told.sort();
    assert_eq!(
        told,
        ["11:06 AcknowledgedBy alice", "11:06 AcknowledgedBy carol"]
    );
}

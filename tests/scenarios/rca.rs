//! RCAs on the real API server: made where a policy requires one, holding a closure back, reminding their owners,
//! outliving what they are about; and what is wrong with them said in clear words.

use std::collections::BTreeSet;

use firebell::api::{
    ConditionStatus, DeliveryState, Phase, Rca, RcaPhase, RcaStatus, Ticket, TicketStatus,
};
use firebell::testkit::eventually;
use firebell::testkit::receiver::{Ledger, Received};
use firebell::testkit::stage::{KEY, LIMIT, Stage};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// The RCAs of the namespace.
pub fn rcas(stage: &Stage<'_>) -> Api<Rca> {
    Api::namespaced(stage.client.clone(), &stage.namespace)
}

/// A stage whose policy `gold` has these rules for RCAs; tickets are paged to alice.
async fn with_rules(prefix: &str, rules: Value) -> Stage<'static> {
    let stage = Stage::running(prefix).await;
    apply_rules(&stage, rules).await;
    stage
}

async fn apply_rules(stage: &Stage<'_>, rules: Value) {
    let mut policy = stage.short_policy("10m", 1);
    policy["rca"] = rules;
    stage.apply_policy("gold", policy).await;
    // A ticket that is closed before any policy applies is held back by none.
    stage.until_in_use("gold").await;
}

/// The name of the RCA that the operator makes for a ticket.
pub fn name_of(ticket: &Ticket) -> String {
    let uid = ticket.metadata.uid.as_deref().unwrap();
    format!("{}-{}", ticket.metadata.name.as_deref().unwrap(), &uid[..8])
}

async fn made(stage: &Stage<'_>, name: &str) -> Rca {
    let api = rcas(stage);
    let made = eventually("the RCA is made", LIMIT, async || api.get(name).await.ok());
    let made = made.await;
    assert!(made.is_ok(), "{made:?}\n{}", stage.log());
    made.unwrap()
}

/// Waits until an RCA's status fulfils a condition.
pub async fn until(
    stage: &Stage<'_>,
    name: &str,
    what: &str,
    holds: impl Fn(&RcaStatus) -> bool,
) -> RcaStatus {
    let api = rcas(stage);
    let mut last = None;
    let reached = eventually(what, LIMIT, async || {
        last = api.get(name).await.ok()?.status;
        last.clone().filter(&holds)
    });
    match reached.await {
        Ok(status) => status,
        Err(error) => panic!("{error}\n{last:#?}\n{}", stage.log()),
    }
}

async fn until_phase(stage: &Stage<'_>, name: &str, phase: RcaPhase) -> RcaStatus {
    let what = format!("RCA \"{name}\" is {phase:?}");
    until(stage, name, &what, |status| status.phase == Some(phase)).await
}

/// Waits until a condition of an RCA stands so and says these words.
async fn says(stage: &Stage<'_>, name: &str, type_: &str, holds: bool, words: &str) {
    let wanted = if holds {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    let what = format!("{type_} of RCA \"{name}\" is {wanted:?} and says \"{words}\"");
    until(stage, name, &what, |status| {
        let mut conditions = status.conditions.iter();
        conditions.any(|known| {
            known.type_ == type_ && known.status == wanted && known.message.contains(words)
        })
    })
    .await;
}

/// Changes the spec of an RCA, as a person does.
async fn edit(stage: &Stage<'_>, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let (api, params) = (rcas(stage), PatchParams::default());
    api.patch(name, &params, &patch).await.unwrap();
}

/// Creates an RCA, as a person does.
async fn write(stage: &Stage<'_>, name: &str, spec: Value) {
    let object = json!({"apiVersion": "firebell.dev/v1alpha1", "kind": "RCA", "metadata": {"name": name}, "spec": spec});
    let object = serde_json::from_value(object).unwrap();
    let written = rcas(stage).create(&PostParams::default(), &object).await;
    written.unwrap();
}

fn blocked(status: &TicketStatus, words: &str) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|known| {
        known.type_ == "ClosureBlocked"
            && known.status == ConditionStatus::True
            && known.message.contains(words)
    })
}

async fn names(stage: &Stage<'_>) -> Vec<String> {
    let listed = rcas(stage).list(&ListParams::default()).await.unwrap();
    let name = |rca: Rca| rca.metadata.name.unwrap();
    listed.items.into_iter().map(name).collect()
}

fn close() -> Value {
    json!({"resolution": {"by": "alice", "cause": "full disk"}, "closure": {"by": "alice", "reason": "Completed"}})
}

fn causes() -> Value {
    json!([{"id": "rc1", "statement": "the disk was full"}])
}

#[tokio::test]
async fn a_ticket_that_needs_an_rca_gets_one_and_closes_once_it_is_approved() {
    let rules = json!({"severities": ["High"], "sections": ["rootCauses"], "dueWithin": "48h"});
    let stage = with_rules("gate", rules).await;
    let more = json!({"assignment": {"assignee": "alice", "by": "alice"}});
    let ticket = stage.create_ticket_with("checkout", more).await;
    let name = name_of(&ticket);
    let rca = made(&stage, &name).await;
    let submitted = ticket.metadata.creation_timestamp.as_ref().unwrap().0;
    let due = submitted + SignedDuration::from_hours(48);
    assert_eq!(rca.spec.due_time.unwrap().0, due);
    assert_eq!(rca.spec.owner.as_deref(), Some("alice"));
    assert_eq!(rca.spec.ticket_refs[0].uid, ticket.metadata.uid);
    assert_eq!(rca.metadata.owner_references, None, "nothing deletes it");
    let summary = rca.spec.summary.unwrap();
    assert!(
        summary.contains("Checkout returns 5xx") && summary.contains("Severity High"),
        "{summary}"
    );
    assert!(
        rca.spec.timeline[0].text.starts_with("Opened"),
        "{:?}",
        rca.spec.timeline
    );

    stage.fact("checkout", close()).await;
    let words = format!("RCA \"{name}\" must be completed");
    let status = stage
        .until("checkout", &words, |status| blocked(status, &words))
        .await;
    assert_eq!(status.phase, Some(Phase::Resolved));
    let draft = until_phase(&stage, &name, RcaPhase::Draft).await;
    assert_eq!(draft.missing, ["rootCauses"]);
    edit(&stage, &name, json!({"rootCauses": causes()})).await;
    until_phase(&stage, &name, RcaPhase::InReview).await;
    edit(&stage, &name, json!({"approval": {"by": "carol"}})).await;
    let status = stage.until_phase("checkout", Phase::Closed).await;
    let known = status.rca.unwrap();
    assert_eq!(
        (known.name.as_deref(), known.phase),
        (Some(name.as_str()), Some(RcaPhase::Approved))
    );
    assert_eq!(known.required.unwrap().reason, "severity High");
    stage
        .until_all_told(&name, &["Opened", "InReview", "Approved"])
        .await;
    stage
        .until_all_told("checkout", &["RcaRequired", "RcaApproved"])
        .await;
    let described = stage.describe("ticket", "checkout").await;
    assert!(
        described.contains("RcaRequired") && described.contains("RcaApproved"),
        "{described}"
    );
}

/// The reminders of a kind that came to alice.
fn reminders<'l>(ledger: &'l Ledger, kind: &'static str) -> impl Iterator<Item = &'l Received> {
    ledger
        .for_path("/alice")
        .filter(move |got| got.json().is_ok_and(|body| body["data"]["kind"] == kind))
}

#[tokio::test]
async fn owners_are_reminded_once_of_an_overdue_rca_and_of_overdue_actions_also_over_a_kill() {
    let rules = json!({"severities": ["High"], "dueWithin": "3s", "owner": "alice"});
    let mut stage = with_rules("overdue", rules).await;
    let name = name_of(&stage.create_ticket("checkout").await);
    stage
        .until_received(|ledger| reminders(ledger, "RcaOverdue").count() == 1)
        .await;
    says(&stage, &name, "Overdue", true, "Owner: alice").await;
    let due = Timestamp::now() + SignedDuration::from_secs(2);
    let action = |state: &str| json!([{"id": "disk", "title": "More disk", "type": "Prevent", "owner": "alice", "dueTime": due.to_string(), "state": state}]);
    edit(&stage, &name, json!({"correctiveActions": action("Open")})).await;
    stage
        .until_received(|ledger| reminders(ledger, "ActionOverdue").count() == 1)
        .await;
    says(&stage, &name, "ActionsOverdue", true, "\"disk\" of alice").await;
    for page in stage.receiver.pages() {
        page.verify(KEY).unwrap();
    }
    // Counted of what the operator sees, which is a moment behind what is stored.
    let lines = [
        "firebell_rcas_overdue 1",
        "firebell_corrective_actions_overdue 1",
        "firebell_rcas{phase=\"InReview\"} 1",
    ];
    let counted = eventually("they are counted", LIMIT, async || {
        let told = stage.metrics().await;
        lines.iter().all(|line| told.contains(line)).then_some(())
    });
    assert!(counted.await.is_ok(), "{}", stage.metrics().await);
    until(&stage, &name, "both reminders are recorded", |status| {
        let delivered = |known: &&firebell::api::Reminder| known.time.is_some();
        status.reminders.iter().filter(delivered).count() == 2
    })
    .await;
    // As is the page of the ticket: what has no result when the operator is killed comes again.
    stage
        .until("checkout", "its page is recorded", |status| {
            let mut known = status.deliveries.iter();
            known.any(|known| known.state == DeliveryState::Delivered)
        })
        .await;
    stage.kill();
    stage.start().await;
    edit(
        &stage,
        &name,
        json!({"approval": {"by": "carol"}, "correctiveActions": action("Done")}),
    )
    .await;
    let status = until_phase(&stage, &name, RcaPhase::Completed).await;
    assert!(status.reminders.is_empty());
    says(&stage, &name, "Overdue", false, "Completed").await;
    says(
        &stage,
        &name,
        "ActionsOverdue",
        false,
        "No corrective action",
    )
    .await;
    let got = stage.receiver.pages();
    let ids: BTreeSet<_> = got.iter().map(|page| page.id().to_owned()).collect();
    assert_eq!(ids.len(), got.len(), "none came twice");
}

#[tokio::test]
async fn an_rca_outlives_its_ticket_and_its_policy_and_is_made_anew_while_the_ticket_needs_it() {
    let stage = with_rules(
        "outlives",
        json!({"severities": ["High"], "sections": ["rootCauses"]}),
    )
    .await;
    let name = name_of(&stage.create_ticket("checkout").await);
    let first = made(&stage, &name).await;
    let gone = DeleteParams::default();
    rcas(&stage).delete(&name, &gone).await.unwrap();
    let anew = eventually("it is made anew", LIMIT, async || {
        let rca = rcas(&stage).get(&name).await.ok()?;
        (rca.metadata.uid != first.metadata.uid).then_some(rca)
    });
    assert_eq!(anew.await.unwrap().spec.due_time, first.spec.due_time);
    says(&stage, &name, "TicketsFound", true, "").await;

    stage.policies().delete("gold", &gone).await.unwrap();
    stage.tickets().delete("checkout", &gone).await.unwrap();
    says(&stage, &name, "TicketsFound", false, "\"checkout\"").await;
    let status = until_phase(&stage, &name, RcaPhase::Draft).await;
    assert_eq!(status.missing, ["rootCauses"], "its rules stay");
    edit(
        &stage,
        &name,
        json!({"rootCauses": causes(), "approval": {"by": "carol"}}),
    )
    .await;
    until_phase(&stage, &name, RcaPhase::Approved).await;
}

#[tokio::test]
async fn the_examples_of_the_page_hold_two_tickets_back_until_approved() {
    let stage = Stage::running("page").await;
    let policy = include_str!("../../examples/policy-rca.yaml");
    let policy = policy.replace(
        "https://pager.example.com/firebell",
        &stage.receiver.url(""),
    );
    stage.apply(&policy).await;
    stage.until_in_use("with-rca").await;
    stage
        .apply(include_str!("../../examples/rcas/outage.yaml"))
        .await;
    // Once the operator has seen it: a ticket that no RCA covers gets one of its own.
    says(&stage, "outage", "TicketsFound", false, "").await;
    for ticket in ["checkout-5xx", "card-payments-fail"] {
        let critical = json!({"severity": "Critical"});
        stage.create_ticket_with(ticket, critical).await;
        stage.fact(ticket, close()).await;
        let words = "RCA \"outage\" must be approved";
        stage
            .until(ticket, words, |status| blocked(status, words))
            .await;
    }
    until_phase(&stage, "outage", RcaPhase::InReview).await;
    edit(&stage, "outage", json!({"approval": {"by": "carol"}})).await;
    until_phase(&stage, "outage", RcaPhase::ActionsPending).await;
    for ticket in ["checkout-5xx", "card-payments-fail"] {
        stage.until_phase(ticket, Phase::Closed).await;
    }
    assert_eq!(names(&stage).await, ["outage"]);
}

#[tokio::test]
async fn one_rca_covers_several_tickets_and_lets_all_of_them_close() {
    let stage = with_rules("several", json!({"severities": ["High"]})).await;
    let both = json!({"ticketRefs": [{"name": "checkout"}, {"name": "payments"}], "summary": "s"});
    write(&stage, "outage", both).await;
    says(
        &stage,
        "outage",
        "TicketsFound",
        false,
        "\"checkout\", \"payments\"",
    )
    .await;
    for ticket in ["checkout", "payments"] {
        stage.create_ticket(ticket).await;
        stage.fact(ticket, close()).await;
        let words = "RCA \"outage\" must be approved";
        stage
            .until(ticket, words, |status| blocked(status, words))
            .await;
    }
    says(&stage, "outage", "TicketsFound", true, "").await;
    edit(
        &stage,
        "outage",
        json!({"waiver": {"by": "carol", "reason": "a drill"}}),
    )
    .await;
    for ticket in ["checkout", "payments"] {
        stage.until_phase(ticket, Phase::Closed).await;
    }
    assert_eq!(names(&stage).await, ["outage"], "none was made beside it");
}

#[tokio::test]
async fn an_archived_ticket_is_still_found_after_a_restart() {
    let mut stage = Stage::set("archived").await;
    stage.flags = ["--archive-after", "1s"].map(str::to_owned).into();
    stage.start().await;
    apply_rules(
        &stage,
        json!({"severities": ["High"], "gatesClosure": false}),
    )
    .await;
    let name = name_of(&stage.create_ticket("checkout").await);
    says(&stage, &name, "TicketsFound", true, "").await;
    stage.fact("checkout", close()).await;
    stage
        .until("checkout", "archived", |status| status.archived)
        .await;
    for _ in 0..2 {
        let note = Timestamp::now().to_string();
        edit(&stage, &name, json!({"detection": note})).await;
        let generation = rcas(&stage).get(&name).await.unwrap().metadata.generation;
        until(&stage, &name, "the edit is seen", |status| {
            status.observed_generation == generation
        })
        .await;
        says(&stage, &name, "TicketsFound", true, "").await;
        stage.kill();
        stage.start().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_rca_is_said_in_clear_words_and_nothing_is_lost() {
    let stage = with_rules("bad", json!({"severities": ["Critical"]})).await;
    stage.create_ticket("checkout").await;
    write(
        &stage,
        "nowhere",
        json!({"ticketRefs": [{"name": "not-there"}], "summary": "kept"}),
    )
    .await;
    says(
        &stage,
        "nowhere",
        "TicketsFound",
        false,
        "Not found, or deleted meanwhile: \"not-there\"",
    )
    .await;
    let other = json!({"ticketRefs": [{"name": "checkout", "uid": "00000000-0000-0000-0000-000000000000"}]});
    write(&stage, "other-uid", other).await;
    says(&stage, "other-uid", "TicketsFound", false, "\"checkout\"").await;
    for name in ["first", "second"] {
        write(&stage, name, json!({"ticketRefs": [{"name": "checkout"}]})).await;
    }
    says(
        &stage,
        "first",
        "TicketsFound",
        true,
        "RCA \"second\" names",
    )
    .await;
    says(
        &stage,
        "second",
        "TicketsFound",
        true,
        "RCA \"first\" names",
    )
    .await;
    let kept = rcas(&stage).get("nowhere").await.unwrap();
    assert_eq!(kept.spec.summary.as_deref(), Some("kept"));
}

#[tokio::test]
async fn an_rca_that_lacks_something_is_late_or_contradicts_itself_says_so() {
    let stage = with_rules("lacks", json!({"severities": ["Critical"]})).await;
    stage.create_ticket("checkout").await;
    let bare = json!({"correctiveActions": [{"id": "disk", "title": "t", "type": "Prevent"}]});
    write(&stage, "bare", bare).await;
    says(
        &stage,
        "bare",
        "Complete",
        false,
        "correctiveActions[disk].owner, correctiveActions[disk].dueTime",
    )
    .await;
    says(&stage, "bare", "TicketsFound", false, "names no ticket").await;
    let past = json!({"ticketRefs": [{"name": "checkout"}], "dueTime": "2020-01-01T00:00:00Z"});
    write(&stage, "past", past).await;
    says(
        &stage,
        "past",
        "Overdue",
        true,
        "correct it where that is a mistake",
    )
    .await;
    let both = json!({"approval": {"by": "carol"}, "waiver": {"by": "carol", "reason": "r"}});
    write(&stage, "both", both).await;
    says(&stage, "both", "Ready", false, "must not both be present").await;
    edit(&stage, "both", json!({"waiver": null})).await;
    says(&stage, "both", "Ready", true, "").await;
    says(&stage, "both", "Stalled", false, "").await;
}

#[tokio::test]
async fn where_the_name_of_its_rca_is_taken_by_another_the_log_says_so_and_the_ticket_stays_open() {
    let mut stage = with_rules("taken", json!({"severities": ["High"]})).await;
    stage.kill();
    let name = name_of(&stage.create_ticket("checkout").await);
    write(&stage, &name, json!({"ticketRefs": [{"name": "payments"}]})).await;
    stage.start().await;
    stage.page("/alice", 1).await;
    stage.fact("checkout", close()).await;
    let words = "must name this ticket and be approved";
    stage
        .until("checkout", words, |status| blocked(status, words))
        .await;
    let words = "the one that is there does not name it";
    stage.until_logged(words).await;
}

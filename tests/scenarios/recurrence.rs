//! What helped last time, on the real API server: with RCA and runbook, in status and page, from tickets that were
//! archived before the operator started, and never from another namespace.

use firebell::api::{Phase, RelatedTicket, TicketStatus};
use firebell::testkit::receiver::Received;
use firebell::testkit::stage::{ROLE, Stage};
use jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

const RUNBOOK: &str = "https://runbooks.example.com/payment-log";

/// Of the alert that tells of the full disk.
fn alert(service: &str) -> Value {
    json!({"service": service, "source": {"dedupKey": "payment-log-full"}})
}

fn runbook() -> Value {
    json!([{"kind": "Runbook", "title": "Payment log is full", "url": RUNBOOK, "state": "Done"}])
}

async fn close(stage: &Stage<'_>, ticket: &str) {
    let facts = json!({
        "resolution": {"by": "alice", "fix": "more disk"}, "closure": {"by": "alice", "reason": "Completed"},
        "knowledge": runbook(),
    });
    stage.fact(ticket, facts).await;
    stage.until_phase(ticket, Phase::Closed).await;
}

/// Waits until a ticket shows earlier ones.
async fn related(stage: &Stage<'_>, ticket: &str) -> Vec<RelatedTicket> {
    let what = format!("\"{ticket}\" shows earlier tickets");
    let shown = stage.until(ticket, &what, |status| !status.related.is_empty());
    shown.await.related
}

fn names(related: &[RelatedTicket]) -> Vec<&str> {
    related.iter().map(|known| known.ticket.as_str()).collect()
}

/// Waits for the page about a ticket; what it says of last time, and its links.
async fn paged(stage: &Stage<'_>, ticket: &str) -> Value {
    let about = |got: &Received| {
        got.json()
            .is_ok_and(|body| body["data"]["ticket"]["name"] == ticket)
    };
    let got = stage
        .until_received(|ledger| ledger.for_path("/alice").any(about))
        .await;
    let page = got.iter().find(|got| about(got)).unwrap();
    page.json().unwrap()["data"].clone()
}

#[tokio::test]
async fn a_ticket_of_the_same_key_shows_what_helped_last_time_also_when_that_was_archived_before_a_restart()
 {
    let mut stage = Stage::set("recurs").await;
    stage.flags = ["--archive-after", "1s"].map(str::to_owned).into();
    stage.start().await;
    let mut policy = stage.short_policy("10m", 1);
    policy["rca"] = json!({"severities": ["High"], "gatesClosure": false});
    stage.apply_policy("gold", policy).await;
    stage.create_ticket_with("first", alert("payments")).await;
    let covered =
        |status: &TicketStatus| status.rca.as_ref().is_some_and(|rca| rca.phase.is_some());
    stage.until("first", "its RCA is made", covered).await;
    close(&stage, "first").await;
    let status = stage
        .until("first", "archived", |status| status.archived)
        .await;
    let rca = status.rca.unwrap().name;

    stage.create_ticket_with("second", alert("checkout")).await;
    let wanted = RelatedTicket {
        ticket: "first".to_owned(),
        rca: rca.clone(),
        runbook: Some(RUNBOOK.to_owned()),
    };
    assert_eq!(
        related(&stage, "second").await,
        std::slice::from_ref(&wanted)
    );
    let described = stage.describe("ticket", "second").await;
    assert!(
        described.contains("Related:") && described.contains(RUNBOOK),
        "{described}"
    );

    stage.kill();
    stage.start().await;
    stage.create_ticket_with("third", alert("checkout")).await;
    assert_eq!(related(&stage, "third").await, [wanted]);
    // By now the namespace was read: a further one is told with its first page.
    stage.create_ticket_with("fourth", alert("checkout")).await;
    let page = paged(&stage, "fourth").await;
    let words = format!(
        "ticket \"first\", RCA \"{}\", runbook {RUNBOOK}",
        rca.unwrap()
    );
    assert_eq!(page["lastTime"], json!(words));
    assert_eq!(page["links"]["runbook"], json!(RUNBOOK));

    let gone = DeleteParams::default();
    stage.tickets().delete("first", &gone).await.unwrap();
    stage.acknowledge("third").await;
    let status = stage.until_phase("third", Phase::Acknowledged).await;
    assert_eq!(names(&status.related), ["first"], "written once");
}

#[tokio::test]
async fn tickets_of_the_same_service_and_category_show_each_other_once_closed_and_not_while_open() {
    let stage = Stage::running("alike").await;
    stage
        .apply_policy("gold", stage.short_policy("10m", 1))
        .await;
    let incident = |service: &str| json!({"service": service, "category": "Incident"});
    for name in ["older", "newer", "open"] {
        stage.create_ticket_with(name, incident("checkout")).await;
    }
    stage
        .create_ticket_with("other", incident("payments"))
        .await;
    for name in ["older", "newer", "other"] {
        close(&stage, name).await;
    }
    stage.create_ticket_with("next", incident("checkout")).await;
    assert_eq!(names(&related(&stage, "next").await), ["newer", "older"]);
    // Reopened, it tells nothing any more.
    stage
        .fact("newer", json!({"resolution": {"revoked": true}}))
        .await;
    stage
        .until("newer", "reopened", |status| status.reopen_count == Some(1))
        .await;
    stage.create_ticket_with("last", incident("checkout")).await;
    assert_eq!(names(&related(&stage, "last").await), ["older"]);
}

#[tokio::test]
async fn what_is_closed_in_another_namespace_is_never_shown() {
    let other = Stage::set("theirs").await;
    let mut stage = Stage::set("ours").await;
    let user = stage.operator_user();
    other.grant(&user, "firebell", ROLE).await;
    stage.flags = vec!["--namespace".to_owned(), other.namespace.clone()];
    stage.start().await;
    for place in [&other, &stage] {
        place
            .apply_policy("gold", place.short_policy("10m", 1))
            .await;
        for (name, hours) in [("archived", 2), ("closed-long-ago", 91 * 24)] {
            let name = format!("{name}-{}", place.namespace);
            place.create_ticket_with(&name, alert("checkout")).await;
            let closed = Timestamp::now() - SignedDuration::from_hours(hours);
            let status =
                json!({"phase": "Closed", "archived": true, "closeTime": closed.to_string()});
            let (patch, params) = (
                Patch::Merge(json!({"status": status})),
                PatchParams::default(),
            );
            place
                .tickets()
                .patch_status(&name, &params, &patch)
                .await
                .unwrap();
        }
    }
    for place in [&stage, &other] {
        place.create_ticket_with("new", alert("checkout")).await;
        let own = format!("archived-{}", place.namespace);
        assert_eq!(names(&related(place, "new").await), [own]);
    }
}

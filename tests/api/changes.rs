//! What may be changed on an object that exists: a ticket's source once set, an archived ticket, the status.

use serde_json::{Value, json};

use crate::row::judge;
use crate::server::Server;

fn ticket(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket", "metadata": {"name": name}, "spec": spec})
}

/// Tries each change on the ticket `name`.
async fn check(server: &Server, name: &str, rows: Vec<(&str, Value, Option<&[&str]>)>) {
    let mut wrong = Vec::new();
    for (says, patch, refused) in rows {
        let answer = server.change("tickets", name, &patch).await;
        wrong.extend(judge(says, &answer, refused).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_stays_as_it_is_once_set() {
    let server = Server::ready().await;
    server
        .keep(
            "tickets",
            &ticket(
                "sourced",
                &json!({"title": "t", "source": {"channel": "Manual", "dedupKey": "k"}}),
            ),
        )
        .await;
    server
        .keep("tickets", &ticket("unsourced", &json!({"title": "t"})))
        .await;
    let immutable: Option<&[&str]> = Some(&["spec.source", "must be left as it is once set"]);
    check(
        &server,
        "sourced",
        vec![
            (
                "the same source again is no change",
                json!({"spec": {"source": {"channel": "Manual"}}}),
                None,
            ),
            ("a new title", json!({"spec": {"title": "u"}}), None),
            (
                "another key is refused",
                json!({"spec": {"source": {"dedupKey": "l"}}}),
                immutable,
            ),
            (
                "a further field is refused",
                json!({"spec": {"source": {"externalRef": "r"}}}),
                immutable,
            ),
            (
                "a field less is refused",
                json!({"spec": {"source": {"dedupKey": null}}}),
                immutable,
            ),
            (
                "taking it away is refused",
                json!({"spec": {"source": null}}),
                immutable,
            ),
        ],
    )
    .await;
    check(
        &server,
        "unsourced",
        vec![(
            "a source may come later",
            json!({"spec": {"source": {"channel": "mail"}}}),
            None,
        )],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_ticket_cannot_be_changed_and_an_open_one_can() {
    let server = Server::ready().await;
    server
        .keep(
            "tickets",
            &ticket(
                "old",
                &json!({"title": "t", "closure": {"by": "bob", "reason": "Cancelled"}}),
            ),
        )
        .await;
    let reopen = json!({"spec": {"closure": null}});
    check(
        &server,
        "old",
        vec![("a ticket without status is open", reopen.clone(), None)],
    )
    .await;
    server
        .status("tickets", "old", &json!({"phase": "Closed"}))
        .await
        .unwrap();
    check(
        &server,
        "old",
        vec![("a closed ticket reopens", reopen.clone(), None)],
    )
    .await;
    server
        .status("tickets", "old", &json!({"archived": true}))
        .await
        .unwrap();
    let refused: Option<&[&str]> = Some(&["spec must be left as it is: the ticket is archived"]);
    check(
        &server,
        "old",
        vec![
            ("an archived ticket does not reopen", reopen, refused),
            (
                "an archived ticket keeps its title",
                json!({"spec": {"title": "u"}}),
                refused,
            ),
            (
                "a label may be set all the same",
                json!({"metadata": {"labels": {"a": "b"}}}),
                None,
            ),
            (
                "the same spec is no change",
                json!({"spec": {"title": "t"}}),
                None,
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_of_the_spec_cannot_write_the_status_and_the_status_is_checked() {
    let server = Server::ready().await;
    server
        .keep("tickets", &ticket("t", &json!({"title": "t"})))
        .await;
    let changed = server
        .change("tickets", "t", &json!({"status": {"archived": true}}))
        .await
        .unwrap();
    assert_eq!(changed["status"], Value::Null);
    let refused = server
        .status("tickets", "t", &json!({"phase": "Done"}))
        .await
        .unwrap_err();
    assert!(
        refused.contains("status.phase: Unsupported value: \"Done\""),
        "{refused}"
    );
    let refused = server
        .status("tickets", "t", &json!({"fase": "Closed"}))
        .await
        .unwrap_err();
    assert!(
        refused.contains("unknown field \"status.fase\""),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_with_every_list_full_is_taken_and_reads_back() {
    use firebell::api::{
        Condition, DeliveryRecord, Escalation, HoldSeen, Holding, RelatedTicket, StepRecord,
        Targets, Ticket, TicketStatus, TimelineEntry, condition_type,
    };
    let server = Server::ready().await;
    server
        .keep("tickets", &ticket("full", &json!({"title": "t"})))
        .await;
    let status = TicketStatus {
        targets: Some(Targets::default()),
        escalation: Some(Escalation {
            steps: vec![StepRecord::default(); 32],
            ..Escalation::default()
        }),
        deliveries: vec![DeliveryRecord::default(); 64],
        holding: Some(Holding {
            seen: vec![HoldSeen::default(); 8],
            ..Holding::default()
        }),
        related: vec![RelatedTicket::default(); 5],
        timeline: vec![
            TimelineEntry {
                message: "é".repeat(60),
                ..TimelineEntry::default()
            };
            30
        ],
        conditions: vec![Condition {
            type_: condition_type::READY.into(),
            ..Condition::default()
        }],
        ..TicketStatus::default()
    };
    let stored = server
        .status("tickets", "full", &serde_json::to_value(&status).unwrap())
        .await
        .unwrap();
    let read: Ticket = serde_json::from_value(stored).unwrap();
    assert_eq!(read.status, Some(status));
}

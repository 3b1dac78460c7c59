//! The list of tickets, the worst first.

use std::cmp::Reverse;

use jiff::Timestamp;
use kube::ResourceExt;

use super::reach::Listed;
use super::words::{columns, cut, distance, span, unreadable};
use crate::api::{Escalation, Ticket};

/// Longest title in the table, in characters.
const TITLE: usize = 60;
const HEADING: [&str; 8] = [
    "NAME",
    "SEVERITY",
    "PHASE",
    "ESCALATION",
    "NEXT",
    "ASSIGNEE",
    "AGE",
    "TITLE",
];
const WIDE_HEADING: [&str; 9] = [
    "NAMESPACE",
    "NAME",
    "SEVERITY",
    "PHASE",
    "ESCALATION",
    "NEXT",
    "ASSIGNEE",
    "AGE",
    "TITLE",
];

/// The table, or a sentence where there is nothing to list.
pub fn render(listed: &Listed, with_namespace: bool, now: Timestamp) -> String {
    let mut tickets: Vec<&Ticket> = listed.tickets.iter().collect();
    tickets.sort_by_key(|ticket| {
        let severity = ticket.status.as_ref().and_then(|status| status.severity);
        (
            Reverse(severity.or(ticket.spec.severity)),
            created(ticket),
            ticket.namespace(),
            ticket.name_any(),
        )
    });
    let mut text = if tickets.is_empty() {
        "No open tickets.\n".to_owned()
    } else if with_namespace {
        let rows: Vec<[String; 9]> = tickets.iter().map(|ticket| wide_row(ticket, now)).collect();
        columns("", WIDE_HEADING, &rows)
    } else {
        let rows: Vec<[String; 8]> = tickets.iter().map(|ticket| row(ticket, now)).collect();
        columns("", HEADING, &rows)
    };
    text.push_str(&unreadable("Ticket", &listed.unreadable));
    text
}

fn created(ticket: &Ticket) -> Option<Timestamp> {
    ticket.creation_timestamp().map(|time| time.0)
}

fn wide_row(ticket: &Ticket, now: Timestamp) -> [String; 9] {
    let namespace = ticket.namespace().unwrap_or_default();
    let [
        name,
        severity,
        phase,
        escalation,
        next,
        assignee,
        age,
        title,
    ] = row(ticket, now);
    [
        namespace, name, severity, phase, escalation, next, assignee, age, title,
    ]
}

fn row(ticket: &Ticket, now: Timestamp) -> [String; 8] {
    let status = ticket.status.as_ref();
    let escalation = status.and_then(|status| status.escalation.as_ref());
    let severity = status
        .and_then(|status| status.severity)
        .or(ticket.spec.severity);
    let phase = status.and_then(|status| status.phase);
    let age = created(ticket).map(|at| span(now.as_second() - at.as_second()));
    [
        ticket.name_any(),
        severity.map(|word| format!("{word:?}")).unwrap_or_default(),
        phase.map(|word| format!("{word:?}")).unwrap_or_default(),
        escalation.map(stands).unwrap_or_default(),
        escalation
            .map(|escalation| next(escalation, now))
            .unwrap_or_default(),
        ticket
            .spec
            .assignment
            .as_ref()
            .map(|assignment| assignment.assignee.clone())
            .unwrap_or_default(),
        age.unwrap_or_default(),
        cut(&ticket.spec.title, TITLE),
    ]
}

fn stands(escalation: &Escalation) -> String {
    let state = format!("{:?}", escalation.state);
    match &escalation.step {
        Some(step) => format!("{state} ({step})"),
        None => state,
    }
}

fn next(escalation: &Escalation, now: Timestamp) -> String {
    let when = escalation.next_time.map(|at| distance(at.0, now));
    match (&escalation.next_step, when) {
        (Some(step), Some(when)) => format!("{step} {when}"),
        (None, Some(when)) => when,
        (Some(_) | None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ticket(name: &str, created: &str, status: &serde_json::Value) -> Ticket {
        serde_json::from_value(json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
            "spec": {"title": format!("Title of {name}")},
            "status": status,
        }))
        .unwrap()
    }

    fn listed() -> Listed {
        Listed {
            tickets: vec![
                ticket(
                    "slow",
                    "2026-01-05T08:00:00Z",
                    &json!({"severity": "Low", "phase": "Submitted", "escalation": {"state": "NotPaged"}}),
                ),
                ticket("new", "2026-01-05T08:59:58Z", &json!(null)),
                ticket(
                    "down",
                    "2026-01-05T08:30:00Z",
                    &json!({"severity": "Critical", "phase": "Submitted", "escalation": {
                        "state": "Running", "step": "on-call", "nextStep": "manager", "nextTime": "2026-01-05T09:05:00Z"}}),
                ),
            ],
            unreadable: vec![("shop/odd".to_owned(), "bad\nphase".to_owned())],
        }
    }

    fn now() -> Timestamp {
        "2026-01-05T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_worst_ticket_comes_first_and_what_is_unknown_is_a_dash() {
        let expected = "\
NAME   SEVERITY   PHASE       ESCALATION          NEXT            ASSIGNEE   AGE   TITLE
down   Critical   Submitted   Running (on-call)   manager in 5m   -          30m   Title of down
slow   Low        Submitted   NotPaged            -               -          1h    Title of slow
new    -          -           -                   -               -          2s    Title of new
Ticket shop/odd cannot be read: bad phase
";
        assert_eq!(render(&listed(), false, now()), expected);
    }

    #[test]
    fn over_all_namespaces_each_ticket_names_its_own() {
        let text = render(&listed(), true, now());
        assert!(text.starts_with("NAMESPACE   NAME"), "{text}");
        assert!(text.contains("\nshop        down"), "{text}");
    }

    #[test]
    fn nothing_to_list_is_said() {
        assert_eq!(
            render(&Listed::default(), false, now()),
            "No open tickets.\n"
        );
    }
}

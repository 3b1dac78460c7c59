//! One ticket, readably: where it stands, what it waits for, what happened, who was told.

use std::fmt::Write;

use jiff::Timestamp;
use kube::ResourceExt;

use super::words::{clean, columns, distance, instant};
use crate::api::{DeliveryRecord, Escalation, TargetClock, Ticket, TicketStatus};

/// The whole page.
pub fn render(ticket: &Ticket, now: Timestamp) -> String {
    let mut page = Page::default();
    let namespace = ticket.namespace().unwrap_or_default();
    page.line("Ticket", &format!("{namespace}/{}", ticket.name_any()));
    page.line("Title", &ticket.spec.title);
    page.maybe("Service", ticket.spec.service.as_deref());
    page.maybe("Category", ticket.spec.category.as_deref());
    let assignee = ticket.spec.assignment.as_ref();
    page.maybe("Assignee", assignee.map(|block| block.assignee.as_str()));
    if let Some(status) = &ticket.status {
        standing(&mut page, status, now);
        lists(&mut page, status);
    } else {
        page.line("Status", "none yet: the operator has not looked at it");
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, what: &str, says: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{what:<13} {}", clean(says));
    }

    fn maybe(&mut self, what: &str, says: Option<&str>) {
        if let Some(says) = says {
            self.line(what, says);
        }
    }

    fn list<const N: usize>(&mut self, what: &str, heading: [&str; N], rows: &[[String; N]]) {
        if !rows.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "\n{what}\n");
            self.text.push_str(&columns("  ", heading, rows));
        }
    }
}

fn standing(page: &mut Page, status: &TicketStatus, now: Timestamp) {
    let severity = status.severity.map(|word| format!("{word:?}"));
    page.maybe("Severity", severity.as_deref());
    let phase = status.phase.map(|word| {
        let archived = if status.archived { ", archived" } else { "" };
        format!("{word:?}{archived}")
    });
    page.maybe("Phase", phase.as_deref());
    let policy = status.policy.as_ref().map(|pin| {
        let newer = if pin.latest_generation > pin.generation {
            format!(
                "; the policy is at generation {} by now",
                pin.latest_generation
            )
        } else {
            String::new()
        };
        format!(
            "{}/{}, generation {}{newer}",
            pin.namespace, pin.name, pin.generation
        )
    });
    page.maybe("Policy", policy.as_deref());
    let escalation = status.escalation.as_ref().map(|at| escalation(at, now));
    page.maybe("Escalation", escalation.as_deref());
    if let Some(targets) = &status.targets {
        page.maybe("Response", clock(&targets.response, now).as_deref());
        page.maybe("Resolution", clock(&targets.resolution, now).as_deref());
    }
    let waiting = status.waiting_for.as_ref().map(|waiting| {
        let until = waiting.until.map(|at| {
            let (at, far) = (instant(at.0), distance(at.0, now));
            format!(" (until {at}, {far})")
        });
        format!("{}{}", waiting.what, until.unwrap_or_default())
    });
    page.maybe("Waiting for", waiting.as_deref());
}

fn escalation(at: &Escalation, now: Timestamp) -> String {
    let mut says = format!("{:?}, round {}", at.state, at.round);
    if let Some(step) = &at.step {
        // Writing to a String cannot fail.
        let _ = write!(says, ", at step {step}");
    }
    if let Some(time) = at.next_time {
        let step = at.next_step.as_deref().unwrap_or("step");
        let (when, far) = (instant(time.0), distance(time.0, now));
        // Writing to a String cannot fail.
        let _ = write!(says, "; next {step} at {when} ({far})");
    }
    says
}

/// Absent where the policy defines no target.
fn clock(clock: &TargetClock, now: Timestamp) -> Option<String> {
    let target = clock.target.as_ref()?;
    let mut says = format!("{:?}, target {target}", clock.state);
    if let Some(due) = clock.due_time {
        let (when, far) = (instant(due.0), distance(due.0, now));
        // Writing to a String cannot fail.
        let _ = write!(says, ", due {when} ({far})");
    }
    if let Some(met) = clock.met_time {
        // Writing to a String cannot fail.
        let _ = write!(says, ", met {}", instant(met.0));
    }
    Some(says)
}

fn lists(page: &mut Page, status: &TicketStatus) {
    let conditions: Vec<[String; 4]> = status
        .conditions
        .iter()
        .map(|known| {
            [
                known.type_.clone(),
                format!("{:?}", known.status),
                known.reason.clone(),
                known.message.clone(),
            ]
        })
        .collect();
    page.list(
        "Conditions",
        ["TYPE", "STATUS", "REASON", "MESSAGE"],
        &conditions,
    );
    let related: Vec<[String; 3]> = status
        .related
        .iter()
        .map(|known| {
            [
                known.ticket.clone(),
                known.rca.clone().unwrap_or_default(),
                known.runbook.clone().unwrap_or_default(),
            ]
        })
        .collect();
    page.list(
        "Earlier tickets like this one",
        ["TICKET", "RCA", "RUNBOOK"],
        &related,
    );
    let timeline: Vec<[String; 4]> = status
        .timeline
        .iter()
        .map(|entry| {
            [
                instant(entry.time.0),
                entry.kind.clone(),
                entry.actor.clone().unwrap_or_default(),
                format!("{}{}", entry.message, times(entry.count)),
            ]
        })
        .collect();
    page.list("Timeline", ["TIME", "WHAT", "WHO", "MESSAGE"], &timeline);
    let deliveries: Vec<[String; 6]> = status.deliveries.iter().map(delivery).collect();
    page.list(
        "Deliveries",
        ["TIME", "WHY", "TO", "STATE", "TRIES", "MESSAGE"],
        &deliveries,
    );
}

fn delivery(record: &DeliveryRecord) -> [String; 6] {
    let repeat = record.repeat.filter(|repeat| *repeat > 0);
    let what = record.step.as_ref().or(record.kind.as_ref());
    let why = match (what, repeat) {
        (Some(what), Some(repeat)) => format!("{what}, repeat {repeat}"),
        (Some(what), None) => what.clone(),
        (None, Some(_) | None) => String::new(),
    };
    [
        instant(record.time.0),
        why,
        record.target.clone(),
        format!("{:?}", record.state),
        record
            .attempts
            .map(|tries| tries.to_string())
            .unwrap_or_default(),
        format!(
            "{}{}",
            record.message.as_deref().unwrap_or_default(),
            times(record.count)
        ),
    ]
}

fn times(count: Option<i64>) -> String {
    count
        .filter(|count| *count > 1)
        .map(|count| format!(" (x{count})"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_tells_where_it_stands_what_it_waits_for_and_who_was_told() {
        let ticket: Ticket = serde_json::from_value(json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": "down", "namespace": "shop"},
            "spec": {"title": "Checkout\u{1b}[2J is down", "service": "checkout"},
            "status": {
                "phase": "Submitted", "severity": "High",
                "policy": {"name": "small", "namespace": "shop", "revision": "small-1", "generation": 1, "latestGeneration": 2},
                "escalation": {"state": "Running", "round": 1, "step": "on-call", "nextStep": "second", "nextTime": "2026-01-05T09:02:00Z"},
                "targets": {"response": {"target": "15m", "dueTime": "2026-01-05T09:15:00Z", "state": "Running"}},
                "waitingFor": {"what": "acknowledgement", "until": "2026-01-05T09:02:00Z"},
                "related": [{"ticket": "down-before", "rca": "down-before-1a2b3c4d", "runbook": "https://runbooks.example.com/down"}],
                "timeline": [{"time": "2026-01-05T09:00:00Z", "type": "Opened", "message": "opened"}],
                "deliveries": [{"id": "0", "round": 1, "step": "on-call", "repeat": 1, "target": "contact/alice", "state": "Delivered", "attempts": 2, "time": "2026-01-05T09:00:30Z"}],
            },
        }))
        .unwrap();
        let expected = "\
Ticket        shop/down
Title         Checkout [2J is down
Service       checkout
Severity      High
Phase         Submitted
Policy        shop/small, generation 1; the policy is at generation 2 by now
Escalation    Running, round 1, at step on-call; next second at 2026-01-05 09:02:00Z (in 1m)
Response      Running, target 15m, due 2026-01-05 09:15:00Z (in 14m)
Waiting for   acknowledgement (until 2026-01-05 09:02:00Z, in 1m)

Earlier tickets like this one
  TICKET        RCA                    RUNBOOK
  down-before   down-before-1a2b3c4d   https://runbooks.example.com/down

Timeline
  TIME                   WHAT     WHO   MESSAGE
  2026-01-05 09:00:00Z   Opened   -     opened

Deliveries
  TIME                   WHY                 TO              STATE       TRIES   MESSAGE
  2026-01-05 09:00:30Z   on-call, repeat 1   contact/alice   Delivered   2       -
";
        let now = "2026-01-05T09:01:00Z".parse().unwrap();
        assert_eq!(render(&ticket, now), expected);
    }

    #[test]
    fn a_ticket_that_nobody_looked_at_says_so() {
        let ticket = Ticket::new("new", crate::api::TicketSpec::default());
        let page = render(&ticket, Timestamp::UNIX_EPOCH);
        assert!(page.contains("the operator has not looked at it"), "{page}");
    }
}

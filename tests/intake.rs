//! `firebell intake` as a process with exactly the rights of its Role, on a real API server: each way in, one ticket
//! per alert whatever happens, answers that say the truth, and answers of people by link and by PagerDuty.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "intake/alertmanager.rs"]
mod alertmanager;
#[path = "intake/collisions.rs"]
mod collisions;
#[path = "intake/configuration.rs"]
mod configuration;
#[path = "intake/examples.rs"]
mod examples;
#[path = "intake/faults.rs"]
mod faults;
#[path = "intake/identity.rs"]
mod identity;
#[path = "intake/phone.rs"]
mod phone;
#[path = "intake/storms.rs"]
mod storms;
#[path = "intake/ways.rs"]
mod ways;

use serde_json::{Value, json};

/// What Alertmanager's webhook sends for alerts.
fn notification(alerts: &[Value]) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "firebell", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager.example", "truncatedAlerts": 0,
        "alerts": alerts,
    })
}

/// One alert of it; its fingerprint follows from the host.
fn alert(status: &str, host: &str, start: &str) -> Value {
    json!({
        "status": status, "fingerprint": format!("f-{host}"), "startsAt": start,
        "endsAt": if status == "resolved" { "2026-01-05T10:00:00Z" } else { "0001-01-01T00:00:00Z" },
        "labels": {"alertname": "DiskFull", "host": host, "service": "orders", "severity": "critical"},
        "annotations": {"summary": format!("Disk of {host} is full"), "description": "Less than 1 % is free."},
        "generatorURL": "http://prometheus.example/graph?g0.expr=x",
    })
}

fn firing(host: &str) -> Value {
    alert("firing", host, "2026-01-05T09:00:00Z")
}

fn resolved(host: &str) -> Value {
    alert("resolved", host, "2026-01-05T09:00:00Z")
}

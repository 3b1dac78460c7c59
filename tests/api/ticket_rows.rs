//! Tickets that must be taken and tickets that must be refused.

#![expect(clippy::too_many_lines, reason = "a table is as long as its rows")]

use serde_json::{Value, json};

use crate::row::{Row, Table};

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut table = Table::over("Ticket", &json!({"title": "Checkout returns 5xx"}));
    heads(&mut table);
    origins(&mut table);
    facts(&mut table);
    holds(&mut table);
    endings(&mut table);
    knowledge(&mut table);
    table.rows()
}

fn heads(t: &mut Table) {
    t.good("a title is all a ticket needs", json!({}));
    t.good(
        "a title may have 200 characters",
        json!({"title": "é".repeat(200)}),
    );
    t.bad(
        "a ticket needs a title",
        json!({"title": null}),
        &["spec.title: Required value"],
    );
    t.bad(
        "an empty title is none",
        json!({"title": ""}),
        &["spec.title", "should be at least 1 chars long"],
    );
    t.bad(
        "a title of 201 characters is too long",
        json!({"title": "a".repeat(201)}),
        &["spec.title: Too long", "200"],
    );
    t.bad(
        "a title of 10,000 characters is too long",
        json!({"title": "a".repeat(10_000)}),
        &["spec.title: Too long"],
    );
    t.bad(
        "a title is a text",
        json!({"title": 5}),
        &["spec.title", "must be of type string"],
    );
    t.bad(
        "a description has an end",
        json!({"description": "a".repeat(8193)}),
        &["spec.description: Too long", "8192"],
    );
    t.bad(
        "an unknown field is refused",
        json!({"sevrity": "High"}),
        &["strict decoding error", "unknown field \"spec.sevrity\""],
    );
    t.bad(
        "an unknown field deep down is refused",
        json!({"acknowledgement": {"by": "alice", "at": "now"}}),
        &["unknown field \"spec.acknowledgement.at\""],
    );
    t.good("each severity is known", json!({"severity": "Critical"}));
    t.bad(
        "an unknown severity is refused with the known ones",
        json!({"severity": "Urgent"}),
        &[
            "spec.severity: Unsupported value: \"Urgent\"",
            "\"Low\", \"Medium\", \"High\", \"Critical\"",
        ],
    );
    t.bad(
        "a severity is written as it is",
        json!({"severity": "high"}),
        &["spec.severity: Unsupported value: \"high\""],
    );
    t.good(
        "a signal needs no severity",
        json!({"signal": {"state": "Firing"}}),
    );
    t.bad(
        "a service is a DNS label",
        json!({"service": "Check Out"}),
        &["spec.service", "should match"],
    );
    t.bad(
        "a service has at most 63 characters",
        json!({"service": "a".repeat(64)}),
        &["spec.service: Too long", "63"],
    );
    t.bad(
        "a category is one word",
        json!({"category": "user access"}),
        &["spec.category", "should match"],
    );
    t.object("a name has at most 200 characters", &named(200), None);
    t.object(
        "a name of 201 characters is too long",
        &named(201),
        Some(vec!["metadata.name must be at most 200 characters long"]),
    );
}

fn named(length: usize) -> Value {
    json!({"metadata": {"name": "a".repeat(length)}})
}

fn origins(t: &mut Table) {
    t.good("a reporter and a source are kept", json!({
        "reporter": {"name": "alice", "contact": "alice@example.com", "customer": "Shop"},
        "source": {"channel": "Manual", "externalRef": "https://example.com/1", "dedupKey": "k", "startTime": "2026-01-05T09:00:00+01:00"},
        "affected": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "checkout"}],
        "policyRef": {"name": "gold", "token": "1"},
    }));
    t.bad(
        "a time is RFC 3339",
        json!({"source": {"startTime": "yesterday"}}),
        &["spec.source.startTime", "must be of type date-time"],
    );
    t.bad(
        "a day is no time",
        json!({"signal": {"state": "Firing", "time": "2026-01-05"}}),
        &["spec.signal.time", "must be of type date-time"],
    );
    t.bad(
        "at most 16 objects are affected",
        json!({"affected": vec![json!({"kind": "Pod", "name": "a"}); 17]}),
        &["spec.affected: Too many", "16"],
    );
    t.bad(
        "an affected object has a name",
        json!({"affected": [{"kind": "Pod"}]}),
        &["spec.affected[0].name: Required value"],
    );
    t.bad(
        "a policy reference has a name",
        json!({"policyRef": {"token": "1"}}),
        &["spec.policyRef.name: Required value"],
    );
    t.bad(
        "a policy reference has no namespace",
        json!({"policyRef": {"name": "gold", "namespace": "shared"}}),
        &["unknown field \"spec.policyRef.namespace\""],
    );
    t.bad(
        "a policy's name is that of an object",
        json!({"policyRef": {"name": "Gold!"}}),
        &["spec.policyRef.name", "should match"],
    );
    t.bad(
        "a signal fires or is resolved",
        json!({"signal": {"state": "On"}}),
        &[
            "spec.signal.state: Unsupported value: \"On\"",
            "\"Firing\", \"Resolved\"",
        ],
    );
    t.bad(
        "a signal has a state",
        json!({"signal": {"severity": "High"}}),
        &["spec.signal.state: Required value"],
    );
    t.bad(
        "a deduplication key has an end",
        json!({"source": {"dedupKey": "k".repeat(513)}}),
        &["spec.source.dedupKey: Too long"],
    );
}

fn facts(t: &mut Table) {
    t.good("an acknowledgement says who", json!({"acknowledgement": {"by": "alice", "note": "n", "token": "t", "revoked": true, "via": "Link"}}));
    t.bad(
        "an acknowledgement without a name is none",
        json!({"acknowledgement": {}}),
        &["spec.acknowledgement.by: Required value"],
    );
    t.bad(
        "nobody is nobody",
        json!({"acknowledgement": {"by": ""}}),
        &["spec.acknowledgement.by", "should be at least 1 chars long"],
    );
    t.bad(
        "a note has at most 1024 characters",
        json!({"acknowledgement": {"by": "alice", "note": "n".repeat(1025)}}),
        &["spec.acknowledgement.note: Too long", "1024"],
    );
    t.bad(
        "a token has at most 64 characters",
        json!({"acknowledgement": {"by": "alice", "token": "t".repeat(65)}}),
        &["spec.acknowledgement.token: Too long", "64"],
    );
    t.bad(
        "revoked is a yes or a no",
        json!({"acknowledgement": {"by": "alice", "revoked": "yes"}}),
        &["spec.acknowledgement.revoked", "must be of type boolean"],
    );
    t.bad(
        "an acknowledgement comes by a known way",
        json!({"acknowledgement": {"by": "alice", "via": "Fax"}}),
        &["spec.acknowledgement.via: Unsupported value: \"Fax\""],
    );
    t.good("triage, assignment and update go together", json!({
        "triage": {"by": "alice", "note": "n"},
        "assignment": {"assignee": "bob", "by": "alice"},
        "update": {"message": "We are on it", "by": "bob"},
        "escalation": {"atLeast": "manager", "pageAgain": "1", "by": "bob", "note": "n", "token": "t"},
    }));
    t.bad(
        "an assignment has an assignee",
        json!({"assignment": {"by": "alice"}}),
        &["spec.assignment.assignee: Required value"],
    );
    t.bad(
        "an update says something",
        json!({"update": {"message": "", "by": "bob"}}),
        &["spec.update.message", "should be at least 1 chars long"],
    );
    t.bad(
        "an update has a known audience",
        json!({"update": {"message": "m", "audience": "Public", "by": "bob"}}),
        &[
            "spec.update.audience: Unsupported value: \"Public\"",
            "\"Internal\", \"Customers\"",
        ],
    );
    t.bad(
        "a request to escalate says who asks",
        json!({"escalation": {"atLeast": "manager"}}),
        &["spec.escalation.by: Required value"],
    );
}

fn holds(t: &mut Table) {
    let hold = |name: &str| json!({"name": name, "reason": "AwaitingVendor", "by": "bob"});
    t.good(
        "several parties may hold a ticket",
        json!({"holds": [hold("vendor"), hold("change")]}),
    );
    t.bad(
        "two holds of one name are one too many",
        json!({"holds": [hold("vendor"), hold("vendor")]}),
        &["spec.holds[1]: Duplicate value", "vendor"],
    );
    t.bad(
        "at most 8 holds",
        json!({"holds": (0..9).map(|i| hold(&format!("h{i}"))).collect::<Vec<_>>()}),
        &["spec.holds: Too many", "8"],
    );
    t.bad(
        "a hold has a known reason",
        json!({"holds": [{"name": "a", "reason": "Lunch", "by": "bob"}]}),
        &["spec.holds[0].reason: Unsupported value: \"Lunch\""],
    );
    t.bad(
        "a hold ends at a time, not after one",
        json!({"holds": [{"name": "a", "reason": "Other", "by": "bob", "untilTime": "4h"}]}),
        &["spec.holds[0].untilTime", "must be of type date-time"],
    );
}

fn endings(t: &mut Table) {
    t.good(
        "resolution, validation and closure may come in any order",
        json!({
            "validation": {"result": "Accepted", "by": "alice"},
            "closure": {"by": "bob", "reason": "Completed"},
        }),
    );
    t.good("a resolution tells the whole story", json!({
        "resolution": {"by": "bob", "impact": "i", "cause": "c", "fix": "f", "prevention": "p", "workaround": false},
        "duplicateOf": {"name": "other"},
    }));
    t.bad(
        "a cause has an end",
        json!({"resolution": {"by": "bob", "cause": "c".repeat(4097)}}),
        &["spec.resolution.cause: Too long", "4096"],
    );
    t.bad(
        "a validation accepts or rejects",
        json!({"validation": {"result": "Maybe", "by": "alice"}}),
        &[
            "spec.validation.result: Unsupported value: \"Maybe\"",
            "\"Accepted\", \"Rejected\"",
        ],
    );
    t.bad(
        "a closure has a reason",
        json!({"closure": {"by": "bob"}}),
        &["spec.closure.reason: Required value"],
    );
    t.bad(
        "Duplicate is told by duplicateOf",
        json!({"closure": {"by": "bob", "reason": "Duplicate"}}),
        &["spec.closure.reason: Unsupported value: \"Duplicate\""],
    );
}

fn knowledge(t: &mut Table) {
    t.good("knowledge may be yet to be written, written or not needed", json!({"knowledge": [
        {"kind": "Runbook", "title": "a"},
        {"kind": "KnowledgeBase", "title": "a", "state": "Done", "url": "https://example.com", "owner": "bob"},
        {"kind": "CommonIssue", "title": "a", "state": "NotNeeded", "reason": "known already"},
    ]}));
    t.bad(
        "not needed needs a reason",
        json!({"knowledge": [{"kind": "Runbook", "title": "a", "state": "NotNeeded"}]}),
        &[
            "spec.knowledge[0].reason",
            "must be given when `state` is NotNeeded",
        ],
    );
    t.bad("an empty reason is none", json!({"knowledge": [{"kind": "Runbook", "title": "a", "state": "NotNeeded", "reason": ""}]}), &["must be given when `state` is NotNeeded"]);
    t.bad("a piece of knowledge stands once", json!({"knowledge": [{"kind": "Runbook", "title": "a"}, {"kind": "Runbook", "title": "a"}]}), &["spec.knowledge[1]: Duplicate value"]);
    t.bad(
        "a link is one of the web",
        json!({"knowledge": [{"kind": "Runbook", "title": "a", "url": "javascript:alert(1)"}]}),
        &["spec.knowledge[0].url", "should match"],
    );
    t.bad("at most 16 pieces of knowledge", json!({"knowledge": (0..17).map(|i| json!({"kind": "Runbook", "title": format!("t{i}")})).collect::<Vec<_>>()}), &["spec.knowledge: Too many", "16"]);
}

//! RCAs that must be taken and RCAs that must be refused.

#![expect(clippy::too_many_lines, reason = "a table is as long as its rows")]

use serde_json::json;

use crate::row::{Row, Table};

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut t = Table::over("RCA", &json!({"owner": "alice"}));
    t.good("an RCA begins with nearly nothing", json!({"ticketRefs": [{"name": "checkout-1", "uid": "u"}], "dueTime": "2026-01-10T09:00:00Z"}));
    t.good("an RCA may use every field", json!({
        "ticketRefs": [{"name": "checkout-1"}, {"name": "checkout-2"}],
        "reviewers": ["bob"], "dueTime": "2026-01-10T09:00:00Z", "summary": "s",
        "impact": {"users": "2 %", "startTime": "2026-01-05T09:00:00Z", "endTime": "2026-01-05T10:00:00Z", "detail": "d"},
        "detection": "d", "trigger": "t",
        "rootCauses": [{"id": "rc1", "statement": "s", "method": "FiveWhys", "whys": ["because", "because"]}],
        "contributingFactors": ["c"], "wentWell": ["w"], "wentWrong": ["w"], "gotLucky": ["g"],
        "timeline": [{"time": "2026-01-05T09:00:00Z", "text": "t"}],
        "correctiveActions": [
            {"id": "a1", "title": "t", "type": "Prevent", "owner": "bob", "dueTime": "2026-02-01T00:00:00Z", "externalRef": "X-1", "state": "InProgress", "rootCause": "rc1"},
            {"id": "a2", "title": "t", "type": "Detect", "state": "Cancelled", "reason": "r"},
        ],
        "knowledge": [{"kind": "Runbook", "title": "t"}],
        "approval": {"by": "bob", "note": "n"}, "publication": "Customers",
    }));
    t.good(
        "a waiver says who and why",
        json!({"waiver": {"by": "bob", "reason": "a drill"}}),
    );
    t.bad(
        "a waiver needs a reason",
        json!({"waiver": {"by": "bob"}}),
        &["spec.waiver.reason: Required value"],
    );
    t.bad(
        "a waiver's reason says something",
        json!({"waiver": {"by": "bob", "reason": ""}}),
        &["spec.waiver.reason", "should be at least 1 chars long"],
    );
    t.bad(
        "a waiver needs a name",
        json!({"waiver": {"reason": "a drill"}}),
        &["spec.waiver.by: Required value"],
    );
    t.bad(
        "an approval needs a name",
        json!({"approval": {"note": "n"}}),
        &["spec.approval.by: Required value"],
    );
    t.bad("a cancelled action needs a reason", json!({"correctiveActions": [{"id": "a", "title": "t", "type": "Prevent", "state": "Cancelled"}]}), &["spec.correctiveActions[0].reason", "must be given when `state` is Cancelled"]);
    t.bad("an action has a known state", json!({"correctiveActions": [{"id": "a", "title": "t", "type": "Prevent", "state": "Someday"}]}), &["spec.correctiveActions[0].state: Unsupported value: \"Someday\""]);
    t.bad(
        "an action has a known type",
        json!({"correctiveActions": [{"id": "a", "title": "t", "type": "Blame"}]}),
        &["spec.correctiveActions[0].type: Unsupported value: \"Blame\""],
    );
    t.bad("action ids are unique", json!({"correctiveActions": [{"id": "a", "title": "t", "type": "Prevent"}, {"id": "a", "title": "u", "type": "Detect"}]}), &["spec.correctiveActions[1]: Duplicate value"]);
    t.bad(
        "root cause ids are unique",
        json!({"rootCauses": [{"id": "a", "statement": "s"}, {"id": "a", "statement": "t"}]}),
        &["spec.rootCauses[1]: Duplicate value"],
    );
    t.bad(
        "a ticket stands once",
        json!({"ticketRefs": [{"name": "a"}, {"name": "a"}]}),
        &["spec.ticketRefs[1]: Duplicate value"],
    );
    t.bad(
        "a reviewer stands once",
        json!({"reviewers": ["bob", "bob"]}),
        &["spec.reviewers[1]: Duplicate value"],
    );
    t.bad(
        "a due time is a time",
        json!({"dueTime": "120h"}),
        &["spec.dueTime", "must be of type date-time"],
    );
    t.bad(
        "not needed knowledge needs a reason here too",
        json!({"knowledge": [{"kind": "Runbook", "title": "t", "state": "NotNeeded"}]}),
        &[
            "spec.knowledge[0].reason",
            "must be given when `state` is NotNeeded",
        ],
    );
    t.bad(
        "an unknown section is refused",
        json!({"rootCause": "s"}),
        &["unknown field \"spec.rootCause\""],
    );
    t.object(
        "an RCA is named after its ticket and a bit longer",
        &json!({"metadata": {"name": "a".repeat(209)}}),
        None,
    );
    t.object(
        "an RCA's name has an end",
        &json!({"metadata": {"name": "a".repeat(210)}}),
        Some(vec!["metadata.name must be at most 209 characters long"]),
    );
    t.rows()
}

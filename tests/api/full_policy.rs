//! A policy that uses every field.

use serde_json::{Value, json};

/// A spec that uses every field.
pub fn full() -> Value {
    json!({
        "document": {"id": "SUP-1", "title": "Checkout support", "purpose": "p", "audience": "a", "owner": "alice", "lastReviewTime": "2026-01-05T09:00:00Z", "reviewEvery": "2160h"},
        "suspend": {"untilTime": "2026-01-05T10:00:00Z", "by": "alice", "reason": "r"},
        "default": true,
        "selector": {"services": ["checkout"], "categories": ["Incident"], "severities": ["High"], "matchLabels": {"example.com/team": "shop"}},
        "priority": 200,
        "defaultSeverity": "Medium",
        "scope": {"inScope": [{"category": "Incident", "description": "d"}], "outOfScope": [{"category": "Wish"}]},
        "channels": [{"name": "mail", "type": "Email", "address": "support@example.com", "audience": "Customers", "description": "d", "notes": "n", "calendar": "business"}],
        "calendars": [{"name": "business", "timeZone": "Europe/Berlin", "windows": [{"days": ["Mon", "Tue", "Wed", "Thu", "Fri"], "from": "09:00", "to": "17:30"}], "holidays": ["2026-12-25"]}],
        "severities": [{
            "level": "Critical", "description": "d", "example": "e", "responseTarget": "15m", "resolutionTarget": "4h", "calendar": "business",
            "acknowledgementTimeout": "30m", "updateInterval": "1h", "initialDelay": "10s", "paging": "RecordOnly",
            "validation": {"required": true, "closeAfter": "72h"}, "closeAfter": "24h",
        }],
        "connectors": [{"name": "ops", "type": "Webhook", "server": "https://example.com", "address": "https://example.com/hook", "secretRef": {"name": "ops"}, "audience": "Customers", "timeout": "10s", "template": "t"}],
        "contacts": [{"name": "alice", "displayName": "Alice", "user": "alice@example.com", "timeZone": "Europe/Berlin", "reach": [{"connector": "ops", "address": "https://example.com/alice"}]}],
        "groups": [{"name": "leads", "members": ["alice"]}],
        "rotas": [{"name": "primary", "timeZone": "Europe/Berlin", "start": "2026-01-05T09:00", "shift": {"days": 7}, "calendar": "business", "members": ["alice"]}],
        "overrides": [{"name": "leave", "rota": "primary", "member": "alice", "fromTime": "2026-01-05T09:00:00Z", "untilTime": "2026-01-06T09:00:00Z", "by": "alice"}],
        "maintenance": [{"name": "upgrade", "services": ["checkout"], "fromTime": "2026-01-05T09:00:00Z", "untilTime": "2026-01-05T10:00:00Z", "by": "alice", "reason": "r"}],
        "steps": [{
            "name": "on-call", "tier": "Support", "after": "1m", "condition": "NotResolved", "calendar": "business", "severities": ["Critical", "High"],
            "notify": [{"contact": "alice"}, {"group": "leads"}, {"rota": "primary"}, {"connector": "ops"}, {"reporter": true}],
            "repeat": {"every": "5m", "times": 3}, "expectation": "Joins within 30 minutes and brings logs",
        }],
        "repeat": {"times": 2, "interval": "10m"},
        "onExhausted": {"after": "1m", "notify": [{"contact": "alice"}]},
        "signal": {"onResolved": "Ignore", "resolveAfter": "1m"},
        "communication": {
            "notifyOn": ["Opened", "Acknowledged", "SeverityChanged", "Escalated", "Held", "Update", "Resolved", "ValidationRequested", "Reopened", "Closed"],
            "notify": [{"connector": "ops"}], "overdueNotify": [{"contact": "alice"}], "resolutionSummary": ["fix", "impact"], "commitment": "Confirmed",
        },
        "rca": {"severities": ["Critical"], "resolutionLongerThan": "4h", "onBreach": true, "reopenedTimes": 2, "dueWithin": "72h", "sections": ["summary", "rootCauses", "correctiveActions"], "gatesClosure": false, "owner": "alice"},
        "knowledge": {"severities": ["Critical"], "kinds": ["Runbook"], "gatesClosure": false, "commonIssues": [{"service": "checkout", "title": "t", "url": "https://example.com"}]},
        "retention": {"closedTickets": "2160h"},
        "assumptions": ["a"],
        "openItems": [{"message": "m", "owner": "alice"}],
    })
}

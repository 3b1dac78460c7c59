//! Policies that must be taken and policies that must be refused.

#![expect(clippy::too_many_lines, reason = "a table is as long as its rows")]

use serde_json::{Value, json};

use crate::full_policy;
use crate::row::{Row, Table};

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut table = Table::over(
        "EscalationPolicy",
        &json!({"steps": [{"name": "on-call", "notify": [{"contact": "alice"}]}]}),
    );
    wholes(&mut table);
    durations(&mut table);
    steps(&mut table);
    people(&mut table);
    heads(&mut table);
    followups(&mut table);
    table.rows()
}

fn wholes(t: &mut Table) {
    t.good("a step is enough", json!({}));
    t.good("empty blocks get their defaults", json!({
        "document": {}, "signal": {}, "onExhausted": {}, "communication": {}, "rca": {}, "knowledge": {}, "retention": {},
        "selector": {}, "scope": {},
        "severities": [{"level": "Critical"}],
        "connectors": [{"name": "ops", "type": "Webhook"}],
    }));
    t.good("a policy may use every field", full_policy::full());
    t.bad(
        "an unknown field is refused",
        json!({"step": []}),
        &["unknown field \"spec.step\""],
    );
    t.bad(
        "an unknown field of a step is refused",
        json!({"steps": [{"name": "a", "delay": "5m"}]}),
        &["unknown field \"spec.steps[0].delay\""],
    );
    t.object(
        "a policy's name has at most 200 characters",
        &json!({"metadata": {"name": "a".repeat(201)}}),
        Some(vec!["metadata.name must be at most 200 characters long"]),
    );
}

fn after(text: &str) -> Value {
    json!({"steps": [{"name": "on-call", "after": text}]})
}

fn durations(t: &mut Table) {
    for text in ["0s", "15m", "1h30m", "250ms", "8760h", "001m"] {
        t.good("a duration is a length of time", after(text));
    }
    for text in [
        "",
        "15",
        "-5m",
        "5m-3m",
        "5 m",
        "1.5h",
        "5M",
        "1d",
        "m",
        "+5m",
        "99999999999999999999h",
        "1000000s",
        "٣m",
    ] {
        t.bad(
            "a malformed duration is refused with its pattern",
            after(text),
            &[
                "spec.steps[0].after",
                "should match '^([0-9]{1,6}(h|m|s|ms))+$'",
            ],
        );
    }
    t.bad(
        "a duration is no number",
        json!({"steps": [{"name": "a", "after": 15}]}),
        &["spec.steps[0].after", "must be of type string"],
    );
    t.bad(
        "a duration of more than a year is too long",
        after("8760h1ms"),
        &["spec.steps[0].after", "must be at most 8760h"],
    );
    t.bad(
        "a duration beyond all reason is refused in the same words",
        after("999999h999999h999999h999999h"),
        &["spec.steps[0].after", "must be at most 8760h"],
    );
    t.bad(
        "a duration has at most 32 characters",
        after("1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s"),
        &["spec.steps[0].after: Too long", "32"],
    );
    t.bad(
        "a target is at least a second",
        json!({"severities": [{"level": "High", "responseTarget": "0s"}]}),
        &[
            "spec.severities[0].responseTarget",
            "must be at least 1s and at most 8760h",
        ],
    );
    t.bad(
        "an absurd target is refused",
        json!({"severities": [{"level": "High", "resolutionTarget": "9000h"}]}),
        &[
            "spec.severities[0].resolutionTarget",
            "must be at least 1s and at most 8760h",
        ],
    );
    t.bad(
        "repeats are at least a second apart",
        json!({"steps": [{"name": "a", "repeat": {"every": "999ms", "times": 1}}]}),
        &[
            "spec.steps[0].repeat.every",
            "must be at least 1s and at most 8760h",
        ],
    );
    t.bad(
        "rounds are at least a second apart",
        json!({"repeat": {"times": 1, "interval": "0s"}}),
        &[
            "spec.repeat.interval",
            "must be at least 1s and at most 8760h",
        ],
    );
    t.bad(
        "a try takes at most a minute",
        json!({"connectors": [{"name": "a", "type": "Webhook", "timeout": "61s"}]}),
        &[
            "spec.connectors[0].timeout",
            "must be at least 1s and at most 60s",
        ],
    );
    t.bad(
        "closed tickets are kept for a day at least",
        json!({"retention": {"closedTickets": "1h"}}),
        &[
            "spec.retention.closedTickets",
            "must be at least 24h and at most 8760h",
        ],
    );
}

fn steps(t: &mut Table) {
    let notify = |target: Value| json!({"steps": [{"name": "on-call", "notify": [target]}]});
    for target in [
        json!({"contact": "a"}),
        json!({"group": "a"}),
        json!({"rota": "a"}),
        json!({"connector": "a"}),
        json!({"reporter": true}),
    ] {
        t.good("a target is one of five", notify(target));
    }
    t.bad(
        "a target is somebody",
        notify(json!({})),
        &[
            "spec.steps[0].notify[0]",
            "must have exactly one of `contact`, `group`, `rota`, `connector`, `reporter`",
        ],
    );
    t.bad(
        "a target is one, not two",
        notify(json!({"contact": "a", "group": "b"})),
        &["spec.steps[0].notify[0]", "must have exactly one of"],
    );
    t.bad(
        "a reporter is told or left out",
        notify(json!({"reporter": false})),
        &[
            "spec.steps[0].notify[0].reporter",
            "must be true or left out",
        ],
    );
    t.bad(
        "a mistyped target is refused by name",
        notify(json!({"contacts": "a"})),
        &["unknown field \"spec.steps[0].notify[0].contacts\""],
    );
    t.bad(
        "targets of other blocks are checked too",
        json!({"onExhausted": {"notify": [{}]}}),
        &["spec.onExhausted.notify[0]", "must have exactly one of"],
    );
    t.bad(
        "step names are unique",
        json!({"steps": [{"name": "a"}, {"name": "a"}]}),
        &["spec.steps[1]: Duplicate value", "\"a\""],
    );
    t.bad(
        "a step has a name",
        json!({"steps": [{"after": "5m"}]}),
        &["spec.steps[0].name: Required value"],
    );
    t.bad(
        "a step's name is one word",
        json!({"steps": [{"name": "on call"}]}),
        &["spec.steps[0].name", "should match"],
    );
    t.bad(
        "a step waits for a known condition",
        json!({"steps": [{"name": "a", "condition": "Always"}]}),
        &[
            "spec.steps[0].condition: Unsupported value: \"Always\"",
            "\"NotAcknowledged\", \"NotResolved\"",
        ],
    );
    t.bad(
        "a step is for known severities",
        json!({"steps": [{"name": "a", "severities": ["Sev1"]}]}),
        &["spec.steps[0].severities[0]: Unsupported value: \"Sev1\""],
    );
    t.bad(
        "a severity stands once in a step",
        json!({"steps": [{"name": "a", "severities": ["High", "High"]}]}),
        &["spec.steps[0].severities[1]: Duplicate value"],
    );
    t.bad(
        "a step repeats at least once",
        json!({"steps": [{"name": "a", "repeat": {"every": "5m", "times": 0}}]}),
        &[
            "spec.steps[0].repeat.times",
            "should be greater than or equal to 1",
        ],
    );
    t.bad(
        "a step repeats at most 100 times",
        json!({"steps": [{"name": "a", "repeat": {"every": "5m", "times": 101}}]}),
        &[
            "spec.steps[0].repeat.times",
            "should be less than or equal to 100",
        ],
    );
    t.bad(
        "a chain repeats at most 100 times",
        json!({"repeat": {"times": 99_999_999_999_i64, "interval": "5m"}}),
        &["spec.repeat.times", "should be less than or equal to 100"],
    );
    t.bad(
        "a chain has at most 32 steps",
        json!({"steps": (0..33).map(|i| json!({"name": format!("s{i}")})).collect::<Vec<_>>()}),
        &["spec.steps: Too many", "32"],
    );
    t.bad(
        "a tier is known",
        json!({"steps": [{"name": "a", "tier": "Helpdesk"}]}),
        &["spec.steps[0].tier: Unsupported value: \"Helpdesk\""],
    );
    t.bad(
        "a severity has one row",
        json!({"severities": [{"level": "High"}, {"level": "High"}]}),
        &["spec.severities[1]: Duplicate value"],
    );
    t.bad(
        "a row has a level",
        json!({"severities": [{"responseTarget": "5m"}]}),
        &["spec.severities[0].level: Required value"],
    );
    t.bad(
        "a level pages or records",
        json!({"severities": [{"level": "Low", "paging": "Silent"}]}),
        &["spec.severities[0].paging: Unsupported value: \"Silent\""],
    );
    t.bad(
        "an ended alert resolves or is ignored",
        json!({"signal": {"onResolved": "Close"}}),
        &["spec.signal.onResolved: Unsupported value: \"Close\""],
    );
}

fn people(t: &mut Table) {
    let window = |from: &str, to: &str| json!({"calendars": [{"name": "c", "timeZone": "Europe/Berlin", "windows": [{"days": ["Mon"], "from": from, "to": to}]}]});
    t.good(
        "a night shift ends on the next day",
        window("22:00", "06:00"),
    );
    t.good("a day ends at 24:00", window("00:00", "24:00"));
    t.bad(
        "a time of day has two digits each",
        window("9:00", "17:00"),
        &["spec.calendars[0].windows[0].from", "should"],
    );
    t.bad(
        "a day has 24 hours",
        window("09:00", "25:00"),
        &["spec.calendars[0].windows[0].to", "should match"],
    );
    t.bad(
        "a calendar has hours",
        json!({"calendars": [{"name": "c", "timeZone": "UTC", "windows": []}]}),
        &["spec.calendars[0].windows", "should have at least 1 items"],
    );
    t.bad("a day of the week has three letters", json!({"calendars": [{"name": "c", "timeZone": "UTC", "windows": [{"days": ["Monday"], "from": "09:00", "to": "17:00"}]}]}), &["Unsupported value: \"Monday\""]);
    t.bad("a holiday is a date", json!({"calendars": [{"name": "c", "timeZone": "UTC", "holidays": ["25.12.2026"], "windows": [{"days": ["Mon"], "from": "09:00", "to": "17:00"}]}]}), &["spec.calendars[0].holidays[0]", "should match"]);
    t.bad("a time zone is one word", json!({"calendars": [{"name": "c", "timeZone": "Central European Time", "windows": [{"days": ["Mon"], "from": "09:00", "to": "17:00"}]}]}), &["spec.calendars[0].timeZone", "should match"]);
    let rota = |shift: Value, start: &str| json!({"rotas": [{"name": "r", "timeZone": "UTC", "start": start, "shift": shift, "members": ["alice", "bob", "alice"]}]});
    t.good(
        "a shift is given in hours",
        rota(json!({"hours": 12}), "2026-01-05T09:00"),
    );
    t.bad(
        "a shift has a length",
        rota(json!({}), "2026-01-05T09:00"),
        &[
            "spec.rotas[0].shift",
            "must be given in either `days` or `hours`",
        ],
    );
    t.bad(
        "a shift has one length",
        rota(json!({"days": 1, "hours": 1}), "2026-01-05T09:00"),
        &["must be given in either `days` or `hours`"],
    );
    t.bad(
        "a shift takes time",
        rota(json!({"days": 0}), "2026-01-05T09:00"),
        &[
            "spec.rotas[0].shift.days",
            "should be greater than or equal to 1",
        ],
    );
    t.bad(
        "a rota starts at a local time",
        rota(json!({"days": 7}), "2026-01-05T09:00:00Z"),
        &["spec.rotas[0].start"],
    );
    t.bad("a rota has members", json!({"rotas": [{"name": "r", "timeZone": "UTC", "start": "2026-01-05T09:00", "shift": {"days": 7}, "members": []}]}), &["spec.rotas[0].members", "should have at least 1 items"]);
    let window = |from: &str, until: &str| json!({"maintenance": [{"name": "m", "fromTime": from, "untilTime": until, "by": "alice"}]});
    t.good(
        "maintenance ends after it begins, whatever the zones",
        window("2026-01-05T09:00:00+02:00", "2026-01-05T08:00:00Z"),
    );
    t.bad(
        "maintenance does not end before it begins",
        window("2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
        &[
            "spec.maintenance[0].untilTime",
            "must be later than `fromTime`",
        ],
    );
    t.bad("an override does not end before it begins", json!({"overrides": [{"name": "o", "rota": "r", "member": "alice", "by": "bob", "fromTime": "2026-01-05T09:00:00Z", "untilTime": "2026-01-04T09:00:00Z"}]}), &["spec.overrides[0].untilTime", "must be later than `fromTime`"]);
    t.bad(
        "contact names are unique",
        json!({"contacts": [{"name": "alice"}, {"name": "alice"}]}),
        &["spec.contacts[1]: Duplicate value"],
    );
    t.bad(
        "a member stands once in a group",
        json!({"groups": [{"name": "g", "members": ["alice", "alice"]}]}),
        &["spec.groups[0].members[1]: Duplicate value"],
    );
    t.bad(
        "a connector has a known type",
        json!({"connectors": [{"name": "a", "type": "Telegram"}]}),
        &[
            "spec.connectors[0].type: Unsupported value: \"Telegram\"",
            "Webhook",
        ],
    );
    t.bad(
        "a secret is named, not written",
        json!({"connectors": [{"name": "a", "type": "Webhook", "token": "s3cret"}]}),
        &["unknown field \"spec.connectors[0].token\""],
    );
    t.bad("a secret has no namespace", json!({"connectors": [{"name": "a", "type": "Webhook", "secretRef": {"name": "s", "namespace": "other"}}]}), &["unknown field \"spec.connectors[0].secretRef.namespace\""]);
}

fn heads(t: &mut Table) {
    t.bad(
        "a suspension has an end",
        json!({"suspend": {"by": "alice"}}),
        &["spec.suspend.untilTime: Required value"],
    );
    t.bad(
        "a suspension says who",
        json!({"suspend": {"untilTime": "2026-01-05T09:00:00Z"}}),
        &["spec.suspend.by: Required value"],
    );
    t.bad(
        "a priority is never negative",
        json!({"priority": -1}),
        &["spec.priority", "should be greater than or equal to 0"],
    );
    t.bad(
        "a default is a yes or a no",
        json!({"default": "yes"}),
        &["spec.default", "must be of type boolean"],
    );
    t.bad(
        "a label's value is bounded",
        json!({"selector": {"matchLabels": {"team": "a".repeat(64)}}}),
        &["spec.selector.matchLabels.team: Too long"],
    );
    t.bad(
        "a category stands once in the scope",
        json!({"scope": {"inScope": [{"category": "A"}, {"category": "A"}]}}),
        &["spec.scope.inScope[1]: Duplicate value"],
    );
    t.bad(
        "a channel has a known type",
        json!({"channels": [{"name": "a", "type": "Pigeon"}]}),
        &["spec.channels[0].type: Unsupported value: \"Pigeon\""],
    );
    t.bad(
        "a default severity is known",
        json!({"defaultSeverity": "P1"}),
        &["spec.defaultSeverity: Unsupported value: \"P1\""],
    );
}

fn followups(t: &mut Table) {
    t.bad(
        "a notice is known",
        json!({"communication": {"notifyOn": ["Everything"]}}),
        &["spec.communication.notifyOn[0]: Unsupported value: \"Everything\""],
    );
    t.bad(
        "a summary has known parts",
        json!({"communication": {"resolutionSummary": ["blame"]}}),
        &["spec.communication.resolutionSummary[0]: Unsupported value: \"blame\""],
    );
    t.bad(
        "a commitment is confirmed or not",
        json!({"communication": {"commitment": "SLA"}}),
        &["spec.communication.commitment: Unsupported value: \"SLA\""],
    );
    t.bad(
        "a section of an RCA is known",
        json!({"rca": {"sections": ["blame"]}}),
        &[
            "spec.rca.sections[0]: Unsupported value: \"blame\"",
            "rootCauses",
        ],
    );
    t.bad(
        "an RCA is required after at least one reopening",
        json!({"rca": {"reopenedTimes": 0}}),
        &[
            "spec.rca.reopenedTimes",
            "should be greater than or equal to 1",
        ],
    );
    t.bad(
        "an assumption says something",
        json!({"assumptions": [""]}),
        &["spec.assumptions[0]", "should be at least 1 chars long"],
    );
    t.bad(
        "an open item says something",
        json!({"openItems": [{"owner": "alice"}]}),
        &["spec.openItems[0].message: Required value"],
    );
}

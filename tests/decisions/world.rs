//! The example of api.md 3.1 and the words the tests share.

use firebell::api::{
    Acknowledgement, Closure, ClosureReason, ConditionStatus, EscalationPolicySpec,
    EscalationRequest, Hold, HoldReason, Resolution, Severity, Signal, SignalState, TicketSpec,
    Time,
};
use firebell::testkit::model::Model;
use jiff::Timestamp;

/// The example policy of api.md 3.1.
pub const EXAMPLE: &str = r#"
default: true
severities:
- {level: High, responseTarget: 15m, acknowledgementTimeout: 30m}
- {level: Critical, responseTarget: 5m, acknowledgementTimeout: 30m}
connectors:
- {name: hook, type: Webhook, address: "https://pager.example.com/"}
contacts:
- {name: alice, user: alice@example.com, reach: [{connector: hook}]}
- {name: bob, reach: [{connector: hook}]}
- {name: carol, reach: [{connector: hook}]}
steps:
- {name: on-call, notify: [{contact: alice}], repeat: {every: 5m, times: 2}}
- {name: manager, after: 15m, notify: [{contact: bob}]}
- {name: director, after: 30m, condition: NotResolved, notify: [{contact: carol}]}
repeat: {times: 1, interval: 20m}
onExhausted: {after: 5m, notify: [{connector: hook}]}
"#;

pub fn at(clock: &str) -> Timestamp {
    let clock = if clock.len() == 5 {
        format!("{clock}:00")
    } else {
        clock.to_owned()
    };
    format!("2026-03-02T{clock}Z").parse().unwrap()
}

pub fn policy(text: &str) -> EscalationPolicySpec {
    serde_saphyr::from_str(text).unwrap()
}

/// A High ticket at 10:00 on the example policy.
pub fn example() -> Model {
    with_policy(EXAMPLE)
}

pub fn with_policy(text: &str) -> Model {
    Model::new(policy(text), ticket(), at("10:00"))
}

pub fn ticket() -> TicketSpec {
    TicketSpec {
        title: "Checkout returns 5xx".into(),
        severity: Some(Severity::High),
        ..TicketSpec::default()
    }
}

pub fn acknowledge(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "acknowledgement", |spec| {
        let by = "alice@example.com".to_owned();
        spec.acknowledgement = Some(Acknowledgement {
            by,
            ..Acknowledgement::default()
        });
    });
}

pub fn resolve(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "resolution", |spec| {
        let by = "bob".to_owned();
        spec.resolution = Some(Resolution {
            by,
            ..Resolution::default()
        });
    });
}

pub fn close(model: &mut Model, clock: &str, reason: ClosureReason) {
    model.edit_at(at(clock), "closure", move |spec| {
        let (by, reason) = ("bob".to_owned(), reason);
        spec.closure = Some(Closure {
            by,
            reason,
            note: None,
            token: None,
            revoked: false,
        });
    });
}

/// The source says something.
pub fn says(model: &mut Model, clock: &str, state: SignalState) {
    let time = Some(Time(at(clock)));
    model.edit_at(at(clock), "signal", move |spec| {
        spec.signal = Some(Signal {
            state,
            severity: None,
            time,
        });
    });
}

/// Sets a hold, or changes the one of that name.
pub fn hold(model: &mut Model, clock: &str, name: &str, reason: HoldReason, until: Option<&str>) {
    let hold = Hold {
        name: name.to_owned(),
        reason,
        until_time: until.map(|until| Time(at(until))),
        by: "bob".to_owned(),
        note: None,
    };
    model.edit_at(at(clock), "holds", move |spec| {
        spec.holds.retain(|known| known.name != hold.name);
        spec.holds.push(hold.clone());
    });
}

/// Holds the ticket for its vendor, or changes until when.
pub fn await_vendor(model: &mut Model, clock: &str, until: Option<&str>) {
    hold(model, clock, "vendor", HoldReason::AwaitingVendor, until);
}

/// Holds the ticket for the customer, or changes until when.
pub fn await_customer(model: &mut Model, clock: &str, until: Option<&str>) {
    let reason = HoldReason::AwaitingCustomer;
    hold(model, clock, "customer", reason, until);
}

/// Holds the ticket for a change, or changes until when.
pub fn await_change(model: &mut Model, clock: &str, until: Option<&str>) {
    hold(model, clock, "change", HoldReason::AwaitingChange, until);
}

/// Lifts a hold.
pub fn lift(model: &mut Model, clock: &str, name: &str) {
    let name = name.to_owned();
    model.edit_at(at(clock), "holds", move |spec| {
        spec.holds.retain(|known| known.name != name);
    });
}

/// The conditions that stand True, by type, with their messages.
pub fn standing(model: &Model, type_: &str) -> Option<String> {
    let conditions = model.status().conditions;
    let known = conditions.into_iter().find(|known| known.type_ == type_)?;
    (known.status == ConditionStatus::True).then_some(known.message)
}

/// The pages as lines: time, step, repeat, round.
pub fn pages(model: &Model) -> Vec<String> {
    let pages = model.received.iter().filter(|got| got.kind == "Page");
    pages
        .map(|got| {
            let (step, repeat) = got.step.clone().unwrap();
            let clock = got.time.strftime("%H:%M:%S").to_string();
            let clock = clock.strip_suffix(":00").unwrap_or(&clock);
            let repeat = if repeat > 0 {
                format!(" repeat {repeat}")
            } else {
                String::new()
            };
            format!("{clock} {step}{repeat} round {}", got.round)
        })
        .collect()
}

/// The notices as lines: time, kind, recipient.
pub fn notices(model: &Model) -> Vec<String> {
    let notices = model.received.iter().filter(|got| got.kind != "Page");
    notices
        .map(|got| format!("{} {} {}", got.time.strftime("%H:%M"), got.kind, got.to))
        .collect()
}

/// Somebody asks for a step or a later one.
pub fn ask(model: &mut Model, clock: &str, step: &str) {
    let request = EscalationRequest {
        at_least: Some(step.to_owned()),
        page_again: None,
        by: "bob".into(),
        note: None,
        token: None,
    };
    model.edit_at(at(clock), "escalation", move |spec| {
        spec.escalation = Some(request.clone());
    });
}

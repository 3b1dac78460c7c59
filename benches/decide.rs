//! What a decision costs while nothing is due, beside two things everybody knows the cost of: a copy of the ticket's
//! status, and the same as JSON. Asked for every trigger and, later, by each audit of every open ticket.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Context;
use criterion::{Criterion, criterion_group, criterion_main};
use firebell::api::{Acknowledgement, EscalationPolicySpec, Severity, TicketSpec};
use firebell::domain::decide::decide;
use firebell::domain::next::Next;
use firebell::domain::observed::{Observed, Remembered, Settings};
use firebell::testkit::model::Model;
use jiff::{SignedDuration, Timestamp};

const POLICY: &str = r#"
default: true
severities:
- {level: High, responseTarget: 15m, resolutionTarget: 4h, acknowledgementTimeout: 30m}
connectors:
- {name: hook, type: Webhook, address: "https://pager.example.com/"}
contacts:
- {name: alice, user: alice@example.com, reach: [{connector: hook}]}
- {name: bob, reach: [{connector: hook}]}
steps:
- {name: on-call, notify: [{contact: alice}], repeat: {every: 5m, times: 2}}
- {name: manager, after: 15m, notify: [{contact: bob}]}
- {name: director, after: 30m, condition: NotResolved, notify: [{contact: bob}]}
repeat: {times: 1, interval: 20m}
"#;

/// A ticket in the middle of its chain, seen a minute after its last page; acknowledged or not.
fn waiting(acknowledged: bool) -> anyhow::Result<(Observed, Timestamp)> {
    let created: Timestamp = "2026-03-02T10:00:00Z".parse()?;
    let policy: EscalationPolicySpec = serde_saphyr::from_str(POLICY)?;
    let ticket = TicketSpec {
        title: "Checkout returns 5xx".into(),
        severity: Some(Severity::High),
        ..TicketSpec::default()
    };
    let mut model = Model::new(policy, ticket, created);
    let now = created + SignedDuration::from_mins(11);
    if acknowledged {
        model.edit_at(
            now - SignedDuration::from_mins(2),
            "acknowledgement",
            |spec| {
                spec.acknowledgement = Some(Acknowledgement {
                    by: "alice@example.com".into(),
                    ..Acknowledgement::default()
                });
            },
        );
    }
    model.run_until(now);
    Ok((model.observe(), now))
}

fn measure(criterion: &mut Criterion, name: &str, acknowledged: bool) -> anyhow::Result<()> {
    let (seen, now) = waiting(acknowledged)?;
    let settings = Settings::default();
    let answer = decide(&seen, &settings, now);
    let Next::Wait { until, what } = answer else {
        anyhow::bail!("{name} should wait for a deadline, not {answer:?}");
    };
    let mut again = seen.clone();
    again.remembered = Remembered::of(&seen, &settings, now, (until, what)).map(Arc::new);
    anyhow::ensure!(again.remembered.is_some(), "{name} should be remembered");
    let status = seen.ticket.status.as_ref().context("never written")?;
    let mut group = criterion.benchmark_group(name);
    group.bench_function("decide: asked again, nothing changed", |bencher| {
        bencher.iter(|| decide(black_box(&again), &settings, now));
    });
    group.bench_function("decide: asked first, through every rule", |bencher| {
        bencher.iter(|| decide(black_box(&seen), &settings, now));
    });
    group.bench_function("reference: copy of the status", |bencher| {
        bencher.iter(|| black_box(status).clone());
    });
    group.bench_function("reference: status as JSON", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(status)));
    });
    group.finish();
    Ok(())
}

fn idle(criterion: &mut Criterion) {
    for (name, acknowledged) in [("armed", false), ("acknowledged", true)] {
        if let Err(error) = measure(criterion, name, acknowledged) {
            panic!("{error:#}");
        }
    }
}

criterion_group!(benches, idle);
criterion_main!(benches);

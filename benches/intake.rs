//! Alerts turned into tickets per second by `firebell intake`, against a bare client that makes the same creates in the
//! same run; then a resend of all of them, which must write nothing.
//!
//! The bare client runs before and after: on a machine that others use too, the ratio within one run says more than any
//! time in it. In a release build the alerts must be tickets within a minute, all of them. `make bench`;
//! `FIREBELL_BENCH_ALERTS` sets their number (default 10,000).

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use firebell::api::Ticket;
use firebell::testkit::controlplane::{ControlPlane, Options, namespace};
use firebell::testkit::crypto;
use firebell::testkit::eventually;
use firebell::testkit::intake::{self, Intake};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// The intake under test, built by cargo for this very program.
const INTAKE: &str = env!("CARGO_BIN_EXE_firebell");
const TOKEN: &str = "an-intake-token-of-the-bench";
/// Alerts of one message, as a busy Alertmanager groups them.
const PER_MESSAGE: u32 = 50;
/// Messages on their way at once.
const MESSAGES: usize = 4;
/// Creates of the bare client on their way at once: as many as the intake's.
const AT_ONCE: usize = 32;
const LIMIT: Duration = Duration::from_mins(2);
/// So many alerts of one minute must all have their ticket in it.
const A_MINUTE_HOLDS: u32 = 10_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto();
    let wanted = std::env::var("FIREBELL_BENCH_ALERTS");
    let count: u32 = wanted.map_or(Ok(10_000), |text| text.parse())?;
    let build = if cfg!(debug_assertions) {
        "DEBUG builds: these figures say nothing about a release"
    } else {
        "release builds"
    };
    let processors = std::thread::available_parallelism()?;
    println!("{count} distinct alerts, {build}, {processors} processors for everything");
    let plane = ControlPlane::start(Options::default()).await?;
    let client = plane.admin()?;
    install(&client).await?;
    let home = namespace(&client, "alerts").await?;
    let intake = start(&plane, &home).await?;

    let before = bare(&client, count).await?;
    let ours = send_all(&intake, count, "Created").await?;
    let after = bare(&client, count).await?;
    println!(
        "tickets per second: bare client {before:.0}, intake {ours:.0}, bare client {after:.0}"
    );
    println!(
        "{:.2} and {:.2} of the bare client (goal: 0.9)",
        ours / before,
        ours / after
    );
    let stored = stored(&client, &home).await?;
    let seconds = f64::from(count) / ours;
    println!("tickets stored: {stored} of {count}, within {seconds:.1} s");
    ensure!(stored == usize::try_from(count)?, "alerts were lost");
    ensure!(
        cfg!(debug_assertions) || count > A_MINUTE_HOLDS || seconds < 60.0,
        "the alerts of a minute took longer than one"
    );

    let writes = || {
        plane.audit_events(|event| {
            event.is_write() && event.namespace == home && event.resource == "tickets"
        })
    };
    let written = eventually("all creates are in the audit log", LIMIT, async || {
        let seen = writes().ok()?.len();
        (seen >= stored).then_some(seen)
    })
    .await?;
    let again = send_all(&intake, count, "Known").await?;
    // What comes afterwards is in the log, so all before it is.
    send(&intake, count, count + 1).await?;
    let all = eventually("the last create is in the audit log", LIMIT, async || {
        let seen = writes().ok()?.len();
        (seen > written).then_some(seen)
    })
    .await?;
    println!(
        "all sent again: {again:.0} per second, writes: {}",
        all - written - 1
    );
    ensure!(
        all == written + 1,
        "a resend of what is known must not write"
    );
    Ok(())
}

async fn install(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in firebell::api::crds() {
        let name = crd.metadata.name.clone().context("a CRD without a name")?;
        let params = PatchParams::apply("bench").force();
        api.patch(&name, &params, &Patch::Apply(&crd)).await?;
    }
    let tickets: Api<Ticket> = Api::all(client.clone());
    eventually("tickets are served", LIMIT, async || {
        tickets.list(&ListParams::default().limit(1)).await.ok()
    })
    .await?;
    Ok(())
}

async fn start(plane: &ControlPlane, home: &str) -> anyhow::Result<Intake> {
    let text = format!("defaultNamespace: {home}\nnewTicketsPerMinute: 1000000");
    for object in [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "intake"}, "data": {"intake.yaml": text}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "intake"}, "stringData": {"token": TOKEN}}),
    ] {
        let args = ["-n", home, "apply", "-f", "-"];
        plane.kubectl(args).input(object.to_string()).run().await?;
    }
    let intake = Intake::spawn(intake::Options {
        binary: Path::new(INTAKE).to_owned(),
        kubeconfig: plane.kubeconfig_path().to_owned(),
        namespace: home.to_owned(),
        log: plane.folder().join("intake.log"),
    })?;
    intake.ready(LIMIT).await.with_context(|| intake.log())?;
    Ok(intake)
}

fn alert(number: u32) -> Value {
    json!({
        "status": "firing", "fingerprint": format!("{number:016x}"), "startsAt": "2026-01-05T09:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus.example/graph",
        "labels": {"alertname": "HighLatency", "pod": format!("orders-{number}"), "service": "orders", "severity": "warning"},
        "annotations": {"summary": format!("Latency of orders-{number} is high"), "description": "p99 above 1 s for 5 minutes."},
    })
}

/// Sends the alerts of a range in one message; what became of them.
async fn send(intake: &Intake, from: u32, to: u32) -> anyhow::Result<Vec<String>> {
    let alerts: Vec<Value> = (from..to).map(alert).collect();
    let body = json!({"version": "4", "groupKey": "{}", "receiver": "firebell", "alerts": alerts});
    let answer = intake.post("/v1/alertmanager", TOKEN, &body).await?;
    ensure!(answer.status == 202, "{}: {}", answer.status, answer.text);
    let told = answer.json["alerts"].as_array().context("no list")?.iter();
    Ok(told
        .map(|one| one["result"].as_str().unwrap_or_default().to_owned())
        .collect())
}

/// Sends all alerts; how many per second.
async fn send_all(intake: &Intake, count: u32, wanted: &str) -> anyhow::Result<f64> {
    let began = Instant::now();
    let step = usize::try_from(PER_MESSAGE)?;
    let messages = (0..count)
        .step_by(step)
        .map(|from| send(intake, from, (from + PER_MESSAGE).min(count)));
    let told: Vec<Vec<String>> = stream::iter(messages)
        .buffer_unordered(MESSAGES)
        .try_collect()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    let odd = told.iter().flatten().find(|result| *result != wanted);
    ensure!(odd.is_none(), "an alert became {odd:?}, not {wanted}");
    Ok(f64::from(count) / seconds)
}

/// The same creates by a client that does nothing else, in a namespace of their own.
async fn bare(client: &Client, count: u32) -> anyhow::Result<f64> {
    let home = namespace(client, "bare").await?;
    let api: Api<Ticket> = Api::namespaced(client.clone(), &home);
    let ticket = |number: u32| -> anyhow::Result<Ticket> {
        Ok(serde_json::from_value(json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": format!("highlatency-{number:016x}"), "labels": {"firebell.dev/alert": format!("{number:032x}")}},
            "spec": {
                "title": format!("Latency of orders-{number} is high"), "service": "orders",
                "description": format!("p99 above 1 s for 5 minutes.\n\n- alertname: HighLatency\n- pod: orders-{number}\n- service: orders\n- severity: warning\n\nhttp://prometheus.example/graph"),
                "reporter": {"name": "alertmanager"},
                "source": {"channel": "alertmanager", "dedupKey": format!("alertmanager/{number:016x}"), "startTime": "2026-01-05T09:00:00Z",
                    "externalRef": "http://prometheus.example/graph"},
                "signal": {"state": "Firing", "severity": "Medium", "time": "2026-01-05T09:00:00Z"},
            },
        }))?)
    };
    let tickets: Vec<Ticket> = (0..count).map(ticket).collect::<anyhow::Result<_>>()?;
    let began = Instant::now();
    let params = PostParams::default();
    let posts = tickets.iter().map(|ticket| api.create(&params, ticket));
    let created: Vec<Ticket> = stream::iter(posts)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(f64::from(u32::try_from(created.len())?) / began.elapsed().as_secs_f64())
}

async fn stored(client: &Client, home: &str) -> anyhow::Result<usize> {
    let api: Api<Ticket> = Api::namespaced(client.clone(), home);
    Ok(api.list_metadata(&ListParams::default()).await?.items.len())
}

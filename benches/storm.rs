//! N tickets whose first step falls due at one instant, against a bare timer + POST program in the same run.
//!
//! The instant is the opening of the step's calendar, the same for all. Prints what it measured, a miss too.
//! `make bench`; `FIREBELL_BENCH_TICKETS` sets N (default 1000).

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use firebell::api::{EscalationPolicy, Ticket};
use firebell::testkit::controlplane::{ControlPlane, Options, namespace};
use firebell::testkit::operator::{self, Operator, built_binary};
use firebell::testkit::process::{Usage, usage};
use firebell::testkit::receiver::Receiver;
use firebell::testkit::{crypto, eventually};
use futures::{StreamExt, stream};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Unit};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto();
    let wanted = std::env::var("FIREBELL_BENCH_TICKETS");
    let count: u32 = wanted.map_or(Ok(1000), |text| text.parse())?;
    let bare = bare(count).await?;
    let plane = ControlPlane::start(Options::default()).await?;
    let firebell = firebell(&plane, count).await?;
    println!("{count} due at one instant: receipt p50 / p99 / max in ms, missed, repeated");
    println!("bare timer + POST  {bare}");
    println!("firebell           {firebell}");
    let ratio = firebell.quantile(99) / bare.quantile(99);
    println!("p99 is {ratio:.2} times the bare program's (goal at this stage: at most 3)");
    Ok(())
}

/// What one program came to.
struct Receipts {
    millis: Vec<f64>,
    missed: usize,
    repeated: usize,
}

impl std::fmt::Display for Receipts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [median, high, max] = [50, 99, 100].map(|part| self.quantile(part));
        let Self {
            missed, repeated, ..
        } = self;
        write!(
            f,
            "{median:.1} / {high:.1} / {max:.1}, missed {missed}, repeated {repeated}"
        )
    }
}

impl Receipts {
    fn new(receiver: &Receiver, due: Timestamp, wanted: u32) -> anyhow::Result<Self> {
        let pages = receiver.pages();
        let ids: BTreeSet<_> = pages.iter().map(|page| page.id().to_owned()).collect();
        let late = |time: Timestamp| time.duration_since(due).as_secs_f64() * 1e3;
        let mut millis: Vec<f64> = pages.iter().map(|page| late(page.time)).collect();
        millis.sort_by(f64::total_cmp);
        let missed = usize::try_from(wanted)?.saturating_sub(ids.len());
        Ok(Self {
            millis,
            missed,
            repeated: pages.len() - ids.len(),
        })
    }

    fn quantile(&self, percent: usize) -> f64 {
        let index = (self.millis.len() * percent)
            .div_ceil(100)
            .saturating_sub(1);
        self.millis.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// A timer and N POSTs, 16 at a time as one lane of Firebell sends.
async fn bare(count: u32) -> anyhow::Result<Receipts> {
    let receiver = Receiver::start().await?;
    let client = reqwest::Client::new();
    let url = receiver.url("/bare");
    let due = Timestamp::now() + SignedDuration::from_secs(1);
    let wait = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
    tokio::time::sleep(wait).await;
    let posts = stream::iter(0..count).map(|number| {
        client
            .post(&url)
            .header("webhook-id", number.to_string())
            .body("{}")
            .send()
    });
    let answers: Vec<_> = posts.buffer_unordered(16).collect().await;
    for answer in answers {
        answer?;
    }
    Receipts::new(&receiver, due, count)
}

async fn firebell(plane: &ControlPlane, count: u32) -> anyhow::Result<Receipts> {
    let receiver = Receiver::start().await?;
    plane
        .kubectl(["apply", "--server-side", "-f", "crds/"])
        .run()
        .await?;
    plane
        .kubectl(["wait", "--for=condition=Established", "crd", "--all"])
        .run()
        .await?;
    let client = plane.admin()?;
    let home = namespace(&client, "storm").await?;
    let binary = built_binary("firebell").context("no `firebell` beside this program")?;
    let mut operator = Operator::spawn(&operator::Options {
        binary,
        kubeconfig: plane.kubeconfig_path().to_owned(),
        namespaces: vec![home.clone()],
        flags: Vec::new(),
        log: plane.folder().join("operator.log"),
    })?;
    operator.ready(Duration::from_secs(30)).await?;
    let empty = usage(operator.pid()).context("the operator is gone")?;
    let due = opening(count)?;
    let policies: Api<EscalationPolicy> = Api::namespaced(client.clone(), &home);
    let policy = Patch::Apply(policy(&receiver, due));
    policies
        .patch("storm", &PatchParams::apply("bench"), &policy)
        .await?;
    let tickets: Api<Ticket> = Api::namespaced(client, &home);
    create(&tickets, count).await?;
    armed(&tickets).await?;
    anyhow::ensure!(
        Timestamp::now() < due,
        "not armed before {due}; run it again"
    );
    let limit = Duration::try_from(due.duration_since(Timestamp::now()))? + Duration::from_mins(2);
    let wanted = usize::try_from(count)?;
    // Fewer than all is reported as missed.
    let _all = receiver
        .wait_for(|ledger| ledger.all().len() >= wanted, limit)
        .await;
    let receipts = Receipts::new(&receiver, due, count)?;
    let status_of_tickets = |uri: &str| uri.contains("/tickets/") && uri.contains("/status");
    let writes = plane.audit_events(|event| {
        event.namespace == home
            && event.is_complete()
            && event.is_write()
            && status_of_tickets(&event.uri)
    })?;
    let each = f64::from(u32::try_from(writes.len())?) / f64::from(count);
    println!("{each:.2} status writes per ticket until the last page arrived");
    cost(plane, &operator, empty, count)?;
    print_handover(&operator.metrics().await?);
    Ok(receipts)
}

/// Prints what the whole run cost the two processes.
fn cost(plane: &ControlPlane, operator: &Operator, empty: Usage, count: u32) -> anyhow::Result<()> {
    let full = usage(operator.pid()).context("the operator is gone")?;
    let grown = full.resident_bytes.saturating_sub(empty.resident_bytes) / u64::from(count);
    println!(
        "operator: {:.2} s of CPU, {grown} bytes of memory per open ticket",
        full.cpu.as_secs_f64()
    );
    let processes = plane.processes();
    let server = processes.iter().find(|(name, _)| name == "kube-apiserver");
    let used = server
        .and_then(|(_, pid)| usage(*pid))
        .context("the API server is gone")?;
    println!("kube-apiserver: {:.2} s of CPU", used.cpu.as_secs_f64());
    Ok(())
}

/// Prints the hand-over lateness as the operator's own histogram counts it: how many left within which bound.
fn print_handover(metrics: &str) {
    let of_handover = |line: &&str| {
        line.starts_with("firebell_delivery_lateness_seconds_bucket") && line.contains("handover")
    };
    for line in metrics.lines().filter(of_handover) {
        println!("{line}");
    }
}

/// A whole minute far enough ahead to create the tickets first.
fn opening(count: u32) -> anyhow::Result<Timestamp> {
    let earliest = Timestamp::now() + SignedDuration::from_secs(i64::from(count / 50) + 60);
    Ok(earliest
        .to_zoned(TimeZone::UTC)
        .round(Unit::Minute)?
        .timestamp())
}

fn policy(receiver: &Receiver, due: Timestamp) -> Value {
    let from = due.strftime("%H:%M").to_string();
    let to = (due - SignedDuration::from_mins(10))
        .strftime("%H:%M")
        .to_string();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let windows = json!([{"days": days, "from": from, "to": to}]);
    json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "EscalationPolicy",
        "metadata": {"name": "storm"},
        "spec": {
            "default": true,
            "calendars": [{"name": "opening", "timeZone": "UTC", "windows": windows}],
            "connectors": [{"name": "pager", "type": "Webhook", "address": receiver.url("/storm")}],
            "steps": [{"name": "on-call", "calendar": "opening", "notify": [{"connector": "pager"}]}],
        }
    })
}

async fn create(tickets: &Api<Ticket>, count: u32) -> anyhow::Result<()> {
    let created = stream::iter(0..count).map(|number| async move {
        let ticket = json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
            "metadata": {"name": format!("t{number}")}, "spec": {"title": "storm", "severity": "High"},
        });
        tickets.create(&PostParams::default(), &serde_json::from_value(ticket)?).await?;
        anyhow::Ok(())
    });
    let results: Vec<_> = created.buffer_unordered(16).collect().await;
    results.into_iter().collect()
}

/// Waits until the status of every ticket arms its page.
async fn armed(tickets: &Api<Ticket>) -> anyhow::Result<()> {
    let armed = |ticket: &Ticket| {
        let escalation = ticket
            .status
            .as_ref()
            .and_then(|status| status.escalation.as_ref());
        escalation.is_some_and(|known| known.next_time.is_some())
    };
    let all = eventually(
        "every ticket to be armed",
        Duration::from_mins(2),
        async || {
            let all = tickets.list(&ListParams::default()).await.ok()?;
            all.items.iter().all(armed).then_some(())
        },
    );
    Ok(all.await?)
}

//! N tickets whose first step falls due at one instant, against a bare timer + POST program in the same run.
//!
//! The instant is the opening of the step's calendar, the same for all. The bare program runs before and after, on the
//! same receiver code: on a machine that others use too, the ratio within one run says more than any time in it.
//! Prints what it measured, a miss too. `make bench`; `FIREBELL_BENCH_TICKETS` sets N (default 1000).

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use firebell::api::{DeliveryState, EscalationPolicy, Ticket};
use firebell::testkit::controlplane::{ControlPlane, Options, namespace};
use firebell::testkit::operator::{self, Operator};
use firebell::testkit::process::{Usage, usage};
use firebell::testkit::receiver::{Received, Receiver};
use firebell::testkit::{crypto, eventually};
use futures::{StreamExt, stream};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// The operator under test, built by cargo for this very program: the same profile, whoever runs it.
const OPERATOR: &str = env!("CARGO_BIN_EXE_firebell");
/// Tickets that come and go before anything is measured.
const WARM_UP: u32 = 100;
/// Requests of ours at once.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto();
    let wanted = std::env::var("FIREBELL_BENCH_TICKETS");
    let count: u32 = wanted.map_or(Ok(1000), |text| text.parse())?;
    let build = if cfg!(debug_assertions) {
        "DEBUG builds: these figures say nothing about a release"
    } else {
        "release builds"
    };
    let processors = std::thread::available_parallelism()?;
    println!("{count} tickets due at one instant, {build}, {processors} processors for everything");
    let storm = Storm::prepare(count).await?;
    let due = storm.arm().await?;
    let before = bare(count).await?;
    let (receipts, cost) = storm.measure(due).await?;
    let after = bare(count).await?;
    println!("receipt in ms after the instant:  p50 / p99 / max");
    println!("bare timer + POST, before   {before}");
    println!("firebell                    {receipts}");
    println!("bare timer + POST, after    {after}");
    let ratio = |bare: &Receipts| receipts.quantile(99) / bare.quantile(99);
    println!(
        "p99 is {:.2} and {:.2} times the bare program's (goal at this stage: at most 3)",
        ratio(&before),
        ratio(&after)
    );
    cost.print(count);
    storm.print_log()
}

/// Sorted values.
struct Quantiles(Vec<f64>);

impl Quantiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn at(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }
}

impl std::fmt::Display for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [median, high, max] = [50, 99, 100].map(|part| self.at(part));
        write!(f, "{median:.1} / {high:.1} / {max:.1}")
    }
}

/// What one program came to.
struct Receipts {
    millis: Quantiles,
    missed: usize,
    repeated: usize,
}

impl std::fmt::Display for Receipts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            millis,
            missed,
            repeated,
        } = self;
        write!(f, "{millis}, missed {missed}, repeated {repeated}")
    }
}

impl Receipts {
    fn new(receiver: &Receiver, due: Timestamp, wanted: u32) -> anyhow::Result<Self> {
        let late = |time: Timestamp| time.duration_since(due).as_secs_f64() * 1e3;
        let requests = receiver.pages();
        let pages: Vec<(String, f64)> = requests
            .iter()
            .flat_map(|request| ids(request).into_iter().map(|id| (id, late(request.time))))
            .collect();
        let known: BTreeSet<&str> = pages.iter().map(|(id, _)| id.as_str()).collect();
        let missed = usize::try_from(wanted)?.saturating_sub(known.len());
        Ok(Self {
            missed,
            repeated: pages.len() - known.len(),
            millis: Quantiles::of(pages.into_iter().map(|(_, late)| late).collect()),
        })
    }

    fn quantile(&self, percent: usize) -> f64 {
        self.millis.at(percent)
    }
}

/// The pages in a request: one, or those of a bundle.
fn ids(request: &Received) -> Vec<String> {
    let body = request.json().unwrap_or_default();
    match body["data"]["items"].as_array() {
        Some(items) => items
            .iter()
            .map(|item| item["id"].as_str().unwrap_or_default().to_owned())
            .collect(),
        None => vec![request.id().to_owned()],
    }
}

/// A timer and N POSTs, as many at a time as one lane of Firebell sends.
async fn bare(count: u32) -> anyhow::Result<Receipts> {
    let receiver = Receiver::start().await?;
    let client = reqwest::Client::new();
    let url = receiver.url("/bare");
    let due = Timestamp::now() + SignedDuration::from_secs(1);
    sleep_until(due).await;
    let posts = stream::iter(0..count).map(|number| {
        client
            .post(&url)
            .header("webhook-id", number.to_string())
            .body("{}")
            .send()
    });
    let answers: Vec<_> = posts.buffer_unordered(AT_ONCE).collect().await;
    for answer in answers {
        answer?;
    }
    Receipts::new(&receiver, due, count)
}

async fn sleep_until(time: Timestamp) {
    let left = time.duration_since(Timestamp::now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
}

/// A control plane, an operator and a receiver.
struct Storm {
    plane: ControlPlane,
    client: Client,
    home: String,
    operator: Operator,
    receiver: Receiver,
    count: u32,
    idle: Usage,
}

/// What the storm cost.
struct Cost {
    idle: Usage,
    armed: Usage,
    done: Usage,
    server: Duration,
    writes: usize,
    refused: usize,
    conflicts: usize,
}

impl Cost {
    fn print(&self, count: u32) {
        let each = |grown: u64| grown / u64::from(count);
        let above = |usage: &Usage| {
            each(
                usage
                    .resident_bytes
                    .saturating_sub(self.idle.resident_bytes),
            )
        };
        let mib = |usage: &Usage| usage.resident_bytes / (1024 * 1024);
        println!(
            "status writes per ticket, from its creation on: {:.2} (opened and paged: at most 2); {} answered 409, {} answered 429",
            f64::from(u32::try_from(self.writes).unwrap_or(u32::MAX)) / f64::from(count),
            self.conflicts,
            self.refused
        );
        println!(
            "CPU from the instant until every result was recorded: operator {:.2} s, kube-apiserver {:.2} s",
            self.done.cpu.saturating_sub(self.armed.cpu).as_secs_f64(),
            self.server.as_secs_f64()
        );
        println!(
            "memory of the operator: {} MiB without tickets (after {WARM_UP} had come and gone), {} MiB with all armed ({} bytes each), {} MiB after the storm ({} bytes each)",
            mib(&self.idle),
            mib(&self.armed),
            above(&self.armed),
            mib(&self.done),
            above(&self.done)
        );
    }
}

impl Storm {
    /// Starts everything and lets a few tickets come and go, so that what grows once has grown.
    async fn prepare(count: u32) -> anyhow::Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
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
        let mut operator = Operator::spawn(&operator::Options {
            binary: Path::new(OPERATOR).to_owned(),
            kubeconfig: plane.kubeconfig_path().to_owned(),
            namespaces: vec![home.clone()],
            flags: Vec::new(),
            log: plane.folder().join("operator.log"),
        })?;
        operator.ready(LIMIT).await?;
        let idle = usage(operator.pid()).context("the operator is gone")?;
        let mut storm = Self {
            receiver: Receiver::start().await?,
            plane,
            client,
            home,
            operator,
            count,
            idle,
        };
        storm.warm_up().await?;
        Ok(storm)
    }

    fn tickets(&self) -> Api<Ticket> {
        Api::namespaced(self.client.clone(), &self.home)
    }

    async fn warm_up(&mut self) -> anyhow::Result<()> {
        // Within the ten minutes in which the calendar is closed.
        self.apply_policy(Timestamp::now() + SignedDuration::from_mins(8))
            .await?;
        self.create(WARM_UP, "warm-up").await?;
        self.all(|ticket| next_time(ticket).is_some()).await?;
        let everything = ListParams::default();
        self.tickets()
            .delete_collection(&DeleteParams::default(), &everything)
            .await?;
        let gone = eventually(
            "the tickets of the warm-up to be forgotten",
            LIMIT,
            async || {
                let metrics = self.operator.metrics().await.ok()?;
                let held =
                    |line: &str| line.starts_with("firebell_tickets{") && !line.ends_with(" 0");
                (!metrics.lines().any(held)).then_some(())
            },
        );
        gone.await?;
        self.idle = self.used()?;
        Ok(())
    }

    fn used(&self) -> anyhow::Result<Usage> {
        usage(self.operator.pid()).context("the operator is gone")
    }

    /// Processor time of the API server so far.
    fn server(&self) -> anyhow::Result<Duration> {
        let processes = self.plane.processes();
        let server = processes.iter().find(|(name, _)| name == "kube-apiserver");
        let used = server.and_then(|(_, pid)| usage(*pid));
        Ok(used.context("the API server is gone")?.cpu)
    }

    /// Creates the tickets and waits until each is armed for the instant that is returned.
    async fn arm(&self) -> anyhow::Result<Timestamp> {
        let due = opening(self.count)?;
        self.apply_policy(due).await?;
        self.create(self.count, "storm").await?;
        self.all(|ticket| next_time(ticket) == Some(due)).await?;
        anyhow::ensure!(
            Timestamp::now() + SignedDuration::from_secs(5) < due,
            "not armed well before {due}; run it again"
        );
        Ok(due)
    }

    /// Waits for the storm, and until every result stands in its ticket's status.
    async fn measure(&self, due: Timestamp) -> anyhow::Result<(Receipts, Cost)> {
        sleep_until(due - SignedDuration::from_secs(1)).await;
        let (armed, server) = (self.used()?, self.server()?);
        let wanted = usize::try_from(self.count)?;
        // Fewer than all is reported as missed.
        let _all = self
            .receiver
            .wait_for(
                |ledger| ledger.all().iter().flat_map(ids).count() >= wanted,
                LIMIT,
            )
            .await;
        let of_storm = |line: &str| line.contains("\"decided\"") && line.contains("Escalated");
        let recorded = eventually("every page to be recorded", LIMIT, async || {
            let log = self.operator.log();
            (log.lines().filter(|line| of_storm(line)).count() >= wanted).then_some(())
        });
        recorded.await?;
        let (done, server) = (self.used()?, self.server()?.saturating_sub(server));
        self.all(|ticket| {
            let status = ticket.status.as_ref();
            status.is_some_and(|status| {
                let delivered =
                    |known: &firebell::api::DeliveryRecord| known.state == DeliveryState::Delivered;
                !status.deliveries.is_empty() && status.deliveries.iter().all(delivered)
            })
        })
        .await?;
        let receipts = Receipts::new(&self.receiver, due, self.count)?;
        let writes = self.plane.audit_events(|event| {
            let status = event.resource == "tickets/status" && event.name.starts_with("storm");
            event.namespace == self.home && event.is_complete() && event.is_write() && status
        })?;
        let answered = |code: u16| writes.iter().filter(|event| event.code == code).count();
        let cost = Cost {
            idle: self.idle,
            armed,
            done,
            server,
            writes: writes.len(),
            refused: answered(429),
            conflicts: answered(409),
        };
        Ok((receipts, cost))
    }

    async fn apply_policy(&self, due: Timestamp) -> anyhow::Result<()> {
        let policies: Api<EscalationPolicy> = Api::namespaced(self.client.clone(), &self.home);
        let policy = Patch::Apply(policy(&self.receiver, due));
        let written = policies
            .patch("storm", &PatchParams::apply("bench"), &policy)
            .await?;
        let in_use = eventually("the policy to be in use", LIMIT, async || {
            let status = policies.get("storm").await.ok()?.status?;
            (status.generation == written.metadata.generation).then_some(())
        });
        Ok(in_use.await?)
    }

    async fn create(&self, count: u32, name: &str) -> anyhow::Result<()> {
        let tickets = self.tickets();
        let created = stream::iter(0..count).map(|number| {
            let tickets = &tickets;
            async move {
                let ticket = json!({
                    "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
                    "metadata": {"name": format!("{name}-{number}")}, "spec": {"title": "storm", "severity": "High"},
                });
                tickets.create(&PostParams::default(), &serde_json::from_value(ticket)?).await?;
                anyhow::Ok(())
            }
        });
        let results: Vec<_> = created.buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().collect()
    }

    /// Waits until every ticket is as wanted.
    async fn all(&self, wanted: impl Fn(&Ticket) -> bool) -> anyhow::Result<()> {
        let tickets = self.tickets();
        let all = eventually("every ticket to be as wanted", LIMIT, async || {
            // Seldom: a list of a thousand is work for the API server.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let all = tickets.list(&ListParams::default()).await.ok()?;
            all.items.iter().all(&wanted).then_some(())
        });
        Ok(all.await?)
    }

    /// What the operator's own log says of each delivery: how late it was handed over, how long the rest took.
    fn print_log(&self) -> anyhow::Result<()> {
        let log = self.operator.log();
        let deliveries = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["message"] == "delivery");
        let (mut handover, mut receipt) = (Vec::new(), Vec::new());
        for line in deliveries {
            handover.extend(line["lateness_ms"].as_f64());
            receipt.extend(line["receipt_ms"].as_f64());
        }
        anyhow::ensure!(!handover.is_empty(), "the operator logged no delivery");
        println!("in whole ms, as the operator logs it:  p50 / p99 / max");
        println!("hand-over after the instant  {}", Quantiles::of(handover));
        println!("receipt after the hand-over  {}", Quantiles::of(receipt));
        Ok(())
    }
}

/// A whole minute far enough ahead to create the tickets first.
fn opening(count: u32) -> anyhow::Result<Timestamp> {
    let earliest = Timestamp::now() + SignedDuration::from_secs(i64::from(count / 50) + 30);
    let minute = TimestampRound::new()
        .smallest(Unit::Minute)
        .mode(RoundMode::Ceil);
    Ok(earliest.round(minute)?)
}

fn next_time(ticket: &Ticket) -> Option<Timestamp> {
    let escalation = ticket.status.as_ref()?.escalation.as_ref()?;
    escalation.next_time.map(|time| time.0)
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

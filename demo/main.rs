//! `make demo`: a ticket from submission to closure on a real API server, with what a person sees of it.
//!
//! Succeeds only if every stage and every page was observed, each page with a verified signature.

#![allow(clippy::print_stdout, reason = "a demo prints")]

mod alert;

use std::time::Duration;

use anyhow::{Context, bail};
use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::intake::Intake;
use firebell::testkit::operator::{self, Operator, built_binary};
use firebell::testkit::receiver::{Received, Receiver};
use firebell::testkit::{crypto, eventually};
use serde_json::Value;

/// The signing key of this run's throwaway Secret.
const KEY: &str = "whsec_ZmlyZWJlbGwtZGVtby1zaWduaW5nLWtleS0wMDE=";
const LIMIT: Duration = Duration::from_secs(20);
const NAMESPACE: &str = "demo";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto();
    let keep = std::env::args().any(|arg| arg == "--keep");
    heading("A real etcd and kube-apiserver come up");
    let plane = ControlPlane::start(Options {
        keep,
        ..Options::default()
    })
    .await?;
    println!("{}", kubectl(&plane, &["version"]).await?);
    let receiver = Receiver::start().await?;

    heading("Firebell: its CRDs, then `firebell intake` and `firebell run`");
    kubectl(&plane, &["apply", "--server-side", "-f", "crds/"]).await?;
    kubectl(
        &plane,
        &["wait", "--for=condition=Established", "crd", "--all"],
    )
    .await?;
    kubectl(&plane, &["create", "namespace", NAMESPACE]).await?;
    let key = format!("--from-literal=signingKey={KEY}");
    kubectl(
        &plane,
        &[
            "-n", NAMESPACE, "create", "secret", "generic", "pager", &key,
        ],
    )
    .await?;
    let intake = alert::start(&plane).await?;
    let mut operator = start(&plane, alert::links(&intake))?;
    operator
        .ready(LIMIT)
        .await
        .with_context(|| operator.log())?;
    let told = stories(&plane, &receiver, &intake).await;
    if told.is_err() {
        println!("{}{}", operator.log(), intake.log());
    }
    told?;
    if keep {
        println!(
            "\nLeft running: export KUBECONFIG={}",
            plane.kubeconfig_path().display()
        );
        println!("Press Ctrl-C to end it.");
        tokio::signal::ctrl_c().await?;
    }
    operator.terminate()?;
    let status = operator.ended(Duration::from_secs(30)).await?;
    anyhow::ensure!(status == Some(0), "the operator ended with {status:?}");
    println!("\nDemo succeeded: every stage and page was observed.");
    Ok(())
}

fn start(plane: &ControlPlane, flags: Vec<String>) -> anyhow::Result<Operator> {
    let options = operator::Options {
        binary: built_binary("firebell")
            .context("no `firebell` beside this program; run `make demo`")?,
        kubeconfig: plane.kubeconfig_path().to_owned(),
        namespaces: vec![NAMESPACE.to_owned()],
        flags,
        log: plane.folder().join("operator.log"),
    };
    Ok(Operator::spawn(&options)?)
}

async fn stories(plane: &ControlPlane, receiver: &Receiver, intake: &Intake) -> anyhow::Result<()> {
    story(plane, receiver).await?;
    alert::story(plane, receiver, intake).await?;
    check_pages(&receiver.pages())
}

async fn story(plane: &ControlPlane, receiver: &Receiver) -> anyhow::Result<()> {
    heading(
        "A policy (examples/policy-small.yaml, its times shortened) and a ticket (examples/tickets/high.yaml)",
    );
    apply(plane, &shortened_policy(receiver)?).await?;
    apply(
        plane,
        &std::fs::read_to_string("examples/tickets/high.yaml")?,
    )
    .await?;
    let name = kubectl(plane, &["-n", NAMESPACE, "get", "tickets", "-o", "name"]).await?;
    let name = name
        .trim()
        .trim_start_matches("ticket.firebell.dev/")
        .to_owned();

    heading("Nobody answers: the chain goes from step to step");
    page(receiver, "on-call", 1).await?;
    show(plane).await?;
    page(receiver, "second", 1).await?;
    show(plane).await?;
    page(receiver, "everyone", 2).await?;
    show(plane).await?;

    answer(plane, receiver, &name).await?;

    heading("kubectl describe tells the story");
    let told = kubectl(plane, &["-n", NAMESPACE, "describe", "ticket", &name]).await?;
    let events = told
        .split_once("Events:")
        .map_or(told.as_str(), |(_, events)| events);
    println!("Events:{}", events.trim_end());
    for reason in ["Opened", "Escalated", "Acknowledged", "Resolved", "Closed"] {
        anyhow::ensure!(
            told.contains(reason),
            "`kubectl describe` does not tell of {reason}"
        );
    }
    Ok(())
}

/// The ticket is answered, resolved and closed by facts.
async fn answer(plane: &ControlPlane, receiver: &Receiver, name: &str) -> anyhow::Result<()> {
    heading("Acknowledged, resolved, closed: each a fact in the spec");
    fact(
        plane,
        name,
        r#"{"spec":{"acknowledgement":{"by":"alice"}}}"#,
    )
    .await?;
    phase(plane, name, "Acknowledged").await?;
    let notices = receiver
        .wait_for(
            |ledger| of_kind(ledger.all(), "AcknowledgedBy").count() > 0,
            LIMIT,
        )
        .await?;
    for notice in of_kind(&notices, "AcknowledgedBy") {
        print_message(notice)?;
    }
    fact(
        plane,
        name,
        r#"{"spec":{"resolution":{"by":"alice","cause":"full disk","fix":"more disk"}}}"#,
    )
    .await?;
    phase(plane, name, "Resolved").await?;
    fact(
        plane,
        name,
        r#"{"spec":{"closure":{"by":"alice","reason":"Completed"}}}"#,
    )
    .await?;
    phase(plane, name, "Closed").await?;
    Ok(())
}

/// The example with its address pointed at this run's receiver and its minutes turned into seconds.
fn shortened_policy(receiver: &Receiver) -> anyhow::Result<String> {
    let text = std::fs::read_to_string("examples/policy-small.yaml")?;
    anyhow::ensure!(
        text.contains("https://pager.example.com/firebell"),
        "the example's address has changed"
    );
    let text = text.replace(
        "https://pager.example.com/firebell",
        &receiver.url("/firebell"),
    );
    Ok(text
        .replace("every: 30s", "every: 2s")
        .replace("after: 2m", "after: 5s")
        .replace("after: 5m", "after: 4s"))
}

/// Every page has the right signature, and no id came twice.
fn check_pages(pages: &[Received]) -> anyhow::Result<()> {
    let mut ids: Vec<_> = pages
        .iter()
        .map(|page| (page.path.clone(), page.id().to_owned()))
        .collect();
    ids.sort();
    let all = ids.len();
    ids.dedup();
    anyhow::ensure!(
        all == ids.len(),
        "a message came twice although nothing failed"
    );
    println!("\n{all} messages received, every signature verified, none twice.");
    Ok(())
}

/// Waits until the page of a step has reached so many people, and shows it as each received it.
async fn page(receiver: &Receiver, step: &str, people: usize) -> anyhow::Result<()> {
    let fits = |page: &&Received| {
        page.json()
            .is_ok_and(|body| body["data"]["step"] == step && body["data"]["repeat"] == 0)
    };
    let got = receiver
        .wait_for(
            |ledger| ledger.all().iter().filter(fits).count() >= people,
            LIMIT,
        )
        .await?;
    for page in got.iter().filter(fits) {
        print_message(page)?;
    }
    Ok(())
}

/// Waits for a page whose body fits.
async fn page_of(receiver: &Receiver, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Received> {
    let wanted = |page: &&Received| {
        let body = page.json();
        body.is_ok_and(|body| body["data"]["kind"] == "Page" && fits(&body))
    };
    let got = receiver
        .wait_for(
            |ledger| ledger.all().iter().any(|page| wanted(&page)),
            LIMIT,
        )
        .await?;
    let found = got.iter().find(wanted).cloned();
    found.context("the page is gone")
}

fn of_kind<'r>(pages: &'r [Received], kind: &'r str) -> impl Iterator<Item = &'r Received> {
    pages
        .iter()
        .filter(move |page| page.json().is_ok_and(|body| body["data"]["kind"] == kind))
}

fn print_message(page: &Received) -> anyhow::Result<()> {
    page.verify(KEY)
        .context("the signature of a page does not verify")?;
    let body = page.json()?;
    let data = &body["data"];
    println!(
        "\n  {} -> {}  {}  [signature verified]\n  {}",
        page.time.strftime("%H:%M:%S"),
        data["to"]["name"].as_str().unwrap_or_default(),
        data["kind"].as_str().unwrap_or_default(),
        data["why"].as_str().unwrap_or_default()
    );
    if let Some(what) = data["next"]["what"].as_str() {
        let time = data["next"]["time"].as_str();
        let when = time.map_or_else(String::new, |time| format!(" at {time}"));
        println!("  next: {what}{when}");
    }
    Ok(())
}

async fn phase(plane: &ControlPlane, name: &str, wanted: &str) -> anyhow::Result<()> {
    let what = format!("phase {wanted}");
    let reached = eventually(&what, LIMIT, async || {
        let path = "-o=jsonpath={.status.phase}";
        let phase = kubectl(plane, &["-n", NAMESPACE, "get", "ticket", name, path])
            .await
            .ok()?;
        (phase.trim() == wanted).then_some(())
    });
    reached.await?;
    show(plane).await
}

async fn show(plane: &ControlPlane) -> anyhow::Result<()> {
    println!(
        "\n$ kubectl get tickets\n{}",
        kubectl(plane, &["-n", NAMESPACE, "get", "tickets"])
            .await?
            .trim_end()
    );
    Ok(())
}

async fn fact(plane: &ControlPlane, name: &str, patch: &str) -> anyhow::Result<()> {
    println!("\n$ kubectl patch ticket {name} --type merge -p '{patch}'");
    kubectl(
        plane,
        &[
            "-n", NAMESPACE, "patch", "ticket", name, "--type", "merge", "-p", patch,
        ],
    )
    .await?;
    Ok(())
}

async fn apply(plane: &ControlPlane, text: &str) -> anyhow::Result<()> {
    let said = plane
        .kubectl(["-n", NAMESPACE, "apply", "-f", "-"])
        .input(text)
        .run()
        .await?;
    println!("{}", said.trim());
    Ok(())
}

async fn kubectl(plane: &ControlPlane, args: &[&str]) -> anyhow::Result<String> {
    match plane.kubectl(args.iter().copied()).run().await {
        Ok(said) => Ok(said),
        Err(error) => bail!("kubectl {}: {error}", args.join(" ")),
    }
}

fn heading(text: &str) {
    println!("\n== {text}");
}

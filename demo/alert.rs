//! The second story: an alert is fired at a real Alertmanager, its ticket pages, the person answers by the link in the
//! page, the source ends it, and the ticket resolves and closes by itself.

use anyhow::Context;
use firebell::testkit::alertmanager::Alertmanager;
use firebell::testkit::controlplane::ControlPlane;
use firebell::testkit::intake::{self, Intake};
use firebell::testkit::operator::built_binary;
use firebell::testkit::receiver::Receiver;
use serde_json::Value;

use super::{
    LIMIT, NAMESPACE, apply, heading, kubectl, page_of, phase, print_message, shortened_policy,
    show,
};

/// The token of this run's throwaway Secret.
const TOKEN: &str = "a-token-of-one-run-of-the-demo";
/// Signs the links of this run.
const LINK_KEY: &str = "a-signing-key-of-one-run-of-the-demo-only";
const LABELS: [&str; 3] = [
    "alertname=CheckoutErrors",
    "service=checkout",
    "severity=critical",
];
const WORDS: [&str; 1] = ["summary=Checkout returns 5xx"];

/// Starts the intake with its configuration and keys.
pub async fn start(plane: &ControlPlane) -> anyhow::Result<Intake> {
    let (token, key) = (
        format!("--from-literal=token={TOKEN}"),
        format!("--from-literal=linkKey={LINK_KEY}"),
    );
    let secret = [
        "-n", NAMESPACE, "create", "secret", "generic", "intake", &token, &key,
    ];
    kubectl(plane, &secret).await?;
    let configuration = format!("--from-literal=intake.yaml=defaultNamespace: {NAMESPACE}");
    kubectl(
        plane,
        &[
            "-n",
            NAMESPACE,
            "create",
            "configmap",
            "intake",
            &configuration,
        ],
    )
    .await?;
    let intake = Intake::spawn(intake::Options {
        binary: built_binary("firebell")
            .context("no `firebell` beside this program; run `make demo`")?,
        kubeconfig: plane.kubeconfig_path().to_owned(),
        namespace: NAMESPACE.to_owned(),
        log: plane.folder().join("intake.log"),
    })?;
    intake.ready(LIMIT).await.with_context(|| intake.log())?;
    Ok(intake)
}

/// What the operator is told so that pages carry links to the intake.
pub fn links(intake: &Intake) -> Vec<String> {
    let secret = format!("{NAMESPACE}/intake");
    [
        "--public-url",
        &intake.url("/"),
        "--link-key-secret",
        &secret,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// From the alert to the closed ticket.
pub async fn story(
    plane: &ControlPlane,
    receiver: &Receiver,
    intake: &Intake,
) -> anyhow::Result<()> {
    heading(
        "From an alert: Alertmanager (examples/intake/alertmanager.yaml), `firebell intake`, the link in a page",
    );
    apply(plane, &policy(receiver)?).await?;
    let manager =
        Alertmanager::spawn(plane.folder().join("alertmanager"), &configuration(intake)?)?;
    manager.ready(LIMIT).await.with_context(|| manager.log())?;
    println!(
        "\n$ amtool alert add {} --annotation='{}'",
        LABELS.join(" "),
        WORDS[0]
    );
    manager.tell(&LABELS, &WORDS, true).await?;
    let page = page_of(receiver, |body| {
        body["data"]["ticket"]["service"] == "checkout"
    })
    .await?;
    print_message(&page)?;
    show(plane).await?;

    let body: Value = page.json()?;
    let name = body["data"]["ticket"]["name"]
        .as_str()
        .context("a page without a ticket")?;
    let link = body["data"]["links"]["acknowledge"]
        .as_str()
        .context("a page without a link")?;
    println!("\nalice opens the link in the page and presses \"I am on it\"");
    let answer = reqwest::Client::new().post(link).send().await?;
    anyhow::ensure!(
        answer.status().is_success(),
        "the link answered {}",
        answer.status()
    );
    phase(plane, name, "Acknowledged").await?;

    println!("\n$ amtool alert add {} --end=now", LABELS.join(" "));
    manager.tell(&LABELS, &WORDS, false).await?;
    phase(plane, name, "Resolved").await?;
    phase(plane, name, "Closed").await
}

/// The small policy, with the source's end and the closing by itself.
fn policy(receiver: &Receiver) -> anyhow::Result<String> {
    let text = shortened_policy(receiver)?;
    let row = "{level: Critical, responseTarget: 15m";
    anyhow::ensure!(text.contains(row), "the example's rows have changed");
    let text = text.replace(row, "{level: Critical, closeAfter: 4s, responseTarget: 15m");
    Ok(format!(
        "{text}\n  signal: {{onResolved: Resolve, resolveAfter: 1s}}\n"
    ))
}

fn configuration(intake: &Intake) -> anyhow::Result<String> {
    let mut text = std::fs::read_to_string("examples/intake/alertmanager.yaml")?;
    for (from, to) in [
        ("http://firebell-intake.firebell", intake.url("").as_str()),
        ("INTAKE_TOKEN", TOKEN),
        ("group_wait: 30s", "group_wait: 100ms"),
        ("group_interval: 5m", "group_interval: 1s"),
    ] {
        anyhow::ensure!(
            text.contains(from),
            "the example has no \"{from}\" any more"
        );
        text = text.replace(from, to);
    }
    Ok(text)
}

//! A message signed by us and verified by the Standard Webhooks reference library for Go.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use firebell::connectors::SendOutcome;
use firebell::testkit::receiver::Receiver;
use serde_json::json;

use crate::world::{Here, KEY, connectors, try_once, webhook};

/// The verifier, built once per pin.
fn verifier() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures/build.sh");
    let built = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the verifier could not be built");
    let text = String::from_utf8(built.stdout).unwrap();
    text.lines().last().unwrap().to_owned()
}

/// What it says of a request.
fn verify(
    program: &str,
    secret: &str,
    headers: &BTreeMap<&str, String>,
    body: &str,
) -> Result<String, String> {
    let mut child = Command::new(program)
        .arg(secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = json!({"headers": headers, "body": body}).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(request.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[tokio::test]
async fn the_reference_library_for_go_accepts_our_signature_and_no_changed_message() {
    let receiver = Receiver::start().await.unwrap();
    let connectors = connectors(&["127.0.0.0/8"], None, Arc::new(Here));
    let way = webhook("hook", &receiver.url("/hook"));
    let outcome = try_once(&connectors, &way, Duration::from_secs(5)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let page = receiver.pages().remove(0);
    let body = String::from_utf8(page.body.to_vec()).unwrap();
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: BTreeMap<&str, String> = names
        .into_iter()
        .map(|name| (name, page.header(name).unwrap().to_owned()))
        .collect();
    let program = tokio::task::spawn_blocking(verifier).await.unwrap();
    let verified = verify(&program, KEY, &headers, &body);
    assert_eq!(verified, Ok(format!("verified {}", page.id())));
    let changed = body.replace("5xx", "2xx");
    assert!(verify(&program, KEY, &headers, &changed).is_err());
    let other = "whsec_YW5vdGhlciBrZXkgYWx0b2dldGhlciAwMDAwMDAwMQ==";
    assert!(verify(&program, other, &headers, &body).is_err());
}

//! Messages signed by us and verified by the Standard Webhooks reference libraries of two other languages.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use firebell::clock::{Now, WallClock};
use firebell::connectors::SendOutcome;
use firebell::testkit::receiver::Receiver;
use firebell::testkit::secrets::MemorySecrets;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::world::{KEY, connectors_of, try_once, webhook};

/// A key that nobody signs with.
const OTHER: &str = "whsec_YW5vdGhlciBrZXkgYWx0b2dldGhlciAwMDAwMDAwMQ==";
/// The key that follows on [`KEY`].
const NEXT: &str = "whsec_dGhlLWtleS10aGF0LWNvbWVzLW5leHQtMDAwMDAwMDE=";

/// A verifier, built once per pin by its script.
fn built(script: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(&script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", script.display());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().last().unwrap().to_owned()
}

/// A request as a receiver hands it to a library.
#[derive(Clone)]
struct Request {
    headers: BTreeMap<&'static str, String>,
    body: String,
}

impl Request {
    /// What a library says of it, in small letters.
    fn judged(&self, program: &str, secret: &str) -> Result<String, String> {
        let mut child = Command::new(program)
            .arg(secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = json!({"headers": self.headers, "body": self.body}).to_string();
        let mut input = child.stdin.take().unwrap();
        input.write_all(request.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_lowercase();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }
}

/// This clock's time minus that much.
struct Ago(SignedDuration);

impl Now for Ago {
    fn now(&self) -> Timestamp {
        WallClock.now() - self.0
    }
}

/// What leaves when the Secret has these values and the message is sent so long ago.
async fn sent(values: &[(&str, &str)], ago: SignedDuration) -> Request {
    let receiver = Receiver::start().await.unwrap();
    let secrets = MemorySecrets::new();
    secrets.put("team", "keys", values);
    let connectors = connectors_of(secrets, Arc::new(Ago(ago)));
    let way = webhook("hook", &receiver.url("/hook"));
    let outcome = try_once(&connectors, &way, Duration::from_secs(5)).await;
    assert_eq!(outcome, SendOutcome::Delivered);
    let page = receiver.pages().remove(0);
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let header = |name| (name, page.header(name).unwrap().to_owned());
    Request {
        headers: names.into_iter().map(header).collect(),
        body: String::from_utf8(page.body.to_vec()).unwrap(),
    }
}

/// What both libraries must say, whatever their language.
async fn verified_by(script: &'static str) {
    let program = tokio::task::spawn_blocking(move || built(script));
    let program = program.await.unwrap();
    let genuine = sent(&[("signingKey", KEY)], SignedDuration::ZERO).await;
    let mut body = genuine.clone();
    body.body = body.body.replace("5xx", "2xx");
    let mut id = genuine.clone();
    id.headers.insert("webhook-id", "0".repeat(32));
    let old = sent(&[("signingKey", KEY)], SignedDuration::from_mins(6)).await;
    let values = [("signingKey", NEXT), ("previousSigningKey", KEY)];
    let rotated = sent(&values, SignedDuration::ZERO).await;
    let forged = "no matching signature";
    for (case, request, secret, refused) in [
        ("genuine", &genuine, KEY, None),
        ("body changed", &body, KEY, Some(forged)),
        ("id changed", &id, KEY, Some(forged)),
        ("wrong secret", &genuine, OTHER, Some(forged)),
        ("old", &old, KEY, Some("timestamp too old")),
        ("rotated, next key", &rotated, NEXT, None),
        ("rotated, key before it", &rotated, KEY, None),
        ("rotated, wrong secret", &rotated, OTHER, Some(forged)),
    ] {
        let said = request.judged(&program, secret);
        match refused {
            None => {
                let id = &request.headers["webhook-id"];
                assert_eq!(said, Ok(format!("verified {id}")), "{case}");
            }
            Some(reason) => {
                let why = said.expect_err(case);
                assert!(why.contains(reason), "{case}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn the_reference_library_for_go_accepts_what_we_sign_and_nothing_else() {
    verified_by("tests/signatures/build.sh").await;
}

#[tokio::test]
async fn the_reference_library_for_javascript_accepts_what_we_sign_and_nothing_else() {
    verified_by("tests/signatures/javascript/build.sh").await;
}

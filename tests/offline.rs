//! The built plugin without any cluster: `policy lint`, `render`, `simulate` and `diff` on files, as a pipeline runs it.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "offline/diff.rs"]
mod diff;
#[path = "offline/lint.rs"]
mod lint;
#[path = "offline/render.rs"]
mod render;
#[path = "offline/simulate.rs"]
mod simulate;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-firebell");

/// What a call printed, and its exit code.
struct Answer {
    out: String,
    error: String,
    code: Option<i32>,
}

/// Calls `kubectl firebell policy` in a folder, with something on its standard input.
fn call_with(folder: &Path, args: &[&str], input: &str) -> Answer {
    let mut child = Command::new(PLUGIN)
        .arg("policy")
        .args(args)
        .current_dir(folder)
        .env("TZ", "UTC")
        .env("KUBECONFIG", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A call that is refused reads nothing.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer {
        out: text(output.stdout),
        error: text(output.stderr),
        code: output.status.code(),
    }
}

fn call(folder: &Path, args: &[&str]) -> Answer {
    call_with(folder, args, "")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A folder with files in it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// A policy of a spec.
fn policy(spec: &str) -> String {
    let spec: Vec<&str> = spec.trim().lines().collect();
    let spec = spec.join("\n  ");
    format!(
        "apiVersion: firebell.dev/v1alpha1\nkind: EscalationPolicy\nmetadata: {{name: gold}}\nspec:\n  {spec}\n"
    )
}

/// Three people with a way each.
const PEOPLE: &str = r#"
connectors: [{name: hook, type: Webhook, address: "https://pager.example.com/"}]
contacts:
- {name: alice, timeZone: Europe/Berlin, reach: [{connector: hook}]}
- {name: bob, timeZone: America/New_York, reach: [{connector: hook}]}
- {name: carol, reach: [{connector: hook}]}
"#;

/// The example of the API's rules on timetables (docs/timetable.md).
const CHAIN: &str = r"
severities: [{level: High, responseTarget: 15m, resolutionTarget: 4h, acknowledgementTimeout: 30m}]
steps:
- {name: on-call, repeat: {every: 5m, times: 2}, notify: [{contact: alice}]}
- {name: manager, after: 15m, notify: [{contact: bob}]}
- {name: director, after: 30m, condition: NotResolved, notify: [{contact: carol}]}
repeat: {times: 1, interval: 20m}
";

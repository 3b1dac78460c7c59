//! `kubectl firebell policy lint` beside the API server: the same rows, the same verdicts, at the same fields. And files
//! as people write them beside `kubectl apply`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::policy_rows;
use crate::server::Server;

/// What the schema refuses, by the codes that lint has for it. Its other errors are checks of the operator, of which the
/// API server knows nothing.
const REFUSALS: [&str; 12] = [
    "UnknownField",
    "MissingField",
    "WrongType",
    "UnknownWord",
    "Malformed",
    "TooLong",
    "TooShort",
    "OutOfBounds",
    "TooMany",
    "TooFew",
    "Duplicate",
    "RuleBroken",
];

/// The errors that lint finds in a text: code, path.
fn lint(text: &str) -> Vec<(String, String)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-firebell"))
        .args(["policy", "lint", "-", "--output", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let errors = findings.filter(|found| found["level"] == "error");
    let word = |found: &Value, field: &str| found[field].as_str().unwrap_or_default().to_owned();
    errors
        .map(|found| (word(found, "code"), word(found, "path")))
        .collect()
}

/// Whether an error stands at a field that a refusal names, or at the block around it.
fn names(refusal: &str, path: &str) -> bool {
    let shown = refusal.replace("metadata.name", "metadata.name ");
    let around = path.rsplit_once('.').map_or(path, |(around, _)| around);
    let exact = |path: &str| {
        shown.match_indices(path).any(|(at, _)| {
            let next = shown[at + path.len()..].chars().next();
            next.is_none_or(|next| !next.is_alphanumeric())
        })
    };
    exact(path) || (around != "spec" && exact(around))
}

#[tokio::test(flavor = "multi_thread")]
async fn lint_refuses_what_the_api_server_refuses_at_the_same_field_and_nothing_that_it_takes() {
    let server = Server::ready().await;
    let mut wrong = Vec::new();
    for row in policy_rows::rows() {
        let answer = server.create("escalationpolicies", &row.object).await;
        let errors = lint(&row.object.to_string());
        let refused = errors
            .iter()
            .find(|(code, _)| REFUSALS.contains(&code.as_str()));
        match (&answer, refused) {
            (Ok(_), Some(error)) => {
                wrong.push(format!("{}: taken, and lint says {error:?}", row.says));
            }
            (Ok(_), None) => {}
            (Err(refusal), _) if errors.iter().any(|(_, path)| names(refusal, path)) => {}
            (Err(refusal), _) => wrong.push(format!(
                "{}: refused with {refusal}, and lint says {errors:?}",
                row.says
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_words_for_true_and_false_are_taken_and_refused_as_by_kubectl() {
    let server = Server::ready().await;
    for (spec, taken) in [
        ("default: yes", true),
        ("default: Off", true),
        ("default: y", true),
        ("default: \"yes\"", false),
        ("default: yesterday", false),
        ("document: {title: on}", false),
        ("document: {title: 'on'}", true),
        ("document: {title: once}", true),
        ("assumptions: [no]", false),
        ("assumptions: [nobody]", true),
    ] {
        let text = format!(
            "apiVersion: firebell.dev/v1alpha1\nkind: EscalationPolicy\nmetadata: {{name: old}}\nspec:\n  {spec}\n"
        );
        let args = [
            "apply",
            "--dry-run=server",
            "--validate=strict",
            "-n",
            &server.namespace,
            "-f",
            "-",
        ];
        let applied = server.plane.kubectl(args).input(&text).run().await;
        assert_eq!(applied.is_ok(), taken, "{spec}: {applied:?}");
        let errors = lint(&text);
        let refused = errors
            .iter()
            .any(|(code, _)| REFUSALS.contains(&code.as_str()));
        assert_eq!(!refused, taken, "{spec}: {errors:?}");
    }
}

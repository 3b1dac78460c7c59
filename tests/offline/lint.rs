//! `policy lint`.

use serde_json::Value;

use crate::{CHAIN, PEOPLE, call, call_with, examples, folder, policy};

#[test]
fn the_examples_have_no_errors_and_each_warning_names_file_line_field_and_what_to_do() {
    let files = [
        "policy-full.yaml",
        "policy-small.yaml",
        "policy-typical.yaml",
    ];
    let mut args = vec!["lint", "--at", "2026-06-10T00:00:00Z"];
    args.extend(files);
    let answer = call(&examples(), &args);
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.error);
    insta::assert_snapshot!(answer.out);
}

#[test]
fn errors_end_with_1_trouble_with_2_and_strict_makes_warnings_errors() {
    let broken = policy("steps: [{name: a, notify: [{contact: nobody}]}]");
    let files = folder(&[
        ("bad.yaml", &broken),
        ("odd.yaml", "a: [1,\n"),
        ("other.yaml", "kind: ConfigMap\n"),
    ]);
    let files = files.path();
    let small = examples().join("policy-small.yaml");
    let small = small.to_str().unwrap();
    for (args, code) in [
        (&["lint", "bad.yaml"][..], 1),
        (&["lint", "odd.yaml"], 1),
        (&["lint", "other.yaml"], 0),
        (&["lint", small], 0),
        (&["lint", "--strict", small], 1),
        (&["lint", "missing.yaml"], 2),
        (&["lint"], 2),
        (&["lint", small, "--at", "soon"], 2),
    ] {
        let answer = call(files, args);
        assert_eq!(
            answer.code,
            Some(code),
            "{args:?}: {}{}",
            answer.out,
            answer.error
        );
    }
    let odd = call(files, &["lint", "odd.yaml"]);
    assert!(odd.out.starts_with("odd.yaml:1:4: error: "), "{}", odd.out);
    let missing = call(files, &["lint", "missing.yaml"]);
    assert!(
        missing.error.contains("missing.yaml cannot be read"),
        "{}",
        missing.error
    );
}

#[test]
fn json_has_every_finding_with_its_place_for_programs() {
    let text = "---\nkind: Other\n---\n".to_owned()
        + &policy("steps:\n- {name: a, notify: [{contact: nobody}]}");
    let answer = call_with(&examples(), &["lint", "-", "--output", "json"], &text);
    assert_eq!(answer.code, Some(1));
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let unknown = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|found| found["code"] == "UnknownContact");
    let unknown = unknown.unwrap();
    assert_eq!(unknown["file"], "-");
    assert_eq!(unknown["line"], 9);
    assert_eq!(unknown["level"], "error");
    assert_eq!(unknown["policy"], "gold");
    assert_eq!(unknown["path"], "spec.steps[0].notify[0].contact");
    assert_eq!(report["policies"], 1);
    let errors = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["level"] == "error");
    assert_eq!(report["errors"], errors.count());
}

#[test]
fn several_files_and_folders_are_read_in_their_order() {
    let good = policy(&(PEOPLE.to_owned() + CHAIN));
    let bad = policy("priority: -1");
    let files = folder(&[
        ("b/one.yaml", &good),
        ("b/c/two.yml", &bad),
        ("b/three.json", "{}"),
        ("b/note.txt", "a: ["),
    ]);
    let answer = call(files.path(), &["lint", "b", "b/c/two.yml"]);
    assert!(
        answer.out.contains("2 policies in 3 files"),
        "{}",
        answer.out
    );
    let first = answer.out.lines().next().unwrap();
    assert!(first.starts_with("b/c/two.yml:"), "{}", answer.out);
}

#[test]
fn a_text_from_the_file_cannot_move_the_terminals_cursor() {
    let text = policy("defaultSeverity: \"\\e[2Jx\"");
    let answer = call_with(&examples(), &["lint", "-"], &text);
    assert_eq!(answer.code, Some(1));
    assert!(!answer.out.contains('\u{1b}'), "{:?}", answer.out);
}

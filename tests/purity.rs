//! The domain decides from values alone: no clock, client, thread, randomness, file, network, environment or log.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::path::{Path, PathBuf};

const FORBIDDEN: [&str; 22] = [
    "tokio",
    "kube::",
    "k8s_openapi::",
    "futures",
    "std::env",
    "env!(",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
    "TimeZone::get(",
    "rand::",
    "reqwest",
    "tracing",
    "println!",
    "dbg!",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "crate::controller",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Forbidden words in the code of a file, comments left out, with the number of their line.
fn forbidden_in(text: &str) -> Vec<(usize, &'static str)> {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    code.enumerate()
        .flat_map(|(number, line)| {
            FORBIDDEN
                .into_iter()
                .filter(move |word| line.contains(word))
                .map(move |word| (number + 1, word))
        })
        .collect()
}

#[test]
fn the_domain_names_nothing_but_values() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let files = sources(&folder);
    assert!(
        files.len() > 10,
        "{} files were found in {}",
        files.len(),
        folder.display()
    );
    let mut found = Vec::new();
    for path in files {
        for (line, word) in forbidden_in(&fs::read_to_string(&path).unwrap()) {
            found.push(format!("{}:{line} names `{word}`", path.display()));
        }
    }
    assert!(
        found.is_empty(),
        "the domain must stay pure:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_forbidden_name_is_found_in_code_and_not_in_a_comment() {
    let text = "// tokio is for others\nlet now = Timestamp::now();";
    assert_eq!(forbidden_in(text), [(2, "Timestamp::now")]);
}

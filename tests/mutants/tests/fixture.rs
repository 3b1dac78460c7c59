//! The tool on a package that has every kind of mutant and every outcome.

use std::path::Path;
use std::time::Duration;

use firebell_mutants::run::run;
use firebell_mutants::settings::{Config, Settings};
use firebell_mutants::trial::Outcome;

/// Word of an outcome, short names of the mutants that have it.
const EXPECTED: &str = include_str!("expected.txt");

#[test]
fn each_mutant_ends_as_it_must() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture");
    let scratch = tempfile::tempdir().unwrap();
    let settings = Settings {
        config: Config::read(&root).unwrap(),
        root,
        scratch: scratch.path().to_owned(),
        jobs: 2,
        patience: Duration::from_secs(5),
        selection: Vec::new(),
        again: false,
    };
    let report = run(&settings).unwrap();
    let word = |outcome: &Outcome| match outcome {
        Outcome::Caught { .. } => "caught",
        Outcome::Timeout => "timeout",
        Outcome::Unviable => "unviable",
        Outcome::Missed => "missed",
        Outcome::Unreached => "unreached",
    };
    let found: Vec<String> = (report.outcomes.iter())
        .map(|(name, outcome)| format!("{}: {name}", word(outcome)))
        .collect();
    assert_eq!(found.join("\n"), EXPECTED.trim_end());
}

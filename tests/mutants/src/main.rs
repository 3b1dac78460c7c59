//! `make mutants`: arguments select mutants as those of `cargo mutants --list` do; `JOBS` says how many are tried at once.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use firebell_mutants::run::run;
use firebell_mutants::settings::{Config, Settings};

/// Of a hundred mutants that compile, so many must be noticed.
const GOAL: usize = 95;

fn main() -> Result<ExitCode> {
    let root = env::current_dir()?;
    let jobs = env::var("JOBS").unwrap_or_else(|_| "2".to_owned());
    let settings = Settings {
        scratch: root.join("target/mutants"),
        jobs: jobs.parse().context("`JOBS` must be a number")?,
        patience: Duration::from_secs(30),
        selection: env::args().skip(1).collect(),
        config: Config::read(&root)?,
        root,
    };
    let report = run(&settings)?;
    report.write(&settings.scratch)?;
    println!("{report}");
    println!("Survivors stand in target/mutants/missed.txt, all in outcomes.txt.");
    let enough = report.reaches(GOAL) || !settings.selection.is_empty();
    Ok(if enough {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

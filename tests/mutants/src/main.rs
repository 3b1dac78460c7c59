//! `make mutants`: arguments select mutants as those of `cargo mutants --list` do;
//! `JOBS` says how many are tried at once, `AGAIN` takes only those that survived the last run.

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
        again: env::var("AGAIN").is_ok_and(|again| !again.is_empty()),
        config: Config::read(&root)?,
        root,
    };
    let report = run(&settings)?;
    report.write(&settings.scratch)?;
    println!("{report}");
    println!("Survivors stand in target/mutants/missed.txt, all in outcomes.txt.");
    let part = settings.again || !settings.selection.is_empty();
    let enough = part || report.reaches(GOAL);
    Ok(if enough {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

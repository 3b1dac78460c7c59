//! `kubectl firebell policy`: check, simulate, render and compare policies from files, without a cluster and with the
//! very code that the operator runs.

mod diff;
mod lint;
mod moments;
mod picture;
mod remains;
mod render;
mod rules;
mod schema;
mod simulate;
mod source;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use thiserror::Error;

use super::oncall::own_moment;

/// What is printed, and how the command ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// For standard output.
    pub text: String,
    /// Exit code.
    pub code: u8,
}

impl Said {
    /// All went well.
    pub fn well(text: String) -> Self {
        Self { text, code: 0 }
    }
}

/// Why nothing could be said.
#[derive(Debug, Error)]
pub enum Failure {
    /// A file or folder cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        error: String,
    },
    /// The files do not hold what is needed.
    #[error("{0}")]
    Unfit(String),
    /// A moment or length of time that cannot be understood.
    #[error("{0}")]
    Moment(String),
}

impl Failure {
    fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self::Unreadable {
            file: file.to_owned(),
            error: error.to_string(),
        }
    }
}

/// Check, simulate, render and compare policies from files, without a cluster.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find what is wrong or unfinished, with file, line and what to do. Exit code 1 = errors.
    Lint(lint::LintArgs),
    /// Print who would be told when, for a ticket that is created at a moment.
    Simulate(simulate::SimulateArgs),
    /// Print the support document of each policy (and the document of each RCA and resolution) as Markdown.
    Render(render::RenderArgs),
    /// Print what changes for people between two versions of a policy. Exit code 1 = something does.
    Diff(diff::DiffArgs),
}

/// Files to read.
#[derive(Debug, Args)]
struct Files {
    /// Files, folders (every .yaml, .yml and .json below), or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
}

/// Does what was asked.
pub fn run(args: &PolicyArgs) -> Result<Said, Failure> {
    match &args.verb {
        Verb::Lint(args) => lint::run(args, Timestamp::now()),
        Verb::Simulate(args) => simulate::run(args),
        Verb::Render(args) => render::run(args, Timestamp::now()),
        Verb::Diff(args) => diff::run(args),
    }
}

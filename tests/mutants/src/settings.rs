//! What a run is told: where it works, how much at once, and which tests are asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What a run is told.
pub struct Settings {
    /// The package whose mutants are tried.
    pub root: PathBuf,
    /// A folder for its copy, the build and the outcomes.
    pub scratch: PathBuf,
    /// How many mutants are tried at once.
    pub jobs: usize,
    /// No test run is given up earlier than this.
    pub patience: Duration,
    /// Which mutants: further arguments of `cargo mutants --list`.
    pub selection: Vec<String>,
    /// Only those that survived the last run.
    pub again: bool,
    /// Which tests.
    pub config: Config,
}

/// What cargo-mutants and this tool both read from `.cargo/mutants.toml`.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    /// Arguments for `cargo test`.
    #[serde(default)]
    pub additional_cargo_args: Vec<String>,
    /// Further arguments, not for the build: the tests' own stand behind `--`.
    #[serde(default)]
    pub additional_cargo_test_args: Vec<String>,
}

impl Config {
    /// Reads the file of the package in `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(".cargo/mutants.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// The arguments that the tests' programs get.
    pub fn of_tests(&self) -> impl Iterator<Item = &String> {
        let args = self.additional_cargo_test_args.iter();
        args.skip_while(|arg| *arg != "--").skip(1)
    }
}

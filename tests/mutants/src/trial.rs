//! Runs tests against one mutant, and learns beforehand which tests come to which mutants.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::mutant::Id;
use crate::scratch::Program;
use crate::settings::Settings;

/// What a program of tests may take of memory, in KiB: a loop that collects without end fails instead of filling the machine.
const MEMORY: &str = "6000000";
/// How much longer than before tests may take together.
const SLOWER: u32 = 10;
/// How many tests are asked at first, and how many more after each answer that was no failure.
const FIRST: usize = 8;
const MORE: usize = 8;

/// One test.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its program.
    pub program: Program,
    /// Its name there.
    pub name: String,
    /// How long it took without a mutant, with the start of its process.
    pub took: Duration,
    /// The mutants that it comes to.
    pub reaches: Vec<Id>,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A test failed.
    Caught {
        /// Its name, or of its program where that ended by itself.
        by: String,
    },
    /// The tests did not end in time.
    Timeout,
    /// It does not compile.
    Unviable,
    /// All tests that come to it pass.
    Missed,
    /// No test comes to it.
    Unreached,
}

impl Outcome {
    /// Whether no test noticed the mutant.
    pub fn survived(&self) -> bool {
        matches!(self, Self::Missed | Self::Unreached)
    }
}

/// Runs tests in a package's folder.
pub struct Trial<'s> {
    settings: &'s Settings,
    folder: PathBuf,
}

impl<'s> Trial<'s> {
    /// For the programs that were built in `folder`.
    pub fn new(settings: &'s Settings, folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { settings, folder }
    }

    fn command(&self, program: &Program) -> Command {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited]).arg(&program.path);
        command.current_dir(&self.folder);
        command.env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("RUST_BACKTRACE", "0").env("INSTA_UPDATE", "no");
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Names the tests of a program.
    pub fn tests_of(&self, program: &Program) -> Result<Vec<String>> {
        let mut command = self.command(program);
        command.args(self.settings.config.of_tests());
        let output = command.args(["--list", "--format=terse"]).output()?;
        ensure!(
            output.status.success(),
            "{} does not list its tests",
            program.name
        );
        let lines = String::from_utf8(output.stdout)?;
        let names = lines.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }

    /// Runs one test without a mutant and learns to which it comes. An error, if it fails.
    pub fn learn(&self, program: &Program, name: &str, worker: usize) -> Result<Test> {
        let told = self.settings.scratch.join(format!("reached-{worker}"));
        let _ = fs::remove_file(&told);
        let mut command = self.command(program);
        command.args(["--exact", name]).env("MUTANT_REACHED", &told);
        let start = Instant::now();
        let status = command.stdout(Stdio::null()).status()?;
        let took = start.elapsed();
        ensure!(
            status.success(),
            "{name} of {} fails without any mutant",
            program.name
        );
        let lines = fs::read_to_string(&told).unwrap_or_default();
        let reaches = lines.lines().map(str::parse).collect::<Result<_, _>>();
        Ok(Test {
            program: program.clone(),
            name: name.to_owned(),
            took,
            reaches: reaches.context("what a test reached cannot be read")?,
        })
    }

    /// Asks tests about a mutant, in their order and ever more at a time, until one fails.
    pub fn ask(&self, id: Id, tests: &[&Test]) -> Result<Outcome> {
        let (mut rest, mut many) = (tests, FIRST);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(many.min(rest.len()));
            let mut by_program: BTreeMap<&Path, Vec<&Test>> = BTreeMap::new();
            for test in now {
                by_program.entry(&test.program.path).or_default().push(test);
            }
            for tests in by_program.values() {
                let outcome = self.run(id, tests)?;
                if outcome != Outcome::Missed {
                    return Ok(outcome);
                }
            }
            (rest, many) = (later, many * MORE);
        }
        Ok(Outcome::Missed)
    }

    /// Runs tests of one program in one process, up to the first that fails.
    fn run(&self, id: Id, tests: &[&Test]) -> Result<Outcome> {
        let program = &tests[0].program;
        let usual: Duration = tests.iter().map(|test| test.took).sum();
        let end = Instant::now() + self.settings.patience.max(usual * SLOWER);
        let mut command = self.command(program);
        command.args(["--exact", "--test-threads=1"]);
        command.args(tests.iter().map(|test| &test.name));
        command.env("MUTANT_ON", id.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let outcome = follow(&mut child, end);
        if outcome.is_some() {
            let _ = child.kill();
        }
        let status = child.wait()?;
        let by = || program.name.clone();
        Ok(match outcome {
            Some(outcome) => outcome,
            None if status.success() => Outcome::Missed,
            None => Outcome::Caught { by: by() },
        })
    }
}

/// Reads a program's lines until one tells of a failure, or time is up; nothing, when the program ends before.
fn follow(child: &mut Child, end: Instant) -> Option<Outcome> {
    let output = BufReader::new(child.stdout.take()?);
    let (to, from) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match from.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let failed = line
                    .strip_prefix("test ")
                    .and_then(|line| line.strip_suffix(" ... FAILED"));
                if let Some(name) = failed {
                    return Some(Outcome::Caught {
                        by: name.to_owned(),
                    });
                }
            }
            Err(RecvTimeoutError::Timeout) => return Some(Outcome::Timeout),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

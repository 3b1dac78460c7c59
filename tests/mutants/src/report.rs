//! What became of the mutants, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::mutant::{Id, Mutant};
use crate::trial::Outcome;

/// The outcomes of a run.
pub struct Report {
    /// Every mutant's name and what became of it, in the order of cargo-mutants' list.
    pub outcomes: Vec<(String, Outcome)>,
    alone: usize,
    took: Duration,
}

impl Report {
    /// Of the mutants with the given outcomes, of which `alone` had builds of their own.
    pub fn new(
        mutants: &[Mutant],
        outcomes: BTreeMap<Id, Outcome>,
        alone: usize,
        took: Duration,
    ) -> Self {
        let named = |(id, outcome): (Id, Outcome)| (mutants[id - 1].name.clone(), outcome);
        let outcomes = outcomes.into_iter().map(named).collect();
        Self {
            outcomes,
            alone,
            took,
        }
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes
            .iter()
            .filter(|(_, outcome)| of(outcome))
            .count()
    }

    fn noticed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Caught { .. } | Outcome::Timeout))
    }

    fn viable(&self) -> usize {
        self.count(|outcome| *outcome != Outcome::Unviable)
    }

    /// Whether at least so many of a hundred mutants that compile were noticed.
    pub fn reaches(&self, percent: usize) -> bool {
        self.noticed() * 100 >= percent * self.viable()
    }

    /// Writes `outcomes.txt`, a line for every mutant, and `missed.txt`, the survivors.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let (mut all, mut missed) = (String::new(), String::new());
        for (name, outcome) in &self.outcomes {
            writeln!(all, "{}{name}", Line(outcome))?;
            if outcome.survived() {
                writeln!(missed, "{}{name}", Line(outcome))?;
            }
        }
        fs::write(folder.join("outcomes.txt"), all)?;
        fs::write(folder.join("missed.txt"), missed)?;
        Ok(())
    }
}

/// The survivors of the last run, as `without_line` tells them.
pub fn survivors(folder: &Path) -> Result<BTreeSet<String>> {
    let path = folder.join("missed.txt");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let names = text.lines().filter_map(|line| line.split_once("  "));
    Ok(names.map(|(_, name)| without_line(name.trim())).collect())
}

/// The name of a mutant without its line, which changes with what is written above it.
pub fn without_line(name: &str) -> String {
    let mut parts: Vec<&str> = name.splitn(4, ':').collect();
    if parts.len() == 4 {
        parts.remove(1);
    }
    parts.join(":")
}

/// The word of an outcome at the beginning of a line.
struct Line<'o>(&'o Outcome);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Caught { by } => write!(f, "caught ({by})  "),
            Outcome::Timeout => write!(f, "timeout    "),
            Outcome::Unviable => write!(f, "unviable   "),
            Outcome::Missed => write!(f, "missed     "),
            Outcome::Unreached => write!(f, "unreached  "),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeouts = self.count(|outcome| *outcome == Outcome::Timeout);
        let unreached = self.count(|outcome| *outcome == Outcome::Unreached);
        let (all, viable, noticed) = (self.outcomes.len(), self.viable(), self.noticed());
        let tenths = noticed * 1000 / viable.max(1);
        writeln!(
            f,
            "{all} mutants in {} min {} s",
            self.took.as_secs() / 60,
            self.took.as_secs() % 60
        )?;
        writeln!(f, "  {:5} do not compile", all - viable)?;
        writeln!(
            f,
            "  {noticed:5} of the other {viable} were noticed: {}.{} %",
            tenths / 10,
            tenths % 10
        )?;
        writeln!(f, "  {timeouts:5} of these by the clock")?;
        writeln!(
            f,
            "  {:5} were not, and to {unreached} of these no test comes",
            viable - noticed
        )?;
        write!(f, "  {:5} had builds of their own", self.alone)
    }
}

//! One small change of a source, as cargo-mutants lists it: what a mutant is, is decided there and not here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Names a mutant in one run: its place in the list, from 1. 0 is the unchanged program.
pub type Id = usize;

/// What is changed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
pub enum Genre {
    /// A function answers something else.
    FnValue,
    /// Another operator between two expressions.
    BinaryOperator,
    /// No operator before an expression.
    UnaryOperator,
    /// An arm of a `match` is gone.
    MatchArm,
    /// The condition of an arm always holds, or never.
    MatchArmGuard,
    /// A field of a struct expression is left to its base.
    StructField,
}

/// A change of one stretch of one file.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// The file, from the package's root.
    pub file: String,
    /// File, line, column and change, for people.
    pub name: String,
    /// What is changed.
    pub genre: Genre,
    /// The stretch.
    pub span: Stretch,
    /// What stands there instead.
    pub replacement: String,
}

/// From one point of a file to before another.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Stretch {
    start: Point,
    end: Point,
}

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Point {
    line: usize,
    column: usize,
}

impl Stretch {
    /// The bytes of `source` that are meant.
    pub fn bytes(&self, source: &str) -> Result<std::ops::Range<usize>> {
        let range = self.start.byte(source)?..self.end.byte(source)?;
        ensure!(range.start <= range.end, "a stretch ends before it begins");
        Ok(range)
    }
}

impl Point {
    fn byte(self, source: &str) -> Result<usize> {
        let before = source.split_inclusive('\n').take(self.line - 1);
        let line = before.map(str::len).sum::<usize>();
        let rest = source.get(line..).unwrap_or_default();
        let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        let column = starts.nth(self.column - 1);
        Ok(line + column.with_context(|| format!("{self:?} lies outside of its file"))?)
    }
}

/// Asks cargo-mutants for the mutants of the package in `root`; `selection` are further arguments of its command line.
pub fn list(root: &Path, selection: &[String]) -> Result<Vec<Mutant>> {
    let output = Command::new("cargo")
        .args(["mutants", "--list", "--json"])
        .args(selection)
        .current_dir(root)
        .output()
        .context("`cargo` could not be run")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`cargo mutants --list` failed; `make mutants` installs it: {said}");
    }
    serde_json::from_slice(&output.stdout).context("the list of cargo-mutants cannot be read")
}

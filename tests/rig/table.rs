//! What came of it: one row per fault.

use std::fmt;
use std::time::Duration;

use super::point::{Outcome, Plan};

const MEANING: &str = "\
missed: the moment to strike never came. late: later than a run without faults, the time nobody could page (or arm \
it, where it was not) and what a busy machine adds. most: the longest that a page was late, without the time nobody could page.";

/// All rows.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    /// How long all of it took.
    pub took: Duration,
}

/// One fault.
#[derive(Default)]
pub struct Row {
    /// Its name.
    pub fault: String,
    /// Points at which it struck.
    pub points: usize,
    /// Points whose moment never came.
    pub missed: usize,
    /// Messages that were due and never came.
    pub lost: usize,
    /// Receipts beyond the first.
    pub repeated: usize,
    /// Pages later than they may be.
    pub late: usize,
    /// The longest that a page was late.
    pub lateness: Duration,
    /// The longest until the operator gave up what had fallen silent.
    pub longest: Duration,
    /// A figure that belongs to it; empty where there is none.
    pub note: String,
    /// Every broken promise.
    pub broken: Vec<String>,
}

impl Row {
    /// Sums up the points of a fault.
    pub fn of<'o>(fault: &str, lived: impl IntoIterator<Item = &'o (Plan, Outcome)>) -> Self {
        let mut row = Self {
            fault: fault.to_owned(),
            ..Self::default()
        };
        for (plan, outcome) in lived {
            let Outcome {
                hit,
                noticed,
                verdict,
            } = outcome;
            row.longest = row.longest.max(*noticed);
            row.points += usize::from(*hit);
            row.missed += usize::from(!hit);
            row.lost += verdict.lost;
            row.repeated += verdict.repeated;
            row.late += verdict.late;
            row.lateness = row.lateness.max(verdict.lateness);
            let broken = verdict.broken.iter();
            row.broken.extend(
                broken.map(|what| format!("{:?}, {:?}: {what}", plan.story, plan.disturbance)),
            );
        }
        if row.longest > Duration::ZERO {
            let seconds = row.longest.as_secs_f32();
            row.note = format!("silence noticed within {seconds:.1} s");
        }
        if row.points == 0 {
            "not shown here".clone_into(&mut row.note);
        }
        if row.missed > row.points {
            row.broken.push(format!(
                "only {} of {} moments came",
                row.points,
                row.points + row.missed
            ));
        }
        row
    }
}

impl Table {
    /// Adds a row and shows what is wrong with it at once.
    pub fn add(&mut self, row: Row) {
        println!("{row}");
        for broken in &row.broken {
            println!("  BROKEN {broken}");
        }
        self.rows.push(row);
    }

    /// Nothing was broken.
    pub fn is_clean(&self) -> bool {
        self.rows.iter().all(|row| row.broken.is_empty())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fault,
            points,
            missed,
            lost,
            repeated,
            late,
            note,
            ..
        } = self;
        let kept = self.broken.is_empty();
        let verdict = if kept { "kept" } else { "BROKEN" };
        let most = self.lateness.as_secs_f32();
        write!(
            f,
            "{fault:<54} {points:>6} {missed:>6} {lost:>4} {repeated:>8} {late:>4} {most:>8.2}  {verdict:<6} {note}"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = "fault";
        writeln!(f, "\n{fault:<54} points missed lost repeated late most (s)")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        let seconds = self.took.as_secs();
        writeln!(f, "{MEANING}")?;
        write!(f, "All took {} min {} s.", seconds / 60, seconds % 60)
    }
}

//! What came of it: one row per fault.

use std::fmt;
use std::time::Duration;

use super::point::{Outcome, Plan};

/// All rows.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
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
    /// How long all points took.
    pub took: Duration,
    /// Every broken promise.
    pub broken: Vec<String>,
}

impl Row {
    /// Sums up the points of a fault.
    pub fn of(fault: &str, took: Duration, lived: &[(Plan, Outcome)]) -> Self {
        let mut row = Self {
            fault: fault.to_owned(),
            took,
            ..Self::default()
        };
        for (plan, Outcome { hit, verdict }) in lived {
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
            lateness,
            took,
            broken,
        } = self;
        let verdict = if broken.is_empty() { "kept" } else { "BROKEN" };
        let (lateness, took) = (lateness.as_secs_f32(), took.as_secs());
        write!(
            f,
            "{fault:<52} {points:>6} {missed:>6} {lost:>4} {repeated:>8} {late:>4} {lateness:>8.2} {took:>6}  {verdict}"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<52} points missed lost repeated late most (s) took (s)",
            "fault"
        )?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        write!(
            f,
            "missed = the moment never came; late = later than a run without faults plus the time nobody could page; most = the longest such lateness of a page"
        )
    }
}

//! One seed from plan to verdict, and a failing plan made short: whatever can be left out while the same promise stays
//! broken is left out, and what is left is told as a story.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::checks::{Breach, Promise, check};
use super::moment::{Ms, SECOND};
use super::plan::{Event, Plan, Trouble, What};
use super::plant::Plant;
use super::run::{Outcome, run};

/// Runs at most while a plan is shortened.
const RUNS_MOST: usize = 600;

/// What a plan came to.
#[derive(Debug)]
pub struct Verdict {
    /// The first promise that was broken.
    pub breach: Option<Breach>,
    /// Things that happened, in the undisturbed run too.
    pub steps: u64,
}

/// A run that broke a promise, made short.
#[derive(Debug)]
pub struct Failure {
    /// What is left of the plan.
    pub plan: Plan,
    /// What it breaks.
    pub breach: Breach,
    /// How many events the plan had before.
    pub events_before: usize,
    /// The lines of the run.
    pub lines: Vec<String>,
}

/// Runs, and makes an end by panic a broken promise.
fn run_safely(plan: &Plan, plant: Option<Plant>, story: bool) -> Result<Outcome, Breach> {
    catch_unwind(AssertUnwindSafe(|| run(plan, plant, story))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Breach {
            promise: Promise::Panic,
            at: 0,
            words: text.unwrap_or_else(|| "without a word".to_owned()),
        }
    })
}

/// Runs a plan, undisturbed and as it is, and checks both. A fault is planted in the second only.
pub fn try_plan(plan: &Plan, plant: Option<Plant>) -> Verdict {
    let calm_plan = plan.calm();
    let calm = match run_safely(&calm_plan, None, false) {
        Ok(calm) => calm,
        Err(breach) => {
            return Verdict {
                breach: Some(breach),
                steps: 0,
            };
        }
    };
    if let Some(breach) = check(&calm_plan, &calm, None) {
        return Verdict {
            breach: Some(breach),
            steps: calm.steps,
        };
    }
    match run_safely(plan, plant, false) {
        Ok(outcome) => Verdict {
            breach: check(plan, &outcome, Some(&calm)),
            steps: calm.steps + outcome.steps,
        },
        Err(breach) => Verdict {
            breach: Some(breach),
            steps: calm.steps,
        },
    }
}

/// Runs a seed.
pub fn try_seed(seed: u64, plant: Option<Plant>) -> Verdict {
    try_plan(&Plan::of_seed(seed), plant)
}

/// Makes a failing plan short and tells it; `None` when it does not fail.
pub fn shorten(plan: &Plan, plant: Option<Plant>) -> Option<Failure> {
    let first = try_plan(plan, plant).breach?;
    let mut short = Shortened {
        plan: plan.clone(),
        breach: first,
        plant,
        runs: 0,
    };
    while short.runs < RUNS_MOST && (short.leave_out() || short.simplify()) {}
    let Shortened {
        plan: left, breach, ..
    } = short;
    let lines = run_safely(&left, plant, true)
        .map(|outcome| outcome.ledger.lines())
        .unwrap_or_default();
    Some(Failure {
        plan: left,
        breach,
        events_before: plan.events.len(),
        lines,
    })
}

struct Shortened {
    plan: Plan,
    breach: Breach,
    plant: Option<Plant>,
    runs: usize,
}

impl Shortened {
    /// Takes another plan if it still breaks the same promise.
    fn take(&mut self, plan: Plan) -> bool {
        if plan == self.plan || self.runs >= RUNS_MOST {
            return false;
        }
        self.runs += 1;
        match try_plan(&plan, self.plant).breach {
            Some(breach) if breach.promise == self.breach.promise => {
                (self.plan, self.breach) = (plan, breach);
                true
            }
            Some(_) | None => false,
        }
    }

    fn without(&self, from: usize, count: usize) -> Plan {
        let events = self.plan.events.iter().enumerate();
        let events = events.filter(|(place, _)| *place < from || *place >= from + count);
        Plan {
            events: events.map(|(_, event)| event.clone()).collect(),
            ..self.plan.clone()
        }
    }

    /// Leaves events out: halves first, then smaller pieces, then one by one.
    fn leave_out(&mut self) -> bool {
        let mut shorter = false;
        let mut size = self.plan.events.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.plan.events.len() {
                let without = self.without(from, size);
                if self.take(without) {
                    shorter = true;
                } else {
                    from += size;
                }
            }
            size /= 2;
        }
        shorter
    }

    /// One operator, no patches, shorter troubles.
    fn simplify(&mut self) -> bool {
        let one = Plan {
            processes: 1,
            ..self.plan.clone()
        };
        let whole = Plan {
            by_patch: false,
            ..self.plan.clone()
        };
        let mut simpler = self.take(one) | self.take(whole);
        for place in 0..self.plan.events.len() {
            let Some(event) = self.plan.events.get(place).and_then(halved) else {
                continue;
            };
            let mut plan = self.plan.clone();
            if let Some(slot) = plan.events.get_mut(place) {
                *slot = event;
            }
            simpler |= self.take(plan);
        }
        simpler
    }
}

/// The same event for half as long.
fn halved(event: &Event) -> Option<Event> {
    let half = |span: &mut Ms| {
        let shorter = (*span / 2 / 100 * 100).max(100);
        let changed = shorter != *span && *span > SECOND;
        *span = shorter;
        changed
    };
    let mut event = event.clone();
    let changed = match &mut event.what {
        What::Receiver { span, .. } => half(span),
        What::Trouble(trouble) => match trouble {
            Trouble::Crash { gone: span, .. }
            | Trouble::Stop { span, .. }
            | Trouble::BothLead { span }
            | Trouble::ApiDown { span, .. }
            | Trouble::ApiRefuses { span, .. }
            | Trouble::WatchLags { span, .. }
            | Trouble::WatchFreezes { span, .. }
            | Trouble::Restore { back: span } => half(span),
            Trouble::Meddle { .. }
            | Trouble::LoseAnswers { .. }
            | Trouble::WatchCut { .. }
            | Trouble::Compact
            | Trouble::WallJumps { .. } => false,
        },
        What::Open(_) | What::Person { .. } | What::Policy { .. } => false,
    };
    changed.then_some(event)
}

impl Failure {
    /// The whole as people read it.
    pub fn story(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "seed {} broke a promise.", self.plan.seed)?;
        writeln!(text, "{}", self.breach)?;
        writeln!(
            text,
            "\nShortened from {} events to {}:",
            self.events_before,
            self.plan.events.len()
        )?;
        for (number, policy) in self.plan.policies.iter().enumerate() {
            writeln!(text, "\npolicy-{number}:")?;
            for line in policy.text.lines() {
                writeln!(text, "  {line}")?;
            }
        }
        writeln!(text, "\nWhat was planned is marked with *.")?;
        for line in &self.lines {
            writeln!(text, "{line}")?;
        }
        writeln!(text, "\nRun it again: make sim SEED={}", self.plan.seed)
    }
}

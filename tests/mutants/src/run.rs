//! A whole run: list the mutants, build them all at once, learn which tests come to which, and ask those.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::mutant::{self, Id, Mutant};
use crate::report::{self, Report};
use crate::scratch::{Built, Program, Scratch};
use crate::settings::Settings;
use crate::trial::{Outcome, Test, Trial};

/// How often a long run says how far it is.
const TELL: Duration = Duration::from_secs(30);
/// A test that takes longer is asked last.
const SLOW: Duration = Duration::from_millis(200);

/// Tries every mutant that the settings select.
pub fn run(settings: &Settings) -> Result<Report> {
    let start = Instant::now();
    let mut mutants = mutant::list(&settings.root, &settings.selection)?;
    if settings.again {
        let survivors = report::survivors(&settings.scratch)?;
        mutants.retain(|mutant| survivors.contains(&report::without_line(&mutant.name)));
    }
    ensure!(
        !mutants.is_empty(),
        "cargo-mutants lists no mutant for this selection"
    );
    println!("==> {} mutants: weaving them into one build", mutants.len());
    let mut scratch = Scratch::new(settings, &mutants)?;
    let programs = scratch.build()?;
    let trial = Trial::new(settings, scratch.folder());
    println!(
        "==> built after {} s: running each test alone",
        start.elapsed().as_secs()
    );
    let tests = learn(settings, &trial, &programs)?;
    let asked = who_comes_to(&tests);
    println!(
        "==> {} tests learnt after {} s: trying the mutants",
        tests.len(),
        start.elapsed().as_secs()
    );
    let mut outcomes = BTreeMap::new();
    for id in &scratch.unviable {
        outcomes.insert(*id, Outcome::Unviable);
    }
    let ids = 1..=mutants.len();
    let woven: Vec<Id> = ids
        .filter(|id| !scratch.unviable.contains(id) && !scratch.alone.contains(id))
        .collect();
    let tried = spread(settings.jobs, &woven, |_, id| {
        let outcome = match asked.get(id) {
            Some(tests) => trial.ask(*id, tests)?,
            None => Outcome::Unreached,
        };
        if outcome.survived() {
            println!("  survives: {}", mutants[id - 1].name);
        }
        Ok((*id, outcome))
    })?;
    outcomes.extend(tried);
    for id in &scratch.alone {
        println!("  {} is a constant's: built alone", mutants[id - 1].name);
        outcomes.insert(*id, alone(&scratch, &trial, &mutants[id - 1], &tests)?);
    }
    Ok(Report::new(
        &mutants,
        outcomes,
        scratch.alone.len(),
        start.elapsed(),
    ))
}

/// Runs each test in a process of its own.
fn learn(settings: &Settings, trial: &Trial, programs: &[Program]) -> Result<Vec<Test>> {
    let mut all = Vec::new();
    for program in programs {
        let names = trial.tests_of(program)?;
        all.extend(names.into_iter().map(|name| (program, name)));
    }
    spread(settings.jobs, &all, |worker, (program, name)| {
        trial.learn(program, name, worker)
    })
}

/// The tests that come to each mutant; slow ones last, and before that those first that come to few mutants, since they
/// ask about these in particular.
fn who_comes_to(tests: &[Test]) -> HashMap<Id, Vec<&Test>> {
    let mut order: Vec<&Test> = tests.iter().collect();
    order.sort_by_key(|test| (test.took > SLOW, test.reaches.len(), test.took));
    let mut asked: HashMap<Id, Vec<&Test>> = HashMap::new();
    for test in order {
        for id in &test.reaches {
            asked.entry(*id).or_default().push(test);
        }
    }
    asked
}

/// Tries a mutant of a constant: with a build of its own, and all tests, since nobody knows which come to it.
fn alone(scratch: &Scratch, trial: &Trial, mutant: &Mutant, tests: &[Test]) -> Result<Outcome> {
    let built = scratch.build_alone(mutant)?;
    let outcome = match built {
        Built::Failed(_) => Ok(Outcome::Unviable),
        Built::Whole(programs) => {
            let now = |test: &Test| {
                let name = &test.program.name;
                let program = programs.iter().find(|program| program.name == *name);
                program.map(|program| Test {
                    program: program.clone(),
                    ..test.clone()
                })
            };
            let tests: Vec<Test> = tests.iter().filter_map(now).collect();
            trial.ask(0, &tests.iter().collect::<Vec<_>>())
        }
    };
    scratch.restore(mutant)?;
    outcome
}

/// Does a piece of work for each item, several at once, and tells now and then how far it is.
fn spread<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new(Instant::now());
    let worker = |worker: usize| {
        let mut done = Vec::new();
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(nth) else {
                return Ok(done);
            };
            done.push(work(worker, item)?);
            if let Ok(mut told) = told.try_lock()
                && told.elapsed() > TELL
            {
                println!("  {nth} of {}", items.len());
                *told = Instant::now();
            }
        }
    };
    thread::scope(|scope| {
        let worker = &worker;
        let workers: Vec<_> = (0..jobs)
            .map(|nth| scope.spawn(move || worker(nth)))
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            let done: Result<Vec<R>> = worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            all.extend(done?);
        }
        Ok(all)
    })
}

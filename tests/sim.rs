//! The simulator: whole lives of tickets under faults, from one seed each (docs/simulator.md). `make sim SEEDS=n`
//! searches longer; `SEED=n` tells one.

use firebell::testkit::sim::{Plan, Plant, Promise, run, shorten, try_plan, try_seed};

/// Seeds of the fixed search, from 0.
const SEEDS: u64 = 150;

/// Seeds that once broke a promise, or showed the simulator wrong about one: what it was.
const PINNED: [(u64, &str); 27] = [
    (
        11,
        "put back to before it was created: a ticket that is no more has nothing to be forgotten",
    ),
    (45, "an hourly change of duty is told for ever: no unrest"),
    (
        62,
        "acknowledged while the operator was stopped: the page that was armed is not due",
    ),
    (
        95,
        "a deadline between two milliseconds was asked about again and again until it had passed",
    ),
    (
        965,
        "somebody else's write shows an arm that has been acted on: not due once more",
    ),
    (8132, "put back to before it was deleted: it is there again"),
    (
        11633,
        "a run that has more to wait for goes on longer than the undisturbed one",
    ),
    (
        6514,
        "a second leader for a moment: the simulator let the wrong one step down",
    ),
    (
        6004,
        "the leader of two dies: the page leaves when its lease has ended",
    ),
    (
        116,
        "the answer to the write that arms a page hangs: it left when the call was given up, 10 s late",
    ),
    (
        14387,
        "reopened under a hold: one write armed the chain, the next held it",
    ),
    (
        19783,
        "a breach could not be written: the rest after that failure outlasted the time of an armed page",
    ),
    (
        30977,
        "the API server hung, and a write with it: it held up an armed page of the same ticket",
    ),
    (
        51281,
        "raised just after a page: whoever was reached is told of it instead of paged again",
    ),
    (
        80935,
        "on a level that pages nobody, nothing woke a ticket when its source had been quiet for long enough",
    ),
    (
        94105,
        "two leaders and a hold: a page that was received before the hold is not due once more after it",
    ),
    (
        602_040,
        "handed over before the store was put back, and its lane rested: it is tried after that",
    ),
    (
        605_480,
        "pulled forward under a hold, and its hours ended before the hold did: it waits for them",
    ),
    (
        611_224,
        "left when the store had just been put back, by what was armed before: not due once more",
    ),
    (
        3088,
        "failed before its hold was seen: the next step came some seconds after the release",
    ),
    (
        33_144,
        "failed, held and released while nothing could be written: the next step was put off by the hold",
    ),
    (
        33_539,
        "ran out of time on the last step before that was on record: it is tried again a minute later",
    ),
    (
        54_712,
        "failed in a store that was put back: it is called at its time all the same",
    ),
    (
        61_664,
        "failed, held and released while nothing could be written: a later step was armed before an overdue one",
    ),
    (
        619_211,
        "nothing could be written: a step that was pulled forward gave way to an overdue repeat",
    ),
    (
        624_439,
        "stopped beyond a repeat: it was under way, and its step was given up all the same",
    ),
    (
        691_304,
        "suspended as an acknowledgement expired: what was armed just before that was seen is held",
    ),
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Fails with the story of the first seed that breaks a promise; gives the number of steps.
fn search(seeds: impl Iterator<Item = u64>) -> u64 {
    let mut steps = 0;
    for seed in seeds {
        let verdict = try_seed(seed, None);
        steps += verdict.steps;
        if verdict.breach.is_some() {
            let failure = shorten(&Plan::of_seed(seed), None);
            panic!(
                "{}",
                failure.map(|failure| failure.story()).unwrap_or_default()
            );
        }
    }
    steps
}

#[test]
fn no_seed_breaks_a_promise() {
    let begin = std::time::Instant::now();
    if let Some(seed) = number("SEED") {
        let lines = run(&Plan::of_seed(seed), None, true).ledger.lines();
        println!("{}", lines.join("\n"));
        search(std::iter::once(seed));
        return;
    }
    let (from, seeds) = (
        number("FROM").unwrap_or(0),
        number("SEEDS").unwrap_or(SEEDS),
    );
    let steps = search(from..from + seeds);
    let took = begin.elapsed();
    println!(
        "{seeds} seeds, {steps} steps in {:.1} s",
        took.as_secs_f64()
    );
}

#[test]
fn seeds_that_once_failed_hold() {
    search(PINNED.iter().map(|(seed, _)| *seed));
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..6 {
        let plan = Plan::of_seed(seed);
        assert_eq!(plan, Plan::of_seed(seed));
        let [one, two] = [(), ()].map(|()| run(&plan, None, true));
        assert_eq!(one.ledger.lines(), two.ledger.lines(), "seed {seed}");
        assert_eq!(one.steps, two.steps, "seed {seed}");
    }
}

/// Each planted fault, and within how many seeds (from 0) it must be caught.
const PLANTS: [(Plant, u64); 25] = [
    (Plant::SendsBeforeArm, 5),
    (Plant::IdHasTime, 5),
    (Plant::ForgetsHoldEnd, 10),
    (Plant::ForgetsAfterFailure, 200),
    (Plant::HonoursOldAcknowledgement, 20),
    (Plant::SendingNotResent, 100),
    (Plant::RingDropsArmed, 100),
    (Plant::OutboxLosesTries, 20),
    (Plant::SaysDeliveredUnsent, 20),
    (Plant::SendsTwiceAfterCrash, 20),
    (Plant::StartIgnoresArmed, 20),
    (Plant::WritesBehind, 100),
    (Plant::SeesLate, 10),
    (Plant::Meddler, 5),
    (Plant::NoFencing, 20),
    (Plant::TrustsWallClock, 100),
    (Plant::StandingNotTold, 100),
    (Plant::KeepsDeleted, 200),
    (Plant::BundleIdOfFirst, 100),
    (Plant::OutboxForgets, 50),
    (Plant::RestsOverPages, 200),
    (Plant::WaitsForAnswers, 200),
    (Plant::WatchesFromTheFuture, 20),
    (Plant::ForgetsFailedStep, 10),
    (Plant::ForgetsFailedStepInHold, 350),
];

#[test]
fn each_planted_fault_is_caught_within_its_number_of_seeds() {
    for (plant, within) in PLANTS {
        let caught = (0..within).find_map(|seed| Some((seed, try_seed(seed, Some(plant)).breach?)));
        let (seed, breach) =
            caught.unwrap_or_else(|| panic!("{plant:?} was not caught within {within} seeds"));
        println!("{plant:?} is caught by seed {seed}: {breach}");
    }
}

#[test]
fn a_failing_run_is_shortened_to_a_story_that_names_its_seed() {
    let failing = (0..5)
        .map(Plan::of_seed)
        .find(|plan| try_plan(plan, Some(Plant::SendsBeforeArm)).breach.is_some());
    let failure = failing
        .and_then(|plan| shorten(&plan, Some(Plant::SendsBeforeArm)))
        .unwrap();
    assert_eq!(failure.breach.promise, Promise::Once);
    assert!(
        failure.plan.events.len() <= 2,
        "one ticket is enough: {:?}",
        failure.plan.events
    );
    let story = failure.story();
    for part in [
        "seed ",
        "left before it stood armed",
        "* ticket-",
        "make sim SEED=",
    ] {
        assert!(story.contains(part), "{part:?} is missing in\n{story}");
    }
}

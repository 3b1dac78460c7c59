//! Every fault, with its points.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use firebell::testkit::proxy::{Aim, Fault, Seen, Verb, WatchFault};
use firebell::testkit::receiver::Received;

use super::disturbance::{Disturbance, Moment};
use super::extent::Extent;
use super::judge::Clean;
use super::point::{Plan, live, live_all};
use super::story::Story;
use super::table::{Row, Table};

/// What the runs without faults taught.
pub struct Lessons {
    unanswered: Lesson,
    answered: Lesson,
}

impl Lessons {
    /// How a story ends without faults.
    pub fn clean(&self, story: Story) -> &Clean {
        match story {
            Story::Unanswered => &self.unanswered.clean,
            Story::Answered => &self.answered.clean,
        }
    }
}

/// What one run without faults taught.
struct Lesson {
    clean: Clean,
    /// Each write, as the nth of its kind.
    writes: Vec<(Aim, usize)>,
    /// Each message, as the nth at its path.
    sends: Vec<(String, usize)>,
}

/// Runs what was asked for.
pub async fn run(extent: &Extent) -> Table {
    let mut table = Table::default();
    let wanted: Vec<_> = FAULTS
        .iter()
        .filter(|fault| extent.wants(fault.name))
        .collect();
    if wanted.is_empty() {
        return table;
    }
    let (unanswered, answered) = tokio::join!(learn(Story::Unanswered), learn(Story::Answered));
    let lessons = Lessons {
        unanswered,
        answered,
    };
    for fault in wanted {
        let plans = extent.of((fault.plans)(&lessons), fault.few);
        let began = Instant::now();
        let lived = live_all(plans, &lessons).await;
        table.add(Row::of(fault.name, began.elapsed(), &lived));
    }
    table
}

/// A kind of fault.
struct Kind {
    name: &'static str,
    /// How many of its points a selection has.
    few: usize,
    plans: fn(&Lessons) -> Vec<Plan>,
}

const FAULTS: &[Kind] = &[
    Kind {
        name: "killed before a write lands",
        few: 3,
        plans: |known| killed_at_writes(known, Moment::Before),
    },
    Kind {
        name: "killed after a write landed",
        few: 3,
        plans: |known| killed_at_writes(known, Moment::After),
    },
    Kind {
        name: "killed before a receiver answers",
        few: 2,
        plans: |known| killed_at_sends(known, Moment::Before),
    },
    Kind {
        name: "killed after a receiver answered",
        few: 2,
        plans: |known| killed_at_sends(known, Moment::After),
    },
    Kind {
        name: "a write never arrives",
        few: 2,
        plans: |known| each_write(known, &Fault::LostRequest),
    },
    Kind {
        name: "the answer to a write is lost",
        few: 2,
        plans: |known| each_write(known, &Fault::LostAnswer),
    },
    Kind {
        name: "the answer to a write ends in its middle",
        few: 2,
        plans: |known| each_write(known, &Fault::TornAnswer),
    },
    Kind {
        name: "a write is answered 409",
        few: 2,
        plans: |known| each_write(known, &refused(409)),
    },
    Kind {
        name: "a write comes a second late",
        few: 2,
        plans: |known| each_write(known, &Fault::Late(SECOND)),
    },
    Kind {
        name: "every call is refused for 5 s: 429, 500, 503, 504",
        few: 2,
        plans: |_| refused_for_a_while(),
    },
    Kind {
        name: "a watch is cut, torn or told 410",
        few: 3,
        plans: |_| watches_end(),
    },
    Kind {
        name: "watch events come twice or late",
        few: 2,
        plans: |_| watches_stray(),
    },
];

const SECOND: Duration = Duration::from_secs(1);
const WATCHED: [&str; 3] = ["tickets", "escalationpolicies", "controllerrevisions"];

fn unanswered(disturbance: Disturbance) -> Plan {
    Plan {
        story: Story::Unanswered,
        disturbance,
    }
}

fn killed_at_writes(known: &Lessons, moment: Moment) -> Vec<Plan> {
    let writes = known.unanswered.writes.iter();
    let plans = writes.map(|(aim, nth)| unanswered(Disturbance::KillAt(aim.clone(), *nth, moment)));
    plans.collect()
}

fn killed_at_sends(known: &Lessons, moment: Moment) -> Vec<Plan> {
    let sends = known.unanswered.sends.iter();
    let plans =
        sends.map(|(path, nth)| unanswered(Disturbance::KillAtSend(path.clone(), *nth, moment)));
    plans.collect()
}

fn each_write(known: &Lessons, fault: &Fault) -> Vec<Plan> {
    let writes = known.unanswered.writes.iter();
    let plans =
        writes.map(|(aim, nth)| unanswered(Disturbance::Broken(aim.clone(), *nth, fault.clone())));
    plans.collect()
}

fn refused(status: u16) -> Fault {
    let retry_after = (status == 429).then_some(1);
    Fault::Refused {
        status,
        retry_after,
    }
}

fn refused_for_a_while() -> Vec<Plan> {
    let outage = |status| Disturbance::Outage(refused(status), SECOND * 5);
    let statuses = [429, 500, 503, 504].into_iter();
    statuses.map(|status| unanswered(outage(status))).collect()
}

/// Both stories, each watch, from the start and once the first page has come.
fn watches_end() -> Vec<Plan> {
    let mut plans = Vec::new();
    for resource in WATCHED {
        let refused = Disturbance::Broken(Aim::at(Verb::Watch, resource), 2, refused(410));
        plans.push(unanswered(refused));
        for fault in [WatchFault::Cut, WatchFault::Torn, WatchFault::Gone] {
            for story in [Story::Unanswered, Story::Answered] {
                for moment in [None, Some("/alice")] {
                    let disturbance = Disturbance::Watches(resource, fault, moment);
                    plans.push(Plan { story, disturbance });
                }
            }
        }
    }
    plans
}

fn watches_stray() -> Vec<Plan> {
    let mut plans = Vec::new();
    for story in [Story::Unanswered, Story::Answered] {
        for fault in [WatchFault::Doubled, WatchFault::Late(SECOND / 2)] {
            let resources = WATCHED.into_iter();
            let disturbances =
                resources.map(|resource| Disturbance::Watches(resource, fault, None));
            plans.extend(disturbances.map(|disturbance| Plan { story, disturbance }));
        }
    }
    plans
}

async fn learn(story: Story) -> Lesson {
    let plan = Plan {
        story,
        disturbance: Disturbance::None,
    };
    let (evidence, calls, _) = live(&plan).await;
    let clean = Clean::learn(&evidence);
    clean.prove(&evidence);
    let (writes, sends) = (writes(&calls), sends(&evidence.pages));
    let (written, sent) = (writes.len(), sends.len());
    println!("{story:?}, without faults: {written} writes, {sent} messages");
    Lesson {
        clean,
        writes,
        sends,
    }
}

fn writes(calls: &[Seen]) -> Vec<(Aim, usize)> {
    let mut counts = BTreeMap::new();
    let writes = calls.iter().filter(|seen| seen.call.is_write());
    let numbered = writes.map(|seen| {
        let (verb, resource) = (seen.call.verb, seen.call.resource.as_str());
        let count = counts.entry((verb, resource)).or_insert(0);
        *count += 1;
        (Aim::at(verb, resource), *count)
    });
    numbered.collect()
}

fn sends(pages: &[Received]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    let numbered = pages.iter().map(|page| {
        let count = counts.entry(page.path.as_str()).or_insert(0);
        *count += 1;
        (page.path.clone(), *count)
    });
    numbered.collect()
}

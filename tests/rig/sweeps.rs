//! Every fault, with its points.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use firebell::testkit::proxy::{Aim, Fault, Seen, Verb, WatchFault};
use firebell::testkit::receiver::Received;
use futures::future::{OptionFuture, join_all};

use super::cast::deceives;
use super::disturbance::{Disturbance, Moment};
use super::extent::Extent;
use super::judge::Clean;
use super::point::{Plan, live, live_all};
use super::story::Story;
use super::table::{Row, Table};
use super::{heart, outage, quiet, restored, undecodable};

/// What the runs without faults taught.
pub struct Lessons {
    unanswered: Lesson,
    answered: Lesson,
    in_silence: Lesson,
}

impl Lessons {
    /// Lives every story once without faults.
    async fn learn() -> Self {
        let (unanswered, answered, in_silence) = tokio::join!(
            learn(Story::Unanswered),
            learn(Story::Answered),
            learn(Story::AnsweredInSilence)
        );
        Self {
            unanswered,
            answered,
            in_silence,
        }
    }

    /// How a story ends without faults.
    pub fn clean(&self, story: Story) -> &Clean {
        match story {
            Story::Unanswered => &self.unanswered.clean,
            Story::Answered => &self.answered.clean,
            Story::AnsweredInSilence => &self.in_silence.clean,
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

/// Runs what was asked for: side by side what does not disturb each other.
pub async fn run(extent: &Extent) -> Table {
    let began = Instant::now();
    let broken = async {
        let (points, away, idle) = tokio::join!(
            Box::pin(points(extent)),
            Box::pin(away(extent)),
            Box::pin(idle(extent))
        );
        let beside = points.into_iter().chain(away).chain(idle);
        let beside: Vec<_> = beside.collect();
        (beside, alone(extent).await)
    };
    // A heart is waited for and takes no time of the processors.
    let ((beside, alone), hearts) = tokio::join!(Box::pin(broken), Box::pin(hearts(extent)));
    let mut table = Table::default();
    for row in beside.into_iter().chain(hearts).chain(alone) {
        table.add(row);
    }
    table.took = began.elapsed();
    table
}

/// What must stop the heart.
async fn hearts(extent: &Extent) -> Option<Row> {
    if !extent.wants(HEART) {
        return None;
    }
    Some(heart::hearts(HEART, extent).await)
}

/// The points of all kinds.
async fn points(extent: &Extent) -> Vec<Row> {
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|kind| extent.wants(kind.name))
        .collect();
    if kinds.is_empty() && !extent.wants(UNDECODABLE) {
        return Vec::new();
    }
    let lessons = Box::pin(Lessons::learn()).await;
    let plans = kinds.iter().flat_map(|kind| {
        let plans = extent.of((kind.plans)(&lessons), kind.few);
        plans.into_iter().map(|plan| (kind.name, plan))
    });
    let lived = live_all(plans, &lessons).await;
    let row = |kind: &&Kind| {
        let of_it = lived.iter().filter(|(name, _)| *name == kind.name);
        Row::of(kind.name, of_it.map(|(_, lived)| lived))
    };
    let mut rows: Vec<_> = kinds.iter().map(row).collect();
    if extent.wants(UNDECODABLE) {
        rows.push(undecodable::beside(UNDECODABLE, &lessons).await);
    }
    rows
}

/// Outages of servers, each on a control plane of its own, and with `all` the long ones.
async fn away(extent: &Extent) -> Vec<Row> {
    let killed = async {
        let mut rows = Vec::new();
        if extent.wants(KILLED) {
            let tickets = if extent.all { 200 } else { 50 };
            rows.push(outage::servers_killed(KILLED, Duration::ZERO, tickets).await);
        }
        if extent.all && extent.wants(KILLED_LONG) {
            rows.push(outage::servers_killed(KILLED_LONG, SECOND * 60, 200).await);
        }
        rows
    };
    let minutes = minutes().into_iter();
    let minutes = minutes.filter(|(name, _)| extent.all && extent.wants(name));
    let minutes = join_all(minutes.map(|(name, faults)| outage::minute(name, faults)));
    let put_back = async {
        let wanted = extent.wants(PUT_BACK);
        let row = wanted.then(|| restored::put_back(PUT_BACK));
        OptionFuture::from(row).await
    };
    let (mut rows, minutes, put_back) = tokio::join!(Box::pin(killed), minutes, Box::pin(put_back));
    rows.extend(minutes.into_iter().chain(put_back));
    rows
}

/// Where nothing breaks.
async fn idle(extent: &Extent) -> Option<Row> {
    if !extent.wants(IDLE) {
        return None;
    }
    let watched = SECOND * if extent.all { 60 } else { 20 };
    Some(quiet::idle(IDLE, watched).await)
}

/// What needs the machine for itself.
async fn alone(extent: &Extent) -> Vec<Row> {
    let mut rows = Vec::new();
    if extent.wants(SLOW_SECRETS) {
        rows.push(quiet::slow_secrets(SLOW_SECRETS).await);
    }
    if extent.wants(FLOOD) {
        let tickets = if extent.all { 10_000 } else { 500 };
        rows.push(quiet::flood(FLOOD, tickets).await);
    }
    rows
}

/// What is broken for a minute.
fn minutes() -> [(&'static str, Vec<(Aim, Fault)>); 3] {
    let refusals = [429, 500, 503, 504].map(|status| (Aim::all(), refused(status)));
    let silences = [Fault::HeldRequest, Fault::HeldAnswer].map(|fault| (Aim::all(), fault));
    [
        (REFUSED_LONG, refusals.into()),
        (CONFLICTS_LONG, vec![(Aim::writes(), refused(409))]),
        (SILENT_LONG, silences.into()),
    ]
}

const UNDECODABLE: &str = "tickets are stored that nobody can decode";
const KILLED: &str = "API server and etcd are killed and started again";
const KILLED_LONG: &str = "API server and etcd are killed for 60 s";
const PUT_BACK: &str = "etcd is put back to an older state";
const REFUSED_LONG: &str = "every call is refused for 60 s: 429, 500, 503, 504";
const CONFLICTS_LONG: &str = "every write is answered 409 for 60 s";
const SILENT_LONG: &str = "no call is answered for 60 s";
const HEART: &str = "the pager is sick: its heart must stop, and beat again";
const SLOW_SECRETS: &str = "the API server takes 0.9 s to give a Secret";
const FLOOD: &str = "tickets flood the neighbour's namespace";
const IDLE: &str = "nothing happens";

/// A kind of fault.
struct Kind {
    name: &'static str,
    /// How many of its points a selection has.
    few: usize,
    plans: fn(&Lessons) -> Vec<Plan>,
}

const KINDS: &[Kind] = &[
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
        name: "the answer to a write never comes",
        few: 2,
        plans: |known| silent_writes(known, &Fault::HeldAnswer),
    },
    Kind {
        name: "a write is stuck on its way",
        few: 2,
        plans: |known| silent_writes(known, &Fault::HeldRequest),
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
        name: "every write is answered 409 for 5 s",
        few: 1,
        plans: |_| conflicts_for_a_while(),
    },
    Kind {
        name: "no call is answered for 5 s",
        few: 2,
        plans: |_| silent_for_a_while(),
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
    Kind {
        name: "the watch of tickets falls silent",
        few: 2,
        plans: |_| silent_watches(),
    },
    Kind {
        name: "the operator's wall clock jumps by an hour",
        few: 2,
        plans: |_| clock_jumps(),
    },
    Kind {
        name: "the leader of two stands still beyond its lease",
        few: 4,
        plans: stands_still,
    },
];

const SECOND: Duration = Duration::from_secs(1);
const WATCHED: [&str; 4] = [
    "tickets",
    "escalationpolicies",
    "controllerrevisions",
    "rcas",
];

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

/// Each write of a life that nobody answers, renewals of the lease, and the write that records an acknowledgement before
/// the second step: the call stays open, and silent.
fn silent_writes(known: &Lessons, fault: &Fault) -> Vec<Plan> {
    let broken = |(aim, nth)| Disturbance::Broken(aim, nth, fault.clone());
    let lives = known.unanswered.writes.iter().cloned().chain(renewals());
    let lives = lives.map(|write| unanswered(broken(write)));
    let acknowledged = Aim::at(Verb::Patch, "tickets/status").saying("\"Acknowledged\"");
    let answered = Plan {
        story: Story::Answered,
        disturbance: broken((acknowledged, 1)),
    };
    lives.chain([answered]).collect()
}

/// Of the lease: early in the story, in its middle, late.
fn renewals() -> impl Iterator<Item = (Aim, usize)> {
    let nth = [5, 8, 11].into_iter();
    nth.map(|nth| (Aim::at(Verb::Update, "leases"), nth))
}

/// While a write is on its way, one of the lease too, and on either side of a receiver's answer.
fn stands_still(known: &Lessons) -> Vec<Plan> {
    let writes = known.unanswered.writes.iter().cloned().chain(renewals());
    let at_writes = writes.map(|(aim, nth)| Disturbance::StandStill(aim, nth));
    let moments = [Moment::Before, Moment::After].into_iter();
    let at_sends = moments.flat_map(|moment| {
        let sends = known.unanswered.sends.iter();
        sends.map(move |(path, nth)| Disturbance::StandStillAtSend(path.clone(), *nth, moment))
    });
    at_writes.chain(at_sends).map(unanswered).collect()
}

fn refused(status: u16) -> Fault {
    let retry_after = (status == 429).then_some(1);
    Fault::Refused {
        status,
        retry_after,
    }
}

fn refused_for_a_while() -> Vec<Plan> {
    let outage = |status| Disturbance::Outage(Aim::all(), refused(status), SECOND * 5);
    let statuses = [429, 500, 503, 504].into_iter();
    statuses.map(|status| unanswered(outage(status))).collect()
}

/// Both stories: a step that is armed meanwhile, and an acknowledgement that can be read and not be recorded.
fn conflicts_for_a_while() -> Vec<Plan> {
    let stories = [Story::Unanswered, Story::Answered].into_iter();
    let plans = stories.map(|story| Plan {
        story,
        disturbance: Disturbance::Outage(Aim::writes(), refused(409), SECOND * 5),
    });
    plans.collect()
}

fn silent_for_a_while() -> Vec<Plan> {
    let silences = [Fault::HeldRequest, Fault::HeldAnswer].into_iter();
    let outage = |fault| Disturbance::Outage(Aim::all(), fault, SECOND * 5);
    silences.map(|fault| unanswered(outage(fault))).collect()
}

/// An hour either way, before the start and after the first page. Without libfaketime nothing is shown, and said so.
fn clock_jumps() -> Vec<Plan> {
    if !deceives() {
        println!("the wall clock is not moved: libfaketime is missing; `make faketime` fetches it");
        return Vec::new();
    }
    let moments = [Moment::Before, Moment::After].into_iter();
    let jumps =
        moments.flat_map(|moment| [3600, -3600].map(|seconds| Disturbance::Clock(seconds, moment)));
    jumps.map(unanswered).collect()
}

/// One connection dies and a new one lives; or nothing passes for 20 s, new watches neither.
fn silent_watches() -> Vec<Plan> {
    let lasts = [None, Some(SECOND * 20)].into_iter();
    let plans = lasts.map(|lasts| Plan {
        story: Story::AnsweredInSilence,
        disturbance: Disturbance::Silence(lasts),
    });
    plans.collect()
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

//! The six promises of a point, judged by what the receiver, the API server and the process say: every due message
//! came (1), at most once more per crash and under one id (2), no page after an acknowledgement (3), the ticket ended
//! as in a run without faults (4), then nothing more was written (5), and nobody panicked (6).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firebell::api::{DeliveryState, RcaStatus, StepResult, TicketStatus};
use firebell::testkit::receiver::Received;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::story::{Story, Told};

/// How long after an acknowledgement a page that was on its way may still arrive.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(1);
/// What a busy machine may add to the lateness of a run without faults.
pub const BUSY: Duration = Duration::from_secs(3);

/// What a point left behind.
#[derive(Clone)]
pub struct Evidence {
    /// The life that was lived.
    pub story: Story,
    /// When what happened.
    pub told: Told,
    /// What the receiver got.
    pub pages: Vec<Received>,
    /// How the ticket ended.
    pub status: TicketStatus,
    /// How its RCAs ended.
    pub rcas: Vec<Option<RcaStatus>>,
    /// What all operators logged.
    pub log: String,
    /// How many were killed.
    pub crashes: usize,
    /// When each step could first be read as armed.
    pub armed: BTreeMap<String, Timestamp>,
    /// How long nobody could page.
    pub down: Duration,
    /// How long what a page needs could not be written: no excuse for one that stood armed.
    pub unwritten: Duration,
    /// The operator came to rest.
    pub rested: bool,
}

/// One message as people know it: whatever its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// `Page`, or the kind of a notice.
    pub kind: String,
    /// The step; empty for a notice.
    pub step: String,
    /// Round and repeat.
    pub turn: (i64, i64),
    /// Who.
    pub to: String,
}

/// One receipt of a message.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The ticket's name.
    pub ticket: String,
    /// Which message.
    pub subject: Subject,
    /// Its id.
    pub id: String,
    /// When it came.
    pub time: Timestamp,
}

/// What a run without faults looks like.
pub struct Clean {
    subjects: BTreeSet<Subject>,
    end: String,
    late: Duration,
}

/// What is wrong with a point; nothing, if all is well.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Messages that were due and never came.
    pub lost: usize,
    /// Receipts beyond the first.
    pub repeated: usize,
    /// Pages later than a run without faults plus the time that nobody could page.
    pub late: usize,
    /// The longest that a page was late, without the time that nobody could page.
    pub lateness: Duration,
    /// Every broken promise in words.
    pub broken: Vec<String>,
}

impl Clean {
    /// Learns from a run without faults.
    pub fn learn(evidence: &Evidence) -> Self {
        let receipts = receipts(&evidence.pages);
        Self {
            late: lateness(evidence, &receipts)
                .into_iter()
                .map(|late| late.after_due)
                .max()
                .unwrap_or_default(),
            subjects: receipts
                .into_iter()
                .map(|receipt| receipt.subject)
                .collect(),
            end: end(evidence),
        }
    }

    /// Shows that the judge can say no: each planted fault in a good run has to be seen.
    pub fn prove(&self, good: &Evidence) {
        let says = |promise: &str, plant: &dyn Fn(&mut Evidence)| {
            let mut bad = good.clone();
            plant(&mut bad);
            let verdict = self.judge(&bad);
            let seen = verdict.broken.iter().any(|what| what.starts_with(promise));
            assert!(seen, "{promise} was planted and not seen: {verdict:?}");
        };
        assert_eq!(self.judge(good).broken, [""; 0], "a good run");
        says("(1)", &|bad| drop(bad.pages.remove(0)));
        says("(1)", &|bad| {
            bad.pages[0].time += SignedDuration::from_secs(60);
        });
        says("(1) a page that stood armed", &|bad| {
            bad.unwritten = Duration::from_mins(1);
            bad.pages[0].time += SignedDuration::from_secs(30);
        });
        says("(2)", &|bad| bad.pages.push(bad.pages[0].clone()));
        says("(3)", &|bad| {
            // By the receiver's time: that of the test may be late on a busy machine.
            bad.told.acknowledged = bad.pages[0].time - ON_ITS_WAY * 2;
        });
        says("(4)", &|bad| bad.status.phase = None);
        says("(4)", &|bad| {
            bad.status.deliveries[0].state = DeliveryState::Sending;
        });
        says("(4)", &|bad| bad.rcas.push(None));
        says("(5)", &|bad| bad.rested = false);
        says("(6)", &|bad| {
            bad.log.push_str("thread 'x' panicked at src/x.rs:1:1");
        });
    }

    /// Judges a point.
    pub fn judge(&self, evidence: &Evidence) -> Verdict {
        let receipts = receipts(&evidence.pages);
        let mut verdict = Verdict::default();
        self.judge_receipts(evidence, &receipts, &mut verdict);
        self.judge_lateness(evidence, &receipts, &mut verdict);
        for receipt in &receipts {
            let ends = Story::ends_by_acknowledgement(&receipt.subject.step);
            let last = evidence.told.acknowledged + ON_ITS_WAY;
            if ends && receipt.time > last {
                let after = receipt.time.duration_since(evidence.told.acknowledged);
                let subject = &receipt.subject;
                verdict.broken.push(format!(
                    "(3) {subject:?} came {after:#} after the acknowledgement"
                ));
            }
        }
        let end = end(evidence);
        if end != self.end {
            let end = difference(&self.end, &end);
            verdict
                .broken
                .push(format!("(4) the ticket ended otherwise:\n{end}"));
        }
        if !evidence.rested {
            verdict
                .broken
                .push("(5) the operator did not come to rest".to_owned());
        }
        let panics = evidence.log.lines().filter(|line| {
            line.contains("panicked at") || line.contains("a fault of the operator")
        });
        verdict
            .broken
            .extend(panics.map(|line| format!("(6) {line}")));
        verdict
    }

    fn judge_receipts(&self, evidence: &Evidence, receipts: &[Receipt], verdict: &mut Verdict) {
        let mut known: BTreeMap<&Subject, (BTreeSet<&str>, usize)> = BTreeMap::new();
        for receipt in receipts {
            let (ids, count) = known.entry(&receipt.subject).or_default();
            ids.insert(&receipt.id);
            *count += 1;
        }
        for subject in self
            .subjects
            .iter()
            .filter(|subject| !known.contains_key(subject))
        {
            verdict.lost += 1;
            verdict
                .broken
                .push(format!("(1) {subject:?} was never received"));
        }
        for (subject, (ids, count)) in known {
            verdict.repeated += count - 1;
            if !self.subjects.contains(subject) {
                verdict.broken.push(format!(
                    "(2) {subject:?} is not due in a run without faults"
                ));
            }
            if count > 1 + evidence.crashes || ids.len() > 1 {
                let crashes = evidence.crashes;
                verdict.broken.push(format!(
                    "(2) {subject:?} came {count} times in {crashes} crashes, ids {ids:?}"
                ));
            }
        }
    }

    fn judge_lateness(&self, evidence: &Evidence, receipts: &[Receipt], verdict: &mut Verdict) {
        let allowed = self.late + BUSY;
        for Late {
            step,
            after_due,
            after_armed,
        } in lateness(evidence, receipts)
        {
            let late = after_due.saturating_sub(evidence.down + evidence.unwritten);
            let armed = after_armed.saturating_sub(evidence.down);
            verdict.lateness = verdict.lateness.max(late).max(armed);
            let what = if late > allowed {
                format!("a page of \"{step}\" came {late:?} late")
            } else if armed > allowed {
                format!("a page that stood armed, of \"{step}\", came {armed:?} late")
            } else {
                continue;
            };
            verdict.late += 1;
            let without = self.late;
            let broken = format!("(1) {what}; without faults {without:?}");
            verdict.broken.push(broken);
        }
    }
}

/// How late a page came.
struct Late {
    step: String,
    after_due: Duration,
    /// After it was due and could be read as armed.
    after_armed: Duration,
}

/// How late each page came that came for the first time.
fn lateness(evidence: &Evidence, receipts: &[Receipt]) -> Vec<Late> {
    let mut seen = BTreeSet::new();
    let first = receipts
        .iter()
        .filter(|receipt| seen.insert(receipt.subject.clone()));
    let late = first.filter_map(|receipt| {
        let step = &receipt.subject.step;
        let due = evidence.told.created + evidence.story.due(step)?;
        let armed = evidence.armed.get(step).copied();
        let after = |moment| {
            let late = receipt.time.duration_since(moment);
            late.max(SignedDuration::ZERO).unsigned_abs()
        };
        Some(Late {
            step: step.clone(),
            after_due: after(due),
            after_armed: armed.map_or(Duration::ZERO, |armed| after(due.max(armed))),
        })
    });
    late.collect()
}

/// Every message that came, those inside bundles too.
pub fn receipts(pages: &[Received]) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for page in pages {
        let body = page.json().unwrap_or_default();
        let data = &body["data"];
        let single = std::slice::from_ref(data);
        let items = data["items"].as_array().map_or(single, Vec::as_slice);
        receipts.extend(items.iter().map(|data| receipt(data, page.time)));
    }
    receipts
}

fn receipt(data: &Value, time: Timestamp) -> Receipt {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    Receipt {
        ticket: text(&data["ticket"]["name"]),
        subject: Subject {
            kind: text(&data["kind"]),
            step: text(&data["step"]),
            turn: (number(&data["round"]), number(&data["repeat"])),
            to: text(&data["to"]["name"]),
        },
        id: text(&data["id"]),
        time,
    }
}

/// The end of a ticket, without what may differ between two good runs: times, and whether it was caught up.
fn end(evidence: &Evidence) -> String {
    let status = &evidence.status;
    let mut lines = vec![format!("phase {:?}", status.phase)];
    lines.extend(evidence.rcas.iter().map(|rca| match rca {
        Some(rca) => format!("RCA {:?}, missing {:?}", rca.phase, rca.missing),
        None => "RCA without a status".to_owned(),
    }));
    if let Some(escalation) = &status.escalation {
        lines.push(format!(
            "escalation {:?} in round {}",
            escalation.state, escalation.round
        ));
        for step in &escalation.steps {
            let called = match step.result {
                StepResult::Fired | StepResult::CaughtUp => "called",
                StepResult::Skipped => "was skipped",
                StepResult::SkippedEmpty => "was empty",
                StepResult::Waiting => "waits",
            };
            lines.push(format!("step {} {called}", step.name));
        }
    }
    if let Some(targets) = &status.targets {
        let (response, resolution) = (targets.response.state, targets.resolution.state);
        lines.push(format!("targets {response:?}, {resolution:?}"));
    }
    let mut told: Vec<_> = status
        .deliveries
        .iter()
        .map(|known| {
            let state = match known.state {
                // After a crash nobody knows; the receiver does, and is asked.
                DeliveryState::Delivered | DeliveryState::Unknown => "told",
                DeliveryState::Armed => "armed",
                DeliveryState::Sending => "sending",
                DeliveryState::Failed => "failed",
                DeliveryState::Cancelled => "cancelled",
            };
            let (kind, step) = (
                known.kind.as_deref().unwrap_or("Page"),
                known.step.as_deref().unwrap_or(""),
            );
            format!("{kind} {step} {} {state}", known.target)
        })
        .collect();
    told.sort();
    lines.extend(told);
    let mut conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|known| format!("condition {} {:?}", known.type_, known.status))
        .collect();
    conditions.sort();
    lines.extend(conditions);
    lines.push(format!(
        "handled {:?}",
        status.handled.keys().collect::<Vec<_>>()
    ));
    lines.join("\n")
}

/// The lines that only one of two texts has.
fn difference(wanted: &str, got: &str) -> String {
    let missing = wanted
        .lines()
        .filter(|line| !got.lines().any(|other| other == *line));
    let more = got
        .lines()
        .filter(|line| !wanted.lines().any(|other| other == *line));
    let lines: Vec<_> = missing
        .map(|line| format!("      - {line}"))
        .chain(more.map(|line| format!("      + {line}")))
        .collect();
    lines.join("\n")
}

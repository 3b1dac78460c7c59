//! `policy diff`: what a change of a policy means for people. Both versions are simulated for each severity at three
//! hours of a week, unanswered, acknowledged and resolved; what differs is told once, for all cases it is true of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use kube::ResourceExt;
use serde::Serialize;

use super::moments::{moment, offset, zone_of};
use super::render::{objects, of_kind, valid};
use super::{Failure, Files, Output, Said};
use crate::api::{EscalationPolicy, Severity};
use crate::cli::words::clean;
use crate::domain::calendar::{instant_of, zone};
use crate::domain::policy::{LEVELS, ValidPolicy};
use crate::simulation::{Case, Course, EXHAUSTED, Fact, What, run as simulate};

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// File with the policy as it was, or `-`.
    old: PathBuf,
    /// File with the policy as it is to be, or `-`.
    new: PathBuf,
    /// The week that is looked at is the one after this moment; default: now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// IANA time zone of the hours; default: that of the new policy's first calendar, rota or contact, else UTC.
    #[arg(long)]
    zone: Option<String>,
    /// text or json.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// One thing that changes, for some tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the policy.
    pub policy: String,
    /// The whole sentence.
    pub text: String,
}

/// Reads, simulates and prints.
pub fn run(args: &DiffArgs) -> Result<Said, Failure> {
    let (old, new) = (policies(&args.old)?, policies(&args.new)?);
    let mut changes = Vec::new();
    for (was, is) in pairs(&old, &new) {
        match (was, is) {
            (Some(was), Some(is)) => changes.extend(changes_of(args, was, is)?),
            (Some(was), None) => {
                changes.push(whole(&was.1, "is gone: its tickets need another policy"));
            }
            (None, Some(is)) => changes.push(whole(&is.1, "is new")),
            (None, None) => {}
        }
    }
    let text = match args.output {
        Output::Json => serde_json::to_string_pretty(&changes).unwrap_or_default() + "\n",
        Output::Text if changes.is_empty() => "Nothing changes for people.\n".to_owned(),
        Output::Text => lines(&changes),
    };
    Ok(Said {
        text,
        code: u8::from(!changes.is_empty()),
    })
}

type Read = (String, EscalationPolicy);

fn policies(file: &Path) -> Result<Vec<Read>, Failure> {
    let files = Files {
        files: vec![file.to_owned()],
    };
    let found: Vec<Read> = of_kind(&objects(&files)?, "EscalationPolicy")?;
    if found.is_empty() {
        return Err(Failure::Unfit(format!(
            "{} holds no EscalationPolicy",
            file.display()
        )));
    }
    Ok(found)
}

/// Policies of one name; two single ones are compared whatever they are called.
fn pairs<'a>(old: &'a [Read], new: &'a [Read]) -> Vec<(Option<&'a Read>, Option<&'a Read>)> {
    if let ([was], [is]) = (old, new) {
        return vec![(Some(was), Some(is))];
    }
    let key = |(_, policy): &Read| (policy.namespace(), policy.name_any());
    let keys: BTreeSet<_> = old.iter().chain(new).map(key).collect();
    let of = |list: &'a [Read], wanted: &_| list.iter().find(|read| key(read) == *wanted);
    keys.iter()
        .map(|wanted| (of(old, wanted), of(new, wanted)))
        .collect()
}

fn whole(policy: &EscalationPolicy, what: &str) -> Change {
    Change {
        policy: policy.name_any(),
        text: format!("policy {} {what}", policy.name_any()),
    }
}

fn lines(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut policy = None;
    let several = changes
        .iter()
        .any(|change| change.policy != changes[0].policy);
    for change in changes {
        if several && policy != Some(&change.policy) {
            policy = Some(&change.policy);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}:", clean(&change.policy));
        }
        let indent = if several { "  " } else { "" };
        let _ = writeln!(text, "{indent}{}", clean(&change.text));
    }
    text
}

/// An hour of the week that stands for others.
struct Hour {
    words: &'static str,
    at: Timestamp,
}

fn changes_of(args: &DiffArgs, was: &Read, is: &Read) -> Result<Vec<Change>, Failure> {
    let zone = match &args.zone {
        Some(_) => zone_of(args.zone.as_ref())?,
        None => zone_of_policy(&is.1),
    };
    let from = match &args.at {
        Some(text) => moment("--at", text, &zone)?,
        None => Timestamp::now(),
    };
    let hours = hours(from, &zone);
    let old = Arc::new(valid(&was.0, &was.1, None)?.0);
    let new = Arc::new(valid(&is.0, &is.1, None)?.0);
    let mut found = Found::default();
    for level in LEVELS {
        for (hour, Hour { at, .. }) in hours.iter().enumerate() {
            for change in at_hour(&old, &new, level, *at) {
                found.add(change, level, hour);
            }
        }
    }
    let name = is.1.name_any();
    let mut changes: Vec<Change> = targets(&old, &new)
        .into_iter()
        .chain(found.sentences(&hours))
        .map(|text| Change {
            policy: name.clone(),
            text,
        })
        .collect();
    changes.dedup();
    Ok(changes)
}

/// The zone in which a policy's people live.
fn zone_of_policy(policy: &EscalationPolicy) -> TimeZone {
    let spec = &policy.spec;
    let calendar = spec.calendars.first().map(|calendar| &calendar.time_zone);
    let rota = spec.rotas.first().map(|rota| &rota.time_zone);
    let contact = spec
        .contacts
        .iter()
        .find_map(|contact| contact.time_zone.as_ref());
    let name = calendar.or(rota).or(contact);
    name.and_then(|name| zone(name)).unwrap_or(TimeZone::UTC)
}

/// Working time, night and weekend of the first whole week after a moment.
fn hours(from: Timestamp, zone: &TimeZone) -> Vec<Hour> {
    let today = from.to_zoned(zone.clone()).date();
    let monday = (1..=7)
        .filter_map(|days| today.checked_add(days.days()).ok())
        .find(|day| day.weekday() == jiff::civil::Weekday::Monday)
        .unwrap_or(today);
    let hours = [
        ("at 11:00 on a working day", 2, 11),
        ("at 02:00", 2, 2),
        ("at 14:00 on a Saturday", 5, 14),
    ];
    hours
        .into_iter()
        .filter_map(|(words, days, hour)| {
            let day = monday.checked_add(days.days()).ok()?;
            Some(Hour {
                words,
                at: instant_of(zone, day.at(hour, 0, 0, 0))?,
            })
        })
        .collect()
}

/// Changes with the tickets they are true of: severity and hour.
#[derive(Default)]
struct Found {
    order: Vec<String>,
    cases: BTreeMap<String, BTreeMap<usize, BTreeSet<usize>>>,
}

impl Found {
    fn add(&mut self, change: String, level: Severity, hour: usize) {
        let level = LEVELS
            .iter()
            .position(|known| *known == level)
            .unwrap_or_default();
        if !self.cases.contains_key(&change) {
            self.order.push(change.clone());
        }
        self.cases
            .entry(change)
            .or_default()
            .entry(level)
            .or_default()
            .insert(hour);
    }

    /// A sentence for each change and each group of severities it is true of at the same hours.
    fn sentences(self, hours: &[Hour]) -> Vec<String> {
        let mut sentences = Vec::new();
        for change in &self.order {
            let mut groups: Vec<(&BTreeSet<usize>, Vec<String>)> = Vec::new();
            for (level, at) in &self.cases[change] {
                let word = LEVELS
                    .get(*level)
                    .map(|level| format!("{level:?}"))
                    .unwrap_or_default();
                match groups.iter_mut().find(|(known, _)| *known == at) {
                    Some((_, words)) => words.push(word),
                    None => groups.push((at, vec![word])),
                }
            }
            for (at, levels) in groups {
                let when = if at.len() == hours.len() {
                    "at any hour".to_owned()
                } else {
                    let words: Vec<&str> = at
                        .iter()
                        .filter_map(|hour| Some(hours.get(*hour)?.words))
                        .collect();
                    words.join(" or ")
                };
                let ticket = if levels.len() == LEVELS.len() {
                    "a ticket of any severity".to_owned()
                } else {
                    format!("a {} ticket", listed(&levels))
                };
                sentences.push(format!("{ticket} {when} {change}"));
            }
        }
        sentences
    }
}

fn targets(old: &ValidPolicy, new: &ValidPolicy) -> Vec<String> {
    let mut changes = Vec::new();
    let word = |target: Option<&crate::api::Duration>| {
        target.map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    for level in LEVELS {
        let (was, is) = (old.row(level), new.row(level));
        for (name, was, is) in [
            (
                "first response",
                was.response_target.as_ref(),
                is.response_target.as_ref(),
            ),
            (
                "resolution",
                was.resolution_target.as_ref(),
                is.resolution_target.as_ref(),
            ),
        ] {
            if was.map(crate::api::Duration::as_millis) != is.map(crate::api::Duration::as_millis) {
                changes.push(format!(
                    "{level:?}: the target of the {name} is {} instead of {}",
                    word(is),
                    word(was)
                ));
            }
        }
        if was.paging != is.paging {
            changes.push(format!(
                "{level:?}: paging is {:?} instead of {:?}",
                is.paging, was.paging
            ));
        }
    }
    changes
}

/// What differs for a ticket of a severity at a moment.
fn at_hour(
    old: &Arc<ValidPolicy>,
    new: &Arc<ValidPolicy>,
    level: Severity,
    at: Timestamp,
) -> Vec<String> {
    let later = |minutes: i64| {
        at.saturating_add(SignedDuration::from_mins(minutes))
            .unwrap_or(at)
    };
    let case = |facts: Vec<(Timestamp, Fact)>| Case {
        facts,
        ..Case::untouched(level, at)
    };
    let both = |case: &Case| (simulate(old, case), simulate(new, case));
    let (was, is) = both(&case(Vec::new()));
    let mut changes = calls(&was, &is, at, "");
    changes.extend(ends(&was, &is, at));
    let (was, is) = both(&case(vec![(later(1), Fact::Acknowledged)]));
    let mut later_calls = calls(&was, &is, at, "that is acknowledged after 1m ");
    // What is true of an unanswered ticket anyway need not be said again.
    later_calls.retain(|change| {
        let plain = change.trim_start_matches("that is acknowledged after 1m ");
        !changes.iter().any(|known| known == plain)
    });
    changes.extend(later_calls);
    let facts = vec![(later(1), Fact::Acknowledged), (later(60), Fact::Resolved)];
    let (was, is) = both(&case(facts));
    changes.extend(notices(&was, &is));
    changes
}

/// Words with commas, and "or" before the last.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// How long after the creation, in a sentence.
fn when(at: Timestamp, time: Timestamp) -> String {
    if time == at {
        "at once".to_owned()
    } else {
        format!("after {}", offset(at, time))
    }
}

/// When each person is first called, and how often.
fn called(course: &Course) -> BTreeMap<&str, (Timestamp, usize)> {
    let mut called = BTreeMap::new();
    for entry in &course.entries {
        if let What::Told(told) = &entry.what
            && told.step.is_some()
        {
            called
                .entry(told.target.name())
                .or_insert((entry.time, 0))
                .1 += 1;
        }
    }
    called
}

fn calls(was: &Course, is: &Course, at: Timestamp, which: &str) -> Vec<String> {
    let (old, new) = (called(was), called(is));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut changes = Vec::new();
    for name in names {
        let change = match (old.get(name), new.get(name)) {
            (Some(_), None) => format!("no longer reaches {name}"),
            (None, Some((first, _))) => format!("now reaches {name}, {}", when(at, *first)),
            (Some((was, _)), Some((is, _))) if was != is => {
                format!(
                    "reaches {name} after {} instead of {}",
                    offset(at, *is),
                    offset(at, *was)
                )
            }
            (Some((_, was)), Some((_, is))) if was != is => {
                format!("calls {name} {is} times instead of {was}")
            }
            (Some(_), Some(_)) | (None, None) => continue,
        };
        changes.push(format!("{which}{change}"));
    }
    changes
}

fn ends(was: &Course, is: &Course, at: Timestamp) -> Option<String> {
    let end = |course: &Course| {
        course
            .entries
            .iter()
            .find(|entry| entry.is(EXHAUSTED))
            .map(|entry| entry.time)
    };
    match (end(was), end(is)) {
        (Some(was), Some(is)) if was != is => Some(format!(
            "that nobody answers is given up after {} instead of {}",
            offset(at, is),
            offset(at, was)
        )),
        (Some(_), None) => {
            Some("that nobody answers is no longer given up within a week".to_owned())
        }
        (None, Some(is)) => Some(format!(
            "that nobody answers is given up after {}",
            offset(at, is)
        )),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Who is told what besides the pages.
fn notices(was: &Course, is: &Course) -> Vec<String> {
    let told = |course: &Course| -> BTreeSet<(String, String)> {
        let notices = course.entries.iter().filter_map(|entry| match &entry.what {
            What::Told(told) if told.step.is_none() => {
                Some((told.target.name().to_owned(), told.kind.clone()))
            }
            What::Told(_) | What::Happened { .. } => None,
        });
        notices.collect()
    };
    let (old, new) = (told(was), told(is));
    let gone = old
        .difference(&new)
        .map(|(who, kind)| format!("no longer tells {who} of {kind}"));
    let come = new
        .difference(&old)
        .map(|(who, kind)| format!("now tells {who} of {kind}"));
    gone.chain(come).collect()
}

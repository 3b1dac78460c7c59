//! `policy simulate`: who would be told when, for a ticket that is created at a moment and that people acknowledge, hold
//! and resolve as supposed. Every line comes from the decisions that the operator makes.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde::Serialize;

use super::moments::{moment, offset, span, stretch, zone_of};
use super::render::{objects, of_kind, valid};
use super::{Failure, Files, Said, picture};
use crate::api::{EscalationPolicy, Severity, TargetClock, TargetState};
use crate::cli::oncall;
use crate::cli::words::{clean, columns};
use crate::domain::calendar::zone;
use crate::domain::policy::ValidPolicy;
use crate::domain::telling::delivery::Target;
use crate::simulation::{Case, Course, Entry, Fact, Told, What, run as simulate};

/// What Events tell of a page stands there as the page itself.
const PAGES: [&str; 2] = ["Escalated", "PagedAgain"];

/// How a simulation is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
    /// A picture.
    Svg,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// File with the policy, or `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the policy, where the file holds several.
    #[arg(long)]
    policy: Option<String>,
    /// Severity of the ticket.
    #[arg(long, ignore_case = true, value_parser = PossibleValuesParser::new(oncall::SEVERITIES))]
    severity: String,
    /// When the ticket is created: 2026-01-05T02:00 in --zone, or 2026-01-05T02:00:00Z.
    #[arg(long, value_name = "TIME")]
    at: String,
    /// IANA time zone of --at, --hold and of lines about nobody in particular; default: your own.
    #[arg(long)]
    zone: Option<String>,
    /// Service of the ticket.
    #[arg(long)]
    service: Option<String>,
    /// Somebody acknowledges so long after the creation; may be given again.
    #[arg(long, value_name = "DURATION", value_parser = span)]
    acknowledge_after: Vec<SignedDuration>,
    /// Somebody resolves so long after the creation.
    #[arg(long, value_name = "DURATION", value_parser = span)]
    resolve_after: Option<SignedDuration>,
    /// It is held from then to then, such as 30m..2h from the creation, or two times; may be given again.
    #[arg(long, value_name = "FROM..TO")]
    hold: Vec<String>,
    /// How long to look ahead.
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = span)]
    until: SignedDuration,
    /// text, json or svg.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Reads, simulates and prints.
pub fn run(args: &SimulateArgs) -> Result<Said, Failure> {
    let zone = zone_of(args.zone.as_ref())?;
    let at = moment("--at", &args.at, &zone)?;
    let (file, policy) = only(&args.file, args.policy.as_deref())?;
    let name = policy.name_any();
    let (valid, _) = valid(&file, &policy, Some(at))?;
    let case = case(args, at, &zone)?;
    let policy = Arc::new(valid);
    let course = simulate(&policy, &case);
    let story = Story {
        name,
        policy: &policy,
        case: &case,
        course: &course,
        zone,
    };
    Ok(Said::well(match args.output {
        Form::Text => story.text(),
        Form::Json => serde_json::to_string_pretty(&story.report()).unwrap_or_default() + "\n",
        Form::Svg => picture::draw(&story),
    }))
}

/// The policy of a file, or the one of a name.
fn only(file: &std::path::Path, name: Option<&str>) -> Result<(String, EscalationPolicy), Failure> {
    let files = Files {
        files: vec![file.to_owned()],
    };
    let mut policies: Vec<(String, EscalationPolicy)> =
        of_kind(&objects(&files)?, "EscalationPolicy")?;
    policies.retain(|(_, policy)| name.is_none_or(|name| policy.name_any() == name));
    let (shown, wanted) = (
        file.display(),
        name.map(|name| format!(" \"{name}\"")).unwrap_or_default(),
    );
    let last = policies.pop();
    match last.filter(|_| policies.is_empty()) {
        Some(policy) => Ok(policy),
        None if policies.is_empty() => Err(Failure::Unfit(format!(
            "{shown} holds no EscalationPolicy{wanted}"
        ))),
        None => Err(Failure::Unfit(format!(
            "{shown} holds several policies; say which with --policy"
        ))),
    }
}

fn case(args: &SimulateArgs, at: Timestamp, zone: &TimeZone) -> Result<Case, Failure> {
    let later = |span: SignedDuration| at.saturating_add(span).unwrap_or(Timestamp::MAX);
    let mut facts: Vec<(Timestamp, Fact)> = Vec::new();
    facts.extend(
        args.acknowledge_after
            .iter()
            .map(|after| (later(*after), Fact::Acknowledged)),
    );
    facts.extend(
        args.resolve_after
            .iter()
            .map(|after| (later(*after), Fact::Resolved)),
    );
    for text in &args.hold {
        let (from, until) = stretch(text, at, zone)?;
        facts.push((from, Fact::Held { until }));
    }
    Ok(Case {
        service: args.service.clone(),
        facts,
        until: later(args.until),
        ..Case::untouched(
            oncall::severity(&args.severity).unwrap_or(Severity::High),
            at,
        )
    })
}

/// A simulation and how to tell of it.
pub struct Story<'a> {
    /// What the policy is called.
    pub name: String,
    /// The policy.
    pub policy: &'a ValidPolicy,
    /// What was supposed.
    pub case: &'a Case,
    /// What came of it.
    pub course: &'a Course,
    /// The reader's zone.
    pub zone: TimeZone,
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    severity: Severity,
    at: Timestamp,
    targets: Targets,
    entries: Vec<Line>,
    /// There would be more entries than are shown.
    cut: bool,
}

#[derive(Debug, Serialize)]
struct Targets {
    response: Option<TargetClock>,
    resolution: Option<TargetClock>,
}

/// An entry as it is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When.
    pub time: Timestamp,
    /// How long after the creation.
    pub after: String,
    /// Local time of whoever is told.
    pub local: String,
    /// Their zone.
    pub zone: String,
    /// `Page`, the kind of a notice, or the reason of an event.
    pub what: String,
    /// The step of a page, with repeat and round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Number of the repeat: 0 is the step itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<i64>,
    /// Round of the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<i64>,
    /// Who is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// By which connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What happened, in words.
    pub text: String,
}

impl Story<'_> {
    /// All entries that people care for.
    pub fn lines(&self) -> Vec<Line> {
        self.course
            .entries
            .iter()
            .filter_map(|entry| self.line(entry))
            .collect()
    }

    fn line(&self, entry: &Entry) -> Option<Line> {
        let (zone, name) = self.zone_of(entry);
        let local = entry
            .time
            .to_zoned(zone)
            .strftime("%a %Y-%m-%d %H:%M:%S")
            .to_string();
        let line = Line {
            time: entry.time,
            after: offset(self.case.at, entry.time),
            local,
            zone: name,
            what: String::new(),
            step: None,
            repeat: None,
            round: None,
            to: None,
            via: None,
            text: String::new(),
        };
        match &entry.what {
            What::Told(told) => Some(Line {
                what: told.kind.clone(),
                step: told.step.clone(),
                repeat: told.step.as_ref().map(|_| told.repeat),
                round: told.step.as_ref().map(|_| told.round),
                to: Some(told.target.name().to_owned()),
                via: Some(told.via.clone()),
                text: told.why.clone(),
                ..line
            }),
            What::Happened { reason, .. } if PAGES.contains(reason) => None,
            What::Happened { reason, note, .. } => Some(Line {
                what: (*reason).to_owned(),
                text: note.clone(),
                ..line
            }),
        }
    }

    /// The zone in which an entry is shown: that of the person who is told.
    fn zone_of(&self, entry: &Entry) -> (TimeZone, String) {
        let contact = match &entry.what {
            What::Told(Told {
                target: Target::Contact(name),
                ..
            }) => self.policy.contact(name),
            What::Told(Told {
                target: Target::Connector(_) | Target::Reporter,
                ..
            })
            | What::Happened { .. } => None,
        };
        let Some(contact) = contact else {
            let name = self.zone.iana_name().unwrap_or("local").to_owned();
            return (self.zone.clone(), name);
        };
        let name = contact.time_zone.as_deref().unwrap_or("UTC");
        (zone(name).unwrap_or(TimeZone::UTC), name.to_owned())
    }

    fn clocks(&self) -> Targets {
        let targets = self.course.status.targets.clone();
        Targets {
            response: targets.as_ref().map(|targets| targets.response.clone()),
            resolution: targets.map(|targets| targets.resolution),
        }
    }

    fn report(&self) -> Report {
        Report {
            severity: self.case.severity,
            at: self.case.at,
            targets: self.clocks(),
            entries: self.lines(),
            cut: self.course.cut,
        }
    }

    /// What the simulation is of, in a line.
    pub fn title(&self) -> String {
        let at = self.case.at.to_zoned(self.zone.clone());
        format!(
            "{}: a {:?} ticket created {}",
            self.name,
            self.case.severity,
            at.strftime("%a %Y-%m-%d %H:%M:%S %Q")
        )
    }

    fn target(&self, name: &str, clock: Option<&TargetClock>) -> String {
        let Some((target, due)) =
            clock.and_then(|clock| Some((clock.target.as_ref()?, clock.due_time?)))
        else {
            return format!("{name}: no target defined\n");
        };
        let local = due.0.to_zoned(self.zone.clone());
        let state = match clock.map(|clock| clock.state).unwrap_or_default() {
            TargetState::Undefined => "not defined",
            TargetState::Running => "still running at the end",
            TargetState::Paused => "paused at the end",
            TargetState::Met => "met",
            TargetState::Breached => "missed",
        };
        format!(
            "{name}: target {target}, due {}: {state}\n",
            local.strftime("%a %Y-%m-%d %H:%M:%S %Q")
        )
    }

    fn text(&self) -> String {
        let clocks = self.clocks();
        let mut text = clean(&self.title()) + "\n";
        text += &self.target("First response", clocks.response.as_ref());
        text += &self.target("Resolution", clocks.resolution.as_ref());
        text.push('\n');
        let rows: Vec<[String; 7]> = self
            .lines()
            .into_iter()
            .map(|line| {
                let step = line
                    .step
                    .clone()
                    .map(|step| match (line.repeat, line.round) {
                        (Some(repeat), Some(round)) if repeat > 0 => {
                            format!("{step} #{repeat}, round {round}")
                        }
                        (_, Some(round)) => format!("{step}, round {round}"),
                        (_, None) => step,
                    });
                // Of a page its step says why; of all else the words do.
                let said = if step.is_some() {
                    String::new()
                } else {
                    line.text
                };
                [
                    format!("+{}", line.after),
                    format!("{} {}", line.local, line.zone),
                    line.what,
                    step.unwrap_or_default(),
                    line.to.unwrap_or_default(),
                    line.via.unwrap_or_default(),
                    said,
                ]
            })
            .collect();
        text += &columns(
            "",
            ["AFTER", "LOCAL TIME", "WHAT", "STEP", "WHO", "VIA", "WORDS"],
            &rows,
        );
        if self.course.cut {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "\nThere would be more: only the first {} entries are shown.",
                self.case.most
            );
        }
        text
    }
}

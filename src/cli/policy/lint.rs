//! `policy lint`: what the API server would refuse, what makes a revision unusable, and what people still have to settle,
//! each with file, line, field and what to do.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::remains;
use super::schema::Schema;
use super::source::{Node, Place, Source, is_ours, read};
use super::{Failure, Files, Output, Said};
use crate::api::EscalationPolicySpec;
use crate::cli::words::clean;
use crate::connectors::template;
use crate::domain::policy::{FindingCode, ItemCode, Surroundings, ValidPolicy};

/// Most characters of a Kubernetes name that the CRD allows.
const NAME_MOST: usize = 200;

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    #[command(flatten)]
    files: Files,
    /// text or json.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// The moment to check at, for what grows old (reviews, gaps of rotas); default: now.
    #[arg(long, value_name = "TIME", value_parser = super::own_moment)]
    at: Option<Timestamp>,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The policy cannot be used as it stands.
    Error,
    /// Tickets run; somebody still has to settle it.
    Warning,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// In which file.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// error or warning.
    pub level: Weight,
    /// One CamelCase word.
    pub code: String,
    /// Name of the policy, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Which field; absent for broken YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wrong, why, and what to do.
    pub message: String,
}

/// All that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Files that were read.
    pub files: usize,
    /// Policies in them.
    pub policies: usize,
    /// How many errors.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// What, in the order of the files.
    pub findings: Vec<Found>,
}

/// Reads, checks and prints.
pub fn run(args: &LintArgs, now: Timestamp) -> Result<Said, Failure> {
    let sources = read(&args.files.files)?;
    let report = check(&sources, args.at.unwrap_or(now), args.strict);
    let text = match args.output {
        Output::Text => lines(&report),
        Output::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
    };
    Ok(Said {
        text,
        code: u8::from(report.errors > 0),
    })
}

/// Checks every policy in some texts.
pub fn check(sources: &[Source], now: Timestamp, strict: bool) -> Report {
    let schema = Schema::of_policies();
    let mut report = Report {
        files: sources.len(),
        ..Report::default()
    };
    let mut defaults: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for source in sources {
        let objects = match source.objects() {
            Ok(objects) => objects,
            Err(broken) => {
                report.findings.push(Found {
                    file: source.file.clone(),
                    line: broken.place.line,
                    column: broken.place.column,
                    level: Weight::Error,
                    code: "BrokenYaml".to_owned(),
                    policy: None,
                    path: None,
                    message: broken.message,
                });
                continue;
            }
        };
        for object in objects {
            let Some(version) = is_ours(&object, "EscalationPolicy") else {
                continue;
            };
            report.policies += 1;
            let name = object
                .get("metadata")
                .and_then(|metadata| metadata.text("name"));
            let mut desk = Desk {
                file: &source.file,
                policy: name.map(str::to_owned),
                object: &object,
                found: Vec::new(),
            };
            if let Err(message) = version {
                desk.add(Weight::Error, "UnknownVersion", "apiVersion", message);
            }
            desk.check_name();
            desk.check_spec(&schema, now);
            let namespace = object
                .get("metadata")
                .and_then(|metadata| metadata.text("namespace"));
            if let Some(found) = desk.default_here() {
                defaults
                    .entry(namespace.unwrap_or_default().to_owned())
                    .or_default()
                    .push(found);
            }
            report.findings.append(&mut desk.found);
        }
    }
    report
        .findings
        .extend(defaults.into_values().flat_map(several_defaults));
    finish(&mut report, sources, strict);
    report
}

/// A policy under the eyes of the checks.
struct Desk<'a> {
    file: &'a str,
    policy: Option<String>,
    object: &'a Node,
    found: Vec<Found>,
}

impl Desk<'_> {
    fn found(&self, level: Weight, code: &str, path: &str, message: String) -> Found {
        self.found_at(self.object.place_of(path), level, code, path, message)
    }

    fn found_at(
        &self,
        place: Place,
        level: Weight,
        code: &str,
        path: &str,
        message: String,
    ) -> Found {
        Found {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            level,
            code: code.to_owned(),
            policy: self.policy.clone(),
            path: Some(path.to_owned()),
            message,
        }
    }

    fn add(&mut self, level: Weight, code: &str, path: &str, message: String) {
        let found = self.found(level, code, path, message);
        self.found.push(found);
    }

    fn check_name(&mut self) {
        let generated = self
            .object
            .get("metadata")
            .is_some_and(|metadata| metadata.text("generateName").is_some());
        match self.policy.clone() {
            None if !generated => self.add(
                Weight::Error,
                "MissingField",
                "metadata.name",
                "must be given".to_owned(),
            ),
            Some(name) if name.len() > NAME_MOST => self.add(
                Weight::Error,
                "TooLong",
                "metadata.name",
                format!(
                    "has {} characters and must be at most {NAME_MOST} long",
                    name.len()
                ),
            ),
            Some(_) | None => {}
        }
    }

    fn check_spec(&mut self, schema: &Schema, now: Timestamp) {
        let Some(spec) = self.object.get("spec") else {
            self.add(
                Weight::Error,
                "MissingField",
                "spec",
                "must be given".to_owned(),
            );
            return;
        };
        let refusals = schema.check(spec);
        match serde_json::from_value::<EscalationPolicySpec>(spec.value()) {
            Ok(spec) => self.check_policy(spec, now),
            Err(error) if refusals.is_empty() => {
                self.add(Weight::Error, "Malformed", "spec", error.to_string());
            }
            // The refusals say it with its place.
            Err(_) => {
                for finding in remains::unknown_names(spec, &refusals) {
                    let code = finding.code.as_str();
                    self.add(Weight::Error, code, &finding.path, finding.message);
                }
            }
        }
        // What a check of ours refuses of a field it says better.
        let said: Vec<String> = self
            .found
            .iter()
            .filter(|found| found.level == Weight::Error)
            .filter_map(|found| found.path.clone())
            .collect();
        for refusal in refusals {
            let (code, path) = (refusal.code, &refusal.path);
            let below = format!("{path}.");
            if !said
                .iter()
                .any(|known| known == path || known.starts_with(&below))
            {
                let found =
                    self.found_at(refusal.place, Weight::Error, code, path, refusal.message);
                self.found.push(found);
            }
        }
    }

    fn check_policy(&mut self, spec: EscalationPolicySpec, now: Timestamp) {
        let around = Surroundings {
            now: Some(now),
            ..Surroundings::default()
        };
        let templates = template::open_items(&spec);
        let checked = ValidPolicy::check_in(spec, &around);
        for finding in checked.policy.err().into_iter().flatten() {
            let code: FindingCode = finding.code;
            self.add(Weight::Error, code.as_str(), &finding.path, finding.message);
        }
        for item in templates.into_iter().chain(checked.open_items) {
            let weight = if item.code.is_error_in_lint() {
                Weight::Error
            } else {
                Weight::Warning
            };
            self.add(weight, item.code.as_str(), &item.path, item.message);
        }
    }

    /// What to say here if another policy of the namespace is the default too.
    fn default_here(&self) -> Option<Found> {
        let flag = self.object.get("spec")?.get("default")?.value();
        let code = ItemCode::DefaultConflict.as_str();
        (flag == serde_json::Value::Bool(true))
            .then(|| self.found(Weight::Warning, code, "spec.default", String::new()))
    }
}

/// Says at each default of a namespace that it is not the only one; which one counts, only the cluster knows.
fn several_defaults(defaults: Vec<Found>) -> Vec<Found> {
    let names: HashSet<&Option<String>> = defaults.iter().map(|found| &found.policy).collect();
    if names.len() < 2 {
        return Vec::new();
    }
    let mut names: Vec<String> = names
        .into_iter()
        .flatten()
        .map(|name| format!("\"{name}\""))
        .collect();
    names.sort();
    let message = format!(
        "{} are each the default of one namespace; the oldest in the cluster counts; `default` must be true on one only",
        names.join(", "),
    );
    let with_message = |found| Found {
        message: message.clone(),
        ..found
    };
    defaults.into_iter().map(with_message).collect()
}

fn finish(report: &mut Report, sources: &[Source], strict: bool) {
    let order: BTreeMap<&str, usize> = sources
        .iter()
        .enumerate()
        .map(|(place, source)| (source.file.as_str(), place))
        .collect();
    if strict {
        for found in &mut report.findings {
            found.level = Weight::Error;
        }
    }
    report.findings.sort_by(|one, other| {
        let key = |found: &Found| {
            (
                order.get(found.file.as_str()).copied(),
                found.line,
                found.column,
                found.level,
            )
        };
        key(one)
            .cmp(&key(other))
            .then_with(|| one.path.cmp(&other.path))
    });
    report.errors = report
        .findings
        .iter()
        .filter(|found| found.level == Weight::Error)
        .count();
    report.warnings = report.findings.len() - report.errors;
}

fn lines(report: &Report) -> String {
    let mut text = String::new();
    for found in &report.findings {
        let level = match found.level {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        let path = found
            .path
            .as_ref()
            .map(|path| format!("{path}: "))
            .unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}:{}:{}: {level}: {} ({})",
            clean(&found.file),
            found.line,
            found.column,
            clean(&format!("{path}{}", found.message)),
            found.code,
        );
    }
    let count = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    let _ = writeln!(
        text,
        "{} in {}: {}, {}.",
        count(report.policies, "policy", "policies"),
        count(report.files, "file", "files"),
        count(report.errors, "error", "errors"),
        count(report.warnings, "warning", "warnings"),
    );
    text
}

//! Who is on call, per policy, severity and step, as a table in the reader's own time zone.
//!
//! What it shows is computed by `domain::people::oncall` from the policy as it stands in the cluster.

use std::fmt::Write;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use kube::ResourceExt;

use super::error::CliError;
use super::reach::Policies;
use super::words::{clean, columns, unreadable};
use crate::api::{EscalationPolicy, Paging, Severity};
use crate::domain::calendar::instant_of;
use crate::domain::people::oncall::{Duty, StepDuty, Through, steps};
use crate::domain::policy::{LEVELS, ValidPolicy};
use crate::domain::telling::delivery::Target;

/// The severities as a person types them.
pub const SEVERITIES: [&str; 4] = ["Critical", "High", "Medium", "Low"];
const HEADING: [&str; 7] = ["POLICY", "SEVERITY", "STEP", "WHO", "VIA", "UNTIL", "THEN"];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// One severity only.
    pub severity: Option<Severity>,
    /// The moment.
    pub at: Timestamp,
    /// The reader's zone.
    pub zone: TimeZone,
}

/// The severity of that word.
pub fn severity(word: &str) -> Option<Severity> {
    let known = SEVERITIES.iter().zip(LEVELS);
    known
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, level)| level)
}

/// Reads the moment that whoever runs this means.
pub fn own_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, &TimeZone::system())
}

/// Reads the moment that a person means: with an offset, or as the clock of `zone` shows it.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let local = || text.parse::<DateTime>().ok().filter(|_| text.len() >= 16);
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp()))
        .or_else(|| instant_of(zone, local()?))
        .ok_or_else(|| {
            "must be a time such as 2026-01-05T09:00 (your own time zone) or 2026-01-05T09:00:00Z"
                .to_owned()
        })
}

/// One policy, which must be valid.
pub fn one(policy: &EscalationPolicy, question: &Question) -> Result<String, CliError> {
    let valid = check(policy).map_err(|findings| CliError::InvalidPolicy {
        name: policy.name_any(),
        namespace: policy.namespace().unwrap_or_default(),
        findings: indented(&findings),
        running: running(policy),
    })?;
    Ok(table(&rows(&policy.name_any(), &valid, question), question))
}

/// All policies of a namespace; those that are not valid are told below the table.
pub fn all(found: &Policies, question: &Question) -> String {
    let mut policies: Vec<&EscalationPolicy> = found.policies.iter().collect();
    policies.sort_by_key(|policy| policy.name_any());
    let (mut lines, mut unusable) = (Vec::new(), String::new());
    for policy in policies {
        match check(policy) {
            Ok(valid) => lines.extend(rows(&policy.name_any(), &valid, question)),
            Err(findings) => {
                // Writing to a String cannot fail.
                let _ = write!(
                    unusable,
                    "Policy {} is not valid:\n{}{}",
                    policy.name_any(),
                    indented(&findings),
                    running(policy),
                );
            }
        }
    }
    unusable.push_str(&unreadable("Policy", &found.unreadable));
    if lines.is_empty() && unusable.is_empty() {
        return "No policies.\n".to_owned();
    }
    let shown = if lines.is_empty() {
        String::new()
    } else {
        table(&lines, question)
    };
    shown + &unusable
}

fn check(policy: &EscalationPolicy) -> Result<ValidPolicy, Vec<String>> {
    let checked = ValidPolicy::check(policy.spec.clone()).policy;
    checked.map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

fn indented(findings: &[String]) -> String {
    findings.iter().fold(String::new(), |text, finding| {
        text + "  " + &clean(finding) + "\n"
    })
}

/// What tickets run on while a spec is not valid.
fn running(policy: &EscalationPolicy) -> String {
    let revision = policy
        .status
        .as_ref()
        .and_then(|status| status.revision.as_ref());
    match revision {
        Some(revision) => {
            format!("Until it is mended, tickets run on its last valid revision \"{revision}\".\n")
        }
        None => "Until it is mended, no ticket runs on it: it was never valid.\n".to_owned(),
    }
}

fn table(rows: &[[String; 7]], question: &Question) -> String {
    let zone = question.zone.iana_name().unwrap_or("local time");
    let heading = format!("At {} ({zone}):\n", local(question.at, question));
    heading + &columns("", HEADING, rows)
}

fn local(at: Timestamp, question: &Question) -> String {
    let zoned = at.to_zoned(question.zone.clone());
    zoned.strftime("%Y-%m-%d %H:%M %Z").to_string()
}

fn rows(name: &str, policy: &ValidPolicy, question: &Question) -> Vec<[String; 7]> {
    let wanted = LEVELS
        .into_iter()
        .filter(|level| question.severity.is_none_or(|only| only == *level));
    wanted
        .flat_map(|level| {
            let start = [name.to_owned(), format!("{level:?}")];
            of_level(policy, level, question).into_iter().map(
                move |[step, who, via, until, then]| {
                    let [name, level] = start.clone();
                    [name, level, step, who, via, until, then]
                },
            )
        })
        .collect()
}

fn of_level(policy: &ValidPolicy, level: Severity, question: &Question) -> Vec<[String; 5]> {
    let nobody = |why: &str| {
        let empty = String::new;
        vec![[empty(), format!("nobody: {why}"), empty(), empty(), empty()]]
    };
    match policy.row(level).paging {
        Paging::RecordOnly => return nobody("recorded, not paged"),
        Paging::Page => {}
    }
    let steps = steps(policy, level, question.at);
    if steps.is_empty() {
        return nobody("no step for this severity");
    }
    steps
        .iter()
        .flat_map(|step| of_step(step, question))
        .collect()
}

fn of_step(found: &StepDuty<'_>, question: &Question) -> Vec<[String; 5]> {
    let step = match found.fires {
        Some(fires) if fires > question.at => {
            format!(
                "{} (waits until {})",
                found.step.name,
                local(fires, question)
            )
        }
        Some(_) => found.step.name.clone(),
        None => format!("{} (never opens)", found.step.name),
    };
    if found.people.is_empty() {
        let empty = String::new;
        return vec![[step, "nobody".to_owned(), empty(), empty(), empty()]];
    }
    let row = |duty: &Duty<'_>| {
        let change = duty.change.as_ref();
        let then = change.map(|change| change.to.clone().unwrap_or_else(|| "nobody".to_owned()));
        [
            step.clone(),
            who(duty),
            via(&duty.through, question),
            change
                .map(|change| local(change.at, question))
                .unwrap_or_default(),
            then.unwrap_or_default(),
        ]
    };
    found.people.iter().map(row).collect()
}

fn who(duty: &Duty<'_>) -> String {
    let name = match &duty.who {
        None => return "nobody (gap)".to_owned(),
        Some(Target::Contact(name)) => name.clone(),
        Some(Target::Connector(name)) => format!("connector {name}"),
        Some(Target::Reporter) => "the reporter".to_owned(),
    };
    if duty.reachable {
        name
    } else {
        format!("{name} (no way to reach)")
    }
}

fn via(through: &Through<'_>, question: &Question) -> String {
    match through {
        Through::Directly => String::new(),
        Through::Group(name) => format!("group {name}"),
        Through::Rota {
            name,
            instead: None,
        } => format!("rota {name}"),
        Through::Rota {
            name,
            instead: Some(instead),
        } => format!(
            "rota {name}, override by {} until {}",
            instead.by,
            local(instead.until, question)
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::calendar::zone;

    fn question(at: &str, severity: Option<Severity>) -> Question {
        let zone = zone("Europe/Berlin").unwrap();
        let at = moment(at, &zone).unwrap();
        Question { severity, at, zone }
    }

    fn policy(name: &str, spec: &serde_json::Value) -> EscalationPolicy {
        let object = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec,
            "status": {"revision": "gold-1"}});
        serde_json::from_value(object).unwrap()
    }

    fn gold() -> EscalationPolicy {
        policy(
            "gold",
            &json!({
                "severities": [{"level": "Low", "paging": "RecordOnly"}],
                "connectors": [{"name": "hook", "type": "Webhook", "address": "https://pager.example.com/"}],
                "contacts": [{"name": "alice", "reach": [{"connector": "hook"}]}, {"name": "bob"}],
                "calendars": [{"name": "office", "timeZone": "Europe/Berlin",
                    "windows": [{"days": ["Mon", "Tue", "Wed", "Thu", "Fri"], "from": "09:00", "to": "17:00"}]}],
                "rotas": [{"name": "first", "timeZone": "Europe/Berlin", "start": "2026-01-05T09:00", "shift": {"days": 7},
                    "calendar": "office", "members": ["alice", "bob"]}],
                "overrides": [{"name": "swap", "rota": "first", "member": "bob", "fromTime": "2026-01-06T12:00:00Z",
                    "untilTime": "2026-01-06T15:00:00Z", "by": "alice"}],
                "steps": [
                    {"name": "on-call", "notify": [{"rota": "first"}]},
                    {"name": "desk", "calendar": "office", "severities": ["High"], "notify": [{"connector": "hook"}, {"reporter": true}]},
                ],
            }),
        )
    }

    #[test]
    fn the_table_names_people_rotas_overrides_and_changes_in_the_readers_zone() {
        let expected = "\
At 2026-01-06 13:30 CET (Europe/Berlin):
POLICY   SEVERITY   STEP      WHO                     VIA                                                  UNTIL                  THEN
gold     High       on-call   bob (no way to reach)   rota first, override by alice until 2026-01-06 16:00 CET   2026-01-06 16:00 CET   alice
gold     High       desk      connector hook          -                                                    -                      -
gold     High       desk      the reporter            -                                                    -                      -
";
        let shown = one(&gold(), &question("2026-01-06T13:30", Some(Severity::High))).unwrap();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&shown), squeezed(expected), "{shown}");
    }

    #[test]
    fn gaps_closed_hours_and_levels_that_page_nobody_are_said() {
        let shown = one(&gold(), &question("2026-07-11T12:00:00Z", None)).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "At 2026-07-11 14:00 CEST (Europe/Berlin):");
        let line = |start: &str| {
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            lines
                .iter()
                .map(|line| words(line))
                .find(|line| line.starts_with(start))
                .unwrap()
        };
        assert_eq!(
            line("gold Critical on-call"),
            "gold Critical on-call nobody (gap) rota first 2026-07-13 09:00 CEST bob"
        );
        assert!(line("gold High desk").contains("desk (waits until 2026-07-13 09:00 CEST)"));
        assert_eq!(
            line("gold Low"),
            "gold Low - nobody: recorded, not paged - - -"
        );
    }

    #[test]
    fn a_policy_that_is_not_valid_is_told_with_its_findings_and_what_runs_instead() {
        let broken = policy(
            "odd",
            &json!({"steps": [{"name": "a", "notify": [{"contact": "nobody"}]}]}),
        );
        let error = one(&broken, &question("2026-01-06T13:30", None))
            .unwrap_err()
            .to_string();
        for word in [
            "\"odd\"",
            "\"shop\"",
            "spec.steps[0].notify[0]",
            "UnknownContact",
            "\"gold-1\"",
        ] {
            assert!(error.contains(word), "{word}: {error}");
        }
        let found = Policies {
            policies: vec![broken, gold()],
            unreadable: vec![("worse".to_owned(), "no\nspec".to_owned())],
        };
        let shown = all(&found, &question("2026-01-06T13:30", None));
        assert!(shown.contains("gold     High"), "{shown}");
        assert!(
            shown.contains("Policy odd is not valid:\n  spec.steps[0].notify[0]"),
            "{shown}"
        );
        assert!(
            shown.contains("Policy worse cannot be read: no spec"),
            "{shown}"
        );
        assert_eq!(
            all(&Policies::default(), &question("2026-01-06T13:30", None)),
            "No policies.\n"
        );
    }

    #[test]
    fn a_moment_is_read_with_an_offset_or_by_the_readers_clock_and_nothing_else() {
        let berlin = zone("Europe/Berlin").unwrap();
        let noon: Timestamp = "2026-07-01T10:00:00Z".parse().unwrap();
        for text in [
            "2026-07-01T12:00",
            "2026-07-01 12:00:00",
            "2026-07-01T10:00:00Z",
            "2026-07-01T06:00-04:00",
            "2026-07-01T12:00[Europe/Berlin]",
        ] {
            assert_eq!(moment(text, &berlin), Ok(noon), "{text}");
        }
        // The hour that does not exist, and the first of the one that comes twice: as the rotas read them.
        assert_eq!(
            moment("2026-03-29T02:30", &berlin),
            Ok("2026-03-29T01:00:00Z".parse().unwrap())
        );
        assert_eq!(
            moment("2026-10-25T02:30", &berlin),
            Ok("2026-10-25T00:30:00Z".parse().unwrap())
        );
        for text in [
            "",
            "tomorrow",
            "09:00",
            "2026-07-01",
            "1767600000",
            "2026-13-01T00:00",
        ] {
            assert!(
                moment(text, &berlin)
                    .unwrap_err()
                    .contains("must be a time such as"),
                "{text}"
            );
        }
    }

    #[test]
    fn severities_are_known_in_any_case() {
        assert_eq!(severity("critical"), Some(Severity::Critical));
        for (word, level) in SEVERITIES.iter().zip(LEVELS) {
            assert_eq!(severity(word), Some(level));
            assert_eq!(format!("{level:?}"), *word);
        }
        assert_eq!(severity("urgent"), None);
    }
}

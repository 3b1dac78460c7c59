//! What is covered, how it is reported, how it goes on, and what each severity means: head and parts 1 to 5.

use super::Paper;
use super::markdown::{Markdown, escape, maybe};
use crate::api::{Audience, ChannelType, Paging, ScopeItem, Severity};
use crate::domain::policy::{LEVELS, Row};

/// What stands where a severity has no response target.
pub(super) const NO_RESPONSE_TARGET: &str = "Support response targets not formally defined";
const NOT_STATED: &str = "not stated";

fn stated(text: Option<&String>) -> String {
    text.map_or_else(|| NOT_STATED.to_owned(), |text| escape(text))
}

/// Title and what identifies the document.
pub(super) fn head(paper: &Paper<'_>, page: &mut Markdown) {
    let document = paper.spec().document.clone().unwrap_or_default();
    let title = document.title.as_ref().map(|title| escape(title));
    let title = title.unwrap_or_else(|| format!("Support and escalation: {}", escape(paper.name)));
    page.heading(1, &title);
    let last = document.last_review_time;
    let due = last.and_then(|last| last.0.checked_add(document.review_every.to_signed()).ok());
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
    let place = match paper.namespace {
        Some(namespace) => format!("{} in namespace {}", escape(paper.name), escape(namespace)),
        None => escape(paper.name),
    };
    let row = |name: &str, value: String| [name.to_owned(), value];
    page.table(
        ["Document", ""],
        [
            row("Id", stated(document.id.as_ref())),
            row("Purpose", stated(document.purpose.as_ref())),
            row("Audience", stated(document.audience.as_ref())),
            row("Owner", stated(document.owner.as_ref())),
            row(
                "Last review",
                last.map_or_else(|| "none recorded".to_owned(), |last| day(last.0)),
            ),
            row(
                "Next review due",
                due.map_or_else(|| "not known, since no review is recorded".to_owned(), day),
            ),
            row("Policy", place),
            row("Revision", escape(paper.revision)),
        ],
    );
}

/// Part 1.
pub(super) fn overview(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    if let Some(purpose) = spec
        .document
        .as_ref()
        .and_then(|document| document.purpose.as_ref())
    {
        page.quote(purpose);
    }
    page.say(
        "This document is written from the policy that runs the tickets: the times below are those at which people are \
         told.",
    );
    let mut applies = Vec::new();
    if let Some(selector) = &spec.selector {
        let list = |words: &[String]| {
            words
                .iter()
                .map(|word| escape(word))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut parts = Vec::new();
        if !selector.services.is_empty() {
            parts.push(format!("service {}", list(&selector.services)));
        }
        if !selector.categories.is_empty() {
            parts.push(format!("category {}", list(&selector.categories)));
        }
        if !selector.severities.is_empty() {
            parts.push(format!("severity {}", levels(&selector.severities)));
        }
        if !selector.match_labels.is_empty() {
            let labels = selector.match_labels.iter();
            let labels: Vec<String> = labels
                .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
                .collect();
            parts.push(format!("labels {}", labels.join(", ")));
        }
        if !parts.is_empty() {
            applies.push(format!(
                "tickets with {} (priority {})",
                parts.join("; "),
                spec.priority
            ));
        }
    }
    if spec.default {
        applies.push("every ticket of its namespace that no other policy selects".to_owned());
    }
    applies.push("tickets that name it in `policyRef`".to_owned());
    page.say("It applies to:");
    page.list(applies);
    page.say(&format!(
        "A ticket that nobody has judged counts as {:?}.",
        spec.default_severity
    ));
}

/// Part 2.
pub(super) fn scope(paper: &Paper<'_>, page: &mut Markdown) {
    let scope = paper.spec().scope.clone().unwrap_or_default();
    let rows = |items: &[ScopeItem], word: &str| -> Vec<[String; 3]> {
        let row = |item: &ScopeItem| {
            [
                word.to_owned(),
                escape(&item.category),
                maybe(item.description.as_ref()),
            ]
        };
        items.iter().map(row).collect()
    };
    let mut all = rows(&scope.in_scope, "in scope");
    all.extend(rows(&scope.out_of_scope, "out of scope"));
    if all.is_empty() {
        page.say("Scope not formally defined: tickets of every category are taken.");
        return;
    }
    page.table(["Scope", "Category", "What it means"], all);
    if scope.in_scope.is_empty() {
        page.say("What is in scope is not formally defined.");
    }
    if scope.out_of_scope.is_empty() {
        page.say("What is out of scope is not formally defined.");
    }
    page.say("A ticket outside the scope is flagged and can be closed as out of scope.");
}

/// Part 3.
pub(super) fn channels(paper: &Paper<'_>, page: &mut Markdown) {
    let channels = &paper.spec().channels;
    if channels.is_empty() {
        page.say("Support channels not formally defined: nobody is told how to reach support.");
        return;
    }
    let rows = channels.iter().map(|channel| {
        [
            escape(&channel.name),
            kind(channel.type_).to_owned(),
            maybe(channel.address.as_ref()),
            audience(channel.audience).to_owned(),
            hours(channel.calendar.as_ref()),
            maybe(channel.description.as_ref()),
            maybe(channel.notes.as_ref()),
        ]
    });
    page.table(
        [
            "Channel",
            "Type",
            "Address",
            "For",
            "Hours",
            "What it is for",
            "Notes",
        ],
        rows,
    );
    calendars(paper, page);
}

fn kind(kind: ChannelType) -> &'static str {
    match kind {
        ChannelType::Email => "e-mail",
        ChannelType::TicketingSystem => "ticketing system",
        ChannelType::Phone => "phone",
        ChannelType::Chat => "chat",
        ChannelType::Alerting => "alerting",
        ChannelType::Other => "other",
    }
}

/// Who may read it.
pub(super) fn audience(audience: Audience) -> &'static str {
    match audience {
        Audience::Internal => "internal",
        Audience::Customers => "customers",
    }
}

/// The hours of something, by the name of its calendar.
pub(super) fn hours(calendar: Option<&String>) -> String {
    calendar.map_or_else(|| "always".to_owned(), |name| escape(name))
}

fn calendars(paper: &Paper<'_>, page: &mut Markdown) {
    let calendars = &paper.spec().calendars;
    if calendars.is_empty() {
        return;
    }
    page.say("Hours:");
    let rows = calendars.iter().map(|calendar| {
        let windows: Vec<String> = calendar
            .windows
            .iter()
            .map(|window| {
                let days: Vec<String> = window.days.iter().map(|day| format!("{day:?}")).collect();
                format!(
                    "{} {} to {}",
                    days.join(", "),
                    escape(&window.from),
                    escape(&window.to)
                )
            })
            .collect();
        let holidays: Vec<String> = calendar.holidays.iter().map(|day| escape(day)).collect();
        [
            escape(&calendar.name),
            windows.join("; "),
            escape(&calendar.time_zone),
            holidays.join(", "),
        ]
    });
    page.table(["Calendar", "Open", "Time zone", "Closed on"], rows);
}

/// Part 4.
pub(super) fn workflow(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    let channels: Vec<String> = spec
        .channels
        .iter()
        .map(|channel| escape(&channel.name))
        .collect();
    let steps: Vec<String> = spec.steps.iter().map(|step| escape(&step.name)).collect();
    let nobody = |names: Vec<String>, what: &str| {
        if names.is_empty() {
            format!("not defined: {what}")
        } else {
            names.join(", ")
        }
    };
    let validated = LEVELS
        .into_iter()
        .filter(|level| paper.policy.row(*level).validation_required);
    let validated: Vec<Severity> = validated.collect();
    let asked = if validated.is_empty() {
        "not asked for".to_owned()
    } else {
        format!("the reporter, for {}", levels(&validated))
    };
    let stage = |name: &str, who: String, what: &str| [name.to_owned(), who, what.to_owned()];
    let gates = gates(paper);
    page.table(
        ["Stage", "Who", "What happens"],
        [
            stage(
                "Submitted",
                nobody(channels, "no channel"),
                "The clocks start; the chain of part 6 begins.",
            ),
            stage(
                "Acknowledged",
                nobody(steps, "no step"),
                "Whoever takes it says so; steps that wait for that stop.",
            ),
            stage(
                "Triaged and classified",
                "support".to_owned(),
                "Severity and category are judged.",
            ),
            stage("Assigned", "support".to_owned(), "One person works on it."),
            stage(
                "Resolved",
                "the assignee".to_owned(),
                "Impact, cause, fix and prevention are written down.",
            ),
            stage(
                "Validated by the customer",
                asked,
                "The customer accepts the resolution, or the ticket reopens.",
            ),
            stage("Closed and documented", "support".to_owned(), &gates),
        ],
    );
}

fn gates(paper: &Paper<'_>) -> String {
    let spec = paper.spec();
    let mut gates = Vec::new();
    if spec.rca.as_ref().is_some_and(|rca| rca.gates_closure) {
        gates.push("the root cause analysis where one is required (part 8)");
    }
    if spec
        .knowledge
        .as_ref()
        .is_some_and(|knowledge| knowledge.gates_closure)
    {
        gates.push("the knowledge where it is required (part 9)");
    }
    if gates.is_empty() {
        "It is over once resolved and, where asked for, validated.".to_owned()
    } else {
        format!("Waits for {}.", gates.join(" and "))
    }
}

/// Severities by their names.
pub(super) fn levels(levels: &[Severity]) -> String {
    let words: Vec<String> = levels.iter().map(|level| format!("{level:?}")).collect();
    words.join(", ")
}

/// Part 5.
pub(super) fn severities(paper: &Paper<'_>, page: &mut Markdown) {
    let declared = |level: Severity| {
        paper
            .spec()
            .severities
            .iter()
            .find(|row| row.level == level)
    };
    let default = paper.spec().default_severity;
    let instead = if declared(default).is_some() {
        format!("no row of its own: treated as {default:?}")
    } else {
        "not formally defined".to_owned()
    };
    let meanings = LEVELS.into_iter().map(|level| {
        let row = declared(level);
        [
            format!("{level:?}"),
            row.map_or_else(|| instead.clone(), |row| stated(row.description.as_ref())),
            row.map(|row| maybe(row.example.as_ref()))
                .unwrap_or_default(),
        ]
    });
    page.table(["Severity", "What it means", "Example"], meanings);
    let targets = LEVELS.into_iter().map(|level| targets(paper, level));
    page.table(
        [
            "Severity",
            "Target: first response",
            "Target: resolution",
            "Clocks run",
            "Status update",
            "Calls people",
        ],
        targets,
    );
    if paper.confirmed() {
        page.say("These targets are commitments confirmed with the customer.");
    } else {
        page.say("Targets say what the team aims at. They have not been confirmed with customers.");
    }
    let notes = LEVELS
        .into_iter()
        .filter_map(|level| later(level, paper.policy.row(level)));
    let notes: Vec<String> = notes.collect();
    if !notes.is_empty() {
        page.list(notes);
    }
}

fn targets(paper: &Paper<'_>, level: Severity) -> [String; 6] {
    let row = paper.policy.row(level);
    let written = paper.spec().severities.iter();
    let in_force = |wanted: Severity| written.clone().find(|row| row.level == wanted);
    let written = in_force(level).or_else(|| in_force(paper.spec().default_severity));
    let shown = |target: Option<&crate::api::Duration>, gap: &str| {
        target.map_or_else(|| gap.to_owned(), ToString::to_string)
    };
    [
        format!("{level:?}"),
        shown(row.response_target.as_ref(), NO_RESPONSE_TARGET),
        shown(row.resolution_target.as_ref(), "not formally defined"),
        hours(written.and_then(|row| row.calendar.as_ref())),
        written
            .and_then(|row| row.update_interval.as_ref())
            .map_or_else(|| "not timed".to_owned(), |every| format!("every {every}")),
        match row.paging {
            Paging::Page => "yes".to_owned(),
            Paging::RecordOnly => "no, it is recorded only".to_owned(),
        },
    ]
}

/// What else happens to tickets of a level in the course of time.
fn later(level: Severity, row: &Row) -> Option<String> {
    let mut parts = Vec::new();
    let span = super::escalation::span;
    if let Some(timeout) = row.acknowledgement_timeout {
        parts.push(format!(
            "acknowledged and not resolved within {}, it calls again",
            span(timeout)
        ));
    }
    if row.validation_required {
        parts.push(match row.validation_close_after {
            Some(after) => format!(
                "the customer is asked to accept the resolution; without an answer it closes after {}",
                span(after)
            ),
            None => "the customer is asked to accept the resolution; it waits for the answer".to_owned(),
        });
    }
    if let Some(after) = row.close_after {
        parts.push(format!(
            "resolved, it closes by itself after {}",
            span(after)
        ));
    }
    (!parts.is_empty()).then(|| format!("{level:?}: {}.", parts.join("; ")))
}

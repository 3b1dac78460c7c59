//! Part 6: who is told when, for each severity, and what is expected of them.

use jiff::SignedDuration;

use super::Paper;
use super::agreement::hours;
use super::markdown::{Markdown, escape, maybe};
use super::people::{person, told};
use crate::api::{Duration, Paging, StepCondition, Tier};
use crate::domain::policy::{ItemCode, StepPlan};
use crate::simulation::{Line, Timetable};

/// A length of time as people write it.
pub(super) fn span(span: SignedDuration) -> String {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Duration::from_millis(millis).to_string()
}

/// A moment counted from the submission.
fn after(time: SignedDuration) -> String {
    if time.is_zero() {
        "at once".to_owned()
    } else {
        format!("after {}", span(time))
    }
}

/// Part 6.
pub(super) fn escalation(paper: &Paper<'_>, page: &mut Markdown) {
    if paper.spec().steps.is_empty() {
        page.say("Escalation not formally defined: no step is declared, so nobody is called.");
        return;
    }
    page.say(
        "Times count from the submission of a ticket that nobody answers, while everybody named is at work. Outside the \
         hours of a step its call waits until they begin.",
    );
    for timetable in paper.timetables {
        page.heading(3, &format!("{:?}", timetable.level));
        match timetable.paging {
            Paging::RecordOnly => page.say("Tickets are recorded; nobody is called."),
            Paging::Page if timetable.lines.is_empty() => {
                page.say("Escalation contact missing: no step is for this severity, so nobody is called.");
            }
            Paging::Page => of_level(paper, timetable, page),
        }
    }
    gaps(paper, page);
    contacts(paper, page);
    rotas(paper, page);
}

fn of_level(paper: &Paper<'_>, timetable: &Timetable, page: &mut Markdown) {
    let rows = timetable.lines.iter().filter_map(|line| {
        let step = paper.policy.step_at(line.step)?;
        Some(row(paper, line, step))
    });
    page.table(
        [
            "When",
            "Step",
            "Who is told",
            "Again",
            "As long as",
            "Hours",
            "What is expected",
        ],
        rows,
    );
    let mut ends = Vec::new();
    if let (Some((times, interval)), Some(second)) =
        (paper.policy.chain_repeat(), timetable.second_round)
    {
        ends.push(format!(
            "The whole chain starts again {}{}.",
            after(second),
            if times > 1 {
                format!(
                    ", and {} more {}, {} after the last call of the round before",
                    times - 1,
                    if times == 2 { "time" } else { "times" },
                    span(interval)
                )
            } else {
                String::new()
            },
        ));
    }
    let (wait, whom) = paper.policy.on_exhausted();
    let whom = told(paper.spec(), whom);
    let whom = if whom.is_empty() {
        "nobody further is named".to_owned()
    } else {
        format!("{whom} is told")
    };
    let when = match timetable.exhausted.filter(|_| {
        paper
            .policy
            .chain_repeat()
            .is_none_or(|(times, _)| times <= 1)
    }) {
        Some(time) => after(time),
        None => format!("{} after the last call of the last round", span(wait)),
    };
    ends.push(format!("Unanswered to the end ({when}): {whom}."));
    page.list(ends);
}

fn row(paper: &Paper<'_>, line: &Line, step: &StepPlan) -> [String; 7] {
    let spec = paper.spec();
    let written = spec.steps.get(line.step);
    let tier = step.tier.map(|tier| match tier {
        Tier::Support => " (support)",
        Tier::Engineering => " (engineering)",
        Tier::Management => " (management)",
        Tier::Vendor => " (vendor)",
    });
    let whom = told(spec, &step.notify);
    [
        line.first.map_or_else(|| "never".to_owned(), after),
        format!("{}{}", escape(&step.name), tier.unwrap_or_default()),
        if whom.is_empty() || line.first.is_none() {
            format!(
                "escalation contact missing: step {} reaches nobody",
                escape(&step.name)
            )
        } else {
            whom
        },
        match (line.last, step.repeat) {
            (Some((last, repeats)), Some((every, _))) => {
                format!(
                    "every {}, {repeats} times, last {}",
                    span(every),
                    after(last)
                )
            }
            (Some(_) | None, _) => String::new(),
        },
        match step.condition {
            StepCondition::NotAcknowledged => "nobody has acknowledged",
            StepCondition::NotResolved => "it is not resolved",
        }
        .to_owned(),
        hours(written.and_then(|step| step.calendar.as_ref())),
        maybe(step.expectation.as_ref()),
    ]
}

/// What the checks found about the people of the chain.
fn gaps(paper: &Paper<'_>, page: &mut Markdown) {
    let about_people = |code: ItemCode| match code {
        ItemCode::StepReachesNobody
        | ItemCode::ContactUnreachable
        | ItemCode::RotaGap
        | ItemCode::StepNeverFires
        | ItemCode::RepeatsTooLong
        | ItemCode::NoEngineeringStep
        | ItemCode::NoExpectation
        | ItemCode::LowerSeverityLouder => true,
        ItemCode::SecretMissing
        | ItemCode::SecretKeyMissing
        | ItemCode::TemplateInvalid
        | ItemCode::NoResponseTarget
        | ItemCode::SeverityMissing
        | ItemCode::StageUnserved
        | ItemCode::ReviewOverdue
        | ItemCode::DefaultConflict => false,
    };
    let found = paper
        .open_items
        .iter()
        .filter(|item| about_people(item.code));
    let found: Vec<String> = found.map(|item| escape(&item.message)).collect();
    if !found.is_empty() {
        page.say("Gaps in the chain:");
        page.list(found);
    }
}

fn contacts(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    if spec.contacts.is_empty() {
        page.say("Escalation contacts missing: nobody is declared.");
        return;
    }
    page.say("People:");
    let rows = spec.contacts.iter().map(|contact| {
        let ways: Vec<String> = contact
            .reach
            .iter()
            .map(|reach| escape(&reach.connector))
            .collect();
        [
            person(spec, &contact.name),
            if ways.is_empty() {
                "escalation contact missing: no way to reach this person".to_owned()
            } else {
                ways.join(", then ")
            },
            contact
                .time_zone
                .as_ref()
                .map_or_else(|| "UTC".to_owned(), |zone| escape(zone)),
        ]
    });
    page.table(["Name", "Reached by", "Time zone"], rows);
}

fn rotas(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    if spec.rotas.is_empty() {
        return;
    }
    page.say("On call in turn:");
    let rows = spec.rotas.iter().map(|rota| {
        let members: Vec<String> = rota.members.iter().map(|name| person(spec, name)).collect();
        let shift = match (rota.shift.days, rota.shift.hours) {
            (Some(1), None) => "1 day".to_owned(),
            (Some(days), _) => format!("{days} days"),
            (None, Some(1)) => "1 hour".to_owned(),
            (None, hours) => format!("{} hours", hours.unwrap_or_default()),
        };
        [
            escape(&rota.name),
            members.join(", "),
            shift,
            format!("{} {}", escape(&rota.start), escape(&rota.time_zone)),
            hours(rota.calendar.as_ref()),
        ]
    });
    page.table(
        [
            "Rota",
            "People in their turn",
            "Shift",
            "First shift",
            "Hours",
        ],
        rows,
    );
}

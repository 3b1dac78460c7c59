//! Who is told what, what is learnt, what is taken for granted or still open, and the summary: parts 7 to 11.

use super::Paper;
use super::agreement::{NO_RESPONSE_TARGET, levels};
use super::markdown::{Markdown, escape, link};
use super::people::told;
use crate::api::{CommunicationPolicy, KnowledgeKind, NotifyOn, RcaSection, SummaryPart};
use crate::domain::policy::LEVELS;

/// Part 7.
pub(super) fn communication(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    let Some(communication) = &spec.communication else {
        page.say("Customer communication not formally defined: besides those who are called nobody is told.");
        summary_parts(&CommunicationPolicy::default(), page);
        return;
    };
    if communication.notify_on.is_empty() {
        page.say("No notices are declared.");
    } else {
        let rows = communication
            .notify_on
            .iter()
            .map(|on| [format!("{on:?}"), told_of(*on).to_owned()]);
        page.table(["Notice", "Told when"], rows);
    }
    let whom = told(spec, &communication.notify);
    page.say(&if whom.is_empty() {
        "Nobody is named to be told.".to_owned()
    } else {
        format!("Told: {whom}.")
    });
    let updates = LEVELS.into_iter().filter_map(|level| {
        let interval = paper.policy.row(level).update_interval?;
        Some([
            format!("{level:?}"),
            format!("every {}", super::escalation::span(interval)),
        ])
    });
    let updates: Vec<_> = updates.collect();
    if updates.is_empty() {
        page.say("How often a status update is due is not formally defined.");
    } else {
        page.table(["Severity", "Status update"], updates);
        let whom = told(spec, &communication.overdue_notify);
        page.say(&if whom.is_empty() {
            "Before an update is due its assignee is reminded; nobody else is named for that."
                .to_owned()
        } else {
            format!("Before an update is due its assignee is reminded, else {whom}.")
        });
    }
    summary_parts(communication, page);
    page.say(if paper.confirmed() {
        "The customer has confirmed the targets of part 5; messages may name them as commitments."
    } else {
        "Messages speak of targets and of nothing more."
    });
}

fn told_of(on: NotifyOn) -> &'static str {
    match on {
        NotifyOn::Opened => "a ticket is submitted",
        NotifyOn::Acknowledged => "somebody has taken notice",
        NotifyOn::SeverityChanged => "the severity changes",
        NotifyOn::Escalated => "a later step calls",
        NotifyOn::Held => "it waits, or goes on",
        NotifyOn::Update => "a status update is given",
        NotifyOn::Resolved => "it is solved",
        NotifyOn::ValidationRequested => "the customer is asked to accept the resolution",
        NotifyOn::Reopened => "it is open again",
        NotifyOn::Closed => "it is over",
    }
}

fn summary_parts(communication: &CommunicationPolicy, page: &mut Markdown) {
    let parts: Vec<&str> = communication
        .resolution_summary
        .iter()
        .map(|part| part_word(*part))
        .collect();
    page.say(&if parts.is_empty() {
        "No resolution summary is given.".to_owned()
    } else {
        format!(
            "The resolution summary has, in this order: {}.",
            parts.join(", ")
        )
    });
}

/// A part of the resolution summary in a word.
pub(super) fn part_word(part: SummaryPart) -> &'static str {
    match part {
        SummaryPart::Impact => "impact",
        SummaryPart::Cause => "cause",
        SummaryPart::Fix => "fix",
        SummaryPart::Prevention => "prevention",
    }
}

/// Part 8.
pub(super) fn root_cause_analysis(paper: &Paper<'_>, page: &mut Markdown) {
    let Some(rca) = &paper.spec().rca else {
        page.say("Root cause analysis not formally defined: none is required.");
        return;
    };
    let mut when = Vec::new();
    if !rca.severities.is_empty() {
        when.push(format!("the severity is {}", levels(&rca.severities)));
    }
    if let Some(longer) = &rca.resolution_longer_than {
        when.push(format!("the resolution took longer than {longer}"));
    }
    if rca.on_breach {
        when.push("a target was missed".to_owned());
    }
    if let Some(times) = rca.reopened_times {
        when.push(format!("the ticket was reopened {times} times"));
    }
    if when.is_empty() {
        page.say("No case is declared in which a root cause analysis is required.");
    } else {
        page.say("A root cause analysis is required when one of these holds:");
        page.list(when);
    }
    let sections: Vec<&str> = rca
        .sections
        .iter()
        .map(|section| section_word(*section))
        .collect();
    let mut facts = vec![
        format!(
            "Due within {} of the moment it is required.",
            rca.due_within
        ),
        match &rca.owner {
            Some(owner) => format!("Owner: {}.", escape(owner)),
            None => "Owner: the ticket's assignee.".to_owned(),
        },
        if sections.is_empty() {
            "Its structure is not formally defined.".to_owned()
        } else {
            format!("It has these sections: {}.", sections.join(", "))
        },
    ];
    facts.push(if rca.gates_closure {
        "A ticket that needs one is closed once it is approved or waived.".to_owned()
    } else {
        "A ticket can be closed before it is approved.".to_owned()
    });
    facts.push("Corrective actions have an owner and a due time, and are tracked.".to_owned());
    page.list(facts);
}

/// A section of an RCA in words.
pub(super) fn section_word(section: RcaSection) -> &'static str {
    match section {
        RcaSection::Summary => "summary",
        RcaSection::Impact => "impact",
        RcaSection::Detection => "detection",
        RcaSection::Trigger => "trigger",
        RcaSection::RootCauses => "root causes",
        RcaSection::ContributingFactors => "contributing factors",
        RcaSection::WentWell => "what went well",
        RcaSection::WentWrong => "what went wrong",
        RcaSection::GotLucky => "where it was luck",
        RcaSection::Timeline => "timeline",
        RcaSection::CorrectiveActions => "corrective actions",
        RcaSection::Knowledge => "knowledge",
    }
}

/// Part 9.
pub(super) fn knowledge(paper: &Paper<'_>, page: &mut Markdown) {
    let Some(knowledge) = &paper.spec().knowledge else {
        page.say("Knowledge not formally defined: nothing is asked to be written down.");
        return;
    };
    let kinds: Vec<&str> = knowledge
        .kinds
        .iter()
        .map(|kind| match kind {
            KnowledgeKind::KnowledgeBase => "an entry of the knowledge base",
            KnowledgeKind::Runbook => "a runbook",
            KnowledgeKind::CommonIssue => "an entry among the common issues",
        })
        .collect();
    if kinds.is_empty() || knowledge.severities.is_empty() {
        page.say("Nothing is asked to be written down.");
    } else {
        page.say(&format!(
            "Tickets of severity {} ask for {}; it is done, or not needed for a reason{}.",
            levels(&knowledge.severities),
            kinds.join(", "),
            if knowledge.gates_closure {
                ", before the ticket is closed"
            } else {
                ""
            },
        ));
    }
    if knowledge.common_issues.is_empty() {
        page.say("No common issues are listed.");
        return;
    }
    page.say("Common issues:");
    let rows = knowledge.common_issues.iter().map(|issue| {
        [
            issue
                .service
                .as_ref()
                .map_or_else(|| "any".to_owned(), |service| escape(service)),
            link(&issue.title, issue.url.as_ref()),
        ]
    });
    page.table(["Service", "Issue"], rows);
}

/// Part 10.
pub(super) fn open_items(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    if spec.assumptions.is_empty() {
        page.say("Assumptions: none are written down.");
    } else {
        page.say("Taken for granted:");
        page.list(spec.assumptions.iter().map(|assumption| escape(assumption)));
    }
    let declared = spec.open_items.iter().map(|item| {
        let owner = item
            .owner
            .as_ref()
            .map_or_else(|| "nobody yet".to_owned(), |owner| escape(owner));
        [escape(&item.message), owner, "declared".to_owned()]
    });
    let found = paper.open_items.iter().map(|item| {
        [
            escape(&item.message),
            String::new(),
            format!("found: {} at `{}`", item.code.as_str(), item.path),
        ]
    });
    let all: Vec<_> = declared.chain(found).collect();
    if all.is_empty() {
        page.say("Open items: none.");
    } else {
        page.say("Open items:");
        page.table(["What is open", "Who settles it", "How it is known"], all);
    }
}

/// Part 11.
pub(super) fn summary(paper: &Paper<'_>, page: &mut Markdown) {
    let spec = paper.spec();
    let without: Vec<_> = LEVELS
        .into_iter()
        .filter(|level| paper.policy.row(*level).response_target.is_none())
        .collect();
    let count = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    let open = spec.open_items.len() + paper.open_items.len();
    let mut facts = vec![
        format!(
            "{}, {} and {}.",
            count(spec.channels.len(), "channel", "channels"),
            count(spec.steps.len(), "escalation step", "escalation steps"),
            count(spec.contacts.len(), "person", "people"),
        ),
        format!("{}.", count(open, "open item", "open items")),
    ];
    if !without.is_empty() {
        facts.push(format!("{NO_RESPONSE_TARGET}: {}.", levels(&without)));
    }
    if let Some(kept) = spec
        .retention
        .as_ref()
        .and_then(|retention| retention.closed_tickets.as_ref())
    {
        facts.push(format!("Closed tickets are kept for {kept}."));
    }
    page.list(facts);
    let document = spec.document.clone().unwrap_or_default();
    page.say(&format!(
        "This document is reviewed every {}. {}",
        document.review_every,
        match document.last_review_time {
            Some(last) => format!("The last review was on {}.", last.0.strftime("%Y-%m-%d")),
            None => "No review is recorded: please review it and write down when.".to_owned(),
        },
    ));
}

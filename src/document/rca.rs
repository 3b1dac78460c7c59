//! A root cause analysis as a document. What is published to customers leaves out names, whys on the way, the timeline
//! and what is kept for the team.

use super::agreement::audience;
use super::markdown::{Markdown, escape, link, maybe};
use crate::api::{
    ActionState, ActionType, Audience, CorrectiveAction, KnowledgeKind, KnowledgeState, Rca,
    RcaSpec, RootCauseMethod, Time,
};

/// The document of an RCA, for those whom its `publication` names.
pub fn rca(rca: &Rca) -> String {
    let spec = &rca.spec;
    let internal = match spec.publication {
        Audience::Internal => true,
        Audience::Customers => false,
    };
    let mut page = Markdown::default();
    let name = rca.metadata.name.as_deref().unwrap_or_default();
    page.heading(1, &format!("Root cause analysis: {}", escape(name)));
    head(rca, internal, &mut page);
    section("Summary", spec.summary.as_ref(), &mut page);
    impact(spec, &mut page);
    section("What set it off", spec.trigger.as_ref(), &mut page);
    if internal {
        section("Detection", spec.detection.as_ref(), &mut page);
    }
    root_causes(spec, internal, &mut page);
    if internal {
        lessons(spec, &mut page);
        timeline(spec, &mut page);
    }
    actions(spec, internal, &mut page);
    if internal {
        knowledge(spec, &mut page);
        decision(spec, &mut page);
    }
    page.finish()
}

fn day(time: Option<Time>) -> String {
    time.map(|time| time.0.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}

fn minute(time: Time) -> String {
    time.0.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn head(rca: &Rca, internal: bool, page: &mut Markdown) {
    let spec = &rca.spec;
    let tickets: Vec<String> = spec
        .ticket_refs
        .iter()
        .map(|ticket| escape(&ticket.name))
        .collect();
    let phase = rca.status.as_ref().and_then(|status| status.phase);
    let mut rows = vec![
        ["Tickets".to_owned(), tickets.join(", ")],
        ["For".to_owned(), audience(spec.publication).to_owned()],
    ];
    if internal {
        let reviewers: Vec<String> = spec.reviewers.iter().map(|name| escape(name)).collect();
        rows.push(["Owner".to_owned(), maybe(spec.owner.as_ref())]);
        rows.push(["Reviewers".to_owned(), reviewers.join(", ")]);
        rows.push(["Due".to_owned(), day(spec.due_time)]);
        rows.push([
            "Phase".to_owned(),
            phase.map(|phase| format!("{phase:?}")).unwrap_or_default(),
        ]);
    }
    page.table(["Document", ""], rows);
}

fn section(title: &str, text: Option<&String>, page: &mut Markdown) {
    page.heading(2, title);
    match text {
        Some(text) => page.quote(text),
        None => page.say("Not written yet."),
    }
}

fn impact(spec: &RcaSpec, page: &mut Markdown) {
    page.heading(2, "Impact");
    let Some(impact) = &spec.impact else {
        page.say("Not written yet.");
        return;
    };
    let time = |time: Option<Time>| time.map(minute).unwrap_or_default();
    page.table(
        ["Who was affected", "From", "Until"],
        [[
            maybe(impact.users.as_ref()),
            time(impact.start_time),
            time(impact.end_time),
        ]],
    );
    if let Some(detail) = &impact.detail {
        page.quote(detail);
    }
}

fn root_causes(spec: &RcaSpec, internal: bool, page: &mut Markdown) {
    page.heading(2, "Root causes");
    if spec.root_causes.is_empty() {
        page.say("Not written yet.");
        return;
    }
    for cause in &spec.root_causes {
        let method = cause
            .method
            .filter(|_| internal)
            .map(|method| match method {
                RootCauseMethod::FiveWhys => " (found by asking why five times)",
                RootCauseMethod::Fishbone => " (found by a cause-and-effect diagram)",
                RootCauseMethod::Other => "",
            });
        page.list([format!(
            "{}: {}{}",
            escape(&cause.id),
            escape(&cause.statement),
            method.unwrap_or_default()
        )]);
        if internal && !cause.whys.is_empty() {
            page.say("On the way to it:");
            page.list(cause.whys.iter().map(|why| escape(why)));
        }
    }
}

fn lessons(spec: &RcaSpec, page: &mut Markdown) {
    for (title, texts) in [
        ("Contributing factors", &spec.contributing_factors),
        ("What went well", &spec.went_well),
        ("What went wrong", &spec.went_wrong),
        ("Where it was luck", &spec.got_lucky),
    ] {
        if !texts.is_empty() {
            page.heading(2, title);
            page.list(texts.iter().map(|text| escape(text)));
        }
    }
}

fn timeline(spec: &RcaSpec, page: &mut Markdown) {
    if !spec.timeline.is_empty() {
        page.heading(2, "Timeline");
        let rows = spec
            .timeline
            .iter()
            .map(|entry| [minute(entry.time), escape(&entry.text)]);
        page.table(["When", "What"], rows);
    }
}

fn actions(spec: &RcaSpec, internal: bool, page: &mut Markdown) {
    page.heading(2, "Corrective actions");
    if spec.corrective_actions.is_empty() {
        page.say("None are written down.");
    } else if internal {
        let rows = spec.corrective_actions.iter().map(|action| {
            let [title, aim, due, state] = shown(action);
            let owner = action
                .owner
                .as_ref()
                .map_or_else(|| "nobody yet".to_owned(), |owner| escape(owner));
            [
                escape(&action.id),
                title,
                aim,
                owner,
                due,
                state,
                maybe(action.external_ref.as_ref()),
                maybe(action.root_cause.as_ref()),
            ]
        });
        page.table(
            [
                "Id",
                "What is done",
                "Aim",
                "Owner",
                "Due",
                "State",
                "Elsewhere",
                "Root cause",
            ],
            rows,
        );
    } else {
        page.table(
            ["What is done", "Aim", "Due", "State"],
            spec.corrective_actions.iter().map(shown),
        );
    }
}

/// What everybody may read of an action.
fn shown(action: &CorrectiveAction) -> [String; 4] {
    let aim = match action.type_ {
        ActionType::Prevent => "prevent",
        ActionType::Detect => "notice sooner",
        ActionType::Mitigate => "less harm",
        ActionType::Process => "work together better",
        ActionType::Document => "write it down",
    };
    let state = match action.state {
        ActionState::Open => "open",
        ActionState::InProgress => "in progress",
        ActionState::Done => "done",
        ActionState::Verified => "done and shown to work",
        ActionState::Cancelled => "cancelled",
    };
    let due = if action.due_time.is_none() {
        "not set".to_owned()
    } else {
        day(action.due_time)
    };
    [escape(&action.title), aim.to_owned(), due, state.to_owned()]
}

fn knowledge(spec: &RcaSpec, page: &mut Markdown) {
    if spec.knowledge.is_empty() {
        return;
    }
    page.heading(2, "Knowledge");
    let rows = spec.knowledge.iter().map(|item| {
        let kind = match item.kind {
            KnowledgeKind::KnowledgeBase => "knowledge base",
            KnowledgeKind::Runbook => "runbook",
            KnowledgeKind::CommonIssue => "common issue",
        };
        let state = match item.state {
            KnowledgeState::Todo => "to do".to_owned(),
            KnowledgeState::Done => "done".to_owned(),
            KnowledgeState::NotNeeded => format!("not needed: {}", maybe(item.reason.as_ref())),
        };
        [
            kind.to_owned(),
            link(&item.title, item.url.as_ref()),
            maybe(item.owner.as_ref()),
            state,
        ]
    });
    page.table(["Kind", "What", "Owner", "State"], rows);
}

fn decision(spec: &RcaSpec, page: &mut Markdown) {
    if let Some(approval) = &spec.approval {
        page.heading(2, "Approval");
        let words = format!(
            "Approved by {}. {}",
            escape(&approval.by),
            maybe(approval.note.as_ref())
        );
        page.say(words.trim_end());
    }
    if let Some(waiver) = &spec.waiver {
        page.heading(2, "Waiver");
        page.say(&format!(
            "Waived by {}: {}",
            escape(&waiver.by),
            escape(&waiver.reason)
        ));
    }
}

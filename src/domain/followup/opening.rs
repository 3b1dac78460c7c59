//! The RCA that the operator makes for a ticket: once, and never touched again (api.md section 4).
//!
//! Its name and due time follow from the ticket's status alone, so that two operators, or one that starts again, make
//! the very same object, and the second is answered by a conflict.

use jiff::Timestamp;

use super::name_of;
use crate::api::{
    Rca, RcaSpec, RcaTimelineEntry, Ticket, TicketRef, TicketStatus, Time, TimelineEntry,
};
use crate::domain::draft::after;
use crate::domain::lifecycle::opening::word;
use crate::domain::observed::RcaFacts;
use crate::domain::policy::ValidPolicy;
use crate::domain::selection::PolicyIndex;
use crate::domain::timeline::cut;

/// Longest summary in bytes.
const SUMMARY: usize = 4096;

/// The RCA to be made for a ticket; `None` = none is required, or one covers it already. For a ticket that was closed
/// with its RCA seen none is made again.
pub fn wanted(ticket: &Ticket, covered: Option<&RcaFacts>, policies: &PolicyIndex) -> Option<Rca> {
    let status = ticket.status.as_ref()?;
    let known = status.rca.as_ref()?;
    let required = known.required.as_ref()?;
    let settled = status.close_time.is_some() && known.phase.is_some();
    if covered.is_some() || settled || ticket.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let policy = policies.pinned(status.policy.as_ref()?)?;
    let name = ticket.metadata.name.clone()?;
    let uid = ticket.metadata.uid.clone()?;
    let mut rca = Rca::new(
        &name_of(&name, &uid),
        spec(ticket, status, policy, required.time.0),
    );
    rca.metadata
        .namespace
        .clone_from(&ticket.metadata.namespace);
    rca.spec.ticket_refs = vec![TicketRef {
        name,
        uid: Some(uid),
    }];
    Some(rca)
}

fn spec(
    ticket: &Ticket,
    status: &TicketStatus,
    policy: &ValidPolicy,
    required: Timestamp,
) -> RcaSpec {
    let rules = policy.spec().rca.clone().unwrap_or_default();
    let assignment = ticket.spec.assignment.as_ref();
    let assignee = assignment.map(|block| block.assignee.clone());
    RcaSpec {
        owner: rules.owner.or(assignee),
        due_time: Some(Time(after(required, rules.due_within.to_signed()))),
        summary: Some(cut(&summary(ticket, status), SUMMARY)),
        timeline: status.timeline.iter().map(entry).collect(),
        ..RcaSpec::default()
    }
}

fn entry(told: &TimelineEntry) -> RcaTimelineEntry {
    let by = told
        .actor
        .as_ref()
        .map_or_else(String::new, |actor| format!(" (by {actor})"));
    RcaTimelineEntry {
        time: told.time,
        text: format!("{}: {}{by}", told.kind, told.message),
    }
}

/// The ticket's facts, in sentences that whoever writes the RCA replaces.
fn summary(ticket: &Ticket, status: &TicketStatus) -> String {
    let spec = &ticket.spec;
    let mut facts = vec![format!("{}.", spec.title.trim_end_matches('.'))];
    let mut say = |words: &str, what: Option<String>| {
        facts.extend(what.map(|what| format!("{words} {what}.")));
    };
    let severity = status.severity.map(|level| word(level).to_owned());
    say("Severity", severity);
    say("Service", spec.service.clone());
    say("Category", spec.category.clone());
    let time = |time: Option<Time>| time.map(|time| time.to_string());
    say("Submitted", time(status.submit_time));
    say("Resolved", time(status.resolve_time));
    let customer = spec
        .reporter
        .as_ref()
        .and_then(|reporter| reporter.customer.clone());
    say("Reported for customer", customer);
    let resolution = spec.resolution.as_ref().filter(|block| !block.revoked);
    if let Some(block) = resolution {
        say("Impact:", block.impact.clone());
        say("Cause:", block.cause.clone());
        say("Fix:", block.fix.clone());
    }
    let required = status.rca.as_ref().and_then(|rca| rca.required.as_ref());
    say(
        "This analysis is required:",
        required.map(|required| required.reason.clone()),
    );
    facts.join(" ")
}

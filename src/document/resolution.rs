//! How a ticket was solved, in the parts and order that the policy's `resolutionSummary` names.

use super::followup::part_word;
use super::markdown::{Markdown, escape};
use crate::api::{CommunicationPolicy, Resolution, SummaryPart, Ticket};

/// The resolution summary of a ticket; without a word about it in the policy, all parts. `None` = it is not resolved.
pub fn resolution(ticket: &Ticket, communication: Option<&CommunicationPolicy>) -> Option<String> {
    let block = ticket
        .spec
        .resolution
        .as_ref()
        .filter(|block| !block.revoked)?;
    let parts = communication.map_or_else(
        || CommunicationPolicy::default().resolution_summary,
        |communication| communication.resolution_summary.clone(),
    );
    let mut page = Markdown::default();
    page.heading(1, &format!("Resolution: {}", escape(&ticket.spec.title)));
    let rows = parts.into_iter().map(|part| {
        let text = text_of(block, part).map(|text| escape(text));
        [
            part_word(part).to_owned(),
            text.unwrap_or_else(|| "not written".to_owned()),
        ]
    });
    page.table(["Part", ""], rows);
    if block.workaround == Some(true) {
        page.say("Service is back by a workaround; the cause is still there.");
    }
    Some(page.finish())
}

fn text_of(block: &Resolution, part: SummaryPart) -> Option<&String> {
    match part {
        SummaryPart::Impact => block.impact.as_ref(),
        SummaryPart::Cause => block.cause.as_ref(),
        SummaryPart::Fix => block.fix.as_ref(),
        SummaryPart::Prevention => block.prevention.as_ref(),
    }
}

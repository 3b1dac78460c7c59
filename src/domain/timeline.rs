//! The story of a ticket inside its status: a ring of 30, and the rules of what a full ring forgets first.
//!
//! Rule: `api.md` section 1 rule 6 (newest kept, dropped ones counted, equal neighbours folded, stage changes last).

use jiff::Timestamp;

use crate::api::{TicketStatus, Time, TimelineEntry};

/// Entries kept.
pub const RING: usize = 30;
/// Longest message in bytes.
pub const MESSAGE_BYTES: usize = 120;

/// Cuts a text to at most `limit` bytes on a character boundary, with an ellipsis where something is missing.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// Adds an entry; folds it into an equal newest one; drops the oldest that is no stage change when the ring is full.
pub fn record(
    status: &mut TicketStatus,
    time: Timestamp,
    kind: &str,
    actor: Option<&str>,
    message: &str,
) {
    let message = cut(message, MESSAGE_BYTES);
    let actor = actor.map(|actor| cut(actor, 64));
    if let Some(last) = status.timeline.last_mut()
        && last.kind == kind
        && last.actor == actor
        && last.message == message
    {
        last.count = Some(last.count.unwrap_or(1) + 1);
        last.time = Time(time);
        return;
    }
    status.timeline.push(TimelineEntry {
        time: Time(time),
        kind: kind.to_owned(),
        actor,
        message,
        count: None,
    });
    while status.timeline.len() > RING {
        let victim = status
            .timeline
            .iter()
            .position(|entry| !is_stage(&entry.kind))
            .unwrap_or(0);
        status.timeline.remove(victim);
        status.timeline_dropped = Some(status.timeline_dropped.unwrap_or(0) + 1);
    }
}

/// Stage changes are the last to go.
fn is_stage(kind: &str) -> bool {
    [
        "Opened",
        "Acknowledged",
        "Triaged",
        "Assigned",
        "Resolved",
        "Validated",
        "Closed",
        "Reopened",
    ]
    .contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_on_a_character_boundary_and_says_that_it_was_cut() {
        assert_eq!(cut("short", 10), "short");
        let cut_text = cut(&"🔔".repeat(40), 121);
        assert!(cut_text.len() <= 121 && cut_text.ends_with('…'));
    }

    #[test]
    fn equal_neighbours_fold_into_one_entry_with_a_count() {
        let mut status = TicketStatus::default();
        for second in 0..3 {
            record(
                &mut status,
                Timestamp::from_second(second).unwrap(),
                "Paged",
                None,
                "alice paged",
            );
        }
        assert_eq!(status.timeline.len(), 1);
        assert_eq!(status.timeline[0].count, Some(3));
    }

    #[test]
    fn a_full_ring_keeps_stage_changes_longest_and_counts_what_it_dropped() {
        let mut status = TicketStatus::default();
        record(
            &mut status,
            Timestamp::UNIX_EPOCH,
            "Opened",
            None,
            "submitted",
        );
        for second in 0..100 {
            record(
                &mut status,
                Timestamp::from_second(second).unwrap(),
                "Paged",
                None,
                &format!("page {second}"),
            );
        }
        assert_eq!(status.timeline.len(), RING);
        assert_eq!(status.timeline[0].kind, "Opened");
        assert_eq!(status.timeline_dropped, Some(71));
    }
}

//! The story of a ticket inside its status: a ring of 30, and the rules of what a full ring forgets first.
//!
//! Rule: `api.md` section 1 rule 6 (newest kept, dropped ones counted, equal neighbours folded, stage changes last).

use jiff::Timestamp;

use crate::api::{TicketStatus, Time, TimelineEntry};

/// Entries kept.
pub const RING: usize = 30;
/// Longest message in bytes.
pub const MESSAGE_BYTES: usize = 120;

/// What stands at the end of a text that was cut.
const ELLIPSIS: char = '…';

/// Cuts a text between two characters so that it takes at most `limit` bytes once it is written, with an ellipsis where
/// something is missing.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().map(written).sum::<usize>() <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(ELLIPSIS.len_utf8()) else {
        return String::new();
    };
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += written(*c);
        used <= room
    });
    kept.chain([ELLIPSIS]).collect()
}

/// Whether `short` is what is left of `text` after a cut, however deep.
pub fn is_cut_of(short: &str, text: &str) -> bool {
    short
        .strip_suffix(ELLIPSIS)
        .is_some_and(|start| text.starts_with(start))
}

/// The bytes of a character in JSON as the API server writes it.
fn written(c: char) -> usize {
    match c {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
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
        count_dropped(status);
    }
}

/// Counts an entry that had to go.
pub fn count_dropped(status: &mut TicketStatus) {
    status.timeline_dropped = Some(status.timeline_dropped.unwrap_or(0).saturating_add(1));
}

/// Stage changes are the last to go.
pub fn is_stage(kind: &str) -> bool {
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

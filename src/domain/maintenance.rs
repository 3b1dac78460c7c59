//! Maintenance windows of a policy: tickets of the services that are worked on are recorded, not paged.
//!
//! Rules: `api.md` section 3 (`maintenance`, live) and 3.1: a ticket still open at the end of the window starts its
//! chain then, plus the row's `initialDelay`. A chain that runs when a window opens freezes like under a hold of reason
//! Maintenance. A window without services is for all services of its policy, a ticket without one included. Windows
//! are read from the newest valid revision; one that is taken out there is over, also if a pinned revision has it.

use jiff::Timestamp;

use super::draft::Draft;
use super::facts::hash_of;
use super::holds::{Source, Wanted};
use crate::api::Maintenance;

/// Most windows that are followed at once for one ticket; of more, those that end last.
const MOST: usize = 4;

/// The windows that concern the ticket and have begun, and the start of the next one.
pub fn sources(draft: &Draft<'_>) -> (Vec<Source>, Option<Timestamp>) {
    let Some(policy) = draft.live.as_deref().or(draft.policy.as_deref()) else {
        return (Vec::new(), None);
    };
    let service = draft.ticket().spec.service.as_ref();
    let matching = |window: &&Maintenance| {
        window.services.is_empty()
            || service.is_some_and(|service| window.services.contains(service))
    };
    let (mut begun, ahead): (Vec<&Maintenance>, Vec<&Maintenance>) = policy
        .spec()
        .maintenance
        .iter()
        .filter(matching)
        .partition(|window| window.from_time.0 <= draft.now);
    begun.sort_by_key(|window| std::cmp::Reverse(window.until_time));
    begun.truncate(MOST);
    let next = ahead.iter().map(|window| window.from_time.0).min();
    (
        begun
            .into_iter()
            .map(|window| source(draft, window))
            .collect(),
        next,
    )
}

fn source(draft: &Draft<'_>, window: &Maintenance) -> Source {
    let until = window.until_time.0;
    let why = window
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    Source {
        key: format!("maintenance/{}", window.name),
        hash: hash_of(window),
        maintenance: true,
        by: window.by.clone(),
        words: format!(
            "maintenance \"{}\" by {} until {until}{why}",
            window.name, window.by
        ),
        dated: draft.now,
        first_seen: draft.now,
        wanted: Wanted::Counts {
            from: Some(window.from_time.0),
            until,
        },
        lasts: false,
    }
}

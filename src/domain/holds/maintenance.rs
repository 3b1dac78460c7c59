//! Maintenance windows of a policy: tickets of the services that are worked on are recorded, not paged.
//!
//! Rules: `api.md` section 3 (`maintenance`, live) and 3.1: a ticket still open at the end of the window starts its
//! chain then, plus the row's `initialDelay`. A chain that runs when a window opens freezes like under a hold of reason
//! Maintenance. A window without services is for all services of its policy, a ticket without one included. Windows
//! are read from the newest valid revision; one that is taken out there is over, also if a pinned revision has it.

use jiff::Timestamp;

use super::freeze::{self, Stretch};
use super::{Source, Wanted, because, mark};
use crate::api::Maintenance;
use crate::domain::draft::Draft;

/// Name of all maintenance in `status.holding.seen`.
pub const KEY: &str = "policy/maintenance";

/// What maintenance does to a ticket.
#[derive(Default)]
pub struct Planned {
    /// The windows that are open now, joined.
    pub present: Option<Source>,
    /// Stretches of windows that are over: they count where nobody looked meanwhile.
    pub over: Vec<Stretch>,
    /// When the next window opens.
    pub next: Option<Timestamp>,
}

/// The windows that concern a ticket.
pub fn planned(draft: &Draft<'_>) -> Planned {
    let Some(policy) = draft.live.as_deref().or(draft.policy.as_deref()) else {
        return Planned::default();
    };
    let windows = &policy.spec().maintenance;
    if windows.is_empty() {
        return Planned::default();
    }
    let service = draft.ticket().spec.service.as_ref();
    let matching = |window: &&Maintenance| {
        window.services.is_empty()
            || service.is_some_and(|service| window.services.contains(service))
    };
    let (begun, ahead): (Vec<&Maintenance>, Vec<&Maintenance>) = windows
        .iter()
        .filter(matching)
        .partition(|window| freeze::whole(window.from_time.0) <= draft.now);
    let stretches: Vec<Stretch> = begun.iter().map(|window| stretch(window)).collect();
    let joined = freeze::join(None, Timestamp::MIN, &stretches, draft.now);
    let open: Vec<&Maintenance> = begun
        .into_iter()
        .filter(|window| freeze::whole(window.until_time.0) > draft.now)
        .collect();
    Planned {
        present: joined.present.map(|present| source(draft, &open, present)),
        over: joined.over,
        next: ahead
            .iter()
            .map(|window| freeze::whole(window.from_time.0))
            .min(),
    }
}

fn stretch(window: &Maintenance) -> Stretch {
    Stretch {
        from: freeze::whole(window.from_time.0),
        until: freeze::whole(window.until_time.0),
    }
}

fn source(draft: &Draft<'_>, open: &[&Maintenance], present: Stretch) -> Source {
    let words: Vec<String> = open.iter().map(|window| words(window)).collect();
    let by = open.first().map(|window| window.by.clone());
    Source {
        key: KEY.to_owned(),
        hash: mark(&open),
        maintenance: true,
        by: by.unwrap_or_default(),
        words: words.join("; "),
        dated: draft.now,
        first_seen: draft.now,
        wanted: Wanted::Counts {
            from: Some(present.from),
            until: present.until,
        },
        lasts: false,
    }
}

fn words(window: &Maintenance) -> String {
    let why = because(window.reason.as_ref());
    format!(
        "maintenance \"{}\" by {} until {}{why}",
        window.name, window.by, window.until_time
    )
}

//! The one door to every decision about a ticket.

use jiff::Timestamp;

use crate::domain::next::Next;
use crate::domain::observed::{Observed, Settings};

/// What to do next about the ticket in `seen`, at `now`. Pure and total: asked again after each thing it asked for.
/// An answer to wait that still stands is given again without going through the rules.
pub fn decide(seen: &Observed, settings: &Settings, now: Timestamp) -> Next {
    seen.remembered
        .as_ref()
        .and_then(|remembered| remembered.answer(seen, settings, now))
        .unwrap_or_else(|| crate::domain::draft::next(seen, settings, now))
}

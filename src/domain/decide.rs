//! The one door to every decision about a ticket.

use jiff::Timestamp;

use super::next::Next;
use super::observed::{Observed, Settings};

/// What to do next about the ticket in `seen`, at `now`. Pure and total: asked again after each thing it asked for.
pub fn decide(seen: &Observed, settings: &Settings, now: Timestamp) -> Next {
    super::draft::next(seen, settings, now)
}

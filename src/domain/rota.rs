//! Who is on call: members in turn, shift by shift from a civil anchor, overrides first.
//!
//! Rules: `api.md` section 3 (`rotas`, `overrides`). A shift of days keeps its local hand-over hour over clock changes.

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan};

use super::calendar;
use crate::api::{EscalationPolicySpec, Rota};

/// The contact on call for a rota at an instant; `None` before its start or without members.
pub fn on_call<'p>(
    policy: &'p EscalationPolicySpec,
    rota: &'p Rota,
    at: Timestamp,
) -> Option<&'p str> {
    let over = policy.overrides.iter().rev().find(|known| {
        known.rota == rota.name && known.from_time.0 <= at && at < known.until_time.0
    });
    if let Some(over) = over {
        return Some(&over.member);
    }
    let turn = shift(rota, at)?;
    let members = i64::try_from(rota.members.len()).ok()?;
    let index = turn.checked_rem_euclid(members)?;
    rota.members
        .get(usize::try_from(index).ok()?)
        .map(String::as_str)
}

/// Number of the shift an instant lies in; the first is 0.
fn shift(rota: &Rota, at: Timestamp) -> Option<i64> {
    let zone = calendar::zone(&rota.time_zone)?;
    let start: DateTime = rota.start.parse().ok()?;
    if at < calendar::instant_of(&zone, start)? {
        return None;
    }
    if let Some(hours) = rota.shift.hours.filter(|hours| *hours > 0) {
        let passed = at
            .duration_since(calendar::instant_of(&zone, start)?)
            .as_hours();
        return Some(passed / hours);
    }
    let days = rota.shift.days.filter(|days| *days > 0)?;
    let local = zone.to_datetime(at);
    let whole = i64::from(local.date().since(start.date()).ok()?.get_days());
    let mut turn = whole / days;
    // On the day of a hand-over the hour decides; instants, because the local hour may be skipped or doubled.
    let begins = calendar::instant_of(&zone, start.checked_add((turn * days).days()).ok()?)?;
    if at < begins {
        turn -= 1;
    }
    Some(turn)
}

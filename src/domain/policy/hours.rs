//! Everything in a policy that is a time: zones, windows, holidays, shifts, intervals, pauses, and gaps ahead.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{SignedDuration, Timestamp};

use super::finding::{FindingCode, Findings, ItemCode, Items};
use super::{Named, ValidPolicy};
use crate::api::{self, EscalationPolicySpec};
use crate::domain::calendar::{Calendar, CalendarError, Window, zone};
use crate::domain::people::rota::{Gap, Rota};

/// How far ahead gaps are looked for: a year of holidays.
const LOOK_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 7 * 53);

/// Refuses what cannot be read as a time.
pub(super) fn check(spec: &EscalationPolicySpec, findings: &mut Findings) {
    for (index, known) in spec.calendars.iter().enumerate() {
        let _ = calendar(known, &format!("spec.calendars[{index}]"), findings);
    }
    for (index, contact) in spec.contacts.iter().enumerate() {
        if let Some(name) = &contact.time_zone {
            let _ = known_zone(name, format!("spec.contacts[{index}].timeZone"), findings);
        }
    }
    for (index, known) in spec.rotas.iter().enumerate() {
        let _ = rota(
            known,
            &BTreeMap::new(),
            &format!("spec.rotas[{index}]"),
            findings,
        );
    }
    let mut ordered = |from: api::Time, until: api::Time, path: String| {
        if until <= from {
            let message = format!("\"{until}\" must be later than `fromTime`, which is \"{from}\"");
            findings.add(FindingCode::InvalidTime, path, message);
        }
    };
    for (index, known) in spec.overrides.iter().enumerate() {
        ordered(
            known.from_time,
            known.until_time,
            format!("spec.overrides[{index}].untilTime"),
        );
    }
    for (index, known) in spec.maintenance.iter().enumerate() {
        ordered(
            known.from_time,
            known.until_time,
            format!("spec.maintenance[{index}].untilTime"),
        );
    }
    check_pauses(spec, findings);
}

/// Refuses repetitions without a pause: they would never end.
fn check_pauses(spec: &EscalationPolicySpec, findings: &mut Findings) {
    let mut pause = |pause: &api::Duration, path: String| {
        if pause.to_signed() < SignedDuration::from_secs(1) {
            let message =
                format!("\"{pause}\" must be at least 1s, so that repeats do not come all at once");
            findings.add(FindingCode::InvalidRepeat, path, message);
        }
    };
    for (index, step) in spec.steps.iter().enumerate() {
        if let Some(repeat) = &step.repeat {
            pause(&repeat.every, format!("spec.steps[{index}].repeat.every"));
        }
    }
    if let Some(repeat) = &spec.repeat {
        pause(&repeat.interval, "spec.repeat.interval".to_owned());
    }
}

fn known_zone(name: &str, path: String, findings: &mut Findings) -> Option<jiff::tz::TimeZone> {
    let found = zone(name);
    if found.is_none() {
        let message =
            format!("\"{name}\" must be the name of an IANA time zone, such as Europe/Berlin");
        findings.add(FindingCode::UnknownTimeZone, path, message);
    }
    found
}

/// Compiles a calendar, or says why it cannot be.
pub(super) fn calendar(
    known: &api::Calendar,
    path: &str,
    findings: &mut Findings,
) -> Option<Calendar> {
    let before = findings.0.len();
    let zone = known_zone(&known.time_zone, format!("{path}.timeZone"), findings);
    let mut windows = Vec::new();
    for (index, window) in known.windows.iter().enumerate() {
        let at = format!("{path}.windows[{index}]");
        if window.days.is_empty() {
            findings.add(
                FindingCode::WindowEmpty,
                format!("{at}.days"),
                "must name at least one day, or it never opens",
            );
        }
        let from = time_of_day(&window.from, false, format!("{at}.from"), findings);
        let to = time_of_day(&window.to, true, format!("{at}.to"), findings);
        if let (Some(from), Some(to)) = (from, to) {
            windows.push(Window {
                days: window.days.iter().copied().map(weekday).collect(),
                from,
                to,
            });
        }
    }
    let mut holidays = BTreeSet::new();
    for (index, text) in known.holidays.iter().enumerate() {
        match text.parse::<Date>() {
            Ok(day) if text.len() == 10 => drop(holidays.insert(day)),
            Ok(_) | Err(_) => {
                let message = format!("\"{text}\" must be a date such as 2026-12-25");
                findings.add(
                    FindingCode::InvalidTime,
                    format!("{path}.holidays[{index}]"),
                    message,
                );
            }
        }
    }
    if findings.0.len() > before {
        return None;
    }
    match Calendar::new(zone?, &windows, holidays) {
        Ok(calendar) => Some(calendar),
        Err(error) => {
            let code = match error {
                CalendarError::Empty => FindingCode::WindowEmpty,
                CalendarError::Overlap { .. } => FindingCode::WindowsOverlap,
            };
            findings.add(code, format!("{path}.windows"), error.to_string());
            None
        }
    }
}

fn weekday(day: api::Weekday) -> Weekday {
    match day {
        api::Weekday::Mon => Weekday::Monday,
        api::Weekday::Tue => Weekday::Tuesday,
        api::Weekday::Wed => Weekday::Wednesday,
        api::Weekday::Thu => Weekday::Thursday,
        api::Weekday::Fri => Weekday::Friday,
        api::Weekday::Sat => Weekday::Saturday,
        api::Weekday::Sun => Weekday::Sunday,
    }
}

/// Reads `HH:MM`; `24:00` only where a window ends.
fn time_of_day(text: &str, is_end: bool, path: String, findings: &mut Findings) -> Option<Time> {
    let read = || {
        if is_end && text == "24:00" {
            return Some(Time::midnight());
        }
        let (hour, minute) = text.split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(hour) || !digits(minute) {
            return None;
        }
        Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
    };
    let found = read();
    if found.is_none() {
        let message = format!("\"{text}\" must be a time of day such as \"09:00\"");
        findings.add(FindingCode::InvalidTime, path, message);
    }
    found
}

/// Compiles a rota, or says why it cannot be. A calendar that is not among `calendars` is reported elsewhere.
pub(super) fn rota(
    known: &api::Rota,
    calendars: &BTreeMap<String, Calendar>,
    path: &str,
    findings: &mut Findings,
) -> Option<Rota> {
    let zone = known_zone(&known.time_zone, format!("{path}.timeZone"), findings);
    let start = known
        .start
        .parse::<DateTime>()
        .ok()
        .filter(|_| (16..=19).contains(&known.start.len()));
    if start.is_none() {
        let message = format!(
            "\"{}\" must be a local date and time such as 2026-01-05T09:00",
            known.start
        );
        findings.add(FindingCode::InvalidTime, format!("{path}.start"), message);
    }
    let hours = match (known.shift.days, known.shift.hours) {
        (Some(days @ 1..=366), None) => Some(days * 24),
        (None, Some(hours @ 1..=8760)) => Some(hours),
        (_, _) => None,
    };
    if hours.is_none() {
        let message = "must have either `days` (1 to 366) or `hours` (1 to 8760)";
        findings.add(FindingCode::InvalidShift, format!("{path}.shift"), message);
    }
    if known.members.is_empty() {
        let message = "must name at least one contact, or nobody is ever on call";
        findings.add(
            FindingCode::InvalidShift,
            format!("{path}.members"),
            message,
        );
        return None;
    }
    let calendar = known
        .calendar
        .as_ref()
        .and_then(|name| calendars.get(name))
        .cloned()
        .unwrap_or_else(Calendar::always);
    Some(Rota {
        zone: zone?,
        start: start?,
        shift: SignedDuration::from_hours(hours?),
        calendar,
        members: known.members.clone(),
    })
}

/// Tells of times at which a step can page while nobody of its rota is on call. Looked for a year ahead; without
/// `now` from the start of the rota on.
pub(super) fn check_gaps(policy: &ValidPolicy, now: Option<Timestamp>, items: &mut Items) {
    for (index, known) in policy.spec().rotas.iter().enumerate() {
        let Some(start) = policy.rotas().start(&known.name) else {
            continue;
        };
        let from = now.unwrap_or(start);
        let until = from.saturating_add(LOOK_AHEAD).unwrap_or(Timestamp::MAX);
        let gaps = policy.rotas().gaps(&known.name, from, until);
        let users = policy.steps().iter().filter(|step| {
            step.notify
                .iter()
                .any(|target| Named::of(target) == Some(Named::Rota(&known.name)))
        });
        for step in users {
            if let Some((opens, gap)) = first_open(&gaps, &step.calendar) {
                // Told so that the words stay the same from one check to the next.
                let since = if Some(opens) == now {
                    "now".to_owned()
                } else {
                    format!("from {opens}")
                };
                let end = if gap.until < until {
                    format!("until {}", gap.until)
                } else {
                    "and for the year ahead".to_owned()
                };
                let message = format!(
                    "nobody of rota \"{}\" is on call {since} {end}, while step \"{}\" can page then and would reach nobody; \
                     give the rota more hours or an override, or the step a calendar within them",
                    known.name, step.name,
                );
                items.add(ItemCode::RotaGap, format!("spec.rotas[{index}]"), message);
            }
        }
    }
}

/// The first gap within the hours of a calendar, and when it is first felt.
fn first_open(gaps: &[Gap], calendar: &Calendar) -> Option<(Timestamp, Gap)> {
    gaps.iter().find_map(|gap| {
        let opens = calendar.next_open(gap.from)?;
        (opens < gap.until).then_some((opens, *gap))
    })
}

//! Moments and lengths of time as a person types them for a simulation.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::Failure;
use crate::api::Duration;
use crate::domain::calendar::{instant_of, zone};

/// The zone of that name; default: that of whoever runs this.
pub fn zone_of(name: Option<&String>) -> Result<TimeZone, Failure> {
    let Some(name) = name else {
        return Ok(TimeZone::system());
    };
    zone(name).ok_or_else(|| {
        Failure::Moment(format!(
            "--zone \"{name}\" must be an IANA time zone such as Europe/Berlin"
        ))
    })
}

/// A moment: with an offset or zone, or as the clock of `zone` shows it.
pub fn moment(flag: &str, text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let local = || text.parse::<DateTime>().ok().filter(|_| text.len() >= 16);
    let zoned = || text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp());
    let parsed = text.parse::<Timestamp>().ok().or_else(zoned);
    parsed.or_else(|| instant_of(zone, local()?)).ok_or_else(|| {
        Failure::Moment(format!(
            "{flag} \"{text}\" must be a time such as 2026-01-05T02:00 (in --zone) or 2026-01-05T02:00:00Z"
        ))
    })
}

/// A length of time such as `1h30m`.
pub fn span(text: &str) -> Result<SignedDuration, String> {
    Duration::parse(text)
        .map(|span| span.to_signed())
        .map_err(|error| error.to_string())
}

/// `FROM..TO`, each a length of time from the ticket's creation or a moment.
pub fn stretch(
    text: &str,
    from: Timestamp,
    zone: &TimeZone,
) -> Result<(Timestamp, Timestamp), Failure> {
    let wrong = || {
        Failure::Moment(format!(
            "--hold \"{text}\" must be FROM..TO, such as 30m..2h (from the ticket's creation), or two times"
        ))
    };
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let one = |text: &str| match Duration::parse(text) {
        Ok(span) => from.checked_add(span.to_signed()).map_err(|_| wrong()),
        Err(_) => moment("--hold", text, zone),
    };
    let (start, end) = (one(start)?, one(end)?);
    if start < end {
        Ok((start, end))
    } else {
        Err(wrong())
    }
}

/// How long after the beginning, as people write it.
pub fn offset(from: Timestamp, to: Timestamp) -> String {
    let millis = i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX);
    Duration::from_millis(millis).to_string()
}

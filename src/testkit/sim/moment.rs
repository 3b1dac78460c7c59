//! Virtual time: whole milliseconds since the start of a run, and what the three clocks of production read then.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Milliseconds since the start of the run.
pub type Ms = i64;

/// One second.
pub const SECOND: Ms = 1_000;
/// One minute.
pub const MINUTE: Ms = 60 * SECOND;
/// One hour.
pub const HOUR: Ms = 60 * MINUTE;

/// Monday, 2 March 2026, 10:00 UTC.
const START: i64 = 1_772_445_600_000;

/// A day after this machine's monotonic clock was first asked, so that there is room before it.
static INSTANTS: LazyLock<Instant> = LazyLock::new(|| Instant::now() + Duration::from_hours(24));

/// A span of production's, which are whole milliseconds.
#[allow(clippy::cast_possible_wrap, reason = "hours at most")]
pub const fn ms_of_span(span: Duration) -> Ms {
    span.as_secs() as Ms * SECOND + span.subsec_millis() as Ms
}

/// The true time.
pub fn at(ms: Ms) -> Timestamp {
    Timestamp::from_millisecond(START + ms).unwrap_or(Timestamp::MAX)
}

/// The moment of a true time.
pub fn ms_of(time: Timestamp) -> Ms {
    time.as_millisecond() - START
}

/// What the monotonic clock of a machine reads.
pub fn instant(ms: Ms) -> Instant {
    let span = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 {
        INSTANTS.checked_sub(span).unwrap_or(*INSTANTS)
    } else {
        *INSTANTS + span
    }
}

/// The moment at which the monotonic clock reads that, rounded up.
pub fn ms_of_instant(at: Instant) -> Ms {
    let after = at
        .saturating_duration_since(*INSTANTS)
        .as_nanos()
        .div_ceil(1_000_000);
    Ms::try_from(after).unwrap_or(Ms::MAX)
}

/// A span in milliseconds, rounded up, never negative.
pub fn span_ms(span: SignedDuration) -> Ms {
    let nanos = span.as_nanos().max(0);
    Ms::try_from((nanos + 999_999) / 1_000_000).unwrap_or(Ms::MAX)
}

/// As people read it: `10:07:30.250`, with the day when it is not the first.
pub fn clock(ms: Ms) -> String {
    let time = at(ms);
    let days = ms_of(time).div_euclid(24 * HOUR);
    let text = time.strftime("%H:%M:%S%.3f").to_string();
    let text = text.strip_suffix(".000").unwrap_or(&text).to_owned();
    if ms >= 14 * HOUR {
        format!("+{}d {text}", days + 1)
    } else {
        text
    }
}

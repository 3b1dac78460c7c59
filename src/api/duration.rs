//! A length of time as people write it: `15m`, `1h30m`. Shown as written, bounded, and never a panic on any text.
//!
//! `kube::core::Duration` panics on odd input inside decoding and rewrites `15m` to `900s`; hence this type.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write;
use std::str::FromStr;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::schema::DURATION;

/// The longest duration: 8760 h, a year.
pub const MAX_MILLIS: i64 = 8760 * HOUR;
const HOUR: i64 = 60 * MINUTE;
const MINUTE: i64 = 60 * SECOND;
const SECOND: i64 = 1000;
/// The longest text.
const MAX_TEXT: usize = 32;

/// A length of time between 0 and 8760 h, such as `15m` or `1h30m`; whole milliseconds.
///
/// Equality is that of the text: `60m` and `1h` are the same length and differ.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Duration {
    text: Cow<'static, str>,
    millis: i64,
}

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not digits each followed by a unit.
    #[error("must be whole numbers each followed by h, m, s or ms, such as 15m or 1h30m")]
    Malformed,
    /// More than a year.
    #[error("must be at most 8760h")]
    TooLong,
}

impl Duration {
    /// No time at all: `0s`.
    pub const ZERO: Self = Self {
        text: Cow::Borrowed("0s"),
        millis: 0,
    };

    /// Reads a text such as `1h30m`.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let millis = millis_of(text)?;
        Ok(Self {
            text: Cow::Owned(text.to_owned()),
            millis,
        })
    }

    /// The duration of that many milliseconds in its shortest usual text (`1h30m`, `0s`).
    ///
    /// Clamped to 0..=8760 h, so that what is written can always be read back.
    pub fn from_millis(millis: i64) -> Self {
        let millis = millis.clamp(0, MAX_MILLIS);
        let mut text = String::new();
        let mut rest = millis;
        for (unit, name) in [(HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (1, "ms")] {
            if rest >= unit {
                // Writing to a String cannot fail.
                let _ = write!(text, "{}{name}", rest / unit);
                rest %= unit;
            }
        }
        if text.is_empty() {
            Self::ZERO
        } else {
            Self {
                text: Cow::Owned(text),
                millis,
            }
        }
    }

    /// The length in milliseconds, 0..=8760 h.
    pub fn as_millis(&self) -> i64 {
        self.millis
    }

    /// The length as jiff counts.
    pub fn to_signed(&self) -> SignedDuration {
        SignedDuration::from_millis(self.millis)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        self.millis == 0
    }
}

fn millis_of(text: &str) -> Result<i64, DurationError> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(DurationError::Malformed);
    }
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        if !(1..=6).contains(&digits) {
            return Err(DurationError::Malformed);
        }
        let number: i64 = number.parse().map_err(|_| DurationError::Malformed)?;
        let unit;
        (unit, rest) = unit_of(tail)?;
        // At most 16 parts of at most 999999 h: far below the limits of i64.
        total += number * unit;
    }
    if total > MAX_MILLIS {
        Err(DurationError::TooLong)
    } else {
        Ok(total)
    }
}

fn unit_of(text: &str) -> Result<(i64, &str), DurationError> {
    for (name, unit) in [("ms", 1), ("h", HOUR), ("m", MINUTE), ("s", SECOND)] {
        if let Some(rest) = text.strip_prefix(name) {
            return Ok((unit, rest));
        }
    }
    Err(DurationError::Malformed)
}

impl Default for Duration {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl From<&Duration> for SignedDuration {
    fn from(duration: &Duration) -> Self {
        duration.to_signed()
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| {
            let shown: String = text.chars().take(MAX_TEXT).collect();
            de::Error::custom(format_args!("duration \"{shown}\" {error}"))
        })
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": MAX_TEXT,
            "pattern": DURATION,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_shown_as_it_was_written() {
        for (text, millis) in [
            ("0s", 0),
            ("15m", 15 * MINUTE),
            ("1h30m", 90 * MINUTE),
            ("90m", 90 * MINUTE),
            ("250ms", 250),
            ("1m1ms", MINUTE + 1),
            ("001s", SECOND),
            ("8760h", MAX_MILLIS),
        ] {
            let duration = Duration::parse(text).unwrap();
            assert_eq!(
                (duration.as_millis(), duration.to_string().as_str()),
                (millis, text)
            );
        }
    }

    #[test]
    fn malformed_and_absurd_texts_are_refused_with_what_they_must_be() {
        for (text, error) in [
            ("", DurationError::Malformed),
            ("15", DurationError::Malformed),
            ("m", DurationError::Malformed),
            ("-5m", DurationError::Malformed),
            ("5m-3m", DurationError::Malformed),
            ("5 m", DurationError::Malformed),
            ("1.5h", DurationError::Malformed),
            ("5M", DurationError::Malformed),
            ("1d", DurationError::Malformed),
            ("٣m", DurationError::Malformed),
            ("99999999999999999999h", DurationError::Malformed),
            ("1000000s", DurationError::Malformed),
            (
                "1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s",
                DurationError::Malformed,
            ),
            ("8760h1ms", DurationError::TooLong),
            ("999999h999999h999999h999999h", DurationError::TooLong),
        ] {
            assert_eq!(Duration::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_duration_panic(text in "\\PC*") {
            let _ = serde_json::from_value::<Duration>(serde_json::Value::String(text));
        }

        #[test]
        fn nor_does_a_text_that_looks_like_one(text in "([0-9]{0,8}(h|m|s|ms|-|é){0,2}){0,12}") {
            if let Ok(duration) = Duration::parse(&text) {
                prop_assert!((0..=MAX_MILLIS).contains(&duration.as_millis()));
                prop_assert_eq!(duration.as_str(), text);
            }
        }

        #[test]
        fn a_duration_made_from_any_number_reads_back(millis in any::<i64>()) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(duration.as_millis(), millis.clamp(0, MAX_MILLIS));
            prop_assert_eq!(Duration::parse(duration.as_str()), Ok(duration));
        }

        #[test]
        fn a_duration_within_the_bounds_keeps_its_length(millis in 0..=MAX_MILLIS) {
            prop_assert_eq!(Duration::from_millis(millis).as_millis(), millis);
        }
    }

    #[test]
    fn a_canonical_text_uses_the_largest_units() {
        assert_eq!(Duration::from_millis(90 * MINUTE).as_str(), "1h30m");
        assert_eq!(Duration::from_millis(0).as_str(), "0s");
        assert_eq!(Duration::from_millis(61_001).as_str(), "1m1s1ms");
    }
}

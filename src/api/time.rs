//! An instant as the API writes it: RFC 3339, shown in UTC. Any text decodes to a value or an error, never a panic.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant. Written as RFC 3339 in UTC, such as `2026-01-05T09:00:00Z`; any offset is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error| {
            de::Error::custom(format_args!(
                "\"{text}\" must be an RFC 3339 time such as 2026-01-05T09:00:00Z: {error}"
            ))
        })
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_a_time_panic(text in "\\PC*") {
            let _ = serde_json::from_value::<Time>(serde_json::Value::String(text));
        }

        #[test]
        fn a_time_reads_back_what_it_writes(seconds in -62_135_596_800_i64..253_402_300_799, nanos in 0..1_000_000_000) {
            let time = Time(Timestamp::new(seconds, nanos).unwrap_or_default());
            let text = serde_json::to_string(&time).unwrap();
            prop_assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
        }
    }

    #[test]
    fn an_offset_is_read_and_utc_is_written() {
        let time: Time = serde_json::from_str("\"2026-01-05T09:00:00+01:00\"").unwrap();
        assert_eq!(time.to_string(), "2026-01-05T08:00:00Z");
    }
}

//! The CEL rules of the policy's CRD, read from their text: each of the few shapes that it uses.

use jiff::SignedDuration;

use super::source::{Content, Node};
use crate::api::Duration;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A duration within bounds.
    Duration {
        /// At least.
        least: Option<SignedDuration>,
        /// At most.
        most: SignedDuration,
    },
    /// So many of these fields are given.
    One(Vec<String>),
    /// A flag that is true.
    True,
    /// A time later than another.
    Later {
        /// The later one.
        field: String,
        /// The earlier one.
        than: String,
    },
}

impl Rule {
    /// Reads a rule's text; `None` = not one of the shapes that are known.
    pub fn read(text: &str) -> Option<Self> {
        if text == "self" {
            return Some(Self::True);
        }
        if let Some((field, than)) = text
            .strip_prefix("self.")
            .and_then(|rest| rest.split_once(" > self."))
        {
            return Some(Self::Later {
                field: field.to_owned(),
                than: than.to_owned(),
            });
        }
        if text.contains("duration(self) <= duration('") {
            let bound = |sign: &str| {
                let (_, rest) = text.split_once(&format!("duration(self) {sign} duration('"))?;
                Duration::parse(rest.split_once('\'')?.0).ok()
            };
            return Some(Self::Duration {
                least: bound(">=").map(|least| least.to_signed()),
                most: bound("<=")?.to_signed(),
            });
        }
        let one_of =
            text.ends_with(".filter(x, x).size() == 1") || text.matches(" != ").count() == 1;
        let names = text
            .split("has(self.")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        let names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        (one_of && names.len() > 1).then_some(Self::One(names))
    }

    /// Whether a value keeps it. What is malformed is the schema's to refuse.
    pub fn holds(&self, node: &Node) -> bool {
        match self {
            Self::Duration { least, most } => match &node.content {
                Content::Text(text) => match Duration::parse(text) {
                    Ok(span) => {
                        least.is_none_or(|least| span.to_signed() >= least)
                            && span.to_signed() <= *most
                    }
                    Err(crate::api::DurationError::TooLong) => false,
                    Err(crate::api::DurationError::Malformed) => true,
                },
                Content::Null
                | Content::Bool(_)
                | Content::Number(_)
                | Content::List(_)
                | Content::Map(_) => true,
            },
            Self::One(names) => {
                let given = |name: &&String| {
                    node.get(name)
                        .is_some_and(|node| !matches!(node.content, Content::Null))
                };
                names.iter().filter(given).count() == 1
            }
            Self::True => matches!(node.content, Content::Bool(true)),
            Self::Later { field, than } => {
                let time = |field: &str| {
                    node.text(field)
                        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
                };
                match (time(field), time(than)) {
                    (Some(later), Some(earlier)) => later > earlier,
                    (Some(_) | None, _) => true,
                }
            }
        }
    }
}

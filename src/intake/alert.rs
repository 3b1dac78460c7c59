//! An alert as every way in hands it on, whatever its wire format was, and the ways in themselves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelValue;
use serde_json::Value;

use crate::api::{Severity, SignalState};
use crate::domain::alert::Report;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelValue)]
pub enum Way {
    /// Alertmanager's webhook.
    Alertmanager,
    /// Grafana's webhook contact point.
    Grafana,
    /// The generic endpoint.
    Alerts,
    /// PagerDuty's Events API v2.
    PagerDutyEvents,
    /// PagerDuty's webhooks: people's answers, not alerts.
    PagerDutyWebhook,
    /// The link in a page: a person's answer.
    Link,
}

impl Way {
    /// How tickets name it: `spec.source.channel` and the beginning of `spec.source.dedupKey`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Alerts => "alerts",
            Self::PagerDutyEvents | Self::PagerDutyWebhook => "pagerduty",
            Self::Link => "link",
        }
    }
}

/// One alert, or one group of them where the configuration asks for a ticket per group.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The way it came in.
    pub way: Way,
    /// What its source knows it by. The same key is the same incident.
    pub key: String,
    /// A word for the ticket's name. It must follow from the key, or one alert could become two tickets.
    pub word: String,
    /// Whether it fires.
    pub state: SignalState,
    /// What the source calls its severity; of a group each word that fires.
    pub severity_words: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it began; of a group the first.
    pub start: Option<Timestamp>,
    /// When the newest of a group began; of a single alert its start.
    pub newest_start: Option<Timestamp>,
    /// When it ended, where the source tells.
    pub end: Option<Timestamp>,
    /// Where more is known about it.
    pub link: Option<String>,
    /// What the sender itself wrote: it goes before templates and labels.
    pub given: Given,
    /// What templates see.
    pub context: Value,
}

/// Fields that a sender may fill in itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Title.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Service.
    pub service: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
}

impl Alert {
    /// What it says, at `now` where the source gives no time.
    pub fn report(&self, severity: Option<Severity>, now: Timestamp) -> Report {
        let said = match self.state {
            SignalState::Firing => self.newest_start,
            SignalState::Resolved => self.end,
        };
        Report {
            state: self.state,
            severity,
            start: self.newest_start,
            time: said.unwrap_or(now),
            only_higher: false,
        }
    }
}

/// The longest beginning of at most `most` characters.
pub fn cut(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map(|(at, _)| at);
    end.map_or(text, |end| &text[..end])
}

/// One line: control characters and line breaks become blanks.
pub fn line(text: &str, most: usize) -> String {
    let shown = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>();
    cut(shown.trim(), most).trim_end().to_owned()
}

/// A DNS label made of any text: lower case, everything else dashes; `None` where nothing is left.
pub fn dns_label(text: &str, most: usize) -> Option<String> {
    let mut label = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit();
        if fits {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
        if label.len() == most {
            break;
        }
    }
    let label = label.trim_end_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{cut, dns_label, line};

    #[test]
    fn any_text_becomes_a_dns_label_or_nothing() {
        for (text, label) in [
            ("checkout", Some("checkout")),
            ("Checkout API (eu)", Some("checkout-api-eu")),
            ("__a__b", Some("a-b")),
            ("🔔", None),
            ("", None),
        ] {
            assert_eq!(dns_label(text, 63).as_deref(), label, "{text}");
        }
        assert_eq!(dns_label("abc def", 4).as_deref(), Some("abc"));
    }

    #[test]
    fn texts_are_cut_between_characters_and_lines_have_no_breaks() {
        assert_eq!(cut("a🔔b", 2), "a🔔");
        assert_eq!(line(" a\nb\u{7}c ", 10), "a b c");
    }
}

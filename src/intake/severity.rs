//! What alerting tools call their severities, as Firebell's four levels.

use std::collections::BTreeMap;

use crate::api::Severity;

/// Words of Prometheus rules, SLO tools (page, ticket), PagerDuty and Grafana, in lower case.
const WORDS: [(Severity, &[&str]); 4] = [
    (
        Severity::Critical,
        &[
            "critical",
            "crit",
            "page",
            "emergency",
            "disaster",
            "fatal",
            "p1",
            "sev1",
        ],
    ),
    (
        Severity::High,
        &["high", "error", "err", "major", "alert", "p2", "sev2"],
    ),
    (
        Severity::Medium,
        &[
            "medium", "warning", "warn", "average", "moderate", "ticket", "p3", "sev3",
        ],
    ),
    (
        Severity::Low,
        &[
            "low",
            "info",
            "information",
            "informational",
            "notice",
            "minor",
            "none",
            "ok",
            "p4",
            "p5",
            "sev4",
            "sev5",
        ],
    ),
];

/// The level that a word means: by the configuration first, else by the usual words. `None` = nobody knows it.
pub fn of_word(word: &str, configured: &BTreeMap<String, Severity>) -> Option<Severity> {
    let word = word.trim().to_lowercase();
    configured.get(&word).copied().or_else(|| {
        let mut rows = WORDS.into_iter();
        rows.find_map(|(level, words)| words.contains(&word.as_str()).then_some(level))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::of_word;
    use crate::api::Severity;

    #[test]
    fn the_words_of_the_usual_tools_are_known_in_any_case_and_the_configuration_goes_first() {
        let none = BTreeMap::new();
        for (word, level) in [
            ("critical", Some(Severity::Critical)),
            ("Page", Some(Severity::Critical)),
            ("error", Some(Severity::High)),
            ("WARNING", Some(Severity::Medium)),
            ("ticket", Some(Severity::Medium)),
            ("info", Some(Severity::Low)),
            ("High", Some(Severity::High)),
            ("purple", None),
        ] {
            assert_eq!(of_word(word, &none), level, "{word}");
        }
        let ours = BTreeMap::from([("page".to_owned(), Severity::High)]);
        assert_eq!(of_word("PAGE", &ours), Some(Severity::High));
    }
}

//! The generic endpoint `/v1/alerts`: one alert or a list, in documented fields. A field nobody knows is a mistake
//! worth telling: a mistyped `severity` would page the wrong people.

use serde::Deserialize;
use serde_json::Value;

use super::alert::{Alert, Given, Way};
use super::severity;
use crate::api::SignalState;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    key: String,
    title: Option<String>,
    description: Option<String>,
    severity: Option<String>,
    service: Option<String>,
    namespace: Option<String>,
    #[serde(default)]
    state: SignalState,
}

/// Reads a body. An error means that nothing of it can be understood.
pub fn read(body: &[u8]) -> Result<Vec<Result<Alert, String>>, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body must be JSON: {error}"))?;
    match value {
        Value::Array(all) if all.is_empty() => {
            Err("the list must hold at least one alert".to_owned())
        }
        Value::Array(all) => {
            let all = all.into_iter().enumerate();
            Ok(all
                .map(|(index, one)| {
                    self::one(one).map_err(|error| format!("alert {index}: {error}"))
                })
                .collect())
        }
        one => Ok(vec![self::one(one)]),
    }
}

fn one(value: Value) -> Result<Alert, String> {
    let context = value.clone();
    let written: Written = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if written.key.trim().is_empty() {
        return Err("`key` must not be empty: the same key is the same incident".to_owned());
    }
    let titled = written
        .title
        .as_deref()
        .is_some_and(|title| !title.trim().is_empty());
    if written.state == SignalState::Firing && !titled {
        return Err("`title` must be given while `state` is Firing".to_owned());
    }
    if let Some(word) = &written.severity {
        let known = severity::of_word(word, &std::collections::BTreeMap::new());
        if known.is_none() {
            return Err(format!(
                "`severity` \"{}\" must be Critical, High, Medium or Low, or a usual word for one",
                super::alert::line(word, 40)
            ));
        }
    }
    Ok(Alert {
        way: Way::Alerts,
        word: written.key.clone(),
        key: written.key,
        state: written.state,
        severity_words: written.severity.into_iter().collect(),
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        start: None,
        newest_start: None,
        end: None,
        link: None,
        given: Given {
            title: written.title,
            description: written.description,
            service: written.service,
            namespace: written.namespace,
        },
        context,
    })
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::api::SignalState;

    #[test]
    fn one_alert_or_a_list_is_read_and_a_mistake_names_its_field() {
        let one = r#"{"key": "disk", "title": "Disk full"}"#;
        let alert = read(one.as_bytes()).unwrap().remove(0).unwrap();
        assert_eq!(
            (alert.state, alert.key.as_str()),
            (SignalState::Firing, "disk")
        );
        let list = format!(r#"[{one}, {{"key": "disk", "state": "Resolved"}}, {{"title": "x"}}]"#);
        let list = read(list.as_bytes()).unwrap();
        assert_eq!(list[1].as_ref().unwrap().state, SignalState::Resolved);
        let wrong = list[2].as_ref().unwrap_err();
        assert!(
            wrong.contains("alert 2") && wrong.contains("`key`"),
            "{wrong}"
        );
        for (text, word) in [
            (
                r#"{"key": "k", "title": "t", "sevrity": "High"}"#,
                "sevrity",
            ),
            (
                r#"{"key": "k", "title": "t", "severity": "purple"}"#,
                "`severity` \"purple\"",
            ),
            (r#"{"key": " ", "title": "t"}"#, "`key`"),
            (r#"{"key": "k"}"#, "`title`"),
            (r#"{"key": "k", "title": "t", "state": "Over"}"#, "Over"),
        ] {
            let error = read(text.as_bytes()).unwrap().remove(0).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        for text in ["[]", "{"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}

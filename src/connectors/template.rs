//! `connector.template`: another form for the same message, written by whoever writes the policy.
//!
//! The values are the documented webhook body. Templates run in a sandbox: no files, no includes, a bounded number of
//! steps and a bounded result; what is not there is an error, not an empty text. A Webhook's template must give JSON:
//! each value is written as JSON, so that a title can never become structure. Other types take its text as their
//! sentence. Policies are checked with a sample, so that a template is found out before the page that needs it.

use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Audience, Connector, ConnectorType, EscalationPolicySpec};
use crate::connectors::render::cut;
use crate::domain::policy::{ItemCode, OpenItem};

/// Steps of one rendering.
const FUEL: u64 = 100_000;
/// Longest result.
const RESULT_BYTES: usize = 256 * 1024;
/// Longest words about an error.
const ERROR_CHARS: usize = 240;

/// Renders the body of a webhook.
pub(super) fn json(source: &str, values: &impl Serialize) -> Result<Vec<u8>, String> {
    let body = render(source, AutoEscape::Json, values)?;
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => Ok(body),
        Err(error) => Err(wrong(&format!(
            "it must give JSON (line {}, column {} of the result is not); values are written as JSON by themselves, so put no quotes around them",
            error.line(),
            error.column(),
        ))),
    }
}

/// Renders a text.
pub(super) fn text(source: &str, values: &impl Serialize) -> Result<String, String> {
    let text = render(source, AutoEscape::None, values)?;
    String::from_utf8(text).map_err(|_| wrong("it must give UTF-8 text"))
}

/// What is wrong with the templates of a policy, found by a sample.
pub fn open_items(spec: &EscalationPolicySpec) -> Vec<OpenItem> {
    let wrong = |(index, connector): (usize, &Connector)| {
        let message = check(connector)?;
        Some(OpenItem {
            code: ItemCode::TemplateInvalid,
            path: format!("spec.connectors[{index}].template"),
            message: format!(
                "nothing leaves by connector \"{}\": {message}",
                connector.name
            ),
        })
    };
    let connectors = spec.connectors.iter().enumerate();
    connectors.filter_map(wrong).collect()
}

/// Why a connector's template cannot be used; `None` = it can, or there is none.
fn check(connector: &Connector) -> Option<String> {
    let source = connector.template.as_deref()?;
    let sample = sample(connector.audience);
    match connector.type_ {
        ConnectorType::Webhook => json(source, &sample).err(),
        ConnectorType::Slack
        | ConnectorType::MSTeams
        | ConnectorType::PagerDuty
        | ConnectorType::Email => text(source, &sample).err(),
    }
}

fn render(source: &str, escape: AutoEscape, values: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.set_fuel(Some(FUEL));
    let mut result = Bounded(Vec::new());
    let rendered = environment
        .template_from_named_str("template", source)
        .and_then(|template| template.render_captured_to(values_of(values), &mut result));
    match rendered {
        Ok(_) => Ok(result.0),
        Err(error) => Err(wrong(&words(&error))),
    }
}

fn values_of(values: &impl Serialize) -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(values))
}

/// What the library says, without what it may quote of the values.
fn words(error: &minijinja::Error) -> String {
    let place = error
        .line()
        .map(|line| format!(" in line {line}"))
        .unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::SyntaxError => error
            .detail()
            .map_or_else(|| "it cannot be read".to_owned(), str::to_owned),
        ErrorKind::UndefinedError => {
            "it names a value that this message does not have; ask with `is defined` first"
                .to_owned()
        }
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        ErrorKind::WriteFailure => {
            format!("its result must be at most {RESULT_BYTES} bytes long")
        }
        other => other.to_string(),
    };
    format!("{what}{place}")
}

fn wrong(why: &str) -> String {
    format!("`template` cannot be used: {}", cut(why, ERROR_CHARS))
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RESULT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message that has every value a message can have for this audience.
fn sample(audience: Audience) -> Value {
    let ticket = json!({"title": "Sample", "severity": "High", "phase": "Submitted"});
    let summary = json!({"impact": "i", "cause": "c", "fix": "f", "prevention": "p"});
    let mut message = json!({
        "type": "firebell.page.v1", "timestamp": "2026-01-02T03:04:05Z",
        "data": {
            "id": "0123456789abcdef0123456789abcdef", "kind": "Page", "ticket": ticket,
            "update": {"message": "u"}, "resolutionSummary": summary,
        },
    });
    let internal = json!({
        "round": 1, "step": "on-call", "repeat": 0, "to": {"name": "alice"}, "why": "why",
        "next": {"what": "what", "time": "2026-01-02T03:09:05Z"},
        "links": {"acknowledge": "https://firebell.example/a"},
        "by": "alice", "note": "note", "expectation": "expectation",
    });
    if audience == Audience::Internal {
        for (name, value) in internal.as_object().into_iter().flatten() {
            message["data"][name] = value.clone();
        }
        for name in ["namespace", "name", "uid", "service", "assignee"] {
            message["data"]["ticket"][name] = json!(name);
        }
        message["data"]["update"]["audience"] = json!("Internal");
    }
    message
}

#[cfg(test)]
mod tests;

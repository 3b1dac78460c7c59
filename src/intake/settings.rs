//! The intake's configuration: which alert becomes a ticket where, of which service, how severe, in which words.
//!
//! Fields: `api.md` section 6 "Intake". What is checked here once holds afterwards: a configuration that has a fault
//! is not taken, and a template that fails on one alert costs its words, never the alert.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use minijinja::{Environment, UndefinedBehavior};
use serde::Deserialize;
use thiserror::Error;

use super::alert::{Alert, cut, dns_label, line};
use super::severity;
use crate::api::Severity;

/// Key of the ConfigMap.
pub const KEY: &str = "intake.yaml";
/// New tickets per minute and source, unless configured.
const NEW_TICKETS: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");
/// What a template may cost: about so many instructions, or 64 times as many bytes.
const FUEL: u64 = 20_000;
const TITLE_MOST: usize = 200;
const DESCRIPTION_MOST: usize = 8192;
/// Where the service stands, unless configured.
const SERVICE_LABELS: [&str; 3] = ["service", "app", "job"];

/// Why a configuration is not taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The ConfigMap has no such key.
    #[error("the ConfigMap must have the key \"{KEY}\"")]
    NoKey,
    /// The text is no YAML of the known fields.
    #[error("\"{KEY}\" cannot be read: {0}")]
    Unreadable(String),
    /// No alert could become a ticket.
    #[error(
        "no alert would find a namespace: `defaultNamespace` must be set, or `namespaceLabel` and `allowedNamespaces`"
    )]
    NoNamespace,
    /// A name that no namespace can have.
    #[error("\"{0}\" must be the name of a namespace: lower-case letters, digits and dashes")]
    NotANamespace(String),
    /// A template that is none.
    #[error("`{field}` must be a template: {what}")]
    Template {
        /// The field.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl SettingsError {
    /// A bounded word for Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoKey => "KeyMissing",
            Self::Unreadable(_) => "Unreadable",
            Self::NoNamespace => "NoNamespace",
            Self::NotANamespace(_) => "BadNamespace",
            Self::Template { .. } => "BadTemplate",
        }
    }
}

/// What a ticket stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TicketPer {
    /// Each alert by itself.
    #[default]
    Alert,
    /// Each group of Alertmanager or Grafana.
    Group,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Written {
    default_namespace: Option<String>,
    namespace_label: Option<String>,
    allowed_namespaces: Vec<String>,
    service_labels: Option<Vec<String>>,
    severity_label: Option<String>,
    severities: BTreeMap<String, Severity>,
    title: Option<String>,
    description: Option<String>,
    ticket_per: TicketPer,
    new_tickets_per_minute: Option<NonZeroU32>,
}

/// A configuration that was checked.
#[derive(Debug)]
pub struct Settings {
    default_namespace: Option<String>,
    namespace_label: Option<String>,
    allowed: BTreeSet<String>,
    service_labels: Vec<String>,
    /// The label that holds the severity.
    pub severity_label: String,
    severities: BTreeMap<String, Severity>,
    templates: Environment<'static>,
    /// What a ticket stands for.
    pub ticket_per: TicketPer,
    /// New tickets per minute and way in; what comes above becomes one aggregate ticket.
    pub new_tickets_per_minute: NonZeroU32,
}

/// No namespace for an alert.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NamespaceError {
    /// It asks for one that is not on the list.
    #[error(
        "namespace \"{0}\" is not allowed; add it to `allowedNamespaces` of the intake's configuration"
    )]
    NotAllowed(String),
    /// It names none, and there is no default.
    #[error(
        "the alert names no namespace (label \"{label}\"), and the intake's configuration has no `defaultNamespace`"
    )]
    Unknown {
        /// The label that should name it.
        label: String,
    },
}

impl Settings {
    /// Reads and checks the text of the ConfigMap's key.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        // An empty document means that nothing is set.
        let written: Option<Written> = serde_saphyr::from_str(text)
            .map_err(|error| SettingsError::Unreadable(line(&error.to_string(), 400)))?;
        let written = written.unwrap_or_default();
        let names = written.allowed_namespaces.iter();
        let allowed: BTreeSet<String> = names.chain(&written.default_namespace).cloned().collect();
        if let Some(wrong) = allowed
            .iter()
            .find(|name| dns_label(name, 63).as_ref() != Some(*name))
        {
            return Err(SettingsError::NotANamespace(line(wrong, 63)));
        }
        let by_label = written.namespace_label.is_some() && !allowed.is_empty();
        if written.default_namespace.is_none() && !by_label {
            return Err(SettingsError::NoNamespace);
        }
        let severities = written.severities.into_iter();
        Ok(Self {
            templates: templates(written.title, written.description)?,
            default_namespace: written.default_namespace,
            namespace_label: written.namespace_label,
            allowed,
            service_labels: written
                .service_labels
                .unwrap_or_else(|| SERVICE_LABELS.map(str::to_owned).to_vec()),
            severity_label: written
                .severity_label
                .unwrap_or_else(|| "severity".to_owned()),
            severities: severities
                .map(|(word, level)| (word.trim().to_lowercase(), level))
                .collect(),
            ticket_per: written.ticket_per,
            new_tickets_per_minute: written.new_tickets_per_minute.unwrap_or(NEW_TICKETS),
        })
    }

    /// Every namespace that tickets may be created in.
    pub fn namespaces(&self) -> &BTreeSet<String> {
        &self.allowed
    }

    /// Where the alert's ticket belongs.
    pub fn namespace(&self, alert: &Alert) -> Result<String, NamespaceError> {
        let label = self.namespace_label.as_deref();
        let named = label.and_then(|label| alert.labels.get(label));
        let wanted = alert
            .given
            .namespace
            .as_ref()
            .or(named)
            .or(self.default_namespace.as_ref());
        match wanted {
            Some(wanted) if self.allowed.contains(wanted) => Ok(wanted.clone()),
            Some(wanted) => Err(NamespaceError::NotAllowed(line(wanted, 63))),
            None => Err(NamespaceError::Unknown {
                label: label.unwrap_or("namespace").to_owned(),
            }),
        }
    }

    /// The service: the first of the labels that gives one.
    pub fn service(&self, alert: &Alert) -> Option<String> {
        let given = alert.given.service.as_deref();
        let labels = self.service_labels.iter();
        let mut words = given
            .into_iter()
            .chain(labels.filter_map(|label| alert.labels.get(label).map(String::as_str)));
        words.find_map(|word| dns_label(word, 63))
    }

    /// The severity: the highest of the alert's words; `None` = left to the policy.
    pub fn severity(&self, alert: &Alert) -> Option<Severity> {
        let words = alert.severity_words.iter();
        words
            .filter_map(|word| severity::of_word(word, &self.severities))
            .max()
    }

    /// The title, 1 to 200 characters; and what is wrong with the template, if it failed.
    pub fn title(&self, alert: &Alert) -> (String, Option<String>) {
        let (text, fault) = self.words("title", alert);
        let text = alert.given.title.clone().or(text);
        let shown = line(&text.unwrap_or_else(|| usual_title(alert)), TITLE_MOST);
        let shown = if shown.is_empty() {
            "Alert".to_owned()
        } else {
            shown
        };
        (shown, fault)
    }

    /// The description, at most 8192 characters; and what is wrong with the template, if it failed.
    pub fn description(&self, alert: &Alert) -> (String, Option<String>) {
        let (text, fault) = self.words("description", alert);
        let text = alert.given.description.clone().or(text);
        let text = text.unwrap_or_else(|| usual_description(alert));
        (cut(&text, DESCRIPTION_MOST).to_owned(), fault)
    }

    fn words(&self, field: &'static str, alert: &Alert) -> (Option<String>, Option<String>) {
        let Ok(template) = self.templates.get_template(field) else {
            return (None, None);
        };
        match template.render(minijinja::value::Serde(&alert.context)) {
            Ok(text) => (Some(text), None),
            Err(error) => {
                let fault = format!(
                    "template `{field}` failed on this alert, the usual words stand instead: {error}"
                );
                (None, Some(line(&fault, 300)))
            }
        }
    }
}

fn templates(
    title: Option<String>,
    description: Option<String>,
) -> Result<Environment<'static>, SettingsError> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_fuel(Some(FUEL));
    templates.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for (field, text) in [("title", title), ("description", description)] {
        let Some(text) = text else { continue };
        templates
            .add_template_owned(field, text)
            .map_err(|error| SettingsError::Template {
                field,
                what: line(&error.to_string(), 300),
            })?;
    }
    Ok(templates)
}

fn usual_title(alert: &Alert) -> String {
    let annotations = ["summary", "title"].into_iter();
    let words = annotations.filter_map(|name| alert.annotations.get(name));
    let named = words.chain(alert.labels.get("alertname"));
    let mut lines = named.filter(|text| !text.trim().is_empty());
    lines.next().unwrap_or(&alert.key).clone()
}

fn usual_description(alert: &Alert) -> String {
    let mut text = String::new();
    let mut told = ["description", "message"].into_iter();
    let told = told.find_map(|name| alert.annotations.get(name));
    if let Some(told) = told {
        text.push_str(told.trim());
        text.push_str("\n\n");
    }
    for (name, value) in &alert.labels {
        text.extend(["- ", name, ": ", value, "\n"]);
    }
    let links = ["runbook_url", "dashboard_url"].into_iter();
    let links = links.filter_map(|name| alert.annotations.get(name));
    for link in links.chain(&alert.link) {
        text.extend(["\n", link]);
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;

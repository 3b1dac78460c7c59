use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::api::SignalState;
use crate::intake::alert::{Given, Way};

fn alert(labels: &[(&str, &str)]) -> Alert {
    let pairs = labels.iter();
    let labels: BTreeMap<String, String> = pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Alert {
        way: Way::Alertmanager,
        key: "f1".into(),
        word: "f1".into(),
        state: SignalState::Firing,
        severity_words: labels.get("severity").cloned().into_iter().collect(),
        context: json!({"labels": labels, "annotations": {}}),
        labels,
        annotations: BTreeMap::new(),
        start: None,
        newest_start: None,
        end: None,
        link: None,
        given: Given::default(),
    }
}

#[test]
fn nothing_but_a_way_to_a_namespace_has_to_be_set() {
    let settings = Settings::parse("defaultNamespace: shop").unwrap();
    let (title, fault) = settings.title(&alert(&[("alertname", "DiskFull")]));
    assert_eq!((title.as_str(), fault), ("DiskFull", None));
    assert_eq!(settings.namespace(&alert(&[])).unwrap(), "shop");
    for text in ["", "namespaceLabel: team", "allowedNamespaces: [shop]"] {
        assert_eq!(
            Settings::parse(text).unwrap_err(),
            SettingsError::NoNamespace,
            "{text}"
        );
    }
}

#[test]
fn a_configuration_with_a_fault_is_not_taken_and_the_fault_is_named() {
    for (text, words) in [
        ("defaultNamespace: Shop_1", "\"Shop_1\" must be the name"),
        ("defaultNamespace: shop\nseverties: {}", "severties"),
        ("defaultNamespace: shop\nseverities: {page: Worst}", "Worst"),
        (
            "defaultNamespace: shop\ntitle: '{{ labels.'",
            "`title` must be a template",
        ),
        ("defaultNamespace: shop\nnewTicketsPerMinute: 0", "zero"),
        ("[", "cannot be read"),
    ] {
        let error = Settings::parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_label_leads_to_a_namespace_that_is_allowed_and_to_no_other() {
    let text = "namespaceLabel: team\nallowedNamespaces: [shop, bank]";
    let settings = Settings::parse(text).unwrap();
    assert_eq!(
        settings.namespace(&alert(&[("team", "bank")])).unwrap(),
        "bank"
    );
    assert_eq!(
        settings.namespace(&alert(&[("team", "kube-system")])),
        Err(NamespaceError::NotAllowed("kube-system".into()))
    );
    let unknown = settings.namespace(&alert(&[])).unwrap_err().to_string();
    assert!(unknown.contains("label \"team\""), "{unknown}");
}

#[test]
fn the_service_is_the_first_label_that_gives_one_as_a_dns_label() {
    let settings = Settings::parse("defaultNamespace: shop").unwrap();
    let found = |labels: &[(&str, &str)]| settings.service(&alert(labels));
    assert_eq!(
        found(&[("job", "node"), ("service", "Check_Out")]).as_deref(),
        Some("check-out")
    );
    assert_eq!(
        found(&[("job", "node"), ("service", "")]).as_deref(),
        Some("node")
    );
    assert_eq!(found(&[]), None);
}

#[test]
fn the_highest_known_word_is_the_severity() {
    let text = "defaultNamespace: shop\nseverities: {Purple: Critical}";
    let settings = Settings::parse(text).unwrap();
    let mut alert = alert(&[]);
    alert.severity_words = vec!["warning".into(), "purple".into(), "odd".into()];
    assert_eq!(settings.severity(&alert), Some(Severity::Critical));
    alert.severity_words = vec!["odd".into()];
    assert_eq!(settings.severity(&alert), None);
}

#[test]
fn a_template_that_fails_on_an_alert_costs_its_words_only() {
    let text = "defaultNamespace: shop\ntitle: '{{ labels.alertname }} in {{ labels.region }}'";
    let settings = Settings::parse(text).unwrap();
    let (title, fault) = settings.title(&alert(&[("alertname", "DiskFull"), ("region", "eu")]));
    assert_eq!((title.as_str(), fault), ("DiskFull in eu", None));
    let (title, fault) = settings.title(&alert(&[("alertname", "DiskFull")]));
    assert_eq!(title, "DiskFull");
    assert!(fault.unwrap().contains("`title` failed"));
}

#[test]
fn a_template_cannot_run_for_ever_or_grow_without_end() {
    for title in [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000 }}",
    ] {
        let text = format!("defaultNamespace: shop\ntitle: \"{title}\"");
        let settings = Settings::parse(&text).unwrap();
        let (title, fault) = settings.title(&alert(&[("alertname", "DiskFull")]));
        assert_eq!(title, "DiskFull");
        assert!(fault.is_some());
    }
}

#[test]
fn texts_fit_the_ticket_whatever_the_alert_says() {
    let settings = Settings::parse("defaultNamespace: shop").unwrap();
    let mut alert = alert(&[("a", "b")]);
    alert.annotations = BTreeMap::from([
        ("summary".to_owned(), "🔔\n".repeat(500)),
        ("description".to_owned(), "ä".repeat(20_000)),
    ]);
    assert!(settings.title(&alert).0.chars().count() <= 200);
    assert_eq!(settings.description(&alert).0.chars().count(), 8192);
    alert.annotations.clear();
    alert.key = "\n".into();
    alert.labels.clear();
    assert_eq!(settings.title(&alert).0, "Alert");
}

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn values(title: &str) -> Value {
    let mut sample = sample(Audience::Internal);
    sample["data"]["ticket"]["title"] = json!(title);
    sample
}

const BODY: &str = r#"{"text": {{ data.ticket.title }}, "fields": [{"v": {{ data.ticket.severity | lower }}}], "again": {{ data.ticket | tojson }}}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_title_stays_one_text_of_the_json_whatever_stands_in_it(title in any::<String>()) {
        let body: Value = serde_json::from_slice(&json(BODY, &values(&title)).unwrap()).unwrap();
        prop_assert_eq!(body["text"].as_str(), Some(title.as_str()));
        prop_assert_eq!(body["again"]["title"].as_str(), Some(title.as_str()));
        prop_assert_eq!(body.as_object().unwrap().len(), 3);
    }
}

#[test]
fn a_title_that_imitates_structure_changes_nothing_of_it() {
    for title in [
        r#"x", "admin": true, "y": ""#,
        "\\\"}",
        "{{ 7 * 7 }}",
        "{% raw %}",
    ] {
        let body: Value = serde_json::from_slice(&json(BODY, &values(title)).unwrap()).unwrap();
        assert_eq!(body["text"], title);
        assert_eq!(body["fields"][0]["v"], "high");
    }
}

#[rstest]
#[case::syntax("{{ data.ticket.title", "line 1")]
#[case::undefined("{\"a\": {{ data.nothing }}}", "`is defined`")]
#[case::no_json("hello", "must give JSON")]
#[case::quoted("{\"a\": \"{{ data.ticket.title }}\"}", "put no quotes")]
#[case::endless(
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}[]",
    "too many steps"
)]
#[case::huge("{{ 'xxxxxxxxxx' * 100000 }}", "at most")]
#[case::include("{% include 'other' %}", "`template` cannot be used")]
fn a_template_that_cannot_be_used_says_why(#[case] source: &str, #[case] why: &str) {
    let error = json(source, &values("secret title")).unwrap_err();
    assert!(
        error.starts_with("`template` cannot be used: ") && error.contains(why),
        "{error}"
    );
    assert!(
        !error.contains("secret title"),
        "no value is quoted: {error}"
    );
}

#[test]
fn a_policy_is_told_of_a_broken_template_and_of_no_other() {
    let connector = |name: &str, type_, template: Option<&str>| Connector {
        name: name.into(),
        type_,
        template: template.map(str::to_owned),
        ..Connector::default()
    };
    let spec = EscalationPolicySpec {
        connectors: vec![
            connector("none", ConnectorType::Webhook, None),
            connector("good", ConnectorType::Webhook, Some(BODY)),
            connector("broken", ConnectorType::Webhook, Some("{{")),
            connector("text", ConnectorType::Slack, Some("{{ data.why }}")),
            connector("typo", ConnectorType::Email, Some("{{ data.whi }}")),
        ],
        ..EscalationPolicySpec::default()
    };
    let items = open_items(&spec);
    let paths: Vec<_> = items.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(
        paths,
        ["spec.connectors[2].template", "spec.connectors[4].template"]
    );
    assert!(
        items[0].message.contains("connector \"broken\""),
        "{}",
        items[0]
    );
}

#[test]
fn a_template_for_customers_cannot_name_what_they_may_not_see() {
    let mut connector = Connector {
        template: Some("{\"why\": {{ data.why }}}".into()),
        ..Connector::default()
    };
    assert_eq!(check(&connector), None);
    connector.audience = Audience::Customers;
    assert!(check(&connector).is_some());
}

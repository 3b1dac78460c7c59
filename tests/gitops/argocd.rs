//! The Argo CD health scripts, by a real Lua interpreter with nothing but what Argo CD gives them.

use mlua::{Lua, Table};
use serde_json::Value;

use crate::{BROKEN, example, object, rows};

fn script(kind: &str) -> String {
    let config: Value = serde_saphyr::from_str(&example("argocd/argocd-cm.yaml")).unwrap();
    let key = format!("resource.customizations.health.firebell.dev_{kind}");
    config["data"][&key]
        .as_str()
        .unwrap_or_else(|| panic!("no script for {kind}"))
        .to_owned()
}

/// A value as Lua writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => format!(
            "{{{}}}",
            items.iter().map(literal).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("[{name:?}] = {}", literal(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Status and message that the script of an object's kind answers.
fn health(object: &Value) -> (String, String) {
    let lua = Lua::new();
    lua.load(format!("obj = {}", literal(object)))
        .exec()
        .unwrap();
    let kind = object["kind"].as_str().unwrap();
    let answer: Table = lua.load(script(kind)).eval().unwrap();
    (
        answer.get("status").unwrap(),
        answer.get("message").unwrap(),
    )
}

#[test]
fn argocd_says_of_each_state_what_the_docs_say() {
    for (what, object, argocd, _) in rows() {
        assert_eq!(health(&object).0, argocd, "{what}");
    }
}

#[test]
fn argocd_shows_the_operators_own_words_on_an_error() {
    let (status, message) = health(&object("EscalationPolicy", (2, Some(2)), &BROKEN));
    assert_eq!(
        (status.as_str(), message.as_str()),
        ("Degraded", BROKEN[1].2)
    );
}

#[test]
fn the_three_kinds_have_the_same_script() {
    assert_eq!(script("EscalationPolicy"), script("Ticket"));
    assert_eq!(script("Ticket"), script("RCA"));
}

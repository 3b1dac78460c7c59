use super::*;
use crate::api::ConnectorType;
use crate::connectors::tests::{bundle, delivery, saying, to_customers, way};

fn words(way: &Way) -> Words {
    Words::of(&delivery(), way).unwrap()
}

#[test]
fn only_links_to_web_pages_become_buttons() {
    let words = words(&way(ConnectorType::Slack));
    let links: Vec<_> = words.links.iter().map(|link| link.label.as_str()).collect();
    assert_eq!(links, ["Acknowledge"]);
}

#[test]
fn customers_get_no_reason_no_link_and_no_names() {
    let words = words(&to_customers(way(ConnectorType::Slack)));
    assert_eq!((words.why, words.next, words.links), (None, None, vec![]));
    let facts: Vec<_> = words.facts.iter().map(|fact| fact.label).collect();
    assert_eq!(facts, ["Phase"]);
}

#[test]
fn control_and_bidirectional_characters_are_not_shown() {
    let words = Words::of(&saying("a\u{202e}b\r\nc\u{0}d"), &way(ConnectorType::Email)).unwrap();
    assert_eq!(words.title, "a b  c d");
    let note = words
        .texts
        .iter()
        .find(|text| text.label == "Note")
        .unwrap();
    assert_eq!(note.text, "a b\nc d");
}

#[test]
fn a_template_replaces_the_sentence_and_one_that_cannot_be_used_sends_nothing() {
    let mut way = way(ConnectorType::Slack);
    way.connector.template = Some("{{ data.ticket.title }} <{{ data.step }}>".into());
    assert_eq!(
        words(&way).why.as_deref(),
        Some("Checkout returns 5xx <on-call>")
    );
    way.connector.template = Some("{{ data.nothing }}".into());
    let error = Words::of(&delivery(), &way).unwrap_err();
    assert!(error.contains("`template`"), "{error}");
}

#[test]
fn texts_are_cut_between_characters_and_marked() {
    assert_eq!(cut("ünïcödé", 7), "ünïcödé");
    assert_eq!(cut("ünïcödé", 4), "ünï…");
    assert_eq!(cut("\u{1f525}\u{1f525}\u{1f525}", 2), "\u{1f525}…");
}

#[test]
fn a_bundle_has_one_line_for_each_ticket() {
    let Say::Bundle(all) = Say::parcel(&bundle(3), &way(ConnectorType::Slack)).unwrap() else {
        panic!("three are a bundle")
    };
    let lines: Vec<String> = Say::lines(&all).collect();
    assert_eq!(lines[1], "[High] Checkout returns 5xx (shop/t-1): Page");
    assert_eq!(Say::Bundle(all).headline(), "[High] 3 messages at once");
}

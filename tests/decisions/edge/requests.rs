//! api.md section 5, row "`atLeast`, `pageAgain`".

use crate::world::{acknowledge, at, example, pages};
use firebell::api::EscalationRequest;

#[test]
fn at_least_pages_that_step_whatever_the_acknowledgement_and_page_again_pages_the_current_one() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    let request = |at_least: Option<&str>, again: Option<&str>| EscalationRequest {
        at_least: at_least.map(str::to_owned),
        page_again: again.map(str::to_owned),
        by: "bob".into(),
        note: None,
        token: None,
    };
    let go = request(Some("director"), None);
    model.edit_at(at("10:04"), "escalation", move |spec| {
        spec.escalation = Some(go.clone());
    });
    let both = request(Some("director"), Some("t1"));
    model.edit_at(at("10:06"), "escalation", move |spec| {
        spec.escalation = Some(both.clone());
    });
    model.run_until(at("10:07"));
    let carol: Vec<_> = model
        .received
        .iter()
        .filter(|got| got.to == "carol")
        .collect();
    assert_eq!(carol.len(), 2);
    assert_ne!(carol[0].id, carol[1].id);
}

#[test]
fn an_unknown_step_is_refused_with_words_and_the_chain_goes_on() {
    let mut model = example();
    model.edit_at(at("10:01"), "escalation", |spec| {
        spec.escalation = Some(EscalationRequest {
            at_least: Some("nobody".into()),
            page_again: None,
            by: "bob".into(),
            note: None,
            token: None,
        });
    });
    model.run_until(at("10:05"));
    let condition = model
        .status()
        .conditions
        .into_iter()
        .find(|known| known.type_ == "EscalationRequested")
        .unwrap();
    assert_eq!(condition.reason, "UnknownStep");
    assert_eq!(pages(&model).len(), 2);
}

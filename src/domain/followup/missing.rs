//! What an RCA still lacks: the sections that its policies ask for, and of each open action an owner and a due time.

use std::collections::BTreeSet;

use super::actions::is_open;
use crate::api::{RcaSection, RcaSpec};

/// Names listed in `status.missing`.
const MOST: usize = 32;

/// The names of what is missing, sections first, as `status.missing` shows them.
pub fn missing(spec: &RcaSpec, sections: &BTreeSet<RcaSection>) -> Vec<String> {
    let empty = sections
        .iter()
        .filter(|section| !is_filled(spec, **section));
    let mut missing: Vec<String> = empty.map(|section| name(*section).to_owned()).collect();
    for action in spec
        .corrective_actions
        .iter()
        .filter(|action| is_open(action.state))
    {
        if action.owner.is_none() {
            missing.push(format!("correctiveActions[{}].owner", action.id));
        }
        if action.due_time.is_none() {
            missing.push(format!("correctiveActions[{}].dueTime", action.id));
        }
    }
    let known = |id: &String| spec.root_causes.iter().any(|cause| cause.id == *id);
    for action in &spec.corrective_actions {
        if action.root_cause.as_ref().is_some_and(|id| !known(id)) {
            missing.push(format!("correctiveActions[{}].rootCause", action.id));
        }
    }
    if missing.len() > MOST {
        let more = missing.len() - (MOST - 1);
        missing.truncate(MOST - 1);
        missing.push(format!("and {more} more"));
    }
    missing
}

/// The field that a section is.
fn name(section: RcaSection) -> &'static str {
    match section {
        RcaSection::Summary => "summary",
        RcaSection::Impact => "impact",
        RcaSection::Detection => "detection",
        RcaSection::Trigger => "trigger",
        RcaSection::RootCauses => "rootCauses",
        RcaSection::ContributingFactors => "contributingFactors",
        RcaSection::WentWell => "wentWell",
        RcaSection::WentWrong => "wentWrong",
        RcaSection::GotLucky => "gotLucky",
        RcaSection::Timeline => "timeline",
        RcaSection::CorrectiveActions => "correctiveActions",
        RcaSection::Knowledge => "knowledge",
    }
}

fn is_filled(spec: &RcaSpec, section: RcaSection) -> bool {
    let text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let list = |list: &[String]| list.iter().any(|text| !text.trim().is_empty());
    match section {
        RcaSection::Summary => text(&spec.summary),
        RcaSection::Impact => spec
            .impact
            .as_ref()
            .is_some_and(|impact| text(&impact.users) || text(&impact.detail)),
        RcaSection::Detection => text(&spec.detection),
        RcaSection::Trigger => text(&spec.trigger),
        RcaSection::RootCauses => !spec.root_causes.is_empty(),
        RcaSection::ContributingFactors => list(&spec.contributing_factors),
        RcaSection::WentWell => list(&spec.went_well),
        RcaSection::WentWrong => list(&spec.went_wrong),
        RcaSection::GotLucky => list(&spec.got_lucky),
        RcaSection::Timeline => !spec.timeline.is_empty(),
        RcaSection::CorrectiveActions => !spec.corrective_actions.is_empty(),
        RcaSection::Knowledge => !spec.knowledge.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: Value, sections: Value) -> Vec<String> {
        let spec = serde_json::from_value(spec).unwrap();
        missing(&spec, &serde_json::from_value(sections).unwrap())
    }

    #[test]
    fn each_section_that_is_asked_for_is_missing_until_it_says_something() {
        let filled = json!({
            "summary": "s", "impact": {"users": "2 %"}, "detection": "d", "trigger": "t",
            "rootCauses": [{"id": "rc1", "statement": "s"}], "contributingFactors": ["c"], "wentWell": ["w"],
            "wentWrong": ["w"], "gotLucky": ["g"], "timeline": [{"time": "2026-01-05T09:00:00Z", "text": "t"}],
            "correctiveActions": [{"id": "a", "title": "t", "type": "Prevent", "owner": "bob", "dueTime": "2026-02-01T00:00:00Z"}],
            "knowledge": [{"kind": "Runbook", "title": "t"}],
        });
        for (section, said) in filled.as_object().unwrap() {
            assert_eq!(of(json!({}), json!([section])), [section.as_str()]);
            assert!(
                of(json!({section: said}), json!([section])).is_empty(),
                "{section}"
            );
        }
        assert!(
            of(json!({}), json!([])).is_empty(),
            "nothing asked, nothing missing"
        );
        assert_eq!(
            of(json!({"summary": "  "}), json!(["summary"])),
            ["summary"]
        );
        let dates = json!({"impact": {"startTime": "2026-01-05T09:00:00Z"}});
        assert_eq!(
            of(dates, json!(["impact"])),
            ["impact"],
            "dates say no impact"
        );
    }

    #[test]
    fn an_open_action_needs_an_owner_a_due_time_and_a_root_cause_that_is_there() {
        let actions = json!({"correctiveActions": [
            {"id": "open", "title": "t", "type": "Prevent", "rootCause": "rc9"},
            {"id": "going", "title": "t", "type": "Prevent", "owner": "bob", "state": "InProgress"},
            {"id": "done", "title": "t", "type": "Prevent", "state": "Done"},
            {"id": "not", "title": "t", "type": "Prevent", "state": "Cancelled", "reason": "r"},
        ]});
        let wanted = [
            "correctiveActions[open].owner",
            "correctiveActions[open].dueTime",
            "correctiveActions[going].dueTime",
            "correctiveActions[open].rootCause",
        ];
        assert_eq!(of(actions, json!([])), wanted);
    }

    #[test]
    fn an_action_may_name_any_of_the_root_causes_that_are_there() {
        let spec = json!({
            "rootCauses": [{"id": "rc1", "statement": "s"}, {"id": "rc2", "statement": "s"}],
            "correctiveActions": [
                {"id": "a", "title": "t", "type": "Prevent", "state": "Done", "rootCause": "rc1"},
                {"id": "b", "title": "t", "type": "Prevent", "state": "Done", "rootCause": "rc3"},
            ],
        });
        assert_eq!(of(spec, json!([])), ["correctiveActions[b].rootCause"]);
    }

    #[test]
    fn of_more_than_32_the_rest_is_counted() {
        let action = |number| json!({"id": format!("a{number}"), "title": "t", "type": "Prevent"});
        let actions: Vec<Value> = (0..20).map(action).collect();
        let missing = of(json!({"correctiveActions": actions}), json!([]));
        assert_eq!(missing.len(), 32);
        assert_eq!(missing[31], "and 9 more");
        let exactly: Vec<Value> = (0..16).map(action).collect();
        let missing = of(json!({"correctiveActions": exactly}), json!([]));
        assert_eq!(missing.len(), 32);
        assert_eq!(missing[31], "correctiveActions[a15].dueTime");
    }
}

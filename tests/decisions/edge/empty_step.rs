//! api.md section 5, row "Nobody reachable in a step".

use crate::world::{EXAMPLE, at, pages, with_policy};
use firebell::api::StepResult;

#[test]
fn a_step_that_reaches_nobody_is_skipped_at_once_and_said() {
    let text = EXAMPLE
        .replace("notify: [{contact: alice}]", "notify: [{group: empty}]")
        .replace(
            "contacts:",
            "groups:\n- {name: empty, members: []}\ncontacts:",
        );
    let mut model = with_policy(&text);
    model.run_until(at("10:01"));
    assert_eq!(pages(&model), ["10:00 manager round 1"]);
    let first = &model.status().escalation.unwrap().steps[0];
    assert_eq!(first.result, StepResult::SkippedEmpty);
}

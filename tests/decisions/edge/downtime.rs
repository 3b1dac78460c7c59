//! api.md section 5, row "Downtime".

use crate::world::{at, example};
use firebell::api::StepResult;

#[test]
fn after_downtime_the_armed_step_leaves_and_everybody_missed_is_told_once() {
    let mut model = example();
    model.run_until(at("10:01"));
    model.now = at("10:50");
    model.run_until(at("10:51"));
    let got: Vec<_> = model.received[1..]
        .iter()
        .map(|got| got.to.as_str())
        .collect();
    assert_eq!(got, ["alice", "bob", "carol"]);
    let steps = model.status().escalation.unwrap().steps;
    assert!(
        steps
            .iter()
            .filter(|step| step.result == StepResult::CaughtUp)
            .count()
            == 2
    );
}

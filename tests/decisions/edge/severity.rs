//! api.md section 5, row "Severity raised" and "Severity lowered".

use crate::world::{at, example, pages};
use firebell::api::{Severity, StartReason};

#[test]
fn a_raised_severity_starts_a_new_round_of_the_new_row() {
    let mut model = example();
    model.edit_at(at("10:07"), "severity", |spec| {
        spec.severity = Some(Severity::Critical);
    });
    model.run_until(at("10:08"));
    assert_eq!(pages(&model).last().unwrap(), "10:07 on-call round 2");
    assert_eq!(
        model.status().escalation.unwrap().start_reason,
        Some(StartReason::SeverityRaised)
    );
}

//! api.md section 5, row "Facts without their premise".

use crate::world::{acknowledge, at, close, example, resolve};
use firebell::api::{ClosureReason, Phase};
use firebell::testkit::model::Model;

#[test]
fn resolve_and_acknowledge_in_one_write_resolve_wins() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:02");
    model.run_until(at("10:03"));
    let status = model.status();
    assert_eq!(status.phase, Some(Phase::Resolved));
    assert_eq!(status.acknowledge_time, None);
    assert!(status.handled.get("acknowledgement").unwrap().void);
}

#[test]
fn a_closure_waits_for_its_gates_and_says_which() {
    let mut model = example();
    close(&mut model, "10:01", ClosureReason::Completed);
    resolve(&mut model, "10:03");
    model.run_until(at("10:02"));
    let blocked = |model: &Model| {
        let conditions = model.status().conditions;
        conditions
            .into_iter()
            .find(|known| known.type_ == "ClosureBlocked")
            .unwrap()
    };
    assert_eq!(blocked(&model).status, firebell::api::ConditionStatus::True);
    assert!(blocked(&model).message.contains("`spec.resolution`"));
    model.run_until(at("10:04"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(
        blocked(&model).status,
        firebell::api::ConditionStatus::False
    );
}

//! api.md section 5, row "Reopened".

use crate::world::{acknowledge, at, example, pages, resolve};
use firebell::api::Phase;

#[test]
fn a_resolution_stops_everything_and_taking_it_back_reopens_with_a_new_round() {
    let mut model = example();
    resolve(&mut model, "10:07");
    model.edit_at(at("10:30"), "resolution", |spec| spec.resolution = None);
    model.run_until(at("10:31"));
    assert_eq!(
        pages(&model),
        [
            "10:00 on-call round 1",
            "10:05 on-call repeat 1 round 1",
            "10:30 on-call round 2"
        ]
    );
    let status = model.status();
    assert_eq!(status.reopen_count, Some(1));
    assert_eq!(status.first_resolve_time.unwrap().0, at("10:07"));
    assert_eq!(status.resolve_time, None);
}

#[test]
fn an_acknowledgement_handled_before_a_reopening_is_void_until_it_changes() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:04");
    model.edit_at(at("10:06"), "resolution", |spec| spec.resolution = None);
    model.edit_at(at("10:09"), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.token = Some("again".into());
        }
    });
    model.run_until(at("10:08"));
    assert_eq!(pages(&model).last().unwrap(), "10:06 on-call round 2");
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    model.run_until(at("10:20"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(pages(&model).len(), 2);
}

//! api.md section 5, row "Duplicate".

use crate::world::{at, example, pages};
use firebell::api::{DuplicateRef, Phase};
use firebell::domain::observed::Parent;

#[test]
fn a_duplicate_is_judged_once_and_reopens_when_taken_back() {
    let mut model = example();
    model.others.parent = Some(Parent {
        uid: "p".into(),
        open: true,
        root: None,
    });
    model.edit_at(at("10:02"), "duplicateOf", |spec| {
        spec.duplicate_of = Some(DuplicateRef {
            name: "other".into(),
        });
    });
    model.edit_at(at("10:10"), "duplicateOf", |spec| spec.duplicate_of = None);
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Closed));
    assert_eq!(model.status().duplicate_of.unwrap().root, "other");
    model.run_until(at("10:11"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:10 on-call round 2"]
    );
}

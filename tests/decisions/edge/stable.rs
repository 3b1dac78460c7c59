//! Eventually stable: delivery.md section 4, invariant 5.

use crate::world::{EXAMPLE, at, ticket};
use firebell::testkit::model::Model;

#[test]
fn nothing_is_written_once_nothing_changes() {
    let mut model = Model::new(crate::world::policy(EXAMPLE), ticket(), at("10:00"));
    model.run_until(at("14:00"));
    let writes = model.writes;
    model.run_until(at("20:00"));
    assert_eq!(model.writes, writes);
}

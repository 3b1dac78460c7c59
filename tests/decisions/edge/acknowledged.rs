//! api.md section 5, row "Acknowledged".

use crate::world::{acknowledge, at, example, notices};

#[test]
fn those_already_paged_hear_who_acknowledged_but_not_the_one_who_did() {
    let mut model = example();
    acknowledge(&mut model, "10:16");
    model.run_until(at("10:20"));
    assert_eq!(notices(&model), ["10:16 AcknowledgedBy bob"]);
}

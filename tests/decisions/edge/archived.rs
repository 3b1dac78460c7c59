//! Closed tickets are archived after their time: api.md section 2.1.

use crate::world::{at, close, example};
use firebell::api::ClosureReason;
use jiff::SignedDuration;

#[test]
fn a_closed_ticket_is_archived_after_its_time_and_then_left_alone() {
    let mut model = example();
    close(&mut model, "10:01", ClosureReason::Cancelled);
    model.run_until(at("10:02") + SignedDuration::from_hours(24));
    assert!(model.status().archived);
    let writes = model.writes;
    model.run_until(at("10:02") + SignedDuration::from_hours(48));
    assert_eq!(model.writes, writes);
}

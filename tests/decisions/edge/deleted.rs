//! api.md section 5, row "Ticket deleted".

use crate::world::{at, example, pages};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

#[test]
fn everything_stops() {
    let mut model = example();
    model.run_until(at("10:01"));
    model.ticket.metadata.deletion_timestamp = Some(Time(at("10:01")));
    let writes = model.writes;
    model.run_until(at("14:00"));
    assert_eq!(pages(&model).len(), 1);
    assert_eq!(model.writes, writes);
}

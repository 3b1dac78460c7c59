//! api.md section 5, row "Ticket deleted".

use crate::world::{EXAMPLE, at, close, example, notices, pages, with_policy};
use firebell::api::ClosureReason;
use firebell::testkit::model::{Answer, Model};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn delete(model: &mut Model, clock: &str) {
    model.run_until(at(clock));
    model.ticket.metadata.deletion_timestamp = Some(Time(at(clock)));
}

#[test]
fn everything_stops() {
    let mut model = example();
    delete(&mut model, "10:01");
    let writes = model.writes;
    model.run_until(at("14:00"));
    assert_eq!(pages(&model).len(), 1);
    assert_eq!(model.writes, writes);
}

#[test]
fn a_page_that_is_queued_does_not_leave() {
    let mut model = example();
    model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_mins(1)));
    delete(&mut model, "10:00:30");
    model.run_until(at("10:05"));
    assert_eq!(pages(&model), Vec::<String>::new());
}

#[test]
fn the_notices_of_a_closing_still_leave() {
    let text =
        format!("{EXAMPLE}communication: {{notifyOn: [Closed], notify: [{{connector: hook}}]}}\n");
    let mut model = with_policy(&text);
    model.answer = Box::new(|_| Answer::TakesAfter(SignedDuration::from_mins(1)));
    close(&mut model, "10:03", ClosureReason::Cancelled);
    delete(&mut model, "10:03:30");
    model.run_until(at("10:10"));
    assert_eq!(notices(&model), ["10:04 Closed hook"]);
}

//! What is said and remembered of holds, suspensions and maintenance (api.md section 5, row "Hold").

use super::holds::state;
use super::world::{
    EXAMPLE, acknowledge, at, await_vendor, example, hold, lift, resolve, standing, with_policy,
};
use firebell::api::{EscalationState, HoldReason};
use firebell::testkit::model::Model;

/// The example with maintenance windows for every service: name, from, until.
fn windows(text: &str, list: &[(&str, &str, &str)]) -> String {
    let of = |(name, from, until): &(&str, &str, &str)| {
        let (from, until) = (at(from), at(until));
        format!("{{name: {name}, fromTime: '{from}', untilTime: '{until}', by: carol}}")
    };
    let list: Vec<String> = list.iter().map(of).collect();
    format!("{text}maintenance: [{}]\n", list.join(", "))
}

/// What was told for a reason, in order.
fn told<'m>(model: &'m Model, reason: &str) -> Vec<&'m str> {
    let told = model.told.iter().filter(|told| told.reason == reason);
    told.map(|told| told.note.as_str()).collect()
}

#[test]
fn a_hold_set_beside_another_ends_nothing() {
    let mut model = example();
    let vendor = HoldReason::AwaitingVendor;
    hold(&mut model, "10:02", "first", vendor, Some("11:00"));
    hold(&mut model, "10:04", "second", vendor, Some("11:00"));
    model.run_until(at("10:05"));
    assert_eq!(told(&model, "Held").len(), 2);
    assert_eq!(told(&model, "HoldEnded"), Vec::<&str>::new());
}

#[test]
fn the_end_of_a_maintenance_window_and_of_a_hold_is_told_as_what_it_is() {
    let mut model = with_policy(&windows(EXAMPLE, &[("move", "10:02", "10:04")]));
    hold(
        &mut model,
        "10:06",
        "vendor",
        HoldReason::Other,
        Some("10:08"),
    );
    model.run_until(at("10:09"));
    let released = told(&model, "Released");
    assert_eq!(released.len(), 2, "{released:?}");
    assert!(released[0].contains("maintenance is over"), "{released:?}");
    assert!(
        released[1].contains("hold \"vendor\" is over"),
        "{released:?}"
    );
}

#[test]
fn maintenance_that_came_and_went_while_nobody_looked_is_told_with_its_times() {
    let mut model = with_policy(&windows(EXAMPLE, &[("move", "10:06", "10:20")]));
    model.run_until(at("10:03"));
    model.down_until(at("10:30"));
    model.run_until(at("10:31"));
    let released = told(&model, "Released");
    assert_eq!(released.len(), 1, "{released:?}");
    assert!(
        released[0].contains("from 2026-03-02T10:06:00Z until 2026-03-02T10:20:00Z"),
        "{released:?}"
    );
}

#[test]
fn a_window_that_ends_now_is_named_no_longer_beside_one_that_goes_on() {
    let two = windows(
        EXAMPLE,
        &[("one", "09:00", "10:00"), ("two", "09:30", "10:30")],
    );
    let mut model = with_policy(&two);
    model.run_until(at("10:01"));
    let message = standing(&model, "Held").unwrap();
    let names = (message.contains("\"one\""), message.contains("\"two\""));
    assert_eq!(names, (false, true), "{message}");
}

#[test]
fn maintenance_after_the_answer_releases_no_response_clock() {
    let mut model = example();
    acknowledge(&mut model, "10:01");
    let work = HoldReason::Maintenance;
    hold(&mut model, "10:02", "work", work, Some("10:10"));
    model.run_until(at("10:11"));
    let holding = model.status().holding.unwrap();
    assert_eq!(holding.release_time.unwrap().0, at("10:10"));
    assert_eq!(holding.response_release_time, None);
}

#[test]
fn a_hold_is_remembered_through_the_resolution_as_long_as_it_is_there() {
    let mut model = example();
    await_vendor(&mut model, "10:01", Some("12:00"));
    resolve(&mut model, "10:05");
    model.run_until(at("10:06"));
    let seen = model.status().holding.unwrap().seen;
    let names: Vec<_> = seen.iter().map(|known| known.name.as_str()).collect();
    assert_eq!(names, ["vendor"]);
    assert_eq!(seen[0].first_seen_time.0, at("10:01"));
    assert_eq!(seen[0].until_time, None, "it holds nothing any more");
}

#[test]
fn maintenance_is_not_remembered_through_the_resolution() {
    let mut model = with_policy(&windows(EXAMPLE, &[("move", "10:02", "11:00")]));
    resolve(&mut model, "10:05");
    model.run_until(at("10:06"));
    let seen = model.status().holding.map(|holding| holding.seen);
    assert_eq!(seen.unwrap_or_default(), []);
}

#[test]
fn an_edit_seen_late_of_a_hold_that_was_over_holds_from_the_edit_and_leaves_the_gap_free() {
    let mut model = example();
    await_vendor(&mut model, "10:02", Some("10:10"));
    await_vendor(&mut model, "10:15", Some("10:40"));
    model.run_until(at("10:03"));
    model.down_until(at("10:20"));
    model.run_until(at("10:21"));
    let holding = model.status().holding.unwrap();
    assert_eq!(holding.held_total.unwrap().as_str(), "8m");
    assert_eq!(holding.since_time.unwrap().0, at("10:15"));
}

#[test]
fn a_long_hold_goes_on_past_the_moment_at_which_the_acknowledgement_would_have_run_out() {
    let mut model = example();
    acknowledge(&mut model, "10:05");
    let vendor = HoldReason::AwaitingVendor;
    await_vendor(&mut model, "10:10", Some("18:00"));
    hold(&mut model, "10:50", "other", vendor, Some("10:55"));
    model.run_until(at("11:00"));
    assert_eq!(standing(&model, "HoldInvalid"), None);
    assert_eq!(state(&model), EscalationState::Held);
    lift(&mut model, "11:01", "vendor");
    model.run_until(at("11:02"));
    assert_eq!(standing(&model, "Held"), None);
}

#[test]
fn a_long_hold_written_after_the_acknowledgement_ran_out_never_counts() {
    let mut model = example();
    acknowledge(&mut model, "10:05");
    await_vendor(&mut model, "10:40", Some("16:00"));
    model.run_until(at("10:30"));
    model.down_until(at("10:50"));
    model.run_until(at("10:51"));
    assert_eq!(told(&model, "Held"), Vec::<&str>::new());
}

#[test]
fn a_held_chain_shows_no_page_that_it_would_have_sent_at_its_own_time() {
    let armed = |model: &Model| {
        let chain = model.status().escalation.unwrap();
        (chain.next_step, chain.next_time.map(|time| time.0))
    };
    let mut model = example();
    await_vendor(&mut model, "10:12", Some("10:30"));
    model.run_until(at("10:11"));
    assert_eq!(armed(&model).1, Some(at("10:15")));
    model.run_until(at("10:13"));
    assert_eq!(armed(&model), (None, None));
}

#[test]
fn a_hold_that_is_edited_at_its_very_end_was_over_and_holds_anew() {
    let mut model = example();
    await_vendor(&mut model, "10:02", Some("10:10"));
    await_vendor(&mut model, "10:10", Some("10:30"));
    model.run_until(at("10:11"));
    assert_eq!(told(&model, "Held").len(), 2);
    let since = model.status().holding.unwrap().since_time;
    assert_eq!(since.unwrap().0, at("10:02"), "without a gap");
}

//! Earlier tickets like a new one: shown with the opening where they are known by then, once, and in each page.

use firebell::api::{Source, TicketSpec};
use firebell::domain::recurrence::{Earlier, Likeness};
use firebell::testkit::model::Model;

use crate::world::{EXAMPLE, acknowledge, at, policy, ticket};

fn like(name: &str, clock: &str) -> Earlier {
    Earlier {
        ticket: name.to_owned(),
        uid: format!("uid-{name}"),
        closed: at(clock),
        likenesses: vec![Likeness::Key("5xx".to_owned())],
        rca: Some(format!("{name}-rca")),
        runbook: Some("https://runbooks.example.com/5xx".to_owned()),
    }
}

fn world() -> Model {
    let source = Source {
        dedup_key: Some("5xx".to_owned()),
        ..Source::default()
    };
    let spec = TicketSpec {
        source: Some(source),
        ..ticket()
    };
    Model::new(policy(EXAMPLE), spec, at("10:00"))
}

fn shown(model: &Model) -> Vec<String> {
    let related = model.status().related.into_iter();
    related.map(|known| known.ticket).collect()
}

#[test]
fn what_helped_last_time_is_written_with_the_opening_and_stands_in_the_first_page() {
    let mut plain = world();
    plain.run_until(at("10:01"));
    let mut model = world();
    model.others.earlier = vec![like("before", "08:00"), like("last", "09:00")];
    model.run_until(at("10:01"));
    assert_eq!(shown(&model), ["last", "before"]);
    assert_eq!(model.writes, plain.writes, "no write of its own");
    let page = &model.received[0].delivery.message.data;
    let words = "ticket \"last\", RCA \"last-rca\", runbook https://runbooks.example.com/5xx";
    assert_eq!(page.said.last_time.as_deref(), Some(words));
    assert_eq!(page.links["runbook"], "https://runbooks.example.com/5xx");
    let page = &plain.received[0].delivery.message.data;
    assert_eq!(page.said.last_time, None);
    assert!(page.links.is_empty());
}

#[test]
fn a_page_does_not_wait_for_what_is_not_known_yet_and_it_is_written_once_it_is() {
    let mut model = world();
    model.run_until(at("10:01"));
    assert_eq!(model.received.len(), 1);
    let writes = model.writes;
    model.others.earlier = vec![like("last", "09:00")];
    model.run_until(at("10:02"));
    assert_eq!(shown(&model), ["last"]);
    assert_eq!(model.writes, writes + 1);
    model.run_until(at("10:06"));
    let repeat = &model.received[1].delivery.message.data;
    assert!(repeat.said.last_time.is_some());
}

#[test]
fn what_was_written_stays_whatever_is_deleted_closed_or_learnt_later() {
    let mut model = world();
    model.others.earlier = vec![like("last", "09:00")];
    model.run_until(at("10:01"));
    let written = model.status().related;
    for later in [vec![], vec![like("other", "08:00")]] {
        model.others.earlier = later;
        let now = model.now;
        model.run_until(now + jiff::SignedDuration::from_mins(1));
        assert_eq!(model.status().related, written);
    }
}

#[test]
fn long_after_the_start_nothing_is_added_any_more() {
    let mut model = world();
    acknowledge(&mut model, "10:02");
    model.run_until(at("10:15"));
    let writes = model.writes;
    model.others.earlier = vec![like("last", "09:00")];
    model.run_until(at("10:16"));
    assert!(shown(&model).is_empty());
    assert_eq!(model.writes, writes);
}

#[test]
fn after_a_downtime_a_ticket_that_was_created_in_it_is_told_too() {
    let mut model = world();
    model.down_until(at("12:00"));
    model.run_until(at("12:01"));
    model.others.earlier = vec![like("later", "11:00"), like("last", "09:00")];
    model.run_until(at("12:02"));
    assert_eq!(shown(&model), ["last"], "closed before it was created");
}

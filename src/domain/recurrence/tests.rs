use serde_json::{Value, json};

use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn ticket(name: &str, spec: Value, status: Value) -> Ticket {
    let mut object = json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"),
                     "creationTimestamp": "2026-03-02T10:00:00Z"},
    });
    object["spec"] = spec;
    object["spec"]["title"] = json!("Checkout returns 5xx");
    object["status"] = status;
    serde_json::from_value(object).unwrap()
}

/// A new ticket of service checkout, category Incident, key `k`.
fn new() -> Ticket {
    ticket(
        "new",
        json!({"service": "checkout", "category": "Incident", "source": {"dedupKey": "k"}}),
        Value::Null,
    )
}

fn closed(name: &str, time: &str, spec: Value) -> Earlier {
    earlier(&ticket(name, spec, json!({"closeTime": time}))).unwrap()
}

fn by_key(name: &str, time: &str) -> Earlier {
    closed(name, time, json!({"source": {"dedupKey": "k"}}))
}

fn by_kind(name: &str, time: &str) -> Earlier {
    closed(
        name,
        time,
        json!({"service": "checkout", "category": "Incident"}),
    )
}

fn names(ticket: &Ticket, earlier: &[Earlier]) -> Vec<String> {
    let created = at("2026-03-02T10:00:00Z");
    let related = related(ticket, created, earlier).into_iter();
    related.map(|known| known.ticket).collect()
}

#[test]
fn those_of_the_same_key_come_first_then_the_newest_and_five_are_shown() {
    let all = [
        by_kind("kind-old", "2026-02-01T00:00:00Z"),
        by_key("key-old", "2026-01-02T00:00:00Z"),
        by_kind("kind-new", "2026-03-01T00:00:00Z"),
        by_key("key-new", "2026-02-02T00:00:00Z"),
        by_kind("kind-older", "2026-01-15T00:00:00Z"),
        by_kind("kind-oldest", "2026-01-10T00:00:00Z"),
    ];
    let wanted = ["key-new", "key-old", "kind-new", "kind-old", "kind-older"];
    assert_eq!(names(&new(), &all), wanted);
}

#[test]
fn another_service_another_category_and_another_key_are_not_alike() {
    let time = "2026-03-01T00:00:00Z";
    let all = [
        closed(
            "a",
            time,
            json!({"service": "payments", "category": "Incident"}),
        ),
        closed(
            "b",
            time,
            json!({"service": "checkout", "category": "Request"}),
        ),
        closed("c", time, json!({"service": "checkout"})),
        closed("d", time, json!({"source": {"dedupKey": "other"}})),
    ];
    assert!(names(&new(), &all).is_empty());
}

#[test]
fn without_a_category_on_both_the_service_is_enough() {
    let plain = ticket("new", json!({"service": "checkout"}), Value::Null);
    let time = "2026-03-01T00:00:00Z";
    let without = closed("a", time, json!({"service": "checkout"}));
    assert_eq!(names(&plain, &[without, by_kind("b", time)]), ["a"]);
}

#[test]
fn what_is_like_it_in_both_ways_or_told_twice_is_shown_once() {
    let spec = json!({"service": "checkout", "category": "Incident", "source": {"dedupKey": "k"}});
    let both = closed("a", "2026-03-01T00:00:00Z", spec);
    assert_eq!(names(&new(), &[both.clone(), both]), ["a"]);
}

#[test]
fn it_counts_what_was_closed_within_90_days_before_the_ticket_was_created() {
    for (closed, counts) in [
        ("2026-03-02T10:00:01Z", false),
        // Creation times are whole seconds.
        ("2026-03-02T10:00:00.999Z", true),
        ("2025-12-02T10:00:00.001Z", true),
        ("2025-12-02T10:00:00Z", false),
    ] {
        let shown = names(&new(), &[by_key("a", closed)]);
        assert_eq!(!shown.is_empty(), counts, "closed {closed}");
    }
}

#[test]
fn no_ticket_is_like_itself() {
    let mut own = by_key("new", "2026-03-01T00:00:00Z");
    assert!(names(&new(), std::slice::from_ref(&own)).is_empty());
    own.uid = "an earlier one of that name".to_owned();
    assert_eq!(names(&new(), &[own]), ["new"]);
}

#[test]
fn open_tickets_duplicates_and_those_without_anything_in_common_tell_nothing() {
    let of = |spec: Value, status: Value| earlier(&ticket("a", spec, status)).is_some();
    let kind = || json!({"service": "checkout"});
    let time = "2026-03-01T00:00:00Z";
    assert!(of(kind(), json!({"closeTime": time})));
    assert!(of(kind(), json!({"closeTime": time, "archived": true})));
    assert!(!of(kind(), json!({"resolveTime": time})));
    assert!(!of(kind(), Value::Null));
    assert!(!of(
        json!({"category": "Incident"}),
        json!({"closeTime": time})
    ));
    let duplicate = json!({"name": "b", "uid": "u", "root": "b"});
    assert!(!of(
        kind(),
        json!({"closeTime": time, "duplicateOf": duplicate})
    ));
}

#[test]
fn the_runbook_is_the_tickets_own_that_is_done_else_its_rcas() {
    let runbook = |title: &str, state: &str, url: Option<&str>| json!({"kind": "Runbook", "title": title, "state": state, "url": url});
    let with = |knowledge: Value| {
        let spec = json!({"service": "checkout", "knowledge": knowledge});
        closed("a", "2026-03-01T00:00:00Z", spec)
    };
    let facts = |items: Value| RcaFacts {
        name: "rca".to_owned(),
        phase: crate::api::RcaPhase::Completed,
        by: None,
        knowledge: serde_json::from_value(items).unwrap(),
    };
    let own = with(json!([
        runbook("todo", "Todo", Some("https://r.example.com/todo")),
        {"kind": "KnowledgeBase", "title": "kb", "state": "Done", "url": "https://r.example.com/kb"},
        runbook("done", "Done", Some("https://r.example.com/done")),
    ]));
    let of_rca = facts(json!([runbook("of the rca", "Done", None)]));
    let told = own.with(Some(&of_rca));
    assert_eq!(told.runbook.as_deref(), Some("https://r.example.com/done"));
    assert_eq!(told.rca.as_deref(), Some("rca"));
    let without = with(json!([runbook("todo", "Todo", None)]));
    let told = without.with(Some(&of_rca)).runbook;
    assert_eq!(told.as_deref(), Some("of the rca"), "its title");
    let told = without.with(None);
    assert_eq!((told.rca, told.runbook), (None, None));
}

#[test]
fn a_ticket_asks_at_its_start_and_until_ten_minutes_after_it_was_first_handled() {
    let now = at("2026-03-02T12:00:00Z");
    let asks_at = |status: Value, now: Timestamp| {
        let spec = json!({"service": "checkout"});
        asks(&ticket("a", spec, status), now)
    };
    let handled = |more: Value| {
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-02T11:55:00Z"});
        let mut status = json!({"submitTime": "2026-03-02T10:00:00Z", "conditions": [ready]});
        for (field, value) in more.as_object().into_iter().flatten() {
            status[field] = value.clone();
        }
        status
    };
    assert!(asks_at(Value::Null, now));
    assert!(asks_at(json!({}), now), "nobody has looked at it");
    assert!(asks_at(handled(json!({})), now), "created in a downtime");
    assert!(!asks_at(handled(json!({})), at("2026-03-02T12:05:00Z")));
    let related = json!({"related": [{"ticket": "b"}]});
    assert!(!asks_at(handled(related), now), "written once");
    let closed = json!({"closeTime": "2026-03-02T11:56:00Z"});
    assert!(!asks_at(handled(closed), now));
    let nothing = ticket("a", json!({}), Value::Null);
    assert!(!asks(&nothing, now), "there is nothing to ask by");
}

#[test]
fn whoever_is_paged_reads_of_the_first_one_that_has_something_to_read() {
    let told = |related: Value| {
        let status: TicketStatus = serde_json::from_value(json!({"related": related})).unwrap();
        last_time(&status).map(|(words, link)| (words, link.map(str::to_owned)))
    };
    assert_eq!(told(json!([])), None);
    let plain = told(json!([{"ticket": "a"}, {"ticket": "b"}]));
    assert_eq!(plain, Some(("ticket \"a\"".to_owned(), None)));
    let rca = told(json!([{"ticket": "a"}, {"ticket": "b", "rca": "r"}]));
    assert_eq!(rca, Some(("ticket \"b\", RCA \"r\"".to_owned(), None)));
    let url = "https://r.example.com/1";
    let full = told(json!([{"ticket": "a"}, {"ticket": "b", "rca": "r", "runbook": url}]));
    let words = format!("ticket \"b\", RCA \"r\", runbook {url}");
    assert_eq!(full, Some((words, Some(url.to_owned()))));
}

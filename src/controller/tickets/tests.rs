use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Change, Key, Origin, Tickets};
use crate::api::Ticket;

fn ticket(name: &str, version: u64, spec: &Value, status: &Value) -> Ticket {
    let mut spec = spec.clone();
    spec["title"] = json!("Checkout returns 5xx");
    serde_json::from_value(json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "resourceVersion": version.to_string()},
        "spec": spec, "status": status,
    }))
    .unwrap()
}

fn put(tickets: &Tickets, ticket: Ticket, origin: Origin) -> Change {
    let moment = (Timestamp::UNIX_EPOCH, Instant::now());
    tickets.put(ticket, origin, moment, |_| {})
}

fn plain(name: &str, version: u64) -> Ticket {
    ticket(name, version, &json!({}), &json!({}))
}

fn names(keys: &[Key]) -> Vec<&str> {
    let mut names: Vec<&str> = keys.iter().map(|key| &*key.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn held(tickets: &Tickets, name: &str) -> Ticket {
    (*tickets.get(&Key::new("shop", name)).unwrap().ticket).clone()
}

#[test]
fn nobody_sees_a_version_of_which_others_were_not_told_yet() {
    let tickets = Tickets::default();
    let moment = (Timestamp::UNIX_EPOCH, Instant::now());
    let (told, (go, went)) = (AtomicBool::new(false), channel());
    let (tickets, told) = (&tickets, &told);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            went.recv().unwrap();
            let seen = tickets.get(&Key::new("shop", "a"));
            (seen.is_some(), told.load(Ordering::SeqCst))
        });
        tickets.put(plain("a", 1), Origin::Watch, moment, |_| {
            go.send(()).unwrap();
            // Time enough for whoever could see it.
            (0..10_000).for_each(|_| std::thread::yield_now());
            told.store(true, Ordering::SeqCst);
        });
        assert_eq!(reader.join().unwrap(), (true, true));
    });
}

#[test]
fn a_watch_that_lags_does_not_undo_what_was_written() {
    let tickets = Tickets::default();
    put(&tickets, plain("a", 5), Origin::Watch);
    put(&tickets, plain("a", 7), Origin::Written);
    assert!(put(&tickets, plain("a", 6), Origin::Watch).taken.is_none());
    assert_eq!(
        held(&tickets, "a").metadata.resource_version.as_deref(),
        Some("7")
    );
    assert!(
        put(&tickets, plain("a", 7), Origin::Watch).taken.is_none(),
        "our own write coming back changes nothing"
    );
    assert!(put(&tickets, plain("a", 3), Origin::Relist).doubtful);
    assert!(
        put(&tickets, plain("a", 3), Origin::Live).taken.is_some(),
        "a live GET decides"
    );
}

#[test]
fn an_answer_to_a_write_that_comes_after_the_end_brings_no_deleted_ticket_back() {
    let tickets = Tickets::default();
    put(&tickets, plain("a", 5), Origin::Watch);
    tickets.remove(&Key::new("shop", "a"), Some("uid-a"), Instant::now());
    for origin in [Origin::Written, Origin::Live] {
        assert!(put(&tickets, plain("a", 6), origin).taken.is_none());
    }
    assert!(tickets.get(&Key::new("shop", "a")).is_none());
    let restored = put(&tickets, plain("a", 5), Origin::Relist);
    assert!(restored.taken.is_some(), "a restored store has it again");
}

#[test]
fn an_answer_that_comes_late_does_not_hide_that_a_newer_version_cannot_be_decoded() {
    let tickets = Tickets::default();
    put(&tickets, plain("a", 5), Origin::Watch);
    assert!(tickets.undecodable(&Key::new("shop", "a"), 7));
    assert!(
        put(&tickets, plain("a", 6), Origin::Written)
            .taken
            .is_none()
    );
    assert_eq!(tickets.undecodable_count(), 1);
    assert!(put(&tickets, plain("a", 8), Origin::Watch).taken.is_some());
    assert_eq!(tickets.undecodable_count(), 0);
}

#[test]
fn a_ticket_of_the_same_name_is_another_ticket() {
    let tickets = Tickets::default();
    put(&tickets, plain("a", 5), Origin::Watch);
    let mut fresh = plain("a", 9);
    fresh.metadata.uid = Some("another".into());
    let change = put(&tickets, fresh, Origin::Watch);
    assert_eq!(
        change.replaced.unwrap().metadata.uid.as_deref(),
        Some("uid-a")
    );
    let late_deletion = tickets.remove(&Key::new("shop", "a"), Some("uid-a"), Instant::now());
    assert!(late_deletion.replaced.is_none());
    assert!(tickets.get(&Key::new("shop", "a")).is_some());
}

#[test]
fn tickets_with_one_deduplication_key_hear_of_each_other() {
    let tickets = Tickets::default();
    let source = json!({"source": {"dedupKey": "k1"}});
    put(&tickets, ticket("a", 1, &source, &json!({})), Origin::Watch);
    let change = put(&tickets, ticket("b", 2, &source, &json!({})), Origin::Watch);
    assert_eq!(names(&change.affected), ["a"]);
    let key = Key::new("shop", "b");
    assert_eq!(
        tickets
            .others(&key, &held(&tickets, "b"))
            .same_key
            .as_deref(),
        Some("a")
    );
    let closed = json!({"closeTime": "2026-01-05T09:00:00Z"});
    let change = put(&tickets, ticket("a", 3, &source, &closed), Origin::Watch);
    assert_eq!(names(&change.affected), ["b"]);
    assert_eq!(tickets.others(&key, &held(&tickets, "b")).same_key, None);
}

#[test]
fn a_duplicate_sees_its_parent_and_the_parent_counts_it_once_accepted() {
    let tickets = Tickets::default();
    put(&tickets, plain("parent", 1), Origin::Watch);
    let names_parent = json!({"duplicateOf": {"name": "parent"}});
    let change = put(
        &tickets,
        ticket("child", 2, &names_parent, &json!({})),
        Origin::Watch,
    );
    assert_eq!(names(&change.affected), ["parent"]);
    let child = tickets.others(&Key::new("shop", "child"), &held(&tickets, "child"));
    assert!(child.parent.unwrap().open);
    let parent = Key::new("shop", "parent");
    assert_eq!(
        tickets
            .others(&parent, &held(&tickets, "parent"))
            .duplicates,
        0
    );
    let accepted =
        json!({"duplicateOf": {"name": "parent", "uid": "uid-parent", "root": "parent"}});
    let change = put(
        &tickets,
        ticket("child", 3, &names_parent, &accepted),
        Origin::Written,
    );
    assert_eq!(names(&change.affected), ["parent"]);
    assert_eq!(
        tickets
            .others(&parent, &held(&tickets, "parent"))
            .duplicates,
        1
    );
    let change = tickets.remove(&Key::new("shop", "child"), None, Instant::now());
    assert_eq!(names(&change.affected), ["parent"]);
    assert_eq!(
        tickets
            .others(&parent, &held(&tickets, "parent"))
            .duplicates,
        0
    );
}

#[test]
fn a_change_that_others_cannot_see_disturbs_nobody() {
    let tickets = Tickets::default();
    let source = json!({"source": {"dedupKey": "k1"}});
    put(&tickets, ticket("a", 1, &source, &json!({})), Origin::Watch);
    put(&tickets, ticket("b", 2, &source, &json!({})), Origin::Watch);
    let change = put(
        &tickets,
        ticket("a", 3, &source, &json!({"phase": "Submitted"})),
        Origin::Written,
    );
    assert!(change.affected.is_empty(), "{:?}", change.affected);
}

#[test]
fn a_ticket_that_no_longer_decodes_is_counted_until_it_does() {
    let tickets = Tickets::default();
    put(&tickets, plain("a", 1), Origin::Watch);
    let key = Key::new("shop", "a");
    assert!(tickets.undecodable(&key, 2));
    assert!(!tickets.undecodable(&key, 2), "a relist is no news");
    assert_eq!(tickets.undecodable_count(), 1);
    assert!(tickets.get(&Key::new("shop", "a")).is_none());
    put(&tickets, plain("a", 3), Origin::Watch);
    assert_eq!(tickets.undecodable_count(), 0);
}

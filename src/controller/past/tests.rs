use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{KEYS_MOST, Past, TICKETS_MOST};
use crate::api::Ticket;
use crate::domain::recurrence::MOST;

fn ticket(namespace: &str, name: &str, spec: &Value, status: &Value) -> Ticket {
    let mut spec = spec.clone();
    spec["title"] = json!("t");
    serde_json::from_value(json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{name}")},
        "spec": spec, "status": status,
    }))
    .unwrap()
}

fn service(name: &str) -> Value {
    json!({ "service": name })
}

/// Closed at that minute of a day.
fn closed(minute: usize) -> Value {
    json!({"closeTime": format!("2026-03-02T{:02}:{:02}:00Z", minute / 60 % 24, minute % 60)})
}

fn past() -> (Past, mpsc::UnboundedReceiver<Arc<str>>) {
    let (wanted, reading) = mpsc::unbounded_channel();
    (Past::new(wanted), reading)
}

/// What a new ticket of that spec in namespace shop would be told; `None` = not known yet.
fn like(past: &Past, spec: &Value) -> Option<Vec<String>> {
    let asking = ticket("shop", "new", spec, &Value::Null);
    let like = past.like(&"shop".into(), &asking)?;
    Some(like.iter().map(|known| known.ticket.clone()).collect())
}

/// The past of namespace shop, read and empty.
fn read() -> Past {
    let (past, _) = past();
    assert_eq!(like(&past, &service("checkout")), None);
    past.was_read("shop");
    past
}

#[test]
fn a_namespace_is_read_when_it_is_first_asked_about_and_nothing_is_kept_of_others() {
    let (past, mut reading) = past();
    let old = ticket("shop", "old", &service("checkout"), &closed(1));
    past.take(&old);
    assert_eq!(like(&past, &service("checkout")), None, "not read yet");
    assert_eq!(like(&past, &service("checkout")), None);
    assert_eq!(reading.try_recv().as_deref(), Ok("shop"));
    assert!(reading.try_recv().is_err(), "asked for once");
    past.take(&old);
    past.take(&ticket("other", "theirs", &service("checkout"), &closed(2)));
    past.was_read("shop");
    assert_eq!(like(&past, &service("checkout")).unwrap(), ["old"]);
    assert!(like(&past, &service("payments")).unwrap().is_empty());
}

#[test]
fn the_newest_few_of_each_key_are_kept_the_newest_first() {
    let past = read();
    for minute in [3, 1, 9, 7, 5, 8, 2, 6, 4] {
        let name = format!("t{minute}");
        past.take(&ticket(
            "shop",
            &name,
            &service("checkout"),
            &closed(minute),
        ));
    }
    let wanted = ["t9", "t8", "t7", "t6", "t5"];
    assert_eq!(like(&past, &service("checkout")).unwrap(), wanted);
    let inner = past.inner.lock();
    let known = &inner.namespaces["shop"];
    assert_eq!(
        known.tickets.len(),
        MOST,
        "what stands in no list is forgotten"
    );
}

#[test]
fn a_ticket_that_is_reopened_or_deleted_is_taken_out_and_an_archived_one_stays() {
    let past = read();
    let names = |past: &Past| like(past, &service("checkout")).unwrap();
    let mut archived = closed(3);
    archived["archived"] = json!(true);
    past.take(&ticket(
        "shop",
        "reopened",
        &service("checkout"),
        &closed(1),
    ));
    past.take(&ticket("shop", "deleted", &service("checkout"), &closed(2)));
    past.take(&ticket("shop", "archived", &service("checkout"), &archived));
    assert_eq!(names(&past), ["archived", "deleted", "reopened"]);
    past.take(&ticket(
        "shop",
        "reopened",
        &service("checkout"),
        &json!({}),
    ));
    past.lose("shop", "uid-deleted");
    past.lose("shop", "uid-archived");
    assert_eq!(
        names(&past),
        ["archived"],
        "archived = out of view, and there"
    );
    past.deleted("shop", "uid-archived");
    assert!(names(&past).is_empty());
}

#[test]
fn a_ticket_that_changes_its_category_is_found_by_the_new_one_only() {
    let past = read();
    let spec = |category: &str| json!({"service": "checkout", "category": category});
    past.take(&ticket("shop", "a", &spec("Incident"), &closed(1)));
    past.take(&ticket("shop", "a", &spec("Request"), &closed(1)));
    assert!(like(&past, &spec("Incident")).unwrap().is_empty());
    assert_eq!(like(&past, &spec("Request")).unwrap(), ["a"]);
}

#[test]
fn a_flood_of_keys_pushes_out_those_that_closed_longest_ago_and_no_service() {
    let past = read();
    past.take(&ticket("shop", "service", &service("checkout"), &closed(0)));
    let key = |number: usize| json!({"source": {"dedupKey": number.to_string()}});
    for number in 0..KEYS_MOST + 2 {
        let name = format!("k{number}");
        past.take(&ticket("shop", &name, &key(number), &closed(number)));
    }
    assert!(like(&past, &key(0)).unwrap().is_empty());
    assert!(like(&past, &key(1)).unwrap().is_empty());
    assert_eq!(like(&past, &key(2)).unwrap(), ["k2"]);
    assert_eq!(like(&past, &service("checkout")).unwrap(), ["service"]);
    let known = &past.inner.lock().namespaces["shop"];
    assert_eq!(known.tickets.len(), KEYS_MOST + 1);
}

#[test]
fn over_the_bound_the_namespace_that_asked_longest_ago_is_forgotten_and_read_anew_when_it_asks() {
    let (past, mut reading) = past();
    let each = KEYS_MOST * MOST;
    let namespaces = TICKETS_MOST / each + 1;
    for number in 0..namespaces {
        let namespace = format!("n{number}");
        let asking = ticket(&namespace, "new", &service("checkout"), &Value::Null);
        past.like(&namespace.as_str().into(), &asking);
        reading.try_recv().unwrap();
        past.was_read(&namespace);
        for entry in 0..each {
            let spec = service(&format!("s{}", entry % KEYS_MOST));
            past.take(&ticket(
                &namespace,
                &format!("{number}-{entry}"),
                &spec,
                &closed(entry),
            ));
        }
    }
    let held: usize = past
        .inner
        .lock()
        .namespaces
        .values()
        .map(|known| known.tickets.len())
        .sum();
    assert!(held <= TICKETS_MOST, "{held}");
    let asks = |namespace: &str| {
        let asking = ticket(namespace, "new", &service("s1"), &Value::Null);
        past.like(&namespace.into(), &asking)
    };
    assert_eq!(asks(&format!("n{}", namespaces - 1)).unwrap().len(), MOST);
    assert_eq!(asks("n0"), None);
    assert_eq!(reading.try_recv().as_deref(), Ok("n0"));
}

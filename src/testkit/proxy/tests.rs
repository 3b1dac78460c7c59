//! Each fault against an API server that is made of a counter and a list of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use futures::stream;
use kube::Config;
use tokio::sync::{broadcast, watch};

use super::{Aim, Call, Fault, Proxy, Verb, WatchFault, Which};
use crate::testkit::{crypto, eventually};

const LIMIT: Duration = Duration::from_secs(20);
const TICKETS: &str = "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets";

/// An API server whose answers are known, behind a proxy.
struct Behind {
    proxy: Proxy,
    asked: Arc<AtomicUsize>,
    watching: watch::Sender<usize>,
    events: broadcast::Sender<String>,
}

async fn behind() -> Behind {
    crypto();
    let (asked, events) = (Arc::new(AtomicUsize::new(0)), broadcast::Sender::new(64));
    let watching = watch::Sender::new(0);
    let (counter, source, opened) = (Arc::clone(&asked), events.clone(), watching.clone());
    let answer = move |request: Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        let watched = request.uri().query() == Some("watch=true");
        let events = watched.then(|| {
            let events = source.subscribe();
            opened.send_modify(|open| *open += 1);
            events
        });
        async move { reply(events) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let proxy = Proxy::start(Config::new(url.parse().unwrap()))
        .await
        .unwrap();
    Behind {
        proxy,
        asked,
        watching,
        events,
    }
}

fn reply(events: Option<broadcast::Receiver<String>>) -> Response {
    let Some(events) = events else {
        return r#"{"kind":"TicketList","items":[]}"#.into_response();
    };
    let lines = stream::unfold(events, |mut events| async move {
        let event = events.recv().await.ok()?;
        Some((Ok::<_, std::io::Error>(format!("{event}\n")), events))
    });
    Body::from_stream(lines).into_response()
}

impl Behind {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn patch(&self) -> reqwest::Result<reqwest::Response> {
        self.patch_with("{}").await
    }

    async fn patch_with(&self, body: &'static str) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}{TICKETS}/a/status", self.proxy.url());
        reqwest::Client::new().patch(url).body(body).send().await
    }

    /// Opens a watch, and waits until the API server has it too.
    async fn watch(&self) -> reqwest::Response {
        let before = *self.watching.borrow();
        let url = format!("{}{TICKETS}?watch=true", self.proxy.url());
        let answer = reqwest::get(url).await.unwrap();
        let mut watching = self.watching.subscribe();
        watching.wait_for(|open| *open > before).await.unwrap();
        answer
    }

    fn event(&self, text: &str) {
        self.events.send(text.to_owned()).unwrap();
    }
}

/// What a watch brings next; `None` at its orderly end.
async fn next(watch: &mut reqwest::Response) -> reqwest::Result<Option<String>> {
    let chunk = tokio::time::timeout(LIMIT, watch.chunk()).await.unwrap()?;
    Ok(chunk.map(|chunk| String::from_utf8(chunk.to_vec()).unwrap()))
}

fn status_patch() -> Aim {
    Aim::at(Verb::Patch, "tickets/status")
}

#[test]
fn a_call_is_read_from_its_method_and_path() {
    for (method, uri, wanted) in [
        (Method::GET, "/version", "Get||"),
        (
            Method::GET,
            "/api/v1/namespaces/shop",
            "Get|namespaces||shop",
        ),
        (
            Method::GET,
            "/api/v1/namespaces/shop/secrets/pager",
            "Get|secrets|shop|pager",
        ),
        (
            Method::GET,
            "/apis/firebell.dev/v1alpha1/tickets",
            "List|tickets||",
        ),
        (
            Method::GET,
            "/apis/firebell.dev/v1alpha1/tickets?a=b&watch=true",
            "Watch|tickets||",
        ),
        (
            Method::POST,
            "/apis/events.k8s.io/v1/namespaces/shop/events",
            "Create|events|shop|",
        ),
        (
            Method::PATCH,
            "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets/a/status?x=y",
            "Patch|tickets/status|shop|a",
        ),
        (
            Method::DELETE,
            "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets/a",
            "Delete|tickets|shop|a",
        ),
    ] {
        let call = Call::of(&method, &uri.parse().unwrap());
        let read = format!(
            "{:?}|{}|{}|{}",
            call.verb, call.resource, call.namespace, call.name
        );
        assert_eq!(
            read.trim_end_matches('|'),
            wanted.trim_end_matches('|'),
            "{method} {uri}"
        );
    }
}

#[tokio::test]
async fn what_is_not_broken_passes_and_is_noted() {
    let behind = behind().await;
    assert_eq!(behind.patch().await.unwrap().status(), 200);
    let seen = behind.proxy.calls().remove(0);
    assert!(seen.call.is_write());
    assert_eq!(
        (seen.call.resource.as_str(), seen.answer),
        ("tickets/status", Some(200))
    );
}

#[tokio::test]
async fn only_the_nth_call_that_fits_is_broken() {
    let behind = behind().await;
    let laid = behind
        .proxy
        .lay(status_patch(), Which::Nth(2), Fault::LostRequest);
    assert!(behind.patch().await.is_ok());
    reqwest::get(format!("{}{TICKETS}", behind.proxy.url()))
        .await
        .unwrap();
    assert!(behind.patch().await.is_err());
    assert!(behind.patch().await.is_ok());
    assert_eq!((behind.proxy.hits(laid), behind.asked()), (1, 3));
}

#[tokio::test]
async fn a_call_that_says_something_may_be_spared_what_others_meet() {
    let behind = behind().await;
    let spared = status_patch().saying("Neglected");
    behind.proxy.lay(spared, Which::Every, Fault::Spared);
    behind
        .proxy
        .lay(status_patch(), Which::Every, Fault::LostRequest);
    assert!(behind.patch().await.is_err());
    assert!(behind.patch_with(r#"{"type":"Neglected"}"#).await.is_ok());
}

#[tokio::test]
async fn a_lost_request_never_arrives_and_a_lost_or_torn_answer_took_effect() {
    let behind = behind().await;
    for (fault, arrives) in [
        (Fault::LostRequest, 0),
        (Fault::LostAnswer, 1),
        (Fault::TornAnswer, 1),
        (Fault::Late(Duration::from_millis(1)), 1),
    ] {
        let (before, late) = (behind.asked(), matches!(fault, Fault::Late(_)));
        let laid = behind.proxy.lay(Aim::all(), Which::Every, fault.clone());
        let answer = match behind.patch().await {
            Ok(answer) => answer.text().await,
            Err(error) => Err(error),
        };
        assert_eq!(answer.is_ok(), late, "{fault:?}");
        assert_eq!(behind.asked() - before, arrives, "{fault:?}");
        behind.proxy.lift(laid);
        assert!(behind.patch().await.is_ok(), "lifted");
    }
}

#[tokio::test]
async fn a_refusal_carries_its_status_and_when_to_ask_again() {
    let behind = behind().await;
    let refused = Fault::Refused {
        status: 429,
        retry_after: Some(7),
    };
    behind.proxy.lay(status_patch(), Which::Every, refused);
    let answer = behind.patch().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["reason"], "TooManyRequests");
    assert_eq!(behind.asked(), 0);
}

#[tokio::test]
async fn a_held_request_has_not_arrived_and_a_held_answer_has() {
    for (fault, arrives) in [(Fault::HeldRequest, 0), (Fault::HeldAnswer, 1)] {
        let behind = behind().await;
        let laid = behind
            .proxy
            .lay(status_patch(), Which::Nth(1), fault.clone());
        let held = async {
            behind.proxy.until_hit(laid, LIMIT).await.unwrap();
            let arrived = async || (behind.asked() == arrives).then_some(());
            eventually("it has arrived, or not", LIMIT, arrived)
                .await
                .unwrap();
        };
        tokio::select! {
            answer = behind.patch() => panic!("{fault:?} was answered: {answer:?}"),
            () = held => {}
        }
        // Whoever asked waits no more.
        let over = async || behind.proxy.broken(laid).pop()?.over;
        eventually("it is over", LIMIT, over).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_waits_for_its_fault_to_be_lifted_is_then_passed_on() {
    let behind = behind().await;
    let laid = behind
        .proxy
        .lay(status_patch(), Which::Nth(1), Fault::UntilLifted);
    let lift = async {
        behind.proxy.until_hit(laid, LIMIT).await.unwrap();
        // What does not fit passes meanwhile.
        reqwest::get(format!("{}{TICKETS}", behind.proxy.url()))
            .await
            .unwrap();
        let asked = behind.asked();
        behind.proxy.lift(laid);
        asked
    };
    let (answer, before) = tokio::join!(behind.patch(), lift);
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!((before, behind.asked()), (1, 2));
}

#[tokio::test]
async fn all_writes_can_be_meant_and_nothing_else() {
    let behind = behind().await;
    let refused = Fault::Refused {
        status: 409,
        retry_after: None,
    };
    behind.proxy.lay(Aim::writes(), Which::Every, refused);
    let url = format!("{}{TICKETS}", behind.proxy.url());
    let client = reqwest::Client::new();
    for (method, wanted) in [
        (Method::GET, 200),
        (Method::POST, 409),
        (Method::PUT, 409),
        (Method::PATCH, 409),
        (Method::DELETE, 409),
    ] {
        let answer = client.request(method.clone(), &url).send().await.unwrap();
        assert_eq!(answer.status(), wanted, "{method}");
    }
}

#[tokio::test]
async fn a_frozen_watch_passes_nothing_until_it_is_thawed_and_new_ones_wait() {
    let behind = behind().await;
    let mut open = behind.watch().await;
    behind.event("one");
    assert_eq!(next(&mut open).await.unwrap().as_deref(), Some("one\n"));
    behind.proxy.watches("tickets", WatchFault::Frozen);
    behind.event("two");
    let thaw = async {
        let second = async || (behind.proxy.calls().len() == 2).then_some(());
        eventually("the second watch to be asked for", LIMIT, second)
            .await
            .unwrap();
        assert_eq!(*behind.watching.borrow(), 1);
        behind.proxy.watches("tickets", WatchFault::None);
    };
    let (_answered, ()) = tokio::join!(behind.watch(), thaw);
    assert_eq!(next(&mut open).await.unwrap().as_deref(), Some("two\n"));
}

#[tokio::test]
async fn events_come_twice_late_or_torn_as_told() {
    let behind = behind().await;
    let mut open = behind.watch().await;
    behind.proxy.watches("tickets", WatchFault::Doubled);
    behind.event("one");
    let mut got = String::new();
    while got.len() < "one\none\n".len() {
        got += &next(&mut open).await.unwrap().unwrap();
    }
    assert_eq!(got, "one\none\n");
    let late = Duration::from_millis(120);
    behind.proxy.watches("tickets", WatchFault::Late(late));
    let sent = std::time::Instant::now();
    behind.event("two");
    assert_eq!(next(&mut open).await.unwrap().as_deref(), Some("two\n"));
    assert!(sent.elapsed() >= late);
    behind.proxy.watches("tickets", WatchFault::Torn);
    behind.event("three");
    let mut got = String::new();
    let error = loop {
        match next(&mut open).await {
            Ok(chunk) => got += &chunk.expect("a torn watch has no orderly end"),
            Err(error) => break error,
        }
    };
    assert!("thr".starts_with(&got), "{got} and then {error}");
    assert_eq!(
        behind.proxy.watch_fault("tickets"),
        WatchFault::None,
        "it strikes once"
    );
}

#[tokio::test]
async fn a_watch_is_cut_or_told_that_its_version_is_gone_once() {
    let behind = behind().await;
    let mut open = behind.watch().await;
    behind.proxy.watches("tickets", WatchFault::Cut);
    assert!(next(&mut open).await.is_err());
    let mut open = behind.watch().await;
    behind.proxy.watches("tickets", WatchFault::Gone);
    let event = next(&mut open).await.unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&"ERROR".into(), &410.into())
    );
    assert_eq!(next(&mut open).await.unwrap(), None);
    let mut open = behind.watch().await;
    behind.event("again");
    assert_eq!(next(&mut open).await.unwrap().as_deref(), Some("again\n"));
}

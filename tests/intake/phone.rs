//! The answer from a phone: the link of a page in a real Chromium, and PagerDuty's webhooks. Both write the
//! acknowledgement and nothing else; whatever is wrong with a link is told in words.

use std::collections::BTreeSet;

use firebell::api::{Phase, Ticket, Via};
use firebell::links::Grant;
use firebell::testkit::chromium::{Browser, PHONE};
use firebell::testkit::eventually;
use firebell::testkit::intake::Intake;
use firebell::testkit::stage::{LIMIT, LINK, PAGERDUTY, Stage, TOKEN};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::ways::hex;

/// A stage whose pages carry links to its intake.
async fn linked(prefix: &str) -> (Stage<'static>, Intake) {
    let mut stage = Stage::set(prefix).await;
    let intake = stage.intake("").await;
    stage.flags = flags(&stage, &intake);
    stage
        .apply_policy("gold", stage.short_policy("10m", 1))
        .await;
    stage.start().await;
    (stage, intake)
}

/// What tells an operator where links lead.
fn flags(stage: &Stage<'_>, intake: &Intake) -> Vec<String> {
    let secret = format!("{}/intake", stage.namespace);
    [
        "--public-url",
        &intake.url("/"),
        "--link-key-secret",
        &secret,
    ]
    .map(str::to_owned)
    .to_vec()
}

async fn link_of_page(stage: &Stage<'_>) -> String {
    let page = stage.page("/alice", 1).await.json().unwrap();
    page["data"]["links"]["acknowledge"]
        .as_str()
        .expect("a link")
        .to_owned()
}

/// The path of a link that was signed for a ticket.
fn path(ticket: &Ticket, by: &str, sent: Timestamp, key: &str) -> String {
    let (namespace, uid) = (ticket.namespace().unwrap(), ticket.uid().unwrap());
    let grant = Grant::new(&namespace, &ticket.name_any(), &uid, by, sent);
    format!("/a/{}", grant.sign(&SecretString::from(key)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_the_link_shows_the_ticket_and_its_one_button_acknowledges() {
    let (stage, _intake) = linked("phone").await;
    let more = json!({"title": "Checkout returns 5xx for every second customer <b>now</b>", "description": "Since 02:40.\n\nDashboard: https://grafana.example/d/checkout"});
    stage.create_ticket_with("checkout-5xx", more).await;
    let link = link_of_page(&stage).await;
    let mut browser = Browser::start().await.unwrap();
    browser.open(&link).await.unwrap();
    let shown = browser.html().await.unwrap();
    assert!(
        shown.contains("every second customer &lt;b&gt;now"),
        "{shown}"
    );
    keep(&mut browser, "phone-asks.png").await;
    let button = browser.place("button").await.unwrap();
    let (width, height) = (f64::from(PHONE.0), f64::from(PHONE.1));
    assert!(
        button.height >= 48.0 && button.width > 0.8 * width,
        "a thumb finds it: {button:?}"
    );
    assert!(
        button.y + button.height <= height,
        "without scrolling: {button:?}"
    );
    assert!(
        browser.content_width().await.unwrap() <= width,
        "nothing hangs out at the side"
    );
    let untouched = stage.ticket_object("checkout-5xx").await;
    assert!(
        untouched.spec.acknowledgement.is_none(),
        "looking changes nothing"
    );

    browser.tap("button").await.unwrap();
    let shown = browser.html().await.unwrap();
    assert!(
        shown.contains("Acknowledged") && shown.contains("alice"),
        "{shown}"
    );
    keep(&mut browser, "phone-done.png").await;
    stage.until_phase("checkout-5xx", Phase::Acknowledged).await;
    let ticket = stage.ticket_object("checkout-5xx").await;
    let block = ticket.spec.acknowledgement.clone().unwrap();
    assert_eq!((block.by.as_str(), block.via), ("alice", Some(Via::Link)));
    assert_only_acknowledged(&ticket);
    browser.open(&link).await.unwrap();
    assert!(
        browser
            .html()
            .await
            .unwrap()
            .contains("You have acknowledged it already")
    );
}

/// Whoever acknowledged wrote that block and nothing else.
fn assert_only_acknowledged(ticket: &Ticket) {
    let wrote = ticket
        .managed_fields()
        .iter()
        .find(|entry| entry.manager.as_deref() == Some("firebell-acknowledgement"));
    let fields = &wrote.unwrap().fields_v1.as_ref().unwrap().0;
    let parts: Vec<&String> = fields.as_object().unwrap().keys().collect();
    let blocks: Vec<&String> = fields["f:spec"].as_object().unwrap().keys().collect();
    let (spec, block) = ("f:spec".to_owned(), "f:acknowledgement".to_owned());
    assert_eq!(
        (parts, blocks),
        (vec![&spec], vec![&block]),
        "and nothing else"
    );
}

/// Leaves a picture for whoever wants to look.
async fn keep(browser: &mut Browser, name: &str) {
    let picture = browser.picture().await.unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    std::fs::write(
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
        picture,
    )
    .unwrap();
}

#[tokio::test]
async fn a_link_that_is_forged_expired_or_foreign_is_refused_in_words() {
    let (stage, intake) = linked("phone-bad").await;
    let ticket = stage.create_ticket("checkout").await;
    let now = Timestamp::now();
    let mut stranger = ticket.clone();
    stranger.metadata.uid = Some("00000000-0000-0000-0000-000000000000".into());
    let mut elsewhere = ticket.clone();
    elsewhere.metadata.namespace = Some("kube-system".into());
    let old = now - SignedDuration::from_hours(25);
    let forged = format!("{}A", path(&ticket, "alice", now, LINK));
    for (link, status, words) in [
        (
            path(&ticket, "alice", now, &"k".repeat(40)),
            403,
            "was changed on its way",
        ),
        (forged, 403, "was changed on its way"),
        ("/a/v1.x.y".to_owned(), 403, "was changed on its way"),
        (path(&ticket, "alice", old, LINK), 410, "has expired"),
        (path(&stranger, "alice", now, LINK), 404, "no longer there"),
        (
            path(&elsewhere, "alice", now, LINK),
            403,
            "not answered for here",
        ),
    ] {
        let shown = intake.get(&link).await.unwrap();
        let pressed = intake.post_with(&link, &[], String::new()).await.unwrap();
        for answer in [shown, pressed] {
            assert_eq!(answer.status, status, "{link}");
            assert!(answer.text.contains(words), "{words}: {}", answer.text);
        }
        assert!(
            !intake.log().contains(link.rsplit('/').next().unwrap()),
            "links are secrets"
        );
    }
    assert!(
        stage
            .ticket_object("checkout")
            .await
            .spec
            .acknowledgement
            .is_none()
    );
}

#[tokio::test]
async fn while_the_key_is_rotated_links_by_either_key_open_and_pages_are_signed_by_the_new_one() {
    let (stage, intake) = linked("phone-rotate").await;
    stage.create_ticket("before").await;
    let before = link_of_page(&stage).await;
    let next = "the-next-signing-key-of-links-of-tests";
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let rotated = json!({"stringData": {"linkKey": next, "previousLinkKey": LINK}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(rotated));
    secrets.patch("intake", &params, &patch).await.unwrap();
    // Pages are signed with the new key as soon as the operator has read it.
    let (mut number, mut after) = (0, before.clone());
    eventually("a page is signed by the new key", LIMIT, async || {
        number += 1;
        stage.create_ticket(&format!("after-{number}")).await;
        let page = stage.page("/alice", number + 1).await.json().unwrap();
        after = page["data"]["links"]["acknowledge"].as_str()?.to_owned();
        let (link, key) = (after.rsplit('/').next()?, SecretString::from(next));
        Grant::verify(link, &key, Timestamp::now()).ok()
    })
    .await
    .unwrap();
    for link in [before, after] {
        let place = link.replace(&intake.url(""), "");
        let shown = intake.get(&place).await.unwrap();
        assert_eq!(shown.status, 200, "{}", shown.text);
        let pressed = intake.post_with(&place, &[], String::new()).await.unwrap();
        assert!(
            pressed.text.contains("You have it, alice"),
            "{}",
            pressed.text
        );
    }
}

#[tokio::test]
async fn a_link_works_once_and_not_after_somebody_else_has_answered() {
    let (stage, intake) = linked("phone-used").await;
    let ticket = stage.create_ticket("checkout").await;
    let now = Timestamp::now();
    let press = async |link: &str| intake.post_with(link, &[], String::new()).await.unwrap();
    let (hers, his) = (
        path(&ticket, "alice", now, LINK),
        path(&ticket, "bob", now, LINK),
    );
    assert_eq!(press(&hers).await.status, 200);
    stage.until_phase("checkout", Phase::Acknowledged).await;
    assert!(
        press(&his)
            .await
            .text
            .contains("alice has acknowledged it already")
    );
    let back = json!({"acknowledgement": {"by": "alice", "revoked": true}});
    stage.fact("checkout", back).await;
    stage.until_phase("checkout", Phase::Submitted).await;
    let answer = press(&hers).await;
    assert_eq!(answer.status, 410);
    assert!(
        answer.text.contains("This link was used"),
        "{}",
        answer.text
    );
    stage
        .fact("checkout", json!({"resolution": {"by": "carol"}}))
        .await;
    let fresh = Timestamp::now() + SignedDuration::from_secs(5);
    let fresh = path(&ticket, "alice", fresh, LINK);
    assert!(press(&fresh).await.text.contains("It is resolved"));
}

/// A stage on which alice, bob (no `user`), dan (reached as a customer) and a room are paged at once.
async fn paged_together() -> (Stage<'static>, Intake) {
    let mut stage = Stage::set("phone-where").await;
    let intake = stage.intake("").await;
    stage.flags = flags(&stage, &intake);
    let mut policy = stage.short_policy("10m", 1);
    let customers = json!({"name": "customers", "type": "Webhook", "address": stage.receiver.url("/customers"), "audience": "Customers"});
    let room = json!({"name": "room", "type": "Webhook", "address": stage.receiver.url("/room")});
    policy["connectors"]
        .as_array_mut()
        .unwrap()
        .extend([customers, room]);
    let dan = json!({"name": "dan", "reach": [{"connector": "customers"}]});
    policy["contacts"].as_array_mut().unwrap().push(dan);
    let all = json!([{"contact": "alice"}, {"contact": "bob"}, {"contact": "dan"}, {"connector": "room"}]);
    policy["steps"][0]["notify"] = all;
    policy["communication"] = json!({"notifyOn": ["Opened"], "notify": [{"contact": "alice"}]});
    stage.apply_policy("gold", policy).await;
    stage.start().await;
    (stage, intake)
}

#[tokio::test]
async fn a_link_goes_to_the_person_who_is_paged_and_stands_nowhere_else() {
    let (stage, _intake) = paged_together().await;
    stage.create_ticket("checkout").await;
    let paths = ["/alice", "/bob", "/customers", "/room"];
    let all = stage
        .until_received(|ledger| {
            paths.iter().all(|path| ledger.count(path) > 0) && ledger.count("/alice") > 1
        })
        .await;
    let mut links = Vec::new();
    for page in &all {
        let body = page.json().unwrap();
        let link = body["data"]["links"]["acknowledge"]
            .as_str()
            .map(str::to_owned);
        let paged =
            body["data"]["kind"] == "Page" && ["/alice", "/bob"].contains(&page.path.as_str());
        assert_eq!(link.is_some(), paged, "{}: {body}", page.path);
        links.extend(link);
    }
    let key = SecretString::from(LINK);
    let last = |link: &String| link.rsplit('/').next().unwrap().to_owned();
    let grants = links
        .iter()
        .map(|link| Grant::verify(&last(link), &key, Timestamp::now()).unwrap());
    let people: BTreeSet<String> = grants.map(|grant| grant.by).collect();
    assert_eq!(
        people,
        BTreeSet::from(["alice".to_owned(), "bob".to_owned()])
    );

    stage.until_all_told("checkout", &["Escalated"]).await;
    let args = [
        "-n",
        &stage.namespace,
        "get",
        "tickets,events",
        "-o",
        "json",
    ];
    let stored = stage.plane.kubectl(args).run().await.unwrap();
    for secret in links.iter().map(last) {
        assert!(
            !stored.contains(&secret) && !stage.log().contains(&secret),
            "links are secrets"
        );
    }
}

#[tokio::test]
async fn while_the_key_of_links_is_missing_pages_leave_without_them() {
    let mut stage = Stage::set("phone-nokey").await;
    stage.flags = [
        "--public-url",
        "https://firebell.example",
        "--link-key-secret",
        "nowhere/none",
    ]
    .map(str::to_owned)
    .to_vec();
    stage
        .apply_policy("gold", stage.short_policy("10m", 1))
        .await;
    stage.start().await;
    stage.create_ticket("checkout").await;
    let page = stage.page("/alice", 1).await.json().unwrap();
    assert!(page["data"]["links"]["acknowledge"].is_null(), "{page}");
    stage.until_logged("pages leave without links").await;
}

fn webhook(kind: &str, key: &str, agent: &Value) -> String {
    json!({"event": {
        "id": "01CH754SM17TWPE2V2H4VPBRO7", "event_type": kind, "resource_type": "incident", "occurred_at": "2026-01-05T09:00:00Z",
        "agent": agent, "data": {"id": "PGR0VU2", "type": "incident", "incident_key": key, "status": "acknowledged"},
    }})
    .to_string()
}

#[tokio::test]
async fn what_a_person_presses_at_pagerduty_acknowledges_here() {
    let stage = Stage::set("phone-pd").await;
    let intake = stage.intake("").await;
    let person = json!({"id": "PLH1HKV", "type": "user_reference", "summary": "Alice", "html_url": "https://acme.pagerduty.com/users/PLH1HKV"});
    let machine =
        json!({"id": "PPVZH9X", "type": "inbound_integration_reference", "summary": "Firebell"});
    let send = async |body: String, key: &str| {
        let signature = format!("v1={},v1={}", "00".repeat(32), hex(key, &[&body]));
        let headers = [("x-pagerduty-signature", signature.as_str())];
        intake
            .post_with("/v1/pagerduty", &headers, body)
            .await
            .unwrap()
    };
    for (name, kind) in [
        ("one", "incident.acknowledged"),
        ("two", "incident.resolved"),
    ] {
        let ticket = stage.create_ticket(name).await;
        let key = format!("{}/1/on-call", ticket.uid().unwrap());
        let body = webhook(kind, &key, &person);
        assert_eq!(send(body.clone(), "another key").await.status, 401);
        assert_eq!(
            send(webhook(kind, &key, &machine), PAGERDUTY).await.status,
            202
        );
        assert_eq!(
            send(webhook("incident.escalated", &key, &person), PAGERDUTY)
                .await
                .status,
            202
        );
        assert!(
            stage
                .ticket_object(name)
                .await
                .spec
                .acknowledgement
                .is_none()
        );
        let answer = send(body.clone(), PAGERDUTY).await;
        assert_eq!(
            (answer.status, &answer.json["message"]),
            (202, &json!("acknowledged"))
        );
        let ticket = stage.ticket_object(name).await;
        assert_only_acknowledged(&ticket);
        let block = ticket.spec.acknowledgement.unwrap();
        assert_eq!(
            (block.by.as_str(), block.via),
            ("Alice", Some(Via::PagerDuty))
        );
        let again = send(body, PAGERDUTY).await;
        assert_eq!(again.json["message"], "already acknowledged by Alice");
    }
    let foreign = webhook("incident.acknowledged", "srv01/HTTP", &person);
    assert_eq!(send(foreign, PAGERDUTY).await.status, 202, "not ours");
}

#[tokio::test]
async fn a_namespace_that_cannot_be_read_keeps_no_acknowledgement_from_another() {
    let stage = Stage::set("phone-locked").await;
    // By name it is looked through first, and nobody grants the intake anything there.
    let intake = stage.intake("allowedNamespaces: [a-locked-one]").await;
    let event = |action: &str| {
        json!({
            "routing_key": TOKEN, "event_action": action, "dedup_key": "db/1", "client": "monitor",
            "payload": {"summary": "Replication lags", "source": "db1", "severity": "error"},
        })
    };
    for action in ["trigger", "acknowledge"] {
        let answer = intake.post("/v2/enqueue", "", &event(action)).await;
        assert_eq!(answer.unwrap().status, 202, "{action}");
    }
    let alert = stage.all_tickets().await.remove(0);
    assert!(alert.spec.acknowledgement.is_some());

    let ticket = stage.create_ticket("paged").await;
    let person = json!({"type": "user_reference", "summary": "Alice"});
    let key = format!("{}/1/on-call", ticket.uid().unwrap());
    let body = webhook("incident.acknowledged", &key, &person);
    let signature = format!("v1={}", hex(PAGERDUTY, &[&body]));
    let headers = [("x-pagerduty-signature", signature.as_str())];
    let answer = intake.post_with("/v1/pagerduty", &headers, body).await;
    assert_eq!(answer.unwrap().json["message"], "acknowledged");
}

//! Kills at each moment of a page, an API server that is away, receivers that hang or refuse, and silence when idle.

use std::collections::BTreeMap;

use firebell::api::{DeliveryState, Phase, Rca, StepResult, Ticket, TicketStatus};
use firebell::testkit::audit::AuditEvent;
use firebell::testkit::controlplane::{ControlPlane, Options as PlaneOptions};
use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options, built_binary};
use firebell::testkit::proxy::{Aim, Fault, Proxy, Seen, Verb, WatchFault, Which};
use firebell::testkit::receiver::Behaviour;
use firebell::testkit::stage::{LIMIT, ROLE, Stage};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

/// How often each id came.
fn ids(stage: &Stage<'_>) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for page in stage.receiver.pages() {
        *ids.entry(page.id().to_owned()).or_default() += 1;
    }
    ids
}

/// The steps of the present round that paged, at their time or caught up after a downtime.
fn paged(status: &TicketStatus) -> Vec<&str> {
    let escalation = status.escalation.as_ref().unwrap();
    let paged = escalation.steps.iter().filter(|step| match step.result {
        StepResult::Fired | StepResult::CaughtUp => true,
        StepResult::Skipped | StepResult::SkippedEmpty | StepResult::Waiting => false,
    });
    paged.map(|step| step.name.as_str()).collect()
}

const ALL: [&str; 3] = ["on-call", "manager", "director"];

/// How long what was written may take at most to stand in the audit log.
const REACHES_THE_LOG: SignedDuration = SignedDuration::from_secs(3);

async fn until_all_paged(stage: &Stage<'_>) -> TicketStatus {
    stage
        .until("checkout", "three steps are recorded", |status| {
            let escalation = status.escalation.as_ref();
            escalation.is_some_and(|known| known.steps.len() == 3)
        })
        .await
}

#[tokio::test]
async fn killed_before_a_deadline_the_next_start_pages_every_step_at_most_once_more() {
    let mut stage = Stage::running("killed").await;
    stage.apply_policy("gold", stage.policy("8s")).await;
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    stage.until_armed("checkout", "manager").await;
    stage.kill();
    stage.start().await;
    stage.page("/bob", 1).await;
    stage.page("/carol", 1).await;
    assert_eq!(paged(&until_all_paged(&stage).await), ALL);
    let ids = ids(&stage);
    assert!(ids.values().all(|count| *count <= 2), "{ids:?}");
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn killed_while_sending_the_page_arrives_again_under_the_same_id() {
    let mut stage = Stage::running("sending").await;
    stage.receiver.on("/alice", Behaviour::Hang);
    stage
        .apply_policy("gold", stage.short_policy("10m", 1))
        .await;
    stage.create_ticket("checkout").await;
    let first = stage.page("/alice", 1).await;
    stage.kill();
    stage.receiver.on("/alice", Behaviour::Ok);
    stage.start().await;
    stage.page("/alice", 2).await;
    let ids = ids(&stage);
    assert_eq!(ids.keys().collect::<Vec<_>>(), [first.id()]);
    let status = stage
        .until("checkout", "the page is recorded as delivered", |status| {
            let mut deliveries = status.deliveries.iter();
            deliveries.any(|known| known.state == DeliveryState::Delivered)
        })
        .await;
    assert_eq!(paged(&status), ["on-call"]);
}

#[tokio::test]
async fn killed_between_the_page_and_its_status_write_no_step_is_skipped_or_doubled() {
    let plane = ControlPlane::start(PlaneOptions::default()).await.unwrap();
    let mut stage = Stage::on(&plane, "between").await;
    stage.install(firebell::api::crds()).await;
    stage.start().await;
    stage.apply_policy("gold", stage.policy("8s")).await;
    stage.create_ticket("checkout").await;
    stage.until_armed("checkout", "manager").await;
    // From here on nothing can be written, but what is armed leaves: the page is out and its record is not.
    plane.kill_apiserver().unwrap();
    stage
        .until_received(|ledger| ledger.count("/bob") == 1)
        .await;
    stage.kill();
    plane.start_apiserver().await.unwrap();
    let status = stage.ticket_object("checkout").await.status.unwrap();
    assert_eq!(paged(&status), ALL[..1]);
    stage.start().await;
    stage
        .until_received(|ledger| ledger.count("/bob") == 2 && ledger.count("/carol") > 0)
        .await;
    assert_eq!(paged(&until_all_paged(&stage).await), ALL);
    let ids = ids(&stage);
    assert_eq!(ids.len(), 3, "each step has one id: {ids:?}");
    assert!(ids.values().all(|count| *count <= 2), "{ids:?}");
}

/// A stage, a fault proxy before the API server, and an operator that is going to start behind it.
async fn with_a_proxy(prefix: &str) -> (Stage<'static>, Proxy, Options) {
    let stage = Stage::set(prefix).await;
    let user = stage.operator_user();
    stage.grant(&user, "firebell", ROLE).await;
    let config = stage.plane.user(&user, &[]).unwrap();
    let proxy = Proxy::start(config).await.unwrap();
    let file = |name: &str| {
        stage
            .plane
            .folder()
            .join(format!("{name}-{}", stage.namespace))
    };
    let (kubeconfig, log) = (file("proxy"), file("operator"));
    proxy.write_kubeconfig(&kubeconfig).unwrap();
    let options = Options {
        binary: built_binary("firebell").expect("run `cargo build --features testkit --bins`"),
        kubeconfig,
        namespaces: vec![stage.namespace.clone()],
        flags: Vec::new(),
        log,
    };
    (stage, proxy, options)
}

#[tokio::test]
async fn told_to_stop_before_all_is_listed_it_decides_nothing() {
    let (mut stage, proxy, options) = with_a_proxy("early-stop").await;
    stage.create_ticket("checkout").await;
    // The first list is the question whether the kind is served.
    let lists = Aim::at(Verb::List, "escalationpolicies");
    let held = proxy.lay(lists, Which::Nth(2), Fault::HeldRequest);
    stage.operator = Some(Operator::spawn(&options).unwrap());
    proxy.until_hit(held, LIMIT).await.unwrap();
    eventually("the tickets are listed", LIMIT, async || {
        let calls = proxy.calls();
        let watched =
            |seen: &Seen| (seen.call.verb, &*seen.call.resource) == (Verb::Watch, "tickets");
        calls.iter().any(watched).then_some(())
    })
    .await
    .unwrap();
    stage.terminate();
    let (code, log) = stage.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let status = stage.ticket_object("checkout").await.status;
    assert_eq!(status, None, "its policy was not known yet");
}

/// A stage whose operator reaches the API server through a fault proxy, and policy "gold" in use.
async fn behind_a_proxy(prefix: &str, second: &str) -> (Stage<'static>, Proxy) {
    let (mut stage, proxy, options) = with_a_proxy(prefix).await;
    stage.operator = Some(Operator::spawn(&options).unwrap());
    stage.ready().await;
    stage
        .apply_policy("gold", stage.short_policy(second, 2))
        .await;
    stage.until_in_use("gold").await;
    (stage, proxy)
}

#[tokio::test]
async fn a_page_leaves_at_once_though_the_write_that_armed_it_is_never_answered() {
    let (stage, proxy) = behind_a_proxy("unanswered", "10m").await;
    let status = Aim::at(Verb::Patch, "tickets/status");
    let opening = proxy.lay(status, Which::Nth(1), Fault::HeldAnswer);
    let created = stage.create_ticket("checkout").await.metadata;
    let page = stage.page("/alice", 1).await;
    assert_eq!(proxy.hits(opening), 1, "the write that armed the page");
    // Creation times are whole seconds; the call is given up 10 s after it was made.
    let late = page
        .time
        .duration_since(created.creation_timestamp.unwrap().0);
    assert!(
        late.as_secs() < 8,
        "the page came {late} after the creation"
    );
    stage.until_armed("checkout", "manager").await;
    stage
        .until_logged("a status write got no answer, but the watch shows it")
        .await;
    assert_eq!(ids(&stage).into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn an_armed_page_leaves_on_time_though_another_write_of_its_ticket_hangs() {
    let (stage, proxy) = behind_a_proxy("hanging", "12s").await;
    stage.create_ticket("checkout").await;
    let armed = stage.until_armed("checkout", "manager").await;
    let due = armed.escalation.unwrap().next_time.unwrap().0;
    let status = Aim::at(Verb::Patch, "tickets/status");
    let hangs = proxy.lay(status, Which::Every, Fault::HeldRequest);
    let assigned = json!({"assignment": {"assignee": "bob", "by": "bob"}});
    stage.fact("checkout", assigned).await;
    proxy.until_hit(hangs, LIMIT).await.unwrap();
    let late = stage.page("/bob", 1).await.time.duration_since(due);
    // The call is given up 10 s after it was made, and would be made anew.
    assert!(late.as_secs() < 5, "the page came {late} late");
    proxy.lift(hangs);
    stage.until_phase("checkout", Phase::Assigned).await;
    let sent: Vec<usize> = ids(&stage).into_values().collect();
    assert!(sent.iter().all(|count| *count == 1), "{sent:?}");
}

#[tokio::test]
async fn an_armed_page_leaves_on_time_though_a_conflict_is_followed_by_silence() {
    let (stage, proxy) = behind_a_proxy("conflict", "12s").await;
    stage.create_ticket("checkout").await;
    let armed = stage.until_armed("checkout", "manager").await;
    let due = armed.escalation.unwrap().next_time.unwrap().0;
    let conflict = Fault::Refused {
        status: 409,
        retry_after: None,
    };
    let status = Aim::at(Verb::Patch, "tickets/status");
    proxy.lay(status, Which::Every, conflict);
    let asked = Aim::at(Verb::Get, "tickets");
    let silent = proxy.lay(asked, Which::Every, Fault::HeldRequest);
    let assigned = json!({"assignment": {"assignee": "bob", "by": "bob"}});
    stage.fact("checkout", assigned).await;
    proxy.until_hit(silent, LIMIT).await.unwrap();
    let late = stage.page("/bob", 1).await.time.duration_since(due);
    // Each conflict is followed by a GET, which is given up after 10 s: the page falls due in the second one.
    assert!(late.as_secs() < 5, "the page came {late} late");
}

#[tokio::test]
async fn an_armed_page_leaves_on_time_though_the_watch_is_silent_and_many_writes_hang() {
    let (stage, proxy) = behind_a_proxy("behind", "16s").await;
    stage.create_ticket("checkout").await;
    let armed = stage.until_armed("checkout", "manager").await;
    let due = armed.escalation.unwrap().next_time.unwrap().0;
    let status = Aim::at(Verb::Patch, "tickets/status");
    let writes = proxy.lay(status, Which::Every, Fault::HeldRequest);
    for number in 0..90 {
        stage.create_ticket(&format!("t{number}")).await;
    }
    // As many as are let through at once.
    let full = eventually("many writes hang", LIMIT, async || {
        (proxy.hits(writes) >= 24).then_some(())
    });
    full.await.unwrap();
    let asked = Aim::at(Verb::Get, "tickets");
    proxy.lay(asked, Which::Every, Fault::HeldRequest);
    proxy.watches("tickets", WatchFault::Frozen);
    let late = stage.page("/bob", 1).await.time.duration_since(due);
    assert!(late.as_secs() < 5, "the page came {late} late");
}

#[tokio::test]
async fn a_409_that_is_not_about_the_name_loses_no_event_and_no_rca() {
    let (stage, proxy) = behind_a_proxy("refused", "10m").await;
    let mut policy = stage.short_policy("10m", 1);
    policy["rca"] = json!({"severities": ["High"], "gatesClosure": false});
    stage.apply_policy("gold", policy).await;
    stage.until_in_use("gold").await;
    let quota = |resource| {
        let refused = Fault::Refused {
            status: 409,
            retry_after: None,
        };
        proxy.lay(Aim::at(Verb::Create, resource), Which::Nth(1), refused)
    };
    let laid = ["events", "rcas"].map(quota);
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    let resolved = json!({"resolution": {"by": "alice", "cause": "c", "fix": "f"}});
    stage.fact("checkout", resolved).await;
    let rcas: Api<Rca> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let made = async || {
        let made = rcas.list(&ListParams::default()).await.ok()?;
        (made.items.len() == 1).then_some(())
    };
    eventually("the RCA is made", LIMIT, made).await.unwrap();
    stage
        .until_all_told("checkout", &["Opened", "Escalated", "Resolved"])
        .await;
    assert_eq!(laid.map(|laid| proxy.hits(laid)), [1, 1]);
}

#[tokio::test]
async fn what_happened_is_told_once_the_api_server_takes_events_again() {
    let (stage, proxy) = behind_a_proxy("untold", "10m").await;
    let refused = Fault::Refused {
        status: 503,
        retry_after: None,
    };
    let laid = proxy.lay(Aim::at(Verb::Create, "events"), Which::Every, refused);
    stage.create_ticket("checkout").await;
    stage.page("/alice", 1).await;
    let tries = async || {
        let calls = proxy.broken(laid).into_iter();
        let first = calls.map(|seen| seen.time).min()?;
        let waited = Timestamp::now().duration_since(first);
        (waited > SignedDuration::from_secs(5)).then_some(())
    };
    eventually("it was tried for a while", LIMIT, tries)
        .await
        .unwrap();
    proxy.lift(laid);
    stage
        .until_told("checkout", |told| {
            let expected = ["Opened", "Escalated"];
            expected
                .iter()
                .all(|reason| told.iter().any(|known| known == reason))
        })
        .await;
}

#[tokio::test]
async fn a_signed_page_leaves_on_time_while_the_api_server_hangs_and_while_it_is_down() {
    let plane = ControlPlane::start(PlaneOptions::default()).await.unwrap();
    let mut stage = Stage::on(&plane, "outage").await;
    stage.install(firebell::api::crds()).await;
    stage.start().await;
    let mut spec = stage.policy("8s");
    assert_eq!(spec["connectors"][0]["secretRef"]["name"], "pager");
    spec["steps"][2]["after"] = "8s".into();
    stage.apply_policy("gold", spec).await;
    stage.create_ticket("checkout").await;
    for (step, path) in [("manager", "/bob"), ("director", "/carol")] {
        let armed = stage.until_armed("checkout", step).await;
        let due = armed.escalation.unwrap().next_time.unwrap().0;
        if step == "manager" {
            plane.pause_apiserver().unwrap();
        } else {
            plane.kill_apiserver().unwrap();
        }
        // `page` verifies its signature: the key that was read last stands in.
        let late = stage.page(path, 1).await.time.duration_since(due);
        assert!(late.as_secs() < 10, "\"{step}\" came {late} late");
        if step == "manager" {
            plane.resume_apiserver().unwrap();
        }
    }
    stage
        .until_logged("what was last read of this Secret stands in")
        .await;
}

#[tokio::test]
async fn of_200_tickets_two_have_a_receiver_that_hangs_and_the_others_are_on_time() {
    let stage = Stage::running("hangs").await;
    stage.receiver.on("/hangs", Behaviour::Hang);
    let mut policy = stage.short_policy("10m", 1);
    stage.apply_policy("gold", policy.clone()).await;
    policy["default"] = false.into();
    policy["contacts"][0]["reach"][0]["address"] = stage.receiver.url("/hangs").into();
    stage.apply_policy("dead", policy).await;
    let mut created = BTreeMap::new();
    for number in 0..200 {
        let more = if number < 2 {
            json!({"policyRef": {"name": "dead"}})
        } else {
            json!({})
        };
        let name = format!("t{number}");
        let ticket = stage.create_ticket_with(&name, more).await;
        created.insert(name, ticket.metadata.creation_timestamp.unwrap().0);
    }
    let got = stage
        .until_received(|ledger| ledger.count("/alice") >= 198)
        .await;
    for page in got.iter().filter(|page| page.path == "/alice") {
        let body = page.json().unwrap();
        let name = body["data"]["ticket"]["name"].as_str().unwrap();
        let since = page.time.duration_since(created[name]);
        // A try that hangs lasts 15 s: whoever waited for one comes later than that.
        assert!(
            since.as_secs() < 12,
            "{name} was paged {since} after its creation"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_is_told_in_a_condition_and_the_next_step_follows_at_once() {
    let stage = Stage::running("refuses").await;
    let gone = Behaviour::Status(410, Vec::new());
    stage.receiver.on("/alice", gone);
    stage.apply_policy("gold", stage.policy("10m")).await;
    stage.create_ticket("checkout").await;
    stage.page("/bob", 1).await;
    let status = stage
        .until("checkout", "the failure is told", |status| {
            let mut conditions = status.conditions.iter();
            conditions.any(|known| known.type_ == "Delivered")
        })
        .await;
    let failed = status
        .timeline
        .iter()
        .find(|entry| entry.kind == "DeliveryFailed")
        .unwrap();
    assert!(
        failed.message.contains("contact/alice"),
        "{}",
        failed.message
    );
}

#[tokio::test]
async fn a_receiver_that_fails_again_and_again_is_counted_until_it_answers() {
    let stage = Stage::running("breaker").await;
    let busy = Behaviour::Status(503, Vec::new());
    stage.receiver.on("/alice", busy);
    stage
        .apply_policy("gold", stage.short_policy("1h", 1))
        .await;
    let counted = async |count: usize| {
        let line = format!("firebell_open_breakers{{type=\"Webhook\"}} {count}\n");
        let told = eventually("the metric tells of it", LIMIT, async || {
            stage.metrics().await.contains(&line).then_some(())
        });
        assert!(told.await.is_ok(), "{line}{}", stage.metrics().await);
    };
    counted(0).await;
    for n in 0..5 {
        stage.create_ticket(&format!("t-{n}")).await;
    }
    counted(1).await;
    stage.receiver.on("/alice", Behaviour::Ok);
    counted(0).await;
}

#[tokio::test]
async fn an_idle_operator_with_200_open_tickets_writes_nothing_for_a_minute() {
    let stage = Stage::running("idle").await;
    let mut policy = stage.short_policy("10h", 2);
    policy["severities"] = json!([]);
    stage.apply_policy("gold", policy).await;
    for number in 0..200 {
        stage.create_ticket(&format!("t{number}")).await;
    }
    let settled = eventually("every page is recorded", LIMIT * 3, async || {
        let tickets = stage.tickets().list(&ListParams::default()).await.ok()?;
        let armed = |ticket: &Ticket| {
            let status = ticket.status.as_ref();
            let escalation = status.and_then(|status| status.escalation.as_ref());
            escalation.is_some_and(|known| known.next_step.as_deref() == Some("manager"))
        };
        (tickets.items.len() == 200 && tickets.items.iter().all(armed)).then_some(())
    });
    settled.await.unwrap();
    stage
        .until_policy("gold", "all are counted", |status| {
            status.open_tickets == Some(200)
        })
        .await;
    let user = stage.operator_user();
    let of_operator =
        |event: &AuditEvent| event.user == user && event.is_write() && event.is_complete();
    let writes = || stage.plane.audit_events(of_operator).unwrap();
    let minute = SignedDuration::from_mins(1);
    // Events and results may still follow, so the minute starts with the last write. The log is read when a minute may
    // be over, and no oftener: it is long, and whoever reads it on and on takes a processor from the other tests.
    let mut look = Timestamp::now();
    let quiet = eventually("a minute without a write", LIMIT * 4, async || {
        if Timestamp::now() < look {
            return None;
        }
        let writes = writes();
        assert!(writes.len() >= 200, "the audit log shows what it writes");
        let last = writes.iter().map(|event| event.time).max()?;
        let over = Timestamp::now() > last + minute + REACHES_THE_LOG;
        look = last + minute + REACHES_THE_LOG;
        over.then_some(())
    });
    quiet.await.unwrap();
}

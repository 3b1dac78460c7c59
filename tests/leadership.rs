//! Several replicas on a real API server, with exactly the rights of docs/rbac.md: one leads, the others are ready to
//! take over; whoever dies, stops, stands still or finds the API server gone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "leadership/connecting.rs"]
mod connecting;

use std::path::PathBuf;
use std::time::Duration;

use firebell::api::DeliveryState;
use firebell::testkit::controlplane::{ControlPlane, Options as PlaneOptions};
use firebell::testkit::eventually;
use firebell::testkit::operator::{Operator, Options, built_binary};
use firebell::testkit::proxy::{Aim, Fault, Proxy, Verb, Which};
use firebell::testkit::receiver::Behaviour;
use firebell::testkit::stage::{LEASE_ROLE, LIMIT, ROLE, Stage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::{Value, json};

/// From the last sign of a leader that died to the first deed of the next: the lease of 3 s and a moment.
const AFTER_A_CRASH: Duration = Duration::from_secs(5);

/// A replica that takes part in the election, working in the stage's namespace.
fn replica(stage: &Stage<'_>, name: &str, flags: &[&str]) -> Operator {
    let user = stage.operator_user();
    let kubeconfig = stage.plane.user_kubeconfig(&user, &[]).unwrap();
    replica_by(stage, kubeconfig, name, flags)
}

fn replica_by(stage: &Stage<'_>, kubeconfig: PathBuf, name: &str, flags: &[&str]) -> Operator {
    let ours = ["--leader-elect"];
    let mut flags: Vec<String> = ours.iter().chain(flags).map(ToString::to_string).collect();
    if !flags.contains(&"--lease-namespace".to_owned()) {
        flags.extend(["--lease-namespace".to_owned(), stage.namespace.clone()]);
    }
    let options = Options {
        binary: built_binary("firebell").expect("run `cargo build --features testkit --bins`"),
        kubeconfig,
        namespaces: vec![stage.namespace.clone()],
        flags,
        log: stage
            .plane
            .folder()
            .join(format!("{name}-{}.log", stage.namespace)),
    };
    Operator::spawn(&options).unwrap()
}

async fn grant(stage: &Stage<'_>) {
    stage.grant(&stage.operator_user(), "firebell", ROLE).await;
    stage
        .grant(&stage.operator_user(), "firebell-lease", LEASE_ROLE)
        .await;
}

/// Two replicas; the first leads and the second is ready.
async fn two(stage: &Stage<'_>) -> (Operator, Operator) {
    two_with(stage, &[]).await
}

/// The same with more flags.
async fn two_with(stage: &Stage<'_>, flags: &[&str]) -> (Operator, Operator) {
    grant(stage).await;
    let mut first = replica(stage, "first", flags);
    first.ready(LIMIT).await.unwrap();
    says(&first, "leadership: leads").await;
    let mut second = replica(stage, "second", flags);
    second.ready(LIMIT).await.unwrap();
    says(&second, "leadership: follows, ready to take over").await;
    (first, second)
}

/// Waits until a replica is ready and says so.
async fn says(one: &Operator, words: &str) {
    let said = eventually(words, LIMIT, async || {
        let (status, text) = one.readiness().await?;
        (status == 200 && text.contains(words)).then_some(())
    })
    .await;
    assert!(said.is_ok(), "{said:?}\n{}", one.log());
}

/// Waits until a replica has logged that; when it did.
async fn logged(one: &Operator, words: &str) -> Timestamp {
    let found = eventually(words, LIMIT, async || moment_of(&one.log(), words)).await;
    found.unwrap_or_else(|error| panic!("{error}\n{}", one.log()))
}

fn moment_of(log: &str, words: &str) -> Option<Timestamp> {
    let mut lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| {
        let message = line["message"].as_str();
        message.is_some_and(|message| message.starts_with(words))
    })?;
    line["timestamp"].as_str()?.parse().ok()
}

async fn lease(stage: &Stage<'_>) -> Lease {
    let api: Api<Lease> = Api::namespaced(stage.client.clone(), &stage.namespace);
    api.get("firebell").await.unwrap()
}

/// A policy of which the first step pages alice at once, the second bob so long after.
async fn policy(stage: &Stage<'_>, second: &str) {
    stage
        .apply_policy("gold", stage.short_policy(second, 2))
        .await;
}

/// Opens a ticket whose first page is recorded as delivered, so that nobody repeats it; when the second is due.
async fn open(stage: &Stage<'_>, ticket: &str) -> Timestamp {
    stage.create_ticket(ticket).await;
    let first = stage.page("/alice", 1).await;
    delivered(stage, ticket, first.id()).await;
    let armed = stage.until_armed(ticket, "manager").await;
    armed.escalation.unwrap().next_time.unwrap().0
}

/// Waits until a ticket's status tells that a page was delivered.
async fn delivered(stage: &Stage<'_>, ticket: &str, id: &str) {
    stage
        .until(ticket, "the page is delivered", |status| {
            let mut known = status.deliveries.iter();
            known.any(|known| known.id == id && known.state == DeliveryState::Delivered)
        })
        .await;
}

#[tokio::test]
async fn a_follower_is_ready_and_decides_sends_and_writes_nothing() {
    let stage = Stage::set("warm").await;
    policy(&stage, "1s").await;
    let (first, second) = two(&stage).await;
    stage.create_ticket("a").await;
    stage.page("/bob", 1).await;
    stage
        .until_told("firebell", |told| told.contains(&"Leads".to_owned()))
        .await;
    let (ours, theirs) = (first.log(), second.log());
    assert!(
        ours.contains("\"decided\"") && ours.contains("\"delivery\""),
        "{ours}"
    );
    assert!(
        !theirs.contains("\"decided\"") && !theirs.contains("\"delivery\""),
        "{theirs}"
    );
    assert!(first.metrics().await.unwrap().contains("firebell_leader 1"));
    // What it sees is a moment behind what is stored.
    let counted = eventually("its caches are warm", LIMIT, async || {
        let counted = second.metrics().await.ok()?;
        counted.contains("phase=\"Submitted\"").then_some(counted)
    });
    let counted = counted.await.unwrap();
    assert!(counted.contains("firebell_leader 0"), "{counted}");
    assert!(
        !counted.contains("firebell_status_writes_total{"),
        "{counted}"
    );
    assert_eq!(stage.receiver.pages().len(), 2);
    assert_eq!(lease(&stage).await.spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test]
async fn a_killed_leader_is_followed_within_its_lease_and_the_page_that_is_due_leaves() {
    let stage = Stage::set("killed").await;
    policy(&stage, "8s").await;
    let (mut first, second) = two(&stage).await;
    let due = open(&stage, "a").await;
    // So late that the lease runs out after the time of the page.
    let nearly = eventually("the page is nearly due", LIMIT, async || {
        (Timestamp::now() > due - SignedDuration::from_secs(1)).then_some(())
    });
    nearly.await.unwrap();
    first.kill();
    let killed = Timestamp::now();
    let page = stage.page("/bob", 1).await;
    let late = page.time.duration_since(killed.max(due));
    println!("bob's page left {late:#} after its time and the leader's death");
    assert!(
        late < SignedDuration::try_from(AFTER_A_CRASH).unwrap(),
        "{late:#}\n{}",
        second.log()
    );
    delivered(&stage, "a", page.id()).await;
    assert_eq!(stage.receiver.pages_for("/alice").len(), 1);
    assert_eq!(stage.receiver.pages_for("/bob").len(), 1);
}

#[tokio::test]
async fn what_a_killed_leader_had_under_way_is_sent_again_under_the_same_id() {
    let stage = Stage::set("underway").await;
    policy(&stage, "10m").await;
    stage.receiver.on("/alice", Behaviour::Hang);
    let (mut first, _second) = two(&stage).await;
    stage.create_ticket("a").await;
    let lost = stage.page("/alice", 1).await;
    first.kill();
    stage.receiver.on("/alice", Behaviour::Ok);
    let again = stage.page("/alice", 2).await;
    assert_eq!(lost.id(), again.id());
    delivered(&stage, "a", again.id()).await;
    assert_eq!(
        stage.receiver.pages_for("/alice").len(),
        2,
        "one crash, one repeat"
    );
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_hands_over_at_once_and_nothing_is_repeated() {
    let stage = Stage::set("handed").await;
    policy(&stage, "8s").await;
    let (mut leader, mut follower) = two(&stage).await;
    open(&stage, "a").await;
    let mut gaps = Vec::new();
    for next in ["third", "fourth", "fifth"] {
        leader.terminate().unwrap();
        let ended = leader.ended(LIMIT).await.unwrap();
        assert_eq!(ended, Some(0), "{}", leader.log());
        let given_up = logged(&leader, "gives the lease up").await;
        let taken = logged(&follower, "leads").await;
        gaps.push(taken.duration_since(given_up));
        leader = std::mem::replace(&mut follower, replica(&stage, next, &[]));
        follower.ready(LIMIT).await.unwrap();
        says(&follower, "leadership: follows, ready to take over").await;
    }
    println!("from one leader to the next: {gaps:?}");
    // Other tests may take the processors away for a moment, once.
    let best = gaps.iter().min().unwrap();
    assert!(*best < SignedDuration::from_millis(200), "{gaps:?}");
    stage.page("/bob", 1).await;
    stage.until_told("a", |told| told.len() > 2).await;
    assert_eq!(stage.receiver.pages().len(), 2, "alice once, bob once");
}

#[tokio::test]
async fn what_falls_due_while_the_last_deliveries_end_leaves_in_time() {
    let stage = Stage::set("draining").await;
    policy(&stage, "6s").await;
    stage.receiver.on("/alice", Behaviour::Hang);
    let (mut first, _second) = two(&stage).await;
    stage.create_ticket("a").await;
    let hanging = stage.page("/alice", 1).await;
    let armed = stage.until_armed("a", "manager").await;
    let due = armed.escalation.unwrap().next_time.unwrap();
    first.terminate().unwrap();
    let page = stage.page("/bob", 1).await;
    let late = page.time.duration_since(due.0);
    println!("bob's page left {late:#} after its time, while the leader was stopping");
    assert!(late < SignedDuration::from_secs(2), "{late:#}");
    stage.receiver.on("/alice", Behaviour::Ok);
    let again = stage.page("/alice", 2).await;
    assert_eq!(
        hanging.id(),
        again.id(),
        "it had no result: the next leader sends it"
    );
    assert_eq!(first.ended(LIMIT).await.unwrap(), Some(0));
    assert_eq!(stage.receiver.pages_for("/bob").len(), 1);
}

#[tokio::test]
async fn a_leader_that_stood_still_beyond_its_lease_does_nothing_when_it_wakes() {
    let stage = Stage::set("stopped").await;
    policy(&stage, "8s").await;
    let (mut first, second) = two(&stage).await;
    open(&stage, "a").await;
    let before = first.log();
    first.pause().unwrap();
    stage.page("/bob", 1).await;
    says(&second, "leadership: leads").await;
    // Facts that the sleeper would act on.
    stage.create_ticket("b").await;
    stage.page("/alice", 2).await;
    first.resume().unwrap();
    let ended = first.ended(LIMIT).await.unwrap();
    assert_eq!(ended, Some(1), "{}", first.log());
    let since = first.log().split_off(before.len());
    assert!(since.contains("another replica leads now"), "{since}");
    assert!(!since.contains("\"delivery\""), "{since}");
    // Of "a" the answer to its last write may have come while it stood still; "b" it has never seen.
    assert!(
        !since.contains(&format!("{}/b", stage.namespace)),
        "{since}"
    );
    stage.page("/bob", 2).await;
    assert_eq!(stage.receiver.pages().len(), 4, "no page twice");
    assert_eq!(second_term(&stage).await, 2);
}

/// How often the lease has changed hands.
async fn second_term(stage: &Stage<'_>) -> i32 {
    lease(stage).await.spec.unwrap().lease_transitions.unwrap()
}

#[tokio::test]
async fn without_the_api_server_the_last_holder_sends_what_is_armed_and_a_follower_nothing() {
    let plane = ControlPlane::start(PlaneOptions::default()).await.unwrap();
    let stage = Stage::on(&plane, "outage").await;
    stage.install(firebell::api::crds()).await;
    policy(&stage, "12s").await;
    let (mut first, mut second) = two(&stage).await;
    let due = open(&stage, "a").await;
    plane.kill_apiserver().unwrap();
    logged(&first, "the API server is away").await;
    let page = stage.page("/bob", 1).await;
    let late = page.time.duration_since(due);
    println!("bob's page left {late:#} after its time, without an API server");
    assert!(
        late < SignedDuration::from_secs(2),
        "{late:#}\n{}",
        first.log()
    );
    // The lease has run out for the follower long since; whatever it would do it would have done by now.
    says(&second, "leadership: follows").await;
    assert!(!second.log().contains("\"delivery\""), "{}", second.log());
    plane.start_apiserver().await.unwrap();
    delivered(&stage, "a", page.id()).await;
    assert!(
        stage.receiver.pages_for("/bob").len() <= 2,
        "once, and once more where the follower was faster"
    );
    let ids: Vec<_> = stage
        .receiver
        .pages_for("/bob")
        .iter()
        .map(|page| page.id().to_owned())
        .collect();
    assert!(ids.iter().all(|id| id == page.id()), "{ids:?}");
    first.kill();
    second.kill();
}

#[tokio::test]
async fn two_operators_with_namespaces_in_common_notice_it_and_go_on_paging() {
    let stage = Stage::set("overlap").await;
    policy(&stage, "10m").await;
    grant(&stage).await;
    let other = LEASE_ROLE.replace("firebell", "other-lease");
    stage
        .grant(&stage.operator_user(), "other-lease-lease", &other)
        .await;
    let mut first = replica(&stage, "first", &[]);
    first.ready(LIMIT).await.unwrap();
    let mut second = replica(&stage, "second", &["--lease-name", "other-lease"]);
    for (one, lease) in [(&first, "other-lease"), (&second, "firebell")] {
        let said = eventually("both notice it", LIMIT, async || {
            let (status, text) = one.readiness().await?;
            let words = format!("\"{}\" (lease \"{lease}\")", stage.namespace);
            (status == 503 && text.contains(&words)).then_some(())
        });
        assert!(said.await.is_ok(), "{}", one.log());
        assert!(
            one.metrics()
                .await
                .unwrap()
                .contains("firebell_overlapping_operators 1")
        );
    }
    stage.create_ticket("a").await;
    let page = stage.page("/alice", 1).await;
    second.terminate().unwrap();
    second.ended(LIMIT).await.unwrap();
    first.ready(LIMIT).await.unwrap();
    assert!(
        stage
            .receiver
            .pages()
            .iter()
            .all(|twin| twin.id() == page.id())
    );
}

#[tokio::test]
async fn two_operators_apart_share_a_cluster_each_with_a_lease_of_its_own() {
    let (stage, other) = (Stage::set("shop").await, Stage::set("bank").await);
    for stage in [&stage, &other] {
        policy(stage, "10m").await;
        grant(stage).await;
    }
    // The second one's lease is beside the first one's.
    let role = LEASE_ROLE.replace("firebell", "bank");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "bank-lease"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bank-lease"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": other.operator_user()}],
    });
    stage.apply(&role).await;
    stage.apply(&binding.to_string()).await;
    let mut first = replica(&stage, "first", &[]);
    let beside = [
        "--lease-name",
        "bank",
        "--lease-namespace",
        &stage.namespace,
    ];
    let mut second = replica(&other, "second", &beside);
    for one in [&mut first, &mut second] {
        one.ready(LIMIT).await.unwrap();
        says(one, "leadership: leads").await;
    }
    stage.create_ticket("a").await;
    other.create_ticket("b").await;
    stage.page("/alice", 1).await;
    other.page("/alice", 1).await;
    assert!(
        first
            .metrics()
            .await
            .unwrap()
            .contains("firebell_overlapping_operators 0")
    );
}

/// A replica that finds its API server behind a proxy.
fn replica_behind(stage: &Stage<'_>, proxy: &Proxy, name: &str) -> Operator {
    let file = format!("proxy-{}.yaml", stage.namespace);
    let kubeconfig = stage.plane.folder().join(file);
    proxy.write_kubeconfig(&kubeconfig).unwrap();
    replica_by(stage, kubeconfig, name, &[])
}

/// A lease that the API server shows, and of which it refuses every write: a webhook, or whatever stands between.
#[rstest::rstest]
#[case::as_if_somebody_had_written_it(409)]
#[case::as_if_it_had_been_deleted(404)]
#[case::as_if_there_were_no_right_to(403)]
#[tokio::test]
async fn while_every_write_of_the_lease_is_refused_what_is_armed_leaves_and_nothing_is_decided(
    #[case] status: u16,
) {
    let stage = Stage::set(&format!("refused-{status}")).await;
    policy(&stage, "10s").await;
    grant(&stage).await;
    let user = stage.plane.user(&stage.operator_user(), &[]).unwrap();
    let proxy = Proxy::start(user).await.unwrap();
    let mut first = replica_behind(&stage, &proxy, "first");
    first.ready(LIMIT).await.unwrap();
    says(&first, "leadership: leads").await;
    let mut second = replica_behind(&stage, &proxy, "second");
    second.ready(LIMIT).await.unwrap();
    says(&second, "leadership: follows, ready to take over").await;
    stage.create_ticket("a").await;
    let armed = stage.until_armed("a", "manager").await;
    let due = armed.escalation.unwrap().next_time.unwrap();
    let refused = Fault::Refused {
        status,
        retry_after: None,
    };
    let laid = proxy.lay(Aim::at(Verb::Update, "leases"), Which::Every, refused);
    let began = Timestamp::now();
    says(&first, "leadership: held the lease last").await;
    stage.create_ticket("b").await;
    let page = stage.page("/bob", 1).await;
    let late = page.time.duration_since(due.0);
    println!("bob's page left {late:#} after its time, while the lease was refused ({status})");
    assert!(
        late < SignedDuration::from_secs(2),
        "{late:#}\n{}",
        first.log()
    );
    says(&second, "leadership: follows").await;
    assert_eq!(
        stage.ticket_object("b").await.status,
        None,
        "not decided on"
    );
    let (writes, lasted) = (proxy.hits(laid), Timestamp::now().duration_since(began));
    // A follower tries once a second, the last holder four times.
    let most = 6 * (lasted.as_secs() + 2);
    assert!(
        i64::try_from(writes).unwrap() < most,
        "{writes} writes in {lasted:#} of refusals"
    );
    assert!(!second.log().contains("\"delivery\""), "{}", second.log());
    assert_eq!(stage.receiver.pages_for("/bob").len(), 1);
    proxy.lift(laid);
    delivered(&stage, "a", page.id()).await;
    stage.page("/alice", 2).await;
    // Whoever renews it first leads; a follower sends what was under way again, under the same id.
    let twins = stage.receiver.pages_for("/bob");
    assert!(twins.iter().all(|twin| twin.id() == page.id()) && twins.len() <= 2);
}

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::routing::any;
use axum::{Json, Router};
use kube::Config;
use kube::api::ObjectMeta;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Heartbeat, Switch};
use crate::api::{Ticket, TicketSpec};
use crate::clock::{OperatorClock, WallClock};
use crate::connectors::http::{HttpClient, HttpOptions};
use crate::controller::auditor::{Auditor, Found};
use crate::controller::client::{Ear, client};
use crate::controller::commit::StatusWriter;
use crate::controller::events::Events;
use crate::controller::freshness::{SILENCE, Watches};
use crate::controller::gate::Gate;
use crate::controller::key::Key;
use crate::controller::leader::{Leadership, Post, Standing};
use crate::controller::ticket::TicketDesk;
use crate::controller::unanswered::Unanswered;
use crate::controller::versions::Origin;
use crate::controller::view::{Bells, Trigger, View};
use crate::domain::observed::Settings;
use crate::metrics::{Kind, Metrics};
use crate::outbox::{Outbox, OutboxConfig, Unobserved};
use crate::serve::Health;
use crate::testkit::receiver::{Behaviour, Receiver};

/// A heartbeat over a view that nobody works on, in front of a switch; the API server is away, or only takes marks.
struct Scene {
    heartbeat: Heartbeat,
    switch: Receiver,
    view: Arc<View>,
    asked: mpsc::UnboundedReceiver<Trigger>,
    post: Post,
    metrics: Metrics,
    _queues: Box<dyn Any>,
}

const EVERY: Duration = Duration::from_secs(30);

/// What a desk stands on.
struct Ground {
    api: http::Uri,
    clock: OperatorClock,
    watches: Watches,
    metrics: Metrics,
    leadership: Leadership,
}

/// A desk that looks at nothing, who is asked to look, and the far ends of its queues.
fn desk(ground: &Ground) -> (TicketDesk, mpsc::UnboundedReceiver<Trigger>, Box<dyn Any>) {
    let (clock, metrics) = (ground.clock.clone(), ground.metrics.clone());
    let ear = Ear {
        clock: clock.clone(),
        watches: ground.watches.clone(),
        metrics: metrics.clone(),
    };
    let config = Config::new(ground.api.clone());
    let client = client(config, ear, ground.leadership.clone()).unwrap();
    let (tickets, asked) = mpsc::unbounded_channel();
    let (policies, policies_queue) = mpsc::unbounded_channel();
    let (doubts, doubts_queue) = mpsc::unbounded_channel();
    let (rcas, rcas_queue) = mpsc::unbounded_channel();
    let (past, past_queue) = mpsc::unbounded_channel();
    let (reports, reports_queue) = mpsc::unbounded_channel();
    let (events, events_queue) = Events::new("test", metrics.clone());
    let (config, time) = (OutboxConfig::default(), Arc::new(WallClock));
    let outbox = Outbox::new(
        config,
        Arc::new(Nobody),
        time,
        Arc::new(Unobserved),
        reports,
    );
    let bells = Bells {
        tickets,
        policies,
        rcas,
        doubts,
        past,
    };
    let view = View::new(None, outbox.clone(), bells, clock.clone(), metrics.clone());
    let writer = StatusWriter {
        client: client.clone(),
        gate: Gate::new(4),
        metrics: metrics.clone(),
    };
    let desk = TicketDesk {
        client,
        view: Arc::new(view),
        outbox,
        writer,
        checks: Gate::new(4),
        events,
        unanswered: Unanswered::default(),
        clock,
        watches: ground.watches.clone(),
        leadership: ground.leadership.clone(),
        metrics,
        settings: Settings::default(),
    };
    let queues = (
        policies_queue,
        rcas_queue,
        doubts_queue,
        past_queue,
        reports_queue,
        events_queue,
    );
    (desk, asked, Box::new(queues))
}

async fn scene() -> Scene {
    scene_at("http://127.0.0.1:1").await
}

async fn scene_at(api: &str) -> Scene {
    let switch = Receiver::start().await.unwrap();
    let (post, leadership) = Leadership::elected();
    let until = Instant::now() + Duration::from_hours(1);
    post.tell(Standing::Leads { until });
    let ground = Ground {
        api: api.parse().unwrap(),
        clock: OperatorClock::start(),
        watches: Watches::default(),
        metrics: Metrics::default(),
        leadership,
    };
    let http = HttpClient::new(&HttpOptions {
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        extra_ca_pem: None,
    })
    .unwrap();
    let (desk, asked, queues) = desk(&ground);
    ground.watches.alive("shop", Instant::now());
    let health = Health::default();
    health.moves(Kind::Ticket.word());
    let (view, url) = (desk.view.clone(), switch.url("/beat").into());
    Scene {
        heartbeat: Heartbeat {
            auditor: Auditor::new(Arc::new(desk)),
            switch: Some(Switch { url, http }),
            watches: ground.watches,
            health,
            leadership: ground.leadership,
            metrics: ground.metrics.clone(),
            every: EVERY,
        },
        switch,
        view,
        asked,
        post,
        metrics: ground.metrics,
        _queues: queues,
    }
}

/// A sender that nothing is handed to.
struct Nobody;

#[async_trait::async_trait]
impl crate::outbox::Sender for Nobody {
    async fn send(
        &self,
        _: &crate::domain::telling::delivery::Way,
        _: &crate::domain::telling::parcel::Parcel,
        _: crate::outbox::Attempt,
    ) -> crate::outbox::SendOutcome {
        crate::outbox::SendOutcome::refused("nothing is sent here")
    }
}

impl Scene {
    /// A ticket comes into view, and nobody looks at it.
    fn plant(&self, version: &str) {
        let mut ticket = Ticket::new("forgotten", TicketSpec::default());
        ticket.metadata.namespace = Some("shop".into());
        ticket.metadata.uid = Some("u".into());
        ticket.metadata.resource_version = Some(version.into());
        self.view.take_ticket(ticket, Origin::Watch);
    }

    /// A minute of audits and its heartbeat; what is amiss.
    async fn minute(&mut self) -> Vec<String> {
        let mut amiss = Vec::new();
        for _ in 0..2 {
            amiss = self.heartbeat.check().await;
        }
        self.heartbeat.beat(amiss.is_empty()).await;
        amiss
    }

    fn beats(&self) -> usize {
        self.switch.pages_for("/beat").len()
    }
}

#[tokio::test]
async fn a_heart_beats_while_all_is_well() {
    let mut scene = scene().await;
    assert_eq!(scene.minute().await, [""; 0]);
    let beat = scene.switch.pages_for("/beat").remove(0);
    assert_eq!(beat.method.as_str(), "GET");
    assert!(
        scene
            .metrics
            .text()
            .contains(r#"firebell_heartbeats_total{outcome="Sent"} 1"#)
    );
}

#[tokio::test]
async fn a_ticket_without_a_decision_withholds_it_and_is_looked_at_again() {
    let mut scene = scene().await;
    scene.plant("1");
    scene.asked.try_recv().unwrap();
    assert_eq!(
        scene.heartbeat.check().await,
        [""; 0],
        "it may be in work just now"
    );
    assert!(scene.asked.try_recv().is_err());
    let amiss = scene.heartbeat.check().await;
    assert!(
        amiss[0].contains("1 tickets have something due"),
        "{amiss:?}"
    );
    assert_eq!(&*scene.asked.try_recv().unwrap().0.name, "forgotten");
    scene.heartbeat.beat(amiss.is_empty()).await;
    assert_eq!(scene.beats(), 0);
    let text = scene.metrics.text();
    assert!(text.contains("firebell_neglected_tickets 1"), "{text}");
    assert!(
        text.contains(r#"firebell_heartbeats_total{outcome="Withheld"} 1"#),
        "{text}"
    );
}

/// An API server that takes each write of the ticket, and says so.
async fn api_server() -> String {
    let writes = Arc::new(AtomicU64::new(1));
    let answer = move |operations: Json<Vec<Value>>| {
        let version = writes.fetch_add(1, Ordering::SeqCst) + 1;
        let status = operations
            .0
            .into_iter()
            .find(|one| one["path"] == "/status");
        let mut ticket = json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "Ticket", "spec": {"title": ""},
            "metadata": {"name": "forgotten", "namespace": "shop", "uid": "u", "resourceVersion": version.to_string()},
        });
        ticket["status"] = status
            .map(|status| status["value"].clone())
            .unwrap_or_default();
        async move { Json(ticket) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(any(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

#[tokio::test]
async fn the_mark_on_a_forgotten_ticket_is_no_progress() {
    let mut scene = scene_at(&api_server().await).await;
    scene.plant("1");
    assert_eq!(scene.heartbeat.check().await, [""; 0]);
    for _ in 0..3 {
        let amiss = scene.heartbeat.check().await;
        assert!(
            amiss[0].contains("1 tickets have something due"),
            "{amiss:?}"
        );
    }
    let held = scene
        .view
        .tickets
        .get(&Key::new("shop", "forgotten"))
        .unwrap();
    assert_eq!(
        held.ticket.metadata.resource_version.as_deref(),
        Some("2"),
        "marked once"
    );
}

#[tokio::test]
async fn a_ticket_that_cannot_be_read_withholds_it_until_it_is_gone() {
    let mut scene = scene().await;
    let metadata = ObjectMeta {
        name: Some("torn".into()),
        namespace: Some("shop".into()),
        resource_version: Some("1".into()),
        ..ObjectMeta::default()
    };
    scene.view.undecodable_ticket(&metadata);
    let amiss = scene.minute().await;
    assert!(amiss[0].contains("1 tickets cannot be read"), "{amiss:?}");
    assert_eq!(scene.beats(), 0);
    let text = scene.metrics.text();
    assert!(text.contains("firebell_neglected_tickets 1"), "{text}");
    scene.view.lose_ticket(&Key::new("shop", "torn"), None);
    assert_eq!(scene.minute().await, [""; 0]);
    assert_eq!(scene.beats(), 1);
}

#[tokio::test]
async fn a_ticket_that_changes_is_in_work() {
    let mut scene = scene().await;
    for version in ["1", "2", "3", "4"] {
        scene.plant(version);
        assert_eq!(scene.heartbeat.check().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_frozen_watch_withholds_it() {
    let scene = scene().await;
    let now = Instant::now();
    assert_eq!(scene.heartbeat.amiss(Found::default(), now), [""; 0]);
    let later = now + SILENCE + Duration::from_secs(1);
    let amiss = scene.heartbeat.amiss(Found::default(), later);
    assert!(
        amiss
            .iter()
            .any(|line| line.contains("has been silent for")),
        "{amiss:?}"
    );
}

#[tokio::test]
async fn a_loop_that_stands_still_withholds_it() {
    let scene = scene().await;
    let later = Instant::now() + EVERY + Duration::from_secs(1);
    let amiss = scene.heartbeat.amiss(Found::default(), later);
    assert!(
        amiss
            .iter()
            .any(|line| line.contains("the loop of \"Ticket\" does not move")),
        "{amiss:?}"
    );
}

#[tokio::test]
async fn only_the_leader_s_heart_beats() {
    let mut scene = scene().await;
    scene.post.tell(Standing::Pauses);
    assert!(scene.minute().await[0].contains("does not lead"));
    assert_eq!(scene.beats(), 0);
}

#[tokio::test]
async fn a_switch_that_takes_no_heartbeat_is_told() {
    let mut scene = scene().await;
    scene.switch.on("/beat", Behaviour::Status(404, Vec::new()));
    scene.minute().await;
    assert!(
        scene
            .metrics
            .text()
            .contains(r#"firebell_heartbeats_total{outcome="Failed"} 1"#)
    );
}

#[tokio::test]
async fn it_audits_and_beats_by_itself_once_every_second_time() {
    let mut scene = scene().await;
    scene.heartbeat.every = Duration::from_millis(200);
    let health = scene.heartbeat.health.clone();
    let moving = tokio::spawn(async move {
        loop {
            health.moves(Kind::Ticket.word());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let beating = tokio::spawn(scene.heartbeat.run());
    let limit = Duration::from_mins(1);
    scene
        .switch
        .wait_for(|ledger| ledger.count("/beat") >= 2, limit)
        .await
        .unwrap();
    beating.abort();
    moving.abort();
}

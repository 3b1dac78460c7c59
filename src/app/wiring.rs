//! Puts the operator's parts together.

use std::sync::Arc;

use anyhow::Context;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::events::v1::Event;
use kube::core::{DeserializeGuard, NamespaceResourceScope, Resource};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};

use super::args::RunArgs;
use super::supervisor::Supervisor;
use crate::api::{EscalationPolicy, Ticket};
use crate::clock::OperatorClock;
use crate::connectors::Connectors;
use crate::connectors::http::{HttpClient, HttpOptions};
use crate::connectors::secret::{BriefSecrets, ClusterSecrets};
use crate::controller::commit::StatusWriter;
use crate::controller::events::Events;
use crate::controller::freshness::Watches;
use crate::controller::gate::Gate;
use crate::controller::policy::{PolicyDesk, Tally};
use crate::controller::revisions;
use crate::controller::sinks::{PolicySink, RevisionSink, Shared, TicketSink};
use crate::controller::streams::{Selection, follow};
use crate::controller::ticket::TicketDesk;
use crate::controller::view::{Bells, Doubt, Trigger, View};
use crate::domain::delivery::TicketKey;
use crate::domain::observed::Settings;
use crate::metrics::{Metrics, Stage};
use crate::outbox::{DeliveryObserver, DeliveryResult, Outbox, OutboxConfig};
use crate::serve::Health;

/// Writes of statuses on their way to the API server at once.
const WRITES: usize = 24;

/// Everything that is built once.
pub struct Operator {
    pub client: Client,
    pub view: Arc<View>,
    pub outbox: Outbox,
    pub clock: OperatorClock,
    pub metrics: Metrics,
    pub health: Health,
    pub bells: Bells,
    pub tickets: Arc<TicketDesk>,
    pub policies: Arc<PolicyDesk>,
    pub tally: Tally,
    pub queues: Queues,
    pub shared: Shared,
}

/// The far ends of the operator's queues.
pub struct Queues {
    pub tickets: mpsc::UnboundedReceiver<Trigger>,
    pub policies: mpsc::UnboundedReceiver<Trigger>,
    pub doubts: mpsc::UnboundedReceiver<Doubt>,
    pub reports: mpsc::UnboundedReceiver<TicketKey>,
    pub events: mpsc::Receiver<Event>,
}

impl Operator {
    /// Builds the parts; nothing runs yet but the outbox's timer.
    pub fn build(
        args: &RunArgs,
        client: Client,
        clock: OperatorClock,
        watches: Watches,
        metrics: Metrics,
        health: Health,
    ) -> anyhow::Result<Self> {
        let ((tickets, ticket_queue), (policies, policy_queue)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let ((doubts, doubt_queue), (reports, report_queue)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let bells = Bells {
            tickets,
            policies,
            doubts,
        };
        let outbox = outbox(args, &client, &clock, &metrics, reports)?;
        let (events, event_queue) = Events::new(&instance(), metrics.clone());
        let shared_namespace = args.shared_policy_namespace.clone();
        let view = Arc::new(View::new(
            shared_namespace,
            outbox.clone(),
            bells.clone(),
            clock.clone(),
            metrics.clone(),
        ));
        let writer = StatusWriter {
            client: client.clone(),
            gate: Gate::new(WRITES),
            metrics: metrics.clone(),
        };
        let tally = Tally::default();
        let tickets = TicketDesk {
            client: client.clone(),
            view: view.clone(),
            outbox: outbox.clone(),
            writer: writer.clone(),
            events: events.clone(),
            clock: clock.clone(),
            watches: watches.clone(),
            metrics: metrics.clone(),
            settings: Settings {
                archive_after: args.archive_after.to_signed(),
            },
        };
        let policies = PolicyDesk {
            client: client.clone(),
            view: view.clone(),
            writer,
            events: events.clone(),
            clock: clock.clone(),
            namespaces: args.namespaces.clone(),
            tally: tally.clone(),
        };
        let queues = Queues {
            tickets: ticket_queue,
            policies: policy_queue,
            doubts: doubt_queue,
            reports: report_queue,
            events: event_queue,
        };
        let shared = Shared {
            view: view.clone(),
            events,
            watches,
            clock: clock.clone(),
            namespace: None,
        };
        let (tickets, policies) = (Arc::new(tickets), Arc::new(policies));
        Ok(Self {
            client,
            view,
            outbox,
            clock,
            metrics,
            health,
            bells,
            tickets,
            policies,
            tally,
            queues,
            shared,
        })
    }
}

/// The outbox with its ways out.
fn outbox(
    args: &RunArgs,
    client: &Client,
    clock: &OperatorClock,
    metrics: &Metrics,
    reports: mpsc::UnboundedSender<TicketKey>,
) -> anyhow::Result<Outbox> {
    let extra_ca_pem = args
        .extra_ca_file
        .as_ref()
        .map(|file| {
            std::fs::read(file)
                .with_context(|| format!("`--extra-ca-file` \"{}\" cannot be read", file.display()))
        })
        .transpose()?;
    let http = HttpClient::new(&HttpOptions {
        allowed_networks: args.allow_networks.clone(),
        extra_ca_pem,
    })?;
    let secrets = Arc::new(BriefSecrets::new(ClusterSecrets::new(client.clone())));
    let clock = Arc::new(clock.clone());
    let connectors = Connectors::new(http, secrets, clock.clone());
    let observer = Arc::new(Observed(metrics.clone()));
    Ok(Outbox::new(
        OutboxConfig::default(),
        Arc::new(connectors),
        clock,
        observer,
        reports,
    ))
}

/// Counts deliveries that have their result.
struct Observed(Metrics);

impl DeliveryObserver for Observed {
    fn observe(&self, result: DeliveryResult) {
        let connector_type = result
            .connector_type
            .map_or_else(|| "None".to_owned(), |known| format!("{known:?}"));
        self.0
            .delivered(&connector_type, &format!("{:?}", result.outcome));
        if let Some(receipt) = result.receipt {
            self.0.late(
                Stage::receipt,
                SignedDuration::try_from(receipt).unwrap_or(SignedDuration::MAX),
            );
        }
    }
}

/// Starts the watches: per kind and namespace one, each of which turns its signal once it has listed everything.
pub fn follow_all(
    standing: &mut Supervisor,
    args: &RunArgs,
    client: &Client,
    shared: &Shared,
    metrics: &Metrics,
) -> Vec<watch::Receiver<bool>> {
    let mut listed = Vec::new();
    for namespace in scopes(&args.namespaces) {
        let (signal, heard) = watch::channel(false);
        let open = Selection {
            fields: Some("status.archived!=true".to_owned()),
            labels: None,
        };
        let sink = TicketSink(Shared {
            namespace: namespace.clone(),
            ..shared.clone()
        });
        standing.spawn(
            "watch tickets",
            follow::<Ticket, _>(
                api(client, namespace.as_deref()),
                open,
                sink,
                metrics.clone(),
                signal,
            ),
        );
        listed.push(heard);
    }
    for namespace in scopes(&args.policy_namespaces()) {
        let (signal, heard) = watch::channel(false);
        let sink = PolicySink(Shared {
            namespace: namespace.clone(),
            ..shared.clone()
        });
        let all = Selection::default();
        let stream = follow::<EscalationPolicy, _>(
            api(client, namespace.as_deref()),
            all,
            sink,
            metrics.clone(),
            signal,
        );
        standing.spawn("watch escalationpolicies", stream);
        listed.push(heard);
        let (signal, heard) = watch::channel(false);
        let sink = RevisionSink(Shared {
            namespace: namespace.clone(),
            ..shared.clone()
        });
        let ours = Selection {
            fields: None,
            labels: Some(revisions::LABEL.to_owned()),
        };
        let stream = follow::<ControllerRevision, _>(
            api(client, namespace.as_deref()),
            ours,
            sink,
            metrics.clone(),
            signal,
        );
        standing.spawn("watch controllerrevisions", stream);
        listed.push(heard);
    }
    listed
}

/// Waits until every watch has listed everything once.
pub async fn all_listed(listed: Vec<watch::Receiver<bool>>) {
    for mut signal in listed {
        // A watch that ends is the supervisor's matter.
        if signal.wait_for(|listed| *listed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// One scope per namespace, or the whole cluster.
fn scopes(namespaces: &[String]) -> Vec<Option<String>> {
    if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().cloned().map(Some).collect()
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Names this process in Events: the pod's name.
fn instance() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "firebell".to_owned())
}

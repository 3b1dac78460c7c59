//! Turns alerts into tickets, exactly one each: look at the newest ticket of the alert live, ask the domain what the
//! alert asks of it, write that under the resourceVersion that was seen; on a conflict look again, before the answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::alert::{Alert, Way, line};
use super::dedup::{Identity, Index};
use super::metrics::{IntakeMetrics, Outcome};
use super::settings::{NamespaceError, Settings};
use super::storm::Storm;
use super::{draft, watching};
use crate::api::{Signal, SignalState, Ticket};
use crate::clock::{Now, OperatorClock};
use crate::controller::client::call;
use crate::controller::error::{CallError, Class};
use crate::controller::events::Events;
use crate::domain::alert::{Asks, Report, asks, closed_at};

/// Calls on their way at once (architecture.md, trap 12).
const IN_FLIGHT: usize = 32;
/// Looks at one alert: only writes that collide again and again come near.
const LOOKS: usize = 20;
/// Longest work on one request; what is not done by then is answered 503, so that it is sent again.
const REQUEST_LIMIT: Duration = Duration::from_secs(25);
/// Field manager of what the intake creates.
const CREATES: &str = "firebell-intake";
/// Field manager of the signal.
const SIGNALS: &str = "firebell-signal";

/// Where alerts become tickets.
pub struct Desk {
    pub(super) client: Client,
    pub(super) clock: OperatorClock,
    pub(super) events: Events,
    pub(super) metrics: IntakeMetrics,
    pub(super) index: Arc<Index>,
    pub(super) storm: Storm,
    watched: Arc<watching::Namespaces>,
    turns: Semaphore,
}

/// What became of one alert, as the answer tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// What its source knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Namespace of its ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of its ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What became of it.
    pub result: Outcome,
    /// What is wrong with it, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why an alert has no ticket.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Its namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The tickets of its namespace are not known yet.
    #[error(
        "the tickets of namespace \"{0}\" could not be listed yet; send it again, and check that the namespace exists and that the intake may list tickets there"
    )]
    NotListed(String),
    /// The API server.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No time left.
    #[error("not reached in time; send it again")]
    Late,
}

impl DeskError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Namespace(_) => Outcome::NotAllowed,
            Self::NotListed(_) | Self::Late => Outcome::Failed,
            Self::Call(error) => match (error.class(), error.status()) {
                (Class::Terminal, Some(400 | 422)) => Outcome::NotUnderstood,
                (Class::Terminal | Class::Transient | Class::Conflict, _) => Outcome::Failed,
            },
        }
    }
}

/// An alert with all that the configuration says about it.
pub(super) struct Case {
    pub namespace: String,
    pub identity: Identity,
    pub report: Report,
    /// The ticket to create, without a name yet.
    pub draft: Box<Ticket>,
    /// The way whose limit counts; `None` = never swallowed.
    pub guarded: Option<Way>,
}

/// How a case ended.
pub(super) enum Settled {
    Created(Box<Ticket>),
    Signalled(String),
    Known(String),
    NothingToEnd,
    OverTheLimit,
}

impl Desk {
    /// A desk that writes by `client` and looks tickets up in what `watched` shows.
    pub fn new(
        client: Client,
        clock: OperatorClock,
        events: Events,
        metrics: IntakeMetrics,
        watched: Arc<watching::Namespaces>,
    ) -> Self {
        Self {
            client,
            clock,
            events,
            metrics,
            index: watched.index(),
            storm: Storm::default(),
            watched,
            turns: Semaphore::new(IN_FLIGHT),
        }
    }

    /// Takes the alerts of one request; what became of each, in their order.
    pub async fn take(
        self: &Arc<Self>,
        way: Way,
        settings: &Settings,
        alerts: Vec<Result<Alert, String>>,
    ) -> Vec<Told> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let (mut told, mut swallowed) = (Vec::new(), Vec::new());
        let settled = join_all(alerts.into_iter().map(async |alert| match alert {
            Ok(alert) => {
                let told = Box::pin(self.one(settings, &alert, deadline)).await;
                (told, Some(alert))
            }
            Err(message) => (not_understood(message), None),
        }));
        for (index, (one, alert)) in settled.await.into_iter().enumerate() {
            if one.result == Outcome::Swallowed {
                swallowed.extend(alert.map(|alert| (index, alert)));
            }
            told.push(one);
        }
        Box::pin(self.swallow(way, settings, swallowed, &mut told, deadline)).await;
        for one in &told {
            self.metrics.alert(way, one.result);
        }
        told
    }

    async fn one(&self, settings: &Settings, alert: &Alert, deadline: Instant) -> Told {
        let mut told = Told {
            key: Some(line(&alert.key, 512)),
            namespace: None,
            ticket: None,
            result: Outcome::NothingToEnd,
            message: None,
        };
        let now = self.clock.now();
        let settled = match draft::case(settings, alert, now) {
            Ok((case, faults)) => {
                if !faults.is_empty() {
                    self.metrics.template_failed();
                    told.message = Some(faults.join("; "));
                }
                told.namespace = Some(case.namespace.clone());
                self.settle(&case, deadline).await
            }
            Err(error) => Err(error.into()),
        };
        told.put(settled);
        told
    }

    /// Settles one case before the deadline.
    pub(super) async fn settle(
        &self,
        case: &Case,
        deadline: Instant,
    ) -> Result<Settled, DeskError> {
        if !self.watched.listed(&case.namespace) {
            return Err(DeskError::NotListed(case.namespace.clone()));
        }
        let look = async {
            // Never closed: an error would only mean that nobody else works either.
            let _turn = self.turns.acquire().await;
            Box::pin(self.look(case)).await
        };
        match timeout_at(deadline, look).await {
            Ok(settled) => Ok(settled?),
            Err(_elapsed) => Err(DeskError::Late),
        }
    }

    async fn look(&self, case: &Case) -> Result<Settled, CallError> {
        let api = self.tickets(&case.namespace);
        let known = self.index.newest(&case.namespace, &case.identity);
        let mut seen = match (known, case.report.state) {
            (Some(name), _) => self.read(&api, &name).await?,
            // A firing without a known ticket is created: the name tells whether there is one all the same.
            (None, SignalState::Firing) => None,
            (None, SignalState::Resolved) => self.read(&api, &case.identity.name(None)).await?,
        };
        let (mut last_of_chain, mut room) = (None, None);
        for _ in 0..LOOKS {
            let asked = asks(&case.report, seen.as_ref());
            let closed = seen.as_ref().filter(|ticket| closed_at(ticket).is_some());
            let uid = closed.and_then(ResourceExt::uid);
            let next_name = case.identity.name(uid.as_deref());
            if asked == Asks::Create {
                // An alert takes one of the limit, however often its ticket is tried.
                let has_room = |way| *room.get_or_insert_with(|| self.storm.has_room(way));
                if !case.guarded.is_none_or(has_room) {
                    // What another replica made is no new ticket.
                    seen = self.read(&api, &next_name).await?;
                    match seen {
                        Some(_) => continue,
                        None => return Ok(Settled::OverTheLimit),
                    }
                }
                match self.create(&api, case, &next_name).await {
                    Ok(ticket) => return Ok(Settled::Created(Box::new(ticket))),
                    Err(error) if error.class() == Class::Conflict => {
                        seen = self.read(&api, &next_name).await?;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            // The watch may not have shown the ticket after a closed one yet.
            if uid.is_some() && last_of_chain != uid {
                last_of_chain = uid;
                if let Some(after) = self.read(&api, &next_name).await? {
                    seen = Some(after);
                    continue;
                }
            }
            let Some(ticket) = &seen else {
                return Ok(Settled::NothingToEnd);
            };
            let Asks::Write(signal) = asked else {
                return Ok(Settled::Known(ticket.name_any()));
            };
            match self.write(&api, ticket, &signal).await {
                Ok(()) => return Ok(Settled::Signalled(ticket.name_any())),
                Err(error) if matches!(error.status(), Some(404 | 409)) => {
                    seen = self.read(&api, &ticket.name_any()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(CallError::Restless {
            what: "settle an alert",
        })
    }

    pub(super) fn tickets(&self, namespace: &str) -> Api<Ticket> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// A ticket as it is stored now; `None` = there is none of that name.
    pub(super) async fn read(
        &self,
        api: &Api<Ticket>,
        name: &str,
    ) -> Result<Option<Ticket>, CallError> {
        match call("get tickets", api.get(name)).await {
            Ok(ticket) => Ok(Some(ticket)),
            Err(CallError::Gone { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(
        &self,
        api: &Api<Ticket>,
        case: &Case,
        name: &str,
    ) -> Result<Ticket, CallError> {
        let mut ticket = case.draft.as_ref().clone();
        ticket.metadata.name = Some(name.to_owned());
        let params = PostParams {
            field_manager: Some(CREATES.to_owned()),
            ..PostParams::default()
        };
        let created = call("create tickets", api.create(&params, &ticket)).await?;
        self.index.take(&created);
        tracing::info!(
            namespace = case.namespace,
            ticket = name,
            key = case.identity.key,
            "a ticket for an alert"
        );
        Ok(created)
    }

    async fn write(
        &self,
        api: &Api<Ticket>,
        seen: &Ticket,
        signal: &Signal,
    ) -> Result<(), CallError> {
        let patch = json!({
            "metadata": {"resourceVersion": seen.metadata.resource_version},
            "spec": {"signal": signal},
        });
        let params = PatchParams {
            field_manager: Some(SIGNALS.to_owned()),
            ..PatchParams::default()
        };
        let name = seen.name_any();
        let written = call(
            "patch tickets",
            api.patch(&name, &params, &Patch::Merge(patch)),
        )
        .await?;
        self.index.take(&written);
        tracing::info!(
            namespace = seen.namespace(),
            ticket = name,
            state = ?signal.state,
            severity = ?signal.severity,
            "the source's word is on the ticket"
        );
        Ok(())
    }
}

impl Told {
    /// Fills in how it ended.
    pub(super) fn put(&mut self, settled: Result<Settled, DeskError>) {
        match settled {
            Ok(Settled::Created(ticket)) => {
                self.result = Outcome::Created;
                self.ticket = Some(ticket.name_any());
            }
            Ok(Settled::Signalled(name)) => {
                self.result = Outcome::Signalled;
                self.ticket = Some(name);
            }
            Ok(Settled::Known(name)) => {
                self.result = Outcome::Known;
                self.ticket = Some(name);
            }
            Ok(Settled::NothingToEnd) => self.result = Outcome::NothingToEnd,
            Ok(Settled::OverTheLimit) => self.result = Outcome::Swallowed,
            Err(error) => {
                self.result = error.outcome();
                let message = line(&error.to_string(), 400);
                tracing::warn!(
                    key = self.key,
                    namespace = self.namespace,
                    message,
                    "an alert has no ticket"
                );
                self.message = Some(message);
            }
        }
    }
}

fn not_understood(message: String) -> Told {
    Told {
        key: None,
        namespace: None,
        ticket: None,
        result: Outcome::NotUnderstood,
        message: Some(message),
    }
}

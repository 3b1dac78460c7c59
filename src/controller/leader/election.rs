//! Takes part in the election: reads, watches and writes the Lease as the candidate says, and tells how it stands.

use std::mem::discriminant;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::candidate::{Candidate, Stand, Step, Timing};
use super::evaluate::Moment;
use super::neighbours::{Neighbours, Scope};
use super::{Post, Standing};
use crate::clock::{Now, OperatorClock};
use crate::controller::events::{Events, reference};
use crate::controller::freshness::WATCH_SECONDS;
use crate::controller::key::version;
use crate::controller::streams::events;
use crate::domain::next::Transition;
use crate::metrics::Metrics;
use crate::serve::Health;

/// Says that a lease is one of ours, of whatever operator.
const LABEL: (&str, &str) = ("firebell.dev/lease", "operator");
/// Where a leader writes its namespaces.
const NAMESPACES: &str = "firebell.dev/namespaces";
/// How long giving the lease up may take.
const GIVING_UP: Duration = Duration::from_secs(1);

/// What an election is about.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Name of the Lease.
    pub lease: String,
    /// Its namespace.
    pub namespace: String,
    /// How long it is good after a renewal.
    pub timing: Timing,
    /// Namespaces that the leader works in.
    pub scope: Scope,
}

/// What an election stands on.
pub struct Ground {
    /// The API server.
    pub client: Client,
    /// For the moments on the lease, which people read.
    pub clock: OperatorClock,
    /// Told how this process stands.
    pub health: Health,
    /// Counts.
    pub metrics: Metrics,
    /// Tells who leads.
    pub events: Events,
}

/// Ends a leadership in good order.
#[derive(Clone, Debug, Default)]
pub struct Resign {
    asked: CancellationToken,
    done: CancellationToken,
}

impl Resign {
    /// Gives the lease up, if it is held, so that another takes over at once. Call it when nothing is decided any more.
    pub async fn now(&self) {
        self.asked.cancel();
        // A lease that cannot be given up runs out.
        let _ = tokio::time::timeout(GIVING_UP * 2, self.done.cancelled()).await;
    }
}

/// Takes part in the election.
pub struct Election {
    ground: Ground,
    seat: Seat,
    api: Api<Lease>,
    candidate: Candidate,
    stored: Option<Lease>,
    neighbours: Neighbours,
    overlap: Vec<String>,
    post: Post,
    resign: Resign,
    start: Instant,
    told: Option<Stand>,
    /// What the API server said as it refused a write of the lease.
    refusal: String,
    trouble: bool,
}

impl Election {
    /// `me` names this process; another run of it must have another name.
    pub fn new(ground: Ground, seat: Seat, me: String, post: Post, resign: Resign) -> Self {
        Self {
            api: Api::namespaced(ground.client.clone(), &seat.namespace),
            candidate: Candidate::new(me, seat.timing),
            ground,
            seat,
            stored: None,
            neighbours: Neighbours::default(),
            overlap: Vec::new(),
            post,
            resign,
            start: Instant::now(),
            told: None,
            refusal: String::new(),
            trouble: false,
        }
    }

    /// Runs until the lease is lost to another, or given up. `begin` is called before the first moment of leading.
    pub async fn run(mut self, begin: impl FnOnce() + Send) {
        let ours = format!("{}={}", LABEL.0, LABEL.1);
        let config = Config {
            label_selector: Some(ours),
            timeout: Some(WATCH_SECONDS),
            ..Config::default()
        };
        let mut seen = pin!(events(self.api.clone(), config));
        let mut begin = Some(begin);
        loop {
            if self.resign.asked.is_cancelled() {
                return self.give_up().await;
            }
            let now = self.now();
            self.tell(now, &mut begin);
            self.look_around(now);
            match self.candidate.step(now) {
                Step::End => return,
                Step::Read { limit } => self.read(limit).await,
                Step::Write { over, limit } => self.write(over, limit).await,
                Step::Wait { until } => {
                    let asked = self.resign.asked.clone();
                    tokio::select! {
                        () = asked.cancelled() => {}
                        Some(event) = seen.next() => self.hear(event),
                        () = tokio::time::sleep(until.saturating_sub(now)) => {}
                    }
                }
            }
        }
    }

    fn now(&self) -> Moment {
        self.start.elapsed()
    }

    fn hear(&mut self, event: Result<Event<Lease>, watcher::Error>) {
        let now = self.now();
        match event {
            Ok(Event::Apply(lease) | Event::InitApply(lease)) if self.is_ours(&lease) => {
                let facts = facts(&lease, self.seat.timing);
                self.candidate.watched(Some(facts), now);
                if self
                    .stored
                    .as_ref()
                    .is_none_or(|stored| version(&stored.metadata) < version(&lease.metadata))
                {
                    self.stored = Some(lease);
                }
            }
            Ok(Event::Apply(lease) | Event::InitApply(lease)) => {
                let (holder, lasts, version) = facts(&lease, self.seat.timing);
                let scope = holder.and(scope(&lease));
                let name = lease.metadata.name.as_deref().unwrap_or_default();
                self.neighbours.saw(name, scope, lasts, version, now);
            }
            Ok(Event::Delete(lease)) if self.is_ours(&lease) => {
                self.candidate.watched(None, now);
            }
            Ok(Event::Delete(lease)) => {
                self.neighbours
                    .gone(lease.metadata.name.as_deref().unwrap_or_default());
            }
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => {
                tracing::warn!(%error, "the watch on leases failed; it starts again by itself");
            }
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.metadata.name.as_deref() == Some(&self.seat.lease)
    }

    async fn read(&mut self, limit: Duration) {
        let begun = self.now();
        let answer = tokio::time::timeout(limit, self.api.get_opt(&self.seat.lease)).await;
        match answer {
            Ok(Ok(lease)) => {
                let seen = lease.as_ref().map(|lease| facts(lease, self.seat.timing));
                let (refused, now) = (std::mem::take(&mut self.refusal), self.now());
                self.stored = lease;
                if self.candidate.read(seen, now) {
                    self.complain(&refused);
                } else {
                    self.calm();
                }
            }
            Ok(Err(error)) => self.fail(begun, limit, &error.to_string()),
            Err(_elapsed) => self.fail(begun, limit, "no answer in time"),
        }
    }

    async fn write(&mut self, over: Option<u64>, limit: Duration) {
        let wanted = self.wanted(Some(self.candidate.name().to_owned()));
        let begun = self.now();
        let params = PostParams::default();
        let writing = async {
            match over {
                Some(_) => self.api.replace(&self.seat.lease, &params, &wanted).await,
                None => self.api.create(&params, &wanted).await,
            }
        };
        match tokio::time::timeout(limit, writing).await {
            Ok(Ok(lease)) if self.is_mine(&lease) => {
                let now = self.now();
                self.candidate.wrote(begun, version(&lease.metadata), now);
                self.stored = Some(lease);
                self.calm();
            }
            Ok(Ok(_other)) => {
                self.candidate.refused(over, begun, limit);
                self.fail(
                    begun,
                    limit,
                    "the answer shows another lease than was written",
                );
            }
            // Usually the lease was written by somebody else, or deleted; whether it was is read.
            Ok(Err(kube::Error::Api(status))) if [404, 409].contains(&status.code) => {
                self.candidate.refused(over, begun, limit);
                self.refusal.clone_from(&status.message);
            }
            Ok(Err(error)) => self.fail(begun, limit, &error.to_string()),
            Err(_elapsed) => self.fail(begun, limit, "no answer in time"),
        }
    }

    /// Whether an answer shows what was written.
    fn is_mine(&self, lease: &Lease) -> bool {
        let (holder, ..) = facts(lease, self.seat.timing);
        holder.as_deref() == Some(self.candidate.name())
            && lease.metadata.resource_version.is_some()
    }

    fn fail(&mut self, begun: Moment, limit: Duration, error: &str) {
        self.candidate.failed(begun, limit, self.now());
        self.complain(error);
    }

    fn complain(&mut self, error: &str) {
        if !self.trouble {
            self.trouble = true;
            tracing::warn!(
                lease = self.seat.lease,
                namespace = self.seat.namespace,
                error,
                "the lease could not be read or written; it is tried again. Needed in its namespace: get, list, watch, create and update on leases"
            );
        }
    }

    fn calm(&mut self) {
        if std::mem::take(&mut self.trouble) {
            tracing::info!(
                lease = self.seat.lease,
                "the lease can be read and written again"
            );
        }
    }

    /// The lease as it should be: what others wrote on it stays.
    fn wanted(&self, holder: Option<String>) -> Lease {
        let now = Some(MicroTime(self.ground.clock.now()));
        let stored = self.stored.clone().unwrap_or_default();
        let before = stored.spec.unwrap_or_default();
        let renewed = before.holder_identity == holder;
        let lasts = if holder.is_some() {
            self.seat.timing.lasts().as_secs()
        } else {
            1
        };
        let mut metadata = ObjectMeta {
            name: Some(self.seat.lease.clone()),
            namespace: Some(self.seat.namespace.clone()),
            managed_fields: None,
            ..stored.metadata
        };
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(NAMESPACES.to_owned(), self.seat.scope.words());
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                acquire_time: if renewed {
                    before.acquire_time
                } else {
                    now.clone()
                },
                lease_transitions: Some(
                    before.lease_transitions.unwrap_or(0) + i32::from(!renewed && holder.is_some()),
                ),
                renew_time: now,
                lease_duration_seconds: i32::try_from(lasts).ok(),
                holder_identity: holder,
                ..before
            }),
        }
    }

    /// Tells how this process stands: to those who act on it at once, to people when it is something else than before.
    fn tell(&mut self, now: Moment, begin: &mut Option<impl FnOnce()>) {
        let stand = self.candidate.stand(now);
        let (standing, note) = match &stand {
            Stand::Follows => {
                let leader = self.candidate.holder().unwrap_or("nobody yet");
                let note = format!("follows, ready to take over; the leader is {leader}");
                (Standing::Follows, note)
            }
            Stand::Leads { until } => {
                if let Some(begin) = begin.take() {
                    begin();
                }
                let until = self.start + *until;
                (Standing::Leads { until }, "leads".to_owned())
            }
            Stand::Pauses => (
                Standing::Pauses,
                "pauses: the lease was not renewed in time".to_owned(),
            ),
            Stand::Alone { until } => {
                let note = "held the lease last, and nobody can renew it: what is armed leaves";
                let note = note.to_owned();
                let until = self.start + *until;
                (Standing::Alone { until }, note)
            }
            Stand::Lost => (Standing::Lost, "ends: another replica leads now".to_owned()),
        };
        let leads = matches!(stand, Stand::Leads { .. });
        self.ground.metrics.leader(leads);
        self.ground.health.says("leadership", note);
        self.post.tell(standing);
        let news = self
            .told
            .as_ref()
            .is_none_or(|told| discriminant(told) != discriminant(&stand));
        if news {
            self.log(&stand);
            self.told = Some(stand);
        }
    }

    fn log(&self, stand: &Stand) {
        let (me, leader) = (self.candidate.name(), self.candidate.holder());
        match stand {
            Stand::Follows => {
                tracing::info!(
                    me,
                    leader,
                    "follows: watches run, nothing is decided or sent"
                );
            }
            Stand::Leads { .. } => {
                tracing::info!(me, "leads: every ticket is looked at now");
                self.tell_people(me);
            }
            Stand::Pauses => tracing::warn!(
                me,
                "the lease could not be renewed in time: nothing is decided or sent until it is, or until the API server has shown that it is away"
            ),
            Stand::Alone { .. } => tracing::warn!(
                me,
                "the API server is away or refuses the lease, and this replica held it last: what is armed leaves, nothing is written"
            ),
            Stand::Lost => tracing::error!(
                me,
                leader,
                "another replica leads now; this one ends, and starts anew as a follower with nothing in memory"
            ),
        }
    }

    fn tell_people(&self, me: &str) {
        let Some(lease) = &self.stored else { return };
        let told = Transition {
            key: format!("leads/{me}/{}", version(&lease.metadata)),
            warning: false,
            reason: "Leads",
            action: "Lead".to_owned(),
            note: format!(
                "{me} leads: it decides and sends for the namespaces {}",
                self.seat.scope.words()
            ),
        };
        let now = self.ground.clock.now();
        self.ground
            .events
            .tell(&reference(lease), None, &[told], now);
    }

    /// Compares with the other operators whose leases are seen.
    fn look_around(&mut self, now: Moment) {
        let overlap = self.neighbours.overlapping(&self.seat.scope, now);
        if overlap == self.overlap {
            return;
        }
        self.ground.metrics.overlapping(overlap.len());
        if overlap.is_empty() {
            tracing::info!("no other operator works in the same namespaces any more");
            self.ground.health.has("overlap");
        } else {
            let text = format!(
                "another operator works in the same namespaces: {}; both page, so people get each page twice, under the same id; give each its own list (`--namespace`)",
                overlap.join("; ")
            );
            tracing::error!("{text}");
            self.ground.health.waits_for("overlap", text);
        }
        self.overlap = overlap;
    }

    /// Stops leading first, then empties the lease, so that a follower takes over at once.
    async fn give_up(self) {
        let holds = match self.candidate.stand(self.now()) {
            Stand::Leads { .. } | Stand::Pauses | Stand::Alone { .. } => true,
            Stand::Follows | Stand::Lost => false,
        };
        self.post.tell(Standing::Released);
        self.ground.metrics.leader(false);
        if holds {
            tracing::info!(me = self.candidate.name(), "gives the lease up");
            let (empty, params) = (self.wanted(None), PostParams::default());
            let giving_up = self.api.replace(&self.seat.lease, &params, &empty);
            let given = tokio::time::timeout(GIVING_UP, giving_up).await;
            if !matches!(given, Ok(Ok(_))) {
                tracing::warn!(
                    "the lease could not be given up; another replica takes over when it has run out"
                );
            }
        }
        self.resign.done.cancel();
        std::future::pending::<()>().await;
    }
}

/// What counts of a lease: who holds it, how long it is good, which version this is.
fn facts(lease: &Lease, timing: Timing) -> (Option<String>, Duration, u64) {
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.clone());
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
    (
        holder.filter(|holder| !holder.is_empty()),
        timing.of_another(seconds),
        version(&lease.metadata),
    )
}

fn scope(lease: &Lease) -> Option<Scope> {
    Scope::read(lease.metadata.annotations.as_ref()?.get(NAMESPACES)?)
}

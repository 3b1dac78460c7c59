//! The heart of the very binary (`--heartbeat-url`): it beats while all is well, stops within a minute of a fault, and
//! beats again once that is mended. Each fault has an operator of its own; all run side by side, since a minute is long.

use std::time::{Duration, Instant};

use firebell::api::{ConditionStatus, DeliveryState, TicketStatus};
use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::eventually;
use firebell::testkit::proxy::{Aim, Fault, Laid, Verb, WatchFault, Which};
use firebell::testkit::stage::Stage;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cast::Cast;
use super::extent::Extent;
use super::table::Row;
use super::undecodable;

/// Where beats go.
const BEAT: &str = "/beat";
/// A beat a minute, and what a busy machine adds.
const PATIENCE: Duration = Duration::from_secs(90);
/// From a fault to the last beat (issue: within a minute).
const STOPS: SignedDuration = SignedDuration::from_mins(1);
/// Two moments for a beat: one within the first minute may still come.
const WITHHELD: Duration = Duration::from_secs(150);
/// The ticket that is forgotten.
const FORGOTTEN: &str = "forgotten";

/// What must stop a heart.
#[derive(Clone, Copy, Debug)]
enum Sickness {
    /// What a ticket needs is never written; only the audit's word on it is.
    Unwritten,
    /// The watch of tickets passes nothing any more, nor do new ones.
    Silence,
    /// Every call is refused.
    Refused,
    /// A ticket is stored that nobody can decode.
    Undecodable,
    /// The whole process stands still, its timers with it.
    Stopped,
}

const ALL: [Sickness; 5] = [
    Sickness::Unwritten,
    Sickness::Silence,
    Sickness::Refused,
    Sickness::Undecodable,
    Sickness::Stopped,
];

/// What came of one.
struct Course {
    /// From the fault to the first beat that was withheld, where it could be asked.
    missed: Duration,
    broken: Vec<String>,
}

/// All of them, each struck once its heart beats; or the first two, sick from the start, which saves a minute.
pub async fn hearts(name: &str, extent: &Extent) -> Row {
    let chosen = if extent.all { &ALL[..] } else { &ALL[..2] };
    let courses = join_all(chosen.iter().map(|sickness| sickness.runs(extent.all))).await;
    let missed = courses.iter().map(|course| course.missed).max();
    let broken = chosen.iter().zip(&courses).flat_map(|(sickness, course)| {
        let broken = course.broken.iter();
        broken.map(move |what| format!("{sickness:?}: {what}"))
    });
    Row {
        fault: name.to_owned(),
        points: chosen.len(),
        note: format!(
            "a beat was missed within {:.0} s",
            missed.unwrap_or_default().as_secs_f32()
        ),
        broken: broken.collect(),
        ..Row::default()
    }
}

impl Sickness {
    /// From the first beat, if it `beats_before`, over the silence to the next beat.
    async fn runs(self, beats_before: bool) -> Course {
        match self {
            Self::Unwritten | Self::Silence | Self::Refused | Self::Stopped => {
                self.runs_on(Stage::set("heart").await, beats_before).await
            }
            Self::Undecodable => {
                let plane = ControlPlane::start(Options::default()).await.unwrap();
                let stage = Stage::on(&plane, "heart").await;
                stage.install_loose().await;
                self.runs_on(stage, beats_before).await
            }
        }
    }

    async fn runs_on(self, mut stage: Stage<'_>, beats_before: bool) -> Course {
        stage.flags = vec!["--heartbeat-url".to_owned(), stage.receiver.url(BEAT)];
        stage.apply_policy("gold", quiet_policy(&stage)).await;
        let mut cast = Cast::on(stage).await;
        cast.crew.start().await;
        cast.stage.create_ticket("in-order").await;
        let paged = |status: &TicketStatus| {
            let mut states = status.deliveries.iter().map(|known| known.state);
            states.any(|state| state == DeliveryState::Delivered)
        };
        let recorded = cast.stage.until("in-order", "its page is recorded", paged);
        recorded.await;
        let mut broken = Vec::new();
        if beats_before && !beats_again(&cast, Timestamp::UNIX_EPOCH).await {
            broken.push("it never began to beat".to_owned());
        }
        let struck = Timestamp::now();
        let laid = self.strike(&cast).await;
        let missed = self.until_withheld(&cast, &mut broken).await;
        let mended = Timestamp::now();
        self.mend(&cast, laid).await;
        let beats: Vec<_> = beats(&cast)
            .into_iter()
            .filter(|beat| *beat <= mended)
            .collect();
        let after = |beat: &Timestamp| beat.duration_since(struck);
        let last = beats.iter().map(after).max().unwrap_or_default();
        if last > STOPS {
            broken.push(format!("it still beat {last:#} after the fault"));
        }
        if !beats_again(&cast, mended).await {
            broken.push(format!("it does not beat again\n{}", cast.crew.log()));
        }
        self.afterwards(&cast, &mut broken).await;
        Course { missed, broken }
    }

    async fn strike(self, cast: &Cast<'_>) -> Vec<Laid> {
        let status = || Aim::at(Verb::Patch, "tickets/status");
        let lay = |aim, fault| cast.proxy.lay(aim, Which::Every, fault);
        let refused = |status| Fault::Refused {
            status,
            retry_after: None,
        };
        match self {
            Self::Unwritten => {
                let mark = lay(status().saying("Neglected"), Fault::Spared);
                let laid = vec![mark, lay(status(), refused(500))];
                cast.stage.create_ticket(FORGOTTEN).await;
                laid
            }
            Self::Silence => {
                cast.proxy.watches("tickets", WatchFault::Frozen);
                Vec::new()
            }
            Self::Refused => vec![lay(Aim::all(), refused(503))],
            Self::Undecodable => {
                undecodable::store(cast.stage.plane, &cast.stage.namespace, FORGOTTEN).await;
                Vec::new()
            }
            Self::Stopped => {
                cast.operator().pause().unwrap();
                Vec::new()
            }
        }
    }

    /// Waits until a beat was withheld; how long. A process that stands still can tell nothing: then until one is overdue.
    async fn until_withheld(self, cast: &Cast<'_>, broken: &mut Vec<String>) -> Duration {
        let began = Instant::now();
        match self {
            Self::Stopped => {
                tokio::time::sleep(PATIENCE).await;
                return Duration::ZERO;
            }
            Self::Unwritten | Self::Silence | Self::Refused | Self::Undecodable => {
                let told = async || {
                    let metrics = cast.operator().metrics().await.ok()?;
                    let withheld = r#"firebell_heartbeats_total{outcome="Withheld"}"#;
                    metrics.contains(withheld).then_some(())
                };
                if let Err(error) = eventually("a beat is withheld", WITHHELD, told).await {
                    broken.push(error.to_string());
                }
            }
        }
        let missed = began.elapsed();
        if let Self::Unwritten = self {
            let said = cast.stage.until(FORGOTTEN, "it says so", |status| {
                neglected(status) == Some(ConditionStatus::True)
            });
            said.await;
            let counted = cast.operator().metrics().await.unwrap_or_default();
            if !counted.contains("firebell_neglected_tickets 1") {
                broken.push("`firebell_neglected_tickets` does not count it".to_owned());
            }
        }
        missed
    }

    async fn mend(self, cast: &Cast<'_>, laid: Vec<Laid>) {
        for laid in laid {
            cast.proxy.lift(laid);
        }
        match self {
            Self::Silence => cast.proxy.watches("tickets", WatchFault::None),
            Self::Stopped => cast.operator().resume().unwrap(),
            Self::Undecodable => {
                let plane = cast.stage.plane;
                let args = ["delete", "ticket", "-n", &cast.stage.namespace, FORGOTTEN];
                plane.kubectl(args).run().await.unwrap();
            }
            Self::Unwritten | Self::Refused => {}
        }
    }

    /// What was forgotten is done late and not never, and the ticket says that it was looked at.
    async fn afterwards(self, cast: &Cast<'_>, broken: &mut Vec<String>) {
        match self {
            Self::Unwritten => {
                let stage = &cast.stage;
                stage
                    .until(FORGOTTEN, "it is looked after", |status| {
                        neglected(status) == Some(ConditionStatus::False)
                    })
                    .await;
                stage.page("/alice", 2).await;
            }
            Self::Silence | Self::Refused | Self::Undecodable | Self::Stopped => {}
        }
        if cast.crew.log().contains("panicked at") {
            broken.push("(6) it panicked".to_owned());
        }
    }
}

/// Pages once, and then has nothing to do for hours.
fn quiet_policy(stage: &Stage<'_>) -> serde_json::Value {
    let mut policy = stage.short_policy("10h", 2);
    policy["severities"] = json!([]);
    policy
}

fn neglected(status: &TicketStatus) -> Option<ConditionStatus> {
    let mut conditions = status.conditions.iter();
    let known = conditions.find(|known| known.type_ == "Neglected")?;
    Some(known.status)
}

fn beats(cast: &Cast<'_>) -> Vec<Timestamp> {
    let beats = cast.stage.receiver.pages_for(BEAT);
    beats.into_iter().map(|beat| beat.time).collect()
}

/// Waits for a beat after a moment.
async fn beats_again(cast: &Cast<'_>, after: Timestamp) -> bool {
    let came = |ledger: &firebell::testkit::receiver::Ledger| {
        ledger.for_path(BEAT).any(|beat| beat.time > after)
    };
    cast.stage.receiver.wait_for(came, PATIENCE).await.is_ok()
}

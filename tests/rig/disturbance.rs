//! What breaks in a point, and when.

use std::path::Path;
use std::time::{Duration, Instant};

use firebell::testkit::eventually;
use firebell::testkit::proxy::{Aim, Fault, Laid, Proxy, Seen, Verb, WatchFault, Which};
use firebell::testkit::receiver::Behaviour;
use firebell::testkit::stage::{LIMIT, Stage};
use tokio_util::sync::CancellationToken;

use super::cast::{Cast, Crew};

/// Longer than a lease of 3 s and all that follows its end.
const BEYOND_ITS_LEASE: Duration = Duration::from_secs(8);
/// How long after the ticket's end a moment may still come: Events and results are written last.
const AFTERMATH: Duration = Duration::from_secs(3);

/// What has to be written before a page leaves: a policy's status puts it in use, and names its revision and document.
const PAGES_NEED: [&str; 4] = [
    "tickets/status",
    "escalationpolicies/status",
    "controllerrevisions",
    "configmaps",
];

/// One thing that breaks.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// kill -9 while the nth call that fits is held: before it is passed on, or after it took effect.
    KillAt(Aim, usize, Moment),
    /// kill -9 after the nth message came to a path: before the receiver answers it, or once it has.
    KillAtSend(String, usize, Moment),
    /// The nth call that fits is broken.
    Broken(Aim, usize, Fault),
    /// The leader of two stands still while the nth call that fits is on its way, until long after its lease: the call
    /// arrives when another leads.
    StandStill(Aim, usize),
    /// The same once the nth message came to a path: before the receiver answers it, or once it has.
    StandStillAtSend(String, usize, Moment),
    /// Once the first page has come, every call that fits is broken for a while.
    Outage(Aim, Fault, Duration),
    /// The operator's wall clock jumps by so many seconds: before its start, or once the first page has come.
    Clock(i64, Moment),
    /// Once the first page has come, the watches of tickets fall silent: until a new one is asked for, or so long.
    Silence(Option<Duration>),
    /// The watches of a resource are disturbed: from the start, or once a message came to a path.
    Watches(&'static str, WatchFault, Option<&'static str>),
}

/// On which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has no effect yet.
    Before,
    /// It has taken effect, and the operator does not know.
    After,
}

/// What a disturbance came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Struck {
    /// What was to break broke.
    pub hit: bool,
    /// How long nobody could page.
    pub down: Duration,
    /// How long what a page needs could not be written: it excuses a page that was not armed before.
    pub unwritten: Duration,
    /// How long until the operator gave up what had fallen silent: a watch, or a call.
    pub noticed: Duration,
}

impl Disturbance {
    /// Lays what must be laid before anything happens.
    pub fn lay(&self, cast: &mut Cast<'_>) -> Option<Laid> {
        match self {
            Self::None
            | Self::KillAtSend(_, _, Moment::After)
            | Self::Outage(..)
            | Self::Silence(_)
            | Self::Watches(_, _, Some(_)) => None,
            Self::Watches(resource, fault, None) => {
                cast.proxy.watches(resource, *fault);
                None
            }
            Self::Clock(seconds, moment) => {
                let file = cast.crew.file("clock");
                let from_the_start = if *moment == Moment::Before {
                    *seconds
                } else {
                    0
                };
                set_clock(&file, from_the_start);
                cast.crew.deceive(&file);
                None
            }
            Self::StandStillAtSend(path, nth, moment) => {
                cast.crew.elect(&cast.stage.namespace);
                if *moment == Moment::Before {
                    hang_at(cast, path, *nth);
                }
                None
            }
            Self::StandStill(aim, nth) => {
                cast.crew.elect(&cast.stage.namespace);
                let late = Fault::Late(BEYOND_ITS_LEASE);
                Some(cast.proxy.lay(aim.clone(), Which::Nth(*nth), late))
            }
            Self::KillAt(aim, nth, moment) => {
                let fault = match moment {
                    Moment::Before => Fault::HeldRequest,
                    Moment::After => Fault::HeldAnswer,
                };
                Some(cast.proxy.lay(aim.clone(), Which::Nth(*nth), fault))
            }
            Self::KillAtSend(path, nth, Moment::Before) => {
                hang_at(cast, path, *nth);
                None
            }
            Self::Broken(aim, nth, fault) => {
                if aim.resource == "leases" {
                    cast.crew.elect(&cast.stage.namespace);
                }
                let nth = Which::Nth(*nth);
                Some(cast.proxy.lay(aim.clone(), nth, fault.clone()))
            }
        }
    }

    /// Waits for the moment and strikes; `struck` is told. Once `over`, the moment may still come for a little while.
    pub async fn strike(
        &self,
        (stage, proxy, crew): (&Stage<'_>, &Proxy, &mut Crew),
        laid: Option<Laid>,
        (over, struck): (&CancellationToken, &CancellationToken),
    ) -> Struck {
        let got = |path: &str| stage.receiver.pages_for(path).len();
        let came = || match (self, laid) {
            (_, Some(laid)) => proxy.hits(laid) > 0,
            (Self::KillAtSend(path, nth, _) | Self::StandStillAtSend(path, nth, _), None) => {
                got(path) >= *nth
            }
            (Self::Outage(..) | Self::Silence(_) | Self::Clock(..), None) => got("/alice") > 0,
            (Self::Watches(_, _, path), None) => path.is_none_or(|path| got(path) > 0),
            (Self::None, None) => true,
            (Self::KillAt(..) | Self::StandStill(..) | Self::Broken(..), None) => false,
        };
        let wait = async |limit| {
            let came = async || came().then_some(());
            eventually("the moment to strike", limit, came)
                .await
                .is_ok()
        };
        let hit = tokio::select! {
            hit = wait(LIMIT) => hit,
            hit = async { over.cancelled().await; wait(AFTERMATH).await } => hit,
        };
        if !hit {
            struck.cancel();
            return Struck::default();
        }
        if let Self::Silence(lasts) = self {
            return silence(proxy, *lasts, struck).await;
        }
        if let Self::Clock(seconds, _) = self {
            return clock(crew, *seconds, struck).await;
        }
        struck.cancel();
        self.breaks(proxy, crew, laid).await
    }

    /// Breaks what was not laid to break by itself, and tells what came of it.
    async fn breaks(&self, proxy: &Proxy, crew: &mut Crew, laid: Option<Laid>) -> Struck {
        let mut came = Struck {
            hit: true,
            ..Struck::default()
        };
        match self {
            Self::KillAt(..) | Self::KillAtSend(..) => came.down = crew.crash().await,
            Self::StandStill(..) | Self::StandStillAtSend(..) => {
                came.down = crew.stand_still(BEYOND_ITS_LEASE / 2).await;
            }
            Self::Outage(aim, fault, lasts) => {
                let began = Instant::now();
                let laid = proxy.lay(aim.clone(), Which::Every, fault.clone());
                tokio::time::sleep(*lasts).await;
                proxy.lift(laid);
                given_up(proxy, laid).await;
                // Nobody asks in vain more often than his rest allows, which grows as the outage does.
                came.unwritten = began.elapsed() + *lasts;
            }
            Self::Watches(resource, fault, path) => {
                if path.is_some() {
                    proxy.watches(resource, *fault);
                }
            }
            Self::Broken(aim, _, Fault::HeldRequest | Fault::HeldAnswer) => {
                if let Some(laid) = laid {
                    came.noticed = given_up(proxy, laid).await;
                }
                if PAGES_NEED.contains(&&*aim.resource) {
                    came.unwritten = came.noticed;
                }
            }
            Self::None | Self::Broken(..) | Self::Silence(_) | Self::Clock(..) => {}
        }
        came
    }
}

/// How long the operator waited for the answer to a call that was broken, at most; once it waits for none any more.
async fn given_up(proxy: &Proxy, laid: Laid) -> Duration {
    let over = async || {
        let waited = |seen: &Seen| Some(seen.over?.duration_since(seen.time).unsigned_abs());
        let broken = proxy.broken(laid);
        let waited: Option<Vec<_>> = broken.iter().map(waited).collect();
        Some(waited?.into_iter().max().unwrap_or_default())
    };
    eventually("the operator to wait no more", LIMIT, over)
        .await
        .unwrap()
}

/// The receiver never answers the nth message to a path.
fn hang_at(cast: &Cast<'_>, path: &str, nth: usize) {
    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
    cast.stage.receiver.on(path, Behaviour::HangAt { nth });
}

/// Lets the watches of tickets fall silent and waits until the operator has opened a new one.
async fn silence(proxy: &Proxy, lasts: Option<Duration>, struck: &CancellationToken) -> Struck {
    let asked = || {
        let watch = |seen: &&Seen| seen.call.verb == Verb::Watch && seen.call.resource == "tickets";
        proxy.calls().iter().filter(watch).count()
    };
    proxy.watches("tickets", WatchFault::Frozen);
    let (before, began) = (asked(), Instant::now());
    struck.cancel();
    let again = async || (asked() > before).then_some(());
    let hit = eventually("a new watch", LIMIT, again).await.is_ok();
    let noticed = began.elapsed();
    if let Some(lasts) = lasts {
        tokio::time::sleep(lasts.saturating_sub(noticed)).await;
    }
    proxy.watches("tickets", WatchFault::None);
    Struck {
        hit,
        noticed,
        ..Struck::default()
    }
}

fn set_clock(file: &Path, seconds: i64) {
    std::fs::write(file, format!("{seconds:+}")).unwrap();
}

/// Moves the operator's wall clock, and waits until the operator says that it disagrees with the API server's.
async fn clock(crew: &Crew, seconds: i64, struck: &CancellationToken) -> Struck {
    set_clock(&crew.file("clock"), seconds);
    struck.cancel();
    let told = async || {
        let metrics = crew.operator.as_ref()?.metrics().await.ok()?;
        metrics
            .contains("firebell_wall_clock_disagrees 1")
            .then_some(())
    };
    let hit = eventually("the clocks to disagree", LIMIT, told)
        .await
        .is_ok();
    Struck {
        hit,
        ..Struck::default()
    }
}

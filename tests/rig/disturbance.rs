//! What breaks in a point, and when.

use std::time::Duration;

use firebell::testkit::eventually;
use firebell::testkit::proxy::{Aim, Fault, Laid, Proxy, WatchFault, Which};
use firebell::testkit::receiver::Behaviour;
use firebell::testkit::stage::{LIMIT, Stage};
use tokio_util::sync::CancellationToken;

use super::cast::{Cast, Crew};

/// How long after the ticket's end a moment may still come: Events and results are written last.
const AFTERMATH: Duration = Duration::from_secs(3);

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
    /// Once the first page has come, every call is broken for a while.
    Outage(Fault, Duration),
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
}

impl Disturbance {
    /// Lays what must be laid before anything happens.
    pub fn lay(&self, cast: &Cast) -> Option<Laid> {
        match self {
            Self::None
            | Self::KillAtSend(_, _, Moment::After)
            | Self::Outage(..)
            | Self::Watches(_, _, Some(_)) => None,
            Self::Watches(resource, fault, None) => {
                cast.proxy.watches(resource, *fault);
                None
            }
            Self::KillAt(aim, nth, moment) => {
                let fault = match moment {
                    Moment::Before => Fault::HeldRequest,
                    Moment::After => Fault::HeldAnswer,
                };
                Some(cast.proxy.lay(aim.clone(), Which::Nth(*nth), fault))
            }
            Self::KillAtSend(path, nth, Moment::Before) => {
                let nth = u32::try_from(*nth).unwrap_or(u32::MAX);
                cast.stage.receiver.on(path, Behaviour::HangAt { nth });
                None
            }
            Self::Broken(aim, nth, fault) => {
                let nth = Which::Nth(*nth);
                Some(cast.proxy.lay(aim.clone(), nth, fault.clone()))
            }
        }
    }

    /// Waits for the moment and strikes. Once `over`, the moment may still come for a little while.
    pub async fn strike(
        &self,
        (stage, proxy, crew): (&Stage<'_>, &Proxy, &mut Crew),
        laid: Option<Laid>,
        over: &CancellationToken,
    ) -> Struck {
        let got = |path: &str| stage.receiver.pages_for(path).len();
        let came = || match (self, laid) {
            (_, Some(laid)) => proxy.hits(laid) > 0,
            (Self::KillAtSend(path, nth, _), None) => got(path) >= *nth,
            (Self::Outage(..), None) => got("/alice") > 0,
            (Self::Watches(_, _, path), None) => path.is_none_or(|path| got(path) > 0),
            (Self::None | Self::KillAt(..) | Self::Broken(..), None) => false,
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
            return Struck::default();
        }
        let down = match self {
            Self::KillAt(..) | Self::KillAtSend(..) => crew.crash().await,
            Self::Outage(fault, lasts) => {
                let laid = proxy.lay(Aim::all(), Which::Every, fault.clone());
                tokio::time::sleep(*lasts).await;
                proxy.lift(laid);
                // Nobody asks in vain more often than his rest allows, which grows as the outage does.
                *lasts * 2
            }
            Self::Watches(resource, fault, path) => {
                if path.is_some() {
                    proxy.watches(resource, *fault);
                }
                Duration::ZERO
            }
            Self::None | Self::Broken(..) => Duration::ZERO,
        };
        Struck { hit, down }
    }
}

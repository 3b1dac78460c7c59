//! One point: the cast, a story, one thing that breaks, and what is left behind. Points that do not disturb each other
//! run side by side, each in a namespace of its own.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use firebell::api::{Rca, Ticket};
use firebell::domain::chain::timetable;
use firebell::testkit::proxy::{Laid, Seen};
use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::cast::Cast;
use super::disturbance::{Disturbance, Struck};
use super::judge::{Evidence, Verdict};
use super::story::{Story, TICKET, Told};
use super::sweeps::Lessons;

/// Points that run at once.
const AT_ONCE: usize = 10;
/// So long without a write is rest.
pub const CALM: Duration = Duration::from_secs(3);

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What people do meanwhile.
    pub story: Story,
    /// What breaks.
    pub disturbance: Disturbance,
}

/// What came of a plan.
pub struct Outcome {
    /// What was to break broke.
    pub hit: bool,
    /// How long until the operator gave up what had fallen silent.
    pub noticed: Duration,
    /// The verdict.
    pub verdict: Verdict,
}

/// Lives a story with one thing that breaks.
pub async fn live(plan: &Plan) -> (Evidence, Vec<Seen>, Struck) {
    live_with(Cast::gather().await, plan).await
}

/// The same, with a cast for which something else is prepared already.
pub async fn live_with(mut cast: Cast<'_>, plan: &Plan) -> (Evidence, Vec<Seen>, Struck) {
    let laid = plan.disturbance.lay(&mut cast);
    cast.crew.start().await;
    let (tickets, armed) = (cast.stage.tickets(), Mutex::default());
    let lived = async {
        let (told, came) = tell_and_strike(&mut cast, plan, laid).await;
        (told, came, cast.rests(CALM).await)
    };
    let (told, came, rested) = tokio::select! {
        lived = lived => lived,
        never = note_armed(tickets, &armed) => match never {},
    };
    let rcas: Api<Rca> = Api::namespaced(cast.stage.client.clone(), &cast.stage.namespace);
    let rcas = rcas.list(&ListParams::default()).await.unwrap();
    let evidence = Evidence {
        rcas: rcas.items.into_iter().map(|rca| rca.status).collect(),
        story: plan.story,
        told,
        armed: armed.into_inner(),
        pages: cast.stage.receiver.pages(),
        status: cast
            .stage
            .ticket_object(TICKET)
            .await
            .status
            .unwrap_or_default(),
        log: cast.crew.log(),
        crashes: cast.crew.crashes,
        down: came.down,
        unwritten: came.unwritten,
        rested,
    };
    (evidence, cast.proxy.calls(), came)
}

/// The story, and what breaks in it.
async fn tell_and_strike(cast: &mut Cast<'_>, plan: &Plan, laid: Option<Laid>) -> (Told, Struck) {
    let (over, struck) = (CancellationToken::new(), CancellationToken::new());
    let Cast { stage, proxy, crew } = cast;
    let (stage, proxy) = (&*stage, &*proxy);
    let telling = async {
        let told = plan.story.tell(stage, &struck).await;
        over.cancel();
        told
    };
    let striking = plan
        .disturbance
        .strike((stage, proxy, crew), laid, (&over, &struck));
    tokio::join!(telling, striking)
}

/// Notes when it could first be read that a step stands armed or has called, as people read it.
async fn note_armed(
    tickets: Api<Ticket>,
    armed: &Mutex<BTreeMap<String, Timestamp>>,
) -> Infallible {
    let params = WatchParams::default();
    loop {
        let Ok(events) = tickets.watch(&params, "0").await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let mut events = pin!(events);
        while let Some(Ok(event)) = events.next().await {
            let (WatchEvent::Added(ticket) | WatchEvent::Modified(ticket)) = event else {
                continue;
            };
            let (status, now) = (ticket.status.unwrap_or_default(), Timestamp::now());
            let chain = status.escalation.as_ref();
            let next = chain.filter(|_| timetable::armed(&status).is_some());
            let next = next.and_then(|chain| chain.next_step.clone());
            let called = status
                .deliveries
                .iter()
                .filter_map(|known| known.step.clone());
            for step in next.into_iter().chain(called) {
                armed.lock().entry(step).or_insert(now);
            }
        }
    }
}

/// Lives all plans, several at once, and judges each.
///
/// What a plan is called goes with it to its outcome.
pub async fn live_all<N>(
    plans: impl IntoIterator<Item = (N, Plan)>,
    lessons: &Lessons,
) -> Vec<(N, (Plan, Outcome))> {
    let lives = plans.into_iter().map(|(name, plan)| async move {
        // A wait that ends in vain panics: that is the end of this point, and of no other.
        let lived = AssertUnwindSafe(live(&plan)).catch_unwind().await;
        let outcome = match lived {
            Ok((evidence, _calls, came)) => Outcome {
                hit: came.hit,
                noticed: came.noticed,
                verdict: lessons.clean(plan.story).judge(&evidence),
            },
            Err(panic) => Outcome {
                hit: true,
                noticed: Duration::ZERO,
                verdict: Verdict {
                    broken: vec![words(&*panic)],
                    ..Verdict::default()
                },
            },
        };
        (name, (plan, outcome))
    });
    stream::iter(lives)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

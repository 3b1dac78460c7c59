//! What happens where nothing breaks: what an idle operator asks of the API server, and what a flood of tickets in one
//! namespace costs its neighbour.

use std::collections::BTreeMap;
use std::time::Duration;

use firebell::api::EscalationPolicyStatus;
use firebell::testkit::proxy::{Aim, Fault, Verb, Which};
use firebell::testkit::stage::Stage;
use futures::future::join_all;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cast::{Cast, admit};
use super::judge::receipts;
use super::outage::until;
use super::point::CALM;
use super::table::Row;

/// Counts the calls of an operator with open tickets that wait for hours.
pub async fn idle(name: &str, watched: Duration) -> Row {
    let mut cast = Cast::gather().await;
    cast.crew.start().await;
    let stage = &cast.stage;
    let mut policy = stage.short_policy("10h", 2);
    policy["severities"] = json!([]);
    stage.apply_policy("gold", policy).await;
    for number in 0..20 {
        stage.create_ticket(&format!("t{number}")).await;
    }
    stage
        .until_received(|ledger| ledger.count("/alice") == 20)
        .await;
    // The count of a policy's tickets is written up to 10 s later.
    let rests = cast.rests(CALM * 4).await;
    let before = cast.proxy.calls().len();
    tokio::time::sleep(watched).await;
    let calls = cast.proxy.calls().split_off(before);
    let writes = calls.iter().filter(|seen| seen.call.is_write()).count();
    let reopened = calls
        .iter()
        .filter(|seen| seen.call.verb == Verb::Watch)
        .count();
    let per_hour = |count: usize| count as u64 * 3600 / watched.as_secs();
    let others = per_hour(calls.len() - reopened);
    let mut row = Row {
        fault: name.to_owned(),
        points: 1,
        note: format!(
            "per hour: {} watch calls, {others} others, 0 writes",
            per_hour(reopened)
        ),
        ..Row::default()
    };
    if writes > 0 || !rests {
        row.broken.push(format!(
            "(5) {writes} writes while nothing happened: {calls:?}"
        ));
    }
    row
}

/// Tickets that are created one after the other, and whose second step falls due likewise.
#[derive(Clone, Copy)]
struct Neighbour {
    pages: usize,
    /// From one creation to the next.
    apart: SignedDuration,
}
/// From a neighbour's creation to its second step.
const AFTER: SignedDuration = SignedDuration::from_secs(12);
/// How long before the first page is due what happens meanwhile begins.
const AHEAD: SignedDuration = SignedDuration::from_millis(500);
/// What waiting for a processor may cost in a build without optimisation: less than this is not told from nothing.
const NOISE: Duration = Duration::from_millis(100);
/// The flood's requests at once.
const AT_ONCE: usize = 16;

/// Pages of one namespace that fall due while tickets flood another, against the same pages without a flood.
pub async fn flood(name: &str, tickets: usize) -> Row {
    let mut cast = Cast::gather().await;
    let flooded = Stage::set("flood").await;
    admit(&flooded, &cast.stage.operator_user()).await;
    cast.crew.watch_too(&flooded.namespace);
    cast.crew.start().await;
    for stage in [&cast.stage, &flooded] {
        let after = format!("{}s", AFTER.as_secs());
        stage
            .apply_policy("gold", stage.short_policy(&after, 2))
            .await;
    }
    // Pages fall due for 10 s of a minute's flood, each second's at one instant.
    let neighbour = Neighbour {
        pages: (tickets / 50).max(20),
        apart: SignedDuration::from_millis(50),
    };
    let calm = lateness(&cast.stage, "calm", neighbour, std::future::ready(())).await;
    let flooding = async {
        let created = stream::iter(0..tickets).map(|number| {
            let flooded = &flooded;
            async move { flooded.create_ticket(&format!("t{number}")).await }
        });
        let _all = created.buffer_unordered(AT_ONCE).count().await;
    };
    let stormy = lateness(&cast.stage, "stormy", neighbour, flooding).await;
    flooded
        .until_received(|ledger| ledger.count("/alice") >= 1)
        .await;
    let mut row = Row {
        fault: name.to_owned(),
        points: 1,
        lost: calm.lost + stormy.lost,
        lateness: stormy.most,
        note: format!(
            "{tickets} tickets; {} pages next door {:.4} s late against {:.4} s without ({:.2}x), a bare timer's POST {:.4} s against {:.4} s ({:.2}x)",
            neighbour.pages,
            stormy.ours,
            calm.ours,
            stormy.ours / calm.ours,
            stormy.bare,
            calm.bare,
            stormy.bare / calm.bare,
        ),
        ..Row::default()
    };
    if row.lost > 0 {
        row.broken
            .push(format!("(1) {} pages of the neighbour were lost", row.lost));
    }
    // What the flood takes of the processors, it takes of every program.
    let slower = (stormy.bare / calm.bare).max(1.0);
    let usual = (calm.ours * slower).max(NOISE.as_secs_f64());
    if stormy.ours > 1.2 * usual {
        row.broken.push(format!(
            "the neighbour's pages come more than 1.2 times as late as {usual:.3} s"
        ));
    }
    row
}

/// How late the neighbour's second step was.
struct Lateness {
    lost: usize,
    most: Duration,
    /// Mean of receipt minus deadline, in seconds.
    ours: f64,
    /// The same of a bare timer and POST to the same receiver at the same times: what the machine alone takes.
    bare: f64,
}

/// Arms the neighbour's tickets, lets something happen while they fall due, and measures.
async fn lateness(
    stage: &Stage<'_>,
    prefix: &str,
    neighbour: Neighbour,
    meanwhile: impl Future<Output = ()>,
) -> Lateness {
    let mut due = BTreeMap::new();
    let start = Timestamp::now();
    for number in 0..neighbour.pages {
        until(start + neighbour.apart * i32::try_from(number).unwrap()).await;
        let name = format!("{prefix}{number}");
        let created = stage.create_ticket(&name).await;
        due.insert(name, created.metadata.creation_timestamp.unwrap().0 + AFTER);
    }
    let first = due.values().min().copied().unwrap_or_default();
    let last = due.values().max().copied().unwrap_or_default();
    let (client, url) = (reqwest::Client::new(), stage.receiver.url("/bare"));
    let posts = due.iter().map(|(name, due)| {
        let posted = client.post(format!("{url}?{name}")).body("{}").send();
        async move {
            until(*due).await;
            posted.await.unwrap()
        }
    });
    let meanwhile = async {
        until(first - AHEAD).await;
        meanwhile.await;
    };
    tokio::join!(meanwhile, until(last), join_all(posts));
    let of_these = |ticket: &str| due.contains_key(ticket);
    let all = |ledger: &firebell::testkit::receiver::Ledger| {
        let bob: Vec<_> = ledger.for_path("/bob").cloned().collect();
        receipts(&bob)
            .iter()
            .filter(|page| of_these(&page.ticket))
            .count()
            >= neighbour.pages
    };
    stage.until_received(all).await;
    let came = receipts(&stage.receiver.pages_for("/bob"));
    let ours: Vec<Duration> = came
        .iter()
        .filter_map(|page| Some(late(page.time, *due.get(&page.ticket)?)))
        .collect();
    let posted = stage.receiver.pages_for("/bare");
    let bare: Vec<Duration> = posted
        .iter()
        .filter_map(|post| Some(late(post.time, *due.get(post.query.as_ref()?)?)))
        .collect();
    Lateness {
        lost: neighbour.pages.saturating_sub(ours.len()),
        most: ours.iter().max().copied().unwrap_or_default(),
        ours: mean(&ours),
        bare: mean(&bare),
    }
}

fn mean(times: &[Duration]) -> f64 {
    let count = u32::try_from(times.len().max(1)).unwrap();
    (times.iter().sum::<Duration>() / count).as_secs_f64()
}

/// Armed pages while each answer about a Secret takes almost a second: they wait for none, since it was read ahead.
pub async fn slow_secrets(name: &str) -> Row {
    let mut cast = Cast::gather().await;
    cast.crew.start().await;
    let policy = cast.stage.short_policy(&format!("{}s", AFTER.as_secs()), 2);
    cast.stage.apply_policy("gold", policy).await;
    let in_use = |status: &EscalationPolicyStatus| status.generation.is_some();
    cast.stage
        .until_policy("gold", "it is in use", in_use)
        .await;
    let secrets = Aim::at(Verb::Get, "secrets");
    let laid = cast.proxy.lay(secrets, Which::Every, Fault::Late(SLOW));
    let neighbour = Neighbour {
        pages: 20,
        apart: SignedDuration::ZERO,
    };
    let lateness = lateness(&cast.stage, "slow", neighbour, std::future::ready(())).await;
    let mut row = Row {
        fault: name.to_owned(),
        points: cast.proxy.hits(laid),
        lost: lateness.lost,
        lateness: lateness.most,
        note: format!("the answer takes {:.1} s", SLOW.as_secs_f32()),
        ..Row::default()
    };
    if row.points == 0 {
        row.broken.push("no Secret was asked for".to_owned());
    }
    if lateness.lost > 0 || lateness.most >= SLOW {
        row.broken
            .push("(1) pages waited for the Secret".to_owned());
    }
    row
}

/// Less than the time that a Secret is read ahead by.
const SLOW: Duration = Duration::from_millis(900);

fn late(time: Timestamp, due: Timestamp) -> Duration {
    time.duration_since(due)
        .max(SignedDuration::ZERO)
        .unsigned_abs()
}

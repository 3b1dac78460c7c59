//! What happens where nothing breaks: what an idle operator asks of the API server, and what a flood of tickets in one
//! namespace costs its neighbour.

use std::collections::BTreeMap;
use std::time::Duration;

use firebell::testkit::proxy::Verb;
use firebell::testkit::stage::Stage;
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

/// Tickets of the neighbour.
const NEIGHBOURS: usize = 20;
/// From a neighbour's creation to its second step.
const AFTER: SignedDuration = SignedDuration::from_secs(12);
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
    let calm = lateness(&cast.stage, "calm", std::future::ready(())).await;
    let flooding = async {
        let created = stream::iter(0..tickets).map(|number| {
            let flooded = &flooded;
            async move { flooded.create_ticket(&format!("t{number}")).await }
        });
        let _all = created.buffer_unordered(AT_ONCE).count().await;
    };
    let stormy = lateness(&cast.stage, "stormy", flooding).await;
    flooded
        .until_received(|ledger| ledger.count("/alice") >= tickets.min(NEIGHBOURS))
        .await;
    let ratio = |part: fn(&Lateness) -> f64| part(&stormy) / part(&calm);
    let mut row = Row {
        fault: name.to_owned(),
        points: 1,
        lost: calm.lost + stormy.lost,
        lateness: stormy.most,
        note: format!(
            "{tickets} tickets; the neighbour's pages {:.3} s late against {:.3} s ({:.1}x), from their creation {:.3}x",
            stormy.mean,
            calm.mean,
            ratio(|known| known.mean),
            ratio(|known| known.wait)
        ),
        ..Row::default()
    };
    if row.lost > 0 {
        row.broken
            .push(format!("(1) {} pages of the neighbour were lost", row.lost));
    }
    if ratio(|known| known.wait) > 1.2 {
        row.broken
            .push("the neighbour's pages come more than 1.2 times as late".to_owned());
    }
    row
}

/// How late the neighbour's second step was.
struct Lateness {
    lost: usize,
    most: Duration,
    /// Mean of receipt minus deadline, in seconds.
    mean: f64,
    /// Mean of receipt minus creation, in seconds.
    wait: f64,
}

/// Arms the neighbour's tickets, lets something happen, and measures.
async fn lateness(
    stage: &Stage<'_>,
    prefix: &str,
    meanwhile: impl Future<Output = ()>,
) -> Lateness {
    let mut due = BTreeMap::new();
    for number in 0..NEIGHBOURS {
        let name = format!("{prefix}{number}");
        let created = stage.create_ticket(&name).await;
        due.insert(name, created.metadata.creation_timestamp.unwrap().0 + AFTER);
    }
    let last = due.values().max().copied().unwrap_or_default();
    tokio::join!(meanwhile, until(last));
    let of_these = |ticket: &str| due.contains_key(ticket);
    let all = |ledger: &firebell::testkit::receiver::Ledger| {
        let bob: Vec<_> = ledger.for_path("/bob").cloned().collect();
        receipts(&bob)
            .iter()
            .filter(|page| of_these(&page.ticket))
            .count()
            >= NEIGHBOURS
    };
    stage.until_received(all).await;
    let came = receipts(&stage.receiver.pages_for("/bob"));
    let late: Vec<Duration> = came
        .iter()
        .filter_map(|page| Some(late(page.time, *due.get(&page.ticket)?)))
        .collect();
    let count = u32::try_from(late.len().max(1)).unwrap();
    let mean = (late.iter().sum::<Duration>() / count).as_secs_f64();
    Lateness {
        lost: NEIGHBOURS.saturating_sub(late.len()),
        most: late.iter().max().copied().unwrap_or_default(),
        mean,
        wait: mean + AFTER.as_secs_f64(),
    }
}

fn late(time: Timestamp, due: Timestamp) -> Duration {
    time.duration_since(due)
        .max(SignedDuration::ZERO)
        .unsigned_abs()
}

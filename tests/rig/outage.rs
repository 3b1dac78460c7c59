//! The API server is away while many tickets are armed, killed with etcd, refusing or silent: what is due meanwhile
//! leaves on time, once, and nobody asks in vain more often than his rests allow.

use std::collections::BTreeMap;
use std::time::Duration;

use firebell::api::{DeliveryState, Ticket};
use firebell::controller::backoff;
use firebell::controller::error::Class;
use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::eventually;
use firebell::testkit::proxy::{Aim, Fault, Seen, Which};
use firebell::testkit::stage::{LIMIT, Stage};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;

use super::cast::Cast;
use super::judge::receipts;
use super::point::CALM;
use super::table::Row;

/// How late an armed page may be: less than a live GET is waited for.
const ON_TIME: Duration = Duration::from_millis(1500);
/// How long before the first page is due the servers die.
const BEFORE: SignedDuration = SignedDuration::from_secs(1);

/// One outage with so many tickets due in it. The servers are started again after `down`, and serve seconds later.
pub async fn servers_killed(name: &str, down: Duration, tickets: usize) -> Row {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let stage = Stage::on(&plane, "outage").await;
    stage.install(firebell::api::crds()).await;
    let mut cast = Cast::on(stage).await;
    cast.crew.start().await;
    let after = SignedDuration::from_secs(20 + i64::try_from(tickets / 8).unwrap());
    let due = arm(&cast, tickets, after, Duration::ZERO).await;
    until(first(&due) - BEFORE).await;
    plane.kill_apiserver().unwrap();
    plane.kill_etcd().unwrap();
    let died = Timestamp::now();
    tokio::time::sleep(down).await;
    plane.start_etcd().await.unwrap();
    plane.start_apiserver().await.unwrap();
    let served = Timestamp::now();
    let mut row = Row {
        fault: name.to_owned(),
        points: 1,
        ..Row::default()
    };
    settle(&cast, &due, &mut row).await;
    let inside = inside(&due, died, served);
    let most = row.lateness.as_secs_f32();
    let away = served.duration_since(died).as_secs();
    row.note =
        format!("{inside} due within {away} s without servers, the latest page {most:.2} s late");
    row
}

/// How long everything is broken.
const MINUTE: Duration = Duration::from_mins(1);
/// Tickets that fall due meanwhile, one after the other.
const TICKETS: usize = 20;
/// From one of them to the next.
const APART: Duration = Duration::from_millis(2500);
/// From a ticket's creation to its second step: all are armed when the first is due.
const AFTER: SignedDuration = SignedDuration::from_secs(70);

/// Writes of a ticket beside those that its rests allow: its page falls due and has a result, and both end a rest.
const BESIDE: usize = 3;

/// What came of a minute.
struct Minute {
    row: Row,
    /// How many pages fell due in it.
    due: usize,
    /// The most writes of one ticket in it.
    writes: usize,
}

/// A minute in which every call that is meant is broken, once for each fault, side by side.
pub async fn minute(name: &str, faults: Vec<(Aim, Fault)>) -> Row {
    let lived = join_all(faults.iter().map(|(aim, fault)| broken_by(aim, fault))).await;
    let mut row = Row {
        fault: name.to_owned(),
        points: lived.len(),
        ..Row::default()
    };
    let (mut inside, mut most) = (0, 0);
    for Minute {
        row: point,
        due,
        writes,
    } in lived
    {
        row.lost += point.lost;
        row.repeated += point.repeated;
        row.late += point.late;
        row.lateness = row.lateness.max(point.lateness);
        row.broken.extend(point.broken);
        inside += due;
        most = most.max(writes);
    }
    row.note = format!("{inside} due within, at most {most} writes of a ticket in its minute");
    row
}

/// One such minute.
async fn broken_by(aim: &Aim, fault: &Fault) -> Minute {
    let mut cast = Cast::gather().await;
    cast.crew.start().await;
    let due = arm(&cast, TICKETS, AFTER, APART).await;
    until(first(&due) - BEFORE).await;
    let began = Timestamp::now();
    let laid = cast.proxy.lay(aim.clone(), Which::Every, fault.clone());
    tokio::time::sleep(MINUTE).await;
    cast.proxy.lift(laid);
    let ended = Timestamp::now();
    let mut row = Row::default();
    settle(&cast, &due, &mut row).await;
    let calls = cast.proxy.calls();
    let meanwhile = |seen: &&Seen| (began..ended).contains(&seen.time);
    let writes = most_writes(calls.iter().filter(meanwhile));
    let allowed = allowed_writes(fault);
    if writes > allowed {
        row.broken.push(format!(
            "a ticket was written {writes} times in the minute; its rests allow {allowed}"
        ));
    }
    let broken = row.broken.into_iter();
    row.broken = broken.map(|what| format!("{fault:?}: {what}")).collect();
    Minute {
        row,
        due: inside(&due, began, ended),
        writes,
    }
}

/// How often the ticket was written that was written most.
fn most_writes<'s>(calls: impl Iterator<Item = &'s Seen>) -> usize {
    let mut writes: BTreeMap<&str, usize> = BTreeMap::new();
    let of_tickets = calls.filter(|seen| seen.call.resource == "tickets/status");
    for seen in of_tickets.filter(|seen| seen.call.is_write()) {
        *writes.entry(&seen.call.name).or_default() += 1;
    }
    writes.into_values().max().unwrap_or_default()
}

/// How often a ticket may be written in a minute in which each write fails like that: one at its beginning, and one
/// after each rest.
fn allowed_writes(fault: &Fault) -> usize {
    let class = match fault {
        Fault::Refused { status: 409, .. } => Class::Conflict,
        Fault::Refused { .. }
        | Fault::Spared
        | Fault::LostRequest
        | Fault::LostAnswer
        | Fault::Late(_)
        | Fault::UntilLifted
        | Fault::TornAnswer
        | Fault::HeldRequest
        | Fault::HeldAnswer => Class::Transient,
    };
    let ends = (1..).scan(Duration::ZERO, |end, failures| {
        *end += backoff::jittered(class, failures, 0).unsigned_abs();
        Some(*end)
    });
    1 + BESIDE + ends.take_while(|end| *end < MINUTE).count()
}

fn first(due: &BTreeMap<String, Timestamp>) -> Timestamp {
    due.values().min().copied().unwrap_or_default()
}

/// How many are due within a time.
fn inside(due: &BTreeMap<String, Timestamp>, from: Timestamp, to: Timestamp) -> usize {
    due.values().filter(|due| (from..to).contains(due)).count()
}

/// After the outage: everything is recorded, the operator comes to rest, and each page came once, on time.
pub async fn settle(cast: &Cast<'_>, due: &BTreeMap<String, Timestamp>, row: &mut Row) {
    if !recorded(cast, due.len(), "contact/bob").await {
        row.broken
            .push("(4) not every page was recorded after the outage".to_owned());
    }
    if !cast.rests(CALM).await {
        row.broken
            .push("(5) the operator did not come to rest".to_owned());
    }
    judge(cast, due, ON_TIME, row);
}

/// Creates tickets, `apart` from each other, and waits until the second step of each is armed, `after` the first: when
/// it is due, by ticket, as its status says. A chain starts when its policy is in use, which may be later than the
/// ticket.
pub async fn arm(
    cast: &Cast<'_>,
    tickets: usize,
    after: SignedDuration,
    apart: Duration,
) -> BTreeMap<String, Timestamp> {
    let stage = &cast.stage;
    let after = format!("{}s", after.as_secs());
    stage
        .apply_policy("gold", stage.short_policy(&after, 2))
        .await;
    for number in 0..tickets {
        stage.create_ticket(&format!("t{number}")).await;
        tokio::time::sleep(apart).await;
    }
    assert!(
        recorded(cast, tickets, "contact/alice").await,
        "not armed in time"
    );
    let listed = stage.tickets().list(&ListParams::default()).await.unwrap();
    let due = listed.items.into_iter().map(|ticket| {
        let escalation = ticket.status.unwrap().escalation.unwrap();
        assert_eq!(escalation.next_step.as_deref(), Some("manager"));
        (
            ticket.metadata.name.unwrap(),
            escalation.next_time.unwrap().0,
        )
    });
    due.collect()
}

/// Waits until the page to somebody is recorded as delivered on every ticket.
async fn recorded(cast: &Cast<'_>, tickets: usize, target: &str) -> bool {
    let told = |ticket: &Ticket| {
        let status = ticket.status.as_ref();
        let mut deliveries = status.into_iter().flat_map(|status| &status.deliveries);
        deliveries.any(|known| known.target == target && known.state == DeliveryState::Delivered)
    };
    let all = async || {
        let listed = cast
            .stage
            .tickets()
            .list(&ListParams::default())
            .await
            .ok()?;
        (listed.items.iter().filter(|ticket| told(ticket)).count() == tickets).then_some(())
    };
    eventually("every page is recorded", LIMIT, all)
        .await
        .is_ok()
}

fn judge(cast: &Cast<'_>, due: &BTreeMap<String, Timestamp>, allowed: Duration, row: &mut Row) {
    let mut came: BTreeMap<String, usize> = BTreeMap::new();
    for page in receipts(&cast.stage.receiver.pages_for("/bob")) {
        let ticket = page.ticket.clone();
        let Some(due) = due.get(&ticket) else {
            row.broken.push(format!(
                "(3) bob was paged for \"{ticket}\", which is not due"
            ));
            continue;
        };
        let late = page.time.duration_since(*due).max(SignedDuration::ZERO);
        row.lateness = row.lateness.max(late.unsigned_abs());
        row.late += usize::from(late.unsigned_abs() > allowed);
        *came.entry(ticket).or_default() += 1;
    }
    row.lost = due.len() - came.len();
    row.repeated = came.values().sum::<usize>() - came.len();
    if row.lost + row.repeated + row.late > 0 {
        let Row {
            lost,
            repeated,
            late,
            ..
        } = row;
        let what = format!("(1) (2) lost {lost}, repeated {repeated}, late {late}");
        row.broken.push(what);
    }
    let log = cast.crew.log();
    let panics = log.lines().filter(|line| line.contains("panicked at"));
    row.broken.extend(panics.map(|line| format!("(6) {line}")));
}

/// Waits for a moment.
pub async fn until(moment: Timestamp) {
    let left = moment.duration_since(Timestamp::now());
    tokio::time::sleep(left.max(SignedDuration::ZERO).unsigned_abs()).await;
}

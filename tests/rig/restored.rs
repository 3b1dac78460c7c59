//! etcd is put back to an older state, as from a backup, with its versions: what was written since is undone, what stands
//! armed in it leaves, and what people write from then on counts.

use std::time::Duration;

use firebell::api::Phase;
use firebell::testkit::controlplane::{ControlPlane, Options};
use firebell::testkit::eventually;
use firebell::testkit::stage::{LIMIT, Stage};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cast::Cast;
use super::outage::{arm, settle, until};
use super::table::Row;

/// Tickets that are armed when the backup is made.
const TICKETS: usize = 4;
/// From a ticket's creation to its second step: both servers start twice before it is due.
const AFTER: SignedDuration = SignedDuration::from_secs(75);
/// Versions that the backup does not know.
const LATER_WRITES: usize = 40;

/// One backup that is played back. "t0" is acknowledged after it was made, which is undone; "t1" after it was played
/// back, which counts.
pub async fn put_back(name: &str) -> Row {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let stage = Stage::on(&plane, "restored").await;
    stage.install(firebell::api::crds()).await;
    let mut cast = Cast::on(stage).await;
    cast.crew.start().await;
    let mut due = arm(&cast, TICKETS, AFTER, Duration::ZERO).await;
    stop(&plane);
    plane.keep_store().unwrap();
    start(&plane).await;
    let stage = &cast.stage;
    stage.acknowledge("t0").await;
    stage.until_phase("t0", Phase::Acknowledged).await;
    stage.create_ticket("later").await;
    stage.until_armed("later", "manager").await;
    for number in 0..LATER_WRITES {
        let title = format!("Nobody will know this title {number}");
        stage.fact("t2", json!({"title": title})).await;
    }
    stop(&plane);
    plane.put_store_back().unwrap();
    start(&plane).await;
    stage.acknowledge("t1").await;
    let acknowledged = Timestamp::now();
    let mut row = Row {
        fault: name.to_owned(),
        points: 1,
        ..Row::default()
    };
    if due["t1"].duration_since(acknowledged) < SignedDuration::from_secs(3) {
        row.broken
            .push("the machine was too slow to show it".to_owned());
    }
    let recorded = async || {
        let status = stage.tickets().get("t1").await.ok()?.status?;
        (status.phase == Some(Phase::Acknowledged)).then_some(())
    };
    if let Err(error) = eventually("the acknowledgement is recorded", LIMIT, recorded).await {
        row.broken.push(format!("(4) {error}"));
    }
    let noticed = Timestamp::now().duration_since(acknowledged).as_secs_f32();
    row.note = format!("what was written afterwards counted within {noticed:.1} s");
    due.remove("t1");
    until(due.values().max().copied().unwrap()).await;
    settle(&cast, &due, &mut row).await;
    row
}

fn stop(plane: &ControlPlane) {
    plane.kill_apiserver().unwrap();
    plane.kill_etcd().unwrap();
}

async fn start(plane: &ControlPlane) {
    plane.start_etcd().await.unwrap();
    plane.start_apiserver().await.unwrap();
}

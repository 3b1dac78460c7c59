//! The rig: the real `firebell` between a real API server and receivers that keep a ledger, broken on purpose, point
//! by point. After each point the six promises are judged (`rig/judge.rs`); at the end a table tells what came of it.
//!
//! `make rig` runs every point; `cargo test` a selection (`rig/extent.rs`). A word names the faults to run alone:
//! `cargo test --features testkit --test rig -- killed`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

#[path = "rig/cast.rs"]
mod cast;
#[path = "rig/disturbance.rs"]
mod disturbance;
#[path = "rig/extent.rs"]
mod extent;
#[path = "rig/heart.rs"]
mod heart;
#[path = "rig/judge.rs"]
mod judge;
#[path = "rig/outage.rs"]
mod outage;
#[path = "rig/point.rs"]
mod point;
#[path = "rig/quiet.rs"]
mod quiet;
#[path = "rig/restored.rs"]
mod restored;
#[path = "rig/story.rs"]
mod story;
#[path = "rig/sweeps.rs"]
mod sweeps;
#[path = "rig/table.rs"]
mod table;
#[path = "rig/undecodable.rs"]
mod undecodable;

use std::process::ExitCode;

use extent::Extent;

fn main() -> ExitCode {
    let Some(asked) = Extent::asked() else {
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let table = runtime.block_on(sweeps::run(&asked));
    println!("{table}");
    if table.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

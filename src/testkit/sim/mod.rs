//! The simulator (delivery.md section 4): whole lives of tickets under faults, in virtual time, from one 64-bit seed.
//!
//! A [`Plan`] says what happens; [`run`] drives production's loop, schedule, outbox book, view and clock through it;
//! the checks read what receivers, store and operators saw; a failing plan is shortened until it reads like a story.
//! `docs/simulator.md` says how to use it.

mod agreement;
mod calls;
mod checks;
mod desk;
mod generate;
mod happening;
mod inside;
mod lead;
mod ledger;
mod moment;
mod people;
mod plan;
mod plant;
mod process;
mod receivers;
mod run;
mod search;
pub mod server;

pub use checks::{Breach, Promise, check};
pub use moment::Ms;
pub use plan::Plan;
pub use plant::Plant;
pub use run::{Outcome, run};
pub use search::{Failure, Verdict, shorten, try_plan, try_seed};

//! What a ticket, a policy and an RCA mean. Pure: values in, values out; no clock, no client, no randomness, no I/O.
//!
//! `decide` is the only door; `draft` says in which order the rooms are asked: `lifecycle` for what was declared of a
//! ticket, `holds` for what makes it wait, `chain` for who is paged next, `telling` for what leaves, `followup` for what
//! must be learnt, `recurrence` for what helped last time, `people` for who is on call.

pub mod alert;
pub mod audit;
pub mod calendar;
pub mod chain;
pub mod conditions;
pub mod decide;
pub mod followup;
pub mod holds;
pub mod lifecycle;
pub mod next;
pub mod observed;
pub mod people;
pub mod policy;
pub mod recurrence;
pub mod selection;
pub mod telling;
pub mod timeline;

mod advice;
mod bounds;
mod draft;
mod facts;
mod pinning;
mod signal;
mod targets;
mod waiting;

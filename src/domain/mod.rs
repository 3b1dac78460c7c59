//! What a ticket, a policy and an RCA mean. Pure: values in, values out; no clock, no client, no randomness, no I/O.
//!
//! `decide` is the only door; `draft` says in which order the rooms are asked.

pub mod audience;
pub mod calendar;
pub mod decide;
pub mod delivery;
pub mod lifecycle;
pub mod next;
pub mod observed;
pub mod oncall;
pub mod people;
pub mod policy;
pub mod retention;
pub mod rota;
pub mod selection;
pub mod timeline;
pub mod timetable;

mod acknowledgement;
mod advice;
mod archiving;
mod bounds;
mod claims;
mod closing;
mod conditions;
mod deliveries;
mod draft;
mod duplicates;
mod escalation;
mod facts;
mod freeze;
mod handover;
mod holding;
mod holds;
mod maintenance;
mod message;
mod notices;
mod opening;
mod pages;
mod pinning;
mod place;
mod raised;
mod release;
mod reopening;
mod requests;
mod resolution;
mod signal;
mod stages;
mod standstill;
mod starting;
mod steps;
pub mod suspend;
mod targets;
mod underway;
mod updates;
mod waiting;

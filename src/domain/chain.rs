//! The chain of an escalation: which page is due next and when, how one leaves, what stops or moves the chain.

pub(super) mod escalation;
pub(super) mod pages;
pub(super) mod place;
pub(super) mod raised;
pub(super) mod requests;
pub(super) mod standstill;
pub(super) mod starting;
pub(super) mod steps;
pub mod timetable;
pub(super) mod underway;

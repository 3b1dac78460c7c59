//! What a ticket, a policy and an RCA mean. Pure: values in, values out; no clock, no client, no randomness, no I/O.

pub mod decide;
pub mod delivery;
pub mod next;
pub mod observed;
pub mod selection;

//! What a ticket, a policy and an RCA mean. Pure: values in, values out; no clock, no client, no randomness, no I/O.

pub mod delivery;

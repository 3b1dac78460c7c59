//! Between the API server and the decisions: streams in, status and Events out, every object at its time.
//!
//! Nothing here judges what a ticket means; that is `domain`. What this room knows is the API server: stale reads,
//! conflicts, silent watches, storms (architecture.md, "what is known to bite").

pub mod auditor;
pub mod backoff;
pub mod client;
pub mod collection;
pub mod commit;
pub mod document;
pub mod drive;
pub mod engine;
pub mod error;
pub mod events;
pub mod followups;
pub mod freshness;
pub mod gate;
pub mod heartbeat;
pub mod key;
pub mod leader;
pub mod observe;
pub mod past;
pub mod patch;
pub mod policies;
pub mod policy;
pub mod policy_status;
pub mod preflight;
pub mod rca;
pub mod rcas;
pub mod retention;
pub mod revisions;
pub mod schedule;
pub mod shelf;
pub mod shown;
pub mod sinks;
pub mod slim;
pub mod streams;
pub mod tasks;
pub mod ticket;
pub mod tickets;
pub mod unanswered;
pub mod versions;
pub mod view;
pub mod world;

//! Streams in, decisions, patches out.
pub mod drive;

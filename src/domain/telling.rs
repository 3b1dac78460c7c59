//! What people are told: the message, who may see what of it, and the record of what has left and arrived.

pub mod audience;
pub(super) mod deliveries;
pub mod delivery;
pub(super) mod handover;
pub mod incident;
pub(super) mod message;
pub(super) mod notices;
pub mod parcel;
pub(super) mod updates;

//! The table of api.md section 5, one file per row, one test per sentence, named after it.

mod acknowledged;
mod archived;
mod downtime;
mod duplicate;
mod empty_step;
mod failed;
mod policy;
mod premise;
mod reopened;
mod requests;
mod revoked;
mod severity;
mod stable;

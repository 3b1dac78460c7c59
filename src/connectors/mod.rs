//! One file per way out, and what they share: the HTTP client, the vetting of addresses, Secrets.

pub mod address;
pub mod http;
pub mod secret;

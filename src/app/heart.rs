//! Puts together what audits and beats.

use std::sync::Arc;
use std::time::Duration;

use super::args::RunArgs;
use super::wiring::Base;
use crate::connectors::http::HttpClient;
use crate::controller::auditor::Auditor;
use crate::controller::heartbeat::{Heartbeat, Switch};
use crate::controller::ticket::TicketDesk;

/// From one audit to the next; a heartbeat follows each second one.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// What audits the work of `desk`, and beats by `http` while all is well.
pub fn heartbeat(
    args: &RunArgs,
    base: &Base,
    desk: &Arc<TicketDesk>,
    http: HttpClient,
) -> Heartbeat {
    let url = args.heartbeat_url.clone();
    Heartbeat {
        auditor: Auditor::new(desk.clone()),
        switch: url.map(|url| Switch { url, http }),
        watches: base.watches.clone(),
        health: base.health.clone(),
        leadership: base.leadership.clone(),
        metrics: base.metrics.clone(),
        every: AUDIT_EVERY,
    }
}

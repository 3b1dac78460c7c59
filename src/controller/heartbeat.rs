//! The heartbeat (delivery.md section 3): a GET to an outside dead man's switch while all is well. What is not well
//! withholds it, so that somebody outside of the cluster notices that the pager itself has failed.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::auditor::{Auditor, Found};
use super::freshness::{SILENCE, Watches};
use super::leader::Leadership;
use crate::connectors::http::HttpClient;
use crate::metrics::{Heart, Metrics};
use crate::serve::Health;

/// How long the switch may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Where heartbeats go, and by what.
pub struct Switch {
    /// The address; whoever knows it can beat for us.
    pub url: SecretString,
    /// The one outbound client.
    pub http: HttpClient,
}

/// Audits, and beats while all is well.
pub struct Heartbeat {
    /// Looks at every ticket.
    pub auditor: Auditor,
    /// Where heartbeats go; `None` = nowhere, the audit runs all the same.
    pub switch: Option<Switch>,
    /// Which watches live.
    pub watches: Watches,
    /// Which loops move.
    pub health: Health,
    /// Whether this replica leads.
    pub leadership: Leadership,
    /// Counts.
    pub metrics: Metrics,
    /// From one audit to the next; a heartbeat follows each second one.
    pub every: Duration,
}

impl Heartbeat {
    /// Runs for good, while this replica leads.
    pub async fn run(mut self) {
        let mut rounds = 0_u64;
        let mut told = Vec::new();
        loop {
            tokio::time::sleep(self.every).await;
            if !self.leadership.may_write() {
                continue;
            }
            let amiss = self.check().await;
            Self::tell(&amiss, &mut told);
            rounds += 1;
            if rounds.is_multiple_of(2) {
                self.beat(amiss.is_empty()).await;
            }
        }
    }

    /// Audits once; what is not well.
    async fn check(&mut self) -> Vec<String> {
        let found = self.auditor.pass().await;
        self.amiss(found, Instant::now())
    }

    /// What is not well, in words; empty = nothing.
    fn amiss(&self, found: Found, now: Instant) -> Vec<String> {
        let mut amiss = Vec::new();
        let Found {
            forgotten,
            undecodable,
        } = found;
        if forgotten > 0 {
            amiss.push(format!(
                "{forgotten} tickets have something due that was not done"
            ));
        }
        if undecodable > 0 {
            amiss.push(format!(
                "{undecodable} tickets cannot be read, so nobody looks after them; each has an Event that says why"
            ));
        }
        match self.watches.silence(now) {
            None => amiss.push("no watch on tickets has shown life yet".to_owned()),
            Some(silence) if silence > SILENCE => amiss.push(format!(
                "a watch on tickets has been silent for {} s",
                silence.as_secs()
            )),
            Some(_) => {}
        }
        for stuck in self.health.stuck(now, self.every) {
            amiss.push(format!("the loop of \"{stuck}\" does not move"));
        }
        if !self.leadership.may_write() {
            amiss.push("this replica does not lead at the moment".to_owned());
        }
        amiss
    }

    /// One line when something is amiss, and one when nothing is any more.
    fn tell(amiss: &[String], told: &mut Vec<String>) {
        if !amiss.is_empty() && told.is_empty() {
            tracing::error!(
                "not all is well, so the heartbeat is withheld: {}",
                amiss.join("; ")
            );
        } else if amiss.is_empty() && !told.is_empty() {
            tracing::info!("all is well again");
        }
        amiss.clone_into(told);
    }

    async fn beat(&self, well: bool) {
        let Some(switch) = &self.switch else { return };
        if !well {
            return self.metrics.heart(Heart::Withheld);
        }
        let answer = switch.http.get(switch.url.expose_secret(), ANSWER).await;
        match answer {
            Ok(answer) if answer.status.is_success() => self.metrics.heart(Heart::Sent),
            Ok(answer) => {
                self.metrics.heart(Heart::Failed);
                tracing::warn!(
                    status = answer.status.as_u16(),
                    "the dead man's switch did not take the heartbeat; check `--heartbeat-url`"
                );
            }
            Err(error) => {
                self.metrics.heart(Heart::Failed);
                tracing::warn!(%error, "the heartbeat could not be sent");
            }
        }
    }
}

#[cfg(test)]
mod tests;

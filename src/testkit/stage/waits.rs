//! What a test waits for: always the very condition it means, with a limit that only a failure reaches.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::{KEY, LIMIT, Stage};
use crate::api::{EscalationPolicyStatus, Phase, TicketStatus};
use crate::testkit::eventually;
use crate::testkit::receiver::{Ledger, Received};

impl Stage<'_> {
    /// Waits until a ticket's status fulfils a condition.
    pub async fn until(
        &self,
        ticket: &str,
        what: &str,
        holds: impl Fn(&TicketStatus) -> bool,
    ) -> TicketStatus {
        let reached = eventually(what, LIMIT, async || {
            let status = self.tickets().get(ticket).await.ok()?.status?;
            holds(&status).then_some(status)
        });
        match reached.await {
            Ok(status) => status,
            Err(error) => panic!(
                "{error}\n{:#?}\n{}",
                self.ticket_object(ticket).await.status,
                self.log()
            ),
        }
    }

    /// Waits for a ticket's phase.
    pub async fn until_phase(&self, ticket: &str, phase: Phase) -> TicketStatus {
        let what = format!("\"{ticket}\" is {phase:?}");
        self.until(ticket, &what, |status| status.phase == Some(phase))
            .await
    }

    /// Waits until a step of the present round is armed next.
    pub async fn until_armed(&self, ticket: &str, step: &str) -> TicketStatus {
        let what = format!("step \"{step}\" of \"{ticket}\" is armed");
        self.until(ticket, &what, |status| {
            let escalation = status.escalation.as_ref();
            escalation.is_some_and(|known| known.next_step.as_deref() == Some(step))
        })
        .await
    }

    /// Waits until a policy's status fulfils a condition.
    pub async fn until_policy(
        &self,
        policy: &str,
        what: &str,
        holds: impl Fn(&EscalationPolicyStatus) -> bool,
    ) -> EscalationPolicyStatus {
        let reached = eventually(what, LIMIT, async || {
            let status = self.policies().get(policy).await.ok()?.status?;
            holds(&status).then_some(status)
        });
        match reached.await {
            Ok(status) => status,
            Err(error) => panic!(
                "{error}\n{:#?}\n{}",
                self.policy_object(policy).await.status,
                self.log()
            ),
        }
    }

    /// Waits until a policy is in use as it is stored now.
    pub async fn until_in_use(&self, policy: &str) -> EscalationPolicyStatus {
        let stored = self.policy_object(policy).await.metadata.generation;
        let what = format!("policy \"{policy}\" is in use");
        self.until_policy(policy, &what, |status| {
            status.revision.is_some() && status.generation == stored
        })
        .await
    }

    /// Waits until the receiver's ledger fulfils a condition; all that came.
    pub async fn until_received(&self, holds: impl Fn(&Ledger) -> bool) -> Vec<Received> {
        let got = self.receiver.wait_for(holds, LIMIT).await;
        match got {
            Ok(pages) => pages,
            Err(error) => panic!("{error}\n{}", self.log()),
        }
    }

    /// Waits for so many pages at a path; the newest of them, its signature verified.
    pub async fn page(&self, path: &str, count: usize) -> Received {
        self.until_received(|ledger| ledger.count(path) >= count)
            .await;
        let page = self.receiver.pages_for(path).remove(count - 1);
        page.verify(KEY).unwrap();
        page
    }

    /// Waits until the log holds a text.
    pub async fn until_logged(&self, text: &str) {
        let found = eventually(text, LIMIT, async || {
            self.log().contains(text).then_some(())
        })
        .await;
        assert!(found.is_ok(), "{found:?}\n{}", self.log());
    }

    /// Waits for Events about an object; their reasons in the order of their names, which is that of `kubectl`.
    pub async fn until_told(&self, name: &str, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let about = |event: &Event| {
            let object = event.regarding.as_ref();
            object.is_some_and(|object| object.name.as_deref() == Some(name))
        };
        let mut seen = Vec::new();
        let told = eventually("the Events are written", LIMIT, async || {
            let listed = api.list(&ListParams::default()).await.ok()?;
            let events = listed.items.into_iter().filter(about);
            seen = events.filter_map(|event| event.reason).collect();
            enough(&seen).then(|| seen.clone())
        })
        .await;
        told.unwrap_or_else(|error| panic!("{error}: {seen:?}\n{}", self.log()))
    }

    /// Waits until Events of all these reasons are written about an object. Each is written for itself, so that a later
    /// one may be there before an earlier one.
    pub async fn until_all_told(&self, name: &str, reasons: &[&str]) {
        self.until_told(name, |told| {
            let is_told = |reason: &&str| told.iter().any(|known| known == reason);
            reasons.iter().all(is_told)
        })
        .await;
    }

    /// All stored revisions.
    pub async fn revisions(&self) -> Vec<ControllerRevision> {
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &self.namespace);
        api.list(&ListParams::default()).await.unwrap().items
    }
}

//! Acknowledgements that did not come by kubectl: by the link in a page, by PagerDuty. Nothing else of a ticket is
//! written here than `spec.acknowledgement`, under the resourceVersion that was seen.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::alert::{Way, line};
use super::dedup::Identity;
use super::desk::Desk;
use crate::api::{Ticket, Via};
use crate::controller::client::call;
use crate::controller::error::{CallError, Class};
use crate::domain::alert::{Hearing, hearing};

/// Field manager of the block: its time is the acknowledgement's (api.md section 5, "Facts seen late").
const MANAGER: &str = "firebell-acknowledgement";
/// Tries against others who write at the same time.
const TRIES: usize = 10;

/// Somebody's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// User name.
    pub by: String,
    /// The way it came in.
    pub via: Via,
    /// Tells this answer from every other.
    pub token: String,
    /// When a link was sent that allows it.
    pub offered: Option<Timestamp>,
}

impl Desk {
    /// Acknowledges the ticket that an event's key has, in whichever of the namespaces; `None` = there is none. A
    /// namespace that cannot be read keeps no other.
    pub(super) async fn acknowledge_alert(
        &self,
        namespaces: &BTreeSet<String>,
        key: &str,
        by: &str,
    ) -> Result<Option<(Hearing, String)>, CallError> {
        let way = Way::PagerDutyEvents;
        let identity = Identity::new(way, key, key);
        let answer = Answer {
            by: by.to_owned(),
            via: Via::Other,
            token: format!("event-{}", identity.hash),
            offered: None,
        };
        let mut unread = None;
        for namespace in namespaces {
            let known = self.index.newest(namespace, &identity);
            let name = known.unwrap_or_else(|| identity.name(None));
            let heard = self.acknowledge(way, namespace, &name, None, &answer);
            match heard.await {
                Ok(Some((heard, _))) => return Ok(Some((heard, name))),
                Ok(None) => {}
                Err(error) => unread = Some(error),
            }
        }
        unread.map_or(Ok(None), Err)
    }

    /// Acknowledges the ticket of that name if it still has that uid; `None` = there is no such ticket.
    pub(super) async fn acknowledge(
        &self,
        way: Way,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
        answer: &Answer,
    ) -> Result<Option<(Hearing, Ticket)>, CallError> {
        let api = self.tickets(namespace);
        for _ in 0..TRIES {
            let read = self.read(&api, name).await?;
            let same = |ticket: &Ticket| uid.is_none_or(|uid| ticket.uid().as_deref() == Some(uid));
            let Some(ticket) = read.filter(same) else {
                return Ok(None);
            };
            let heard = hearing(&ticket, &answer.token, answer.offered);
            if heard != Hearing::Heard {
                return Ok(Some((heard, ticket)));
            }
            match write(&api, &ticket, answer).await {
                Ok(ticket) => {
                    self.metrics.acknowledged(way);
                    tracing::info!(
                        namespace,
                        ticket = name,
                        by = answer.by,
                        ?way,
                        "acknowledged"
                    );
                    return Ok(Some((Hearing::Heard, ticket)));
                }
                Err(error) if error.class() == Class::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(CallError::Restless {
            what: "acknowledge a ticket",
        })
    }
}

async fn write(api: &Api<Ticket>, seen: &Ticket, answer: &Answer) -> Result<Ticket, CallError> {
    let patch = json!({
        "metadata": {"resourceVersion": seen.metadata.resource_version},
        "spec": {"acknowledgement": {
            "by": line(&answer.by, 256), "via": answer.via, "token": answer.token,
            // What an older block said is not said by this one.
            "note": null, "revoked": null,
        }},
    });
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = seen.name_any();
    call(
        "patch tickets",
        api.patch(&name, &params, &Patch::Merge(patch)),
    )
    .await
}

//! What people do while something breaks: two short lives of a ticket, all within seconds and without a calendar.

use firebell::api::{Phase, TicketStatus};
use firebell::testkit::stage::Stage;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The ticket.
pub const TICKET: &str = "checkout";
/// A life of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// Nobody answers until all three steps have called; then it is acknowledged, resolved and closed.
    Unanswered,
    /// It is acknowledged after the first step; the second must not call, the third (until it is resolved) does.
    Answered,
    /// The same, with more time before the second step than a watch may be silent, and the answer after the strike.
    AnsweredInSilence,
}

/// What happened when.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The ticket was created.
    pub created: Timestamp,
    /// The acknowledgement could be read.
    pub acknowledged: Timestamp,
}

impl Story {
    /// Lives it. Ends when the ticket is closed.
    pub async fn tell(self, stage: &Stage<'_>, struck: &CancellationToken) -> Told {
        stage.apply_policy("gold", self.policy(stage)).await;
        stage.create_ticket(TICKET).await;
        let created = Timestamp::now();
        came(stage, "/alice").await;
        let acknowledged = match self {
            Self::Unanswered => {
                came(stage, "/bob").await;
                came(stage, "/carol").await;
                stage.until(TICKET, "all steps are recorded", called).await;
                acknowledge(stage).await
            }
            Self::Answered | Self::AnsweredInSilence => {
                if self == Self::AnsweredInSilence {
                    struck.cancelled().await;
                }
                let acknowledged = acknowledge(stage).await;
                came(stage, "/carol").await;
                acknowledged
            }
        };
        stage.until_phase(TICKET, Phase::Acknowledged).await;
        declare(
            stage,
            json!({"resolution": {"by": "alice", "fix": "more disk"}}),
        )
        .await;
        stage.until_phase(TICKET, Phase::Resolved).await;
        declare(
            stage,
            json!({"closure": {"by": "alice", "reason": "Completed"}}),
        )
        .await;
        stage.until(TICKET, "it is closed and told", closed).await;
        Told {
            created,
            acknowledged,
        }
    }

    /// From the first step to the second and from there to the third. An acknowledgement needs time to be given on a
    /// busy machine too.
    fn apart(self) -> [SignedDuration; 2] {
        let seconds = match self {
            Self::Unanswered => [2, 2],
            Self::Answered => [4, 2],
            Self::AnsweredInSilence => [14, 2],
        };
        seconds.map(SignedDuration::from_secs)
    }

    /// When a page of a step is due, counted from the ticket's creation.
    pub fn due(self, step: &str) -> Option<SignedDuration> {
        let [second, third] = self.apart();
        match step {
            "on-call" => Some(SignedDuration::ZERO),
            "manager" => Some(second),
            "director" => Some(second + third),
            _notice => None,
        }
    }

    fn policy(self, stage: &Stage<'_>) -> Value {
        let [second, third] = self.apart().map(|apart| format!("{}s", apart.as_secs()));
        let mut spec = stage.policy(&second);
        spec["steps"][2]["after"] = third.into();
        let told = json!({"notifyOn": ["Resolved", "Closed"], "notify": [{"contact": "carol"}]});
        spec["communication"] = told;
        if self == Self::Unanswered {
            // Made beside the ticket's life and holding nothing back.
            spec["rca"] =
                json!({"severities": ["High"], "dueWithin": "120h", "gatesClosure": false});
        }
        spec
    }

    /// Whether a step calls only while nobody has acknowledged.
    pub fn ends_by_acknowledgement(step: &str) -> bool {
        step == "on-call" || step == "manager"
    }
}

async fn came(stage: &Stage<'_>, path: &str) {
    stage.until_received(|ledger| ledger.count(path) >= 1).await;
}

/// Bob acknowledges; the moment from which everybody could read it.
async fn acknowledge(stage: &Stage<'_>) -> Timestamp {
    declare(stage, json!({"acknowledgement": {"by": "bob"}})).await;
    Timestamp::now()
}

async fn declare(stage: &Stage<'_>, fact: Value) {
    stage.fact(TICKET, fact).await;
}

/// All three steps stand in the status.
fn called(status: &TicketStatus) -> bool {
    let escalation = status.escalation.as_ref();
    escalation.is_some_and(|known| known.steps.len() == 3)
}

/// Closed, and everything that leaves has its result.
fn closed(status: &TicketStatus) -> bool {
    use firebell::api::DeliveryState::{Armed, Cancelled, Delivered, Failed, Sending, Unknown};
    let settled = status.deliveries.iter().all(|known| match known.state {
        Delivered | Failed | Cancelled | Unknown => true,
        Armed | Sending => false,
    });
    status.phase == Some(Phase::Closed) && settled
}

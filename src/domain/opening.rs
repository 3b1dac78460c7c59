//! The first look at a ticket, and its effective severity at every look.
//!
//! Rules: `api.md` section 2 (`status.severity`), section 5 "Severity raised", "Severity lowered".

use super::draft::{Draft, Restart, Tell};
use super::facts;
use super::notices::{self, Cause};
use crate::api::{NotifyOn, Severity, StartReason, Time};

/// Stamps the submission.
pub fn apply(draft: &mut Draft<'_>) {
    if draft.status.submit_time.is_some() {
        return;
    }
    let submitted = facts::created(draft.ticket(), draft.now);
    draft.status.submit_time = Some(Time(submitted));
    let reporter = draft
        .ticket()
        .spec
        .reporter
        .as_ref()
        .and_then(|reporter| reporter.name.clone());
    draft.tell(Tell {
        reason: "Opened",
        warning: false,
        at: submitted,
        actor: reporter.as_deref(),
        message: "Ticket submitted",
    });
    draft.condition("Ready", true, "Accepted", "Firebell handles this ticket.");
}

/// The severity that counts: a person's, else the highest the signal ever said, else the policy's default.
pub fn severity(draft: &mut Draft<'_>) {
    let spec = &draft.ticket().spec;
    let said = spec.signal.as_ref().and_then(|signal| signal.severity);
    draft.status.signal_severity = draft.status.signal_severity.max(said);
    let default = draft
        .policy
        .as_ref()
        .map(|policy| policy.default_severity());
    let Some(level) = spec.severity.or(draft.status.signal_severity).or(default) else {
        return;
    };
    let Some(before) = draft.status.severity.replace(level) else {
        return;
    };
    if before == level {
        return;
    }
    let actor = spec.triage.as_ref().map(|triage| triage.by.clone());
    let (verb, raised) = if level > before {
        ("raised", true)
    } else {
        ("lowered", false)
    };
    let message = format!("Severity {verb} from {before:?} to {level:?}");
    let now = draft.now;
    draft.tell(Tell {
        reason: "SeverityChanged",
        warning: false,
        at: now,
        actor: actor.as_deref(),
        message: &message,
    });
    let cause = Cause::due(&format!("{before:?}-{level:?}"), now);
    notices::tell_all(draft, NotifyOn::SeverityChanged, &cause);
    if raised && started(draft) {
        draft.restart = Some(Restart {
            reason: StartReason::SeverityRaised,
            base: now,
        });
    }
}

/// Whether a page of the present round can already have left.
fn started(draft: &Draft<'_>) -> bool {
    draft.status.escalation.as_ref().is_some_and(|escalation| {
        escalation.round > 0
            && escalation
                .start_time
                .is_some_and(|start| start.0 <= draft.now)
    })
}

/// The level a severity word stands for in texts.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
    }
}

//! Triage and assignment: one rule, two blocks. Declared, the stage is reached; removed, it is not.
//!
//! Rule: `api.md` section 2.1 (phases 4 and 5; what meets the response target).

use crate::api::{TicketStatus, Time};
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block, Fresh};
use crate::domain::targets;

/// A stage that people declare and may take back, without any effect on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Severity and category are judged.
    Triage,
    /// Somebody works on it.
    Assignment,
}

impl Stage {
    fn block(self) -> Block {
        match self {
            Self::Triage => Block::Triage,
            Self::Assignment => Block::Assignment,
        }
    }

    fn time(self, status: &mut TicketStatus) -> &mut Option<Time> {
        match self {
            Self::Triage => &mut status.triage_time,
            Self::Assignment => &mut status.assign_time,
        }
    }

    /// The reason of reaching it, and of losing it.
    fn reasons(self) -> (&'static str, &'static str) {
        match self {
            Self::Triage => ("Triaged", "TriageRemoved"),
            Self::Assignment => ("Assigned", "AssignmentRemoved"),
        }
    }
}

/// The stage is reached; a changed block dates it anew.
pub fn declared(draft: &mut Draft<'_>, stage: Stage, fresh: Fresh) {
    let spec = &draft.ticket().spec;
    let (by, message) = match stage {
        Stage::Triage => {
            let by = spec.triage.as_ref().map(|block| block.by.as_str());
            (by, "Triaged".to_owned())
        }
        Stage::Assignment => {
            let block = spec.assignment.as_ref();
            let assignee = block.map_or("", |block| block.assignee.as_str());
            let by = block.map(|block| block.by.as_str());
            (by, format!("Assigned to {assignee}"))
        }
    };
    let at = fresh.dated.time;
    facts::remember(&mut draft.status, stage.block(), fresh.hash, at, false);
    targets::answered(draft, fresh.dated);
    *stage.time(&mut draft.status) = Some(Time(at));
    let (reason, _) = stage.reasons();
    draft.tell(Tell {
        reason,
        warning: false,
        at,
        actor: by,
        message: &message,
    });
}

/// Blocks that are gone: their stage is not reached any more. A met response target stays met.
pub fn taken_back(draft: &mut Draft<'_>) {
    for stage in [Stage::Triage, Stage::Assignment] {
        if facts::present(&draft.ticket().spec, stage.block()) {
            continue;
        }
        facts::forget(&mut draft.status, stage.block());
        if stage.time(&mut draft.status).take().is_none() {
            continue;
        }
        let (_, reason) = stage.reasons();
        let now = draft.now;
        let message = format!("`spec.{}` was removed", stage.block().key());
        draft.tell(Tell {
            reason,
            warning: false,
            at: now,
            actor: None,
            message: &message,
        });
    }
}

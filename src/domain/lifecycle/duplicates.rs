//! A ticket that repeats another: judged once against its parent, closed with it as root, reopened when taken back.
//!
//! Rule: `api.md` section 5 "Duplicate".

use super::closing;
use super::reopening::{Reopening, reopen};
use crate::api::DuplicateVerdict;
use crate::domain::draft::{Draft, Tell};
use crate::domain::facts::{self, Block, Fresh};

/// Judges a new `spec.duplicateOf`, once.
pub fn declared(draft: &mut Draft<'_>, fresh: Fresh) {
    let Some(block) = draft.ticket().spec.duplicate_of.as_ref() else {
        return;
    };
    let at = fresh.dated.time;
    facts::remember(&mut draft.status, Block::DuplicateOf, fresh.hash, at, false);
    match verdict(draft, &block.name) {
        Ok(verdict) => {
            let message = format!("Closed as duplicate of {}; its timers stop", verdict.root);
            draft.status.duplicate_of = Some(verdict);
            draft.clear_condition("DuplicateInvalid", "Valid", "The ticket is a duplicate.");
            if draft.status.close_time.is_none() {
                closing::close(draft, at, None, &message);
            }
        }
        Err(why) => refused(draft, &why),
    }
}

/// The chain goes on, or starts again where an earlier parent had stopped it.
fn refused(draft: &mut Draft<'_>, why: &str) {
    let now = draft.now;
    let message = format!(
        "`spec.duplicateOf` is ignored: {why}. It must be another open ticket of this namespace; change it to be judged again."
    );
    draft.condition("DuplicateInvalid", true, "NotValid", &message);
    draft.tell(Tell {
        reason: "DuplicateInvalid",
        warning: true,
        at: now,
        actor: None,
        message: &message,
    });
    if draft.status.duplicate_of.is_some() {
        reopen(draft, Reopening::NoDuplicate, now, None);
    }
}

/// Counts this ticket's own duplicates; reopens it when `spec.duplicateOf` is gone.
pub fn taken_back(draft: &mut Draft<'_>) {
    draft.status.duplicates = Some(draft.seen.others.duplicates).filter(|count| *count > 0);
    if draft.ticket().spec.duplicate_of.is_some() {
        return;
    }
    facts::forget(&mut draft.status, Block::DuplicateOf);
    draft.clear_condition("DuplicateInvalid", "Removed", "`spec.duplicateOf` is gone.");
    if draft.status.duplicate_of.is_some() {
        let now = draft.now;
        reopen(draft, Reopening::NoDuplicate, now, None);
    }
}

fn verdict(draft: &Draft<'_>, name: &str) -> Result<DuplicateVerdict, String> {
    let own = draft.key();
    if own.name == name {
        return Err("it names the ticket itself".to_owned());
    }
    let Some(parent) = &draft.seen.others.parent else {
        return Err(format!("there is no ticket \"{name}\""));
    };
    if parent.root.as_deref() == Some(own.name.as_str()) {
        return Err(format!("\"{name}\" is itself a duplicate of this ticket"));
    }
    if !parent.open && parent.root.is_none() {
        return Err(format!("\"{name}\" is closed"));
    }
    let root = parent.root.clone().unwrap_or_else(|| name.to_owned());
    Ok(DuplicateVerdict {
        name: name.to_owned(),
        uid: parent.uid.clone(),
        root,
    })
}

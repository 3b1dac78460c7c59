//! A ticket that repeats another: judged once against its parent, closed with it as root, reopened when taken back.
//!
//! Rule: `api.md` section 5 "Duplicate".

use super::closing;
use super::draft::{Draft, Tell};
use super::facts::{self, Block, Judged, hash_of};
use super::lifecycle::{Reopening, reopen};
use crate::api::DuplicateVerdict;

/// Judges `spec.duplicateOf` when it is new, reopens when it is gone.
pub fn apply(draft: &mut Draft<'_>) {
    draft.status.duplicates = Some(draft.seen.others.duplicates).filter(|count| *count > 0);
    let block = draft.ticket().spec.duplicate_of.as_ref();
    let hash = block.map(hash_of);
    match facts::judge(&draft.status, Block::DuplicateOf, hash.as_deref()) {
        Judged::New => {
            let (Some(block), Some(hash)) = (block, hash) else {
                return;
            };
            let dated = facts::dated(draft.ticket(), Block::DuplicateOf, draft.now);
            facts::remember(
                &mut draft.status,
                Block::DuplicateOf,
                hash,
                dated.time,
                false,
            );
            match verdict(draft, &block.name) {
                Ok(verdict) => {
                    let message =
                        format!("Closed as duplicate of {}; its timers stop", verdict.root);
                    draft.status.duplicate_of = Some(verdict);
                    draft.clear_condition(
                        "DuplicateInvalid",
                        "Valid",
                        "The ticket is a duplicate.",
                    );
                    if draft.status.close_time.is_none() {
                        closing::close(draft, dated.time, None, &message);
                    }
                }
                Err(why) => {
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
                }
            }
        }
        Judged::Absent => {
            facts::forget(&mut draft.status, Block::DuplicateOf);
            draft.clear_condition("DuplicateInvalid", "Removed", "`spec.duplicateOf` is gone.");
            if draft.status.duplicate_of.is_some() {
                let now = draft.now;
                reopen(draft, Reopening::NoDuplicate, now, None);
            }
        }
        Judged::Known(_) | Judged::Void => {}
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

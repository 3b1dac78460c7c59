//! The blocks of a ticket that this tool writes, as merge patches.
//!
//! A patch names every field of its block: one left over from an earlier fact (a note, `revoked`) must not survive.
//! Rule: `api.md` section 1, rule 3, and section 5 "Facts seen late" (a field manager for each block).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The words of `spec.closure.reason`.
pub const CLOSURE_REASONS: [&str; 4] = ["Completed", "OutOfScope", "Cancelled", "NoResponse"];

/// A fact that a person declares.
#[derive(Clone, Debug)]
pub enum Block {
    /// `spec.acknowledgement`
    Acknowledgement {
        /// What to know about it.
        note: Option<String>,
    },
    /// `spec.resolution`
    Resolution {
        /// Who was affected, and how.
        impact: Option<String>,
        /// What caused it.
        cause: Option<String>,
        /// What was done.
        fix: Option<String>,
        /// What keeps it from happening again.
        prevention: Option<String>,
        /// What else to know about it.
        note: Option<String>,
        /// The cause is still there.
        workaround: bool,
    },
    /// `spec.closure`
    Closure {
        /// One of [`CLOSURE_REASONS`].
        reason: String,
        /// What to know about it.
        note: Option<String>,
    },
}

impl Block {
    /// The field manager of this block: its entry in `managedFields` dates the fact.
    pub fn field_manager(&self) -> &'static str {
        match self {
            Self::Acknowledgement { .. } => "firebell-acknowledgement",
            Self::Resolution { .. } => "firebell-resolution",
            Self::Closure { .. } => "firebell-closure",
        }
    }

    /// What was done, for the person who did it.
    pub fn told(&self, by: &str) -> String {
        match self {
            Self::Acknowledgement { note: _ } => format!("acknowledged by {by}"),
            Self::Resolution { .. } => format!("resolved by {by}"),
            Self::Closure { reason, note: _ } => {
                format!("asked to be closed by {by} ({reason})")
            }
        }
    }

    /// The JSON merge patch that replaces the whole block.
    pub fn patch(&self, by: &str, token: &str) -> Value {
        match self {
            Self::Acknowledgement { note } => json!({"spec": {"acknowledgement": {
                "by": by, "note": note, "token": token, "revoked": null, "via": "Kubectl",
            }}}),
            Self::Resolution {
                impact,
                cause,
                fix,
                prevention,
                note,
                workaround,
            } => json!({"spec": {"resolution": {
                "by": by, "note": note, "token": token, "revoked": null,
                "impact": impact, "cause": cause, "fix": fix, "prevention": prevention,
                "workaround": workaround.then_some(true),
            }}}),
            Self::Closure { reason, note } => json!({"spec": {"closure": {
                "by": by, "reason": reason, "note": note, "token": token, "revoked": null,
            }}}),
        }
    }
}

/// A token that no earlier call gave: it makes a block new that is otherwise equal to the one before.
pub fn fresh_token() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seed = format!("{}/{}", since.as_nanos(), std::process::id());
    let digest = Sha256::digest(seed.as_bytes());
    let mut number = [0_u8; 8];
    for (to, from) in number.iter_mut().zip(digest) {
        *to = from;
    }
    format!("{:016x}", u64::from_be_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Acknowledgement, Closure, ClosureReason, Resolution, Via};

    fn decoded<T: serde::de::DeserializeOwned>(patch: &Value, block: &str) -> T {
        let mut object = json!({"spec": {block: {"revoked": true, "note": "of an earlier fact"}}});
        json_patch::merge(&mut object, patch);
        serde_json::from_value(object["spec"][block].clone()).unwrap()
    }

    #[test]
    fn an_acknowledgement_replaces_a_revoked_one_and_its_note() {
        let patch = Block::Acknowledgement { note: None }.patch("alice", "t1");
        let block: Acknowledgement = decoded(&patch, "acknowledgement");
        assert_eq!(
            block,
            Acknowledgement {
                by: "alice".to_owned(),
                note: None,
                token: Some("t1".to_owned()),
                revoked: false,
                via: Some(Via::Kubectl),
            }
        );
    }

    #[test]
    fn a_resolution_carries_what_was_said_and_nothing_else() {
        let patch = Block::Resolution {
            impact: None,
            cause: Some("a bad release".to_owned()),
            fix: Some("rolled back".to_owned()),
            prevention: None,
            note: None,
            workaround: true,
        }
        .patch("bob", "t2");
        let block: Resolution = decoded(&patch, "resolution");
        assert_eq!(
            block,
            Resolution {
                by: "bob".to_owned(),
                token: Some("t2".to_owned()),
                cause: Some("a bad release".to_owned()),
                fix: Some("rolled back".to_owned()),
                workaround: Some(true),
                ..Resolution::default()
            }
        );
    }

    #[test]
    fn every_offered_reason_is_one_of_the_api() {
        for (reason, known) in CLOSURE_REASONS.iter().zip([
            ClosureReason::Completed,
            ClosureReason::OutOfScope,
            ClosureReason::Cancelled,
            ClosureReason::NoResponse,
        ]) {
            let patch = Block::Closure {
                reason: (*reason).to_owned(),
                note: None,
            }
            .patch("alice", "t3");
            assert_eq!(decoded::<Closure>(&patch, "closure").reason, known);
        }
    }

    #[test]
    fn a_token_is_fresh_each_time_and_fits_the_api() {
        let tokens: std::collections::BTreeSet<String> = (0..100).map(|_| fresh_token()).collect();
        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|token| token.len() == 16));
    }
}

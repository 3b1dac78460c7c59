//! The support document of each policy: written from the content in use, and anew only when that or what is open in it
//! has changed; kept in a `ConfigMap` beside the policy (`shelf`).

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::error::CallError;
use super::key::Key;
use super::shelf::{Kept, Owner, Shelf};
use crate::api::EscalationPolicy;
use crate::connectors::template;
use crate::document::{self, Paper};
use crate::domain::policy::{OpenItem, Surroundings, ValidPolicy};
use crate::domain::selection::PolicyIndex;
use crate::domain::telling::delivery::hex32;
use crate::simulation::timetables;

/// What a document is written from: the content in use, and what is open in it.
#[derive(Clone, Debug)]
pub struct Source {
    revision: String,
    valid: Arc<ValidPolicy>,
    open_items: Vec<OpenItem>,
}

impl Source {
    /// That of a policy whose newest edit is valid.
    pub fn new(revision: &str, valid: &ValidPolicy, open_items: &[OpenItem]) -> Self {
        Self {
            revision: revision.to_owned(),
            valid: Arc::new(valid.clone()),
            open_items: open_items.to_vec(),
        }
    }

    /// That of a policy whose newest edit is not: the revision that is still in use.
    pub fn in_use(
        policy: &EscalationPolicy,
        around: &Surroundings,
        index: &PolicyIndex,
    ) -> Option<Self> {
        let revision = policy.status.as_ref()?.revision.clone()?;
        let key = (policy.metadata.namespace.clone()?, revision.clone());
        let valid = index.revisions.get(&key)?.clone();
        let mut open_items = template::open_items(valid.spec());
        open_items.extend(ValidPolicy::check_in(valid.spec().clone(), around).open_items);
        Some(Self {
            revision,
            valid,
            open_items,
        })
    }

    /// Equal words, equal document.
    fn words(&self) -> String {
        let items = self.open_items.iter().map(OpenItem::to_string);
        let all: Vec<String> = std::iter::once(self.revision.clone())
            .chain(items)
            .collect();
        hex32(all.join("\n").as_bytes())
    }
}

/// A document as it was last written: what it is written from, and its text.
type Written = (String, Arc<str>);

/// Keeps the support documents.
pub struct Documents {
    shelf: Arc<Shelf>,
    written: Mutex<HashMap<Key, Written>>,
}

impl Documents {
    /// None written yet.
    pub fn new(shelf: Arc<Shelf>) -> Self {
        Self {
            shelf,
            written: Mutex::default(),
        }
    }

    /// Forgets a policy that is gone; its `ConfigMap` goes with it.
    pub fn forget(&self, key: &Key) {
        self.written.lock().remove(key);
    }

    /// Makes sure that the document of the content in use stands in its `ConfigMap`. `None` = nothing is in use yet.
    pub async fn keep(
        &self,
        policy: &EscalationPolicy,
        source: Option<&Source>,
        now: Timestamp,
    ) -> Result<Option<Kept>, CallError> {
        let Some(source) = source else {
            return Ok(None);
        };
        let text = self.text(&Key::of(&policy.metadata), source);
        let kept = self.shelf.keep(&Owner::policy(policy), &text, now).await?;
        Ok(Some(kept))
    }

    fn text(&self, key: &Key, source: &Source) -> Arc<str> {
        let from = source.words();
        if let Some((known, text)) = self.written.lock().get(key)
            && *known == from
        {
            return text.clone();
        }
        let text = document::policy(&Paper {
            name: &key.name,
            namespace: Some(&key.namespace),
            revision: &source.revision,
            policy: &source.valid,
            timetables: &timetables(&source.valid),
            open_items: &source.open_items,
        });
        let text: Arc<str> = text.into();
        self.written
            .lock()
            .insert(key.clone(), (from, text.clone()));
        text
    }
}

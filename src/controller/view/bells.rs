//! Who is asked to look at what.

use std::collections::HashSet;
use std::sync::Arc;

use super::View;
use crate::api::Severity;
use crate::controller::key::Key;

impl View {
    /// Asks for a look at each ticket and RCA with one of these uids, now: a scan.
    pub fn trigger_each(&self, uids: &HashSet<Arc<str>>) {
        let named = |uid: Option<&String>| uid.is_some_and(|uid| uids.contains(uid.as_str()));
        let tickets = self
            .tickets
            .keys_where(|held| named(held.ticket.metadata.uid.as_ref()));
        for key in tickets {
            self.trigger(&key, Severity::default());
        }
        self.rcas.each(|rca| {
            if named(rca.metadata.uid.as_ref()) {
                self.trigger_rca(&Key::of(&rca.metadata));
            }
        });
    }
}

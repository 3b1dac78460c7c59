//! From the names in a policy to the people behind them, and the ways to each.
//!
//! People are live: a name is looked up in the newest valid revision first and falls back to the pinned one, so that a
//! corrected phone number reaches running tickets and an edit that drops a name silences nobody. Rules: api.md section
//! 3, "Revisions".

pub mod oncall;
pub mod rota;

use std::collections::BTreeSet;

use jiff::Timestamp;

use self::rota::Handover;
use crate::api::{Audience, Connector, Contact, NotifyTarget};
use crate::domain::policy::{MOST_TARGETS, Named, ValidPolicy, has_address};
use crate::domain::telling::delivery::{Target, Way};

#[cfg(test)]
mod tests;

/// The people of a ticket's policy.
#[derive(Clone, Copy, Debug)]
pub struct People<'a> {
    /// The newest valid content; `None` = the policy is gone.
    pub live: Option<&'a ValidPolicy>,
    /// The content the ticket is pinned to.
    pub pinned: &'a ValidPolicy,
}

impl<'a> People<'a> {
    /// Live first, then pinned.
    fn find<T>(&self, look: impl Fn(&'a ValidPolicy) -> Option<T>) -> Option<T> {
        self.live.and_then(&look).or_else(|| look(self.pinned))
    }

    /// A contact by its name.
    pub fn contact(&self, name: &str) -> Option<&'a Contact> {
        self.find(|policy| policy.contact(name))
    }

    /// A connector by its name.
    pub fn connector(&self, name: &str) -> Option<&'a Connector> {
        self.find(|policy| policy.connector(name))
    }

    /// Name of the contact who is on call; `None` = nobody.
    pub fn on_call(&self, rota: &str, at: Timestamp) -> Option<&'a str> {
        let policy = self.find(|policy| policy.rotas().contains(rota).then_some(policy))?;
        policy.rotas().on_call(rota, at)
    }

    /// The first moment after `after` at which the duty of a rota passes on; `None` = never, or no such rota.
    pub fn next_handover(&self, rota: &str, after: Timestamp) -> Option<Handover> {
        let policy = self.find(|policy| policy.rotas().contains(rota).then_some(policy))?;
        policy.rotas().next_handover(rota, after)
    }

    /// Those behind a list of targets: groups become their members, rotas whoever is on call at `at`. Each once, in the
    /// order of the list, at most 16.
    pub fn expand(&self, notify: &[NotifyTarget], at: Timestamp) -> Vec<Target> {
        let mut seen = BTreeSet::new();
        notify
            .iter()
            .flat_map(|target| self.behind(target, at))
            .filter(|target| seen.insert(target.clone()))
            .take(MOST_TARGETS)
            .collect()
    }

    fn behind(&self, target: &NotifyTarget, at: Timestamp) -> Vec<Target> {
        let contact = |name: &str| {
            self.contact(name)
                .map(|contact| Target::Contact(contact.name.clone()))
        };
        match Named::of(target) {
            Some(Named::Contact(name)) => contact(name).into_iter().collect(),
            Some(Named::Group(name)) => {
                let members = self
                    .find(|policy| policy.group(name))
                    .map_or(&[][..], |group| &group.members);
                members
                    .iter()
                    .filter_map(|member| contact(member))
                    .collect()
            }
            Some(Named::Rota(name)) => self
                .on_call(name, at)
                .and_then(contact)
                .into_iter()
                .collect(),
            Some(Named::Connector(name)) => self
                .connector(name)
                .map(|connector| Target::Connector(connector.name.clone()))
                .into_iter()
                .collect(),
            Some(Named::Reporter) => vec![Target::Reporter],
            None => Vec::new(),
        }
    }

    /// The ways to a target in the order in which they are tried; `namespace` is that of the policy. `reporter` is the
    /// ticket's `reporter.contact`: it counts where it names a contact of the policy.
    pub fn ways(&self, target: &Target, namespace: &str, reporter: Option<&str>) -> Vec<Way> {
        let way = |connector: Connector| Way {
            namespace: namespace.to_owned(),
            connector,
        };
        match target {
            Target::Connector(name) => self.connector(name).cloned().map(way).into_iter().collect(),
            Target::Contact(_) | Target::Reporter => self
                .contact_behind(target, reporter)
                .map_or_else(Vec::new, |contact| {
                    self.connectors_of(contact).into_iter().map(way).collect()
                }),
        }
    }

    /// The connectors that reach customers by an address of their own, in the order of the policy.
    pub fn to_customers(&self) -> Vec<Target> {
        let connectors = &self.live.unwrap_or(self.pinned).spec().connectors;
        connectors
            .iter()
            .filter(|connector| connector.audience == Audience::Customers)
            .filter(|connector| has_address(connector))
            .map(|connector| Target::Connector(connector.name.clone()))
            .collect()
    }

    /// What may be told to a target: as soon as one of its ways goes to customers, only what customers may see. A
    /// reporter is taken for a customer.
    pub fn audience(&self, target: &Target) -> Audience {
        let ways = self.ways(target, "", None);
        let customers = ways
            .iter()
            .any(|way| way.connector.audience == Audience::Customers);
        match target {
            Target::Reporter => Audience::Customers,
            Target::Contact(_) | Target::Connector(_) if customers => Audience::Customers,
            Target::Contact(_) | Target::Connector(_) => Audience::Internal,
        }
    }

    /// Name of the contact behind a user name, as in `spec.assignment.assignee`: by `user`, else the contact of that
    /// very name.
    pub fn contact_of_user(&self, user: &str) -> Option<String> {
        let by_user = |policy: &'a ValidPolicy| {
            policy
                .spec()
                .contacts
                .iter()
                .find(|contact| contact.user.as_deref() == Some(user))
        };
        self.find(by_user)
            .or_else(|| self.contact(user))
            .map(|contact| contact.name.clone())
    }

    /// The name in which a person who is paged answers: the contact's `user`, else the contact's own name.
    pub fn user_of(&self, target: &Target) -> Option<String> {
        let contact = self.contact_behind(target, None)?;
        Some(contact.user.as_ref().unwrap_or(&contact.name).clone())
    }

    fn contact_behind(&self, target: &Target, reporter: Option<&str>) -> Option<&'a Contact> {
        match target {
            Target::Contact(name) => self.contact(name),
            Target::Reporter => self.contact(reporter?),
            Target::Connector(_) => None,
        }
    }

    /// A contact's connectors in order, each with the contact's own address where one is given.
    fn connectors_of(&self, contact: &Contact) -> Vec<Connector> {
        let reach = contact.reach.iter().filter_map(|reach| {
            let mut connector = self.connector(&reach.connector)?.clone();
            if let Some(address) = &reach.address {
                connector.address = Some(address.clone());
            }
            Some(connector)
        });
        reach.collect()
    }
}

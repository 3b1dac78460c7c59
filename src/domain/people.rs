//! Names to people: who a step tells, and by which ways. The live policy first, then the pinned one.
//!
//! Rule: `api.md` section 3 "Revisions" (connectors, contacts, groups, rotas are live; a name missing there falls
//! back to the pinned one).

use jiff::Timestamp;

use super::delivery::{Target, Way};
use super::policy::ValidPolicy;
use super::rota;
use crate::api::{Connector, Contact, NotifyTarget};

/// Most targets of one step.
const LIMIT: usize = 16;

/// The people of a ticket's policy.
#[derive(Clone, Copy)]
pub struct People<'p> {
    /// The newest valid revision of the policy, while the policy exists.
    pub live: Option<&'p ValidPolicy>,
    /// The revision the ticket is pinned to.
    pub pinned: &'p ValidPolicy,
}

impl<'p> People<'p> {
    fn find<T>(&self, look: impl Fn(&'p ValidPolicy) -> Option<T>) -> Option<T> {
        self.live.and_then(&look).or_else(|| look(self.pinned))
    }

    fn contact(&self, name: &str) -> Option<&'p Contact> {
        self.find(|policy| {
            policy
                .spec()
                .contacts
                .iter()
                .find(|known| known.name == name)
        })
    }

    fn connector(&self, name: &str) -> Option<&'p Connector> {
        self.find(|policy| {
            policy
                .spec()
                .connectors
                .iter()
                .find(|known| known.name == name)
        })
    }

    /// Everybody a list of targets names at an instant: in order, once each, at most 16.
    pub fn expand(&self, notify: &[NotifyTarget], at: Timestamp) -> Vec<Target> {
        let mut found: Vec<Target> = Vec::new();
        for target in notify {
            for one in self.expand_one(target, at) {
                if !found.contains(&one) && found.len() < LIMIT {
                    found.push(one);
                }
            }
        }
        found
    }

    fn expand_one(&self, target: &NotifyTarget, at: Timestamp) -> Vec<Target> {
        let mut found = Vec::new();
        found.extend(target.contact.clone().map(Target::Contact));
        if let Some(name) = &target.group {
            let group = self.find(|policy| {
                policy
                    .spec()
                    .groups
                    .iter()
                    .find(|known| known.name == *name)
            });
            found.extend(
                group
                    .into_iter()
                    .flat_map(|group| group.members.iter().cloned().map(Target::Contact)),
            );
        }
        if let Some(name) = &target.rota {
            let member = self.find(|policy| {
                let rota = policy
                    .spec()
                    .rotas
                    .iter()
                    .find(|known| known.name == *name)?;
                Some(rota::on_call(policy.spec(), rota, at))
            });
            found.extend(
                member
                    .flatten()
                    .map(|member| Target::Contact(member.to_owned())),
            );
        }
        found.extend(target.connector.clone().map(Target::Connector));
        if target.reporter == Some(true) {
            found.push(Target::Reporter);
        }
        found
    }

    /// The ways to a target, in the order they are tried. `reporter` is the contact name a ticket gives for its reporter.
    pub fn ways(&self, target: &Target, namespace: &str, reporter: Option<&str>) -> Vec<Way> {
        let way = |connector: Connector| Way {
            namespace: namespace.to_owned(),
            connector,
        };
        let of_contact = |name: &str| {
            let reach = self
                .contact(name)
                .map(|contact| contact.reach.as_slice())
                .unwrap_or_default();
            let ways = reach.iter().filter_map(|reach| {
                let mut connector = self.connector(&reach.connector)?.clone();
                connector.address = reach.address.clone().or(connector.address);
                Some(way(connector))
            });
            ways.collect()
        };
        match target {
            Target::Contact(name) => of_contact(name),
            Target::Connector(name) => self.connector(name).cloned().map(way).into_iter().collect(),
            Target::Reporter => reporter.map(of_contact).unwrap_or_default(),
        }
    }

    /// The contact whose `user` is that account.
    pub fn contact_of_user(&self, user: &str) -> Option<String> {
        let of = |policy: &ValidPolicy| {
            let contacts = &policy.spec().contacts;
            contacts
                .iter()
                .find(|known| known.user.as_deref() == Some(user))
                .map(|known| known.name.clone())
        };
        self.live.and_then(of).or_else(|| of(self.pinned))
    }
}

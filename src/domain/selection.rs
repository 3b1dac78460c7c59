//! Which policy a ticket runs on: choice, pin, and the live policy beside the pinned one.
//!
//! Rules: `api.md` section 3, "Revisions" and "Which policy".

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{PinRule, PolicyPin, Suspend, Ticket};
use crate::domain::policy::ValidPolicy;

/// Namespace and name.
pub type PolicyKey = (String, String);

/// A policy object as far as tickets care. Built from the object and its status.
#[derive(Clone, Debug)]
pub struct LivePolicy {
    /// When the object was created: the older of two defaults counts.
    pub created: Option<Timestamp>,
    /// Generation that `revision` was made from (`status.generation`).
    pub generation: i64,
    /// Name of the newest valid revision (`status.revision`); `None` = never was valid.
    pub revision: Option<String>,
    /// `spec.suspend` of the object itself, whatever the rest of the edit is worth.
    pub suspend: Option<Suspend>,
    /// When that suspension was first seen (`status.suspendSeenTime`, else when it was written).
    pub suspend_seen: Option<Timestamp>,
}

/// All policies and stored revisions in view.
#[derive(Clone, Debug, Default)]
pub struct PolicyIndex {
    /// Policies by namespace and name.
    pub policies: BTreeMap<PolicyKey, LivePolicy>,
    /// Stored valid specs by namespace and name of the `ControllerRevision`.
    pub revisions: BTreeMap<PolicyKey, Arc<ValidPolicy>>,
    /// Fallback namespace of shared policies (`--shared-policy-namespace`).
    pub shared_namespace: Option<String>,
}

/// A policy found for a ticket.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its newest valid revision.
    pub revision: String,
    /// The generation of that revision.
    pub generation: i64,
    /// By which rule it was found.
    pub rule: PinRule,
}

impl PolicyIndex {
    /// The newest valid content of a policy that still exists.
    pub fn live(&self, namespace: &str, name: &str) -> Option<(&LivePolicy, &Arc<ValidPolicy>)> {
        let policy = self
            .policies
            .get(&(namespace.to_owned(), name.to_owned()))?;
        let revision = policy.revision.as_ref()?;
        let valid = self
            .revisions
            .get(&(namespace.to_owned(), revision.clone()))?;
        Some((policy, valid))
    }

    /// The content a ticket is pinned to.
    pub fn pinned(&self, pin: &PolicyPin) -> Option<&Arc<ValidPolicy>> {
        self.revisions
            .get(&(pin.namespace.clone(), pin.revision.clone()))
    }

    /// The policy that applies to a ticket now: `policyRef` (own namespace, else the shared one), else selector by
    /// priority then name, else the namespace's default, else the shared namespace's default.
    pub fn choose(&self, ticket: &Ticket) -> Option<Choice> {
        let own = ticket.metadata.namespace.as_deref().unwrap_or_default();
        if let Some(wanted) = &ticket.spec.policy_ref {
            return self
                .choice(own, &wanted.name, PinRule::PolicyRef)
                .or_else(|| {
                    self.choice(
                        self.shared_namespace.as_deref()?,
                        &wanted.name,
                        PinRule::SharedPolicyRef,
                    )
                });
        }
        self.by_selector(own, ticket)
            .or_else(|| self.default_of(own, PinRule::Default))
            .or_else(|| self.default_of(self.shared_namespace.as_deref()?, PinRule::SharedDefault))
    }

    /// Names of the default policies of a namespace, the one that counts first (oldest, then name).
    pub fn defaults<'a>(&'a self, namespace: &'a str) -> Vec<&'a str> {
        let mut found: Vec<(Option<Timestamp>, &str)> = self
            .of_namespace(namespace)
            .filter(|(_, valid, _)| valid.spec().default)
            .map(|(name, _, policy)| (policy.created, name))
            .collect();
        found.sort();
        found.into_iter().map(|(_, name)| name).collect()
    }

    fn of_namespace<'a>(
        &'a self,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<ValidPolicy>, &'a LivePolicy)> {
        self.policies
            .range((namespace.to_owned(), String::new())..)
            .take_while(move |((ns, _), _)| ns == namespace)
            .filter_map(|((ns, name), _)| {
                self.live(ns, name)
                    .map(|(policy, valid)| (name.as_str(), valid, policy))
            })
    }

    fn choice(&self, namespace: &str, name: &str, rule: PinRule) -> Option<Choice> {
        let (policy, _) = self.live(namespace, name)?;
        Some(Choice {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            revision: policy.revision.clone()?,
            generation: policy.generation,
            rule,
        })
    }

    fn by_selector(&self, namespace: &str, ticket: &Ticket) -> Option<Choice> {
        let (_, name) = self
            .of_namespace(namespace)
            .filter(|(_, valid, _)| selects(valid, ticket))
            .map(|(name, valid, _)| (std::cmp::Reverse(valid.spec().priority), name))
            .min()?;
        self.choice(namespace, name, PinRule::Selector)
    }

    fn default_of(&self, namespace: &str, rule: PinRule) -> Option<Choice> {
        let name = self.defaults(namespace).first().copied()?;
        self.choice(namespace, name, rule)
    }
}

/// Whether a policy's selector takes a ticket: every part that is given must fit; an empty selector takes nothing.
fn selects(policy: &ValidPolicy, ticket: &Ticket) -> bool {
    let Some(selector) = &policy.spec().selector else {
        return false;
    };
    let empty = selector.services.is_empty()
        && selector.categories.is_empty()
        && selector.severities.is_empty()
        && selector.match_labels.is_empty();
    let within = |wanted: &[String], value: Option<&String>| {
        wanted.is_empty() || value.is_some_and(|value| wanted.contains(value))
    };
    let labels = ticket.metadata.labels.as_ref();
    let severity = ticket.spec.severity.or_else(|| {
        ticket
            .spec
            .signal
            .as_ref()
            .and_then(|signal| signal.severity)
    });
    !empty
        && within(&selector.services, ticket.spec.service.as_ref())
        && within(&selector.categories, ticket.spec.category.as_ref())
        && (selector.severities.is_empty()
            || severity.is_some_and(|level| selector.severities.contains(&level)))
        && selector.match_labels.iter().all(|(key, value)| {
            labels
                .and_then(|labels| labels.get(key))
                .is_some_and(|found| found == value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{EscalationPolicySpec, Severity};

    const ALL: &str = r#"
severities: [{level: High}]
connectors: [{name: hook, type: Webhook, address: "https://pager.example.com/"}]
steps: [{name: on-call, notify: [{connector: hook}]}]
selector: {services: [shop], categories: [Outage], severities: [High], matchLabels: {team: web}}
"#;

    fn fits(change: impl Fn(&mut Ticket)) -> bool {
        let spec: EscalationPolicySpec = serde_saphyr::from_str(ALL).unwrap();
        let policy = ValidPolicy::check(spec).policy.unwrap();
        let mut ticket = Ticket::default();
        ticket.spec.service = Some("shop".to_owned());
        ticket.spec.category = Some("Outage".to_owned());
        ticket.spec.severity = Some(Severity::High);
        let labels = [("team", "web")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        ticket.metadata.labels = Some(labels.into());
        change(&mut ticket);
        selects(&policy, &ticket)
    }

    #[test]
    fn a_selector_fits_only_where_everything_that_it_names_does() {
        assert!(fits(|_| {}));
        assert!(!fits(|ticket| ticket.spec.service = None));
        assert!(!fits(
            |ticket| ticket.spec.category = Some("Question".to_owned())
        ));
        assert!(!fits(|ticket| ticket.spec.severity = Some(Severity::Low)));
        assert!(!fits(|ticket| ticket.metadata.labels = None));
    }
}

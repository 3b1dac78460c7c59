//! The storm guard: more new tickets per minute from one way in than the configuration allows become one aggregate
//! ticket per namespace and service, which lists what it swallowed. Rule: `api.md` section 6 "Intake".
//!
//! An alert that was swallowed has no ticket of its own: resent below the limit it gets one.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::alert::{Alert, Way, line};
use super::dedup::Identity;
use super::desk::{Case, Desk, Settled, Told};
use super::draft;
use super::metrics::Outcome;
use super::settings::Settings;
use crate::api::{GROUP, Severity, SignalState, Source, Ticket, TicketSpec, VERSION};
use crate::clock::Now;
use crate::domain::alert::Report;
use crate::domain::next::Transition;

/// Titles that an aggregate ticket lists.
const LISTED: usize = 50;
/// What is swallowed within this time is told in one Event.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Titles that an Event names.
const NAMED: usize = 8;

/// The limits in force, and what was swallowed and not told yet.
#[derive(Default)]
pub struct Storm {
    limits: Mutex<Limits>,
    untold: Mutex<HashMap<String, Untold>>,
}

#[derive(Default)]
struct Limits {
    per_minute: Option<NonZeroU32>,
    by_way: BTreeMap<Way, DefaultDirectRateLimiter>,
}

/// What was swallowed by one aggregate ticket since its last Event.
struct Untold {
    about: ObjectReference,
    count: usize,
    titles: Vec<String>,
}

impl Storm {
    /// Puts a limit in force; the same one goes on as it stands.
    pub fn limit(&self, per_minute: NonZeroU32) {
        let mut limits = self.limits.lock();
        if limits.per_minute != Some(per_minute) {
            *limits = Limits {
                per_minute: Some(per_minute),
                by_way: BTreeMap::new(),
            };
        }
    }

    /// Takes one of the way's new tickets of this minute, if there is one left.
    pub fn has_room(&self, way: Way) -> bool {
        let mut limits = self.limits.lock();
        let Some(per_minute) = limits.per_minute else {
            return true;
        };
        let quota = Quota::per_minute(per_minute);
        let limiter = limits.by_way.entry(way);
        limiter
            .or_insert_with(|| RateLimiter::direct(quota))
            .check()
            .is_ok()
    }
}

/// Alerts of one namespace and service that came above the limit.
#[derive(Default)]
struct Group {
    severity: Option<Severity>,
    titles: Vec<String>,
    indexes: Vec<usize>,
}

impl Desk {
    /// Puts what came above the limit into its aggregate tickets, and tells each alert where it is.
    pub(super) async fn swallow(
        self: &Arc<Self>,
        way: Way,
        settings: &Settings,
        swallowed: Vec<(usize, Alert)>,
        told: &mut [Told],
        deadline: Instant,
    ) {
        let mut groups: BTreeMap<(String, Option<String>), Group> = BTreeMap::new();
        for (index, alert) in swallowed {
            let Ok(namespace) = settings.namespace(&alert) else {
                continue;
            };
            let group = groups.entry((namespace, settings.service(&alert)));
            let group = group.or_default();
            group.severity = group.severity.max(settings.severity(&alert));
            group.titles.push(settings.title(&alert).0);
            group.indexes.push(index);
        }
        for ((namespace, service), group) in groups {
            let limit = settings.new_tickets_per_minute;
            let case = self.aggregate(way, &namespace, service, &group, limit);
            let settled = self.settle(&case, deadline).await;
            let about = about(&namespace, &settled);
            for index in &group.indexes {
                let Some(one) = told.get_mut(*index) else {
                    continue;
                };
                match &about {
                    Some(about) => one.ticket.clone_from(&about.name),
                    // Nothing took it: it has to come again.
                    None => one.result = Outcome::Failed,
                }
                if let Err(error) = &settled {
                    one.message = Some(line(&error.to_string(), 400));
                }
            }
            if let Some(about) = about {
                self.tell(about, group.titles);
            }
        }
    }

    fn aggregate(
        &self,
        way: Way,
        namespace: &str,
        service: Option<String>,
        group: &Group,
        limit: NonZeroU32,
    ) -> Case {
        let of = service.as_deref().unwrap_or("no service");
        let key = format!("storm/{namespace}/{}", service.as_deref().unwrap_or("-"));
        let word = format!("storm-{}", service.as_deref().unwrap_or("alerts"));
        let identity = Identity::new(Way::Alerts, &key, &word);
        let report = Report {
            state: SignalState::Firing,
            severity: group.severity,
            start: None,
            time: self.clock.now(),
            only_higher: true,
        };
        let spec = TicketSpec {
            title: line(
                &format!(
                    "Alert storm of {of}: more than {limit} new tickets a minute from {}",
                    way.word()
                ),
                200,
            ),
            description: Some(description(&group.titles, limit)),
            service,
            source: Some(Source {
                channel: Some(way.word().to_owned()),
                external_ref: None,
                dedup_key: Some(identity.key.clone()),
                start_time: None,
            }),
            ..TicketSpec::default()
        };
        Case {
            draft: draft::ticket(namespace, &identity, &report, spec),
            namespace: namespace.to_owned(),
            identity,
            report,
            guarded: None,
        }
    }

    /// Tells in an Event on the aggregate ticket what it swallowed; what comes within a few seconds shares one.
    fn tell(self: &Arc<Self>, about: ObjectReference, titles: Vec<String>) {
        let key = format!("{:?}/{:?}", about.namespace, about.name);
        let mut untold = self.storm.untold.lock();
        let first = !untold.contains_key(&key);
        let entry = untold.entry(key.clone()).or_insert_with(|| Untold {
            about,
            count: 0,
            titles: Vec::new(),
        });
        entry.count += titles.len();
        let free = NAMED.saturating_sub(entry.titles.len());
        entry.titles.extend(titles.into_iter().take(free));
        if first {
            let desk = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(TELL_EVERY).await;
                desk.tell_now(&key);
            });
        }
    }

    fn tell_now(&self, key: &str) {
        let Some(untold) = self.storm.untold.lock().remove(key) else {
            return;
        };
        let now = self.clock.now();
        let named: Vec<String> = untold.titles.iter().map(|title| line(title, 80)).collect();
        let more = untold.count - named.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let told = Transition {
            key: format!("swallowed/{now}"),
            warning: true,
            reason: "AlertsSwallowed",
            action: "Aggregate".to_owned(),
            note: format!(
                "{} alerts came above the limit of new tickets and have no ticket of their own: {}{more}. Sent again below the limit they get one; raise `newTicketsPerMinute` if this is no storm",
                untold.count,
                named.join("; ")
            ),
        };
        self.events.tell(&untold.about, None, &[told], now);
    }
}

fn about(
    namespace: &str,
    settled: &Result<Settled, super::desk::DeskError>,
) -> Option<ObjectReference> {
    match settled {
        Ok(Settled::Created(ticket)) => Some(ticket.object_ref(&())),
        Ok(Settled::Signalled(name) | Settled::Known(name)) => Some(ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(Ticket::kind(&()).into_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.clone()),
            ..ObjectReference::default()
        }),
        Ok(Settled::NothingToEnd | Settled::OverTheLimit) | Err(_) => None,
    }
}

fn description(titles: &[String], limit: NonZeroU32) -> String {
    let mut text = format!(
        "More than {limit} new tickets a minute were asked for. These alerts came above the limit and share this ticket; later ones are told in its Events and counted in the metric `firebell_intake_swallowed_total`. The source does not end this ticket: resolve it when the storm is over.\n"
    );
    for title in titles.iter().take(LISTED) {
        text.push_str("\n- ");
        text.push_str(&line(title, 120));
    }
    if titles.len() > LISTED {
        text.push_str("\n- and ");
        text.push_str(&(titles.len() - LISTED).to_string());
        text.push_str(" more");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{LISTED, Storm, description};
    use crate::intake::alert::Way;

    #[test]
    fn each_way_has_so_many_new_tickets_a_minute_and_no_more() {
        let storm = Storm::default();
        assert!(storm.has_room(Way::Alertmanager), "no limit yet");
        storm.limit(NonZeroU32::new(2).unwrap());
        let taken = (0..5).filter(|_| storm.has_room(Way::Alertmanager)).count();
        assert_eq!(taken, 2);
        assert!(storm.has_room(Way::Grafana), "another way, another limit");
        storm.limit(NonZeroU32::new(2).unwrap());
        assert!(!storm.has_room(Way::Alertmanager), "the same limit goes on");
        storm.limit(NonZeroU32::new(3).unwrap());
        assert!(storm.has_room(Way::Alertmanager));
    }

    #[test]
    fn the_list_of_what_was_swallowed_is_bounded_and_counts_the_rest() {
        let titles = vec!["ä".repeat(200); LISTED + 7];
        let text = description(&titles, NonZeroU32::MIN);
        assert_eq!(
            text.lines().filter(|line| line.starts_with("- ")).count(),
            LISTED + 1
        );
        assert!(text.ends_with("- and 7 more"));
        assert!(text.chars().count() < 8192);
    }
}

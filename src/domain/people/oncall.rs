//! Who would be paged at an instant, step by step: what `kubectl firebell oncall` shows.
//!
//! Nothing is decided here that the chain does not decide: people come from `People` and `RotaSet`, hours from the
//! step's calendar. A step that is closed then pages at its opening, whoever is on call at that moment. Rules: api.md
//! section 3 (rotas, overrides), delivery.md section 1 (a rota is asked for the step's due time).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::People;
use super::rota::{Handover, RotaOverride};
use crate::api::{NotifyTarget, Severity};
use crate::domain::policy::{Named, StepPlan, ValidPolicy};
use crate::domain::telling::delivery::Target;

/// A step and whom it would page.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDuty<'p> {
    /// The step.
    pub step: &'p StepPlan,
    /// When it would page, were it due: the moment asked for, or the opening of its hours. `None` = never.
    pub fires: Option<Timestamp>,
    /// Whom, in the order of the policy; a rota without anybody on call is in it.
    pub people: Vec<Duty<'p>>,
}

/// Somebody, or nobody, behind one of a step's targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Duty<'p> {
    /// Who; `None` = nobody is on call.
    pub who: Option<Target>,
    /// How the step names them.
    pub through: Through<'p>,
    /// The next moment at which that changes, and to whom; `None` = not by itself.
    pub change: Option<Handover>,
    /// Whether there is a way to reach them.
    pub reachable: bool,
}

/// How a step names somebody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Through<'p> {
    /// By their own name.
    Directly,
    /// As a member of a group.
    Group(&'p str),
    /// As whoever is on call.
    Rota {
        /// Name of the rota.
        name: &'p str,
        /// The exception from its turns that holds.
        instead: Option<&'p RotaOverride>,
    },
}

/// The steps of a severity's row at an instant.
pub fn steps<'p>(policy: &'p ValidPolicy, severity: Severity, at: Timestamp) -> Vec<StepDuty<'p>> {
    let duty = |step: &'p StepPlan| {
        let fires = step.calendar.next_open(at);
        let people = fires.map(|fires| people_of(policy, step, fires));
        StepDuty {
            step,
            fires,
            people: people.unwrap_or_default(),
        }
    };
    policy.steps_for(severity).into_iter().map(duty).collect()
}

fn people_of<'p>(policy: &'p ValidPolicy, step: &'p StepPlan, at: Timestamp) -> Vec<Duty<'p>> {
    let people = People {
        live: Some(policy),
        pinned: policy,
    };
    let paged: BTreeSet<Target> = people.expand(&step.notify, at).into_iter().collect();
    let mut named = BTreeSet::new();
    let mut duties = Vec::new();
    for target in &step.notify {
        let (through, change) = through(policy, target, at);
        let reached = people.expand(std::slice::from_ref(target), at);
        if let (Through::Rota { .. }, true) = (through, reached.is_empty()) {
            duties.push(Duty {
                who: None,
                through,
                change: change.clone(),
                reachable: false,
            });
        }
        for who in reached {
            if paged.contains(&who) && named.insert(who.clone()) {
                duties.push(Duty {
                    reachable: reachable(&people, &who),
                    who: Some(who),
                    through,
                    change: change.clone(),
                });
            }
        }
    }
    duties
}

fn reachable(people: &People<'_>, who: &Target) -> bool {
    match who {
        // Known only for a ticket.
        Target::Reporter => true,
        Target::Contact(_) | Target::Connector(_) => !people.ways(who, "", None).is_empty(),
    }
}

fn through<'p>(
    policy: &'p ValidPolicy,
    target: &'p NotifyTarget,
    at: Timestamp,
) -> (Through<'p>, Option<Handover>) {
    match Named::of(target) {
        Some(Named::Group(name)) => (Through::Group(name), None),
        Some(Named::Rota(name)) => {
            let rotas = policy.rotas();
            let instead = rotas.instead(name, at);
            (
                Through::Rota { name, instead },
                rotas.next_handover(name, at),
            )
        }
        Some(Named::Contact(_) | Named::Connector(_) | Named::Reporter) | None => {
            (Through::Directly, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
connectors: [{name: hook, type: Webhook, address: "https://pager.example.com/"}]
contacts:
- {name: alice, reach: [{connector: hook}]}
- {name: bob, reach: [{connector: hook}]}
- {name: carol}
groups: [{name: leads, members: [bob, alice]}]
calendars: [{name: office, timeZone: Europe/Berlin, windows: [{days: [Mon, Tue, Wed, Thu, Fri], from: "09:00", to: "17:00"}]}]
rotas:
- {name: first, timeZone: Europe/Berlin, start: 2026-01-05T09:00, shift: {days: 7}, members: [alice, bob]}
- {name: office, timeZone: Europe/Berlin, start: 2026-01-05T09:00, shift: {days: 7}, members: [carol], calendar: office}
overrides: [{name: swap, rota: first, member: bob, fromTime: 2026-01-06T12:00:00Z, untilTime: 2026-01-06T15:00:00Z, by: alice}]
steps:
- {name: now, notify: [{rota: first}, {rota: office}, {contact: bob}]}
- {name: leads, severities: [Critical], calendar: office, notify: [{rota: first}, {group: leads}]}
"#;

    fn policy() -> ValidPolicy {
        let spec = serde_saphyr::from_str(POLICY).unwrap();
        ValidPolicy::check(spec).policy.unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Who, until when, and who then.
    fn told(duties: &StepDuty<'_>) -> Vec<(String, Option<String>, Option<String>)> {
        let one = |duty: &Duty<'_>| {
            let who = duty.who.as_ref().map_or("nobody", Target::name).to_owned();
            let change = duty.change.as_ref();
            let until = change.map(|change| change.at.to_string());
            let then = change.map(|change| change.to.clone().unwrap_or_default());
            (who, until, then)
        };
        duties.people.iter().map(one).collect()
    }

    fn row(
        who: &str,
        until: Option<&str>,
        then: Option<&str>,
    ) -> (String, Option<String>, Option<String>) {
        (
            who.to_owned(),
            until.map(str::to_owned),
            then.map(str::to_owned),
        )
    }

    #[test]
    fn each_step_names_whom_it_pages_until_when_and_who_comes_then_and_gaps_as_such() {
        let policy = policy();
        let found = steps(&policy, Severity::High, at("2026-01-07T20:00:00Z"));
        assert_eq!(found.len(), 1, "the second step is for Critical only");
        let expected = [
            row("alice", Some("2026-01-12T08:00:00Z"), Some("bob")),
            row("nobody", Some("2026-01-08T08:00:00Z"), Some("carol")),
            row("bob", None, None),
        ];
        assert_eq!(told(&found[0]), expected);
    }

    #[test]
    fn an_override_is_named_with_its_end_and_somebody_named_twice_is_paged_once() {
        let policy = policy();
        let found = steps(&policy, Severity::High, at("2026-01-06T12:30:00Z"));
        let first = &found[0].people[0];
        let Through::Rota {
            name: "first",
            instead: Some(instead),
        } = first.through
        else {
            panic!("{first:?}")
        };
        assert_eq!(
            (instead.by.as_str(), instead.until),
            ("alice", at("2026-01-06T15:00:00Z"))
        );
        let expected = [
            row("bob", Some("2026-01-06T15:00:00Z"), Some("alice")),
            row("carol", Some("2026-01-06T16:00:00Z"), Some("")),
        ];
        assert_eq!(told(&found[0]), expected);
        let carol = &found[0].people[1];
        assert!(!carol.reachable && first.reachable);
    }

    #[test]
    fn a_step_outside_its_hours_pages_whoever_is_on_call_at_its_opening() {
        let policy = policy();
        let found = steps(&policy, Severity::Critical, at("2026-01-10T12:00:00Z"));
        assert_eq!(found[0].fires, Some(at("2026-01-10T12:00:00Z")));
        assert_eq!(told(&found[0])[0].0, "alice");
        assert_eq!(found[1].fires, Some(at("2026-01-12T08:00:00Z")));
        let names: Vec<String> = told(&found[1]).into_iter().map(|(who, ..)| who).collect();
        assert_eq!(names, ["bob", "alice"], "the shift changes at the opening");
        assert_eq!(found[1].people[1].through, Through::Group("leads"));
    }
}

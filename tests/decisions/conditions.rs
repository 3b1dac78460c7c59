//! Every condition that an object may carry is seen as True and as False: what is a condition can be waited for by
//! `kubectl wait`, either way. The list of types is that of `api::condition_type`, read from its very source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use firebell::api::{
    Condition, ConditionStatus, DuplicateRef, EscalationPolicy, EscalationRequest, Rca, Signal,
    SignalState, Ticket,
};
use firebell::controller::policy_status::{Found, status_of};
use firebell::controller::shelf::{About, Kept, Standing};
use firebell::domain::audit;
use firebell::domain::followup::rca::{self, Covered, RcaNext, RcaSeen};
use firebell::domain::observed::Parent;
use firebell::domain::policy::ValidPolicy;
use firebell::domain::selection::PolicyIndex;
use firebell::domain::telling::delivery::OutboxView;
use firebell::testkit::model::{Answer, Model, NAMESPACE};
use serde_json::{Value, json};

use crate::world::{
    EXAMPLE, acknowledge, at, await_vendor, close, example, lift, policy, resolve, with_policy,
};

/// Kind, type, and whether it stands True.
type Sight = (&'static str, String, bool);

const KINDS: [&str; 3] = ["Ticket", "Policy", "RCA"];

/// What never is, and why.
const NEVER: [(&str, &str, bool, &str); 3] = [
    (
        "Ticket",
        "Ready",
        false,
        "a ticket that the CRD accepts is handled; a policy that it lacks is PolicyResolved",
    ),
    (
        "Ticket",
        "ResponseBreached",
        false,
        "what was missed is never taken back",
    ),
    (
        "Ticket",
        "ResolutionBreached",
        false,
        "what was missed is never taken back",
    ),
];

/// The types by kind, from the doc comments of the constants: `/// Ticket: ...`, `/// All kinds: ...`.
fn declared() -> BTreeSet<(&'static str, String)> {
    let source = include_str!("../../src/api/condition.rs");
    let (_, list) = source.split_once("pub mod condition_type {").unwrap();
    let (list, _) = list.split_once("\n}").unwrap();
    let mut found = BTreeSet::new();
    let mut about = "";
    for line in list.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            about = comment.split_once(':').map_or("", |(about, _)| about);
        } else if line.starts_with("pub const") {
            let word = line.split('"').nth(1).unwrap();
            let before = found.len();
            for kind in KINDS {
                if about == "All kinds" || about.split(" and ").any(|named| named == kind) {
                    found.insert((kind, word.to_owned()));
                }
            }
            assert!(
                found.len() > before,
                "the comment of {word} must begin with its kind"
            );
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

fn see(seen: &mut BTreeSet<Sight>, kind: &'static str, conditions: &[Condition]) {
    for known in conditions {
        let holds = match known.status {
            ConditionStatus::True => true,
            ConditionStatus::False => false,
            ConditionStatus::Unknown => panic!("nobody says Unknown: {known:?}"),
        };
        seen.insert((kind, known.type_.clone(), holds));
    }
}

/// Runs a ticket and looks at each of these moments.
fn watch(seen: &mut BTreeSet<Sight>, model: &mut Model, clocks: &[&str]) {
    for clock in clocks {
        model.run_until(at(clock));
        see(seen, "Ticket", &model.status().conditions);
    }
}

/// Acknowledged and taken back, held well and badly, resolved while its source fires, with a closure that waits.
fn a_long_day(seen: &mut BTreeSet<Sight>) {
    let text = EXAMPLE
        .replace("responseTarget: 15m", "responseTarget: 15m, updateInterval: 1h, resolutionTarget: 3h, validation: {required: true}")
        .replace("connectors:", "scope: {inScope: [{category: Incident}]}\nconnectors:");
    for category in ["Incident", "Other"] {
        let mut model = with_policy(&text);
        model.ticket.spec.category = Some(category.to_owned());
        watch(seen, &mut model, &["10:01"]);
    }
    let mut model = with_policy(&text);
    acknowledge(&mut model, "10:20");
    model.edit_at(at("10:25"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    await_vendor(&mut model, "10:30", Some("20:00"));
    lift(&mut model, "10:31", "vendor");
    await_vendor(&mut model, "10:32", Some("11:00"));
    watch(
        seen,
        &mut model,
        &["10:21", "10:26", "10:30", "10:31", "10:33", "12:30"],
    );
    model.edit_at(at("12:31"), "update", |spec| {
        spec.update = Some(serde_json::from_value(json!({"message": "m", "by": "bob"})).unwrap());
    });
    let says = |state| {
        move |spec: &mut firebell::api::TicketSpec| {
            spec.signal = Some(Signal {
                state,
                ..Signal::default()
            });
        }
    };
    model.edit_at(at("12:40"), "signal", says(SignalState::Firing));
    resolve(&mut model, "14:00");
    close(&mut model, "14:01", firebell::api::ClosureReason::Completed);
    model.edit_at(at("14:02"), "signal", says(SignalState::Resolved));
    model.edit_at(at("14:03"), "validation", |spec| {
        spec.validation =
            Some(serde_json::from_value(json!({"result": "Accepted", "by": "bob"})).unwrap());
    });
    watch(
        seen,
        &mut model,
        &["12:32", "13:59", "14:00", "14:01", "14:02", "14:04"],
    );
}

fn other_tickets(seen: &mut BTreeSet<Sight>) {
    let mut model = example();
    let names = |name: &'static str| {
        move |spec: &mut firebell::api::TicketSpec| {
            spec.duplicate_of = Some(DuplicateRef {
                name: name.to_owned(),
            });
        }
    };
    model.others.same_key = Some("other".to_owned());
    model.edit_at(at("10:02"), "duplicateOf", names("ticket"));
    watch(seen, &mut model, &["10:03"]);
    model.others.same_key = None;
    model.others.parent = Some(Parent {
        uid: "p".to_owned(),
        open: true,
        root: None,
    });
    model.edit_at(at("10:04"), "duplicateOf", names("other"));
    watch(seen, &mut model, &["10:05"]);
}

fn policies_and_pins(seen: &mut BTreeSet<Sight>) {
    let mut model = example();
    watch(seen, &mut model, &["10:01"]);
    let whole = std::mem::replace(&mut model.policies, Arc::new(PolicyIndex::default()));
    watch(seen, &mut model, &["10:02"]);
    model.policies = whole;
    let valid = ValidPolicy::check(policy(EXAMPLE)).policy.unwrap();
    model.store_policy("gold-2", 2, valid);
    watch(seen, &mut model, &["10:03"]);
    model.edit_at(at("10:04"), "policyRef", |spec| {
        spec.policy_ref =
            Some(serde_json::from_value(json!({"name": "gold", "token": "again"})).unwrap());
    });
    watch(seen, &mut model, &["10:05"]);
}

fn requests_failures_and_neglect(seen: &mut BTreeSet<Sight>) {
    let mut model = example();
    model.answer = Box::new(|_| Answer::Refuses);
    let ask = |at_least: &'static str| {
        move |spec: &mut firebell::api::TicketSpec| {
            spec.escalation = Some(EscalationRequest {
                at_least: Some(at_least.to_owned()),
                by: "bob".to_owned(),
                ..EscalationRequest::default()
            });
        }
    };
    watch(seen, &mut model, &["10:01"]);
    model.answer = Box::new(|_| Answer::Takes);
    model.edit_at(at("11:07"), "escalation", ask("director"));
    model.edit_at(at("11:12"), "escalation", ask("on-call"));
    watch(seen, &mut model, &["11:06", "11:08", "11:13"]);
    let marked = audit::mark(&model.observe(), model.now);
    model.ticket.status = marked;
    see(seen, "Ticket", &model.status().conditions);
    watch(seen, &mut model, &["11:14"]);
}

fn kept(about: About, standing: Standing) -> Kept {
    Kept {
        about,
        config_map: about.name_of("gold"),
        standing,
    }
}

/// What the status of a policy says after each of these findings.
fn policies(seen: &mut BTreeSet<Sight>) {
    let object = |spec: Value| -> EscalationPolicy {
        serde_json::from_value(json!({
            "apiVersion": "firebell.dev/v1alpha1", "kind": "EscalationPolicy",
            "metadata": {"name": "gold", "namespace": NAMESPACE, "generation": 1}, "spec": spec,
        }))
        .unwrap()
    };
    let broken = json!({"steps": [{"name": "a", "notify": [{"contact": "nobody"}]}]});
    let suspended = json!({"suspend": {"untilTime": at("11:00").to_string(), "by": "alice"}});
    let both = vec!["gold".to_owned(), "silver".to_owned()];
    let mut status = None;
    for (spec, clock, defaults, standing) in [
        (broken, "10:00", vec![], Standing::Refused),
        (json!({}), "10:01", both, Standing::Kept),
        (
            suspended.clone(),
            "10:02",
            vec!["gold".to_owned()],
            Standing::Kept,
        ),
        (suspended, "11:00", vec![], Standing::Kept),
    ] {
        let mut policy = object(spec);
        let checked = ValidPolicy::check(policy.spec.clone());
        let found = Found {
            revision: checked.policy.is_ok().then(|| "gold-1".to_owned()),
            errors: checked.policy.err().unwrap_or_default(),
            defaults,
            document: Some(kept(About::Policy, standing)),
            ..Found::default()
        };
        policy.status = status;
        let (next, _) = status_of(&policy, &found, at(clock));
        see(seen, "Policy", &next.conditions);
        status = Some(next);
    }
}

/// What the status of an RCA says after each of these edits.
fn rcas(seen: &mut BTreeSet<Sight>) {
    let mut object: Value = json!({
        "apiVersion": "firebell.dev/v1alpha1", "kind": "RCA", "metadata": {"name": "a", "namespace": NAMESPACE},
    });
    let mut status = None;
    let action = |state: &str| json!([{"id": "d", "title": "t", "type": "Prevent", "owner": "bob", "dueTime": at("10:30").to_string(), "state": state}]);
    let word = json!({"by": "carol"});
    let waiver = json!({"by": "carol", "reason": "a drill"});
    let here = || {
        rca::Found::Here(Arc::new(Ticket::new(
            "checkout",
            firebell::api::TicketSpec::default(),
        )))
    };
    for (spec, clock, found) in [
        (
            json!({"dueTime": at("10:20").to_string(), "correctiveActions": [{"id": "d", "title": "t", "type": "Prevent"}]}),
            "10:00",
            rca::Found::Gone,
        ),
        (
            json!({"dueTime": at("10:20").to_string(), "correctiveActions": action("Open")}),
            "10:40",
            here(),
        ),
        (json!({"approval": word, "waiver": waiver}), "10:41", here()),
        (
            json!({"approval": word, "correctiveActions": action("Done")}),
            "10:42",
            here(),
        ),
    ] {
        object["spec"] = spec;
        let standing = if status.is_none() {
            Standing::Refused
        } else {
            Standing::Kept
        };
        let mut rca: Rca = serde_json::from_value(object.clone()).unwrap();
        rca.status = status;
        let tickets = vec![Covered {
            name: "checkout".to_owned(),
            found,
            also: None,
        }];
        let seen_now = RcaSeen {
            rca: Arc::new(rca),
            tickets,
            policies: Arc::default(),
            outbox: OutboxView::new(),
            document: Some(kept(About::Rca, standing).seen()),
        };
        let RcaNext::Commit(next, _) = rca::decide(&seen_now, at(clock)) else {
            panic!("each of these edits changes something");
        };
        see(seen, "RCA", &next.conditions);
        status = Some(*next);
    }
}

#[test]
fn every_condition_of_every_kind_is_seen_true_and_false_and_no_other_is_seen() {
    let mut seen = BTreeSet::new();
    a_long_day(&mut seen);
    other_tickets(&mut seen);
    policies_and_pins(&mut seen);
    requests_failures_and_neglect(&mut seen);
    policies(&mut seen);
    rcas(&mut seen);
    let declared = declared();
    let never: BTreeMap<_, _> = NEVER
        .iter()
        .map(|(kind, word, holds, why)| ((*kind, (*word).to_owned(), *holds), *why))
        .collect();
    let wanted = declared
        .iter()
        .flat_map(|(kind, word)| [true, false].map(|holds| (*kind, word.clone(), holds)));
    let unseen: Vec<_> = wanted
        .filter(|sight| !seen.contains(sight) && !never.contains_key(sight))
        .collect();
    assert!(unseen.is_empty(), "in no story: {unseen:#?}");
    let undeclared: Vec<_> = seen
        .iter()
        .filter(|(kind, word, _)| !declared.contains(&(*kind, word.clone())))
        .collect();
    assert!(
        undeclared.is_empty(),
        "not in `condition_type`: {undeclared:#?}"
    );
    let seen_after_all: Vec<_> = never
        .iter()
        .filter(|(sight, _)| seen.contains(*sight))
        .collect();
    assert!(seen_after_all.is_empty(), "{seen_after_all:#?}");
}

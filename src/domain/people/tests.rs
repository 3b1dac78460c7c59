//! Rules of who is told: live before pinned, each once, ways in order.

use rstest::rstest;

use super::*;
use crate::api::EscalationPolicySpec;

const PINNED: &str = r#"
connectors:
- {name: pager, type: Webhook, address: "https://pager.example.com/old"}
- {name: mail, type: Email, server: "smtps://mail.example.com:465"}
- {name: status-page, type: Webhook, address: "https://status.example.com", audience: Customers}
contacts:
- {name: alice, user: alice@example.com, reach: [{connector: pager}, {connector: mail, address: alice@example.com}]}
- {name: bob, reach: [{connector: mail, address: bob@example.com}]}
- {name: carol, reach: [{connector: status-page}]}
- {name: dave, reach: []}
groups: [{name: team, members: [bob, alice]}]
rotas: [{name: first, timeZone: UTC, start: "2026-01-05T09:00", shift: {days: 7}, members: [alice, bob]}]
"#;

fn policy(yaml: &str) -> ValidPolicy {
    let spec: EscalationPolicySpec = serde_saphyr::from_str(yaml).unwrap();
    ValidPolicy::check(spec).policy.unwrap()
}

fn targets(yaml: &str) -> Vec<NotifyTarget> {
    serde_saphyr::from_str(yaml).unwrap()
}

fn first_week() -> Timestamp {
    "2026-01-06T00:00:00Z".parse().unwrap()
}

fn told(people: People<'_>, yaml: &str) -> Vec<String> {
    people
        .expand(&targets(yaml), first_week())
        .iter()
        .map(Target::to_string)
        .collect()
}

#[rstest]
#[case::a_contact("[{contact: bob}]", &["contact/bob"])]
#[case::the_members_of_a_group_in_its_order("[{group: team}]", &["contact/bob", "contact/alice"])]
#[case::whoever_is_on_call("[{rota: first}]", &["contact/alice"])]
#[case::a_connector("[{connector: pager}]", &["connector/pager"])]
#[case::the_reporter("[{reporter: true}]", &["reporter"])]
#[case::each_once("[{contact: alice}, {group: team}, {rota: first}]", &["contact/alice", "contact/bob"])]
#[case::nobody("[]", &[])]
fn a_list_of_targets_becomes_those_behind_it(#[case] notify: &str, #[case] expected: &[&str]) {
    let pinned = policy(PINNED);
    assert_eq!(
        told(
            People {
                live: None,
                pinned: &pinned
            },
            notify
        ),
        expected
    );
}

#[test]
fn at_most_16_are_told() {
    let members: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    let contacts: Vec<String> = members
        .iter()
        .map(|name| format!("{{name: {name}}}"))
        .collect();
    let pinned = policy(&format!("contacts: [{}]", contacts.join(", ")));
    let live = policy(&format!(
        "contacts: [{}]\ngroups: [{{name: team, members: [{}]}}]",
        contacts.join(", "),
        members.join(", ")
    ));
    let people = People {
        live: Some(&live),
        pinned: &pinned,
    };
    assert_eq!(told(people, "[{group: team}]").len(), MOST_TARGETS);
}

#[test]
fn the_ways_to_a_contact_are_tried_in_order_with_its_own_address_where_it_has_one() {
    let pinned = policy(PINNED);
    let people = People {
        live: None,
        pinned: &pinned,
    };
    let ways = people.ways(&Target::Contact("alice".into()), "support", None);
    let addresses: Vec<_> = ways
        .iter()
        .map(|way| way.connector.address.as_deref().unwrap())
        .collect();
    assert_eq!(
        addresses,
        ["https://pager.example.com/old", "alice@example.com"]
    );
    assert!(ways.iter().all(|way| way.namespace == "support"));
}

#[test]
fn a_corrected_address_reaches_running_tickets_and_a_dropped_name_is_still_known() {
    let pinned = policy(PINNED);
    let live = policy(
        r#"
connectors: [{name: pager, type: Webhook, address: "https://pager.example.com/new"}]
contacts: [{name: alice, reach: [{connector: pager}]}]
rotas: [{name: first, timeZone: UTC, start: "2026-01-05T09:00", shift: {days: 7}, members: [alice]}]
overrides: [{name: swap, rota: first, member: alice, fromTime: 2026-01-01T00:00:00Z, untilTime: 2026-02-01T00:00:00Z, by: bob}]
"#,
    );
    let people = People {
        live: Some(&live),
        pinned: &pinned,
    };
    let ways = people.ways(&Target::Contact("alice".into()), "support", None);
    assert_eq!(ways.len(), 1);
    assert_eq!(
        ways[0].connector.address.as_deref(),
        Some("https://pager.example.com/new")
    );
    assert_eq!(
        people
            .ways(&Target::Contact("bob".into()), "support", None)
            .len(),
        1
    );
    assert_eq!(
        told(people, "[{group: team}, {contact: carol}]"),
        ["contact/bob", "contact/alice", "contact/carol"]
    );
    let second_week = first_week() + jiff::SignedDuration::from_hours(24 * 7);
    assert_eq!(
        people.expand(&targets("[{rota: first}]"), second_week),
        [Target::Contact("alice".into())]
    );
}

#[rstest]
#[case::who_is_a_contact_of_the_policy(Some("bob"), 1)]
#[case::who_is_none(Some("someone@example.com"), 0)]
#[case::who_is_unknown(None, 0)]
fn a_reporter_is_reached(#[case] reporter: Option<&str>, #[case] ways: usize) {
    let pinned = policy(PINNED);
    let people = People {
        live: None,
        pinned: &pinned,
    };
    assert_eq!(
        people.ways(&Target::Reporter, "support", reporter).len(),
        ways
    );
}

#[rstest]
#[case::colleagues_hear_all(Target::Contact("alice".into()), Audience::Internal)]
#[case::a_way_to_customers_limits_it(Target::Contact("carol".into()), Audience::Customers)]
#[case::a_connector_to_customers_too(Target::Connector("status-page".into()), Audience::Customers)]
#[case::a_reporter_is_taken_for_a_customer(Target::Reporter, Audience::Customers)]
fn what_may_be_told_follows_the_widest_audience(
    #[case] target: Target,
    #[case] audience: Audience,
) {
    let pinned = policy(PINNED);
    assert_eq!(
        People {
            live: None,
            pinned: &pinned
        }
        .audience(&target),
        audience
    );
}

#[rstest]
#[case::by_user("alice@example.com", Some("alice"))]
#[case::else_by_name("bob", Some("bob"))]
#[case::else_nobody("mallory", None)]
fn a_user_name_leads_to_a_contact(#[case] user: &str, #[case] contact: Option<&str>) {
    let pinned = policy(PINNED);
    assert_eq!(
        People {
            live: None,
            pinned: &pinned
        }
        .contact_of_user(user)
        .as_deref(),
        contact
    );
}

#[test]
fn whoever_is_paged_answers_in_their_user_name_else_in_their_own() {
    let pinned = policy(PINNED);
    let people = People {
        live: None,
        pinned: &pinned,
    };
    let user_of = |name: &str| people.user_of(&Target::Contact(name.to_owned()));
    assert_eq!(user_of("alice"), Some("alice@example.com".to_owned()));
    assert_eq!(user_of("bob"), Some("bob".to_owned()));
    let connector = Target::Connector("pager".to_owned());
    assert_eq!(people.user_of(&connector), None);
}

#[test]
fn customers_are_told_by_the_connectors_for_them_that_have_an_address() {
    let pinned = policy(PINNED);
    let people = People {
        live: None,
        pinned: &pinned,
    };
    let wanted = Target::Connector("status-page".to_owned());
    assert_eq!(people.to_customers(), [wanted]);
}

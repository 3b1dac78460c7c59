//! One row per check, by its words; each row is a good policy with one thing changed.

use proptest::prelude::*;

use super::*;

mod any_spec;
mod errors;
mod open_items;

/// A policy without errors and without open items.
const GOOD: &str = r##"
document: {title: Support of the shop, lastReviewTime: 2026-01-01T00:00:00Z, reviewEvery: 4320h}
default: true
channels: [{name: desk, type: Phone, address: "+49 30 1234"}]
calendars:
- name: business
  timeZone: Europe/Berlin
  windows: [{days: [Mon, Tue, Wed, Thu, Fri], from: "09:00", to: "17:30"}]
  holidays: ["2026-12-25"]
severities:
- {level: Critical, responseTarget: 15m, resolutionTarget: 4h, acknowledgementTimeout: 30m}
- {level: High, responseTarget: 30m, resolutionTarget: 8h, acknowledgementTimeout: 1h}
- {level: Medium, responseTarget: 4h, calendar: business, updateInterval: 24h}
- {level: Low, responseTarget: 8h, calendar: business, paging: RecordOnly}
connectors:
- {name: pager, type: Webhook, address: "https://pager.example.com/hook", secretRef: {name: pager}}
- {name: chat, type: Slack, address: "#ops", secretRef: {name: chat}}
- {name: teams, type: MSTeams, secretRef: {name: teams}}
- {name: duty, type: PagerDuty, secretRef: {name: duty}}
- {name: mail, type: Email, server: "smtps://mail.example.com:465", secretRef: {name: mail}}
contacts:
- {name: alice, timeZone: Europe/Berlin, reach: [{connector: pager}, {connector: mail, address: alice@example.com}]}
- {name: bob, reach: [{connector: duty}]}
groups: [{name: leads, members: [alice, bob]}]
rotas: [{name: first, timeZone: Europe/Berlin, start: "2026-01-05T09:00", shift: {days: 7}, members: [alice, bob]}]
overrides: [{name: swap, rota: first, member: bob, fromTime: 2026-02-01T00:00:00Z, untilTime: 2026-02-02T00:00:00Z, by: alice}]
maintenance: [{name: move, fromTime: 2026-03-01T00:00:00Z, untilTime: 2026-03-02T00:00:00Z, by: alice}]
steps:
- {name: on-call, tier: Support, notify: [{rota: first}, {connector: chat}], repeat: {every: 5m, times: 2}}
- {name: engineers, tier: Engineering, after: 15m, notify: [{group: leads}], expectation: Joins and brings logs}
- {name: director, tier: Management, after: 30m, condition: NotResolved, notify: [{contact: bob}, {connector: teams}]}
repeat: {times: 1, interval: 20m}
onExhausted: {after: 5m, notify: [{contact: alice}]}
communication: {notifyOn: [Opened], notify: [{reporter: true}], overdueNotify: [{contact: bob}]}
"##;

fn read(yaml: &str) -> EscalationPolicySpec {
    serde_saphyr::from_str(yaml).unwrap()
}

/// The good policy with one piece of its text replaced; the piece must be there.
fn with(from: &str, to: &str) -> EscalationPolicySpec {
    assert!(GOOD.contains(from), "the good policy has no \"{from}\"");
    read(&GOOD.replacen(from, to, 1))
}

fn surroundings() -> Surroundings {
    let secrets = [
        ("pager", vec!["signingKey"]),
        ("chat", vec!["token"]),
        ("teams", vec!["address"]),
        ("duty", vec!["routingKey"]),
        ("mail", vec!["username", "password"]),
    ];
    let keys = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
    Surroundings {
        now: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        secrets: Some(
            secrets
                .into_iter()
                .map(|(name, names)| (name.to_owned(), keys(names)))
                .collect(),
        ),
        defaults: vec!["gold".to_owned()],
    }
}

/// Codes and paths of all open items of a policy without errors.
fn open_items(spec: EscalationPolicySpec, around: &Surroundings) -> Vec<(&'static str, String)> {
    let checked = ValidPolicy::check_in(spec, around);
    assert!(checked.policy.is_ok(), "{:?}", checked.policy.err());
    checked
        .open_items
        .into_iter()
        .map(|item| (item.code.as_str(), item.path))
        .collect()
}

#[test]
fn a_good_policy_has_neither_errors_nor_open_items() {
    assert_eq!(open_items(read(GOOD), &surroundings()), []);
    assert_eq!(open_items(read(GOOD), &Surroundings::default()), []);
}

#[test]
fn a_chain_that_repeats_no_times_has_one_round() {
    let mut spec = read(GOOD);
    let mut rounds = |times| {
        spec.repeat = Some(api::ChainRepeat {
            times,
            interval: Duration::parse("20m").unwrap(),
        });
        ValidPolicy::check(spec.clone())
            .policy
            .unwrap()
            .chain_repeat()
    };
    assert_eq!(rounds(0), None);
    assert_eq!(rounds(1), Some((1, SignedDuration::from_mins(20))));
}

#[test]
fn a_step_that_repeats_no_times_has_no_repeats() {
    let repeat = |times: &str| {
        let policy = ValidPolicy::check(with("times: 2}}", times)).policy;
        policy.unwrap().step("on-call").unwrap().repeat
    };
    assert_eq!(repeat("times: 0}}"), None);
    assert_eq!(
        repeat("times: 1}}"),
        Some((SignedDuration::from_mins(5), 1))
    );
}

#[test]
fn a_missing_level_takes_the_row_of_the_default_severity_and_without_it_pages_without_targets() {
    let mut spec = read(GOOD);
    spec.severities.retain(|row| row.level == Severity::High);
    let policy = ValidPolicy::check(spec.clone()).policy.unwrap();
    let row = policy.row(Severity::Critical);
    assert_eq!(
        (row.declared, row.response_target.clone()),
        (false, Duration::parse("30m").ok())
    );
    assert!(policy.row(Severity::High).declared);

    spec.default_severity = Severity::Low;
    let policy = ValidPolicy::check(spec).policy.unwrap();
    let row = policy.row(Severity::Critical);
    assert_eq!(
        (
            row.paging,
            row.response_target.clone(),
            row.resolution_target.clone()
        ),
        (Paging::Page, None, None)
    );
    assert_eq!(row.calendar, Calendar::always());
}

#[test]
fn a_compiled_policy_says_what_the_spec_says() {
    let policy = ValidPolicy::check(with(
        "name: director, ",
        "name: director, severities: [Critical], calendar: business, ",
    ))
    .policy
    .unwrap();
    let names = |severity| {
        policy
            .steps_for(severity)
            .into_iter()
            .map(|step| step.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(Severity::Critical),
        ["on-call", "engineers", "director"]
    );
    assert_eq!(names(Severity::High), ["on-call", "engineers"]);
    let step = policy.step("on-call").unwrap();
    assert_eq!(
        (step.index, step.repeat),
        (0, Some((SignedDuration::from_mins(5), 2)))
    );
    assert_eq!(step.calendar, Calendar::always());
    assert_eq!(
        Some(&policy.step_at(2).unwrap().calendar),
        policy.calendar("business")
    );
    assert_eq!(
        policy.chain_repeat(),
        Some((1, SignedDuration::from_mins(20)))
    );
    assert_eq!(policy.on_exhausted().0, SignedDuration::from_mins(5));
    assert_eq!(policy.on_exhausted().1.len(), 1);
    assert_eq!(policy.default_severity(), Severity::High);

    let bare = ValidPolicy::check(EscalationPolicySpec::default())
        .policy
        .unwrap();
    assert_eq!(
        (bare.chain_repeat(), bare.on_exhausted()),
        (None, (SignedDuration::from_mins(5), &[][..]))
    );
}

#[test]
fn an_item_fits_into_a_status_whatever_its_names() {
    let long = "x".repeat(5000);
    let item = OpenItem {
        code: ItemCode::RotaGap,
        path: long.clone(),
        message: long,
    };
    let told = item.to_item();
    assert_eq!(
        (told.code.as_str(), told.path.len(), told.message.len()),
        ("RotaGap", 256, 512)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_spec_makes_a_check_panic_and_a_valid_one_answers_every_question(
        changes in prop::collection::vec(any_spec::any_change(), 1..6), second in 0_i64..4_000_000_000,
    ) {
        let good: EscalationPolicySpec = read(GOOD);
        let mut value = serde_json::to_value(&good).unwrap();
        for change in &changes {
            any_spec::apply(change, &mut value);
        }
        let Ok(spec) = serde_json::from_value::<EscalationPolicySpec>(value) else { return Ok(()) };
        let around = Surroundings { now: Timestamp::from_second(second).ok(), ..surroundings() };
        let checked = ValidPolicy::check_in(spec, &around);
        for item in &checked.open_items {
            prop_assert!(item.path.starts_with("spec"), "{}", item);
        }
        match checked.policy {
            Err(findings) => {
                prop_assert!(!findings.is_empty());
                for finding in &findings {
                    prop_assert!(finding.path.starts_with("spec.") && finding.message.contains("must"), "{}", finding);
                }
            }
            Ok(policy) => {
                let at = Timestamp::from_second(second).unwrap();
                let people = crate::domain::people::People { live: None, pinned: &policy };
                for level in LEVELS {
                    let _ = policy.row(level).calendar.add_working(at, SignedDuration::from_hours(100));
                    for step in policy.steps_for(level) {
                        prop_assert!(people.expand(&step.notify, at).len() <= MOST_TARGETS);
                    }
                }
            }
        }
    }
}

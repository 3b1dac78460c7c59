//! One row per check, by its words; each row is a good policy with one thing changed.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

mod any_spec;

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

/// Codes and paths of all errors.
fn errors(spec: EscalationPolicySpec) -> Vec<(&'static str, String)> {
    let findings = ValidPolicy::check(spec)
        .policy
        .expect_err("there must be an error");
    for finding in &findings {
        assert!(
            finding.message.contains("must"),
            "{finding} does not say what it must be"
        );
    }
    findings
        .into_iter()
        .map(|finding| (finding.code.as_str(), finding.path))
        .collect()
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

#[rstest]
#[case::unknown_contact(
    "notify: [{contact: bob}",
    "notify: [{contact: eve}",
    "UnknownContact",
    "spec.steps[2].notify[0].contact"
)]
#[case::unknown_contact_in_a_group(
    "members: [alice, bob]}]\nrotas",
    "members: [alice, eve]}]\nrotas",
    "UnknownContact",
    "spec.groups[0].members[1]"
)]
#[case::unknown_contact_in_a_rota(
    "members: [alice, bob]}]\noverrides",
    "members: [eve]}]\noverrides",
    "UnknownContact",
    "spec.rotas[0].members[0]"
)]
#[case::unknown_contact_in_an_override(
    "member: bob",
    "member: eve",
    "UnknownContact",
    "spec.overrides[0].member"
)]
#[case::unknown_contact_on_exhaustion(
    "notify: [{contact: alice}]",
    "notify: [{contact: eve}]",
    "UnknownContact",
    "spec.onExhausted.notify[0].contact"
)]
#[case::unknown_contact_when_overdue(
    "overdueNotify: [{contact: bob}]",
    "overdueNotify: [{contact: eve}]",
    "UnknownContact",
    "spec.communication.overdueNotify[0].contact"
)]
#[case::unknown_group(
    "{group: leads}",
    "{group: crew}",
    "UnknownGroup",
    "spec.steps[1].notify[0].group"
)]
#[case::unknown_rota(
    "{rota: first}",
    "{rota: second}",
    "UnknownRota",
    "spec.steps[0].notify[0].rota"
)]
#[case::unknown_rota_in_an_override(
    "rota: first, member",
    "rota: second, member",
    "UnknownRota",
    "spec.overrides[0].rota"
)]
#[case::unknown_connector(
    "{connector: chat}",
    "{connector: chart}",
    "UnknownConnector",
    "spec.steps[0].notify[1].connector"
)]
#[case::unknown_connector_of_a_contact(
    "reach: [{connector: duty}]",
    "reach: [{connector: dusty}]",
    "UnknownConnector",
    "spec.contacts[1].reach[0].connector"
)]
#[case::unknown_calendar(
    "responseTarget: 4h, calendar: business",
    "responseTarget: 4h, calendar: night",
    "UnknownCalendar",
    "spec.severities[2].calendar"
)]
#[case::unknown_calendar_of_a_step(
    "tier: Engineering,",
    "tier: Engineering, calendar: night,",
    "UnknownCalendar",
    "spec.steps[1].calendar"
)]
#[case::unknown_calendar_of_a_rota(
    "shift: {days: 7}",
    "shift: {days: 7}, calendar: night",
    "UnknownCalendar",
    "spec.rotas[0].calendar"
)]
#[case::unknown_calendar_of_a_channel(
    "type: Phone",
    "type: Phone, calendar: night",
    "UnknownCalendar",
    "spec.channels[0].calendar"
)]
#[case::unknown_zone(
    "  timeZone: Europe/Berlin",
    "  timeZone: Europe/Bärlin",
    "UnknownTimeZone",
    "spec.calendars[0].timeZone"
)]
#[case::unknown_zone_of_a_contact(
    "alice, timeZone: Europe/Berlin",
    "alice, timeZone: Mars/Base",
    "UnknownTimeZone",
    "spec.contacts[0].timeZone"
)]
#[case::unknown_zone_of_a_rota(
    "first, timeZone: Europe/Berlin",
    "first, timeZone: CEST+2",
    "UnknownTimeZone",
    "spec.rotas[0].timeZone"
)]
#[case::duplicate_step(
    "name: engineers",
    "name: on-call",
    "DuplicateName",
    "spec.steps[1].name"
)]
#[case::duplicate_contact(
    "groups: [",
    "- {name: bob, reach: [{connector: pager}]}\ngroups: [",
    "DuplicateName",
    "spec.contacts[2].name"
)]
#[case::duplicate_connector(
    "contacts:\n",
    "- {name: chat, type: Slack, secretRef: {name: chat}}\ncontacts:\n",
    "DuplicateName",
    "spec.connectors[5].name"
)]
#[case::duplicate_level(
    "level: High",
    "level: Critical",
    "DuplicateName",
    "spec.severities[1].level"
)]
#[case::windows_that_overlap(
    r#"to: "17:30"}"#,
    r#"to: "17:30"}, {days: [Fri], from: "17:00", to: "18:00"}"#,
    "WindowsOverlap",
    "spec.calendars[0].windows"
)]
#[case::windows_that_overlap_over_midnight(
    r#"to: "17:30"}"#,
    r#"to: "17:30"}, {days: [Thu], from: "22:00", to: "09:30"}"#,
    "WindowsOverlap",
    "spec.calendars[0].windows"
)]
#[case::a_window_without_a_day(
    "days: [Mon, Tue, Wed, Thu, Fri]",
    "days: []",
    "WindowEmpty",
    "spec.calendars[0].windows[0].days"
)]
#[case::a_window_that_cannot_be_read(
    r#"from: "09:00""#,
    r#"from: "24:00""#,
    "InvalidTime",
    "spec.calendars[0].windows[0].from"
)]
#[case::a_holiday_that_is_no_day(
    "2026-12-25",
    "2026-02-30",
    "InvalidTime",
    "spec.calendars[0].holidays[0]"
)]
#[case::a_start_that_cannot_be_read(
    "2026-01-05T09:00",
    "2026-01-05T25:00",
    "InvalidTime",
    "spec.rotas[0].start"
)]
#[case::an_override_that_ends_before_it_starts(
    "untilTime: 2026-02-02T00:00:00Z",
    "untilTime: 2026-01-31T00:00:00Z",
    "InvalidTime",
    "spec.overrides[0].untilTime"
)]
#[case::a_maintenance_that_ends_as_it_starts(
    "untilTime: 2026-03-02T00:00:00Z",
    "untilTime: 2026-03-01T00:00:00Z",
    "InvalidTime",
    "spec.maintenance[0].untilTime"
)]
#[case::a_shift_without_length(
    "shift: {days: 7}",
    "shift: {}",
    "InvalidShift",
    "spec.rotas[0].shift"
)]
#[case::a_shift_of_days_and_hours(
    "shift: {days: 7}",
    "shift: {days: 7, hours: 8}",
    "InvalidShift",
    "spec.rotas[0].shift"
)]
#[case::a_target_that_names_nothing(
    "{reporter: true}",
    "{}",
    "InvalidTarget",
    "spec.communication.notify[0]"
)]
#[case::a_target_that_names_two(
    "{reporter: true}",
    "{contact: alice, rota: first}",
    "InvalidTarget",
    "spec.communication.notify[0]"
)]
#[case::a_repeat_without_a_pause(
    "every: 5m",
    "every: 0s",
    "InvalidRepeat",
    "spec.steps[0].repeat.every"
)]
#[case::rounds_without_a_pause(
    "interval: 20m",
    "interval: 999ms",
    "InvalidRepeat",
    "spec.repeat.interval"
)]
fn an_error_is_named_with_its_place(
    #[case] from: &str,
    #[case] to: &str,
    #[case] code: &str,
    #[case] path: &str,
) {
    assert_eq!(errors(with(from, to)), [(code, path.to_owned())]);
}

#[rstest]
#[case::a_webhook_to_no_url(
    "https://pager.example.com/hook",
    "pager.example.com",
    "spec.connectors[0].address"
)]
#[case::a_webhook_to_another_scheme(
    "https://pager.example.com/hook",
    "ftp://pager.example.com",
    "spec.connectors[0].address"
)]
#[case::a_slack_url_in_the_open(
    "\"#ops\"",
    "\"https://hooks.slack.example/T0/B0\"",
    "spec.connectors[1].address"
)]
#[case::teams_with_an_address(
    "type: MSTeams,",
    "type: MSTeams, address: x,",
    "spec.connectors[2].address"
)]
#[case::pagerduty_with_an_address(
    "type: PagerDuty,",
    "type: PagerDuty, address: x,",
    "spec.connectors[3].address"
)]
#[case::mail_without_a_server(
    "server: \"smtps://mail.example.com:465\", ",
    "",
    "spec.connectors[4].server"
)]
#[case::mail_over_http(
    "smtps://mail.example.com:465",
    "https://mail.example.com",
    "spec.connectors[4].server"
)]
#[case::no_mail_address(
    "address: alice@example.com",
    "address: alice",
    "spec.contacts[0].reach[1].address"
)]
#[case::no_mail_address_at_all(
    ", address: alice@example.com",
    "",
    "spec.contacts[0].reach[1].address"
)]
#[case::a_contacts_own_address_counts(
    "{connector: duty}]",
    "{connector: duty, address: x}]",
    "spec.contacts[1].reach[0].address"
)]
#[case::a_webhook_without_any_address(
    "address: \"https://pager.example.com/hook\", secretRef: {name: pager}",
    "timeout: 5s",
    "spec.contacts[0].reach[0].address"
)]
#[case::mail_to_nobody_in_particular(
    "{connector: chat}]",
    "{connector: mail}]",
    "spec.steps[0].notify[1].connector"
)]
fn an_address_its_connector_cannot_use_is_an_error(
    #[case] from: &str,
    #[case] to: &str,
    #[case] path: &str,
) {
    assert_eq!(
        errors(with(from, to)),
        [("AddressUnusable", path.to_owned())]
    );
}

#[rstest]
#[case("#ops")]
#[case("#störung")]
#[case("C012AB3CD")]
#[case("@alice.b")]
fn a_slack_channel_or_user_is_taken(#[case] address: &str) {
    let spec = with("\"#ops\"", &format!("\"{address}\""));
    assert!(ValidPolicy::check(spec).policy.is_ok());
}

#[rstest]
#[case("alice+pager@example.com", true)]
#[case("ops@mail.example.co.uk", true)]
#[case("a@b", true)]
#[case("@example.com", false)]
#[case("alice@", false)]
#[case("alice@example..com", false)]
#[case("al ice@example.com", false)]
#[case("alice@example.com, bob@example.com", false)]
#[case("Alice <alice@example.com>", false)]
#[case("alice@example.com\\r\\nBcc: eve@example.com", false)]
fn a_mail_address_is_one_plain_address(#[case] address: &str, #[case] taken: bool) {
    let spec = with(
        "address: alice@example.com",
        &format!("address: \"{address}\""),
    );
    assert_eq!(ValidPolicy::check(spec).policy.is_ok(), taken);
}

#[test]
fn a_secret_url_never_stands_in_a_message() {
    let spec = with(
        "\"#ops\"",
        "\"https://user:word@hooks.slack.example/services/T0/hidden\"",
    );
    let findings = ValidPolicy::check(spec).policy.unwrap_err();
    let said = findings.iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains("hooks.slack.example"), "{said}");
    assert!(!said.contains("hidden") && !said.contains("word"), "{said}");
}

#[test]
fn a_step_of_more_than_16_targets_is_an_error_and_one_of_16_is_not() {
    let with_members = |count: usize| {
        let mut spec = read(GOOD);
        for number in 0..count {
            let name = format!("c{number}");
            spec.contacts.push(Contact {
                name: name.clone(),
                reach: spec.contacts[1].reach.clone(),
                ..Contact::default()
            });
            spec.groups[0].members.push(name);
        }
        // Named twice, counted once.
        spec.steps[1].notify.push(NotifyTarget {
            contact: Some("alice".to_owned()),
            ..NotifyTarget::default()
        });
        spec
    };
    assert!(ValidPolicy::check(with_members(14)).policy.is_ok());
    assert_eq!(
        errors(with_members(15)),
        [("TooManyTargets", "spec.steps[1].notify".to_owned())]
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let spec = read(
        &GOOD
            .replace("{group: leads}", "{group: crew}")
            .replace("every: 5m", "every: 0s"),
    );
    let codes: Vec<_> = errors(spec).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["InvalidRepeat", "UnknownGroup"]);
}

#[rstest]
#[case::a_secret_is_not_named(
    "type: MSTeams, secretRef: {name: teams}",
    "type: MSTeams",
    "SecretMissing",
    "spec.connectors[2].secretRef"
)]
#[case::a_secret_does_not_exist(
    "secretRef: {name: duty}",
    "secretRef: {name: gone}",
    "SecretMissing",
    "spec.connectors[3].secretRef"
)]
#[case::a_secret_lacks_its_key(
    "secretRef: {name: duty}",
    "secretRef: {name: pager}",
    "SecretKeyMissing",
    "spec.connectors[3].secretRef"
)]
#[case::a_webhook_whose_url_should_be_in_the_secret(
    "address: \"https://pager.example.com/hook\", ",
    "",
    "SecretKeyMissing",
    "spec.connectors[0].secretRef"
)]
#[case::a_step_names_nobody(
    "notify: [{group: leads}]",
    "notify: []",
    "StepReachesNobody",
    "spec.steps[1].notify"
)]
#[case::a_severity_without_response_target(
    "{level: High, responseTarget: 30m,",
    "{level: High,",
    "NoResponseTarget",
    "spec.severities[1].responseTarget"
)]
#[case::a_severity_without_row(
    "- {level: Low, responseTarget: 8h, calendar: business, paging: RecordOnly}\n",
    "",
    "SeverityMissing",
    "spec.severities"
)]
#[case::a_lower_severity_with_a_shorter_response(
    "High, responseTarget: 30m",
    "High, responseTarget: 10m",
    "LowerSeverityLouder",
    "spec.severities[1]"
)]
#[case::a_lower_severity_with_a_shorter_resolution(
    "resolutionTarget: 8h",
    "resolutionTarget: 2h",
    "LowerSeverityLouder",
    "spec.severities[1]"
)]
#[case::a_lower_severity_that_pages_earlier(
    "{level: Critical,",
    "{level: Critical, initialDelay: 5m,",
    "LowerSeverityLouder",
    "spec.severities[1]"
)]
#[case::a_higher_severity_is_recorded_only(
    "{level: High,",
    "{level: High, paging: RecordOnly,",
    "LowerSeverityLouder",
    "spec.severities[2]"
)]
#[case::a_step_for_a_severity_that_never_pages(
    "name: director, ",
    "name: director, severities: [Low], ",
    "StepNeverFires",
    "spec.steps[2]"
)]
#[case::repeats_longer_than_the_next_step(
    "every: 5m, times: 2",
    "every: 5m, times: 4",
    "RepeatsTooLong",
    "spec.steps[0].repeat"
)]
#[case::no_engineering_step("tier: Engineering", "tier: Vendor", "NoEngineeringStep", "spec.steps")]
#[case::no_expectation(
    ", expectation: Joins and brings logs",
    "",
    "NoExpectation",
    "spec.steps[1].expectation"
)]
#[case::nobody_knows_how_to_submit(
    "channels: [{name: desk, type: Phone, address: \"+49 30 1234\"}]",
    "channels: []",
    "StageUnserved",
    "spec.channels"
)]
#[case::nobody_asks_for_the_validation(
    "responseTarget: 15m,",
    "responseTarget: 15m, validation: {required: true},",
    "StageUnserved",
    "spec.severities[0].validation"
)]
#[case::a_review_is_overdue(
    "reviewEvery: 4320h",
    "reviewEvery: 24h",
    "ReviewOverdue",
    "spec.document.lastReviewTime"
)]
#[case::never_reviewed(
    "lastReviewTime: 2026-01-01T00:00:00Z, ",
    "",
    "ReviewOverdue",
    "spec.document.lastReviewTime"
)]
#[case::a_rota_that_sleeps_while_its_step_pages(
    "shift: {days: 7}",
    "shift: {days: 7}, calendar: business",
    "RotaGap",
    "spec.rotas[0]"
)]
#[case::a_rota_that_starts_later(
    "start: \"2026-01-05T09:00\"",
    "start: \"2026-07-05T09:00\"",
    "RotaGap",
    "spec.rotas[0]"
)]
fn an_open_item_is_named_with_its_place(
    #[case] from: &str,
    #[case] to: &str,
    #[case] code: &str,
    #[case] path: &str,
) {
    assert_eq!(
        open_items(with(from, to), &surroundings()),
        [(code, path.to_owned())]
    );
}

#[test]
fn a_step_of_contacts_without_a_way_reaches_nobody() {
    let mut spec = read(GOOD);
    spec.contacts[1].reach.clear();
    spec.steps[2].notify.truncate(1);
    let expected = [
        ("StepReachesNobody", "spec.steps[2].notify".to_owned()),
        ("ContactUnreachable", "spec.contacts[1].reach".to_owned()),
    ];
    assert_eq!(open_items(spec, &surroundings()), expected);
}

#[test]
fn an_unresolved_ticket_that_nobody_is_called_for_again_is_a_stage_unserved() {
    let spec = with("condition: NotResolved, ", "");
    assert_eq!(open_items(spec.clone(), &surroundings()), []);
    let mut spec = spec;
    spec.severities[1].acknowledgement_timeout = None;
    assert_eq!(
        open_items(spec, &surroundings()),
        [("StageUnserved", "spec.severities".to_owned())]
    );
}

#[test]
fn a_severity_that_pages_without_a_step_is_a_stage_unserved() {
    let mut spec = read(GOOD);
    for step in &mut spec.steps {
        step.severities = vec![Severity::Critical, Severity::High];
    }
    let found = open_items(spec, &surroundings());
    assert_eq!(found, [("StageUnserved", "spec.steps".to_owned())]);
}

#[test]
fn a_rota_within_the_hours_of_its_step_has_no_gap_although_it_sleeps() {
    let yaml = GOOD
        .replace("shift: {days: 7}", "shift: {days: 7}, calendar: business")
        .replace("name: on-call,", "name: on-call, calendar: business,");
    assert_eq!(open_items(read(&yaml), &surroundings()), []);
}

#[test]
fn more_than_one_default_is_a_conflict_of_each_and_says_which_one_counts() {
    let around = Surroundings {
        defaults: vec!["old".to_owned(), "gold".to_owned()],
        ..surroundings()
    };
    let checked = ValidPolicy::check_in(read(GOOD), &around);
    let item = checked.open_items.first().unwrap();
    assert_eq!(
        (item.code, item.path.as_str()),
        (ItemCode::DefaultConflict, "spec.default")
    );
    assert!(item.message.contains("\"old\" counts"), "{}", item.message);
    assert_eq!(
        open_items(with("default: true", "default: false"), &around),
        []
    );
}

#[test]
fn what_is_not_known_is_not_checked() {
    let spec = read(
        &GOOD
            .replace("reviewEvery: 4320h", "reviewEvery: 1h")
            .replace("{name: duty}}", "{name: gone}}"),
    );
    assert_eq!(open_items(spec, &Surroundings::default()), []);
}

#[test]
fn open_items_are_told_beside_errors() {
    let spec = read(
        &GOOD
            .replace("{group: leads}", "{group: crew}")
            .replace("{level: High, responseTarget: 30m,", "{level: High,"),
    );
    let checked = ValidPolicy::check(spec);
    assert!(checked.policy.is_err());
    assert!(
        checked
            .open_items
            .iter()
            .any(|item| item.code == ItemCode::NoResponseTarget)
    );
}

#[test]
fn a_missing_level_takes_the_row_of_the_default_severity_and_without_it_pages_without_targets() {
    let mut spec = read(GOOD);
    spec.severities.retain(|row| row.level == Severity::High);
    let policy = ValidPolicy::check(spec.clone()).policy.unwrap();
    let row = policy.row(Severity::Critical);
    assert_eq!(
        (row.declared, row.response_target),
        (false, Some(SignedDuration::from_mins(30)))
    );
    assert!(policy.row(Severity::High).declared);

    spec.default_severity = Severity::Low;
    let policy = ValidPolicy::check(spec).policy.unwrap();
    let row = policy.row(Severity::Critical);
    assert_eq!(
        (row.paging, row.response_target, row.resolution_target),
        (Paging::Page, None, None)
    );
    assert!(row.calendar.is_always());
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
    assert!(step.calendar.is_always());
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

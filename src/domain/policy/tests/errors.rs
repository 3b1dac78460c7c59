//! What makes a revision unusable.

use rstest::rstest;

use super::{GOOD, read, with};
use crate::api::{Contact, EscalationPolicySpec, NotifyTarget};
use crate::domain::policy::ValidPolicy;

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
#[case::a_time_without_its_second_digit(
    r#"from: "09:00""#,
    r#"from: "9:00""#,
    "InvalidTime",
    "spec.calendars[0].windows[0].from"
)]
#[case::a_time_with_minutes_of_one_digit(
    r#"to: "17:30""#,
    r#"to: "17:3""#,
    "InvalidTime",
    "spec.calendars[0].windows[0].to"
)]
#[case::a_time_with_a_sign(
    r#"from: "09:00""#,
    r#"from: "+9:00""#,
    "InvalidTime",
    "spec.calendars[0].windows[0].from"
)]
#[case::a_holiday_with_a_time_of_day(
    "2026-12-25",
    "2026-12-25T09:00",
    "InvalidTime",
    "spec.calendars[0].holidays[0]"
)]
#[case::a_holiday_in_other_writing(
    "2026-12-25",
    "20261225",
    "InvalidTime",
    "spec.calendars[0].holidays[0]"
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
#[case::mail_to_a_path_of_a_server(
    "smtps://mail.example.com:465",
    "smtps://mail.example.com:465/inbox",
    "spec.connectors[4].server"
)]
#[case::mail_to_a_query_of_a_server(
    "smtps://mail.example.com:465",
    "smtps://mail.example.com:465?tls=no",
    "spec.connectors[4].server"
)]
#[case::mail_to_a_fragment_of_a_server(
    "smtps://mail.example.com:465",
    "smtps://mail.example.com:465#inbox",
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

#[test]
fn a_pause_of_one_second_between_repeats_is_enough() {
    assert!(
        ValidPolicy::check(with("every: 5m", "every: 1s"))
            .policy
            .is_ok()
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
#[case("ops@my-shop.example.com", true)]
#[case("ops@my_shop.example.com", false)]
#[case("ops@-shop.example.com", false)]
#[case("ops@shop-.example.com", false)]
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

//! What people still have to settle.

use rstest::rstest;

use super::{GOOD, open_items, read, surroundings, with};
use crate::api::{Contact, EscalationPolicySpec, Severity};
use crate::domain::policy::{ItemCode, Surroundings, ValidPolicy};

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

#[rstest]
#[case::in_a_group(|spec: &mut EscalationPolicySpec| spec.groups[0].members.push("carol".to_owned()))]
#[case::in_a_rota(|spec: &mut EscalationPolicySpec| spec.rotas[0].members.push("carol".to_owned()))]
#[case::in_the_place_of_another(|spec: &mut EscalationPolicySpec| "carol".clone_into(&mut spec.overrides[0].member))]
fn whoever_is_told_among_others_needs_a_way_to_be_reached_too(
    #[case] tell: impl Fn(&mut EscalationPolicySpec),
) {
    let mut spec = read(GOOD);
    spec.contacts.push(Contact {
        name: "carol".to_owned(),
        ..Contact::default()
    });
    assert_eq!(open_items(spec.clone(), &surroundings()), []);
    tell(&mut spec);
    let expected = [("ContactUnreachable", "spec.contacts[2].reach".to_owned())];
    assert_eq!(open_items(spec, &surroundings()), expected);
}

#[test]
fn a_review_is_overdue_once_its_time_has_passed() {
    let items = |now: &str| {
        let around = Surroundings {
            now: Some(now.parse().unwrap()),
            ..surroundings()
        };
        open_items(read(GOOD), &around)
    };
    assert_eq!(items("2026-06-30T00:00:00Z"), []);
    let expected = [("ReviewOverdue", "spec.document.lastReviewTime".to_owned())];
    assert_eq!(items("2026-06-30T00:00:01Z"), expected);
}

#[test]
fn a_holiday_without_anybody_on_call_is_told_nearly_a_year_ahead() {
    let yaml = GOOD
        .replace("shift: {days: 7}", "shift: {days: 7}, calendar: business")
        .replace("Thu, Fri]", "Thu, Fri, Sat, Sun]")
        .replace(
            r#"from: "09:00", to: "17:30""#,
            r#"from: "00:00", to: "24:00""#,
        );
    let around = Surroundings {
        now: Some("2026-01-10T00:00:00Z".parse().unwrap()),
        ..surroundings()
    };
    let items = ValidPolicy::check_in(read(&yaml), &around).open_items;
    let [gap] = &items[..] else {
        panic!("{items:?}")
    };
    let words = "from 2026-12-24T23:00:00Z until 2026-12-25T23:00:00Z";
    assert!(gap.message.contains(words), "{}", gap.message);
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

#[rstest]
#[case::a_gap_that_runs(
    "shift: {days: 7}, calendar: business",
    "2026-06-01T22:00:00Z",
    "2026-06-01T23:00:00Z",
    "now until 2026-06-02T07:00:00Z"
)]
#[case::a_gap_ahead(
    "shift: {days: 7}, calendar: business",
    "2026-06-02T08:00:00Z",
    "2026-06-02T09:00:00Z",
    "from 2026-06-02T15:30:00Z until 2026-06-03T07:00:00Z"
)]
fn a_gap_is_told_in_the_same_words_by_the_next_check(
    #[case] shift: &str,
    #[case] now: &str,
    #[case] later: &str,
    #[case] words: &str,
) {
    let message = |now: &str| {
        let around = Surroundings {
            now: Some(now.parse().unwrap()),
            ..surroundings()
        };
        let items = ValidPolicy::check_in(with("shift: {days: 7}", shift), &around).open_items;
        items
            .into_iter()
            .find(|item| item.code == ItemCode::RotaGap)
            .unwrap()
            .message
    };
    assert!(message(now).contains(words), "{}", message(now));
    assert_eq!(message(now), message(later));
}

#[test]
fn a_gap_that_does_not_end_within_the_view_is_told_in_the_same_words_by_the_next_check() {
    let message = |now: &str| {
        let around = Surroundings {
            now: Some(now.parse().unwrap()),
            ..surroundings()
        };
        let spec = with("start: \"2026-01-05T09:00\"", "start: \"2030-01-05T09:00\"");
        let items = ValidPolicy::check_in(spec, &around).open_items;
        items
            .into_iter()
            .find(|item| item.code == ItemCode::RotaGap)
            .unwrap()
            .message
    };
    assert!(
        message("2026-06-01T00:00:00Z").contains("is on call now and for the year ahead, while")
    );
    assert_eq!(
        message("2026-06-01T00:00:00Z"),
        message("2026-06-02T00:00:00Z")
    );
}

/// What is said of Secrets about the good policy with pieces of its text replaced.
fn said_of_secrets(pieces: &[(&str, &str)]) -> Vec<String> {
    let text = pieces.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the good policy has no \"{from}\"");
        text.replacen(from, to, 1)
    });
    let checked = ValidPolicy::check_in(read(&text), &surroundings());
    let about = [ItemCode::SecretMissing, ItemCode::SecretKeyMissing];
    let mut items = checked.open_items;
    items.retain(|item| about.contains(&item.code));
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn a_connector_needs_the_keys_that_it_sends_with_and_no_others() {
    let lacks = |index: usize, keys: &str, connector: &str| {
        format!(
            "spec.connectors[{index}].secretRef: Secret \"pager\" must have key {keys}, or nothing leaves by connector \
             \"{connector}\" (SecretKeyMissing)"
        )
    };
    let no_login = said_of_secrets(&[(", secretRef: {name: mail}", "")]);
    assert!(no_login.is_empty(), "{no_login:?}");
    let mut wrong_login = said_of_secrets(&[("{name: mail}", "{name: pager}")]);
    wrong_login.sort();
    let wanted = ["`password`", "`username`"].map(|key| lacks(4, key, "mail"));
    assert_eq!(wrong_login, wanted);
    let wrong_chat = said_of_secrets(&[("{name: chat}", "{name: pager}")]);
    assert_eq!(wrong_chat, [lacks(1, "`token` or `address`", "chat")]);
    let every_use_has_its_address = said_of_secrets(&[
        ("address: \"https://pager.example.com/hook\", ", ""),
        (
            "{connector: pager}",
            "{connector: pager, address: \"https://pager.example.com/alice\"}",
        ),
    ]);
    assert!(
        every_use_has_its_address.is_empty(),
        "{every_use_has_its_address:?}"
    );
}

#[test]
fn lint_counts_a_missing_level_and_an_unusable_template_as_errors_and_nothing_else() {
    for (code, wanted) in [
        (ItemCode::SeverityMissing, true),
        (ItemCode::TemplateInvalid, true),
        (ItemCode::NoExpectation, false),
        (ItemCode::SecretMissing, false),
    ] {
        assert_eq!(code.is_error_in_lint(), wanted, "{}", code.as_str());
    }
}

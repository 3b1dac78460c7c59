//! `policy diff`: what a change means for people.

use crate::{Answer, CHAIN, PEOPLE, call, folder, policy};

const NIGHTS: &str = r#"
calendars: [{name: office, timeZone: Europe/Berlin, windows: [{days: [Mon, Tue, Wed, Thu, Fri], from: "09:00", to: "17:00"}]}]
severities: [{level: Critical, responseTarget: 15m}, {level: Low, paging: RecordOnly}]
defaultSeverity: Low
steps:
- {name: first, severities: [Critical], notify: [{contact: alice}]}
- {name: second, after: 30m, severities: [Critical], notify: [{contact: bob}]}
"#;

fn diff(old: &str, new: &str) -> Answer {
    let of = |spec: &str| policy(&(PEOPLE.to_owned() + spec));
    let files = folder(&[("old.yaml", &of(old)), ("new.yaml", &of(new))]);
    call(
        files.path(),
        &[
            "diff",
            "old.yaml",
            "new.yaml",
            "--at",
            "2026-03-25T00:00:00Z",
        ],
    )
}

fn lines(answer: &Answer) -> Vec<&str> {
    answer.out.lines().collect()
}

#[test]
fn a_faster_step_and_a_dropped_person_are_told_as_people_feel_them() {
    let new = NIGHTS
        .replace("after: 30m", "after: 15m")
        .replace("[{contact: alice}]", "[{contact: carol}]");
    let answer = diff(NIGHTS, &new);
    assert_eq!(answer.code, Some(1), "{}", answer.error);
    let expected = [
        "a Critical ticket at any hour no longer reaches alice",
        "a Critical ticket at any hour reaches bob after 15m instead of 30m",
        "a Critical ticket at any hour now reaches carol, at once",
        "a Critical ticket at any hour that nobody answers is given up after 20m instead of 35m",
        "a Critical ticket at any hour no longer tells alice of AcknowledgedBy",
        "a Critical ticket at any hour now tells carol of AcknowledgedBy",
    ];
    assert_eq!(lines(&answer), expected);
}

#[test]
fn what_changes_at_night_and_on_weekends_only_says_so() {
    let new = NIGHTS.replace("{name: second,", "{name: second, calendar: office,");
    let answer = diff(NIGHTS, &new);
    let reaches: Vec<&str> = lines(&answer)
        .into_iter()
        .filter(|line| line.contains("reaches bob"))
        .collect();
    let expected = [
        "a Critical ticket at 02:00 reaches bob after 7h instead of 30m",
        "a Critical ticket at 14:00 on a Saturday reaches bob after 43h instead of 30m",
    ];
    assert_eq!(reaches, expected, "{}", answer.out);
}

#[test]
fn targets_and_paging_are_compared_as_written() {
    let new = NIGHTS
        .replace("responseTarget: 15m", "responseTarget: 900s")
        .replace("RecordOnly}", "RecordOnly, resolutionTarget: 40h}");
    let answer = diff(NIGHTS, &new);
    let expected = [
        "High: the target of the resolution is 40h instead of none",
        "Medium: the target of the resolution is 40h instead of none",
        "Low: the target of the resolution is 40h instead of none",
    ];
    assert_eq!(lines(&answer), expected);
}

#[test]
fn what_means_nothing_for_people_ends_with_0() {
    let new = CHAIN.to_owned() + "assumptions: [Everybody reads this.]\n";
    let answer = diff(CHAIN, &new);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (Some(0), "Nothing changes for people.\n")
    );
}

#[test]
fn an_acknowledged_ticket_is_compared_where_it_differs_from_an_unanswered_one() {
    let old = CHAIN.replace(", acknowledgementTimeout: 30m", "");
    let new = old.replace("condition: NotResolved, ", "");
    let answer = diff(&old, &new);
    let expected = "a ticket of any severity at any hour that is acknowledged after 1m no longer reaches carol";
    assert_eq!(lines(&answer), [expected]);
}

#[test]
fn policies_that_come_and_go_are_named_and_trouble_ends_with_2() {
    let good = |name: &str| {
        policy(&(PEOPLE.to_owned() + CHAIN)).replace("name: gold", &format!("name: {name}"))
    };
    let old = good("gold") + "---\n" + &good("silver");
    let new = good("gold") + "---\n" + &good("bronze");
    let files = folder(&[
        ("old.yaml", &old),
        ("new.yaml", &new),
        ("none.yaml", "kind: Other\n"),
    ]);
    let answer = call(files.path(), &["diff", "old.yaml", "new.yaml"]);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.out.contains("policy bronze is new"),
        "{}",
        answer.out
    );
    assert!(
        answer.out.contains("policy silver is gone"),
        "{}",
        answer.out
    );
    assert!(!answer.out.contains("gold"), "{}", answer.out);
    let none = call(files.path(), &["diff", "old.yaml", "none.yaml"]);
    assert_eq!(none.code, Some(2), "{}", none.out);
}

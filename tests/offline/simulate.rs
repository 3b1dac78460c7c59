//! `policy simulate`: the example of the API's rules, holds, hours, days on which clocks change, and the three forms.

use serde_json::Value;

use crate::{Answer, CHAIN, PEOPLE, call_with, examples, policy};

fn simulate(spec: &str, args: &[&str]) -> Answer {
    let mut all = vec!["simulate", "-"];
    all.extend(args);
    let answer = call_with(&examples(), &all, &policy(&(PEOPLE.to_owned() + spec)));
    assert_eq!(
        answer.code,
        Some(0),
        "{args:?}: {}{}",
        answer.out,
        answer.error
    );
    answer
}

/// `AFTER who` of each page, and `AFTER word` of each event.
fn story(spec: &str, args: &[&str]) -> Vec<String> {
    let mut all = args.to_vec();
    all.extend(["--output", "json"]);
    let report: Value = serde_json::from_str(&simulate(spec, &all).out).unwrap();
    let entries = report["entries"].as_array().unwrap().iter();
    let shown = entries.filter(|entry| entry["step"].is_string() || entry["to"].is_null());
    let line = |entry: &Value| {
        let who = entry["to"].as_str().or(entry["what"].as_str()).unwrap();
        format!("{} {who}", entry["after"].as_str().unwrap())
    };
    shown.map(line).collect()
}

const MONDAY: [&str; 4] = ["--severity", "High", "--at", "2026-01-05T10:00:00Z"];

fn on_monday<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args: Vec<&str> = MONDAY.to_vec();
    args.extend(more);
    args
}

#[test]
fn a_ticket_that_nobody_answers_takes_the_times_of_the_rules_example() {
    let expected = [
        "0s Opened",
        "0s alice",
        "5m alice",
        "10m alice",
        "15m bob",
        "15m ResponseBreached",
        "45m carol",
        "1h5m alice",
        "1h10m alice",
        "1h15m alice",
        "1h20m bob",
        "1h50m carol",
        "1h55m Exhausted",
        "4h ResolutionBreached",
    ];
    assert_eq!(story(CHAIN, &on_monday(&[])), expected);
}

#[test]
fn acknowledged_and_never_resolved_it_calls_again_after_the_expiry() {
    let expected = [
        "0s Opened",
        "0s alice",
        "5m alice",
        "7m Acknowledged",
        "37m Expired",
        "37m alice",
        "42m alice",
        "47m alice",
        "52m bob",
        "1h22m carol",
        "1h42m alice",
    ];
    let found = story(CHAIN, &on_monday(&["--acknowledge-after", "7m"]));
    assert_eq!(&found[..expected.len()], expected);
}

#[test]
fn resolved_nobody_is_called_any_more_and_the_targets_are_met() {
    let args = on_monday(&["--acknowledge-after", "1m", "--resolve-after", "20m"]);
    assert_eq!(
        story(CHAIN, &args),
        ["0s Opened", "0s alice", "1m Acknowledged", "20m Resolved"]
    );
    let text = simulate(CHAIN, &args).out;
    assert!(
        text.contains("First response: target 15m, due Mon 2026-01-05 10:15:00 UTC: met"),
        "{text}"
    );
    assert!(
        text.contains("Resolution: target 4h, due Mon 2026-01-05 14:00:00 UTC: met"),
        "{text}"
    );
}

#[test]
fn a_hold_shifts_what_comes_after_it_by_its_length() {
    let found = story(CHAIN, &on_monday(&["--hold", "6m..36m"]));
    let pages: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|line| line.ends_with("alice") || line.ends_with("bob"))
        .collect();
    assert_eq!(
        &pages[..4],
        ["0s alice", "5m alice", "40m alice", "45m bob"],
        "{found:?}"
    );
    assert!(found.contains(&"6m Held".to_owned()), "{found:?}");
}

const OFFICE: &str = r#"
calendars: [{name: office, timeZone: Europe/Berlin, windows: [{days: [Mon, Tue, Wed, Thu, Fri], from: "09:00", to: "17:00"}]}]
severities: [{level: Low, responseTarget: 4h, calendar: office}]
steps: [{name: desk, calendar: office, notify: [{contact: alice}, {contact: bob}]}]
"#;

#[test]
fn off_hours_a_step_waits_for_its_opening_over_the_night_on_which_clocks_change() {
    let args = [
        "--severity",
        "Low",
        "--at",
        "2026-03-27T17:30",
        "--zone",
        "Europe/Berlin",
    ];
    let text = simulate(OFFICE, &args).out;
    insta::assert_snapshot!(text);
}

#[test]
fn a_local_time_is_that_of_each_contact() {
    let text = simulate(CHAIN, &on_monday(&["--zone", "Asia/Kolkata"])).out;
    let row = |who: &str| {
        text.lines()
            .find(|line| line.contains(&format!(" {who} ")))
            .unwrap()
    };
    assert!(row("alice").contains("11:00:00 Europe/Berlin"), "{text}");
    assert!(row("bob").contains("05:15:00 America/New_York"), "{text}");
    assert!(row("carol").contains("10:45:00 UTC"), "{text}");
    assert!(text.contains("15:30:00 Asia/Kolkata"), "{text}");
}

#[test]
fn the_picture_is_well_formed_and_shows_everybody() {
    let svg = simulate(CHAIN, &on_monday(&["--output", "svg"])).out;
    insta::assert_snapshot!(svg);
    for name in ["alice", "bob", "carol", "Exhausted"] {
        assert!(svg.contains(name), "{name}");
    }
    assert_eq!(
        svg.matches("<circle").count(),
        svg.matches("</circle>").count()
    );
}

#[test]
fn nonsense_is_refused_with_2_and_says_what_it_must_be() {
    let input = policy(&(PEOPLE.to_owned() + CHAIN));
    for (args, words) in [
        (
            &["--severity", "Urgent", "--at", "2026-01-05T10:00:00Z"][..],
            "possible values",
        ),
        (&["--severity", "High", "--at", "noon"], "must be a time"),
        (&["--severity", "High"], "--at"),
        (
            &[
                "--severity",
                "High",
                "--at",
                "2026-01-05T10:00",
                "--zone",
                "Mars",
            ],
            "must be an IANA time zone",
        ),
        (
            &[
                "--severity",
                "High",
                "--at",
                "2026-01-05T10:00",
                "--hold",
                "2h..1h",
            ],
            "must be FROM..TO",
        ),
        (
            &[
                "--severity",
                "High",
                "--at",
                "2026-01-05T10:00",
                "--resolve-after",
                "soon",
            ],
            "whole numbers",
        ),
        (
            &[
                "--severity",
                "High",
                "--at",
                "2026-01-05T10:00",
                "--policy",
                "silver",
            ],
            "holds no EscalationPolicy",
        ),
    ] {
        let mut all = vec!["simulate", "-"];
        all.extend(args);
        let answer = call_with(&examples(), &all, &input);
        assert_eq!(answer.code, Some(2), "{args:?}: {}", answer.out);
        assert!(answer.error.contains(words), "{args:?}: {}", answer.error);
    }
}

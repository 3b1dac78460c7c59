//! Random policies: steps, repeats, conditions, rows, calendars, ways and notices, written as people write them.

use std::fmt::Write;
use std::sync::Arc;

use super::moment::{MINUTE, Ms, SECOND};
use super::plan::spell;
use super::receivers::{RECEIVERS, address};
use crate::domain::policy::ValidPolicy;

/// Names of steps, in their order.
pub const STEPS: [&str; 4] = ["on-call", "second", "manager", "director"];
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A policy as people wrote it, and what was made of it.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// The text.
    pub text: String,
    /// The policy in it.
    pub valid: Arc<ValidPolicy>,
}

impl PartialEq for Agreement {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Agreement {
    /// The policy in a text, if it is one without errors.
    fn read(text: String) -> Option<Self> {
        let checked = ValidPolicy::check(serde_saphyr::from_str(&text).ok()?);
        let valid = Arc::new(checked.policy.ok()?);
        Some(Self { text, valid })
    }

    /// A valid policy at random.
    pub fn any(rng: &mut fastrand::Rng, default: bool) -> Self {
        loop {
            if let Some(agreement) = Self::read(write(rng, default)) {
                return agreement;
            }
        }
    }
}

fn one_in(rng: &mut fastrand::Rng, n: u32) -> bool {
    rng.u32(0..n) == 0
}

/// Between two spans, in whole tens of seconds.
fn tens(rng: &mut fastrand::Rng, from: Ms, to: Ms) -> String {
    spell(rng.i64(from / (10 * SECOND)..=to / (10 * SECOND)) * 10 * SECOND)
}

fn write(rng: &mut fastrand::Rng, default: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = compose(&mut text, rng, default);
    text
}

fn compose(text: &mut String, rng: &mut fastrand::Rng, default: bool) -> std::fmt::Result {
    writeln!(text, "default: {default}")?;
    severities(text, rng)?;
    people(text, rng)?;
    if one_in(rng, 4) {
        writeln!(
            text,
            "calendars: [{{name: hours, timeZone: Europe/Berlin, windows: [{{days: [Mon, Tue, Wed, Thu, Fri], from: \"09:00\", to: \"{}\"}}]}}]",
            ["17:00", "11:20", "11:40"][rng.usize(0..3)]
        )?;
    }
    let calendar = text.contains("calendars:");
    writeln!(text, "steps:")?;
    let count = rng.usize(1..=4);
    for (index, name) in STEPS.iter().enumerate().take(count) {
        step(text, rng, (index, name), calendar)?;
    }
    if one_in(rng, 2) {
        let (times, interval) = (rng.u32(1..=2), tens(rng, 2 * MINUTE, 20 * MINUTE));
        writeln!(text, "repeat: {{times: {times}, interval: {interval}}}")?;
    }
    if one_in(rng, 2) {
        let after = tens(rng, MINUTE, 6 * MINUTE);
        writeln!(
            text,
            "onExhausted: {{after: {after}, notify: [{{connector: room}}]}}"
        )?;
    }
    let on_resolved = ["Resolve", "Ignore"][rng.usize(0..2)];
    let quiet = tens(rng, MINUTE, 6 * MINUTE);
    writeln!(
        text,
        "signal: {{onResolved: {on_resolved}, resolveAfter: {quiet}}}"
    )?;
    if one_in(rng, 2) {
        writeln!(
            text,
            "communication: {{notifyOn: [Opened, Acknowledged, SeverityChanged, Held, Update, Resolved, Reopened, Closed], notify: [{{connector: room}}]}}"
        )?;
    }
    Ok(())
}

fn severities(text: &mut String, rng: &mut fastrand::Rng) -> std::fmt::Result {
    writeln!(text, "severities:")?;
    for level in ["Critical", "High", "Medium"] {
        write!(text, "- {{level: {level}")?;
        if one_in(rng, 2) {
            write!(text, ", responseTarget: {}", tens(rng, MINUTE, 30 * MINUTE))?;
        }
        if one_in(rng, 2) {
            write!(
                text,
                ", resolutionTarget: {}",
                tens(rng, 40 * MINUTE, 90 * MINUTE)
            )?;
        }
        if one_in(rng, 2) {
            write!(
                text,
                ", acknowledgementTimeout: {}",
                tens(rng, 10 * MINUTE, 40 * MINUTE)
            )?;
        }
        if one_in(rng, 4) {
            write!(text, ", initialDelay: {}", tens(rng, 10 * SECOND, MINUTE))?;
        }
        if one_in(rng, 5) {
            write!(
                text,
                ", updateInterval: {}",
                tens(rng, 10 * MINUTE, 40 * MINUTE)
            )?;
        }
        if one_in(rng, 5) {
            write!(
                text,
                ", closeAfter: {}",
                tens(rng, 10 * MINUTE, 40 * MINUTE)
            )?;
        }
        if one_in(rng, 6) {
            write!(text, ", validation: {{required: true, closeAfter: 1h}}")?;
        }
        if level == "Medium" && one_in(rng, 2) {
            write!(text, ", paging: RecordOnly")?;
        }
        writeln!(text, "}}")?;
    }
    Ok(())
}

fn people(text: &mut String, rng: &mut fastrand::Rng) -> std::fmt::Result {
    writeln!(text, "connectors:")?;
    writeln!(
        text,
        "- {{name: room, type: Webhook, address: \"{}\"}}",
        address(0)
    )?;
    for host in 1..RECEIVERS {
        writeln!(
            text,
            "- {{name: way-{host}, type: Webhook, address: \"{}\"}}",
            address(host)
        )?;
    }
    writeln!(text, "contacts:")?;
    for (index, name) in PEOPLE.iter().enumerate() {
        let first = 1 + index % (RECEIVERS - 1);
        write!(text, "- {{name: {name}, reach: [{{connector: way-{first}}}")?;
        if one_in(rng, 3) {
            let second = 1 + (index + 1) % (RECEIVERS - 1);
            write!(text, ", {{connector: way-{second}}}")?;
        }
        writeln!(text, "]}}")?;
    }
    writeln!(text, "groups: [{{name: team, members: [alice, carol]}}]")?;
    writeln!(
        text,
        "rotas: [{{name: duty, timeZone: UTC, start: 2026-03-02T00:00, shift: {{hours: {}}}, members: [bob, dave]}}]",
        rng.u32(2..14)
    )
}

fn step(
    text: &mut String,
    rng: &mut fastrand::Rng,
    (index, name): (usize, &str),
    calendar: bool,
) -> std::fmt::Result {
    write!(text, "- {{name: {name}")?;
    if index > 0 || one_in(rng, 4) {
        write!(text, ", after: {}", tens(rng, MINUTE, 16 * MINUTE))?;
    }
    if one_in(rng, 3) {
        write!(text, ", condition: NotResolved")?;
    }
    if calendar && one_in(rng, 3) {
        write!(text, ", calendar: hours")?;
    }
    if index > 0 && one_in(rng, 5) {
        write!(text, ", severities: [Critical, High]")?;
    }
    let notify = match rng.u32(0..6) {
        0 => "[{group: team}]".to_owned(),
        1 => "[{rota: duty}]".to_owned(),
        2 => "[{connector: room}]".to_owned(),
        _ => {
            let first = rng.usize(0..PEOPLE.len());
            let second = (first + 1) % PEOPLE.len();
            if one_in(rng, 3) {
                format!(
                    "[{{contact: {}}}, {{contact: {}}}]",
                    PEOPLE[first], PEOPLE[second]
                )
            } else {
                format!("[{{contact: {}}}]", PEOPLE[first])
            }
        }
    };
    write!(text, ", notify: {notify}")?;
    if one_in(rng, 2) {
        let (every, times) = (tens(rng, MINUTE, 6 * MINUTE), rng.u32(1..=3));
        write!(text, ", repeat: {{every: {every}, times: {times}}}")?;
    }
    writeln!(text, "}}")
}

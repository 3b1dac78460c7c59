//! What is left of a spec once what the API server would refuse is left out: so that one mistyped word does not hide
//! that another line names somebody who does not exist. Only names are looked up in it; what rests on the whole is not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::schema::Refusal;
use super::source::{Content, Node};
use crate::api::EscalationPolicySpec;
use crate::domain::policy::{Finding, FindingCode, Surroundings, ValidPolicy};

/// Refused fields that are tried to be left out without their entry.
const TRIES_MOST: usize = 32;

/// Names in a broken spec that lead nowhere, by the paths of the whole.
pub fn unknown_names(spec: &Node, refusals: &[Refusal]) -> Vec<Finding> {
    let paths: Vec<&str> = refusals
        .iter()
        .filter(|refusal| !["UnknownField", "Duplicate"].contains(&refusal.code))
        .filter_map(|refusal| refusal.path.strip_prefix("spec."))
        .collect();
    let Some((rest, kept)) = largest_rest(spec, &paths) else {
        return Vec::new();
    };
    let checked = ValidPolicy::check_in(rest, &Surroundings::default());
    let findings = checked.policy.err().into_iter().flatten();
    let told = findings.filter_map(|finding| {
        let path = kept.whole(&finding.path);
        let list = list_of(finding.code)?;
        let name = text_at(spec, path.strip_prefix("spec.")?)?;
        (!names(spec, list).contains(name)).then_some(Finding { path, ..finding })
    });
    told.collect()
}

/// As much of a spec as can be read without what stands at these paths: of an entry of a list that has a field which is
/// refused, all but that field where it can do without.
fn largest_rest(spec: &Node, paths: &[&str]) -> Option<(EscalationPolicySpec, Kept)> {
    let read = |gone: &[&str]| {
        let gone: BTreeSet<&str> = gone.iter().copied().collect();
        let mut kept = Kept::default();
        let value = kept.of(spec, "", &gone);
        Some((serde_json::from_value(value).ok()?, kept))
    };
    let mut gone: Vec<&str> = paths.iter().map(|path| entry_of(path)).collect();
    let mut rest = read(&gone)?;
    for (place, path) in paths.iter().enumerate().take(TRIES_MOST) {
        let entry = std::mem::replace(&mut gone[place], path);
        match read(&gone) {
            Some(larger) => rest = larger,
            None => gone[place] = entry,
        }
    }
    Some(rest)
}

/// The entry of a list that a path leads into, else the field of the spec.
fn entry_of(path: &str) -> &str {
    let end = path.rfind(']').map(|end| end + 1);
    let end = end.or_else(|| path.find('.'));
    &path[..end.unwrap_or(path.len())]
}

/// Where names of that sort are given. What else is found may be the fault of what is missing.
fn list_of(code: FindingCode) -> Option<&'static str> {
    match code {
        FindingCode::UnknownContact => Some("contacts"),
        FindingCode::UnknownGroup => Some("groups"),
        FindingCode::UnknownRota => Some("rotas"),
        FindingCode::UnknownConnector => Some("connectors"),
        FindingCode::UnknownCalendar => Some("calendars"),
        FindingCode::UnknownTimeZone
        | FindingCode::DuplicateName
        | FindingCode::WindowsOverlap
        | FindingCode::WindowEmpty
        | FindingCode::TooManyTargets
        | FindingCode::AddressUnusable
        | FindingCode::InvalidTime
        | FindingCode::InvalidShift
        | FindingCode::InvalidTarget
        | FindingCode::InvalidRepeat => None,
    }
}

/// The names that stand in a list of the whole spec, refused or not.
fn names<'n>(spec: &'n Node, list: &str) -> BTreeSet<&'n str> {
    let entries = spec.get(list).map(entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| entry.text("name"))
        .collect()
}

fn entries(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(entries) => entries,
        Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::Text(_)
        | Content::Map(_) => &[],
    }
}

/// The text at a path below a node.
fn text_at<'n>(node: &'n Node, path: &str) -> Option<&'n str> {
    let mut at = node;
    for part in path.split('.') {
        let (field, indices) = part.split_once('[').unwrap_or((part, ""));
        at = at.get(field)?;
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            let index: usize = index.trim_end_matches(']').parse().ok()?;
            at = entries(at).get(index)?;
        }
    }
    match &at.content {
        Content::Text(text) => Some(text),
        Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::List(_)
        | Content::Map(_) => None,
    }
}

/// The entries that were kept, by the list's path in the rest: each one's place in the whole.
#[derive(Default)]
struct Kept(BTreeMap<String, Vec<usize>>);

impl Kept {
    /// The value of a node without what stands at these paths. `path` is that in the whole.
    fn of(&mut self, node: &Node, path: &str, gone: &BTreeSet<&str>) -> Value {
        match &node.content {
            Content::List(entries) => {
                let at = |index: usize| format!("{path}[{index}]");
                let stays = |index: &usize| !gone.contains(at(*index).as_str());
                let kept: Vec<usize> = (0..entries.len()).filter(stays).collect();
                let values = kept
                    .iter()
                    .map(|index| self.of(&entries[*index], &at(*index), gone));
                let values = values.collect();
                self.0.insert(path.to_owned(), kept);
                values
            }
            Content::Map(fields) => {
                let mut values = serde_json::Map::new();
                for (name, _, field) in fields {
                    let below = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    let null = matches!(field.content, Content::Null);
                    if !null && !gone.contains(below.as_str()) {
                        values.insert(name.clone(), self.of(field, &below, gone));
                    }
                }
                Value::Object(values)
            }
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => {
                node.value()
            }
        }
    }

    /// The path in the whole of what stands at a path of the rest.
    fn whole(&self, path: &str) -> String {
        let mut whole = String::new();
        for piece in path.split_inclusive('[') {
            let (index, rest) = piece.split_once(']').unwrap_or(("", piece));
            if index.is_empty() {
                whole.push_str(piece);
                continue;
            }
            let list = whole.trim_end_matches('[').trim_start_matches("spec.");
            let kept = self.0.get(list);
            let known = index.parse::<usize>().ok();
            let place = known.and_then(|index| kept?.get(index).copied());
            let place = place.map_or_else(|| index.to_owned(), |place| place.to_string());
            whole.extend([place.as_str(), "]", rest]);
        }
        whole
    }
}

//! YAML with places: every value knows its line and column, so that what a check says of `spec.steps[1].notify` can be
//! found in the file. Files, folders and standard input, several documents in each.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};

use super::Failure;
use crate::api::{GROUP, VERSION};

/// Where something stands in a file, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: location.line().max(1),
            column: location.column().max(1),
        }
    }
}

/// A value of a file and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    Null,
    /// true or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Fields, each with the place of its name.
    Map(Vec<(String, Place, Node)>),
}

impl Node {
    fn of(spanned: Spanned<Content>) -> Self {
        Self {
            place: spanned.referenced.into(),
            content: spanned.value,
        }
    }

    /// A field.
    pub fn get(&self, field: &str) -> Option<&Self> {
        self.entry(field).map(|(_, node)| node)
    }

    /// A field that is a text.
    pub fn text(&self, field: &str) -> Option<&str> {
        match &self.get(field)?.content {
            Content::Text(text) => Some(text),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::List(_)
            | Content::Map(_) => None,
        }
    }

    fn entry(&self, field: &str) -> Option<(Place, &Self)> {
        match &self.content {
            Content::Map(fields) => {
                let known = fields.iter().find(|(name, ..)| name == field)?;
                Some((known.1, &known.2))
            }
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::List(_) => None,
        }
    }

    /// Where a path such as `spec.steps[1].notify` stands; where it does not exist, what is nearest above it.
    pub fn place_of(&self, path: &str) -> Place {
        let mut at = self;
        let mut place = self.place;
        for part in path.split('.') {
            let (field, indices) = part
                .split_once('[')
                .map_or((part, ""), |(field, rest)| (field, rest));
            let Some((known, node)) = at.entry(field) else {
                return place;
            };
            (place, at) = (known, node);
            let indices = indices
                .split('[')
                .filter_map(|index| index.trim_end_matches(']').parse().ok());
            for index in indices.collect::<Vec<usize>>() {
                let Content::List(entries) = &at.content else {
                    return place;
                };
                let Some(entry) = entries.get(index) else {
                    return place;
                };
                (place, at) = (entry.place, entry);
            }
        }
        place
    }

    /// The value without its places.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(entries) => entries.iter().map(Self::value).collect(),
            Content::Map(fields) => {
                let fields = fields
                    .iter()
                    .filter(|(.., node)| !matches!(node.content, Content::Null));
                Value::Object(
                    fields
                        .map(|(name, _, node)| (name.clone(), node.value()))
                        .collect(),
                )
            }
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Content, E> {
        Ok(Content::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Content, E> {
        Ok(Content::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Content, E> {
        Ok(Content::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Content, E> {
        Ok(Number::from_f64(number)
            .map_or_else(|| Content::Text(number.to_string()), Content::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element::<Spanned<Content>>()? {
            entries.push(Node::of(entry));
        }
        Ok(Content::List(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value::<Spanned<Content>>()?;
            fields.push((name.value, name.referenced.into(), Node::of(value)));
        }
        Ok(Content::Map(fields))
    }
}

/// A text that was read, and what it is called.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as it was given, `-` for standard input.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Why a text is no YAML.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

impl Source {
    /// The objects in it, lists taken apart.
    pub fn objects(&self) -> Result<Vec<Node>, Broken> {
        let documents: Vec<Spanned<Content>> =
            serde_saphyr::from_multiple(&self.text).map_err(|error| {
                let start = Place { line: 1, column: 1 };
                let place = error.location().map_or(start, Place::from);
                let message = error.without_snippet().to_string();
                let message = message.lines().next().unwrap_or_default().to_owned();
                Broken { place, message }
            })?;
        let lines: Vec<&str> = self.text.lines().collect();
        Ok(documents
            .into_iter()
            .map(Node::of)
            .map(|node| read_as_kubectl_does(node, &lines))
            .flat_map(taken_apart)
            .collect())
    }
}

/// `kubectl` reads YAML 1.1, where `yes`, `on` and their like are true or false unless they stand in quotes.
fn read_as_kubectl_does(node: Node, lines: &[&str]) -> Node {
    let content = match node.content {
        Content::Text(text) => match old_flag(&text) {
            Some(flag) if stands_plain(&text, node.place, lines) => Content::Bool(flag),
            Some(_) | None => Content::Text(text),
        },
        Content::List(entries) => {
            let entries = entries.into_iter();
            Content::List(
                entries
                    .map(|entry| read_as_kubectl_does(entry, lines))
                    .collect(),
            )
        }
        Content::Map(fields) => {
            let fields = fields.into_iter();
            let read = |(name, place, field)| (name, place, read_as_kubectl_does(field, lines));
            Content::Map(fields.map(read).collect())
        }
        other @ (Content::Null | Content::Bool(_) | Content::Number(_)) => other,
    };
    Node { content, ..node }
}

fn old_flag(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Whether a text stands at a place as it is, without quotes.
fn stands_plain(text: &str, place: Place, lines: &[&str]) -> bool {
    let before = |number: u64| {
        usize::try_from(number)
            .unwrap_or(usize::MAX)
            .saturating_sub(1)
    };
    let line = lines.get(before(place.line)).copied().unwrap_or_default();
    let mut here = line.char_indices().map(|(at, _)| at);
    let here = here.nth(before(place.column));
    here.is_some_and(|at| line[at..].starts_with(text))
}

/// The items of a list as `kubectl get -o yaml` prints it, else the object itself.
fn taken_apart(node: Node) -> Vec<Node> {
    let is_list = node.text("kind").is_some_and(|kind| kind.ends_with("List"));
    match node
        .get("items")
        .filter(|_| is_list)
        .map(|items| &items.content)
    {
        Some(Content::List(items)) => items.clone(),
        Some(
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Map(_),
        )
        | None => {
            vec![node]
        }
    }
}

/// Whether an object is of a kind of ours, and if so whether of a version that is known.
pub fn is_ours(node: &Node, kind: &str) -> Option<Result<(), String>> {
    let (group, version) = node.text("apiVersion")?.split_once('/')?;
    if group != GROUP || node.text("kind") != Some(kind) {
        return None;
    }
    Some(if version == VERSION {
        Ok(())
    } else {
        Err(format!(
            "\"{group}/{version}\" must be \"{GROUP}/{VERSION}\""
        ))
    })
}

/// Reads what the arguments name: files, all YAML and JSON files below folders, `-` for standard input.
pub fn read(arguments: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::unreadable("standard input", &error))?;
            sources.push(Source {
                file: "-".to_owned(),
                text,
            });
        } else {
            for path in files(argument)? {
                let file = path.display().to_string();
                if sources.iter().any(|known: &Source| known.file == file) {
                    continue;
                }
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| Failure::unreadable(&file, &error))?;
                sources.push(Source { file, text });
            }
        }
    }
    Ok(sources)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure::unreadable(&path.display().to_string(), &error);
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut below = Vec::new();
    for entry in entries {
        below.push(entry.map_err(unreadable)?.path());
    }
    below.sort();
    let mut found = Vec::new();
    for path in below {
        let end = path.extension().and_then(|end| end.to_str());
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if matches!(end, Some("yaml" | "yml" | "json")) {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            file: "a.yaml".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_path_leads_to_its_line_and_column_or_to_what_is_nearest_above() {
        let text = "kind: A\nspec:\n  steps:\n  - name: one\n  - name: two\n    notify: [{contact: x}, {group: y}]\n";
        let objects = source(text).objects().unwrap();
        for (path, line, column) in [
            ("kind", 1, 1),
            ("spec.steps", 3, 3),
            ("spec.steps[1]", 5, 5),
            ("spec.steps[1].notify", 6, 5),
            ("spec.steps[1].notify[1].group", 6, 29),
            ("spec.steps[1].repeat.every", 5, 5),
            ("spec.severities", 2, 1),
            ("other", 1, 1),
        ] {
            assert_eq!(objects[0].place_of(path), Place { line, column }, "{path}");
        }
    }

    #[test]
    fn several_documents_and_the_items_of_a_list_keep_their_places_in_the_file() {
        let text = "---\nkind: A\n---\n# nothing\n---\nkind: List\nitems:\n- kind: B\n- kind: C\n";
        let objects = source(text).objects().unwrap();
        let found: Vec<(&str, u64)> = objects
            .iter()
            .map(|node| (node.text("kind").unwrap(), node.place_of("kind").line))
            .collect();
        assert_eq!(found, [("A", 2), ("B", 8), ("C", 9)]);
    }

    #[test]
    fn the_old_words_for_true_and_false_are_read_as_kubectl_reads_them() {
        let text = "ä: yes\nb: \"yes\"\nc: [Off, 'off', yesterday]\nd: {e: on}\nf: |\n  yes\n";
        let objects = source(text).objects().unwrap();
        let read = serde_json::json!({
            "ä": true, "b": "yes", "c": [false, "off", "yesterday"], "d": {"e": true}, "f": "yes\n",
        });
        assert_eq!(objects[0].value(), read);
    }

    #[test]
    fn broken_yaml_is_told_with_line_and_column() {
        for (text, line) in [
            ("a: 1\nb: [1, 2\nc: 3\n", 3),
            ("a: 1\na: 2\n", 2),
            ("a:\n\t- b\n", 2),
        ] {
            let broken = source(text).objects().unwrap_err();
            assert_eq!(broken.place.line, line, "{text:?}: {broken:?}");
        }
    }
}

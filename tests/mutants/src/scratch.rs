//! The copy of a package in which its mutants are woven, and its build.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::mutant::{Id, Mutant};
use crate::places::{self, Place};
use crate::settings::Settings;
use crate::weave::{Woven, weave};

/// The module that the woven places ask.
const SWITCH: &str = include_str!("switch.rs");

/// A package's copy.
pub struct Scratch<'s> {
    settings: &'s Settings,
    folder: PathBuf,
    files: BTreeMap<String, File>,
    /// Mutants that do not compile.
    pub unviable: BTreeSet<Id>,
    /// Mutants of constants, each with a build of its own.
    pub alone: Vec<Id>,
}

/// A file with mutants.
struct File {
    source: String,
    places: Vec<Place>,
    woven: Woven,
}

/// A program of tests.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name of its target.
    pub name: String,
    /// Where it was built.
    pub path: PathBuf,
}

/// What a build came to.
pub enum Built {
    /// All programs of tests.
    Whole(Vec<Program>),
    /// The compiler's errors.
    Failed(Vec<Value>),
}

impl<'s> Scratch<'s> {
    /// Copies the package and finds the places of its mutants.
    pub fn new(settings: &'s Settings, mutants: &[Mutant]) -> Result<Self> {
        let mut scratch = Self {
            settings,
            folder: settings.scratch.join("package"),
            files: BTreeMap::new(),
            unviable: BTreeSet::new(),
            alone: Vec::new(),
        };
        let mut by_file: BTreeMap<&str, Vec<(Id, &Mutant)>> = BTreeMap::new();
        for (nth, mutant) in mutants.iter().enumerate() {
            by_file
                .entry(&mutant.file)
                .or_default()
                .push((nth + 1, mutant));
        }
        for (name, mutants) in by_file {
            let source = fs::read_to_string(settings.root.join(name))?;
            let found = places::find(&source, &mutants).with_context(|| name.to_owned())?;
            scratch.unviable.extend(found.unviable);
            scratch.alone.extend(found.alone);
            let file = File {
                source,
                places: found.woven,
                woven: Woven::default(),
            };
            scratch.files.insert(name.to_owned(), file);
        }
        scratch.copy()?;
        Ok(scratch)
    }

    /// Where the copy lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Copies what Git knows or would add, save the files that are woven. What an earlier copy has and this has not, goes.
    fn copy(&self) -> Result<()> {
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.settings.root)
            .output()
            .context("`git` could not be run")?;
        ensure!(listed.status.success(), "`git ls-files` failed");
        let listed = String::from_utf8(listed.stdout)?;
        let kept: HashSet<PathBuf> = listed.split_terminator('\0').map(PathBuf::from).collect();
        remove_others(&self.folder, Path::new(""), &kept)?;
        for name in kept {
            let from = self.settings.root.join(&name);
            if self.files.contains_key(name.to_string_lossy().as_ref()) || !from.is_file() {
                continue;
            }
            put(&self.folder, &name, &fs::read(&from)?)?;
            let rights = fs::metadata(&from)?.permissions();
            fs::set_permissions(self.folder.join(&name), rights)?;
        }
        Ok(())
    }

    /// Weaves all mutants that may compile and builds, until the compiler has nothing against those that are left.
    pub fn build(&mut self) -> Result<Vec<Program>> {
        loop {
            for (name, file) in &mut self.files {
                file.woven = weave(&file.source, &file.places, &self.unviable);
                put(&self.folder, Path::new(name), file.woven.text.as_bytes())?;
            }
            // The library alone first: its errors come sooner without the tests.
            let mut built = self.compile(&["build"], |arg| !arg.starts_with("--test"))?;
            if let Built::Whole(_) = built {
                built = self.compile(&["test", "--no-run"], |_| true)?;
            }
            let errors = match built {
                Built::Whole(programs) => return Ok(programs),
                Built::Failed(errors) => errors,
            };
            let before = self.unviable.len();
            let blamed: Vec<Id> = errors.iter().flat_map(|error| self.blamed(error)).collect();
            self.unviable.extend(blamed);
            if self.unviable.len() == before {
                let said: Vec<&str> = errors
                    .iter()
                    .filter_map(|e| e["rendered"].as_str())
                    .collect();
                bail!(
                    "the woven package does not compile, and no mutant is to blame:\n{}",
                    said.join("\n")
                );
            }
            println!("  {} do not compile so far", self.unviable.len());
        }
    }

    /// The mutants that an error speaks of: those in whose lines it was found, else those in whose lines its reason lies.
    fn blamed(&self, error: &Value) -> Vec<Id> {
        let spans = error["spans"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let of = |primary: bool| {
            let spans = spans
                .iter()
                .filter(move |span| span["is_primary"] == primary);
            let ids = spans.flat_map(|span| self.in_lines(span));
            ids.collect::<Vec<Id>>()
        };
        let found = of(true);
        if found.is_empty() { of(false) } else { found }
    }

    fn in_lines(&self, span: &Value) -> Vec<Id> {
        let file = span["file_name"]
            .as_str()
            .and_then(|name| self.files.get(name));
        let lines = span["line_start"].as_u64().zip(span["line_end"].as_u64());
        let (Some(file), Some((start, end))) = (file, lines) else {
            return Vec::new();
        };
        let variants = file.woven.lines.iter();
        let around = |lines: &std::ops::RangeInclusive<usize>| {
            *lines.start() as u64 <= start && end <= *lines.end() as u64
        };
        variants
            .filter(|(lines, _)| around(lines))
            .map(|(_, id)| *id)
            .collect()
    }

    /// Builds with this one mutant written into its file, which is as it was before afterwards.
    pub fn build_alone(&self, mutant: &Mutant) -> Result<Built> {
        let source = &self.files[&mutant.file].source;
        let at = mutant.span.bytes(source)?;
        let changed = format!(
            "{}{}{}",
            &source[..at.start],
            mutant.replacement,
            &source[at.end..]
        );
        put(&self.folder, Path::new(&mutant.file), changed.as_bytes())?;
        self.compile(&["test", "--no-run"], |_| true)
    }

    /// Puts the woven file of a mutant back.
    pub fn restore(&self, mutant: &Mutant) -> Result<()> {
        let woven = &self.files[&mutant.file].woven;
        put(&self.folder, Path::new(&mutant.file), woven.text.as_bytes())
    }

    fn compile(&self, how: &[&str], takes: impl Fn(&str) -> bool) -> Result<Built> {
        let args = &self.settings.config.additional_cargo_args;
        let output = Command::new("cargo")
            .args(how)
            .arg("--message-format=json")
            .args(args.iter().filter(|arg| takes(arg)))
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.settings.scratch.join("build"))
            .stderr(Stdio::inherit())
            .output()
            .context("`cargo` could not be run")?;
        let lines = output.stdout.split(|byte| *byte == b'\n');
        let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let mut programs = HashMap::new();
        let mut errors = Vec::new();
        for message in messages {
            if message["message"]["level"] == "error" {
                errors.push(message["message"].clone());
            }
            let path = message["executable"].as_str();
            if let Some(path) = path.filter(|_| message["profile"]["test"] == true) {
                let name = message["target"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                let path = PathBuf::from(path);
                programs.insert(name.clone(), Program { name, path });
            }
        }
        if output.status.success() {
            return Ok(Built::Whole(programs.into_values().collect()));
        }
        ensure!(!errors.is_empty(), "`cargo {}` failed", how[0]);
        Ok(Built::Failed(errors))
    }
}

/// Writes a file of the copy where its content is new, so that cargo builds no more than it must. The crate's root gets
/// the module that woven places ask; its lines stay where they are.
fn put(folder: &Path, name: &Path, content: &[u8]) -> Result<()> {
    let mut content = content.to_owned();
    if name == Path::new("src/lib.rs") {
        let whole = String::from_utf8(content)?;
        let whole = format!("#![allow(warnings)] {whole}\npub mod mutant {{\n{SWITCH}}}\n");
        content = whole.into_bytes();
    }
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, content).with_context(|| path.display().to_string())
}

fn remove_others(root: &Path, folder: &Path, kept: &HashSet<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(root, &name, kept)?;
        } else if !kept.contains(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

//! Writes a file in which every mutant stands beside the original, chosen while the program runs.
//!
//! One mutant is on at a time, so a variant holds the original's text and no mutants of its own: the file grows in
//! proportion. Each variant stands on lines of its own, by which the compiler's errors are told apart.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::{Range, RangeInclusive};

use crate::mutant::Id;
use crate::places::{Form, Place};

/// A file with its mutants.
#[derive(Debug, Default)]
pub struct Woven {
    /// The file.
    pub text: String,
    /// The lines of each variant, counted from 1.
    pub lines: Vec<(RangeInclusive<usize>, Id)>,
}

/// Weaves all variants of `places` into `source`, save those `without`.
pub fn weave(source: &str, places: &[Place], without: &BTreeSet<Id>) -> Woven {
    let mut order: Vec<&Place> = places.iter().collect();
    // From outside to inside, and what stands before a stretch before what stands in it.
    order.sort_by_key(|place| (place.at.start, std::cmp::Reverse(place.at.end)));
    let mut loom = Loom {
        source,
        without,
        woven: Woven::default(),
        line: 1,
    };
    loom.stretch(0..source.len(), &order);
    loom.woven
}

struct Loom<'s> {
    source: &'s str,
    without: &'s BTreeSet<Id>,
    woven: Woven,
    line: usize,
}

impl Loom<'_> {
    fn put(&mut self, text: &str) {
        self.line += text.matches('\n').count();
        self.woven.text.push_str(text);
    }

    /// A variant on lines of its own.
    fn variant(&mut self, id: Id, text: &str) {
        self.put("\n");
        let first = self.line;
        self.put(text);
        self.woven.lines.push((first..=self.line, id));
        self.put("\n");
    }

    /// The original's bytes with the places that lie in them.
    fn stretch(&mut self, at: Range<usize>, mut places: &[&Place]) {
        let mut done = at.start;
        while let Some((first, rest)) = places.split_first() {
            let inside = rest.partition_point(|place| place.at.start < first.at.end);
            let (inside, behind) = rest.split_at(inside);
            self.put(&self.source[done..first.at.start]);
            self.place(first, inside);
            done = first.at.end;
            places = behind;
        }
        self.put(&self.source[done..at.end]);
    }

    fn place(&mut self, place: &Place, inside: &[&Place]) {
        let kept = place.variants.iter();
        let kept: Vec<&(Id, String)> = kept.filter(|(id, _)| !self.without.contains(id)).collect();
        if kept.is_empty() {
            self.stretch(place.at.clone(), inside);
            return;
        }
        let mut ids = String::new();
        for (id, _) in &kept {
            let _ = write!(ids, "{id}, ");
        }
        let pick = format!("crate::mutant::pick(&[{ids}])");
        match place.form {
            Form::Expression => {
                self.put(&format!("(match {pick} {{ 0 => "));
                self.stretch(place.at.clone(), inside);
                self.arms(&kept, "", "");
                self.put("})");
            }
            Form::Body => {
                self.put(&format!("match {pick} {{ 0 => {{}}"));
                self.arms(&kept, "return ", "");
                self.put("}\n");
                self.stretch(place.at.clone(), inside);
            }
            Form::Iterator => {
                self.put(&format!("match {pick} {{ 0 => crate::mutant::boxed({{"));
                self.stretch(place.at.clone(), inside);
                self.put("})");
                self.arms(&kept, "crate::mutant::boxed(", ")");
                self.put("}");
            }
            Form::Refusal => self.put(&format!(" if {pick} == 0")),
        }
    }

    /// The arms of the variants behind the original's.
    fn arms(&mut self, kept: &[&(Id, String)], before: &str, after: &str) {
        for (id, text) in kept {
            self.put(&format!("\n, {id} =>"));
            self.variant(*id, &format!("{before}{text}{after}"));
        }
        self.put(", _ => unreachable!()");
    }
}

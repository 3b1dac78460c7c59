//! Finds the places of a file in which its mutants can stand beside the original.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, Result};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::mutant::{Genre, Id, Mutant};

/// How the variants of a place stand beside the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An expression.
    Expression,
    /// The statements of a function; a variant returns before them.
    Body,
    /// The statements of a function that answers `impl Iterator`.
    Iterator,
    /// The empty stretch behind a pattern without a guard; the variant refuses.
    Refusal,
}

/// A stretch of a file that has variants.
#[derive(Debug)]
pub struct Place {
    /// The bytes of the original.
    pub at: Range<usize>,
    /// How it is woven.
    pub form: Form,
    /// What stands there instead, by mutant.
    pub variants: Vec<(Id, String)>,
}

/// What became of the mutants of a file.
#[derive(Debug, Default)]
pub struct Places {
    /// Where mutants can be woven; places lie apart or within each other's original.
    pub woven: Vec<Place>,
    /// Mutants that no compiler takes: `||` beside a `let`.
    pub unviable: Vec<Id>,
    /// Mutants of constants: no program can choose among them while it runs.
    pub alone: Vec<Id>,
}

/// Finds the places of `mutants` in the file that `source` is.
pub fn find(source: &str, mutants: &[(Id, &Mutant)]) -> Result<Places> {
    let tree = syn::parse_file(source).context("the file cannot be parsed")?;
    let mut search = Search {
        source,
        wanted: HashMap::new(),
        found: Places::default(),
    };
    for (id, mutant) in mutants {
        let at = mutant.span.bytes(source)?;
        let key = (mutant.genre, at.start);
        let change = (*id, at, mutant.replacement.clone());
        search.wanted.entry(key).or_default().push(change);
    }
    search.visit_file(&tree);
    let Search {
        wanted, mut found, ..
    } = search;
    let left = wanted.into_values().flatten().map(|(id, ..)| id);
    found.alone.extend(left);
    found.alone.sort_unstable();
    Ok(found)
}

/// A mutant, the bytes that it changes, and what stands there instead.
type Change = (Id, Range<usize>, String);

struct Search<'s> {
    source: &'s str,
    wanted: HashMap<(Genre, usize), Vec<Change>>,
    found: Places,
}

impl Search<'_> {
    fn take(&mut self, genre: Genre, at: Span) -> Vec<Change> {
        let start = at.byte_range().start;
        self.wanted.remove(&(genre, start)).unwrap_or_default()
    }

    /// An expression and its variants: its own text with the changed bytes replaced, so that operators bind anew as they
    /// would in the changed file.
    fn expression(&mut self, whole: Span, changes: Vec<Change>) {
        let at = whole.byte_range();
        let variant = |(id, changed, by): Change| {
            let before = &self.source[at.start..changed.start];
            let after = &self.source[changed.end..at.end];
            (id, format!("{before}{by}{after}"))
        };
        let variants = changes.into_iter().map(variant).collect();
        self.place(at, Form::Expression, variants);
    }

    fn place(&mut self, at: Range<usize>, form: Form, variants: Vec<(Id, String)>) {
        if !variants.is_empty() {
            self.found.woven.push(Place { at, form, variants });
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if signature.constness.is_some() {
            return;
        }
        if let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) {
            let changes = self.take(Genre::FnValue, first.span());
            let at = first.span().byte_range().start..last.span().byte_range().end;
            let many = changes
                .iter()
                .any(|(_, _, by)| by.starts_with("::std::iter::"));
            let form = if many { Form::Iterator } else { Form::Body };
            let variants = changes.into_iter().map(|(id, _, by)| (id, by)).collect();
            self.place(at, form, variants);
        }
        visit::visit_block(self, block);
    }

    /// All operators of a chain, and what they stand between.
    fn chain<'e>(
        &mut self,
        expression: &'e syn::Expr,
        parts: &mut Vec<&'e syn::Expr>,
    ) -> Vec<Change> {
        let syn::Expr::Binary(binary) = expression else {
            parts.push(expression);
            return Vec::new();
        };
        let mut changes = self.chain(&binary.left, parts);
        changes.extend(self.take(Genre::BinaryOperator, binary.op.span()));
        changes.extend(self.chain(&binary.right, parts));
        changes
    }
}

/// Whether an expression binds names for what stands behind its `&&`.
fn lets(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => lets(&binary.left) || lets(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
    }

    // What the compiler computes cannot be chosen at run time.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if lets(&binary.left) || lets(&binary.right) {
            let changes = self.take(Genre::BinaryOperator, binary.op.span());
            self.found
                .unviable
                .extend(changes.iter().map(|(id, ..)| id));
            visit::visit_expr_binary(self, binary);
            return;
        }
        let mut parts = Vec::new();
        let mut changes = self.chain(&binary.left, &mut parts);
        changes.extend(self.take(Genre::BinaryOperator, binary.op.span()));
        changes.extend(self.chain(&binary.right, &mut parts));
        self.expression(binary.span(), changes);
        for part in parts {
            self.visit_expr(part);
        }
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let changes = self.take(Genre::UnaryOperator, unary.op.span());
        self.expression(unary.span(), changes);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let deleted = self.take(Genre::MatchArm, arm.span());
        let refused = deleted.into_iter().map(|(id, ..)| (id, "false".into()));
        let behind = arm.pat.span().byte_range().end;
        if let Some((_, guard)) = &arm.guard {
            // A guard that binds names cannot be chosen either; its mutants stay in the list of those left.
            if !lets(guard) {
                let changes = self.take(Genre::MatchArmGuard, guard.span());
                let changes = changes.into_iter().map(|(id, _, by)| (id, by));
                let variants = changes.chain(refused).collect();
                self.place(guard.span().byte_range(), Form::Expression, variants);
            }
        } else {
            self.place(behind..behind, Form::Refusal, refused.collect());
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        let fields = expression.fields.iter();
        let changes = fields.flat_map(|field| self.take(Genre::StructField, field.span()));
        let changes = changes.collect();
        self.expression(expression.span(), changes);
        visit::visit_expr_struct(self, expression);
    }
}

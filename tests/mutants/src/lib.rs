//! Mutation testing from one build: every mutant that cargo-mutants lists is woven into a copy of the package beside the
//! original and switched on by an environment variable while the tests run. docs/mutants.md tells how and why.

pub mod mutant;
pub mod places;
pub mod report;
pub mod run;
pub mod scratch;
pub mod settings;
pub mod trial;
pub mod weave;

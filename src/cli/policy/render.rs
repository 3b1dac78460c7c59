//! `policy render`: the support document of each policy in some files, as the operator keeps it; and, where the files
//! hold them, the document of each RCA and the resolution summary of each resolved ticket.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::de::DeserializeOwned;

use super::source::{Node, is_ours, read};
use super::{Failure, Files, Said};
use crate::api::{EscalationPolicy, Rca, Ticket};
use crate::connectors::template;
use crate::controller::revisions;
use crate::document::{self, Paper};
use crate::domain::policy::{Checked, Finding, OpenItem, Surroundings, ValidPolicy};
use crate::simulation::timetables;

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    #[command(flatten)]
    files: Files,
    /// The moment to look for open items at (reviews, gaps of rotas); default: now.
    #[arg(long, value_name = "TIME", value_parser = super::own_moment)]
    at: Option<Timestamp>,
}

/// Reads and prints.
pub fn run(args: &RenderArgs, now: Timestamp) -> Result<Said, Failure> {
    let at = args.at.unwrap_or(now);
    let objects = objects(&args.files)?;
    let policies: Vec<(String, EscalationPolicy)> = of_kind(&objects, "EscalationPolicy")?;
    let mut pages = Vec::new();
    let mut by_name = BTreeMap::new();
    for (file, policy) in &policies {
        pages.push(of_policy(file, policy, at)?);
        by_name.insert(policy.name_any(), policy);
    }
    for (_, rca) in of_kind::<Rca>(&objects, "RCA")? {
        pages.push(document::rca(&rca));
    }
    for (_, ticket) in of_kind::<Ticket>(&objects, "Ticket")? {
        let pinned = ticket
            .status
            .as_ref()
            .and_then(|status| status.policy.as_ref());
        let named = ticket.spec.policy_ref.as_ref().map(|named| &named.name);
        let policy = pinned
            .map(|pin| &pin.name)
            .or(named)
            .and_then(|name| by_name.get(name));
        let only = policies
            .first()
            .filter(|_| policies.len() == 1)
            .map(|(_, policy)| policy);
        let policy = policy.copied().or(only);
        let communication = policy.and_then(|policy| policy.spec.communication.as_ref());
        pages.extend(document::resolution(&ticket, communication));
    }
    if pages.is_empty() {
        let message = "nothing to render: the files hold no EscalationPolicy, RCA or resolved Ticket of firebell.dev";
        return Err(Failure::Unfit(message.to_owned()));
    }
    Ok(Said::well(pages.join("\n")))
}

/// Every object of some files with the file it stands in.
pub(super) fn objects(files: &Files) -> Result<Vec<(String, Node)>, Failure> {
    let mut all = Vec::new();
    for source in read(&files.files)? {
        let objects = source.objects().map_err(|broken| {
            let (line, column) = (broken.place.line, broken.place.column);
            Failure::Unfit(format!(
                "{}:{line}:{column}: {}",
                source.file, broken.message
            ))
        })?;
        all.extend(
            objects
                .into_iter()
                .map(|object| (source.file.clone(), object)),
        );
    }
    Ok(all)
}

/// The objects of a kind, decoded.
pub(super) fn of_kind<T: DeserializeOwned>(
    objects: &[(String, Node)],
    kind: &str,
) -> Result<Vec<(String, T)>, Failure> {
    let ours = objects
        .iter()
        .filter(|(_, object)| is_ours(object, kind).is_some());
    ours.map(|(file, object)| {
        let read = serde_json::from_value(object.value());
        let read = read.map_err(|error| {
            let line = object.place.line;
            Failure::Unfit(format!(
                "{file}:{line}: a {kind} that cannot be read: {error}; `kubectl firebell policy lint` tells more"
            ))
        })?;
        Ok((file.clone(), read))
    })
    .collect()
}

/// A policy that must be valid, and what is open in it.
pub(super) fn valid(
    file: &str,
    policy: &EscalationPolicy,
    now: Option<Timestamp>,
) -> Result<(ValidPolicy, Vec<OpenItem>), Failure> {
    let around = Surroundings {
        now,
        ..Surroundings::default()
    };
    let Checked {
        policy: checked,
        open_items,
    } = ValidPolicy::check_in(policy.spec.clone(), &around);
    let valid = checked.map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
        Failure::Unfit(format!(
            "{file}: policy \"{}\" is not valid; `kubectl firebell policy lint {file}` tells where:\n  {}",
            policy.name_any(),
            findings.join("\n  "),
        ))
    })?;
    let templates = template::open_items(valid.spec());
    Ok((valid, templates.into_iter().chain(open_items).collect()))
}

fn of_policy(file: &str, policy: &EscalationPolicy, at: Timestamp) -> Result<String, Failure> {
    let (valid, open_items) = valid(file, policy, Some(at))?;
    let revision = revisions::revision(policy)
        .ok()
        .and_then(|revision| revision.metadata.name);
    Ok(document::policy(&Paper {
        name: &policy.name_any(),
        namespace: policy.namespace().as_deref(),
        revision: revision.as_deref().unwrap_or("unknown"),
        policy: &valid,
        timetables: &timetables(&valid),
        open_items: &open_items,
    }))
}

//! The person's tool, `kubectl firebell`: look at tickets and declare facts about them.
//!
//! It writes what a person could write with `kubectl edit`, with the person's own rights, and says who it was. It
//! decides nothing: what becomes of a fact is the operator's business.

mod block;
mod error;
mod oncall;
mod policy;
mod reach;
mod show;
mod table;
mod words;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use error::CliError;
pub use policy::Said;

use block::Block;
use oncall::Question;
use policy::PolicyArgs;
use reach::Cluster;

/// Look at tickets, acknowledge, resolve and close them; see who is on call.
#[derive(Debug, Parser)]
#[command(name = "kubectl firebell", bin_name = "kubectl firebell", version)]
pub struct Command {
    #[command(subcommand)]
    verb: Verb,
    /// Namespace of the tickets; default: that of the current context.
    #[arg(short, long, global = true)]
    namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the tickets that are not archived, the worst first.
    List {
        /// Those of all namespaces.
        #[arg(short = 'A', long, conflicts_with = "namespace")]
        all_namespaces: bool,
    },
    /// Show where a ticket stands, what it waits for, and what happened.
    Show {
        /// Name of the ticket.
        name: String,
    },
    /// Show who is on call: whom each step pages, until when, and who comes then.
    Oncall {
        /// Name of the policy; default: all of the namespace.
        policy: Option<String>,
        /// One severity only.
        #[arg(long, ignore_case = true, value_parser = PossibleValuesParser::new(oncall::SEVERITIES))]
        severity: Option<String>,
        /// The moment, such as 2026-01-05T09:00 (your own time zone) or 2026-01-05T09:00:00Z; default: now.
        #[arg(long, value_name = "TIME", value_parser = oncall::own_moment)]
        at: Option<Timestamp>,
    },
    /// Check, simulate, render and compare policies from files, without a cluster.
    Policy(PolicyArgs),
    /// Acknowledge: you look after it. Stops the steps that wait for that.
    Ack {
        /// Name of the ticket.
        name: String,
        /// What to know about it.
        #[arg(long)]
        note: Option<String>,
    },
    /// Resolve: it is solved.
    Resolve(ResolveArgs),
    /// Close. Counts once every condition of the policy is met.
    Close {
        /// Name of the ticket.
        name: String,
        /// Why.
        #[arg(long, default_value = "Completed", value_parser = PossibleValuesParser::new(block::CLOSURE_REASONS))]
        reason: String,
        /// What to know about it.
        #[arg(long)]
        note: Option<String>,
    },
}

/// What a resolution says.
#[derive(Debug, Args)]
struct ResolveArgs {
    /// Name of the ticket.
    name: String,
    /// Who was affected, and how.
    #[arg(long)]
    impact: Option<String>,
    /// What caused it.
    #[arg(long)]
    cause: Option<String>,
    /// What was done.
    #[arg(long)]
    fix: Option<String>,
    /// What keeps it from happening again.
    #[arg(long)]
    prevention: Option<String>,
    /// What else to know about it.
    #[arg(long)]
    note: Option<String>,
    /// Service is back by a workaround; the cause is still there.
    #[arg(long)]
    workaround: bool,
}

/// Does what was asked and returns what to print.
pub async fn run(command: Command) -> Result<Said, CliError> {
    let Command { verb, namespace } = command;
    if let Verb::Policy(args) = &verb {
        return Ok(policy::run(args)?);
    }
    in_cluster(verb, namespace).await.map(Said::well)
}

async fn in_cluster(verb: Verb, namespace: Option<String>) -> Result<String, CliError> {
    let cluster = Cluster::connect(namespace).await?;
    match verb {
        Verb::List { all_namespaces } => {
            let listed = cluster.list(all_namespaces).await?;
            Ok(table::render(&listed, all_namespaces, Timestamp::now()))
        }
        Verb::Show { name } => {
            let ticket = cluster.get(&name).await?;
            Ok(show::render(&ticket, Timestamp::now()))
        }
        Verb::Oncall {
            policy,
            severity,
            at,
        } => {
            let question = Question {
                severity: severity.as_deref().and_then(oncall::severity),
                at: at.unwrap_or_else(Timestamp::now),
                zone: TimeZone::system(),
            };
            match policy {
                Some(name) => oncall::one(&cluster.policy(&name).await?, &question),
                None => Ok(oncall::all(&cluster.policies().await?, &question)),
            }
        }
        Verb::Policy(args) => Ok(policy::run(&args)?.text),
        Verb::Ack { name, note } => {
            declare(&cluster, &name, &Block::Acknowledgement { note }).await
        }
        Verb::Resolve(args) => {
            let ResolveArgs {
                name,
                impact,
                cause,
                fix,
                prevention,
                note,
                workaround,
            } = args;
            let block = Block::Resolution {
                impact,
                cause,
                fix,
                prevention,
                note,
                workaround,
            };
            declare(&cluster, &name, &block).await
        }
        Verb::Close { name, reason, note } => {
            declare(&cluster, &name, &Block::Closure { reason, note }).await
        }
    }
}

async fn declare(cluster: &Cluster, name: &str, block: &Block) -> Result<String, CliError> {
    let by = cluster.user().await?;
    let patch = block.patch(&by, &block::fresh_token());
    cluster.write(name, block.field_manager(), &patch).await?;
    Ok(format!(
        "ticket/{name} {}\nWhat became of it: kubectl firebell show {name} -n {}\n",
        block.told(&by),
        cluster.namespace(),
    ))
}

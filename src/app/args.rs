//! The command line. Each flag has an environment variable: `FIREBELL_` and its name.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

use crate::api::Duration;
use crate::telemetry::LogFormat;

/// Firebell runs a team's support and escalation process on Kubernetes.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// How log lines look.
    #[arg(
        long,
        global = true,
        env = "FIREBELL_LOG_FORMAT",
        value_enum,
        default_value = "json"
    )]
    pub log_format: LogFormat,
    /// How much is logged: a level, or a filter such as "info,kube=debug".
    #[arg(
        long,
        global = true,
        env = "FIREBELL_LOG_LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(RunArgs),
    /// Print the custom resource definitions as YAML.
    Crds,
}

/// How the operator runs.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Namespace to work in; repeat for several. None = the whole cluster.
    #[arg(long = "namespace", env = "FIREBELL_NAMESPACE", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Namespace whose policies are a fallback for tickets of all others.
    #[arg(long, env = "FIREBELL_SHARED_POLICY_NAMESPACE")]
    pub shared_policy_namespace: Option<String>,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "FIREBELL_METRICS_ADDR", default_value = "0.0.0.0:8080")]
    pub metrics_addr: SocketAddr,
    /// Network that messages may reach though it is not public, and by plain http too; repeat for several.
    #[arg(
        long = "allow-network",
        env = "FIREBELL_ALLOW_NETWORK",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub allow_networks: Vec<IpNet>,
    /// PEM file of certificate authorities to trust for receivers, besides the system's.
    #[arg(long, env = "FIREBELL_EXTRA_CA_FILE")]
    pub extra_ca_file: Option<PathBuf>,
    /// How long a closed ticket stays editable before it is archived.
    #[arg(long, env = "FIREBELL_ARCHIVE_AFTER", default_value = "24h")]
    pub archive_after: Duration,
    /// How often archived tickets are looked through for those whose policy's `retention` is over; at least 1s.
    #[arg(long, env = "FIREBELL_RETENTION_EVERY", default_value = "1h")]
    pub retention_every: Duration,
}

impl RunArgs {
    /// Namespaces whose policies are read: the shared one too.
    pub fn policy_namespaces(&self) -> Vec<String> {
        let shared = self
            .shared_policy_namespace
            .iter()
            .filter(|shared| !self.namespaces.contains(shared));
        if self.namespaces.is_empty() {
            Vec::new()
        } else {
            self.namespaces.iter().chain(shared).cloned().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command, RunArgs};

    fn run(args: &[&str]) -> RunArgs {
        let Command::Run(run) = Cli::try_parse_from(["firebell", "run"].iter().chain(args))
            .unwrap()
            .command
        else {
            panic!("`run` was given")
        };
        run
    }

    #[test]
    fn the_command_line_is_well_formed_and_each_flag_has_its_variable() {
        let command = Cli::command();
        command.clone().debug_assert();
        let all = command
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .chain(command.get_arguments());
        for flag in all.filter(|flag| !["help", "version"].contains(&flag.get_id().as_str())) {
            let name = flag.get_long().unwrap().to_uppercase().replace('-', "_");
            assert_eq!(
                flag.get_env().unwrap().to_str().unwrap(),
                format!("FIREBELL_{name}")
            );
        }
    }

    #[test]
    fn policies_are_read_in_the_shared_namespace_too() {
        let args = run(&[
            "--namespace",
            "shop",
            "--namespace",
            "bank",
            "--shared-policy-namespace",
            "firebell",
        ]);
        assert_eq!(args.policy_namespaces(), ["shop", "bank", "firebell"]);
        assert!(
            run(&["--shared-policy-namespace", "firebell"])
                .policy_namespaces()
                .is_empty(),
            "all is all"
        );
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_flag_named() {
        let error = Cli::try_parse_from(["firebell", "run", "--allow-network", "10.0.0.0/40"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--allow-network"), "{error}");
        let error = Cli::try_parse_from(["firebell", "run", "--archive-after", "5m-3m"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--archive-after"), "{error}");
    }
}

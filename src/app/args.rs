//! The command line. Each flag has an environment variable: `FIREBELL_` and its name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::api::Duration;
use crate::controller::leader::candidate::Timing;
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
    Run(Box<RunArgs>),
    /// Run the alert intake: alerts of other tools become tickets.
    Intake(IntakeArgs),
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
    /// Address of the intake as people's phones reach it: each page for a contact then carries a link for an answer.
    #[arg(
        long,
        env = "FIREBELL_PUBLIC_URL",
        requires = "link_key_secret",
        value_name = "URL"
    )]
    pub public_url: Option<Url>,
    /// Secret whose key "linkKey" signs these links; the intake verifies them with the same key of its own Secret.
    #[arg(
        long,
        env = "FIREBELL_LINK_KEY_SECRET",
        requires = "public_url",
        value_name = "NAMESPACE/NAME"
    )]
    pub link_key_secret: Option<ObjectName>,
    /// How long a closed ticket stays editable before it is archived.
    #[arg(long, env = "FIREBELL_ARCHIVE_AFTER", default_value = "24h")]
    pub archive_after: Duration,
    /// How often archived tickets are looked through for those whose policy's `retention` is over; at least 1s.
    #[arg(long, env = "FIREBELL_RETENTION_EVERY", default_value = "1h")]
    pub retention_every: Duration,
    /// One replica of several: decide and send only while holding the lease. Without it this must be the only one.
    #[arg(long, env = "FIREBELL_LEADER_ELECT")]
    pub leader_elect: bool,
    /// Name of the lease; the same for all replicas, another for each operator with namespaces of its own.
    #[arg(long, env = "FIREBELL_LEASE_NAME", default_value = "firebell")]
    pub lease_name: String,
    /// Namespace of the lease. None = the one this process runs in.
    #[arg(long, env = "FIREBELL_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// How long a leader that died is waited for, in whole seconds from 2s to 60s. It renews three times as often.
    #[arg(
        long,
        env = "FIREBELL_LEASE_DURATION",
        default_value = "3s",
        value_parser = lease_duration
    )]
    pub lease_duration: std::time::Duration,
    /// Where a heartbeat goes each minute while all is well: the URL of a dead man's switch outside of the cluster.
    #[arg(
        long,
        env = "FIREBELL_HEARTBEAT_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub heartbeat_url: Option<SecretString>,
}

/// Leases are good for whole seconds.
fn lease_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "must be whole seconds from 2s to 60s, such as \"3s\"".to_owned();
    let duration: Duration = text.parse().map_err(|error| format!("{error}"))?;
    let millis = u64::try_from(duration.as_millis()).map_err(|_| wrong())?;
    let lasts = std::time::Duration::from_millis(millis);
    let fits = millis % 1000 == 0 && (Timing::SHORTEST..=Timing::LONGEST).contains(&lasts);
    fits.then_some(lasts).ok_or_else(wrong)
}

/// How the alert intake runs.
#[derive(Debug, Args)]
pub struct IntakeArgs {
    /// Address of the ways in, and of /livez, /readyz and /metrics.
    #[arg(long, env = "FIREBELL_ADDR", default_value = "0.0.0.0:8081")]
    pub addr: SocketAddr,
    /// The `ConfigMap` with the configuration in its key "intake.yaml".
    #[arg(long, env = "FIREBELL_CONFIG_MAP", value_name = "NAMESPACE/NAME")]
    pub config_map: ObjectName,
    /// Secret with the tokens and signing keys.
    #[arg(long, env = "FIREBELL_TOKEN_SECRET", value_name = "NAMESPACE/NAME")]
    pub token_secret: ObjectName,
}

/// Namespace and name of an object, as flags give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            Some(_) | None => Err("must be NAMESPACE/NAME".to_owned()),
        }
    }
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
        *run
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
    fn the_intake_is_told_its_objects_by_namespace_and_name() {
        let intake = |object: &str| {
            let args = [
                "firebell",
                "intake",
                "--config-map",
                object,
                "--token-secret",
                "a/b",
            ];
            Cli::try_parse_from(args)
        };
        let Command::Intake(args) = intake("firebell/intake").unwrap().command else {
            panic!("`intake` was given")
        };
        assert_eq!(
            (
                args.config_map.namespace.as_str(),
                args.config_map.name.as_str()
            ),
            ("firebell", "intake")
        );
        for wrong in ["intake", "/intake", "a/", "a/b/c"] {
            let error = intake(wrong).unwrap_err().to_string();
            assert!(error.contains("must be NAMESPACE/NAME"), "{error}");
        }
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
        for wrong in ["1s", "61s", "2500ms", "soon"] {
            let args = ["firebell", "run", "--lease-duration", wrong];
            let error = Cli::try_parse_from(args).unwrap_err().to_string();
            assert!(error.contains("--lease-duration"), "{error}");
        }
    }

    #[test]
    fn nobody_is_elected_unless_it_is_asked_for() {
        assert!(!run(&[]).leader_elect);
        let elected = run(&["--leader-elect", "--lease-duration", "1m"]);
        assert!(elected.leader_elect);
        assert_eq!(elected.lease_duration.as_secs(), 60);
    }
}

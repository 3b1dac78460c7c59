//! The real `firebell run` as a process of its own, for tests, demo and benches: started, killed, asked to stop.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::address::Address;
use super::process::Process;
use super::{TimedOut, eventually};

/// What an operator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `firebell` binary.
    pub binary: PathBuf,
    /// Whose rights it has.
    pub kubeconfig: PathBuf,
    /// Namespaces it watches; none = all.
    pub namespaces: Vec<String>,
    /// Further flags.
    pub flags: Vec<String>,
    /// Where it logs.
    pub log: PathBuf,
}

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    address: Address,
}

impl Operator {
    /// Starts an operator that may reach loopback receivers.
    pub fn spawn(options: &Options) -> io::Result<Self> {
        let address = Address::keep()?;
        let mut args = vec![
            "run".to_owned(),
            "--metrics-addr".to_owned(),
            address.text(),
        ];
        for namespace in &options.namespaces {
            args.extend(["--namespace".to_owned(), namespace.clone()]);
        }
        args.extend(["--allow-network".to_owned(), "127.0.0.0/8".to_owned()]);
        args.extend(options.flags.iter().cloned());
        let kubeconfig = options.kubeconfig.to_string_lossy().into_owned();
        let env = [("KUBECONFIG", kubeconfig.as_str())];
        let process = Process::spawn("firebell", &options.binary, args, &env, &options.log)?;
        Ok(Self { process, address })
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self, limit: Duration) -> Result<(), TimedOut> {
        let url = self.url("/readyz");
        let what = format!("the operator to be ready at {url}");
        let client = reqwest::Client::new();
        eventually(&what, limit, async || {
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await
    }

    /// The text of its `/metrics`.
    pub async fn metrics(&self) -> Result<String, reqwest::Error> {
        reqwest::get(self.url("/metrics")).await?.text().await
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM.
    pub fn terminate(&self) -> io::Result<()> {
        self.process.signal(Signal::SIGTERM)
    }

    /// SIGSTOP: it stands still until [`Operator::resume`].
    pub fn pause(&self) -> io::Result<()> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> io::Result<()> {
        self.process.signal(Signal::SIGCONT)
    }

    /// The answer of its `/readyz`: the status and what it says; `None` where nobody answers.
    pub async fn readiness(&self) -> Option<(u16, String)> {
        let answer = reqwest::get(self.url("/readyz")).await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    /// Waits for its own end after `terminate`.
    pub async fn ended(&mut self, limit: Duration) -> Result<Option<i32>, TimedOut> {
        let process = &mut self.process;
        let status = eventually("the operator to end", limit, async || {
            process.exited().ok()?
        })
        .await?;
        Ok(status.code())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address.text())
    }
}

/// The binary beside the running program, as cargo lays them out: tests and examples one folder below.
pub fn built_binary(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| Path::is_file(path))
}

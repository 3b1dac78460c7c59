//! The real `firebell intake` as a process of its own, for tests, demo and benches: started, killed, started again at
//! the same address.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::address::Address;
use super::process::Process;
use super::{TimedOut, eventually};

/// What an intake is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `firebell` binary.
    pub binary: PathBuf,
    /// Whose rights it has.
    pub kubeconfig: PathBuf,
    /// Namespace of its ConfigMap and Secret, both named `intake`.
    pub namespace: String,
    /// Where it logs.
    pub log: PathBuf,
}

/// A running intake. Dropping it kills it.
#[derive(Debug)]
pub struct Intake {
    options: Options,
    address: Address,
    process: Process,
    client: reqwest::Client,
}

/// An answer: HTTP status and body, JSON where it is.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body as JSON; null where it is none.
    pub json: Value,
    /// Body as text.
    pub text: String,
}

impl Intake {
    /// Starts an intake on a free port of loopback.
    pub fn spawn(options: Options) -> io::Result<Self> {
        let address = Address::keep()?;
        let process = start(&options, &address)?;
        Ok(Self {
            options,
            address,
            process,
            client: reqwest::Client::new(),
        })
    }

    /// Where it listens, with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address.text())
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self, limit: Duration) -> Result<(), TimedOut> {
        let url = self.url("/readyz");
        eventually("the intake to be ready", limit, async || {
            let answer = self.client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await
    }

    /// Posts JSON with a bearer token; an error where the connection broke.
    pub async fn post(
        &self,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.client.post(self.url(path)).bearer_auth(token);
        Self::sent(request.body(body.to_string())).await
    }

    /// Posts text with headers.
    pub async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.post(self.url(path)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Self::sent(request).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        Self::sent(self.client.get(self.url(path))).await
    }

    async fn sent(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status, json, text })
    }

    /// What it logged since it was started last.
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

    /// Waits for its own end after `terminate`; its exit code.
    pub async fn ended(&mut self, limit: Duration) -> Result<Option<i32>, TimedOut> {
        let process = &mut self.process;
        let status = eventually("the intake to end", limit, async || {
            process.exited().ok()?
        });
        Ok(status.await?.code())
    }

    /// Starts it again at the same address.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.kill();
        self.process = start(&self.options, &self.address)?;
        Ok(())
    }
}

fn start(options: &Options, address: &Address) -> io::Result<Process> {
    let object = format!("{}/intake", options.namespace);
    let address = address.text();
    let args = [
        "intake",
        "--addr",
        &address,
        "--config-map",
        &object,
        "--token-secret",
        &object,
    ];
    let kubeconfig = options.kubeconfig.to_string_lossy().into_owned();
    let env = [("KUBECONFIG", kubeconfig.as_str())];
    Process::spawn("intake", &options.binary, args, &env, &options.log)
}

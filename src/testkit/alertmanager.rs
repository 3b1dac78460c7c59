//! A real Alertmanager for tests and demo, and `amtool` to fire and end alerts: built by
//! `tests/controlplane/alertmanager/build.sh`, which alone knows where they are.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;
use super::process::Process;
use super::{TimedOut, eventually};

const BUILD_SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/controlplane/alertmanager/build.sh"
);

/// A running Alertmanager. Dropping it kills it.
#[derive(Debug)]
pub struct Alertmanager {
    programs: PathBuf,
    folder: PathBuf,
    address: Address,
    process: Process,
}

impl Alertmanager {
    /// Starts one by itself with a configuration (YAML); it keeps its state in `folder`.
    pub fn spawn(folder: PathBuf, configuration: &str) -> io::Result<Self> {
        let programs = programs()?;
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("alertmanager.yaml"), configuration)?;
        let address = Address::keep()?;
        let process = start(&programs, &folder, &address)?;
        Ok(Self {
            programs,
            folder,
            address,
            process,
        })
    }

    /// Waits until it serves.
    pub async fn ready(&self, limit: Duration) -> Result<(), TimedOut> {
        let url = format!("http://{}/-/ready", self.address.text());
        eventually("Alertmanager to be ready", limit, async || {
            let answer = reqwest::get(&url).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await
    }

    /// `amtool alert add`: fires an alert with these labels and annotations, or ends it.
    pub async fn tell(
        &self,
        labels: &[&str],
        annotations: &[&str],
        firing: bool,
    ) -> io::Result<()> {
        let mut command = tokio::process::Command::new(self.programs.join("amtool"));
        command.args(["--no-version-check", "alert", "add"]);
        command.arg(format!("--alertmanager.url=http://{}", self.address.text()));
        if !firing {
            let end = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
            command.arg(format!("--end={}", end.strftime("%Y-%m-%dT%H:%M:%SZ")));
        }
        let annotations = annotations.iter().map(|one| format!("--annotation={one}"));
        let output = command.args(annotations).args(labels).output().await?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("amtool: {said}")))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, with the state that it had stored.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.kill();
        self.process = start(&self.programs, &self.folder, &self.address)?;
        Ok(())
    }
}

fn programs() -> io::Result<PathBuf> {
    let asked = std::process::Command::new("bash")
        .args([BUILD_SCRIPT, "--print-folder"])
        .output()?;
    let folder = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    if folder.join("amtool").is_file() {
        Ok(folder)
    } else {
        Err(io::Error::other(format!(
            "there is no Alertmanager in '{}'; run `make controlplane`",
            folder.display()
        )))
    }
}

fn start(
    programs: &std::path::Path,
    folder: &std::path::Path,
    address: &Address,
) -> io::Result<Process> {
    let at = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let args = [
        format!("--config.file={}", at("alertmanager.yaml")),
        format!("--storage.path={}", at("data")),
        format!("--web.listen-address={}", address.text()),
        "--cluster.listen-address=".to_owned(),
    ];
    let log = folder.join("log");
    Process::spawn(
        "alertmanager",
        &programs.join("alertmanager"),
        args,
        &[],
        &log,
    )
}

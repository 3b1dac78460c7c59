//! `firebell run | intake | crds`: read the command line, start the log, call the application.

use std::process::ExitCode;

use clap::Parser;
use firebell::app::{self, Cli};
use firebell::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    let Cli {
        log_format,
        log_level,
        command,
    } = Cli::parse();
    if let Err(error) = telemetry::start(log_format, &log_level) {
        eprintln!("firebell: {error:#}");
        return ExitCode::from(2);
    }
    // The one TLS provider of this process; a second installation could only be this one again.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match app::run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `kubectl firebell`: what a responder types. Everything is in `firebell::cli`.

use std::process::ExitCode;

use clap::Parser;
use firebell::cli::{Command, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Command::parse()).await {
        Ok(said) => {
            print!("{}", said.text);
            ExitCode::from(said.code)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

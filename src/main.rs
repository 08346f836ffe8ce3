//! The binary `forebay`: command line, configuration, wiring.

mod accepting;
mod burst;
mod cli;
mod commands;
mod compose;
mod config;
mod demo;
mod dev_issuer;
mod exit;
mod hooks;
#[cfg(test)]
mod manifests;
mod members;
mod observation;
mod reporting;
mod roles;
mod runbooks;
mod storm;
mod watching;
mod working;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::observation::Observation;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(exit::FAILED, &format!("the runtime can't start: {error}")),
    };
    let observation = Observation::default();
    let result = runtime.block_on(Box::pin(commands::run(cli, &observation)));
    observation.finish();
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => end(exit.code, &exit.message),
    }
}

fn end(code: u8, message: &str) -> ExitCode {
    if !message.is_empty() {
        commands::people::note(&format!("forebay: {message}"));
    }
    ExitCode::from(code)
}

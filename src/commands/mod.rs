//! The commands, one file a subject.

mod alert;
mod alert_test;
mod attendance;
mod carriers;
mod claims;
mod configuration;
mod csv_export;
mod dead_letters;
mod dev;
mod doctor;
mod event;
mod explain;
mod key;
mod ledger;
mod member;
pub(crate) mod people;
mod plan;
pub(crate) mod production;
mod programme;
mod queue;
mod report;
pub(crate) mod sandbox;
mod stock;
pub(crate) mod table;
mod tracking;
mod tracking_view;
mod worker;

use std::path::Path;

use crate::cli::{CarrierCommand, Cli, Command};
use crate::config::Config;
use crate::demo;
use crate::exit::Exit;
use crate::observation::Observation;
use crate::storm;

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli, observation: &Observation) -> Result<(), Exit> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Storm(args) => storm::run(*args).await,
        Command::Dev(args) => dev::run(configured(file, observation)?, args).await,
        Command::Serve { role } => production::serve(configured(file, observation)?, role).await,
        Command::Work { queues } => production::work(configured(file, observation)?, &queues).await,
        Command::Relay => production::relay(configured(file, observation)?).await,
        Command::Schedule => production::schedule(configured(file, observation)?).await,
        Command::Migrate => production::migrate(configured(file, observation)?).await,
        Command::Topology { command } => production::topology(configured(file, observation)?, &command).await,
        Command::Config { command } => configuration::run(file, command),
        Command::Doctor { json } => doctor::run(configured(file, observation)?, json).await,
        Command::Explain { name, json } => explain::run(name.as_deref(), json),
        Command::Event { command } => event::run(command).await,
        Command::Dlq { api, command } => dead_letters::run(&api, *command).await,
        Command::Queue { api, command } => queue::run(&api, command).await,
        Command::Alert { api, command } => alert::run(&api, file, command).await,
        Command::Carrier { command: CarrierCommand::Plan(args), .. } => {
            plan::run(&configured(file, observation)?, &args)
        }
        Command::Carrier { api, command } => carriers::run(&api, command).await,
        Command::Worker { api, command } => worker::run(&api, command).await,
        Command::Report { api, asked } => report::run(&api, asked).await,
        Command::Audit { api, limit, json } => dead_letters::audit(&api, limit, json).await,
        Command::Parcel { api, command } => tracking::parcel(&api, command).await,
        Command::Return { api, command } => tracking::returns(&api, command).await,
        Command::Programme { api, command } => programme::run(&api, command).await,
        Command::Attendance { api, command } => attendance::run(&api, command).await,
        Command::Member { api, command } => member::run(&api, command).await,
        Command::Ledger { api, command } => ledger::run(&api, command).await,
        Command::Claim { api, command } => claims::run(&api, command).await,
        Command::Stock { api, command } => stock::run(&api, command).await,
        Command::Key { command } => key::run(command),
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Version { json } => version(json),
    }
}

/// Reads the configuration and starts logs and traces as it says.
fn configured(file: Option<&Path>, observation: &Observation) -> Result<Config, Exit> {
    let config = Config::load(file)?;
    observation.begin(&config)?;
    Ok(config)
}

fn version(json: bool) -> Result<(), Exit> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        people::print_json(&serde_json::json!({ "name": "forebay", "version": version }))
    } else {
        people::print(&format!("forebay {version}"))
    }
}

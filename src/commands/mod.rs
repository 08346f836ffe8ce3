//! The commands, one file a subject.

mod alert;
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
pub(crate) mod sandbox;
mod stock;
pub(crate) mod table;
mod tracking;
mod tracking_view;
mod worker;

use std::path::Path;

use forebay_telemetry::{LogFormat, logs};

use crate::cli::{CarrierCommand, Cli, Command};
use crate::config::Config;
use crate::demo;
use crate::exit::{CONFIGURATION, Exit};
use crate::storm;

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli) -> Result<(), Exit> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Storm(args) => storm::run(args).await,
        Command::Dev(args) => dev::run(configured(file)?, args).await,
        Command::Serve { role } => production::serve(configured(file)?, role).await,
        Command::Work { queues } => production::work(configured(file)?, &queues).await,
        Command::Relay => production::relay(configured(file)?).await,
        Command::Schedule => production::schedule(configured(file)?).await,
        Command::Migrate => production::migrate(configured(file)?).await,
        Command::Topology { command } => production::topology(configured(file)?, &command).await,
        Command::Config { command } => configuration::run(file, command),
        Command::Doctor { json } => doctor::run(configured(file)?, json).await,
        Command::Explain { name, json } => explain::run(name.as_deref(), json),
        Command::Event { command } => event::run(command).await,
        Command::Dlq { api, command } => dead_letters::run(&api, *command).await,
        Command::Queue { api, command } => queue::run(&api, command).await,
        Command::Alert { api, command } => alert::run(&api, command).await,
        Command::Carrier { command: CarrierCommand::Plan(args), .. } => plan::run(&configured(file)?, &args),
        Command::Carrier { api, command } => carriers::run(&api, command).await,
        Command::Worker { api, command } => worker::run(&api, command).await,
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

/// Reads the configuration and starts the logs as it says.
fn configured(file: Option<&Path>) -> Result<Config, Exit> {
    let config = Config::load(file)?;
    let format: LogFormat =
        config.log.format.parse().map_err(|e| Exit::new(CONFIGURATION, format!("log.format {e}")))?;
    logs::init(format, &config.log.filter)
        .map_err(|error| Exit::new(CONFIGURATION, format!("log.filter: {error}")))?;
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

//! `config check|show|init`.

use std::path::Path;

use crate::cli::ConfigCommand;
use crate::commands::people;
use crate::config::{Config, DEFAULTS};
use crate::exit::{CONFIGURATION, Exit};

pub(crate) fn run(file: Option<&Path>, command: ConfigCommand) -> Result<(), Exit> {
    match command {
        ConfigCommand::Check => {
            let config = Config::load(file)?;
            people::print(&format!(
                "the configuration is sound: queue {}, store {}",
                config.queue.url, config.store.url
            ))
        }
        ConfigCommand::Show => {
            let config = Config::load(file)?;
            people::print(toml::to_string_pretty(&config).map_err(Exit::failed)?.trim_end())
        }
        ConfigCommand::Init { path } => {
            if path.exists() {
                let text = format!("{} is there already; it was left as it is", path.display());
                return Err(Exit::new(CONFIGURATION, text));
            }
            std::fs::write(&path, DEFAULTS)?;
            people::print(&format!("wrote {}", path.display()))
        }
    }
}

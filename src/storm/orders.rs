//! The commands of a shell by which a storm breaks what it has no hand on.

use std::time::Duration;

use crate::cli::StormArgs;
use crate::exit::{CONFIGURATION, Exit, FAILED};
use crate::storm::faults::{Fault, FaultCommand};

/// The commands that were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    on: Vec<FaultCommand>,
    broker: [Option<String>; 2],
    store: [Option<String>; 2],
}

impl Orders {
    /// Those of the arguments.
    pub(crate) fn of(args: &StormArgs) -> Self {
        Self {
            on: args.on.clone(),
            broker: [args.stop_broker.clone(), args.start_broker.clone()],
            store: [args.stop_store.clone(), args.start_store.clone()],
        }
    }

    /// Whether this fault is done by command.
    pub(crate) fn know(&self, fault: Fault) -> bool {
        self.on.iter().any(|command| command.fault == fault)
            || match fault {
                Fault::Broker => self.broker.iter().all(Option::is_some),
                Fault::Store => self.store.iter().all(Option::is_some),
                _ => false,
            }
    }

    /// Does it; `false` when there is no command for it.
    pub(crate) async fn obey(&self, fault: Fault, lasts: Duration) -> Result<bool, Exit> {
        if let Some(command) = self.on.iter().find(|command| command.fault == fault) {
            shell(&command.command).await?;
            return Ok(true);
        }
        let pair = match fault {
            Fault::Broker => &self.broker,
            Fault::Store => &self.store,
            _ => return Ok(false),
        };
        let [Some(stop), Some(start)] = pair else { return Ok(false) };
        shell(stop).await?;
        tokio::time::sleep(lasts).await;
        shell(start).await?;
        Ok(true)
    }

    /// Refuses a fault for which a command is missing.
    pub(crate) fn need(&self, fault: Fault) -> Result<(), Exit> {
        if self.know(fault) {
            return Ok(());
        }
        let how = match fault {
            Fault::Broker | Fault::Store => {
                format!("--stop-{fault} and --start-{fault}, or --on {fault}=COMMAND")
            }
            _ => format!("--on {fault}=COMMAND"),
        };
        Err(Exit::new(CONFIGURATION, format!("--faults {fault} needs {how}")))
    }
}

async fn shell(command: &str) -> Result<(), Exit> {
    let status = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .await?;
    if status.success() { Ok(()) } else { Err(Exit::new(FAILED, format!("`{command}` failed: {status}"))) }
}

//! The commands of a shell by which a storm breaks what it has no hand on.

use crate::cli::StormArgs;
use crate::exit::{CONFIGURATION, Exit, FAILED};
use crate::storm::faults::{Fault, FaultCommand};

/// What a command did of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obeyed {
    /// There is none for it.
    Not,
    /// It began, and lasts until it is mended.
    Half,
    /// All of it.
    Whole,
}

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

    /// Does it.
    pub(crate) async fn strike(&self, fault: Fault) -> Result<Obeyed, Exit> {
        if let Some(command) = self.on.iter().find(|command| command.fault == fault) {
            shell(&command.command).await?;
            return Ok(Obeyed::Whole);
        }
        let Some([stop, _]) = self.pair(fault) else { return Ok(Obeyed::Not) };
        shell(stop).await?;
        Ok(Obeyed::Half)
    }

    /// Ends what is stopped and started by commands.
    pub(crate) async fn mend(&self, fault: Fault) -> Result<(), Exit> {
        match self.pair(fault) {
            Some([_, start]) => shell(start).await,
            None => Ok(()),
        }
    }

    fn pair(&self, fault: Fault) -> Option<[&str; 2]> {
        let [stop, start] = match fault {
            Fault::Broker => &self.broker,
            Fault::Store => &self.store,
            _ => return None,
        };
        Some([stop.as_deref()?, start.as_deref()?])
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

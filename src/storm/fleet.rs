//! The private installation that the storm breaks: this binary as processes, with a sandbox as their outside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::exit::{Exit, FAILED, UNAVAILABLE};
use crate::storm::faults::Fault;

/// How long the intake may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a role may take to end after SIGTERM: its promise, and some time for a busy machine.
const STOP_PATIENCE: Duration = Duration::from_secs(35);

/// One process.
#[derive(Debug)]
struct Role {
    name: String,
    args: Vec<String>,
    /// The faults that hit it.
    hit_by: Vec<Fault>,
    child: Option<Child>,
    starts: usize,
}

/// All processes of an installation.
#[derive(Debug)]
pub(crate) struct Fleet {
    binary: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    roles: Vec<Role>,
    /// Where the intake listens, `host:port`.
    intake: String,
}

impl Fleet {
    /// An installation with these settings, not yet started. Logs go into `folder`.
    pub(crate) fn new(
        folder: &Path,
        intake: String,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Self, Exit> {
        let binary = std::env::current_exe()?;
        Ok(Self { binary, folder: folder.to_owned(), environment, roles: Vec::new(), intake })
    }

    /// Adds a process that is hit by these faults.
    pub(crate) fn role(&mut self, name: impl Into<String>, args: &[&str], hit_by: &[Fault]) {
        self.roles.push(Role {
            name: name.into(),
            args: args.iter().map(ToString::to_string).collect(),
            hit_by: hit_by.to_vec(),
            child: None,
            starts: 0,
        });
    }

    /// Starts every process that does not run, and waits until the intake listens.
    pub(crate) async fn start(&mut self) -> Result<(), Exit> {
        for index in 0..self.roles.len() {
            if self.roles[index].child.is_none() {
                self.spawn(index)?;
            }
        }
        let begun = Instant::now();
        while TcpStream::connect(&self.intake).await.is_err() {
            if begun.elapsed() > START_PATIENCE {
                let text = format!("the intake does not listen; its log is in {}", self.folder.display());
                return Err(Exit::new(UNAVAILABLE, text));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> Result<(), Exit> {
        let role = &mut self.roles[index];
        let log =
            File::options().create(true).append(true).open(self.folder.join(format!("{}.log", role.name)))?;
        let mut command = Command::new(&self.binary);
        // Nothing of this process's own settings reaches the installation.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOREBAY_"))
        {
            command.env_remove(name);
        }
        let child = command
            .args(&role.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        role.child = Some(child);
        role.starts += 1;
        Ok(())
    }

    /// kill -9 of one process that this fault hits, and its start again, as a supervisor would.
    pub(crate) async fn kill(&mut self, fault: Fault, random: &mut StdRng) -> Result<(), Exit> {
        let hit: Vec<usize> =
            (0..self.roles.len()).filter(|i| self.roles[*i].hit_by.contains(&fault)).collect();
        if hit.is_empty() {
            return Ok(());
        }
        let index = hit[random.random_range(0..hit.len())];
        if let Some(mut child) = self.roles[index].child.take() {
            child.kill().await?;
        }
        self.spawn(index)
    }

    /// Starts again what ended by itself, and says what did.
    pub(crate) fn revive(&mut self) -> Result<Vec<String>, Exit> {
        let mut ended = Vec::new();
        for index in 0..self.roles.len() {
            let role = &mut self.roles[index];
            let gone = match &mut role.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            if let Some(status) = gone {
                ended.push(format!("{} ended by itself: {status}", role.name));
                self.spawn(index)?;
            }
        }
        Ok(ended)
    }

    /// SIGTERM to every process; each must end with 0 and in time.
    pub(crate) async fn stop(&mut self) -> Result<(), Exit> {
        for child in self.roles.iter().filter_map(|role| role.child.as_ref()) {
            if let Some(pid) = child.id() {
                Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
            }
        }
        for role in &mut self.roles {
            let Some(mut child) = role.child.take() else { continue };
            let ended = tokio::time::timeout(STOP_PATIENCE, child.wait()).await;
            match ended {
                Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {}
                Ok(status) => {
                    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    return Err(Exit::new(FAILED, format!("{} did not end well: {status}", role.name)));
                }
                Err(_) => {
                    let text = format!("{} did not end within {} s", role.name, STOP_PATIENCE.as_secs());
                    return Err(Exit::new(FAILED, text));
                }
            }
        }
        Ok(())
    }
}

//! A broker of one test's own, to be stopped and killed, made by `scripts/servers`; perhaps a node of a cluster.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::setting;

/// Folders of brokers, each removed with what runs in it.
#[derive(Debug)]
pub(crate) struct Ground {
    scripts: String,
    folder: TempDir,
}

/// A node.
#[derive(Debug)]
pub(crate) struct OwnBroker {
    scripts: String,
    folder: PathBuf,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        // The broker runs as a user of its own, who must be able to pass through.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(folder.path(), open).expect("the folder's rights can be set");
        Self { scripts: setting("FOREBAY_TEST_SERVERS"), folder }
    }

    /// Starts a broker.
    pub(crate) async fn start(&self, name: &str) -> OwnBroker {
        self.start_with(name, &[]).await
    }

    /// Starts another node of the cluster that `first` is in.
    pub(crate) async fn join(&self, name: &str, first: &OwnBroker) -> OwnBroker {
        self.start_with(name, &["--join", path(&first.folder)]).await
    }

    async fn start_with(&self, name: &str, more: &[&str]) -> OwnBroker {
        let broker = OwnBroker { scripts: self.scripts.clone(), folder: self.folder.path().join(name) };
        run(&self.scripts, &[&["start", path(&broker.folder)], more, &["rabbitmq"]].concat()).await;
        broker
    }
}

impl OwnBroker {
    /// Its address, with user and vhost.
    pub(crate) fn url(&self) -> String {
        self.variable("FOREBAY_TEST_AMQP_URL")
    }

    /// The address of its management API.
    pub(crate) fn management_url(&self) -> String {
        self.variable("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL")
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        let url = self.url();
        let behind = url.rsplit_once('@').expect("an address with a user").1;
        behind.split('/').next().unwrap_or_default().to_owned()
    }

    /// The name by which its cluster knows it ends with this.
    pub(crate) fn port(&self) -> String {
        self.address().rsplit_once(':').expect("an address with a port").1.to_owned()
    }

    /// Stops it as an operator would.
    pub(crate) async fn stop(&self) {
        self.steer("stop").await;
    }

    /// SIGKILL, as a machine would lose power.
    pub(crate) async fn kill(&self) {
        self.steer("kill").await;
    }

    /// Starts it again; returns when it takes connections.
    pub(crate) async fn again(&self) {
        self.steer("start").await;
    }

    async fn steer(&self, action: &str) {
        run(path(&self.folder.join("rabbitmq-server")), &[action]).await;
    }

    fn variable(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.folder.join("env")).expect("the broker was started");
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='")));
        line.expect("its addresses are written down").trim_end_matches('\'').to_owned()
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let removed = std::process::Command::new(&self.scripts)
            .args(["remove", path(&self.folder)])
            .stdout(Stdio::null())
            .status();
        assert!(removed.is_ok_and(|s| s.success()) || std::thread::panicking(), "the broker was not removed");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

async fn run(command: &str, arguments: &[&str]) {
    let status =
        Command::new(command).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status().await;
    assert!(status.is_ok_and(|status| status.success()), "{command} {arguments:?} failed");
}

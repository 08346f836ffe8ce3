//! A server of one test's own, to be stopped and killed, made by `scripts/servers`.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

/// A server.
#[derive(Debug)]
pub(crate) struct OwnServer {
    scripts: String,
    dir: TempDir,
}

impl OwnServer {
    /// Starts one.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration; their tools are named by a variable"
    )]
    pub(crate) async fn start() -> Self {
        let scripts = std::env::var("FOREBAY_TEST_SERVERS").expect(
            "FOREBAY_TEST_SERVERS is not set: run these tests by `scripts/test`, or set it to the path of \
             scripts/servers",
        );
        let server = Self { scripts, dir: TempDir::new().unwrap() };
        run(&server.scripts, &["start", server.path(), "postgres"]).await;
        server
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let env = std::fs::read_to_string(self.dir.path().join("env")).unwrap();
        let line =
            env.lines().find_map(|line| line.strip_prefix("export FOREBAY_TEST_POSTGRES_URL='")).unwrap();
        line.trim_end_matches('\'').to_owned()
    }

    /// Stops it without a checkpoint, as in a crash.
    pub(crate) async fn kill(&self) {
        self.steer("kill").await;
    }

    /// Starts it again.
    pub(crate) async fn again(&self) {
        self.steer("start").await;
    }

    async fn steer(&self, action: &str) {
        let command = self.dir.path().join("postgres-server");
        run(&command.to_string_lossy(), &[action]).await;
    }

    fn path(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let removed = std::process::Command::new(&self.scripts)
            .args(["remove", self.path()])
            .stdout(Stdio::null())
            .status();
        assert!(removed.is_ok_and(|s| s.success()) || std::thread::panicking(), "the server was not removed");
    }
}

async fn run(command: &str, arguments: &[&str]) {
    assert!(Path::new(command).exists(), "there is no {command}");
    let status =
        Command::new(command).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status().await;
    assert!(status.unwrap().success(), "{command} {arguments:?} failed");
}

//! The production set: RabbitMQ and PostgreSQL of the test's own, a sandbox, and each role as a process.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Process, READY, curl, eventually, forebay, free_port, fresh_servers};

/// How long a stop may take: its promise of 25 s, and some time for a busy machine.
const STOP: Duration = Duration::from_secs(40);
/// How long a worker may take until it leaves a queue alone: its promise of 2 s is for a machine that is not busy.
const LEFT_ALONE: Duration = Duration::from_secs(30);
/// How long it must hold nothing until it counts: what it fetched before is with the handler by then.
const STILL: Duration = Duration::from_millis(500);

/// A running role.
pub(crate) struct Role {
    name: String,
    process: Process,
    operations: u16,
}

impl Role {
    /// Starts a command that has an operations port, and waits until it is ready. Its log goes into `folder`.
    pub(crate) fn ready(mut command: Command, name: &str, operations: u16, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let process = Process::start(command.stderr(File::create(&log).unwrap()));
        let url = format!("http://127.0.0.1:{operations}/readyz");
        let deadline = Instant::now() + READY;
        loop {
            let (status, body) = curl(&[&url]);
            if status == 200 {
                return Self { name: name.to_owned(), process, operations };
            }
            if Instant::now() >= deadline {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("{name} did not become ready: {status} {body}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where its operations port answers.
    pub(crate) fn operations(&self) -> String {
        format!("http://127.0.0.1:{}", self.operations)
    }

    /// Waits until this worker has heard that it is to leave a queue alone, and holds nothing of it any more.
    pub(crate) fn leaves_alone(&self, queue: &str) {
        let labels = format!("{{queue=\"forebay.{queue}\"}} ");
        let mut since = None;
        eventually(&format!("{} leaves {queue} alone", self.name), LEFT_ALONE, || {
            let (_, told) = curl(&[&format!("{}/metrics", self.operations())]);
            let value = |metric: &str| {
                let line = format!("forebay_{metric}{labels}");
                told.lines().find_map(|told| told.strip_prefix(&line)?.parse::<f64>().ok())
            };
            if value("queue_closed") != Some(1.0) || value("in_flight").is_some_and(|held| held > 0.0) {
                since = None;
                return false;
            }
            since.get_or_insert_with(Instant::now).elapsed() >= STILL
        });
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// kill -9.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// SIGTERM; it must end well, and in time.
    pub(crate) fn stop(mut self) {
        let begun = Instant::now();
        let pid = self.pid().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap().success());
        let mut ended = None;
        eventually(&format!("{} ends after SIGTERM", self.name), STOP, || {
            ended = self.process.0.try_wait().unwrap();
            ended.is_some()
        });
        let code = ended.and_then(|status| status.code());
        assert_eq!(code, Some(0), "{} ended after {:?}", self.name, begun.elapsed());
    }
}

/// A whole set, prepared; roles are started by the test.
pub(crate) struct Fleet {
    /// Where storefronts send events.
    pub(crate) intake: String,
    /// Where the api answers.
    pub(crate) api: String,
    /// Where the sandbox answers.
    pub(crate) sandbox: String,
    /// The queue of the production set.
    pub(crate) queue: String,
    /// The database of the production set.
    pub(crate) store: String,
    /// The key of its callers.
    pub(crate) key: String,
    settings: Vec<(&'static str, String)>,
    folder: TempDir,
    // Killed when the test ends.
    _sandbox: Process,
}

impl Fleet {
    /// Fresh servers, migrated and declared by the commands, and a sandbox.
    pub(crate) fn prepared() -> Self {
        let fleet = Self::around(Some(fresh_servers()));
        for preparation in [&["migrate"][..], &["topology", "apply"]] {
            let output = fleet.command(preparation).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{preparation:?}: {told}");
        }
        fleet
    }

    /// The embedded set, whose one role is `dev --no-sandbox`, and a sandbox as a process of its own.
    pub(crate) fn embedded() -> Self {
        Self::around(None)
    }

    /// A sandbox and the settings of a set on these servers, as they are; without servers, of the embedded set.
    pub(crate) fn around(servers: Option<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = || format!("127.0.0.1:{}", free_port());
        let (intake, sandbox, smtp) = (address(), address(), address());
        let api = if servers.is_some() { address() } else { intake.clone() };
        let process = Process::start(
            forebay()
                .args(["sandbox", "--listen", &sandbox, "--smtp", &smtp])
                .stderr(File::create(folder.path().join("sandbox.log")).unwrap()),
        );
        let (key, keys) = key();
        let at = |path: &str| format!("http://{sandbox}/{path}");
        let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
        let allow = format!("[{{host=\"127.0.0.1\", port={}, private=true, plain=true}}]", port(&sandbox));
        let text = |text: &str| text.to_owned();
        let mut settings = vec![
            ("FOREBAY_INTAKE__LISTEN", intake.clone()),
            ("FOREBAY_API__LISTEN", api.clone()),
            ("FOREBAY_KEYS", keys),
            ("FOREBAY_OUTBOUND__ALLOW", allow),
            ("FOREBAY_CARRIERS__SWEETTRACKER__URL", at("sweettracker/")),
            ("FOREBAY_CARRIERS__SWEETTRACKER__KEY", text(forebay_sandbox::CARRIER_KEY)),
            ("FOREBAY_CARRIERS__SWEETTRACKER__LIMIT", text("1000")),
            ("FOREBAY_CARRIERS__SWEETTRACKER__BURST", text("20")),
            ("FOREBAY_CARRIERS__SWEETTRACKER__CONCURRENCY", text("64")),
            ("FOREBAY_CARRIERS__SWEETTRACKER__FIRST_LOOK_WITHIN_S", text("0")),
            ("FOREBAY_RETURNS__API_URL", at("shop/returns")),
            ("FOREBAY_RETURNS__API_TOKEN", text(forebay_sandbox::SHOP_TOKEN)),
            ("FOREBAY_RETURNS__COLLECT_EVERY_S", text("2")),
            ("FOREBAY_RETURNS__RESULT_URL", at("shop/return-results")),
            ("FOREBAY_RETURNS__SIGNING_SECRET", text(forebay_sandbox::SIGNING_SECRET)),
            ("FOREBAY_SLACK__API_URL", at("slack/api/")),
            ("FOREBAY_SLACK__BOT_TOKEN", text(forebay_sandbox::SLACK_TOKEN)),
            ("FOREBAY_SLACK__CHANNEL", text(forebay_sandbox::SLACK_CHANNEL)),
            ("FOREBAY_MAIL__HOST", text("127.0.0.1")),
            ("FOREBAY_MAIL__PORT", port(&smtp)),
            ("FOREBAY_MAIL__TLS", text("none")),
            ("FOREBAY_MAIL__FROM", text("forebay@shop.example")),
            ("FOREBAY_MAIL__TO", text("[\"on-call@shop.example\"]")),
            ("FOREBAY_ALERTS__GROUP_WAIT_S", text("1.0")),
        ];
        let (mut broker, mut database) = (String::new(), String::new());
        if let Some((queue, store)) = servers {
            (broker, database) = (queue.clone(), store.clone());
            settings.extend([("FOREBAY_QUEUE__URL", queue), ("FOREBAY_STORE__URL", store)]);
        }
        let (intake, api) = (format!("http://{intake}"), format!("http://{api}"));
        let sandbox = format!("http://{sandbox}");
        let fleet = Self {
            intake,
            api,
            sandbox,
            queue: broker,
            store: database,
            settings,
            key,
            folder,
            _sandbox: process,
        };
        eventually("the sandbox answers", READY, || fleet.saw("record").is_some());
        fleet
    }

    /// Where its commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The binary with the set's configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = forebay();
        let settings = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        command.args(args).envs(settings).current_dir(self.folder.path());
        command
    }

    /// Starts a role and waits until it is ready.
    pub(crate) fn start(&self, name: &str, args: &[&str]) -> Role {
        self.start_with(name, args, &[])
    }

    /// The same, with these settings in the place of the set's.
    pub(crate) fn start_with(&self, name: &str, args: &[&str], settings: &[(&str, &str)]) -> Role {
        let operations = free_port();
        let mut command = self.command(args);
        command.envs(settings.iter().copied());
        command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
        Role::ready(command, name, operations, self.folder.path())
    }

    /// Calls a port of the set with its key: status and JSON.
    pub(crate) fn call(&self, args: &[&str]) -> (u16, Value) {
        let authorization = format!("Authorization: Bearer {}", self.key);
        let (status, body) = curl(&[&["-H", authorization.as_str()][..], args].concat());
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Sends events in one batch; they must be accepted.
    pub(crate) fn publish(&self, events: &[String]) {
        let url = format!("{}/v1/events", self.intake);
        let batch = format!("[{}]", events.join(","));
        let content = "Content-Type: application/cloudevents-batch+json";
        let (status, answer) = self.call(&["-H", content, "-d", &batch, &url]);
        assert_eq!(status, 202, "{answer}");
    }

    /// What the sandbox tells of one part of the world.
    pub(crate) fn saw(&self, part: &str) -> Option<Value> {
        let (status, body) = curl(&[&format!("{}/_control/{part}", self.sandbox)]);
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// One number from the database.
    pub(crate) fn count(&self, statement: &str) -> usize {
        let output = Command::new("psql")
            .args([&self.store, "-XAtqc", statement])
            .env("PGOPTIONS", "-c search_path=forebay")
            .output()
            .unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    }
}

/// A new key by the command that makes keys, and what the configuration takes of it.
pub(crate) fn key() -> (String, String) {
    let scopes = "events:write,members:act,reports:read,admin";
    let output = forebay().args(["key", "new", "--scopes", scopes]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = |name: &str| {
        let found = told.lines().find(|line| line.starts_with(&format!("{name} = ")));
        found.unwrap_or_else(|| panic!("{name} is not in {told}")).replacen(" = ", "=", 1)
    };
    let keys = format!("[{{{}, {}, {}}}]", line("id"), line("sha256"), line("scopes"));
    (String::from_utf8_lossy(&output.stdout).trim().to_owned(), keys)
}

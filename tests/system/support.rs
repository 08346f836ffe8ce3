//! Processes, deadlines, and servers of the test's own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take until it is ready, however busy the machine is.
pub(crate) const READY: Duration = Duration::from_secs(90);

/// The binary under test.
pub(crate) fn forebay() -> Command {
    bare(env!("CARGO_BIN_EXE_forebay"))
}

/// A program that sees no setting of Forebay but those that the test gives it.
pub(crate) fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FOREBAY_") {
            command.env_remove(name);
        }
    }
    command
}

/// A setting of `scripts/test`; without it the test fails.
pub(crate) fn setting(name: &str) -> String {
    let value =
        std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set; run the tests by scripts/test"));
    value.into_string().unwrap()
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came true that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is killed when the test ends.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The ports that tests listen on: below those that the kernel gives to outgoing connections, and below those of the
/// private servers, so that a port is still free when its process takes it.
const PORTS: std::ops::Range<u16> = 12_000..19_000;
/// How many of them this process has passed.
static PASSED: AtomicU16 = AtomicU16::new(0);

/// A port of this machine that is free, and that no other test gets.
pub(crate) fn free_port() -> u16 {
    let most = PORTS.end - PORTS.start;
    // Two runs side by side begin in different places.
    let begin = u16::try_from(std::process::id() % u32::from(most)).unwrap();
    for _ in 0..most {
        let passed = PASSED.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (begin + passed % most) % most;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free in {PORTS:?}");
}

/// What curl says, as the README's reader would see it: status and body.
pub(crate) fn curl(args: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "30", "-w", "\n%{http_code}"])
        .args(args)
        .output()
        .expect("curl is installed (scripts/setup)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    (status.parse().unwrap_or(0), body.to_owned())
}

/// Runs statements on an SQLite file that another process has open, and returns the last one's first value.
pub(crate) fn sql(file: &Path, statements: &str) -> String {
    let script = "import sqlite3,sys\n\
        c=sqlite3.connect(sys.argv[1],timeout=30,isolation_level=None)\n\
        r=None\n\
        for s in sys.argv[2].split(';;'):\n    r=c.execute(s).fetchone()\n\
        print(r[0] if r else '')";
    let output = Command::new("python3").args(["-c", script]).arg(file).arg(statements).output().unwrap();
    assert!(output.status.success(), "{}: {}", statements, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A fresh database and a fresh vhost on the private servers: (queue url, store url).
pub(crate) fn fresh_servers() -> (String, String) {
    let name = format!("t{}{}", std::process::id(), free_port());
    let postgres = setting("FOREBAY_TEST_POSTGRES_URL");
    let made =
        Command::new("psql").args([&postgres, "-qc", &format!("create database {name}")]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let store = format!("{}/{name}", postgres.rsplit_once('/').unwrap().0);
    (fresh_vhost(), store)
}

/// A fresh vhost on the private RabbitMQ: its url.
pub(crate) fn fresh_vhost() -> String {
    let name = format!("t{}{}", std::process::id(), free_port());
    let management = setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL");
    let amqp = setting("FOREBAY_TEST_AMQP_URL");
    let login = amqp.split("//").nth(1).unwrap().split('@').next().unwrap();
    let user = login.split(':').next().unwrap();
    let vhost = format!("{management}/api/vhosts/{name}");
    let permissions = format!("{management}/api/permissions/{name}/{user}");
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    assert_eq!(curl(&["-u", login, "-X", "PUT", &vhost]).0, 201);
    assert!(matches!(
        curl(&["-u", login, "-X", "PUT", &permissions, "-H", "content-type: application/json", "-d", all]).0,
        201 | 204
    ));
    format!("{}/{name}", amqp.rsplit_once('/').unwrap().0)
}

/// The JSON object on standard output.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("no JSON ({error}): {}", String::from_utf8_lossy(&output.stderr));
    })
}

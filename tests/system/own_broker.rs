//! RabbitMQ of one test alone, to be stopped or put under an alarm, and what can be read of any RabbitMQ.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{curl, setting};

/// A RabbitMQ that is stopped and removed when the test ends.
pub(crate) struct OwnBroker {
    folder: TempDir,
    /// Where it listens.
    pub(crate) url: String,
    management: String,
    control: PathBuf,
}

impl OwnBroker {
    /// Started, and empty.
    pub(crate) fn started() -> Self {
        let folder = tempfile::tempdir().unwrap();
        servers("start", &folder);
        let env = std::fs::read_to_string(folder.path().join("env")).unwrap();
        let named = |name: &str| {
            let line = env.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}"));
            line.split('\'').nth(1).unwrap().to_owned()
        };
        let (url, management) =
            (named("FOREBAY_TEST_AMQP_URL"), named("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL"));
        Self { folder, url, management, control: named("FOREBAY_TEST_RABBITMQCTL").into() }
    }

    /// Stops it; its data stay.
    pub(crate) fn stop(&self) {
        servers("stop", &self.folder);
    }

    /// Starts it again.
    pub(crate) fn start(&self) {
        servers("start", &self.folder);
    }

    /// Lets it take no publishes, or take them again.
    pub(crate) fn alarm(&self, on: bool) {
        let watermark = if on { "0.00001" } else { "0.4" };
        let output = Command::new(&self.control).args(["set_vm_memory_high_watermark", watermark]).output();
        assert!(output.unwrap().status.success());
    }

    /// What is in its queues.
    pub(crate) fn contents(&self) -> Contents {
        Contents { management: self.management.clone(), vhost: "%2f".to_owned() }
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ = Command::new(setting("FOREBAY_TEST_SERVERS")).arg("remove").arg(self.folder.path()).output();
    }
}

fn servers(action: &str, folder: &TempDir) {
    let mut command = Command::new(setting("FOREBAY_TEST_SERVERS"));
    command.arg(action).arg(folder.path());
    if action == "start" {
        command.arg("rabbitmq");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{action}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The queues of a vhost, read by RabbitMQ's own management API.
pub(crate) struct Contents {
    management: String,
    vhost: String,
}

impl Contents {
    /// Of a vhost of the shared server.
    pub(crate) fn of(queue_url: &str) -> Self {
        let vhost = queue_url.rsplit('/').next().unwrap().to_owned();
        Self { management: setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL"), vhost }
    }

    /// Takes all messages out of a queue: their bodies as JSON, in the queue's order.
    pub(crate) fn take(&self, queue: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let some = self.take_some(queue, 1_000);
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// Takes at most so many messages out of a queue.
    pub(crate) fn take_some(&self, queue: &str, count: usize) -> Vec<Value> {
        let url = format!("{}/api/queues/{}/forebay.{queue}/get", self.management, self.vhost);
        let ask = json!({ "count": count, "ackmode": "ack_requeue_false", "encoding": "auto" });
        let (status, body) = curl(&["-H", "content-type: application/json", "-d", &ask.to_string(), &url]);
        assert_eq!(status, 200, "{body}");
        let messages: Vec<Value> = serde_json::from_str(&body).unwrap();
        messages.iter().map(|m| serde_json::from_str(m["payload"].as_str().unwrap()).unwrap()).collect()
    }
}

//! `docker-compose.yml` and what lies in `deploy/`: the file parses, and each of our services becomes ready with the
//! command and the environment that it has there; rules and dashboards name metrics that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use forebay_telemetry::list::NAMESPACE;
use forebay_telemetry::metrics::METRICS;
use serde_json::Value;

use crate::fleet::Role;
use crate::support::{Process, curl, eventually, forebay, free_port, fresh_servers};

/// The image of our own services.
const IMAGE: &str = "forebay:local";
/// The servers, prepared, before a role is started.
const PREPARED: [&str; 4] = ["migrate", "postgres", "rabbitmq", "topology"];
/// Where the volume of a role that accepts is mounted.
const SPOOL: &str = "/var/spool/forebay";
/// The key that the file's head tells.
const KEY: &str = "fbk_ComposeDemo1_ForebayDemoKeyForComposeOnlyNeverForRealUse";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The services as docker-compose itself understands them, without the settings of whoever runs the test.
fn services() -> BTreeMap<String, Value> {
    let mut command = Command::new("docker-compose");
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("FOREBAY_DEMO_")) {
        command.env_remove(name);
    }
    let output = command
        .args(["--file", "docker-compose.yml", "config"])
        .current_dir(root())
        .output()
        .expect("docker-compose is installed (scripts/test does it)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, output.stdout).unwrap();
    // The library that docker-compose itself reads its files with.
    let script = "import json,sys,yaml; json.dump(yaml.safe_load(open(sys.argv[1]))['services'], sys.stdout)";
    let output = Command::new("python3").args(["-c", script]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(services: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    services.iter().filter(|(_, s)| s["image"] == IMAGE).map(|(n, s)| (n.clone(), s.clone())).collect()
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// This machine in place of the file's network.
struct Here {
    queue: String,
    store: String,
    sandbox: u16,
    smtp: u16,
    folder: tempfile::TempDir,
}

impl Here {
    /// A setting of the file as it must be here. An address of a process itself becomes one of `listen`.
    fn moved(&self, name: &str, value: &str, listen: &BTreeMap<&str, u16>) -> String {
        match name {
            "FOREBAY_QUEUE__URL" => {
                assert!(value.starts_with("amqp://") && value.ends_with("@rabbitmq:5672/%2f"), "{value}");
                self.queue.clone()
            }
            "FOREBAY_STORE__URL" => {
                assert!(
                    value.starts_with("postgres://") && value.ends_with("@postgres:5432/forebay"),
                    "{value}"
                );
                self.store.clone()
            }
            "FOREBAY_MAIL__HOST" => {
                assert_eq!(value, "mailpit");
                "127.0.0.1".to_owned()
            }
            "FOREBAY_MAIL__PORT" => self.smtp.to_string(),
            "FOREBAY_INTAKE__SPOOL" | "FOREBAY_API__SPOOL" => {
                let name = value.strip_prefix(SPOOL).and_then(|name| name.strip_prefix('/'));
                self.folder.path().join(name.unwrap_or_else(|| panic!("{value}"))).display().to_string()
            }
            name => match listen.get(name) {
                Some(port) => format!("127.0.0.1:{port}"),
                None => value
                    .replace("//sandbox:8090/", &format!("//127.0.0.1:{}/", self.sandbox))
                    .replace("\"sandbox\", port=8090", &format!("\"127.0.0.1\", port={}", self.sandbox)),
            },
        }
    }

    fn command(&self, service: &Value, listen: &BTreeMap<&str, u16>) -> Command {
        let mut command = forebay();
        let places = [("0.0.0.0:8090", self.sandbox), ("0.0.0.0:8025", self.smtp)];
        for word in words(&service["command"]) {
            let place = places.iter().find(|(there, _)| *there == word);
            command.arg(place.map_or(word, |(_, port)| format!("127.0.0.1:{port}")));
        }
        for (name, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_else(|| panic!("{name} is not text"));
            command.env(name, self.moved(name, value, listen));
        }
        command.current_dir(self.folder.path());
        command
    }
}

#[test]
fn every_service_of_ours_becomes_ready_with_the_commands_and_settings_of_the_file() {
    let mut services = ours(&services());
    let (queue, store) = fresh_servers();
    let folder = tempfile::tempdir().unwrap();
    let here = Here { queue, store, sandbox: free_port(), smtp: free_port(), folder };
    let sandbox = services.remove("sandbox").expect("there is a sandbox");
    let _sandbox = Process::start(&mut here.command(&sandbox, &BTreeMap::new()));
    for name in ["migrate", "topology"] {
        let service = services.remove(name).unwrap_or_else(|| panic!("there is a service {name}"));
        let output = here.command(&service, &BTreeMap::new()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {told}");
    }
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["api", "intake", "relay", "schedule", "worker"]);
    let (intake, api) = (free_port(), free_port());
    let mut ports = Vec::new();
    let roles: Vec<Role> = services
        .iter()
        .map(|(name, service)| {
            let operations = free_port();
            ports.push(operations);
            let listen = BTreeMap::from([
                ("FOREBAY_INTAKE__LISTEN", intake),
                ("FOREBAY_API__LISTEN", api),
                ("FOREBAY_OPERATIONS__LISTEN", operations),
            ]);
            Role::ready(here.command(service, &listen), name, operations, here.folder.path())
        })
        .collect();
    a_return_goes_through(intake, api);
    metrics_are_those_of_the_list(&ports);
    for role in roles {
        role.stop();
    }
}

/// Metrics of what does not happen to one return that goes well, or is counted only now and then; other tests see them.
const SELDOM: [&str; 18] = [
    "retries_total",
    "dead_letters_total",
    "dead_letters_open",
    "replayed_letters_total",
    "queue_oldest_seconds",
    "quota_left",
    "quota_daily",
    "carrier_unmapped_codes_total",
    "pushes_total",
    "pushed_parcels_total",
    "incidents_open",
    "notices_total",
    "forgotten_rows_total",
    "returns",
    "parcels",
    "claims",
    "stock_left",
    "permit_wait_seconds",
];

/// What all roles render together: every metric of the list but those, and none that is not of it.
fn metrics_are_those_of_the_list(ports: &[u16]) {
    let known: BTreeSet<String> =
        METRICS.iter().map(|metric| format!("{NAMESPACE}_{}", metric.name)).collect();
    let mut lacking = known.clone();
    let wanted = |name: &String| !SELDOM.iter().any(|seldom| *name == format!("{NAMESPACE}_{seldom}"));
    eventually("every metric is told", Duration::from_secs(120), || {
        for port in ports {
            let (status, text) = curl(&[&format!("http://127.0.0.1:{port}/metrics")]);
            assert_eq!(status, 200, "{text}");
            for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
                let name = line.split(' ').next().unwrap_or_default();
                assert!(known.contains(name) || name.starts_with("process_"), "{name} is not on the list");
                lacking.remove(name);
            }
        }
        !lacking.iter().any(wanted)
    });
}

/// With the key that the file's head tells.
fn a_return_goes_through(intake: u16, api: u16) {
    assert!(read("docker-compose.yml").contains(KEY), "the file tells its key");
    let authorization = format!("Authorization: Bearer {KEY}");
    let event = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"return.requested.v1","data":{"return_id":"R-1","order_id":"O-1","requested_at":"2026-11-20T00:00:00Z","parcel":{"carrier":"cj","tracking_number":"600000000001"}}}"#;
    let content = "Content-Type: application/cloudevents+json";
    let url = format!("http://127.0.0.1:{intake}/v1/events");
    let (status, answer) = curl(&["-H", &authorization, "-H", content, "-d", event, &url]);
    assert_eq!(status, 202, "{answer}");
    let url = format!("http://127.0.0.1:{api}/v1/returns/R-1");
    eventually("the return is reported", Duration::from_secs(120), || {
        let answer: Value = serde_json::from_str(&curl(&["-H", &authorization, &url]).1).unwrap_or_default();
        answer["state"] == "reported"
    });
}

#[test]
fn a_role_is_started_only_when_its_servers_are_healthy_and_prepared() {
    let services = services();
    for server in ["rabbitmq", "postgres"] {
        assert!(services[server]["healthcheck"]["test"].is_array(), "{server} has a health check");
    }
    for (name, service) in ours(&services) {
        let needs = service["depends_on"].as_object().cloned().unwrap_or_default();
        for (need, condition) in &needs {
            let once = ["migrate", "topology"].contains(&need.as_str());
            let wanted = if once { "service_completed_successfully" } else { "service_healthy" };
            assert_eq!(condition["condition"], wanted, "{name} needs {need}");
        }
        let needed: Vec<&str> = needs.keys().map(String::as_str).collect();
        match name.as_str() {
            "sandbox" => assert!(needed.is_empty(), "{needed:?}"),
            "migrate" => assert_eq!(needed, ["postgres"]),
            "topology" => assert_eq!(needed, ["rabbitmq"]),
            _ => assert_eq!(needed, PREPARED, "{name}"),
        }
    }
}

#[test]
fn each_role_that_accepts_has_a_volume_of_its_own_for_its_spool() {
    let services = services();
    let mounts = |name: &str| words(&services[name]["volumes"]);
    for name in ["intake", "api"] {
        assert_eq!(mounts(name), [format!("{name}-spool:{SPOOL}:rw")], "{name}");
    }
    // The image makes the folder, with the owner that the volume begins with.
    assert!(read("deploy/Dockerfile").contains(&format!("--owner=65532 --group=65532 {SPOOL}")));
}

#[test]
fn no_port_of_the_trial_is_open_to_other_machines() {
    for (name, service) in services() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap_or_default();
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
    }
}

#[test]
fn prometheus_asks_every_role() {
    let asked = read("deploy/prometheus/prometheus.yml");
    for name in ours(&services()).keys() {
        let is_role = !["migrate", "topology", "sandbox"].contains(&name.as_str());
        assert_eq!(asked.contains(&format!("\"{name}\"")), is_role, "{name}");
    }
}

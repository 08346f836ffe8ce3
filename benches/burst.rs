//! The burst of the demo on both sets of back ends: seconds from the first request to the last effect.

use serde_json::Value;

use crate::Options;
use crate::report::{Row, median};
use crate::support::{forebay, fresh_servers, json};

/// Events of a burst.
const EVENTS: usize = 30_000;
const SERVERS_SECONDS: f64 = 15.0;
const EMBEDDED_SECONDS: f64 = 20.0;

pub(crate) fn measure(options: &Options) -> Vec<Row> {
    let events = options.scaled(EVENTS);
    let (mut servers, mut embedded) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds() {
        let (queue, store) = fresh_servers();
        servers.push(burst(events, &["--queue-url", &queue, "--store-url", &store]));
        embedded.push(burst(events, &[]));
        let [on_servers, on_one_file] = [&servers, &embedded].map(|all| &all[round - 1]);
        println!("burst, round {round}: RabbitMQ and PostgreSQL {on_servers}; embedded {on_one_file}");
    }
    let row = |what, bursts: &[Burst], most| {
        Row::bounded(what, "s", 1, median(bursts.iter().map(|burst| burst.settled)), most)
    };
    vec![
        row("burst, RabbitMQ and PostgreSQL", &servers, SERVERS_SECONDS),
        row("burst, embedded", &embedded, EMBEDDED_SECONDS),
    ]
}

/// Seconds since the first request.
struct Burst {
    accepted: f64,
    settled: f64,
}

impl std::fmt::Display for Burst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "accepted in {:.1} s, settled in {:.1} s", self.accepted, self.settled)
    }
}

/// One demo, which checks by itself that nothing was lost or doubled.
fn burst(events: usize, back_ends: &[&str]) -> Burst {
    let folder = tempfile::tempdir().unwrap();
    let mut command = forebay();
    command.args(["demo", "--json", "--events", &events.to_string()]).args(back_ends);
    let output = command.current_dir(folder.path()).output().unwrap();
    let told = json(&output);
    assert!(output.status.success(), "{told:#}\n{}", String::from_utf8_lossy(&output.stderr));
    let seconds = |name: &str| told["seconds"][name].as_f64();
    let settled = seconds("first_request_to_last_effect");
    assert_eq!(told["ok"], Value::Bool(true), "{told:#}");
    Burst { accepted: seconds("accepting").unwrap(), settled: settled.unwrap() }
}

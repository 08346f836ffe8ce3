//! The README's commands, run as a reader would run them.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::support::{Process, bare, curl, eventually, forebay, free_port, fresh_servers};

const PATIENCE: Duration = Duration::from_secs(90);

/// What each step of the tour, named by the beginning of its comment, must show.
const SHOWN: [(&str, &str); 9] = [
    ("Publish an event", r#"{"accepted":1,"events":[{"id":"evt-1","source":"/shops/main"}]}"#),
    ("See its effect", r#""state":"reported""#),
    ("A member checks in", r#""counted":true"#),
    ("The member claims", r#""state":"granted""#),
    ("Cause a dead letter", r#"{"accepted":1,"events":[{"id":"evt-2","source":"/shops/main"}]}"#),
    ("Find it", "rejected"),
    ("Each one", "no configured system follows parcels of the carrier \"nobody\""),
    ("Each one", "forebay.returns"),
    ("This one needs no effect", "discarded 1"),
];

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// The commands of the block behind a marker.
fn block(marker: &str) -> String {
    let readme = readme();
    let (_, rest) = readme.split_once(&format!("<!-- {marker} -->\n```sh\n")).expect("the marker is there");
    rest.split_once("```").unwrap().0.to_owned()
}

/// Runs commands in a folder, with the binary under test under the name that the README gives it.
fn bash(folder: &Path, commands: &str, environment: &[(&str, &str)]) -> Output {
    let binary = env!("CARGO_BIN_EXE_forebay");
    let script = format!("set -eu\nforebay() {{ '{binary}' \"$@\"; }}\n{commands}")
        .replace("target/release/forebay", "forebay");
    let mut bash = bare("bash");
    bash.args(["-c", &script]).envs(environment.iter().copied()).current_dir(folder).output().unwrap()
}

#[test]
fn the_tour_shows_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let start = block("tour: start");
    let arguments = start.trim().strip_prefix("cargo run --release -- ").expect("dev is started by cargo");
    let (port, operations) = (free_port(), free_port());
    let _dev = Process::start(
        forebay()
            .args(arguments.split(' '))
            .env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{port}"))
            .env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let ready = format!("http://127.0.0.1:{operations}/readyz");
    eventually("dev is ready", PATIENCE, || curl(&[&ready]).0 == 200);

    let url = format!("http://127.0.0.1:{port}");
    let tour = block("tour");
    assert!(tour.contains("URL=http://127.0.0.1:8080"), "the tour's address is that of the defaults");
    let tour = tour.replace("http://127.0.0.1:8080", &url);
    // A second check-in would not count: on a busy machine the first is waited for as long as can be asked for.
    assert!(tour.contains("wait=5"), "the tour waits");
    let tour = tour.replace("wait=5", "wait=10");
    let mut steps = tour.split("\n# ");
    let prelude = steps.next().unwrap();
    for step in steps {
        let (title, commands) = step.split_once('\n').unwrap();
        let wanted: Vec<_> =
            SHOWN.iter().filter(|(begin, _)| title.starts_with(begin)).map(|(_, shown)| *shown).collect();
        assert!(!wanted.is_empty(), "nobody knows what the step shows: {title}");
        eventually(title, PATIENCE, || {
            let output =
                bash(folder.path(), &format!("{prelude}\n{commands}"), &[("FOREBAY_API_URL", url.as_str())]);
            assert!(output.status.success(), "{title}: {}", String::from_utf8_lossy(&output.stderr));
            let shown = String::from_utf8_lossy(&output.stdout);
            wanted.iter().all(|wanted| shown.contains(wanted))
        });
    }
    for (title, _) in SHOWN {
        assert!(tour.contains(&format!("\n# {title}")), "the tour has no step {title}");
    }
}

#[test]
fn the_commands_from_embedded_to_production_prepare_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, store) = fresh_servers();
    let block = block("production");
    let (settings, commands): (Vec<_>, Vec<_>) =
        block.lines().partition(|line| line.starts_with("export FOREBAY_"));
    assert_eq!(settings.len(), 2, "{settings:?}");
    let preparing: Vec<_> = commands.into_iter().filter(|line| !line.starts_with("forebay doctor")).collect();
    let environment = [("FOREBAY_QUEUE__URL", queue.as_str()), ("FOREBAY_STORE__URL", store.as_str())];
    let output = bash(folder.path(), &preparing.join("\n"), &environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The doctor finds the servers in order, and names what a fresh installation still lacks.
    let output = bash(folder.path(), "forebay doctor --json", &environment);
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = checks.to_string();
    for (name, ok) in [("configuration", true), ("store", true), ("queue", true), ("keys", false)] {
        assert!(found.contains(&format!(r#""name":"{name}","ok":{ok}"#)), "{name}: {found}");
    }
}

#[test]
fn each_file_that_the_readme_links_to_is_there() {
    let readme = readme();
    let links: Vec<_> = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).collect();
    assert!(!links.is_empty());
    for (link, _) in links.into_iter().filter(|(link, _)| !link.contains("://")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{link} is not there");
    }
}

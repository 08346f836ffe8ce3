//! The arrows between the crates are those of the map, and what touches the outside stays in its place.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Each crate and the crates of this house that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("domain", &["schemas"]),
    ("telemetry", &[]),
    ("queue", &["schemas"]),
    ("queue-amqp", &["queue", "schemas"]),
    ("queue-embedded", &["queue", "schemas", "sqlite"]),
    ("sqlite", &[]),
    ("store", &["domain", "schemas"]),
    ("store-postgres", &["domain", "schemas", "store", "telemetry"]),
    ("store-sqlite", &["domain", "schemas", "sqlite", "store", "telemetry"]),
    ("outbound", &["domain", "schemas", "store", "telemetry"]),
    ("carriers", &["domain", "outbound", "schemas"]),
    ("intake", &["domain", "queue", "schemas", "telemetry"]),
    ("relay", &["domain", "queue", "schemas", "store", "telemetry"]),
    ("schedule", &["domain", "schemas", "store", "telemetry"]),
    ("spool", &["domain", "queue", "schemas", "sqlite", "telemetry"]),
    ("worker", &["domain", "queue", "schemas", "store", "telemetry"]),
    ("handlers", &["carriers", "domain", "outbound", "schemas", "store", "telemetry", "worker"]),
    ("api", &["domain", "intake", "queue", "schemas", "store", "telemetry"]),
    ("sandbox", &[]),
];

/// Each library that reaches a back end or the outside, and the only crates that may use it.
const PLACES: &[(&str, &[&str])] = &[
    ("lapin", &["queue-amqp"]),
    ("sqlx", &["queue-embedded", "spool", "sqlite", "store-postgres", "store-sqlite"]),
    ("reqwest", &["outbound"]),
    ("lettre", &["outbound"]),
];

/// The whole house but the binary, which may use everything: a crate's name and the names of what it is built on,
/// without what only its tests use.
fn house() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let built_on = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let mut names: Vec<String> = all.filter(|d| d["kind"] != "dev").map(|d| text(&d["name"])).collect();
        names.sort();
        names.dedup();
        names
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|p| (text(&p["name"]), built_on(p))).collect()
}

#[test]
fn each_crate_uses_only_the_crates_that_the_map_allows() {
    let mut house = house();
    assert!(house.remove("forebay").is_some(), "the binary is called forebay");
    for (name, built_on) in &house {
        let name = name.strip_prefix("forebay-").unwrap_or_else(|| panic!("{name} is not one of ours"));
        let allowed = ARROWS.iter().find(|(known, _)| *known == name).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{name} is not on the map: add it to ARROWS"));
        let used: Vec<&str> = built_on.iter().filter_map(|d| d.strip_prefix("forebay-")).collect();
        assert_eq!(used, allowed, "what {name} uses is not what the map says");
    }
    assert_eq!(house.len(), ARROWS.len(), "the map names a crate that is not there");
}

#[test]
fn each_library_that_reaches_outside_stays_in_its_place() {
    let house = house();
    for (library, places) in PLACES {
        let users: Vec<&str> = house
            .iter()
            .filter(|(_, built_on)| built_on.iter().any(|d| d == library))
            .map(|(name, _)| name.strip_prefix("forebay-").unwrap_or(name))
            .collect();
        assert_eq!(users, *places, "{library} is used elsewhere");
    }
}

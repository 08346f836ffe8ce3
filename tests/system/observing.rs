//! Rules and dashboards, compared with the closed list of metrics: names, labels, the words of labels; and PromQL by
//! Prometheus' own tool.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use forebay_telemetry::list::{Kind, Metric, NAMESPACE};
use forebay_telemetry::metrics::METRICS;
use serde_json::{Value, json};

const RULES: &str = "deploy/prometheus/rules.yml";
const TESTS: &str = "deploy/prometheus/rules.test.yml";
const DASHBOARDS: [&str; 3] = ["business", "resources", "service"];
/// Labels that Prometheus itself or its configuration adds to each of our series.
const ADDED: [&str; 3] = ["job", "role", "instance"];
/// Labels of other metrics, or made by PromQL.
const FOREIGN: [&str; 1] = ["le"];
/// Variables of dashboards, and what they stand for in a check of PromQL.
const VARIABLES: [&str; 3] = ["$queue", "$system", "$role"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rules() -> Vec<Value> {
    let groups = yaml(RULES)["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&read(&format!("deploy/grafana/dashboards/{name}.json"))).unwrap()
}

/// Every expression of rules and dashboards, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> = rules().iter().map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                all.push((format!("{name}: {}", text(&panel["title"])), text(&target["expr"])));
            }
        }
        for note in dashboard["annotations"]["list"].as_array().unwrap() {
            all.push((format!("{name}: {}", text(&note["name"])), text(&note["expr"])));
        }
    }
    all
}

/// The metrics of ours that an expression names, each with its selectors: label and value.
fn named(expression: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some((_, after)) = rest.split_once("forebay_") {
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        let inside =
            tail.strip_prefix('{').and_then(|inside| inside.split_once('}')).map(|(inside, _)| inside);
        let selectors = inside.into_iter().flat_map(|inside| inside.split(", ")).map(|selector| {
            let operator = selector.find(['=', '!']).unwrap();
            let (label, value) = selector.split_at(operator);
            let quote = value.find('"').unwrap();
            (label, value[quote..].trim_matches('"'))
        });
        found.push((name, selectors.collect()));
        rest = tail;
    }
    found
}

/// The labels that an expression groups by.
fn grouped(expression: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    for word in ["by (", "on ("] {
        for part in expression.split(word).skip(1) {
            labels.extend(part.split(')').next().unwrap().split(", ").filter(|label| !label.is_empty()));
        }
    }
    labels
}

fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(metric.name))
        }
        _ => metric.name == name,
    })
}

#[test]
fn rules_and_dashboards_name_only_metrics_and_labels_that_there_are() {
    for (place, expression) in expressions() {
        let named = named(&expression);
        let mut labels: BTreeSet<&str> = ADDED.into_iter().chain(FOREIGN).collect();
        for (name, selectors) in &named {
            let metric = metric(name)
                .unwrap_or_else(|| panic!("{place} names {NAMESPACE}_{name}, which is no metric"));
            for (label, value) in selectors {
                if ADDED.contains(label) {
                    continue;
                }
                let known = metric.labels.iter().find(|known| known.name == *label);
                let known = known.unwrap_or_else(|| panic!("{place}: {name} has no label {label}"));
                let words = value.split('|').filter(|_| known.what.is_empty());
                for word in words {
                    assert!(known.words.contains(&word), "{place}: {label} of {name} is never {word}");
                }
            }
            labels.extend(metric.labels.iter().map(|label| label.name));
        }
        if !named.is_empty() {
            for label in grouped(&expression) {
                assert!(labels.contains(label), "{place} groups by {label}, which none of its metrics has");
            }
        }
    }
}

#[test]
fn promql_is_understood_by_prometheus_and_each_rule_is_tested_firing_and_ending() {
    let promtool = |args: &[&str]| {
        let output = Command::new("promtool")
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("promtool is installed (scripts/setup)");
        let told =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{args:?}: {told}");
    };
    promtool(&["check", "rules", RULES]);
    promtool(&["test", "rules", TESTS]);
    // What panels show, as rules that record it: the tool checks rules.
    let records = expressions().into_iter().enumerate().map(|(at, (_, expression))| {
        let expression = VARIABLES.iter().fold(expression, |text, name| text.replace(name, ".*"));
        json!({ "record": format!("panel:{at}"), "expr": expression })
    });
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    let group = json!({ "groups": [{ "name": "panels", "rules": records.collect::<Vec<_>>() }] });
    std::fs::write(file.path(), group.to_string()).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);

    let tests = yaml(TESTS);
    let cases: Vec<&Value> = tests["tests"].as_array().unwrap().iter().collect();
    for rule in rules() {
        let alert = &rule["alert"];
        let of_rule = cases.iter().flat_map(|case| case["alert_rule_test"].as_array().unwrap());
        let expected: Vec<usize> = of_rule
            .filter(|case| case["alertname"] == *alert)
            .map(|case| case["exp_alerts"].as_array().unwrap().len())
            .collect();
        assert!(expected.iter().any(|alerts| *alerts > 0), "no test shows that {alert} fires");
        // The watchdog is there to fire always.
        let ends = expected.contains(&0) || alert == "ForebayWatchdog";
        assert!(ends, "no test shows that {alert} ends");
    }
}

#[test]
fn every_rule_says_how_bad_it_is_what_to_do_and_where_more_is_written() {
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["none", "warning", "critical"].contains(&severity), "{alert}: {severity}");
        for annotation in ["summary", "action"] {
            assert!(rule["annotations"][annotation].is_string(), "{alert} has no {annotation}");
        }
        let page = rule["annotations"]["runbook"].as_str().unwrap();
        assert!(read(page).contains(alert), "{page} does not tell of {alert}");
    }
}

#[test]
fn dashboards_are_provisioned_and_their_panels_have_titles_and_places_of_their_own() {
    let provisioned = yaml("deploy/grafana/provisioning/dashboards/forebay.yml");
    let folder = provisioned["providers"][0]["options"]["path"].as_str().unwrap();
    assert!(read("docker-compose.yml").contains(&format!("./deploy/grafana/dashboards:{folder}:ro")));
    let source = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let source = &source["datasources"][0]["uid"];
    let files =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards")).unwrap();
    assert_eq!(files.count(), DASHBOARDS.len());
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        assert_eq!(dashboard["uid"], format!("forebay-{name}"));
        let variables: BTreeSet<String> = dashboard["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| format!("${}", variable["name"].as_str().unwrap()))
            .collect();
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()));
            let place = &panel["gridPos"];
            assert!(places.insert((place["y"].as_u64(), place["x"].as_u64())), "{name}: {place}");
            for target in panel["targets"].as_array().into_iter().flatten() {
                assert_eq!(panel["datasource"]["uid"], *source);
                let expression = target["expr"].as_str().unwrap();
                for variable in VARIABLES.iter().filter(|variable| expression.contains(**variable)) {
                    assert!(variables.contains(*variable), "{name} has no variable {variable}");
                }
            }
        }
    }
}

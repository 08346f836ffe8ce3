//! What lies in `deploy/kubernetes`, compared with what it deploys: commands, settings, ports, paths, queues.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use forebay_schemas::{Queue, Topology};
use serde::Deserialize as _;
use serde_json::Value;

use crate::config::Config;
use crate::runbooks::tests::parse;

/// Every role ends within this time after SIGTERM, in seconds.
const STOP_S: u64 = 25;
/// Where the secrets are mounted.
const MOUNTS: [&str; 2] = ["/etc/forebay/secrets/", "/etc/forebay/back-ends/"];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes")
}

/// Every object of every file.
fn objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let object = Value::deserialize(document);
            objects.push(object.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
    objects
}

fn of<'a>(objects: &'a [Value], kinds: &[&str]) -> Vec<&'a Value> {
    objects.iter().filter(|object| kinds.contains(&object["kind"].as_str().unwrap())).collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn words(value: &Value) -> Vec<String> {
    list(value).iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The pods that objects make, each with the name of its maker.
fn pods(objects: &[Value]) -> Vec<(&str, &Value)> {
    let makers = of(objects, &["Deployment", "StatefulSet", "Job"]);
    makers.into_iter().map(|maker| (name(maker), &maker["spec"]["template"])).collect()
}

fn container(pod: &Value) -> &Value {
    let containers = list(&pod["spec"]["containers"]);
    assert_eq!(containers.len(), 1);
    &containers[0]
}

/// The configuration of the ConfigMap under the settings of a container's environment, with the secrets in a folder.
fn config(objects: &[Value], container: &Value) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let map = of(objects, &["ConfigMap"])[0];
    let mut settings = map["data"]["forebay.toml"].as_str().unwrap().to_owned();
    for secret in of(objects, &["Secret"]) {
        for (key, value) in secret["stringData"].as_object().unwrap() {
            std::fs::write(folder.path().join(key), value.as_str().unwrap()).unwrap();
        }
    }
    for entry in list(&container["env"]) {
        let (name, value) = (entry["name"].as_str().unwrap(), entry["value"].as_str().unwrap());
        if name == "FOREBAY_CONFIG" {
            assert!(is_mounted(container, value), "{value}");
            continue;
        }
        let setting = name.strip_prefix("FOREBAY_").unwrap().to_lowercase().replace("__", ".");
        // A dotted key stands for a table, before the first of the others.
        settings = format!("{setting} = {value:?}\n{settings}");
    }
    for mount in MOUNTS {
        settings = settings.replace(mount, &format!("{}/", folder.path().display()));
    }
    Config::with(&settings).unwrap_or_else(|faults| panic!("{faults}\n{settings}"))
}

fn is_mounted(container: &Value, path: &str) -> bool {
    list(&container["volumeMounts"]).iter().any(|mount| mount["mountPath"] == *path)
}

/// The ports of a container, by name.
fn ports(container: &Value) -> BTreeMap<String, u64> {
    let ports = list(&container["ports"]).iter();
    ports
        .map(|port| (port["name"].as_str().unwrap().to_owned(), port["containerPort"].as_u64().unwrap()))
        .collect()
}

#[test]
fn every_command_is_one_of_this_command_line() {
    let objects = objects();
    for (maker, pod) in pods(&objects) {
        let args = words(&container(pod)["args"]).join(" ");
        parse(&format!("forebay {args}")).unwrap_or_else(|error| panic!("{maker}: {error}"));
    }
    let guide = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let commands = guide.split('`').filter(|code| code.starts_with("forebay "));
    assert!(commands.clone().count() > 1);
    for command in commands {
        parse(command).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}

#[test]
fn every_setting_is_one_and_ports_and_folders_are_those_of_the_settings() {
    let objects = objects();
    for (maker, pod) in pods(&objects) {
        let container = container(pod);
        let config = config(&objects, container);
        assert!(matches!(config.back_ends(), Ok(crate::config::BackEnds::Servers)), "{maker}");
        let ports = ports(container);
        let spool = match words(&container["args"]).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["serve", "intake"] => {
                assert_eq!(ports["http"], u64::from(config.intake.listen.port()));
                Some(&config.intake.spool)
            }
            ["serve", "api"] => {
                assert_eq!(ports["http"], u64::from(config.api.listen.port()));
                Some(&config.api.spool)
            }
            _ => None,
        };
        if let Some(spool) = spool {
            let folder = spool.parent().unwrap().to_str().unwrap();
            assert!(is_mounted(container, folder), "{maker}: {folder}");
        }
        if !ports.is_empty() {
            assert_eq!(ports["operations"], u64::from(config.operations.listen.port()), "{maker}");
        }
    }
}

#[test]
fn the_secrets_that_a_pod_mounts_and_their_keys_are_there() {
    let objects = objects();
    let secrets: BTreeMap<&str, &Value> =
        of(&objects, &["Secret"]).into_iter().map(|secret| (name(secret), &secret["stringData"])).collect();
    for (maker, pod) in pods(&objects) {
        let volumes = list(&pod["spec"]["volumes"]);
        let mut named: BTreeSet<&str> =
            volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect();
        named.insert("spool");
        for mount in list(&container(pod)["volumeMounts"]) {
            assert!(named.contains(mount["name"].as_str().unwrap()), "{maker}: {mount}");
        }
        for secret in volumes.iter().map(|volume| &volume["secret"]).filter(|secret| secret.is_object()) {
            let held = secrets[secret["secretName"].as_str().unwrap()];
            for item in list(&secret["items"]) {
                assert!(held[item["key"].as_str().unwrap()].is_string(), "{maker}: {item}");
            }
        }
    }
}

#[test]
fn every_role_is_probed_may_stop_in_peace_and_has_no_more_rights_than_it_needs() {
    let objects = objects();
    for (maker, pod) in pods(&objects) {
        let (spec, container) = (&pod["spec"], container(pod));
        let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace > STOP_S, "{maker}: {grace} s");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{maker}");
        assert_eq!(spec["automountServiceAccountToken"], false, "{maker}");
        let rights = &container["securityContext"];
        assert_eq!(
            (&rights["readOnlyRootFilesystem"], &rights["allowPrivilegeEscalation"]),
            (&Value::Bool(true), &Value::Bool(false))
        );
        assert_eq!(rights["capabilities"]["drop"][0], "ALL", "{maker}");
        if spec["restartPolicy"] == "OnFailure" {
            continue;
        }
        for (probe, path) in
            [("startupProbe", "/livez"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
        {
            let asked = &container[probe]["httpGet"];
            assert_eq!(
                (asked["path"].as_str(), asked["port"].as_str()),
                (Some(path), Some("operations")),
                "{maker}"
            );
        }
    }
}

#[test]
fn selectors_find_their_pods_and_every_role_is_there_with_its_budget() {
    let objects = objects();
    let labels: Vec<&Value> = pods(&objects).into_iter().map(|(_, pod)| &pod["metadata"]["labels"]).collect();
    let found = |selector: &Value| {
        let wanted = selector.as_object().unwrap();
        labels.iter().any(|labels| wanted.iter().all(|(name, value)| labels[name.as_str()] == *value))
    };
    for object in of(&objects, &["Deployment", "StatefulSet", "PodDisruptionBudget"]) {
        assert!(found(&object["spec"]["selector"]["matchLabels"]), "{}", name(object));
    }
    for object in of(&objects, &["NetworkPolicy"]) {
        assert!(found(&object["spec"]["podSelector"]["matchLabels"]), "{}", name(object));
    }
    for service in of(&objects, &["Service"]) {
        assert!(found(&service["spec"]["selector"]), "{}", name(service));
        let port = &service["spec"]["ports"][0];
        assert_eq!(port["targetPort"], "http", "{}", name(service));
    }
    for role in ["intake", "api", "worker", "relay", "schedule"] {
        let of_role = |object: &&Value| object["metadata"]["labels"]["forebay/role"] == role;
        assert!(of(&objects, &["Deployment", "StatefulSet"]).iter().any(of_role), "{role}");
        assert!(
            of(&objects, &["PodDisruptionBudget"]).iter().any(of_role),
            "{role} has no disruption budget"
        );
    }
}

#[test]
fn what_holds_a_spool_keeps_its_volume_and_is_scaled_by_nobody() {
    let objects = objects();
    let scaled: Vec<&str> = of(&objects, &["ScaledObject"])
        .into_iter()
        .map(|object| object["spec"]["scaleTargetRef"]["name"].as_str().unwrap())
        .collect();
    let spools = of(&objects, &["StatefulSet"]);
    assert_eq!(spools.len(), 2);
    for set in spools {
        let kept = &set["spec"]["persistentVolumeClaimRetentionPolicy"];
        assert_eq!(
            (kept["whenDeleted"].as_str(), kept["whenScaled"].as_str()),
            (Some("Retain"), Some("Retain"))
        );
        assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "spool");
        assert!(!scaled.contains(&name(set)), "{}", name(set));
    }
}

#[test]
fn every_queue_of_the_configuration_is_taken_by_one_kind_of_worker() {
    let objects = objects();
    let mut taken: Vec<Queue> = Vec::new();
    for deployment in of(&objects, &["Deployment"]) {
        let args = words(&container(&deployment["spec"]["template"])["args"]);
        if args[0] == "work" {
            taken.extend(args[2].split(',').map(|queue| queue.parse::<Queue>().unwrap()));
        }
    }
    let (_, pod) = pods(&objects)[0];
    let topology = Topology::new(config(&objects, container(pod)).adapters());
    let mut wanted = topology.queues();
    wanted.retain(|queue| !matches!(queue, Queue::Delay(_)));
    wanted.sort();
    taken.sort();
    assert_eq!(taken, wanted);
}

#[test]
fn what_is_scaled_asks_the_api_for_a_queue_that_its_workers_take() {
    let objects = objects();
    let services: BTreeMap<&str, u64> = of(&objects, &["Service"])
        .into_iter()
        .map(|service| (name(service), service["spec"]["ports"][0]["port"].as_u64().unwrap()))
        .collect();
    for object in of(&objects, &["ScaledObject"]) {
        let target = object["spec"]["scaleTargetRef"]["name"].as_str().unwrap();
        let deployment = of(&objects, &["Deployment"]).into_iter().find(|made| name(made) == target).unwrap();
        assert!(deployment["spec"]["replicas"].is_null(), "{target}: the number is the scaler's");
        let args = words(&container(&deployment["spec"]["template"])["args"]);
        let taken: Vec<&str> = args[2].split(',').collect();
        assert!(object["spec"]["minReplicaCount"].as_u64() >= Some(1), "{target}");
        assert!(object["spec"]["fallback"]["replicas"].as_u64() >= Some(1), "{target}");
        for trigger in list(&object["spec"]["triggers"]) {
            let told = &trigger["metadata"];
            assert_eq!(
                (trigger["type"].as_str(), told["valueLocation"].as_str()),
                (Some("metrics-api"), Some("useful_workers"))
            );
            let url: url::Url = told["url"].as_str().unwrap().parse().unwrap();
            assert_eq!(url.port().map(u64::from), services.get(url.host_str().unwrap()).copied(), "{url}");
            let queue = url.path().strip_prefix("/v1/scale/").unwrap();
            queue.parse::<Queue>().unwrap();
            assert!(taken.contains(&queue), "{target} takes {taken:?}, not {queue}");
            let login = trigger["authenticationRef"]["name"].as_str().unwrap();
            assert!(of(&objects, &["TriggerAuthentication"]).iter().any(|made| name(made) == login));
        }
    }
}

//! The command line: what it prints where, and with which code it ends.

use std::path::Path;
use std::process::Output;

use crate::support::{forebay, free_port, json};

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_unknown_subcommand_ends_with_2_and_the_usage() {
    let output = forebay().arg("fly").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("Usage"), "{output:?}");
    assert!(output.stdout.is_empty(), "nothing that is not a result goes to standard output");
}

#[test]
fn the_version_is_one_json_object_when_asked_so() {
    let output = forebay().args(["version", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let version = json(&output);
    assert_eq!(version["name"], "forebay");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_wrong_configuration_ends_with_78_and_a_sentence_that_names_the_setting() {
    let cases = [
        ("FOREBAY_WORK__CONCURRENCY", "0", "work.concurrency"),
        ("FOREBAY_WORK__CONCURENCY", "3", "concurency"),
        ("FOREBAY_STORE__URL", "mysql://root:hush@db/shop", "store.url"),
        ("FOREBAY_CARRIERS__SWEETTRACKER__URL", "https://carrier.example/", "carriers.sweettracker.key"),
        ("FOREBAY_RETURNS__RESULT_URL", "https://shop.example/results", "returns.signing_secret"),
        ("FOREBAY_SLACK__BOT_TOKEN", "xoxb-hush", "slack.channel"),
        ("FOREBAY_MAIL__HOST", "mail.example", "mail.from"),
        ("FOREBAY_LOG__FORMAT", "loud", "log.format"),
        ("FOREBAY_SHOP__TZ", "Mars/Olympus", "shop.tz"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, value, setting) in cases {
        let output =
            forebay().args(["config", "check"]).env(name, value).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}={value}: {output:?}");
        assert!(
            told(&output).contains(setting),
            "{name}={value} is told without {setting}: {}",
            told(&output)
        );
        assert!(!told(&output).contains("hush"), "a secret is told: {}", told(&output));
    }
}

#[test]
fn every_role_refuses_the_embedded_set_with_78_and_names_dev() {
    let folder = tempfile::tempdir().unwrap();
    for role in [&["serve", "intake"][..], &["serve", "api"], &["work"], &["relay"], &["schedule"]] {
        let output = forebay().args(role).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{role:?}: {output:?}");
        assert!(told(&output).contains("forebay dev"), "{role:?}: {}", told(&output));
    }
}

#[test]
fn a_configuration_file_that_is_not_there_is_named() {
    let output = forebay().args(["--config", "/nowhere/forebay.toml", "config", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("/nowhere/forebay.toml"), "{output:?}");
}

#[test]
fn what_config_init_writes_is_sound_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| forebay().args(args).current_dir(folder.path()).output().unwrap();
    assert_eq!(run(&["config", "init"]).status.code(), Some(0));
    assert_eq!(run(&["config", "check"]).status.code(), Some(0));
    let file = folder.path().join("forebay.toml");
    std::fs::write(&file, "# mine\n").unwrap();
    assert_eq!(run(&["config", "init"]).status.code(), Some(78));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\n");
}

#[test]
fn config_show_hides_every_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    std::fs::write(&secret, "hush-mail\n").unwrap();
    let output = forebay()
        .args(["config", "show"])
        .current_dir(folder.path())
        .env("FOREBAY_QUEUE__URL", "amqp://app:hush-queue@broker/shop")
        .env("FOREBAY_STORE__URL", "postgres://app:hush-store@db/shop")
        .env("FOREBAY_CARRIERS__SWEETTRACKER__KEY", "hush-carrier")
        .env("FOREBAY_RETURNS__API_TOKEN", "hush-token")
        .env("FOREBAY_RETURNS__SIGNING_SECRET", "whsec_hush-sign")
        .env("FOREBAY_SLACK__WEBHOOK_URL", "https://hooks.example/hush-slack")
        .env("FOREBAY_MAIL__PASSWORD_FILE", &secret)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = printed(&output);
    assert!(!shown.contains("hush"), "{shown}");
    for part in ["broker", "db", "***"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

fn samples(folder: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples").join(folder);
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn event_validate_tells_good_samples_from_bad_ones_and_names_the_code() {
    for sample in samples("valid") {
        let output = forebay().args(["event", "validate"]).arg(&sample).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}: {output:?}", sample.display());
    }
    for sample in samples("invalid") {
        let code = sample.file_name().unwrap().to_str().unwrap().split('-').next().unwrap().to_owned();
        let output = forebay().args(["event", "validate"]).arg(&sample).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}: {output:?}", sample.display());
        assert!(told(&output).contains(&code), "{}: {}", sample.display(), told(&output));
    }
}

#[test]
fn a_sample_that_is_not_there_ends_with_4() {
    let output = forebay().args(["event", "validate", "/nowhere/event.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn an_api_that_can_not_be_reached_ends_with_69() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "fbk_nobody\n").unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let event = &samples("valid")[0];
    let commands: [&[&str]; 2] = [&["dlq", "groups"], &["event", "publish", event.to_str().unwrap()]];
    for command in commands {
        let output = forebay()
            .args(command)
            .args(["--api-url", &url, "--token-file"])
            .arg(&key)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(69), "{command:?}: {output:?}");
    }
}

#[test]
fn a_key_file_that_is_not_there_ends_with_78_and_names_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let output = forebay().args(["dlq", "groups"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("--token-file"), "{output:?}");
}

#[test]
fn a_new_key_goes_to_standard_output_and_only_its_hash_to_standard_error() {
    let output = forebay().args(["key", "new", "--scopes", "events:write,admin"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let key = printed(&output).trim().to_owned();
    let secret = key.rsplit('_').next().unwrap();
    assert!(key.starts_with("fbk_") && secret.len() == 43, "{key}");
    let told = told(&output);
    assert!(!told.contains(secret), "the secret is told twice");
    for part in ["[[keys]]", "sha256 = ", "events:write", "admin"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let unknown = forebay().args(["key", "new", "--scopes", "everything"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(78));
}

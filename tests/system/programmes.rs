//! Programmes and attendance as the manager of an event meets them: a file, the command line, a spreadsheet.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;

use crate::support::{Process, READY, curl, eventually, forebay, free_port, json};

/// An installation in one process.
struct Dev {
    folder: tempfile::TempDir,
    url: String,
    _process: Process,
}

impl Dev {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, operations) = (free_port(), free_port());
        let process = Process::start(
            forebay()
                .args(["dev", "--no-sandbox", "--data"])
                .arg(folder.path().join("forebay.db"))
                .env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{port}"))
                .env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
                .current_dir(folder.path())
                .stderr(Stdio::null()),
        );
        let ready = format!("http://127.0.0.1:{operations}/readyz");
        eventually("dev is ready", READY, || curl(&[&ready]).0 == 200);
        Self { folder, url: format!("http://127.0.0.1:{port}"), _process: process }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        forebay().args(args).args(["--api-url", &self.url]).current_dir(self.folder.path()).output().unwrap()
    }

    /// Runs what must succeed, and gives what it printed.
    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn check_in(&self, member: &str) -> u16 {
        let key = std::fs::read_to_string(self.path("forebay.db.key")).unwrap();
        let authorization = format!("Authorization: Bearer {}", key.trim());
        let body = json!({ "member_id": member }).to_string();
        let url = format!("{}/v1/programmes/autumn/check-ins", self.url);
        let content = "Content-Type: application/json";
        curl(&["-H", &authorization, "-H", content, "-H", "Prefer: wait=10", "-d", &body, &url]).0
    }
}

/// The example, open on every day on which this test may ever run.
fn example(folder: &Path) -> String {
    let printed = forebay().args(["programme", "example"]).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let text = text
        .replace("starts_on = 2026-11-01", "starts_on = 2020-01-01")
        .replace("ends_on = 2026-11-30", "ends_on = 2099-12-31")
        .replace("claim_until = 2026-12-14", "claim_until = 2099-12-31");
    std::fs::write(folder.join("autumn.toml"), &text).unwrap();
    text
}

#[test]
fn a_programmes_file_is_checked_without_an_installation() {
    let folder = tempfile::tempdir().unwrap();
    let text = example(folder.path());
    let check =
        || forebay().args(["programme", "check", "autumn.toml"]).current_dir(folder.path()).output().unwrap();
    let sound = check();
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
    let broken = text
        .replace("tz = \"Asia/Seoul\"", "tz = \"Mars/Olympus\"")
        .replace("days_required = 5 ", "day_required = 5 ")
        .replace("kind = \"product\"", "kind = \"mug\"");
    std::fs::write(folder.path().join("autumn.toml"), broken).unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in [
        "  tz: ",
        "rules[1].days_required: is missing",
        "did you mean `days_required`?",
        "`day_required`",
        "rules[2].reward.kind: expected points or product",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn a_programme_is_applied_looked_at_and_steered_and_its_attendance_exported() {
    let dev = Dev::start();
    let text = example(dev.folder.path());
    let planned = dev.done(&["programme", "apply", "autumn.toml", "--dry-run"]);
    assert!(planned.contains("autumn is new") && planned.contains("+ tz: Asia/Seoul"), "{planned}");
    let unconfirmed = dev.run(&["programme", "apply", "autumn.toml"]);
    assert_eq!(unconfirmed.status.code(), Some(5), "{unconfirmed:?}");
    // The programme that comes with `dev` gives mugs, too.
    let said = String::from_utf8_lossy(&unconfirmed.stderr);
    assert!(said.contains("mug keeps the stock that it has, 50 in all"), "{said}");
    assert_eq!(dev.run(&["programme", "show", "autumn"]).status.code(), Some(4), "nothing was written");
    dev.done(&["programme", "apply", "autumn.toml", "--yes"]);
    dev.done(&["programme", "resume", "autumn", "--reason", "it begins"]);
    for member in ["m-1", "=2+3"] {
        // 202 until it is settled; a day counts once.
        eventually("the check-in is settled", READY, || match dev.check_in(member) {
            200 => true,
            status => {
                assert_eq!(status, 202);
                false
            }
        });
    }

    std::fs::write(dev.path("autumn.toml"), text.replace("state = \"draft\"", "name_ = 1")).unwrap();
    assert_eq!(dev.run(&["programme", "apply", "autumn.toml", "--yes"]).status.code(), Some(1));
    let changed = text.replace("state = \"draft\"", "").replace("Autumn attendance", "Autumn days");
    std::fs::write(dev.path("autumn.toml"), &changed).unwrap();
    let planned = dev.done(&["programme", "apply", "autumn.toml", "--dry-run"]);
    assert!(planned.contains("~ name: Autumn attendance -> Autumn days"), "{planned}");
    assert!(!planned.contains("state"), "a file that does not say the state leaves it: {planned}");
    std::fs::write(dev.path("autumn.toml"), changed.replace("Asia/Seoul", "Asia/Tokyo")).unwrap();
    let refused = dev.run(&["programme", "apply", "autumn.toml", "--yes"]);
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the zone is fixed"), "{refused:?}");

    let shown = dev.done(&["programme", "show", "autumn"]);
    assert!(shown.contains("2 members with a check-in") && shown.contains("five-days"), "{shown}");
    dev.done(&["attendance", "export", "--programme", "autumn", "--out", "days.csv"]);
    let csv = std::fs::read_to_string(dev.path("days.csv")).unwrap();
    assert!(csv.starts_with("\u{feff}on_date,member_id,"), "{csv}");
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.contains(",'=2+3,"), "{csv}");

    let listed =
        json(&dev.run(&["attendance", "list", "--programme", "autumn", "--member", "m-1", "--json"]));
    let day = listed["items"][0]["on_date"].as_str().unwrap().to_owned();
    let one = ["--programme", "autumn", "m-1", &day, "--reason", "a script"];
    dev.done(&[&["attendance", "void"][..], &one].concat());
    let voided = dev.done(&["attendance", "list", "--programme", "autumn", "--voided"]);
    assert!(voided.contains("m-1") && voided.contains("a script"), "{voided}");
    dev.done(&[&["attendance", "restore"][..], &one].concat());
    dev.done(&["programme", "end", "autumn", "--reason", "it is over"]);
    let listed = dev.done(&["programme", "list"]);
    assert!(listed.contains("ended"), "{listed}");
}

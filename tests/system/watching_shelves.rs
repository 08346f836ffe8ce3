//! The rules about stock, shipping and the books, on real claims; and the reports of a day.

use std::process::Output;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use forebay_domain::{Clock as _, SystemClock};
use serde_json::json;

use crate::fleet::{Fleet, Role};
use crate::support::{self, eventually};

const PATIENCE: Duration = Duration::from_secs(120);
const STOCK: usize = 3;

struct Scene(Fleet);

impl Scene {
    fn prepared() -> Self {
        let fleet = Fleet::prepared();
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        Self(fleet)
    }

    fn open_programme(&self) {
        let day = |days| (SystemClock.now() + TimeDelta::days(days)).date_naive().to_string();
        let until = (SystemClock.now() + TimeDelta::days(60)).to_rfc3339_opts(SecondsFormat::Secs, true);
        let programme = json!({
            "id": "autumn", "name": "Autumn", "tz": "UTC", "count_mode": "total", "state": "active",
            "starts_on": day(-5), "ends_on": day(30), "claim_until": until,
            "rules": [{
                "id": "one-day", "days_required": 1, "max_per_member": 1,
                "reward": {
                    "id": "mug", "name": "A mug", "kind": "product", "sku": "MUG-1",
                    "stock": { "total": STOCK, "low_at": 2 },
                },
            }],
        });
        let url = format!("{}/v1/programmes/autumn", self.0.api);
        let content = "Content-Type: application/json";
        let (status, answer) = self.0.call(&["-X", "PUT", "-H", content, "-d", &programme.to_string(), &url]);
        assert!(matches!(status, 200 | 201), "{status} {answer}");
        // Yesterday, each, so that the night makes no difference.
        self.0.count(&format!(
            "with days as (
                 insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
                 select 'autumn', 'm-' || i, (now() at time zone 'UTC')::date - 1, now(), '/test', 'c-' || i
                 from generate_series(0, {STOCK} - 1) i returning 1)
             select count(*) from days"
        ));
    }

    fn claim(&self, member: usize) {
        let url = format!("{}/v1/programmes/autumn/claims", self.0.api);
        let id = format!("00000000-0000-4000-8000-{member:012x}");
        let claim = json!({ "rule_id": "one-day", "member_id": format!("m-{member}"), "claim_id": id });
        let content = "Content-Type: application/json";
        let (status, answer) = self.0.call(&["-H", content, "-d", &claim.to_string(), &url]);
        assert!(matches!(status, 200 | 202), "{status} {answer}");
    }

    fn forebay(&self, args: &[&str]) -> Output {
        let mut command = self.0.command(args);
        command.args(["--api-url", &self.0.api, "--token-file", "key"]).output().unwrap()
    }

    fn done(&self, args: &[&str]) -> Output {
        let output = self.forebay(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// The clock's looks at what is left, at what waits and at the day before have come.
    fn schedule(&self, name: &str) -> Role {
        let midnight = "00:00:00";
        let settings =
            [("FOREBAY_ALERTS__STOCK_CHECK_AT", midnight), ("FOREBAY_ALERTS__REPORT_AT", midnight)];
        self.0.start_with(name, &["schedule"], &settings)
    }

    fn incidents(&self, rule: &str, open: bool) -> usize {
        let null = if open { "null" } else { "not null" };
        self.0
            .count(&format!("select count(*) from incident where rule = '{rule}' and resolved_at is {null}"))
    }

    fn opens(&self, rule: &str) {
        eventually(&format!("{rule} is told"), PATIENCE, || self.incidents(rule, true) == 1);
    }

    fn ends(&self, rule: &str) {
        eventually(&format!("{rule} is over"), PATIENCE, || {
            self.incidents(rule, true) == 0 && self.incidents(rule, false) == 1
        });
    }
}

#[test]
fn what_is_low_late_or_wrong_is_told_once_until_it_is_mended_and_reports_once_a_day() {
    let scene = Scene::prepared();
    let fleet = &scene.0;
    let roles: [&[&str]; 3] = [&["serve", "api"], &["relay"], &["work"]];
    let _roles = roles.map(|args| fleet.start(&args.join("-"), args));
    scene.open_programme();
    scene.claim(0);
    scene.opens("stock_low");
    (1..STOCK).for_each(|member| scene.claim(member));
    // It got worse, and is the same incident.
    scene.opens("stock_out");
    assert_eq!(scene.incidents("stock_low", true) + scene.incidents("stock_low", false), 0);
    // For eight days nobody ships.
    fleet.count("with late as (update claim set settled_at = now() - interval '8 days' returning 1) select count(*) from late");
    let schedule = scene.schedule("schedule");
    scene.opens("claims_unshipped");
    let reports = ["stock_digest", "daily_report"];
    // A report is told, and over with that.
    reports.iter().for_each(|report| scene.ends(report));
    schedule.stop();

    let granted = support::json(&scene.done(&["claim", "list", "--to-ship", "--all", "--json"]));
    for claim in granted["items"].as_array().unwrap() {
        let id = claim["claim_id"].as_str().unwrap();
        scene.done(&[
            "claim",
            "ship",
            id,
            "--carrier",
            "cj",
            "--number",
            "600000000001",
            "--reason",
            "a test",
        ]);
    }
    let receive = ["--by", "20", "--kind", "receive", "--reason", "a test", "--key", "k"];
    scene.done(&[&["stock", "adjust", "mug"], &receive[..]].concat());
    let _schedule = scene.schedule("schedule-2");
    scene.ends("claims_unshipped");
    scene.ends("stock_out");
    for report in reports {
        assert_eq!((scene.incidents(report, true), scene.incidents(report, false)), (0, 1), "{report}");
    }

    let adjust = ["member", "adjust", "m-0", "--by", "50", "--reason", "a test", "--key", "k"];
    scene.done(&adjust);
    let changed = "with changed as (update member set balance = balance + 1 where id = 'm-0' returning 1)
                   select count(*) from changed";
    assert_eq!(fleet.count(changed), 1);
    assert_eq!(scene.forebay(&["ledger", "check"]).status.code(), Some(1));
    scene.opens("books_differ");
    scene.done(&["ledger", "mend", "--reason", "changed by hand", "--yes"]);
    scene.ends("books_differ");
}

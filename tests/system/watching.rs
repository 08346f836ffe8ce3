//! The rules that watch the system, on real faults: no worker, no relay, a queue that is gone, a full spool, no schedule.
//! Each opens one incident while it lasts, and ends it when it is mended.

use std::time::Duration;

use serde_json::json;

use crate::fleet::Fleet;
use crate::support::{curl, eventually, setting};

const PATIENCE: Duration = Duration::from_secs(60);
/// Thresholds of seconds.
const SETTINGS: &str = r#"
[intake]
spool_max_events = 1
[alerts.limits]
drain_late_s = 2.0
intake_refuses_s = 1.0
no_consumers_s = 2.0
outbox_old_s = 2.0
queue_old_s = 2.0
schedule_missed_s = 4.0
spool_in_use_s = 1.0
well_for_s = 1.0
"#;

struct Scene(Fleet);

impl Scene {
    /// Incidents of this fingerprint that are open, or over.
    fn incidents(&self, fingerprint: &str, open: bool) -> usize {
        let null = if open { "null" } else { "not null" };
        self.0.count(&format!(
            "select count(*) from incident where fingerprint like '{fingerprint}' and resolved_at is {null}"
        ))
    }

    fn opens(&self, fingerprints: &[&str], mut meanwhile: impl FnMut()) {
        for fingerprint in fingerprints {
            eventually(&format!("{fingerprint} is told"), PATIENCE, || {
                meanwhile();
                self.incidents(fingerprint, true) == 1
            });
        }
    }

    fn ends(&self, fingerprints: &[&str]) {
        for fingerprint in fingerprints {
            eventually(&format!("{fingerprint} is over"), PATIENCE, || {
                self.incidents(fingerprint, true) == 0 && self.incidents(fingerprint, false) > 0
            });
            // However many looks saw it, it was raised once.
            let raised = format!(
                "select min(count) from incident where fingerprint like '{fingerprint}' and resolved_at is not null"
            );
            assert_eq!(self.0.count(&raised), 1, "{fingerprint}");
        }
    }

    fn check_in(&self, n: usize) -> u16 {
        let data = json!({ "programme_id": "autumn", "member_id": format!("m-{n}") });
        let event = json!({
            "specversion": "1.0", "id": format!("c-{n}"), "source": "/s", "type": "member.check_in.requested.v1",
            "data": data,
        });
        let url = format!("{}/v1/events", self.0.intake);
        let content = "Content-Type: application/cloudevents+json";
        self.0.call(&["-H", content, "-d", &event.to_string(), &url]).0
    }

    fn delete_queue(&self, queue: &str) {
        let management = setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL");
        let amqp = setting("FOREBAY_TEST_AMQP_URL");
        let login = amqp.split("//").nth(1).unwrap().split('@').next().unwrap();
        let vhost = self.0.queue.rsplit('/').next().unwrap();
        let url = format!("{management}/api/queues/{vhost}/{queue}");
        assert_eq!(curl(&["-u", login, "-X", "DELETE", &url]).0, 204);
    }
}

#[test]
fn each_fault_opens_one_incident_while_it_lasts_and_ends_it_when_it_is_mended() {
    let scene = Scene(Fleet::prepared());
    std::fs::write(scene.0.folder().join("forebay.toml"), SETTINGS).unwrap();
    let fleet = &scene.0;
    let _intake = fleet.start("intake", &["serve", "intake"]);
    let relay = fleet.start("relay", &["relay"]);
    let schedule = fleet.start("schedule", &["schedule"]);
    let _notices = fleet.start("notices", &["work", "--queues", "notices"]);

    // Returns are collected, and nobody works on them; check-ins find no queue, one is spooled and the rest turned away.
    scene.delete_queue("forebay.rewards");
    let mut n = 0;
    let waiting = ["no_consumers/forebay.returns", "queue_old/forebay.returns"];
    let accepting = ["spool_in_use/intake@%", "intake_refuses/intake@%"];
    scene.opens(&[&waiting[..], &accepting].concat(), || {
        n += 1;
        let status = scene.check_in(n);
        assert!([202, 503].contains(&status), "{status}");
    });
    relay.stop();
    scene.opens(&["outbox_old/outbox"], || {});

    let applied = fleet.command(&["topology", "apply"]).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let _relay = fleet.start("relay-2", &["relay"]);
    let _worker = fleet.start("worker", &["work"]);
    scene.ends(&[&waiting[..], &accepting, &["outbox_old/outbox"]].concat());

    schedule.stop();
    scene.opens(&["schedule_missed/clock"], || {});
    let _schedule = fleet.start("schedule-2", &["schedule"]);
    scene.ends(&["schedule_missed/clock"]);
}

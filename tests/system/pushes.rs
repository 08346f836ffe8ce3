//! Pushes of carriers' systems, on both sets: signed, repeated and out of order they end as the parcel did, and nobody
//! asks about it meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually, free_port, sql};

const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "a-token-of-the-test-0123456789";
/// One step each time that it is looked at, or advanced: a label, picked up, on its way, out for delivery, delivered.
const NUMBER: &str = "620000000001";
const POKED: &str = "615000000001";
/// The breaker of EasyPost, open.
const OPEN: &str = r#"forebay_breaker_state{system="carrier/easypost"} 2"#;

struct Scene {
    fleet: Fleet,
    embedded: bool,
    roles: Vec<Role>,
}

impl Scene {
    fn new(embedded: bool) -> Self {
        let fleet = if embedded { Fleet::embedded() } else { Fleet::prepared() };
        let sandbox = &fleet.sandbox;
        let settings = format!(
            "[carriers.easypost]\nurl = \"{sandbox}/easypost/\"\nkey = \"{}\"\nserves = [\"ups\"]\nlimit = 50\n\
             hook_token = \"{TOKEN}\"\npush_secret = \"old\"\npush_secret_next = \"{}\"\nfirst_look_within_s = 0\n\n\
             [carriers.tracker_delivery]\nurl = \"{sandbox}/tracker_delivery/\"\nclient_id = \"{}\"\nkey = \"{}\"\n\
             serves = [\"yamato\"]\nhook_token = \"{TOKEN}\"\nfirst_look_within_s = 0\n",
            forebay_sandbox::EASYPOST_KEY,
            forebay_sandbox::EASYPOST_WEBHOOK_SECRET,
            forebay_sandbox::TRACKER_DELIVERY_CLIENT_ID,
            forebay_sandbox::TRACKER_DELIVERY_CLIENT_SECRET,
        );
        std::fs::write(fleet.folder().join("forebay.toml"), settings).unwrap();
        let roles: &[&[&str]] = if embedded {
            &[&["dev", "--data", "shop.db", "--no-sandbox"]]
        } else {
            assert!(fleet.command(&["topology", "apply"]).output().unwrap().status.success());
            &[&["serve", "intake"], &["relay"], &["work"], &["schedule"]]
        };
        let start = |(n, args): (usize, &&[&str])| {
            let operations = free_port();
            let mut command = fleet.command(args);
            command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
            Role::ready(command, &format!("role-{n}"), operations, fleet.folder())
        };
        let roles = roles.iter().enumerate().map(start).collect();
        Self { fleet, embedded, roles }
    }

    fn hook(&self, system: &str) -> String {
        format!("{}/hooks/carriers/{system}/{TOKEN}", self.fleet.intake)
    }

    fn metrics(&self) -> String {
        self.roles.iter().map(|role| curl(&[&format!("{}/metrics", role.operations())]).1).collect()
    }

    fn control(&self, path: &str, body: &Value) {
        let url = format!("{}/_control/{path}", self.fleet.sandbox);
        let (status, told) = curl(&["-H", "Content-Type: application/json", "-d", &body.to_string(), &url]);
        assert!((200..300).contains(&status), "{path}: {status} {told}");
    }

    fn follow(&self, carrier: &str, number: &str) {
        let event = json!({
            "specversion": "1.0", "id": number, "source": "/s", "type": "return.requested.v1",
            "data": {
                "return_id": format!("r-{number}"), "order_id": format!("o-{number}"),
                "requested_at": "2026-11-20T00:00:00Z",
                "parcel": { "carrier": carrier, "tracking_number": number },
            },
        });
        self.fleet.publish(&[event.to_string()]);
    }

    fn count(&self, statement: &str) -> usize {
        if self.embedded {
            return sql(&self.fleet.folder().join("shop.db"), statement).parse().unwrap();
        }
        self.fleet.count(statement)
    }

    fn is(&self, number: &str, status: &str) -> bool {
        self.count(&format!(
            "select count(*) from parcel where tracking_number = '{number}' and status = '{status}'"
        )) == 1
    }

    fn asked(&self, system: &str, number: &str) -> u64 {
        let told = self.fleet.saw(&format!("carriers/{system}/numbers/{number}")).unwrap();
        told["calls"].as_u64().unwrap()
    }

    fn results(&self, number: &str) -> usize {
        let told = self.fleet.saw("results").unwrap().to_string();
        told.matches(&format!("\\\"return_id\\\":\\\"r-{number}\\\"")).count()
            + told.matches(&format!("\"return_id\":\"r-{number}\"")).count()
    }
}

fn pushes_end_as_the_parcel_did(embedded: bool) {
    let scene = Scene::new(embedded);
    let secret = forebay_sandbox::EASYPOST_WEBHOOK_SECRET;
    scene.control("carriers/easypost/webhook", &json!({ "url": scene.hook("easypost"), "secret": secret }));
    let faults = json!({ "carriers": { "easypost": { "push_repeats": 2, "push_out_of_order": true } } });
    scene.control("faults", &faults);
    scene.follow("ups", NUMBER);
    eventually("the parcel is followed and pushed", PATIENCE, || {
        scene.count("select count(*) from parcel where pushed_at is not null") == 1
    });
    let asked = scene.asked("easypost", NUMBER);
    for _ in 0..6 {
        scene.control(&format!("parcels/{NUMBER}/advance"), &json!({}));
    }
    eventually("the parcel is delivered", PATIENCE, || scene.is(NUMBER, "delivered"));
    eventually("every push is answered", PATIENCE, || {
        let told = scene.fleet.saw("pushes").unwrap().to_string();
        !told.contains("\"status\":null")
    });
    assert_eq!(scene.count("select count(*) from checkpoint"), 5, "each checkpoint once");
    eventually("the shop hears of the return", PATIENCE, || scene.results(NUMBER) >= 1);
    assert_eq!(scene.asked("easypost", NUMBER), asked, "nobody asked meanwhile");
    assert_eq!(scene.results(NUMBER), 1);
    // Somebody without the secret, and somebody without the address.
    let forged = r#"{"id":"evt_forged","description":"tracker.updated","result":{}}"#;
    assert_eq!(curl(&["-d", forged, &scene.hook("easypost")]).0, 401);
    let guess = format!("{}/hooks/carriers/easypost/{}", scene.fleet.intake, TOKEN.to_uppercase());
    assert_eq!(curl(&["-d", forged, &guess]).0, 404);
}

fn a_poke_lets_the_parcel_be_looked_up(embedded: bool) {
    let scene = Scene::new(embedded);
    scene.follow("yamato", POKED);
    eventually("the parcel is looked up", PATIENCE, || scene.is(POKED, "registered"));
    scene.control(&format!("parcels/{POKED}/advance"), &json!({}));
    let poke = format!(r#"{{"carrierId":"jp.yamato","trackingNumber":"{POKED}"}}"#);
    assert_eq!(curl(&["-d", &poke, &scene.hook("tracker_delivery")]).0, 202);
    eventually("the poke's parcel is looked up", PATIENCE, || scene.is(POKED, "picked_up"));
}

#[test]
fn a_push_is_applied_while_its_carrier_is_left_alone() {
    let scene = Scene::new(true);
    let secret = forebay_sandbox::EASYPOST_WEBHOOK_SECRET;
    scene.control("carriers/easypost/webhook", &json!({ "url": scene.hook("easypost"), "secret": secret }));
    scene.follow("ups", NUMBER);
    eventually("the parcel is followed and pushed", PATIENCE, || {
        scene.count("select count(*) from parcel where pushed_at is not null") == 1
    });
    let order = json!({ "state": "open", "reason": "a test" }).to_string();
    let url = format!("{}/v1/carriers/easypost/breaker", scene.fleet.api);
    let (status, told) = scene.fleet.call(&["-H", "Content-Type: application/json", "-d", &order, &url]);
    assert_eq!(status, 200, "{told}");
    eventually("the workers know it", PATIENCE, || scene.metrics().contains(OPEN));
    for _ in 0..6 {
        scene.control(&format!("parcels/{NUMBER}/advance"), &json!({}));
    }
    eventually("the parcel is delivered", PATIENCE, || scene.is(NUMBER, "delivered"));
}

#[test]
fn pushes_end_as_the_parcel_did_on_the_embedded_set() {
    pushes_end_as_the_parcel_did(true);
}

#[test]
fn pushes_end_as_the_parcel_did_on_servers() {
    pushes_end_as_the_parcel_did(false);
}

#[test]
fn a_poke_lets_the_parcel_be_looked_up_on_the_embedded_set() {
    a_poke_lets_the_parcel_be_looked_up(true);
}

#[test]
fn a_poke_lets_the_parcel_be_looked_up_on_servers() {
    a_poke_lets_the_parcel_be_looked_up(false);
}

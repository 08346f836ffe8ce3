//! Secrets are nowhere to be read: not in a log, a dead letter, an error, an incident, a metric, a trace, an answer of the
//! api. Personal data are in the database, and in none of these listings either.
//!
//! Every outside system fails in its own way meanwhile, since errors are where secrets leak.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::fleet::{Fleet, Role};
use crate::support::{curl, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
/// A member, and what somebody wrote into a field that is a number.
const MEMBER: &str = "hushed.member.7";
const WRITTEN: &str = "Kim Minji, 010-1234-5678, minji@shop.example";
/// Where personal data are at home.
const THE_DATABASE: &str = "the database";
/// Holds the tokens that the fleet shares: there they are at home.
const AT_HOME: &str = "outside_token";

/// What must be found nowhere, by what it is.
fn secrets() -> BTreeMap<&'static str, String> {
    let of = |what: &str| format!("hush{what}0123456789abcdefghijk");
    BTreeMap::from([
        ("FOREBAY_CARRIERS__SWEETTRACKER__KEY", of("sweettracker")),
        ("FOREBAY_CARRIERS__TRACKER_DELIVERY__KEY", of("trackerdelivery")),
        ("FOREBAY_CARRIERS__TRACKER_DELIVERY__HOOK_TOKEN", of("trackerdeliveryhook")),
        ("FOREBAY_CARRIERS__DHL__KEY", of("dhl")),
        ("FOREBAY_CARRIERS__EASYPOST__KEY", of("easypost")),
        ("FOREBAY_CARRIERS__EASYPOST__HOOK_TOKEN", of("easyposthook")),
        ("FOREBAY_CARRIERS__EASYPOST__PUSH_SECRET", of("easypostpush")),
        ("FOREBAY_CARRIERS__AFTERSHIP__KEY", of("aftership")),
        ("FOREBAY_CARRIERS__UPS__KEY", of("ups")),
        // The sandbox's own, so that there is a token to be hidden.
        ("FOREBAY_CARRIERS__FEDEX__KEY", forebay_sandbox::FEDEX_CLIENT_SECRET.to_owned()),
        ("FOREBAY_RETURNS__API_TOKEN", of("returns")),
        ("FOREBAY_RETURNS__SIGNING_SECRET", "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g=".to_owned()),
        ("FOREBAY_SLACK__BOT_TOKEN", format!("xoxb-{}", of("slack"))),
        ("FOREBAY_TRACES__AUTHORIZATION", of("collector")),
    ])
}

/// A collector of traces that keeps what it gets as it comes: text stands in protobuf as it is.
struct Collector {
    bodies: Arc<Mutex<Vec<Bytes>>>,
    endpoint: String,
    // Stopped when the test ends.
    _runtime: Runtime,
}

impl Collector {
    fn listening() -> Self {
        let bodies: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let take = async |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| bodies.lock().push(body);
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&bodies));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { bodies, endpoint, _runtime: runtime }
    }

    fn text(&self) -> String {
        self.bodies.lock().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }
}

/// The password of an address.
fn password(url: &str) -> String {
    let login = url.split("://").nth(1).unwrap().split('@').next().unwrap();
    login.split(':').nth(1).unwrap().to_owned()
}

fn settings(fleet: &Fleet, collector: &Collector) -> Vec<(String, String)> {
    let at = |path: &str| format!("{}/{path}/", fleet.sandbox);
    let mut settings: Vec<(String, String)> =
        secrets().into_iter().map(|(name, secret)| (name.to_owned(), secret)).collect();
    for system in ["tracker_delivery", "dhl", "easypost", "aftership", "fedex", "ups"] {
        let name = |what: &str| format!("FOREBAY_CARRIERS__{}__{what}", system.to_uppercase());
        settings.push((name("URL"), at(system)));
        settings.push((name("FIRST_LOOK_WITHIN_S"), "0".to_owned()));
        let client = match system {
            "fedex" => forebay_sandbox::FEDEX_CLIENT_ID,
            "ups" => forebay_sandbox::UPS_CLIENT_ID,
            "tracker_delivery" => forebay_sandbox::TRACKER_DELIVERY_CLIENT_ID,
            _ => continue,
        };
        settings.push((name("CLIENT_ID"), client.to_owned()));
    }
    let name = |system: &str, what: &str| format!("FOREBAY_CARRIERS__{system}__{what}");
    for (system, carrier) in
        [("TRACKER_DELIVERY", "yamato"), ("DHL", "dhl"), ("EASYPOST", "dhl_express"), ("AFTERSHIP", "usps")]
    {
        settings.push((name(system, "SERVES"), format!("[\"{carrier}\"]")));
    }
    settings.push(("FOREBAY_LOG__FORMAT".to_owned(), "json".to_owned()));
    if cfg!(feature = "otlp") {
        // All of them, at once: OpenTelemetry's own setting is in milliseconds.
        let traced = [("TRACES__ENDPOINT", collector.endpoint.as_str()), ("TRACES__SAMPLE", "1")];
        settings.extend(traced.map(|(name, value)| (format!("FOREBAY_{name}"), value.to_owned())));
        settings.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "100".to_owned()));
    }
    settings
}

/// Every row of every table, and what bytes in it say.
fn database(fleet: &Fleet) -> String {
    let ask = |statement: &str| {
        let output = Command::new("psql")
            .args([&fleet.store, "-XAtqc", statement])
            .env("PGOPTIONS", "-c search_path=forebay -c bytea_output=escape")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let tables = ask("select tablename from pg_tables where schemaname = 'forebay' order by 1");
    let rows = |table: &str| ask(&format!("select * from {table}"));
    tables.lines().filter(|table| *table != AT_HOME).map(rows).collect()
}

#[test]
fn no_secret_is_to_be_read_anywhere() {
    let fleet = Fleet::prepared();
    let collector = Collector::listening();
    let settings = settings(&fleet, &collector);
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut topology = fleet.command(&["topology", "apply"]);
    assert!(topology.envs(settings.iter().copied()).output().unwrap().status.success());
    let start = |name: &str, args: &[&str]| fleet.start_with(name, args, &settings);
    let roles: Vec<Role> = [
        ("intake", &["serve", "intake"][..]),
        ("api", &["serve", "api"]),
        ("relay", &["relay"]),
        ("schedule", &["schedule"]),
        ("work", &["work"]),
    ]
    .map(|(name, args)| start(name, args))
    .into();

    let control = |path: &str, body: &serde_json::Value| {
        let url = format!("{}/_control/{path}", fleet.sandbox);
        assert!(
            (200..300)
                .contains(&curl(&["-H", "Content-Type: application/json", "-d", &body.to_string(), &url]).0)
        );
    };
    // FedEx gives a token, and fails with it.
    control("faults", &json!({ "mail_refuses": true, "carriers": { "fedex": { "fail_percent": 100 } } }));
    let parcels = [
        ("cj", "600000000001"),
        ("yamato", "600000000001"),
        ("dhl", "7000000001"),
        ("dhl_express", "3318810025"),
        ("usps", "EA123456785US"),
        ("fedex", "794643013528"),
        ("ups", "1Z879E930346834440"),
        ("nobody", "600000000009"),
    ];
    let event = |(carrier, number): (&str, &str)| {
        let data = json!({
            "return_id": format!("R-{carrier}"), "order_id": format!("O-{carrier}"),
            "requested_at": "2026-11-20T00:00:00Z",
            "parcel": { "carrier": carrier, "tracking_number": number },
        });
        let (id, kind) = (format!("e-{carrier}"), "return.requested.v1");
        json!({ "specversion": "1.0", "id": id, "source": "/s", "type": kind, "data": data }).to_string()
    };
    fleet.publish(&parcels.map(event));
    let order = |id: &str, amount: serde_json::Value| {
        let data = json!({
            "order_id": "O-7", "member_id": MEMBER, "currency": "KRW", "amount_minor": amount,
            "paid_at": "2026-11-20T00:00:00Z",
        });
        json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "order.paid.v1", "data": data })
            .to_string()
    };
    // Two that say different things under one id, so that one of them dies; and one that is refused at the door.
    fleet.publish(&[order("e-order", json!(1)), order("e-order", json!(2))]);
    let events = format!("{}/v1/events", fleet.intake);
    let (status, _) = fleet.call(&[
        "-H",
        "Content-Type: application/cloudevents+json",
        "-d",
        &order("e-written", json!(WRITTEN)),
        &events,
    ]);
    assert_eq!(status, 422);
    let hook = |system: &str, token: &str| format!("{}/hooks/carriers/{system}/{token}", fleet.intake);
    let all = secrets();
    let token = |name: &str| all[name].as_str();
    let forged = hook("easypost", token("FOREBAY_CARRIERS__EASYPOST__HOOK_TOKEN"));
    assert_eq!(curl(&["-d", "{}", &forged]).0, 401);
    let poke = r#"{"carrierId":"jp.yamato","trackingNumber":"600000000001"}"#;
    let pushed = hook("tracker_delivery", token("FOREBAY_CARRIERS__TRACKER_DELIVERY__HOOK_TOKEN"));
    assert_eq!(curl(&["-d", poke, &pushed]).0, 202);
    let wrong = format!("Authorization: Bearer {}x", fleet.key);
    assert_eq!(curl(&["-H", &wrong, &format!("{}/v1/carriers", fleet.api)]).0, 401);

    eventually("what nobody carries and what says something else under its id is dead", PATIENCE, || {
        fleet.count("select count(*) from dead_letter") >= 2
    });
    eventually("the systems that refuse their keys are left alone", PATIENCE, || {
        fleet.count("select count(*) from incident where fingerprint like 'breaker/%'") >= 5
    });
    eventually("FedEx gave a token", PATIENCE, || {
        fleet.count("select count(*) from outside_token where token is not null") >= 1
    });
    eventually("FedEx was asked with it", PATIENCE, || {
        fleet.saw("carriers/fedex").is_some_and(|told| told["calls"].as_u64() >= Some(1))
    });

    if cfg!(feature = "otlp") {
        let spans =
            ["POST /v1/events", "POST carrier/fedex", "process forebay.tracking.dhl", "carrier/easypost"];
        eventually("what was done is traced", PATIENCE, || {
            let traced = collector.text();
            spans.iter().all(|span| traced.contains(span))
        });
    }

    let mut read: Vec<(String, String)> = vec![(THE_DATABASE.to_owned(), database(&fleet))];
    for role in &roles {
        for path in ["metrics", "readyz", "livez"] {
            let url = format!("{}/{path}", role.operations());
            read.push((url.clone(), curl(&[&url]).1));
        }
    }
    for path in [
        "carriers",
        "carriers/fedex",
        "incidents",
        "dead-letters",
        "dead-letters/groups",
        "queues",
        "workers",
        "audit-log",
    ] {
        let (_, told) = fleet.call(&[&format!("{}/v1/{path}", fleet.api)]);
        read.push((path.to_owned(), told.to_string()));
    }
    for args in [&["config", "show"][..], &["doctor"]] {
        let output = fleet.command(args).envs(settings.iter().copied()).output().unwrap();
        let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        read.push((args.join(" "), told.concat()));
    }
    drop(roles);
    for entry in std::fs::read_dir(fleet.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") && !path.ends_with("sandbox.log") {
            read.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    // The last: all that was to be traced is over.
    read.push(("the traces".to_owned(), collector.text()));
    assert!(read.iter().filter(|(_, text)| text.len() > 100).count() >= 10, "there is something to be read");

    let mut hidden: Vec<(String, String)> =
        all.iter().map(|(name, secret)| ((*name).to_owned(), secret.clone())).collect();
    let key = fleet.key.rsplit('_').next().unwrap().to_owned();
    hidden.push(("the key of the api".to_owned(), key));
    hidden.push(("FedEx's token".to_owned(), "fedex-token-0".to_owned()));
    hidden.push(("the password of the database".to_owned(), password(&fleet.store)));
    for (place, text) in &read {
        for (name, secret) in &hidden {
            let bare = secret.trim_start_matches("whsec_");
            assert!(!text.contains(bare), "{name} is to be read in {place}");
        }
    }
    let written = WRITTEN.split(", ");
    let personal: Vec<&str> = parcels.iter().map(|parcel| parcel.1).chain([MEMBER]).chain(written).collect();
    for (place, text) in read.iter().filter(|(place, _)| place != THE_DATABASE) {
        for one in &personal {
            assert!(!text.contains(one), "{one} is to be read in {place}");
        }
    }
}

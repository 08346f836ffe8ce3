//! The rule about the keys of members' tokens, on an issuer that is not there.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::support::{curl, eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(120);

fn incidents(fleet: &Fleet, rule: &str, open: bool) -> usize {
    let null = if open { "null" } else { "not null" };
    fleet.count(&format!("select count(*) from incident where rule = '{rule}' and resolved_at is {null}"))
}

fn opens(fleet: &Fleet, rule: &str, mut meanwhile: impl FnMut()) {
    eventually(&format!("{rule} is told"), PATIENCE, || {
        meanwhile();
        incidents(fleet, rule, true) == 1
    });
}

fn ends(fleet: &Fleet, rule: &str, mut meanwhile: impl FnMut()) {
    eventually(&format!("{rule} is over"), PATIENCE, || {
        meanwhile();
        incidents(fleet, rule, true) == 0 && incidents(fleet, rule, false) == 1
    });
}

/// Answers every request with an empty set of keys.
fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut request = [0; 4_096];
            if stream.read(&mut request).is_err() {
                continue;
            }
            let document = json!({ "keys": [] }).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                document.len()
            );
            let _ = stream.write_all((head + &document).as_bytes());
        }
    });
}

/// `cargo test --test system watching_keys -- --ignored` under `scripts/servers --`; a minute.
#[test]
#[ignore = "a minute: keys are asked for each half minute"]
fn keys_of_tokens_that_are_not_to_be_had_are_one_incident_until_they_are() {
    let fleet = Fleet::prepared();
    std::fs::write(
        fleet.folder().join("forebay.toml"),
        "[alerts.limits]\nmember_keys_unavailable_s = 1.0\nwell_for_s = 1.0\n",
    )
    .unwrap();
    let (issuer, keys) = ("https://id.shop.example/", free_port());
    let issuers =
        format!(r#"[{{issuer="{issuer}",audiences=["app"],jwks_url="http://127.0.0.1:{keys}/jwks.json"}}]"#);
    let entry = |port: &str| format!(r#"{{host="127.0.0.1",port={port},private=true,plain=true}}"#);
    let sandbox = fleet.sandbox.rsplit(':').next().unwrap();
    let allow = format!("[{},{}]", entry(sandbox), entry(&keys.to_string()));
    let settings = [("FOREBAY_MEMBERS__ISSUERS", issuers.as_str()), ("FOREBAY_OUTBOUND__ALLOW", &allow)];
    let _api = fleet.start_with("api", &["serve", "api"], &settings);
    let _worker = fleet.start("notices", &["work", "--queues", "notices"]);
    let _schedule = fleet.start("schedule", &["schedule"]);
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({ "iss": issuer, "aud": "app", "sub": "m-1", "iat": 1, "exp": 4_000_000_000_u32 });
    let token = format!("{}.{}.c2ln", part(json!({ "alg": "EdDSA", "kid": "shop-1" })), part(claims));
    let knock = || {
        let url = format!("{}/v1/members/me/balance", fleet.api);
        let (status, _) = curl(&["-H", &format!("Authorization: Bearer {token}"), &url]);
        assert!([401, 503].contains(&status), "{status}");
    };
    opens(&fleet, "member_keys_unavailable", knock);
    serve(keys);
    ends(&fleet, "member_keys_unavailable", knock);
}

//! Members' tokens, from the command line to the api: those of `forebay dev`, and those of a shop's own provider.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_domain::{Clock as _, SystemClock};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use crate::fleet::Fleet;
use crate::support::{Process, READY, curl, eventually, forebay, free_port};

/// `forebay dev` on a data file of this folder: its address.
fn dev(folder: &Path) -> (Process, String) {
    let (port, operations) = (free_port(), free_port());
    let process = Process::start(
        forebay()
            .args(["dev", "--data", "shop.db"])
            .env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{port}"))
            .env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
            .current_dir(folder)
            .stderr(Stdio::null()),
    );
    let ready = format!("http://127.0.0.1:{operations}/readyz");
    eventually("dev is ready", READY, || curl(&[&ready]).0 == 200);
    (process, format!("http://127.0.0.1:{port}"))
}

/// What `member token` prints.
fn dev_token(folder: &Path) -> String {
    let output = forebay()
        .args(["member", "token", "m-1", "--for", "30m", "--data", "shop.db"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn get(token: &str, url: &str) -> (u16, String) {
    curl(&["-H", &format!("Authorization: Bearer {token}"), url])
}

#[test]
fn dev_makes_tokens_that_it_takes_itself_and_that_open_nothing_but_the_members_own() {
    let folder = tempfile::tempdir().unwrap();
    let output = forebay()
        .args(["member", "token", "m-1", "--data", "shop.db"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`forebay dev`"), "{output:?}");
    let (_dev, url) = dev(folder.path());
    let key = folder.path().join("shop.db.members.jwk");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let token = dev_token(folder.path());
    assert_eq!(get(&token, &format!("{url}/v1/members/me/balance")).0, 200);
    assert_eq!(get(&token, &format!("{url}/v1/members/m-2/balance")).0, 403);
    assert_eq!(get(&token, &format!("{url}/v1/queues")).0, 403);
    let (status, body) = curl(&[
        "-H",
        &format!("Authorization: Bearer {token}"),
        "-H",
        "Content-Type: application/json",
        "-d",
        "{}",
        &format!("{url}/v1/programmes/demo/check-ins"),
    ]);
    assert_eq!(status, 202, "{body}");
    let another = tempfile::tempdir().unwrap();
    let (_another, url) = dev(another.path());
    assert_eq!(get(&token, &format!("{url}/v1/members/me/balance")).0, 401);
}

#[test]
fn the_issuer_of_dev_can_not_be_configured() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[[members.issuers]]\nissuer = \"forebay-dev\"\naudiences = [\"forebay\"]\n\
                    jwks_url = \"https://keys.shop.example/\"\n";
    std::fs::write(folder.path().join("forebay.toml"), settings).unwrap();
    let output = forebay().args(["config", "check"]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("refused elsewhere"), "{output:?}");
}

/// A server that answers every request with this document: its port.
fn serve(document: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let length = document.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}");
            let _ = stream.write_all(head.as_bytes());
        }
    });
    port
}

#[test]
fn an_api_in_production_takes_its_issuers_tokens_and_never_those_of_dev() {
    let seed = [7; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "shop-1", "x": URL_SAFE_NO_PAD.encode(pair.public_key()),
    });
    let keys = serve(json!({ "keys": [key] }).to_string());
    let issuer = "https://id.shop.example/";
    let now = SystemClock.now().timestamp();
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({ "iss": issuer, "aud": "app", "sub": "m-1", "iat": now, "exp": now + 600 });
    let message = format!("{}.{}", part(json!({ "alg": "EdDSA", "kid": "shop-1" })), part(claims));
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())));

    let fleet = Fleet::prepared();
    let issuers =
        format!(r#"[{{issuer="{issuer}",audiences=["app"],jwks_url="http://127.0.0.1:{keys}/jwks.json"}}]"#);
    let sandbox = fleet.sandbox.rsplit(':').next().unwrap();
    let entry = |port: &str| format!(r#"{{host="127.0.0.1",port={port},private=true,plain=true}}"#);
    let allow = format!("[{},{}]", entry(sandbox), entry(&keys.to_string()));
    let settings = [("FOREBAY_MEMBERS__ISSUERS", issuers.as_str()), ("FOREBAY_OUTBOUND__ALLOW", &allow)];
    let _api = fleet.start_with("api", &["serve", "api"], &settings);
    let balance = format!("{}/v1/members/me/balance", fleet.api);
    let (status, body) = get(&token, &balance);
    assert_eq!(status, 200, "{body}");
    assert_eq!(get(&token, &format!("{}/v1/members/m-2/balance", fleet.api)).0, 403);

    let folder = tempfile::tempdir().unwrap();
    let (_dev, _) = dev(folder.path());
    let (status, body) = get(&dev_token(folder.path()), &balance);
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("invalid-token"), "{body}");
}

//! The api is as its OpenAPI document says: Schemathesis asks `forebay dev` all that the document allows, and some that
//! it forbids.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Process, READY, bare, curl, eventually, forebay, free_port, setting, sql};

/// What is there before anything is asked, so that ids lead somewhere.
const PROGRAMME: &str = r#"{"id":"autumn","name":"Autumn","tz":"Asia/Seoul","count_mode":"total",
    "starts_on":"2020-01-01","ends_on":"2020-12-31","claim_until":"2099-01-01T00:00:00Z","state":"active",
    "rules":[{"id":"one-day","days_required":1,"reward":{"id":"kettle","name":"Kettle","kind":"product","sku":"KETTLE",
    "stock":{"total":10,"low_at":2}}}]}"#;

struct Dev {
    process: Process,
    url: String,
    key: String,
}

impl Dev {
    fn start(folder: &Path) -> Self {
        let (port, operations) = (free_port(), free_port());
        let data = folder.join("shop.db");
        let process = Process::start(
            forebay()
                .args(["dev", "--data"])
                .arg(&data)
                .env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{port}"))
                .env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
                .current_dir(folder)
                .stderr(std::fs::File::create(folder.join("dev.log")).unwrap()),
        );
        let ready = format!("http://127.0.0.1:{operations}/readyz");
        eventually("dev is ready", READY, || curl(&[&ready]).0 == 200);
        let key = std::fs::read_to_string(folder.join("shop.db.key")).unwrap().trim().to_owned();
        let dev = Self { process, url: format!("http://127.0.0.1:{port}"), key };
        dev.fill(&data);
        dev
    }

    fn send(&self, method: &str, path: &str, content: &str, body: &str) -> u16 {
        let (authorization, content) =
            (format!("Authorization: Bearer {}", self.key), format!("Content-Type: {content}"));
        let url = format!("{}{path}", self.url);
        curl(&["-X", method, "-H", &authorization, "-H", &content, "-d", body, &url]).0
    }

    fn fill(&self, data: &Path) {
        let json = "application/json";
        assert_eq!(self.send("PUT", "/v1/programmes/autumn", json, PROGRAMME), 201);
        let claim = r#"{"member_id":"m-1","rule_id":"one-day"}"#;
        assert_eq!(self.send("POST", "/v1/programmes/autumn/claims", json, claim), 202);
        let events = r#"[
            {"specversion":"1.0","id":"o-1","source":"/s","type":"order.paid.v1","data":{"order_id":"O-1",
             "member_id":"m-1","currency":"KRW","amount_minor":1000,"paid_at":"2026-11-20T00:00:00Z"}},
            {"specversion":"1.0","id":"r-1","source":"/s","type":"return.requested.v1","data":{"return_id":"R-1",
             "order_id":"O-1","requested_at":"2026-11-20T00:00:00Z",
             "parcel":{"carrier":"cj","tracking_number":"600000000001"}}}]"#;
        assert_eq!(self.send("POST", "/v1/events", "application/cloudevents-batch+json", events), 202);
        let settled = "select (select count(*) from claim) + (select count(*) from return_order)";
        eventually("all is settled", READY, || sql(data, settled) == "2");
    }

    /// Asks so much of each operation, and whether every answer was as it should be.
    fn ask(&self, folder: &Path, examples: u32) -> Output {
        let examples = examples.to_string();
        let authorization = format!("Authorization: Bearer {}", self.key);
        let mut command: Command = bare(&setting("FOREBAY_TEST_PYTHON"));
        command
            .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/schemathesis.toml"))
            .args(["run", "--max-examples", &examples, "--header", &authorization])
            .arg(format!("{}/openapi.json", self.url))
            .current_dir(folder);
        command.output().unwrap()
    }
}

fn conforms(examples: u32) {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let said = dev.ask(folder.path(), examples);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{text}\n{}", String::from_utf8_lossy(&said.stderr));
    dev.process.kill();
}

#[test]
fn every_answer_is_one_that_the_document_tells_of() {
    conforms(5);
}

/// `scripts/test --stage test -- --test system openapi::every_answer_to_many -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn every_answer_to_many_requests_is_one_that_the_document_tells_of() {
    conforms(200);
}
